"""Changes of a head in both images of a pair, and what is around it, for `calibration_cases.py`.

Positions are those of the CT's patient, relative to the centre of the brain's box, LPS mm.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from calibration_changes import padded
from calibration_pairs import SPACING_MM, VHF, Displacement, Pair, with_ct, with_mr
from radfuse.arrays import BoolArray, Float32Array, Float64Array, image_on
from radfuse.modality import AIR_HU
from radfuse.phantom.head import Tumour, make_phantom
from radfuse.registration.qa.regions import SECTORS
from radfuse.registration.transforms import matrix_of, rigid_from_matrix

METAL_HU, BONE_HU, SKIN_HU = 3071.0, 150.0, -300.0

Coordinates = tuple[Float32Array, Float32Array, Float32Array]
Region = Callable[..., BoolArray]
"""From coordinates x, y, z, which can be broadcast."""

Point = tuple[float, float, float]


def coordinates(pair: Pair, image: sitk.Image) -> Coordinates:
    """Of the voxels (z, y, x) of an image of the pair, relative to the centre of the brain."""
    to_ct = np.eye(4) if image is pair.ct.image else np.linalg.inv(matrix_of(pair.truth))
    axes = to_ct[:3, :3] @ np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    origin = to_ct[:3, :3] @ image.GetOrigin() + to_ct[:3, 3] - pair.points_mm.mean(axis=0)
    index = np.ogrid[tuple(slice(n) for n in image.GetSize()[::-1])][::-1]
    x, y, z = (
        sum((step * i for step, i in zip(row, index, strict=True) if step), np.zeros((1, 1, 1)))
        + start
        for row, start in zip(axes, origin, strict=True)
    )
    return x.astype(np.float32), y.astype(np.float32), z.astype(np.float32)


def ball(centre: Point, radius_mm: float) -> Region:
    """All within a radius."""

    def inside(x: Float32Array, y: Float32Array, z: Float32Array) -> BoolArray:
        a, b, c = centre
        return np.asarray((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2 < radius_mm**2)

    return inside


def rod(first: Point, last: Point, radius_mm: float) -> Region:
    """A cylinder between two points, with round ends."""
    start, along = np.array(first), np.subtract(last, first)
    length2 = float(along @ along)

    def inside(x: Float32Array, y: Float32Array, z: Float32Array) -> BoolArray:
        parts = [part - at for part, at in zip((x, y, z), start.tolist(), strict=True)]
        share = sum(part * step for part, step in zip(parts, along.tolist(), strict=True)) / length2
        share = np.clip(share, 0, 1)
        gaps = [part - share * step for part, step in zip(parts, along.tolist(), strict=True)]
        return np.asarray(sum(gap**2 for gap in gaps) < radius_mm**2)

    return inside


def union(*regions: Region) -> Region:
    """All within any of the regions."""
    return lambda x, y, z: np.logical_or.reduce([region(x, y, z) for region in regions])


def filled(pair: Pair, region: Region, *, hu: float | None, signal: float | None) -> Pair:
    """A region with a CT number, and with a signal, a fraction of the MR's bright percentile."""
    ct, mr = pair.ct.image, pair.mr.image
    if hu is not None:
        values = sitk.GetArrayFromImage(ct)
        values[np.broadcast_to(region(*coordinates(pair, ct)), values.shape)] = hu
        ct = image_on(ct, values)
    if signal is not None:
        values = sitk.GetArrayFromImage(mr)
        level = signal * np.percentile(values, 97)
        values[np.broadcast_to(region(*coordinates(pair, mr)), values.shape)] = level
        mr = image_on(mr, values)
    return replace(pair, ct=replace(pair.ct, image=ct), mr=replace(pair.mr, image=mr))


