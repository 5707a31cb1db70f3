"""Pairs of `calibration_cases.py`: a CT and an MR with known truth, and changes of both."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from calibration_changes import Change, inverted, mirrored, noisy
from radfuse.arrays import BoolArray, Float64Array, image_on
from radfuse.modality import CT, MR
from radfuse.phantom.head import LABELS, make_phantom
from radfuse.registration.transforms import matrix_of, rigid_from_matrix
from radfuse.series import Series

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Default folder of the data sets."""

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
    "t1 gd": {140: "csf ventricle", 120: "eye", 430: "skin muscle", 470: "grey oedema",
              640: "white", 950: "fat blood", 1000: "dura tumour", 260: "necrosis"},
    "swi": {520: "grey white oedema", 420: "muscle tumour", 650: "csf ventricle eye necrosis",
            350: "fat skin", 40: "blood"},
    "t2": {300: "skin muscle", 380: "white", 550: "fat grey", 750: "tumour oedema",
           1000: "csf ventricle eye necrosis"},
    "flair": {80: "csf ventricle eye", 350: "white muscle", 450: "fat grey skin",
              900: "oedema tumour", 200: "necrosis"},
    "pd": {500: "muscle skin white", 650: "grey oedema tumour", 800: "csf ventricle eye fat"},
}  # fmt: skip
"""MR signal of the phantom's labels by contrast; what is not named is dark (bone, air)."""


Displacement = Callable[[Float64Array], Float64Array]
"""From points (n, 3) to vectors, LPS mm of the CT."""


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
    displacement: Displacement | None = None
    """How far points of the anatomy have moved in the MR, before `truth`; by default not."""
    warped_region: str = ""
    """Region of the skull that has moved."""


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
    labels = sitk.GetArrayFromImage(phantom.labels_mr)
    values = signal[labels]
    if name == "swi":  # the field is not uniform around air: no signal
        values[ndimage.binary_dilation(labels == LABELS["cavity"], iterations=2)] = 30.0
    painted = image_on(phantom.labels_mr, values)
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


def brain_errors(pair: Pair, found: sitk.Transform) -> tuple[float, float]:
    """Mean error in the MR's part of the brain's box, and the largest in its ellipsoid, mm.

    NaN without a truth.
    """
    if not pair.same:
        return float("nan"), float("nan")
    moved_mm = pair.points_mm + (pair.displacement(pair.points_mm) if pair.displacement else 0)
    true = np.array([pair.truth.TransformPoint(point) for point in moved_mm.tolist()])
    ours = np.array([found.TransformPoint(point) for point in pair.points_mm.tolist()])
    grid = pair.mr.image
    axes = np.reshape(grid.GetDirection(), (3, 3))
    index = (true - np.array(grid.GetOrigin())) @ axes / np.array(grid.GetSpacing())
    in_fov = ((index > -0.5) & (index < np.array(grid.GetSize()) - 0.5)).all(axis=1)
    apart = np.linalg.norm(true - ours, axis=1)
    return float(apart[in_fov].mean()), float(apart[in_fov & pair.brain].max())
