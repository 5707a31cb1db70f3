"""Measure the registration: accuracy, random poses, right and wrong pairs.

    python benchmarks/registration.py accuracy | poses | pairs | displaced

`--data FOLDER` names the folder of the public data sets; missing ones are skipped with a line.
Every command prints a table in Markdown.
"""

import argparse
import itertools
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radfuse.errors import RadfuseError
from radfuse.modality import CT, MR, Modality
from radfuse.phantom.head import LABELS, Phantom, make_phantom
from radfuse.registration.qa.assessment import assess
from radfuse.registration.qa.quality import Quality
from radfuse.registration.search import register
from radfuse.registration.transforms import matrix_of, rigid_from_matrix
from radfuse.series import Series

Point = tuple[float, ...]
Box = Sequence[tuple[float, float]]

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Default folder of the data sets."""

VHF_BRAIN_MM = ((-65.0, 55.0), (-75.0, 70.0), (-45.0, 55.0))
"""Box of the brain in the VHF's MR, LPS mm: read off its slices."""

PHANTOM_BRAIN_MM = ((-60.0, 60.0), (-75.0, 80.0), (-45.0, 65.0))
"""Box of the brain in the phantom's CT, LPS mm."""

MAX_ROTATION_DEG, SHIFT_MM = 25.0, 50.0
"""Random poses: rotation about a random axis and shift along each axis, both up to these."""

SEEDS = (1, 2, 3, 7)
"""The phantom's patients."""

T2_SIGNAL = {
    200: "muscle",
    300: "skin",
    380: "white",
    550: "fat grey",
    750: "tumour oedema",
    1000: "csf ventricle eye necrosis",
}
"""T2-weighted signal, arbitrary units: fluid brightest, grey above white; bone and air dark."""


@dataclass(frozen=True)
class MissingError(Exception):
    """A data set is missing."""

    path: Path


def corners(box_mm: Box) -> list[Point]:
    """Give the eight corners of a box and its centre."""
    points = np.array(list(itertools.product(*box_mm)))
    return [tuple(point.tolist()) for point in (*points, points.mean(axis=0))]


def error_mm(found: sitk.Transform, truth: sitk.Transform, points: Sequence[Point]) -> float:
    """Mean distance between the images of points under two transforms."""
    pairs = ((found.TransformPoint(p), truth.TransformPoint(p)) for p in points)
    return float(np.mean([np.linalg.norm(np.subtract(a, b)) for a, b in pairs]))


def series(path: Path, modality: Modality) -> Series:
    """Read a volume, or the DICOM files of a folder with one series of parallel slices."""
    if not path.exists():
        raise MissingError(path)
    if path.is_file():
        return Series(sitk.ReadImage(str(path), sitk.sitkFloat32), modality, path)
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(path))
    return Series(sitk.ReadImage(files, sitk.sitkFloat32), modality, path)


@cache
def phantom(name: str) -> Phantom:
    """The phantom of a seed."""
    return make_phantom(int(name.removeprefix("phantom")))


def t2_weighted(patient: Phantom) -> Series:
    """Paint the phantom's labels as a T2-weighted MR would show them, blurred, with noise."""
    signal = np.full(max(LABELS.values()) + 1, 30.0, np.float32)
    for bright, names in T2_SIGNAL.items():
        signal[[LABELS[name] for name in names.split()]] = bright
    painted = signal[sitk.GetArrayViewFromImage(patient.labels_mr)]
    noisy = painted + np.random.default_rng(2).normal(0, 15, painted.shape)
    image = sitk.GetImageFromArray(np.abs(noisy).astype(np.float32))
    image.CopyInformation(patient.labels_mr)
    blurred = sitk.SmoothingRecursiveGaussian(image, 0.8)
    return replace(patient.mr, image=sitk.Cast(blurred, sitk.sitkFloat32))


def hounsfield(template: Series) -> Series:
    """Undo the scale of the Clinical Toolbox that stretches -100 to 100 HU tenfold."""
    values = sitk.GetArrayFromImage(template.image)
    soft, dense = (values + 8100) / 10, values - 1800
    above_air = np.where(values < 900, values, np.where(values < 2900, soft, dense))
    image = sitk.GetImageFromArray((above_air - 1000).astype(np.float32))
    image.CopyInformation(template.image)
    return replace(template, image=image)