def opened_skull(pair: Pair, region: Region) -> Pair:
    """The region's bone is soft tissue in both images."""
    ct, mr = pair.ct.image, pair.mr.image
    hu = sitk.GetArrayFromImage(ct)
    bone = np.broadcast_to(region(*coordinates(pair, ct)), hu.shape) & (hu > BONE_HU)
    mask = image_on(ct, bone.astype(np.uint8))
    in_mr = sitk.Resample(mask, mr, pair.truth.GetInverse(), sitk.sitkNearestNeighbor, 0)
    values = sitk.GetArrayFromImage(mr)
    values[sitk.GetArrayFromImage(in_mr) > 0] = 0.5 * np.percentile(values, 97)
    hu[bone] = 40.0
    return with_mr(with_ct(pair, lambda _: image_on(ct, hu)), lambda _: image_on(mr, values))


def craniectomy(pair: Pair) -> Pair:
    """A third of the left vault is missing."""
    return opened_skull(pair, ball((75.0, -5.0, 30.0), 48.0))


def burr_holes(pair: Pair) -> Pair:
    """Four holes of 14 mm."""
    ends = ((90.0, -40.0, 60.0), (-90.0, -40.0, 60.0), (80.0, 60.0, 40.0), (-95.0, 10.0, 20.0))
    return opened_skull(pair, union(*(rod((0.0, 0.0, 10.0), end, 7.0) for end in ends)))


def cavity(pair: Pair) -> Pair:
    """A resection cavity of 50 mm, full of fluid."""
    return filled(pair, ball((28.0, 0.0, 12.0), 25.0), hu=8.0, signal=0.2)


def large_tumour(pair: Pair, source: str) -> Pair:
    """A tumour of 56 mm."""
    if source == VHF:
        return filled(pair, ball((-26.0, 10.0, 12.0), 28.0), hu=46.0, signal=1.1)
    grown = make_phantom(int(source), spacing_mm=SPACING_MM, tumour=Tumour(radius_mm=28.0))
    return replace(pair, ct=grown.ct, mr=grown.mr)


def metal_streaks(pair: Pair, centres: tuple[Point, ...]) -> Pair:
    """Metal of 8 mm in the CT, with streaks in the slices around it."""
    pair = filled(pair, union(*(ball(centre, 4.0) for centre in centres)), hu=METAL_HU, signal=None)
    rng = np.random.default_rng(9)
    values = sitk.GetArrayFromImage(pair.ct.image)
    x, y, z = coordinates(pair, pair.ct.image)
    for a, b, c in centres:
        near = np.flatnonzero(np.abs(z.ravel() - c) < 12)
        angle = np.arctan2(y - b, x - a)
        rays = ndimage.gaussian_filter1d(rng.normal(size=720), 3, mode="wrap") * 2.0
        away = np.hypot(x - a, y - b)
        part = np.interp(angle.ravel(), np.linspace(-np.pi, np.pi, 720), rays).reshape(angle.shape)
        fall = np.exp(-away / 70) * np.exp(-(((z[near] - c) / 6) ** 2))
        values[near] += 600 * part * fall
    return with_ct(pair, lambda ct: image_on(ct, np.clip(values, -1024, METAL_HU)))


def couch(pair: Pair) -> Pair:
    """A couch of carbon and foam, and a head rest that touches the head."""
    pair = with_ct(pair, padded(40.0, AIR_HU))
    values = sitk.GetArrayFromImage(pair.ct.image)
    x, y, z = coordinates(pair, pair.ct.image)
    head = ndimage.binary_opening(values > SKIN_HU, iterations=2)
    at = int(np.argmin(np.abs(z.ravel())))  # the back of the head in the brain's slice
    back = float(y.ravel()[np.flatnonzero(head[at].any(axis=1)).max()])
    depth = y - back
    plate = np.broadcast_to((depth > 10) & (depth < 35), values.shape)
    skin = np.broadcast_to(((depth > 10) & (depth < 14)) | ((depth > 31) & (depth < 35)),
                           values.shape)  # fmt: skip
    rest = (depth > -25) & (depth <= 10) & (np.abs(x) < 70) & (values < SKIN_HU) & (z > -40)
    rest = rest & (np.hypot(x / 95, (y - back + 95) / 100) > 1)
    values[plate], values[rest], values[skin] = -700.0, -150.0, 40.0
    return with_ct(pair, lambda ct: image_on(ct, values))


