"""How time and memory of `radfuse fuse` grow with slices, matrix size and number of MR images.

    python benchmarks/scaling.py [--method signed_detail] [--slices 60 120 240 480 960]

The Visible Human Female, resampled; its transform is given, so that what grows is measured, not
the search, which always takes the same. Prints the least processor time of three runs and the
peak memory of each, with `--large` of the largest scans, too, and the exponent: that of a power of
the data, which with a constant fits the times best. 1 is proportional to the data.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.optimize import nnls

from comparison import Run, run
from whole_commands import CT, MR, TRUTH

SLICES, SIDES, MRS = (60, 120, 240, 480, 960), (256, 512, 1024), (1, 2, 3)
ROUNDS = 3
"""Runs of each size; the one with the least processor time counts, since other load adds to it."""

LARGE = ((512, 512, 600), (1024, 1024, 400))
"""Columns, rows and slices of the largest scans of a head."""

POWERS = np.arange(0.5, 2.5, 0.01)
"""Exponents that are tried."""

SIDE, SLICES_OF_SIDES = 256, 120
"""Matrix where slices vary, and slices where the matrix does."""


def resampled(image: sitk.Image, size: tuple[int, int, int]) -> sitk.Image:
    """An image with other numbers of columns, rows and slices in the same space."""
    spacing = [
        step * old / new
        for step, old, new in zip(image.GetSpacing(), image.GetSize(), size, strict=True)
    ]
    return sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkLinear, image.GetOrigin(), spacing,
        image.GetDirection(), -1000.0,
    )  # fmt: skip


def exponent(sizes: Sequence[int], taken: Sequence[float]) -> float:
    """That of a constant plus a power of the size, whose relative errors are least."""

    def error(power: float) -> float:
        terms = np.stack([np.ones(len(sizes)), np.asarray(sizes, np.float64) ** power], axis=1)
        relative = terms / np.array(taken)[:, None]
        return nnls(relative, np.ones(len(sizes)))[1]

    return float(min(POWERS, key=error))


class Study:
    """Commands on resampled volumes in a folder."""

    def __init__(self, folder: Path, method: str) -> None:
        self.folder, self.method = folder, method
        self.ct = sitk.ReadImage(str(CT))
        sitk.WriteTransform(
            sitk.ReadTransform(str(TRUTH)).GetInverse(), str(folder / "transform.tfm")
        )

    def fused(self, name: str, size: tuple[int, int, int], mrs: int = 1) -> Run:
        """Fuse a CT of a size with copies of the MR, each of which is resampled and written."""
        own = self.folder / name
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir()
        sitk.WriteImage(resampled(self.ct, size), str(own / "ct.nii"))
        images: list[str | Path] = ["--ct", own / "ct.nii", "--mr", MR]
        for number in range(1, mrs):
            copy = sitk.ReadImage(str(MR)) + number
            sitk.WriteImage(copy, str(own / f"mr{number}.nii"))
            images += ["--mr", own / f"mr{number}.nii"]
        search: list[str | Path] = ["--transform", self.folder / "transform.tfm"]
        program = Path(sys.executable).with_name("radfuse")
        search.append("--accept-registration")  # of a coarse grid it may not pass
        command = [program, "fuse", *images, "-o", "out", "--method", self.method, *search]
        return run(command, own)

    def table(
        self, what: str, sizes: Sequence[int], fuse: Callable[[int], Run], power: int = 1
    ) -> None:
        """Print a row for each size, and the exponent; the data grow by a power of the size."""
        if not sizes:
            return
        print(f"\n| {what} | processor, s | peak, MiB |\n|--:|--:|--:|")
        rounds = [[fuse(size) for size in sizes] for _ in range(ROUNDS)]
        runs = [min(of_one, key=lambda one: one.cpu_s) for of_one in zip(*rounds, strict=True)]
        for size, one in zip(sizes, runs, strict=True):
            print(f"| {size} | {one.cpu_s:.1f} | {one.peak_mib:.0f} |", flush=True)
        if len(sizes) > 2:
            data = [size**power for size in sizes]
            taken = exponent(data, [one.cpu_s for one in runs])
            print(f"\nExponent of the time: {taken:.2f}.")

    def large(self, sizes: Sequence[tuple[int, int, int]]) -> None:
        """Print a row for each of the largest scans."""
        print("\n| columns x rows x slices | processor, s | peak, MiB |\n|--:|--:|--:|")
        for number, size in enumerate(sizes):
            one = self.fused(f"large-{number}", size)
            shown = "x".join(map(str, size))
            print(f"| {shown} | {one.cpu_s:.1f} | {one.peak_mib:.0f} |", flush=True)


def main() -> None:
    """Print a table for each of the three, and one of the largest scans."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", default="signed_detail")
    parser.add_argument("--slices", type=int, nargs="+", default=list(SLICES))
    parser.add_argument("--sides", type=int, nargs="*", default=list(SIDES))
    parser.add_argument("--mrs", type=int, nargs="*", default=list(MRS))
    parser.add_argument("--large", action="store_true", help="the largest scans, too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        study = Study(Path(name), given.method)
        study.table(
            f"slices of {SIDE}x{SIDE}", given.slices,
            lambda count: study.fused(f"slices-{count}", (SIDE, SIDE, count)),
        )  # fmt: skip
        study.table(
            f"side, {SLICES_OF_SIDES} slices", given.sides,
            lambda side: study.fused(f"side-{side}", (side, side, SLICES_OF_SIDES)), 2,
        )  # fmt: skip
        study.table(
            f"MR images, {SLICES_OF_SIDES} slices of {SIDE}x{SIDE}", given.mrs,
            lambda count: study.fused(f"mrs-{count}", (SIDE, SIDE, SLICES_OF_SIDES), count),
        )  # fmt: skip
        if given.large:
            study.large(LARGE)


if __name__ == "__main__":
    main()
