"""Cases of `benchmarks/calibration.py`: pairs with known truth, made as users' data are.

Every case is of one kind, source (a phantom's seed or the VHF) and half. The halves, for setting
thresholds and for testing them, are drawn by seed and kind before any threshold is set.
"""

import itertools
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from radfuse.arrays import BoolArray, Float64Array, image_on
from radfuse.modality import CT, MR
from radfuse.phantom.head import LABELS, make_phantom
from radfuse.registration.transforms import matrix_of, rigid_from_matrix
from radfuse.series import Series

Change = Callable[[sitk.Image], sitk.Image]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Default folder of the data sets."""

SEEDS = (11, 12, 13, 14, 15, 16, 17, 18)
"""Phantoms; none of them is used by a test or another benchmark."""

SPACING_MM = 2.5
"""Of the phantoms: coarse, so that a case takes seconds."""

VHF = "vhf"
VHF_FILES = {"vhf_head_ct_8bit_hu.nii.gz": CT, "vhf_head_mr_t1_8bit.nii.gz": MR}

BRAIN_MM = {
    VHF: ((-65.0, 55.0), (-75.0, 70.0), (-45.0, 55.0)),
    "phantom": ((-60.0, 60.0), (-75.0, 80.0), (-45.0, 65.0)),
}
"""Boxes of the brain: in the VHF's MR, read off its slices, and in the phantom's CT; LPS mm."""

SIGNALS = {
    "t2": {300: "skin muscle", 380: "white", 550: "fat grey", 750: "tumour oedema",
           1000: "csf ventricle eye necrosis"},
    "flair": {80: "csf ventricle eye", 350: "white muscle", 450: "fat grey skin",
              900: "oedema tumour", 200: "necrosis"},
    "pd": {500: "muscle skin white", 650: "grey oedema tumour", 800: "csf ventricle eye fat"},
}  # fmt: skip
"""MR signal of the phantom's labels by contrast; what is not named is dark (bone, air)."""


@dataclass(frozen=True)
class Pair:
    """What a case is made of."""

    ct: Series
    mr: Series
    truth: sitk.Transform
    """Maps CT points to MR points, LPS mm; meaningless where not `same`."""
    points_mm: Float64Array
    """CT points (n, 3) of the brain's box, at which errors are measured."""
    brain: BoolArray
    """Which of the points are in the ellipsoid of the box."""
    same: bool = True
    """Whether the MR is of this head, not mirrored."""
    pose: sitk.Transform | None = None
    """A given pose to judge; else the pair is searched."""


@dataclass(frozen=True)
class Case:
    """One row of the calibration."""

    kind: str
    variant: str
    source: str
    make: Callable[[], Pair]

    @property
    def name(self) -> str:
        """Names the row."""
        return f"{self.kind}/{self.variant}/{self.source}"

    @property
    def half(self) -> str:
        """`calibration` or `testing`: by a hash of kind and seed; for the VHF of the variant."""
        word = self.name if self.source == VHF else f"{self.kind}/{self.source}"
        return ("calibration", "testing")[zlib.crc32(word.encode()) % 2]


@cache
def loaded(source: str, data: Path) -> Pair:
    """The unchanged pair of a source; `FileNotFoundError` where the VHF is missing."""
    low, high = np.transpose(BRAIN_MM[VHF if source == VHF else "phantom"])
    unit = np.array(list(itertools.product(np.linspace(-1, 1, 7), repeat=3)))
    points = (low + high) / 2 + unit * (high - low) / 2
    brain = np.linalg.norm(unit, axis=1) <= 1.0
    if source != VHF:
        phantom = make_phantom(int(source), spacing_mm=SPACING_MM)
        return Pair(phantom.ct, phantom.mr, phantom.mr_from_ct, points, brain)
    folder = data / "real/3d_vhf"
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    ct, mr = (
        Series(sitk.ReadImage(str(folder / name), sitk.sitkFloat32), modality, folder / name)
        for name, modality in VHF_FILES.items()
    )
    silver = sitk.Euler3DTransform(sitk.ReadTransform(str(folder / "mr_to_ct_silver.tfm")))
    in_ct = np.array([silver.TransformPoint(point) for point in points.tolist()])
    return Pair(ct, mr, silver.GetInverse(), in_ct, brain)


def with_mr(pair: Pair, change: Change) -> Pair:
    """The pair with a changed MR."""
    return replace(pair, mr=replace(pair.mr, image=change(pair.mr.image)))


