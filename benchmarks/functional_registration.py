"""Calibrate the registration of PET and SPECT to MR and CT, on phantoms whose pose is known.

    python benchmarks/functional_registration.py run ROWS.jsonl --half calibration [--throws 2]
    python benchmarks/functional_registration.py run ROWS.jsonl --half testing
    python benchmarks/functional_registration.py report ROWS.jsonl --half testing
    python benchmarks/functional_registration.py templates

`run` appends a row for each case and skips those in the file, so it can be stopped and continued;
`--kinds right other` chooses cases. `report` judges what was measured by the present thresholds and
prints tables in Markdown. The phantoms of the calibration half are other ones than those of the
testing half; thresholds are chosen on the former alone. `templates` registers averages of many
real heads, `--data FOLDER` names the folder of the public data sets.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float64Array, image_on
from radfuse.errors import RadfuseError
from radfuse.modality import CT, MR, NM, PT, Modality
from radfuse.phantom.head import Phantom, draw_layers, make_phantom
from radfuse.phantom.layers import TissueLayer
from radfuse.phantom.uptake import FDG, HMPAO, FunctionalScan, UptakeLesion, scan_uptake
from radfuse.registration.functional.assessment import assess_functional
from radfuse.registration.functional.measurement import Measured
from radfuse.registration.functional.quality import FunctionalQuality, judged
from radfuse.registration.functional.search import register_functional
from radfuse.series import Series

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Default folder of the data sets."""

SEEDS = {"calibration": range(1, 7), "testing": range(201, 207)}
"""Heads of each half; they were divided before anything was fitted."""

THROWS = 10
"""Random poses of a head in the functional scanner."""

MAX_ROTATION_DEG, MAX_SHIFT_MM = 20.0, 40.0
"""Of a throw: rotation about a random axis, and shift along each axis, both up to these."""

SPACING_MM = 2.0
"""Pixel of the phantoms' CT."""

BRAIN_MM = ((-60.0, 60.0), (-75.0, 80.0), (-45.0, 65.0))
"""Box of the brain in the phantom's CT, LPS mm; errors are measured in its ellipsoid, as by
benchmarks/calibration.py."""

TRACERS = {"PT": FDG, "NM": HMPAO}

LESION_MM = (35.0, 10.0, 30.0)
"""Where the lesions are."""

KINDS = ("right", "other person", "mirrored", "upper half", "left half", "shifted 10 mm",
         "rotated 10 deg", "given", "few counts", "lesion")  # fmt: skip
"""`given`: a pose with a random error, to be judged; of the others the first five and the last two
are searched."""

MUST_BE_REFUSED = KINDS[1:7]
"""Kinds of which every accepted case is wrongly accepted."""

MAX_ACCEPTED_MM = 5.0
"""An accepted registration that is off by more is wrongly accepted."""

FEW_COUNTS = 15.0
"""Counts of a voxel of grey matter; 120 and 150 otherwise."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One registration."""

    kind: str
    half: str
    seed: int
    throw: int
    anatomical: str
    functional: str

    @property
    def name(self) -> str:
        """Identifies the case."""
        pair = f"{self.functional}-{self.anatomical}"
        return f"{self.kind} {pair} seed {self.seed} throw {self.throw}"


def cases(half: str, throws: int, kinds: tuple[str, ...]) -> Iterator[Case]:
    """All cases of a half: the throws of right pairs, one throw of the other kinds."""
    for throw, kind, seed in itertools.product(range(throws), kinds, SEEDS[half]):
        if kind == "right" or throw == 0:
            for functional, anatomical in itertools.product(TRACERS, ("MR", "CT")):
                yield Case(kind, half, seed, throw, anatomical, functional)


@lru_cache(maxsize=8)
def phantom(seed: int) -> Phantom:
    """The head of a seed."""
    return make_phantom(seed, spacing_mm=SPACING_MM)


@lru_cache(maxsize=8)
def layers(seed: int) -> list[TissueLayer]:
    """Its layers."""
    return draw_layers(seed, spacing_mm=SPACING_MM)