@dataclass(frozen=True)
class Bench:
    """The data sets by name."""

    data: Path

    def ct(self, name: str) -> Series:
        """A CT, with the change of `CHANGES` named after the blank."""
        if name.startswith("phantom"):
            return phantom(name).ct
        name, _, change = name.partition(" ")
        if name == "vhf":
            plain = series(self.data / "real/3d_vhf/vhf_head_ct_8bit_hu.nii.gz", CT)
            return replace(plain, image=CHANGES[change](plain.image)) if change else plain
        return hounsfield(series(self.data / "real/3d_templates/scct_cormack_2mm.nii", CT))

    def mr(self, name: str) -> Series:
        """An MR, with the change of `CHANGES` named after the blank."""
        if name.startswith("phantom"):
            return t2_weighted(phantom(name[:8])) if name.endswith(" t2") else phantom(name).mr
        name, _, change = name.partition(" ")
        path = {
            "vhf": "3d_vhf/vhf_head_mr_t1_8bit.nii.gz",
            "spm": "3d_templates/spm_single_subj_T1_2mm.nii.gz",
            "colin": "3d_templates/colin27_ch2_t1.nii.gz",
            "gammaknife": "dicom_head/mr_siemens_t1_gammaknife",
        }[name]
        plain = series(self.data / "real" / path, MR)
        return replace(plain, image=CHANGES[change](plain.image)) if change else plain

    def silver(self) -> sitk.Transform:
        """Give the VHF's silver truth: a map from MR points to CT points."""
        path = self.data / "real/3d_vhf/mr_to_ct_silver.tfm"
        if not path.exists():
            raise MissingError(path)
        return sitk.Euler3DTransform(sitk.ReadTransform(str(path)))


def mirrored(image: sitk.Image) -> sitk.Image:
    """Swap left and right."""
    swapped = sitk.Flip(image, [True, False, False])
    swapped.CopyInformation(image)
    return swapped


def stretched(*factors: float) -> Callable[[sitk.Image], sitk.Image]:
    """Make the head larger or smaller along each axis, about the centre of the volume."""

    def stretch(image: sitk.Image) -> sitk.Image:
        other = sitk.Image(image)
        other.SetSpacing([s * f for s, f in zip(image.GetSpacing(), factors, strict=True)])
        return other

    return stretch


CHANGES: dict[str, Callable[[sitk.Image], sitk.Image]] = {
    "5mm": lambda ct: sitk.BinShrink(ct, [1, 1, 5]),
    "upper": lambda ct: ct[:, :, 155:],
    "mirrored": mirrored,
    "+3%": stretched(1.03, 1.03, 1.03),
    "-5%": stretched(0.95, 0.95, 0.95),
    "95:105:100%": stretched(0.95, 1.05, 1.0),
}
"""Five CT slices in one; the CT above the middle of the brain; heads of other sizes."""

RIGHT = (
    ("vhf", "vhf"),
    ("vhf 5mm", "vhf"),
    ("phantom1", "phantom1 t2"),
    *((f"phantom{s}", f"phantom{s}") for s in SEEDS),
)
WRONG = (
    ("vhf upper", "vhf"),
    *(("vhf", mr) for mr in ("spm", "gammaknife", "colin", "phantom1")),
    *(("vhf", f"vhf {change}") for change in ("mirrored", "+3%", "-5%", "95:105:100%")),
    *(("scct", mr) for mr in ("vhf", "spm", "gammaknife", "colin", "phantom1")),
    *(("phantom1", mr) for mr in ("vhf", "spm", "gammaknife", "colin")),
    *((f"phantom{a}", f"phantom{b}") for a in SEEDS for b in SEEDS if a != b),
)
"""Pairs (CT, MR) of one patient, and pairs for which QA must fail."""

HEADS = (
    "estimated error mm", "displacement mm", "re-registration mm", "patches within 2 mm", "overlap",
    "QA passed",
)  # fmt: skip


def figures(quality: Quality) -> tuple[str | float, ...]:
    """Give the cells of a table for a quality; their heads are `HEADS`."""
    shares = f"{quality.within_tolerance:.0%}", f"{quality.overlap:.0%}"
    lengths = quality.error_mm, quality.displacement_mm, quality.reregistration_mm
    return (*lengths, *shares, yes(quality.passed))


def yes(it: bool) -> str:
    """`yes` or `no`."""
    return "yes" if it else "no"


def row(*cells: str | float) -> None:
    """Print a row of a table at once; lengths and times have two decimals."""
    words = (f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in cells)
    print(f"| {' | '.join(words)} |", flush=True)


def head(*cells: str) -> None:
    """Print the head of a table."""
    row(*cells)
    row(*["---"] * len(cells))


def known(
    bench: Bench, names: tuple[str, str]
) -> tuple[Series, Series, sitk.Transform, list[Point]]:
    """A pair of one patient, the true map from CT to MR, and CT points to measure errors at."""
    ct, mr = bench.ct(names[0]), bench.mr(names[1])
    if names[0].startswith("phantom"):
        return ct, mr, phantom(names[0]).mr_from_ct, corners(PHANTOM_BRAIN_MM)
    ct_from_mr = bench.silver()
    points = [ct_from_mr.TransformPoint(point) for point in corners(VHF_BRAIN_MM)]
    return ct, mr, ct_from_mr.GetInverse(), points