def with_ct(pair: Pair, change: Change) -> Pair:
    """The pair with a changed CT."""
    return replace(pair, ct=replace(pair.ct, image=change(pair.ct.image)))


def slab(axis: int, first_mm: float, last_mm: float) -> Change:
    """Slices of an MR from `first_mm` to `last_mm` along an axis, from the top, left or front."""

    def cut(image: sitk.Image) -> sitk.Image:
        size, step = image.GetSize()[axis], image.GetSpacing()[axis]
        first, last = (round(mm / step) for mm in (first_mm, last_mm))
        if axis == 2:
            first, last = size - last, size - first
        index = [slice(None)] * 3
        index[axis] = slice(max(first, 0), min(last, size))
        return image[tuple(index)]

    return cut


def mirrored(image: sitk.Image) -> sitk.Image:
    """Swap left and right of a volume whose first axis is left-right."""
    swapped = sitk.Flip(image, [True, False, False])
    swapped.CopyInformation(image)
    return swapped


def stored(axes: str) -> Change:
    """The same volume with another order of its axes, for example PIR."""
    return lambda image: sitk.DICOMOrient(image, axes)


def oblique(angle_deg: float) -> Change:
    """The volume resampled on slices that are rotated about all axes."""

    def reslice(image: sitk.Image) -> sitk.Image:
        centre = image.TransformContinuousIndexToPhysicalPoint(
            [(n - 1) / 2 for n in image.GetSize()]
        )
        rotation = sitk.Euler3DTransform((0, 0, 0), *[np.radians(angle_deg)] * 3)
        axes = np.reshape(rotation.GetMatrix(), (3, 3)) @ np.reshape(image.GetDirection(), (3, 3))
        half = (np.array(image.GetSize()) - 1) / 2 * image.GetSpacing()
        return sitk.Resample(
            image, image.GetSize(), sitk.Transform(), sitk.sitkLinear,
            (np.array(centre) - axes @ half).tolist(), image.GetSpacing(), axes.ravel().tolist(), 0,
        )  # fmt: skip

    return reslice


def thick(factor: int) -> Change:
    """Slices averaged."""
    return lambda image: sitk.BinShrink(image, [1, 1, factor])


def noisy(share: float) -> Change:
    """Noise, as a share of the largest percentile."""

    def add(image: sitk.Image) -> sitk.Image:
        values = sitk.GetArrayFromImage(image)
        sigma = share * np.percentile(values, 99)
        noise = np.random.default_rng(5).normal(0, sigma, (2, *values.shape))
        return image_on(image, np.hypot(values + noise[0], noise[1]).astype(np.float32))

    return add


def biased(depth: float) -> Change:
    """A coil at the front: the signal falls to `1 - depth` at the back."""

    def shade(image: sitk.Image) -> sitk.Image:
        values = sitk.GetArrayFromImage(image)
        fall = np.linspace(1, 1 - depth, values.shape[1], dtype=np.float32)[None, :, None]
        return image_on(image, values * fall)

    return shade


def inverted(image: sitk.Image) -> sitk.Image:
    """Dark where it was bright, inside the head."""
    values = sitk.GetArrayFromImage(image)
    top = np.percentile(values, 99)
    return image_on(
        image, np.where(values > 0.12 * top, np.clip(1.15 * top - values, 0, None), values)
    )


def distorted(pair: Pair, factors: tuple[float, float, float]) -> Pair:
    """The MR with its spacing scaled along its axes, as a gradient that is off."""
    image = sitk.Image(pair.mr.image)
    axes = np.reshape(image.GetDirection(), (3, 3))
    matrix = axes @ np.diag(factors) @ axes.T
    image.SetSpacing((np.array(image.GetSpacing()) * factors).tolist())
    image.SetOrigin((matrix @ np.array(image.GetOrigin())).tolist())
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(matrix.ravel().tolist())
    truth = sitk.CompositeTransform([affine, pair.truth])
    return replace(pair, mr=replace(pair.mr, image=image), truth=truth)


