"""Register the cases of `calibration.py` with elastix and with SimpleITK's own method, too.

    python benchmarks/calibration_peers.py run ROWS.csv PEERS.csv [--half testing] [--limit 60]
    python benchmarks/calibration_peers.py report ROWS.csv PEERS.csv

The cases are those of ROWS.csv that were searched and have a true pose, in their order. `run`
appends a row for each case and program and skips those in PEERS.csv. elastix must be installed
(Debian: `apt-get install elastix`).
"""

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from calibration import Row, case_options, number, read, table
from calibration_cases import cases
from calibration_pairs import brain_errors
from radfuse.registration.optimizer import itk_threads
from simple_itk_script import registered

ELASTIX_RIGID = """
(Registration "MultiResolutionRegistration")
(FixedImagePyramid "FixedSmoothingImagePyramid")
(MovingImagePyramid "MovingSmoothingImagePyramid")
(Metric "AdvancedMattesMutualInformation")
(NumberOfHistogramBins 32)
(Optimizer "AdaptiveStochasticGradientDescent")
(Transform "EulerTransform")
(AutomaticScalesEstimation "true")
(AutomaticTransformInitialization "true")
(AutomaticTransformInitializationMethod "GeometricalCenter")
(NumberOfResolutions 4)
(MaximumNumberOfIterations 500)
(ImageSampler "RandomCoordinate")
(NumberOfSpatialSamples 4096)
(NewSamplesEveryIteration "true")
(RequiredRatioOfValidSamples 0.05)
(WriteResultImage "false")
"""
"""The rigid parameters of elastix's manual and model zoo: MI, ASGD, four resolutions."""

COLUMNS = ("name", "program", "mean_mm", "seconds")

FAR_MM = 2.0
"""Mean error above which a registration has failed."""


def elastix(ct: sitk.Image, mr: sitk.Image) -> sitk.Transform:
    """The rigid transform from CT to MR by elastix, from the centres of the volumes; MR fixed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "rigid.txt").write_text(ELASTIX_RIGID)
        sitk.WriteImage(ct, str(path / "ct.nii"))
        sitk.WriteImage(mr, str(path / "mr.nii"))
        command = ["elastix", "-f", "mr.nii", "-m", "ct.nii", "-p", "rigid.txt", "-out", "."]
        command += ["-threads", "1"]
        subprocess.run(command, cwd=path, check=True, stdout=subprocess.DEVNULL)
        return written_transform(path).GetInverse()


def written_transform(folder: Path) -> sitk.Transform:
    """From points of the fixed image to those of the moving one, as elastix has written it."""
    entries = dict(
        line.strip("()").split(" ", 1)
        for line in (folder / "TransformParameters.0.txt").read_text().splitlines()
        if line[:1] == "("
    )
    angles_shift = [float(v) for v in entries["TransformParameters"].split()]
    centre = [float(v) for v in entries["CenterOfRotationPoint"].split()]
    return sitk.Euler3DTransform(centre, *angles_shift[:3], angles_shift[3:])


PROGRAMS: dict[str, Callable[[sitk.Image, sitk.Image], sitk.Transform]] = {
    "elastix": elastix,
    "SimpleITK": registered,
}


def searched(rows: Iterable[Row]) -> list[Row]:
    """Rows of a search with a true pose."""
    return [r for r in rows if r["kind"] != "given" and np.isfinite(number(r, "mean_mm"))]


def run(options: argparse.Namespace) -> None:
    """Append a row for each case and program that the file does not have."""
    if shutil.which("elastix") is None:
        sys.exit("elastix is not installed (Debian: apt-get install elastix)")
    done = {(row["name"], row["program"]) for row in read(options.peers)}
    names = [r["name"] for r in searched(read(options.rows)) if options.half in (None, r["half"])]
    made = {case.name: case for case in cases(options.data)}
    for name in names[: options.limit]:
        if {(name, program) for program in PROGRAMS} <= done:
            continue
        pair = made[name].make()
        for program, register in PROGRAMS.items():
            began = time.perf_counter()
            try:
                with itk_threads(single=True):
                    mean_mm, _ = brain_errors(pair, register(pair.ct.image, pair.mr.image))
            except (RuntimeError, subprocess.CalledProcessError) as error:
                print(f"{name}, {program}: {str(error).splitlines()[-1]}")
                mean_mm = float("inf")
            seconds = time.perf_counter() - began
            is_new = not options.peers.exists()
            with options.peers.open("a", newline="") as stream:
                writer = csv.writer(stream)
                if is_new:
                    writer.writerow(COLUMNS)
                writer.writerow([name, program, f"{mean_mm:.4f}", f"{seconds:.1f}"])
            print(name, program, f"{mean_mm:.2f}", flush=True)


def report(options: argparse.Namespace) -> None:
    """Print the errors of all programs on the cases that all have."""
    peers = read(options.peers)
    errors = {
        program: {r["name"]: number(r, "mean_mm") for r in peers if r["program"] == program}
        for program in PROGRAMS
    }
    ours = {row["name"]: number(row, "mean_mm") for row in searched(read(options.rows))}
    errors = {"radfuse": ours, **errors}
    names = set.intersection(*map(set, errors.values()))
    lines = []
    for program, of_case in errors.items():
        values = np.array([of_case[name] for name in sorted(names)])
        far, lost = (int((values > limit).sum()) for limit in (FAR_MM, 5 * FAR_MM))
        lines.append([program, len(values), f"{np.median(values):.2f}", far, lost])
    head = ("program", "cases", "median mean error, mm", f"above {FAR_MM:g} mm", "above 10 mm")
    table(head, lines)


def main() -> int:
    """Run the cases, or report them."""
    description = str(__doc__).splitlines()[0]
    parser = argparse.ArgumentParser(description=description, parents=[case_options()])
    parser.add_argument("rows", type=Path, help="rows of `calibration.py`")
    parser.add_argument("peers", type=Path, help="file with one row a case and program, CSV")
    parser.add_argument("--limit", type=int, help="number of cases")
    options = parser.parse_args()
    {"run": run, "report": report}[options.command](options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