def thrown(rng: np.random.Generator, degrees: float, shift_mm: float) -> sitk.Euler3DTransform:
    """A rotation up to an angle about a random axis, and a shift up to a length along each axis."""
    axis = rng.normal(size=3)
    angle = float(np.radians(rng.uniform(0, degrees)))
    versor = sitk.VersorRigid3DTransform()
    versor.SetRotation((axis / np.linalg.norm(axis)).tolist(), angle)
    motion = sitk.Euler3DTransform()
    motion.SetMatrix(versor.GetMatrix())
    motion.SetTranslation(rng.uniform(-shift_mm, shift_mm, 3).tolist())
    return motion


def scanned(case: Case) -> FunctionalScan:
    """The functional image of a case."""
    tracer = TRACERS[case.functional]
    seeds = list(SEEDS[case.half])
    seed = case.seed
    if case.kind == "other person":
        seed = seeds[(seeds.index(seed) + 1) % len(seeds)]
    if case.kind == "few counts":
        tracer = replace(tracer, grey_counts=FEW_COUNTS)
    lesion = None
    if case.kind == "lesion":
        hot, cold = UptakeLesion(LESION_MM, 14.0, 3.0), UptakeLesion(LESION_MM, 22.0, 0.05)
        lesion = hot if seed % 2 else cold
    rng = np.random.default_rng([case.seed, tracer.stream, case.throw])
    pose = thrown(rng, MAX_ROTATION_DEG, MAX_SHIFT_MM)
    noise = 1000 * seed + case.throw
    scan = scan_uptake(layers(seed), tracer, noise, functional_from_ct=pose, lesion=lesion)
    change = CHANGES.get(case.kind)
    if change is None:
        return scan
    return replace(scan, series=replace(scan.series, image=change(scan.series.image)))


def mirrored(image: sitk.Image) -> sitk.Image:
    """The voxels in reverse order along the first axis."""
    return image_on(image, np.ascontiguousarray(sitk.GetArrayFromImage(image)[:, :, ::-1]))