def stripped(pair: Pair, margin_mm: float) -> Pair:
    """The MR without skull: the space inside the CT's bone, and a margin."""
    hu = sitk.BinShrink(pair.ct.image, [max(1, round(2 / s)) for s in pair.ct.image.GetSpacing()])
    step = min(hu.GetSpacing())
    bone = sitk.BinaryMorphologicalClosing(hu > 300, [round(8 / s) for s in hu.GetSpacing()])
    solid = sitk.GetArrayFromImage(bone) > 0
    inside = np.array([ndimage.binary_fill_holes(plane) for plane in solid])
    inside &= sitk.GetArrayFromImage(hu) < 250
    parts, count = ndimage.label(ndimage.binary_erosion(inside, iterations=round(6 / step)))
    sizes = ndimage.sum(np.ones_like(parts), parts, range(1, count + 1))
    grown = round((6 + margin_mm) / step)
    brain = ndimage.binary_dilation(parts == 1 + int(np.argmax(sizes)), iterations=grown)
    mask = image_on(hu, brain.astype(np.uint8))
    on_mr = sitk.Resample(mask, pair.mr.image, pair.truth.GetInverse(), sitk.sitkNearestNeighbor, 0)
    return with_mr(pair, lambda mr: sitk.Mask(mr, on_mr))


def contrast(source: str, name: str, pair: Pair) -> Pair:
    """The phantom's MR in another contrast; of the VHF the inverted one."""
    if source == VHF or name == "inverted":
        return with_mr(pair, inverted)
    phantom = make_phantom(int(source), spacing_mm=SPACING_MM)
    signal = np.full(max(LABELS.values()) + 1, 30.0, np.float32)
    for bright, names in SIGNALS[name].items():
        signal[[LABELS[one] for one in names.split()]] = bright
    painted = image_on(phantom.labels_mr, signal[sitk.GetArrayViewFromImage(phantom.labels_mr)])
    blurred = sitk.Cast(sitk.SmoothingRecursiveGaussian(painted, 1.5), sitk.sitkFloat32)
    return replace(pair, mr=replace(pair.mr, image=noisy(0.02)(blurred)))


def moved(pair: Pair, degrees: float, axis: int) -> Pair:
    """The MR's patient rotated in the scanner."""
    motion = sitk.Euler3DTransform((0, 0, 0), *np.radians(degrees * np.eye(3)[axis]).tolist())
    image = sitk.Image(pair.mr.image)
    rotation = np.reshape(motion.GetMatrix(), (3, 3)) @ np.reshape(image.GetDirection(), (3, 3))
    image.SetOrigin(motion.TransformPoint(image.GetOrigin()))
    image.SetDirection(rotation.ravel().tolist())
    truth = sitk.CompositeTransform([motion, pair.truth])
    return replace(pair, mr=replace(pair.mr, image=image), truth=truth)