def skin_distance_mm(ct: sitk.Image) -> Float32Array:
    """Distance from the head, mm; voxels of the CT."""
    coarse = sitk.BinShrink(ct, [max(1, round(2 / step)) for step in ct.GetSpacing()])
    body = ndimage.binary_opening(sitk.GetArrayViewFromImage(coarse) > SKIN_HU, iterations=2)
    parts, count = ndimage.label(body)
    largest = 1 + int(np.argmax(ndimage.sum(body, parts, range(1, count + 1))))
    head = np.array([ndimage.binary_fill_holes(plane) for plane in parts == largest])
    signed = image_on(coarse, head.astype(np.uint8))
    distance = sitk.SignedMaurerDistanceMap(signed, squaredDistance=False, useImageSpacing=True)
    onto = sitk.Resample(distance, ct, sitk.Transform(), sitk.sitkLinear, 50.0, sitk.sitkFloat32)
    return np.asarray(sitk.GetArrayFromImage(onto))


def thermoplastic_mask(pair: Pair) -> Pair:
    """A mask of 3 mm in front of the ears, on the skin or some mm above it."""
    pair = with_ct(pair, padded(20.0, AIR_HU))
    values = sitk.GetArrayFromImage(pair.ct.image)
    x, y, z = coordinates(pair, pair.ct.image)
    middle = 3.0 + 1.5 * np.sin(x / 25) * np.cos(z / 30)
    share = np.clip(2.0 - np.abs(skin_distance_mm(pair.ct.image) - middle), 0, 1) * (y < 25)
    values = np.maximum(values, AIR_HU + share * (50 - AIR_HU))
    return with_ct(pair, lambda ct: image_on(ct, values.astype(np.float32)))


def frame(pair: Pair, *, in_mr: bool) -> Pair:
    """A stereotactic ring with posts, pins into the skull and rods of a localizer."""
    pair = with_ct(pair, padded(50.0, AIR_HU))
    corners = [(sx * 78.0, sy * 95.0) for sx in (-1, 1) for sy in (-1, 1)]
    ring = [rod((95.0, -115.0, -50.0), (95.0, 115.0, -50.0), 7.0),
            rod((-95.0, -115.0, -50.0), (-95.0, 115.0, -50.0), 7.0),
            rod((95.0, -115.0, -50.0), (-95.0, -115.0, -50.0), 7.0),
            rod((95.0, 115.0, -50.0), (-95.0, 115.0, -50.0), 7.0)]  # fmt: skip
    posts = [rod((x, y, -50.0), (x, y, 5.0), 6.0) for x, y in corners]
    pins = [rod((x, y, 0.0), (0.62 * x, 0.68 * y, 0.0), 2.5) for x, y in corners]
    pair = filled(pair, union(*ring, *posts), hu=2000.0, signal=None)
    pair = filled(pair, union(*pins), hu=METAL_HU, signal=None)
    rods = [rod((s * 112.0, y0, -40.0), (s * 112.0, y1, 60.0), 3.0)
            for s in (-1, 1)
            for y0, y1 in ((-60.0, -60.0), (-60.0, 60.0), (60.0, 60.0))]  # fmt: skip
    if in_mr:
        pair = with_mr(pair, padded(40.0, 0.0))
    return filled(pair, union(*rods), hu=120.0, signal=1.2 if in_mr else None)


def defaced(pair: Pair) -> Pair:
    """The MR without the face."""
    return filled(
        pair, lambda x, y, z: (y < 10) & (z + 0.0 * x < -25 - 0.6 * (y + 90)), hu=None, signal=0.0
    )