def accuracy(bench: Bench, _: argparse.Namespace) -> None:
    """Print error, time and memory on the pairs whose truth is known."""
    head("CT", "MR", "error mm", "seconds", "peak GiB", "initial pose", *HEADS)
    for names in RIGHT:
        ct, mr, truth, points = known(bench, names)
        for deterministic in (False, True):
            found = register(ct, mr, deterministic=deterministic)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            note = " (deterministic)" if deterministic else ""
            error = error_mm(found.mr_from_ct, truth, points)
            measured = error, found.seconds, peak, found.initial_pose
            row(names[0], names[1] + note, *measured, *figures(found.quality))


def random_motion(rng: np.random.Generator) -> sitk.Euler3DTransform:
    """Draw a rigid motion within `MAX_ROTATION_DEG` and `SHIFT_MM`."""
    axis = rng.normal(size=3)
    motion = sitk.VersorRigid3DTransform()
    motion.SetRotation(
        (axis / np.linalg.norm(axis)).tolist(), np.radians(rng.uniform(0, MAX_ROTATION_DEG))
    )
    motion.SetTranslation(rng.uniform(-SHIFT_MM, SHIFT_MM, 3).tolist())
    return sitk.Euler3DTransform(rigid_from_matrix(matrix_of(motion), name="random"))


def moved(series: Series, motion: sitk.Euler3DTransform) -> Series:
    """Move a series in space, rigidly, by its geometry alone."""
    image = sitk.Image(series.image)
    rotation = np.array(motion.GetMatrix()).reshape(3, 3)
    image.SetOrigin(motion.TransformPoint(image.GetOrigin()))
    image.SetDirection((rotation @ np.array(image.GetDirection()).reshape(3, 3)).ravel().tolist())
    return replace(series, image=image)


def poses(bench: Bench, options: argparse.Namespace) -> None:
    """Register the VHF after moving its MR at random."""
    ct, mr, truth, points = known(bench, ("vhf", "vhf"))
    rng = np.random.default_rng(40)
    near = passed_wrong = 0
    head("pose", "error mm", "seconds", "initial pose", *HEADS)
    for number in range(options.count):
        motion = random_motion(rng)
        found = register(ct, moved(mr, motion))
        error = error_mm(found.mr_from_ct, sitk.CompositeTransform([motion, truth]), points)
        near += error <= 2
        passed_wrong += error > 2 and found.quality.passed
        row(number, error, found.seconds, found.initial_pose, *figures(found.quality))
    print(f"\n{near} of {options.count} within 2 mm; {passed_wrong} of the others passed QA")


def pairs(bench: Bench, _: argparse.Namespace) -> None:
    """Print the quality of right and wrong pairs."""
    head("CT", "MR", "right", "initial pose", *HEADS)
    for right, names in [(True, n) for n in RIGHT] + [(False, n) for n in WRONG]:
        try:
            found = register(bench.ct(names[0]), bench.mr(names[1]))
            row(*names, yes(right), found.initial_pose, *figures(found.quality))
        except RadfuseError as error:
            row(*names, yes(right), type(error).__name__, *[""] * 5, "no")
        except MissingError as missing:
            row(*names, yes(right), f"skipped: {missing.path} is missing", *[""] * 6)


def steps() -> Iterator[tuple[str, sitk.Euler3DTransform]]:
    """Displacements along and about each axis, about the centre of the brain."""
    centre = (0.0, 0.0, 10.0)
    for axis, letter in enumerate("LPS"):
        for size in (1, 2, 3, 5, 8, 15):
            along = (size * np.eye(3)[axis]).tolist()
            yield f"{size} mm along {letter}", sitk.Euler3DTransform(centre, 0, 0, 0, along)
            yield f"{size} deg about {letter}", sitk.Euler3DTransform(centre, *np.radians(along))


def displaced(bench: Bench, _: argparse.Namespace) -> None:
    """Print the quality of the true pose with known displacements."""
    head("pair", "displacement", "error mm", *HEADS)
    for names in RIGHT[:1] + RIGHT[-1:]:
        ct, mr, truth, points = known(bench, names)
        for label, step in [("none", sitk.Euler3DTransform()), *steps()]:
            composed = sitk.CompositeTransform([truth, step])
            pose = rigid_from_matrix(matrix_of(composed), name=label)
            quality = assess(ct, mr, pose)
            error = error_mm(pose, truth, points)
            row(names[0], label, error, *figures(quality))


COMMANDS = {it.__name__: it for it in (accuracy, poses, pairs, displaced)}


def main() -> int:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    parser.add_argument("--count", type=int, default=40, help="number of random poses")
    options = parser.parse_args()
    try:
        COMMANDS[options.command](Bench(options.data), options)
    except MissingError as missing:
        print(f"skipped: {missing.path} is missing; name the data's folder with --data")
    return 0


if __name__ == "__main__":
    sys.exit(main())