def given(pair: Pair, shift_mm: float, angle_deg: float, seed: int) -> Pair:
    """The true pose with a known error along and about random axes."""
    rng = np.random.default_rng(seed)
    axes = rng.normal(size=(2, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    centre = pair.points_mm.mean(axis=0).tolist()
    step = sitk.VersorRigid3DTransform(axes[0].tolist(), np.radians(angle_deg))
    step.SetCenter(centre)
    step.SetTranslation((shift_mm * axes[1]).tolist())
    composed = matrix_of(sitk.CompositeTransform([pair.truth, step]))
    return replace(pair, pose=rigid_from_matrix(composed, name="given"))


def another(data: Path, source: str, change: Change, pair: Pair) -> Pair:
    """The MR of another head, changed."""
    other = replace(pair, mr=loaded(source, data).mr, same=False)
    return with_mr(other, change)


def mirror(pair: Pair, change: Change = sitk.Image) -> Pair:
    """The mirrored MR, changed."""
    return with_mr(replace(pair, same=False), lambda image: change(mirrored(image)))


SLABS = (
    ("top", 0, 40), ("top", 0, 60), ("top", 0, 80), ("top", 0, 100), ("middle", 45, 70),
    ("middle", 40, 80), ("middle", 30, 90), ("middle", 40, 140), ("low", 90, 130), ("low", 80, 160),
)  # fmt: skip
"""Axial slabs: mm below the upper end of the MR."""

SIDES = (("half left", 0, 0, 98), ("half right", 0, 98, 220), ("coronal front", 1, 20, 70),
         ("coronal middle", 1, 90, 140), ("sagittal middle", 0, 75, 120))  # fmt: skip
"""Other parts: axis of the MR, and mm along it."""

ORDERS = ("PIR", "ASR", "LIP", "AIL", "RSA", "SPL")
POSES = (
    (0.5, 0), (1, 0), (1.5, 0), (2, 0), (3, 0), (5, 0), (8, 0), (0, 0.5), (0, 1), (0, 2), (0, 3),
    (0, 5), (1, 1), (2, 2),
)  # fmt: skip


def partial_changes() -> Iterator[tuple[str, Change]]:
    """Parts of a head."""
    for height, first, last in SLABS:
        yield f"{height} {first}-{last}", slab(2, first, last)
    for name, axis, first, last in SIDES:
        yield name, slab(axis, first, last)


def cases(data: Path = DATA) -> list[Case]:
    """All cases, in an order by hash, so that the first ones are of all kinds and sources."""
    rows = [row for source in (*map(str, SEEDS), VHF) for row in _of_source(source, data)]
    made = [Case(*row) for row in rows]
    return sorted(made, key=lambda case: zlib.crc32(f"order/{case.name}".encode()))


Row = tuple[str, str, str, Callable[[], Pair]]


def _of_source(source: str, data: Path) -> Iterator[Row]:
    """Rows of one source."""

    def row(kind: str, variant: str, make: Callable[[Pair], Pair]) -> Row:
        return kind, variant, source, lambda: make(loaded(source, data))

    others = [str(seed) for seed in SEEDS if str(seed) != source]
    other = others[0 if source == VHF else (int(source) * 3) % len(others)]
    yield row("plain", "whole", lambda pair: pair)
    for index, (name, change) in enumerate(partial_changes()):
        if source != VHF and (index + int(source)) % 3:
            continue
        yield row("slab", name, partial(with_mr, change=change))
        yield row("mirrored slab", name, partial(mirror, change=change))
        whose = f"{name} of {other}"
        yield row("other person's slab", whose, partial(another, data, other, change))
    yield row("mirrored", "whole", mirror)
    yield row("other person", other, partial(another, data, other, sitk.Image))
    for margin in (0, 2):
        yield row("stripped", f"{margin} mm", partial(stripped, margin_mm=margin))
    for axes in ORDERS[:: 1 if source == VHF else 3]:
        yield row("stored", axes, partial(with_mr, change=stored(axes)))
    yield row("stored", "oblique", partial(with_mr, change=oblique(15)))
    for index, (shift, angle) in enumerate(POSES):
        if source == VHF or (index + int(source)) % 2:
            seed = index + zlib.crc32(source.encode()) % 1000
            yield row(
                "given",
                f"{shift} mm {angle} deg",
                partial(given, shift_mm=shift, angle_deg=angle, seed=seed),
            )
    yield from _of_less_interest(row, source)


def _of_less_interest(row: Callable[..., Row], source: str) -> Iterator[Row]:
    """Contrasts, artefacts, cropped CTs, distortions and large rotations."""
    for name in ("inverted",) if source == VHF else ("t2", "flair", "pd"):
        yield row("contrast", name, partial(contrast, source, name))
    yield row("thick", "2 slices", partial(with_mr, change=thick(2)))
    yield row("noise", "8 %", partial(with_mr, change=noisy(0.08)))
    yield row("bias", "60 %", partial(with_mr, change=biased(0.6)))
    for name, first, last in (("vault", 0, 70), ("upper", 0, 110), ("base", 90, 400)):
        cut = slab(2, first, last)
        yield row("cropped CT", name, partial(with_ct, change=cut))
    for factors in ((1.02, 1.0, 1.0), (1.04, 1.0, 1.0), (1.02, 1.02, 1.02)):
        name = ":".join(f"{factor:.2f}" for factor in factors)
        yield row("distorted", name, partial(distorted, factors=factors))
    for degrees, axis in ((45, 0), (90, 2), (180, 1)):
        letter = "LPS"[axis]
        yield row(
            "rotated", f"{degrees} deg about {letter}", partial(moved, degrees=degrees, axis=axis)
        )


def brain_errors(pair: Pair, found: sitk.Transform) -> tuple[float, float]:
    """Mean error in the MR's part of the brain's box, and the largest in its ellipsoid, mm.

    NaN without a truth.
    """
    if not pair.same:
        return float("nan"), float("nan")
    true = np.array([pair.truth.TransformPoint(point) for point in pair.points_mm.tolist()])
    ours = np.array([found.TransformPoint(point) for point in pair.points_mm.tolist()])
    grid = pair.mr.image
    axes = np.reshape(grid.GetDirection(), (3, 3))
    index = (true - np.array(grid.GetOrigin())) @ axes / np.array(grid.GetSpacing())
    in_fov = ((index > -0.5) & (index < np.array(grid.GetSize()) - 0.5)).all(axis=1)
    apart = np.linalg.norm(true - ours, axis=1)
    return float(apart[in_fov].mean()), float(apart[in_fov & pair.brain].max())
