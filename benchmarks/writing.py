"""Writing of a fused head as DICOM: seconds of its parts, and what compression would cost and save.

    python benchmarks/writing.py [--data FOLDER] [--rounds 3]
    python benchmarks/writing.py --compare OLD NEW

The head is the Visible Human Female, fused by `average` with the transform that comes with it, so
that only writing counts. Figures are minima of the rounds, compared within one run. `--compare`
takes two folders of results and lists instances that differ in any element but new UIDs and times.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pydicom
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from radfuse.intensity import window_named
from radfuse.parallel import WORKERS
from radfuse.pipeline.dicom_outputs import FOLDERS, write_dicom
from radfuse.pipeline.fuse import fuse_ct_mr
from radfuse.pipeline.outputs import derivation_context, files_of, save_result
from radfuse.pipeline.qa.content import write_result_sheet
from radfuse.pipeline.result import Result
from radfuse.recipe import Recipe
from radfuse.record import digest
from radfuse.registration.transforms import write_transform

DATA = Path("../shared/data")

IMAGES = ("fused", "mr", "colour")
"""Outputs that are series of images."""

NEW = {
    "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID",
    "MediaStorageSOPInstanceUID", "FileMetaInformationGroupLength", "SeriesDate", "SeriesTime",
    "ContentDate", "ContentTime", "InstanceCreationDate", "InstanceCreationTime",
}  # fmt: skip
"""Attributes that differ between two runs."""

EVERY = 12
"""Of so many slices one is compressed."""

SYNTAXES = {
    "none": ExplicitVRLittleEndian,
    "RLE": RLELossless,
    "JPEG-LS": JPEGLSLossless,
    "JPEG 2000": JPEG2000Lossless,
}
"""Lossless transfer syntaxes."""


def fused_head(data: Path, folder: Path) -> Result:
    """The Visible Human Female, fused and not written."""
    source = data / "real/3d_vhf"
    mr_from_ct = sitk.ReadTransform(str(source / "mr_to_ct_silver.tfm")).GetInverse()
    write_transform(folder / "silver.tfm", sitk.Euler3DTransform(mr_from_ct))
    recipe = Recipe(method="average", transform=folder / "silver.tfm", accept_registration=True)
    ct, mr = (source / f"vhf_head_{name}.nii.gz" for name in ("ct_8bit_hu", "mr_t1_8bit"))
    return fuse_ct_mr(ct, mr, recipe=recipe)


def least(run: Callable[[Path], object], rounds: int) -> tuple[float, float]:
    """Least processor and elapsed seconds; each round has an empty folder."""
    taken = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            start = time.process_time(), time.perf_counter()
            run(Path(folder))
            taken.append((time.process_time() - start[0], time.perf_counter() - start[1]))
    processor, elapsed = (min(column) for column in zip(*taken, strict=True))
    return processor, elapsed


def measure_parts(result: Result, rounds: int, written: Path) -> None:
    """Print a row for each part; `written` are the files of the result."""
    alignment, region, recipe = result.alignment, result.region, result.record.recipe
    if alignment is None or region is None:
        raise SystemExit("the head was not registered")

    def write(names: Sequence[str], folder: Path) -> None:
        context = derivation_context(result.ct, result.mr, alignment, region, result.record)
        where = {name: folder / name for name in names}
        write_dicom(where, result.image, context, window_named(recipe.window), recipe)

    headers = [pydicom.dcmread(path) for name in IMAGES for path in files_of(written / name)]
    rows: dict[str, Callable[[Path], object]] = {
        **{name: partial(write, [name]) for name in IMAGES},
        "all three": partial(write, IMAGES),
        "headers by dcmwrite": partial(write_by_pydicom, headers),
        "QA sheet": lambda folder: write_result_sheet(folder / "qa.html", result),
        "digests": lambda _: [digest(files_of(written / name)) for name in IMAGES],
        "everything": lambda folder: save_result(result, folder / "out", overwrite=False),
    }
    print("| part | processor s | elapsed s |\n|---|---|---|")
    for name, run in rows.items():
        processor, elapsed = least(run, rounds)
        print(f"| {name} | {processor:.2f} | {elapsed:.2f} |", flush=True)


def write_by_pydicom(headers: Sequence[Dataset], folder: Path) -> None:
    """Write whole datasets, each element encoded again."""
    for index, header in enumerate(headers):
        list(header.iterall())  # decoded: an element that is not is copied
        header.save_as(folder / f"{index}.dcm", enforce_file_format=True)


def measure_compression(written: Path) -> None:
    """Print bytes and seconds of each syntax, for slices of each series."""
    print(
        "\n| series | compression | share of the bytes | processor ms a slice |\n|---|---|---|---|"
    )
    for name in IMAGES:
        paths = files_of(written / name)[::EVERY]
        plain = sum(path.stat().st_size for path in paths)
        for label, syntax in SYNTAXES.items():
            start = time.process_time()
            count = sum(compressed_bytes(path, syntax) for path in paths)
            ms = 1000 * (time.process_time() - start) / len(paths)
            print(f"| {name} | {label} | {count / plain:.2f} | {ms:.1f} |", flush=True)


def compressed_bytes(path: Path, syntax: UID) -> int:
    """Length of the file of a slice in a transfer syntax."""
    header = pydicom.dcmread(path)
    if syntax.is_compressed:
        header.compress(syntax, generate_instance_uid=False)
    with tempfile.TemporaryFile() as stream:
        header.save_as(stream, enforce_file_format=True)
        return stream.tell()


def compare(old: Path, new: Path) -> None:
    """Print which instances of two results differ."""
    names = [sorted(path.relative_to(one) for path in one.rglob("*.dcm")) for one in (old, new)]
    if names[0] != names[1]:
        raise SystemExit(f"{old} and {new} have different files")
    different = [
        name
        for name in names[0]
        if elements(pydicom.dcmread(old / name)) != elements(pydicom.dcmread(new / name))
    ]
    print(f"{len(names[0])} instances, {len(different)} differ", *different, sep="\n")


def elements(header: Dataset) -> list[Any]:
    """Tag, representation and value of each element but those of `NEW`, in the file's order."""
    meta = getattr(header, "file_meta", None)
    own = [
        (e.tag, e.VR, [elements(item) for item in e.value] if e.VR == "SQ" else e.value)
        for e in header
        if e.keyword not in NEW
    ]
    return (elements(meta) if meta is not None else []) + own


def main() -> None:
    """Parse and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("OLD", "NEW"))
    options = parser.parse_args()
    if options.compare:
        compare(*options.compare)
        return
    print(f"load before: {os.getloadavg()[0]:.1f}; {WORKERS} threads", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        result = fused_head(options.data, Path(folder))
        written = Path(folder) / "out"
        save_result(result, written, overwrite=False)
        for name in IMAGES:
            (written / FOLDERS[name].format(method="average")).rename(written / name)
        measure_parts(result, options.rounds, written)
        measure_compression(written)


if __name__ == "__main__":
    main()