def necked(pair: Pair, length_mm: float, *, in_mr: bool) -> Pair:
    """A neck that continues the lowest slice, and shoulders; in both images, or in the CT."""
    if in_mr:
        lowest = float(np.ceil(max(z_range(pair)[0], -62.0)))
        pair = replace(pair, ct=replace(pair.ct, image=_above(pair, lowest)))
    ct = pair.ct.image
    step = ct.GetSpacing()[2]
    below = round(length_mm / step)
    values = sitk.GetArrayFromImage(ct)
    neck = np.repeat(values[:1], below, axis=0)
    x, y, _ = coordinates(pair, ct)
    shoulders = np.broadcast_to(np.hypot(x / 190, (y - 10) / 75) < 1, neck.shape).copy()
    shoulders[round(below * 0.5) :] = False
    neck[shoulders & (neck < SKIN_HU)] = 30.0
    longer = with_ct(pair, lambda image: _lengthened(image, np.concatenate([neck, values])))
    return _mr_with_neck(longer, lowest, length_mm) if in_mr else longer


def z_range(pair: Pair) -> tuple[float, float]:
    """Heights between which all axial slices of the MR's head are in its field of view."""
    grid = pair.mr.image
    corner = np.array([[i, j] for i in (0.35, 0.65) for j in (0.3, 0.7)])
    heights = []
    for end in (0, grid.GetSize()[2] - 1):
        ends = [
            pair.truth.GetInverse().TransformPoint(
                grid.TransformContinuousIndexToPhysicalPoint(
                    [a * grid.GetSize()[0], b * grid.GetSize()[1], float(end)]
                )
            )[2]
            for a, b in corner.tolist()
        ]
        heights.append(ends)
    centre = float(pair.points_mm.mean(axis=0)[2])
    return max(heights[0]) - centre, min(heights[1]) - centre


def _above(pair: Pair, lowest: float) -> sitk.Image:
    first = int(np.argmin(np.abs(coordinates(pair, pair.ct.image)[2].ravel() - lowest)))
    return pair.ct.image[:, :, first:]


def _lengthened(image: sitk.Image, values: Float32Array) -> sitk.Image:
    """The image with slices added below."""
    longer = sitk.GetImageFromArray(values)
    longer.SetSpacing(image.GetSpacing())
    longer.SetDirection(image.GetDirection())
    added = len(values) - image.GetSize()[2]
    longer.SetOrigin(image.TransformIndexToPhysicalPoint((0, 0, -added)))
    return longer


def _mr_with_neck(pair: Pair, lowest: float, length_mm: float) -> Pair:
    """The MR in axial slices of the CT's patient, continued below `lowest`."""
    mr = pair.mr.image
    step = np.array([mr.GetSpacing()[0]] * 2 + [mr.GetSpacing()[2]])
    centre = pair.points_mm.mean(axis=0)
    low = np.array([-98.0, -116.0, lowest])
    size = np.floor((np.array([98.0, 116.0, 95.0]) - low) / step).astype(int)
    truth = matrix_of(pair.truth)
    origin = truth[:3, :3] @ (centre + low) + truth[:3, 3]
    axial = sitk.Resample(mr, size.tolist(), sitk.Transform(), sitk.sitkLinear, origin.tolist(),
                          step.tolist(), truth[:3, :3].ravel().tolist(), 0)  # fmt: skip
    values = sitk.GetArrayFromImage(axial)
    neck = np.repeat(values[:1], round(length_mm / step[2]), axis=0)
    return with_mr(pair, lambda _: _lengthened(axial, np.concatenate([neck, values])))


def scaled(pair: Pair, factor: float, bone: float) -> Pair:
    """A smaller head, whose CT numbers above 100 HU are multiplied by `bone`."""

    def shrink(image: sitk.Image) -> sitk.Image:
        small = sitk.Image(image)
        small.SetSpacing([factor * step for step in image.GetSpacing()])
        small.SetOrigin([factor * at for at in image.GetOrigin()])
        return small

    def soften(image: sitk.Image) -> sitk.Image:
        values = sitk.GetArrayFromImage(image)
        return image_on(image, np.where(values > 100, 100 + bone * (values - 100), values))

    truth = matrix_of(pair.truth)
    truth[:3, 3] *= factor
    pair = with_mr(with_ct(pair, lambda ct: soften(shrink(ct))), shrink)
    return replace(
        pair, truth=rigid_from_matrix(truth, name="scaled"), points_mm=factor * pair.points_mm
    )


