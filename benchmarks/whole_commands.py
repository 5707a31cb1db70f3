"""Whole commands on a real head: radfuse by several methods, and what a user would pick instead.

    python benchmarks/whole_commands.py [--rounds 3] [--methods signed_detail bone_blend]

CT of 512x512x234 and MR of the Visible Human Female: read, register, check, fuse, and write the
fused, colour and MR series as DICOM. The SimpleITK script writes two compressed volumes; elastix
only registers and resamples. Prints medians, spreads, processor time, peak memory, and the mean
error at the brain's corners against the transform that is provided with the data.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import SimpleITK as sitk

from calibration_peers import ELASTIX_RIGID, written_transform
from comparison import Result, alternately, noted
from registration import DATA, VHF_BRAIN_MM, corners, error_mm

HEAD = DATA / "real/3d_vhf"
CT, MR, TRUTH = (
    HEAD / name
    for name in ("vhf_head_ct_8bit_hu.nii.gz", "vhf_head_mr_t1_8bit.nii.gz", "mr_to_ct_silver.tfm")
)
METHODS = ("signed_detail", "bone_blend", "res2fusion", "res2fusion --fast", "mfinet")
SCRIPT, ELASTIX = "SimpleITK script", "elastix"
OUT = "out"
"""Folder of the results in that of a run."""


def commands(methods: list[str], folder: Path) -> dict[str, list[str | Path]]:
    """The programs."""
    radfuse: list[str | Path] = [
        Path(sys.executable).with_name("radfuse"),
        "fuse",
        "--ct",
        CT,
        "--mr",
        MR,
    ]
    found: dict[str, list[str | Path]] = {
        f"radfuse {name}": [*radfuse, "-o", OUT, "--method", *name.split()] for name in methods
    }
    script = Path(__file__).with_name("simple_itk_script.py")
    found[SCRIPT] = [sys.executable, script, CT, MR, OUT]
    if elastix := shutil.which("elastix"):
        (folder / "rigid.txt").write_text(
            ELASTIX_RIGID.replace('WriteResultImage "false"', 'WriteResultImage "true"')
        )
        # The CT fixed: its result is the MR on the CT.
        found[ELASTIX] = [elastix, "-f", CT, "-m", MR, "-p", folder / "rigid.txt", "-out", "."]
    return found


def transform_of(folder: Path) -> sitk.Transform:
    """From CT points to MR points, as a run has written it."""
    for written in sorted(folder.rglob("*.tfm")):
        return sitk.ReadTransform(str(written))
    return written_transform(folder)


def table(results: dict[str, Result], errors: dict[str, float]) -> str:
    """In Markdown; times as ratios to the SimpleITK script, too."""
    lines = [
        "| command | s | spread, s | of the script's time | processor, s | peak, MiB | error, mm |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {name} | {one.wall_s:.1f} | {one.spread_s:.1f} "
        f"| {one.wall_s / results[SCRIPT].wall_s:.2f} | {one.cpu_s:.1f} | {one.peak_mib:.0f} "
        f"| {errors[name]:.2f} |"
        for name, one in results.items()
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the programs alternately and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    given = parser.parse_args()
    ct_from_mr = sitk.ReadTransform(str(TRUTH))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programs = commands(given.methods, folder)
        results = alternately(programs, folder, given.rounds)
        points = [ct_from_mr.TransformPoint(point) for point in corners(VHF_BRAIN_MM)]
        truth = ct_from_mr.GetInverse()
        errors = {
            one: error_mm(transform_of(folder / f"{one}-0".replace(" ", "-")), truth, points)
            for one in programs
        }
    print(table(results, errors))
    for one in given.methods:
        share = results[f"radfuse {one}"].wall_s / results[SCRIPT].wall_s
        print(noted(f"whole command, {one}, to the SimpleITK script", share))


if __name__ == "__main__":
    main()