CHANGES: dict[str, Callable[[sitk.Image], sitk.Image]] = {
    "mirrored": mirrored,
    "upper half": lambda image: image[:, :, image.GetSize()[2] // 2 :],
    "left half": lambda image: image[image.GetSize()[0] // 2 :, :, :],
}


def given_motion(case: Case) -> sitk.Euler3DTransform | None:
    """The error of a given pose, about the middle of the head; None where it is searched."""
    rng = np.random.default_rng([case.seed, TRACERS[case.functional].stream, 99])
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    motion = sitk.Euler3DTransform()
    if case.kind == "shifted 10 mm":
        motion.SetTranslation((10.0 * axis).tolist())
        return motion
    if case.kind == "rotated 10 deg":
        versor = sitk.VersorRigid3DTransform(axis.tolist(), float(np.radians(10.0)))
        motion.SetMatrix(versor.GetMatrix())
        return motion
    return thrown(rng, 6.0, 6.0) if case.kind == "given" else None


def brain_points_mm() -> Float64Array:
    """Points (n, 3) of the brain, LPS mm of the CT."""
    low, high = np.transpose(BRAIN_MM)
    unit = np.array(list(itertools.product(np.linspace(-1, 1, 7), repeat=3)))
    unit = unit[np.linalg.norm(unit, axis=1) <= 1.0]
    return np.asarray((low + high) / 2 + unit * (high - low) / 2)


def errors_mm(
    points: Float64Array, found: sitk.Transform, truth: sitk.Transform
) -> tuple[float, float]:
    """Mean and largest distance between the images of points under two transforms."""
    both = [[one.TransformPoint(p) for p in points.tolist()] for one in (found, truth)]
    distances = np.linalg.norm(np.subtract(both[0], both[1]), axis=1)
    return float(distances.mean()), float(distances.max())


def measured(case: Case) -> Row:
    """Register or judge one case."""
    head = phantom(case.seed)
    scan = scanned(case)
    anatomical = head.mr if case.anatomical == "MR" else head.ct
    ct_from_anatomical = sitk.Euler3DTransform()
    if case.anatomical == "MR":
        ct_from_anatomical = sitk.Euler3DTransform(head.mr_from_ct.GetInverse())
    motion = given_motion(case)
    row: Row = {**asdict(case), "name": case.name}
    began = time.process_time()
    try:
        if motion is None:
            found = register_functional(anatomical, scan.series, deterministic=True)
            pose, quality = found.functional_from_anatomical, found.quality
        else:
            parts = [scan.functional_from_ct, motion, ct_from_anatomical]
            pose = sitk.CompositeTransform(parts)  # the last one first
            quality = assess_functional(anatomical, scan.series, pose)
    except RadfuseError as error:
        return {**row, "error": str(error), "cpu_s": time.process_time() - began}
    from_ct = sitk.CompositeTransform([pose, ct_from_anatomical.GetInverse()])
    mean_mm, worst_mm = errors_mm(brain_points_mm(), from_ct, scan.functional_from_ct)
    row |= {"mean_mm": mean_mm, "worst_mm": worst_mm, "cpu_s": time.process_time() - began}
    return {**row, "measured": asdict(quality.measured)}


def run(path: Path, half: str, throws: int, kinds: tuple[str, ...]) -> None:
    """Append a row for each case that the file does not have."""
    done = {row["name"] for row in read_rows(path)} if path.is_file() else set()
    for case in cases(half, throws, kinds):
        if case.name not in done:
            row = measured(case)
            with path.open("a") as file:
                file.write(json.dumps(row) + "\n")


def read_rows(path: Path) -> list[Row]:
    """The rows of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def quality_of(row: Row) -> FunctionalQuality | None:
    """The verdict by the present thresholds; None where the search stopped with an error."""
    if "measured" not in row:
        return None
    return judged(Measured(**row["measured"]))


def report(rows: list[Row]) -> None:
    """Print errors of the right pairs, and the verdicts by kind."""
    print("| images | n | median mean error, mm | largest mean | largest at worst point |"
          " pass | inspect | refuse | interval holds | CPU s |")  # fmt: skip
    print("|" + "---|" * 10)
    for functional, anatomical in itertools.product(TRACERS, ("MR", "CT")):
        some = [
            row for row in rows
            if (row["kind"], row["functional"], row["anatomical"])
            == ("right", functional, anatomical)
        ]  # fmt: skip
        if some:
            print(right_line(f"{functional} to {anatomical}", some))
    print("\n| kind | n | median mean error, mm | pass | inspect | refuse |"
          " wrongly accepted | interval holds |")  # fmt: skip
    print("|" + "---|" * 8)
    for kind in KINDS:
        some = [row for row in rows if row["kind"] == kind]
        if some:
            print(kind_line(kind, some))


def grades(rows: list[Row]) -> list[str]:
    """The grade of each row."""
    return [one.grade if (one := quality_of(row)) else "refuse" for row in rows]


def held(rows: list[Row]) -> str:
    """Of how many the 90 % interval holds the error at the worst point, of those judged."""
    pairs = [(row, one) for row in rows if (one := quality_of(row)) and one.is_estimated]
    inside = sum(one.low_mm <= row["worst_mm"] <= one.high_mm for row, one in pairs)
    above = sum(row["worst_mm"] > one.high_mm for row, one in pairs)
    return f"{inside} of {len(pairs)} ({above} above)"


def right_line(name: str, rows: list[Row]) -> str:
    """Errors and grades of right pairs."""
    means = [row.get("mean_mm", np.inf) for row in rows]
    worst = max(row.get("worst_mm", np.inf) for row in rows)
    seconds = np.median([row["cpu_s"] for row in rows])
    counts = [str(grades(rows).count(one)) for one in ("pass", "inspect", "refuse")]
    return (
        f"| {name} | {len(rows)} | {np.median(means):.2f} | {max(means):.2f} | {worst:.2f} | "
        f"{' | '.join(counts)} | {held(rows)} | {seconds:.1f} |"
    )


def kind_line(kind: str, rows: list[Row]) -> str:
    """Grades of a kind."""
    given = grades(rows)
    counts = [str(given.count(one)) for one in ("pass", "inspect", "refuse")]
    has_truth = kind not in ("other person", "mirrored")
    errors = [row["mean_mm"] for row in rows if "mean_mm" in row]
    median = f"{np.median(errors):.2f}" if has_truth and errors else "-"
    false = sum(
        grade != "refuse" and (kind in MUST_BE_REFUSED or row["worst_mm"] > MAX_ACCEPTED_MM)
        for grade, row in zip(given, rows, strict=True)
    )
    shown = held(rows) if has_truth else "-"
    return f"| {kind} | {len(rows)} | {median} | {' | '.join(counts)} | {false} | {shown} |"


TEMPLATES: dict[str, tuple[str, Modality]] = {
    "T1": ("spm_T1_2mm.nii.gz", MR),
    "T2": ("spm_T2_2mm.nii.gz", MR),
    "T1 of one person": ("spm_single_subj_T1_2mm.nii.gz", MR),
    "CT": ("scct_cormack_2mm.nii", CT),
    "PET": ("spm_PET_2mm.nii.gz", PT),
    "SPECT": ("spm_SPECT_2mm.nii.gz", NM),
}
"""Files of averages of many heads, all in MNI coordinates."""

MNI_BRAIN_MM = ((-65.0, 65.0), (-75.0, 95.0), (-45.0, 75.0))
"""Box of the brain in the templates, LPS mm."""


def template(folder: Path, name: str) -> Series:
    """One of the templates; the CT, whose soft tissue is stretched in its file, in HU."""
    file, modality = TEMPLATES[name]
    image = sitk.ReadImage(str(folder / file), sitk.sitkFloat32)
    if modality is CT:
        stored = sitk.GetArrayFromImage(image)
        hu = np.interp(stored, (0.0, 900.0, 3100.0, 6000.0), (-1000.0, -100.0, 100.0, 3000.0))
        image = image_on(image, hu.astype(np.float32))
    return Series(image, modality, folder / file)


def templates(data: Path, throws: int) -> None:
    """Register the functional templates, thrown, to the anatomical ones."""
    folder = data / "real/3d_templates"
    if not folder.is_dir():
        sys.exit(f"skipped: no folder {folder}")
    low, high = np.transpose(MNI_BRAIN_MM)
    points = np.array(list(itertools.product(*np.transpose([low, (low + high) / 2, high]))))
    print("| functional | anatomical | throw | mean error, mm | worst | verdict |")
    print("|" + "---|" * 6)
    for functional, anatomical in itertools.product(("PET", "SPECT"), list(TEMPLATES)[:4]):
        for throw in range(throws):
            motion = thrown(np.random.default_rng(throw), MAX_ROTATION_DEG, MAX_SHIFT_MM)
            series = template(folder, functional)
            image = sitk.Image(series.image)
            rotation = np.reshape(motion.GetMatrix(), (3, 3))
            direction = rotation @ np.reshape(image.GetDirection(), (3, 3))
            image.SetOrigin(motion.TransformPoint(image.GetOrigin()))
            image.SetDirection(direction.ravel().tolist())
            moved = replace(series, image=image)
            found = register_functional(template(folder, anatomical), moved, deterministic=True)
            mean_mm, worst_mm = errors_mm(points, found.functional_from_anatomical, motion)
            verdict = found.quality.sentence()
            print(
                f"| {functional} | {anatomical} | {throw} | {mean_mm:.1f} | {worst_mm:.1f} | "
                f"{verdict} |",
                flush=True,
            )


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)  # fmt: skip  # noqa: E501
    parser.add_argument("command", choices=("run", "report", "templates"))
    parser.add_argument("rows", type=Path, nargs="?")
    parser.add_argument("--half", choices=tuple(SEEDS), default="testing")
    parser.add_argument("--throws", type=int, default=THROWS)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    if given.command == "templates":
        templates(given.data, given.throws)
    elif given.rows is None:
        parser.error("name the file of the rows")
    elif given.command == "run":
        run(given.rows, given.half, given.throws, tuple(given.kinds))
    else:
        report([row for row in read_rows(given.rows) if row["half"] == given.half])


if __name__ == "__main__":
    main()