def warped(pair: Pair, displacement: Displacement, region: str = "") -> Pair:
    """The MR of a head whose points have moved by `displacement`."""
    mr = pair.mr.image
    centre = pair.points_mm.mean(axis=0)
    parts = np.broadcast_arrays(*coordinates(pair, mr))
    moved = np.stack([part.ravel() for part in parts], axis=1).astype(np.float64) + centre
    still = moved
    for _ in range(12):
        still = moved - displacement(still)
    truth = matrix_of(pair.truth)
    in_mr = still @ truth[:3, :3].T + truth[:3, 3] - np.array(mr.GetOrigin())
    axes = np.reshape(mr.GetDirection(), (3, 3)) / np.array(mr.GetSpacing())
    index = (in_mr @ axes).T[::-1].reshape(3, *parts[0].shape)
    values = ndimage.map_coordinates(sitk.GetArrayViewFromImage(mr), index, order=1)
    changed = with_mr(pair, lambda image: image_on(image, values.astype(np.float32)))
    return replace(changed, displacement=displacement, warped_region=region)


def direction_of(region: str) -> Float64Array:
    """Unit vector from the centre of the brain to the middle of a region of the skull."""
    if region in ("vertex", "skull base"):
        return np.array([0.0, 0.0, 1.0]) if region == "vertex" else np.array([0.0, 0.42, -0.91])
    sector, ring = region.rsplit(", ", 1)
    azimuth = np.radians(45.0 * SECTORS.index(sector))
    elevation = np.radians(37.0 if ring == "upper" else -8.0)
    flat = np.cos(elevation)
    return np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])


def locally_warped(pair: Pair, region: str, size_mm: float) -> Pair:
    """A region of the head displaced outwards, a Gaussian of 30 mm."""
    outwards = direction_of(region)
    focus = pair.points_mm.mean(axis=0) + (60.0 if region == "skull base" else 82.0) * outwards

    def displacement(points_mm: Float64Array) -> Float64Array:
        away = np.linalg.norm(points_mm - focus, axis=1) / 30.0
        return np.asarray(size_mm * np.exp(-(away**2) / 2)[:, None] * outwards)

    return warped(pair, displacement, region)


def radially_distorted(pair: Pair, share: float) -> Pair:
    """A displacement outwards, or inwards, that grows with the cube of the radius."""
    centre = pair.points_mm.mean(axis=0)

    def displacement(points_mm: Float64Array) -> Float64Array:
        radius = (points_mm - centre) / 100.0
        return np.asarray(100 * share * (radius**2).sum(axis=1, keepdims=True) * radius)

    return warped(pair, displacement)


def sheared(pair: Pair, share: float) -> Pair:
    """Slices displaced backwards in proportion to their height."""
    centre = pair.points_mm.mean(axis=0)
    return warped(
        pair, lambda points: share * (points - centre)[:, 2:] * np.array([[0.0, 1.0, 0.0]])
    )


METAL: dict[str, tuple[Point, ...]] = {
    "dental": ((22.0, -62.0, -78.0), (-20.0, -66.0, -76.0)),
    "clip": ((-20.0, -15.0, -10.0),),
}

VOIDS: dict[str, tuple[Point, float]] = {
    "clip": ((-20.0, -15.0, -10.0), 16.0),
    "valve": ((-64.0, 42.0, 25.0), 28.0),
}
"""Centre and radius of the lost signal."""


def signal_void(pair: Pair, name: str) -> Pair:
    """The MR without signal around metal."""
    return filled(pair, ball(*VOIDS[name]), hu=None, signal=0.0)
