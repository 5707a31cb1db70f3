"""Samples to open: a QA sheet and a benchmark report, of phantoms, made when the site is built."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import radfuse
from radfuse.intensity import WINDOWS
from radfuse.phantom.head import make_phantom
from radfuse.pipeline.volume import scale_volumes

METHODS = ("average", "maximum", "laplacian", "bone_blend", "signed_detail", "res2fusion")
"""Methods of the sample report."""

PATIENTS, SLICES, SPACING_MM = (1, 2, 3), (26, 34, 42), 2.5
"""Phantoms of the sample report, slices of each, and their pixel spacing."""

SIDE_PX = 112
"""Of a slice; phantoms differ in size."""

LINKS = """
## Open

* <a href="samples/qa.html">QA sheet of a fusion</a>
* <a href="samples/pet.html">QA sheet of a PET with an MR</a>
* <a href="samples/report.html">Report of a benchmark</a>
"""
"""What the site adds to the document on samples."""


def write_samples(folder: Path, cache: Path) -> None:
    """Write the samples into `samples` of a built site.

    The cache keeps them between builds, until a file of radfuse changes.
    """
    if not _is_newer_than_radfuse(cache / "report.html"):
        shutil.rmtree(cache, ignore_errors=True)
        cache.mkdir(parents=True, exist_ok=True)
        work = cache / "work"
        for name, options in (("qa", ()), ("pet", ("--pet",))):
            _radfuse("demo", "--spacing", "2", "-o", work / name, "--overwrite", *options)
            shutil.copy(work / name / "fused/qa.html", cache / f"{name}.html")
        _write_pairs(work / "pairs")
        methods = [word for method in METHODS for word in ("--method", method)]
        shown = ["--show-case", f"{PATIENTS[0]}{SLICES[1]:03}"]
        arguments = ("--pairs", work / "pairs", "-o", work / "report", *methods, *shown)
        _radfuse("benchmark", *arguments, "--profile", "mfinet2024", "--overwrite")
        shutil.copy(work / "report/report/report.html", cache / "report.html")
        shutil.rmtree(work)
    target = folder / "samples"
    target.mkdir(exist_ok=True)
    for name in ("qa", "pet", "report"):
        shutil.copy(cache / f"{name}.html", target / f"{name}.html")


def _is_newer_than_radfuse(path: Path) -> bool:
    sources = (one for one in Path(radfuse.__file__).parent.rglob("*") if one.suffix != ".pyc")
    changed = max(one.stat().st_mtime for one in sources if one.is_file())
    return path.is_file() and path.stat().st_mtime > changed


def _radfuse(*arguments: object) -> None:
    command = [sys.executable, "-m", "radfuse", *map(str, arguments), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words


def _write_pairs(folder: Path) -> None:
    for patient in PATIENTS:
        phantom = make_phantom(patient, spacing_mm=SPACING_MM)
        scaled = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, WINDOWS["fusion"])
        for kind, volume in (("CT", scaled.ct), ("MRI", scaled.mr)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            for index in SLICES:
                levels = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
                image = np.rint(volume[index] * 255)[:SIDE_PX, :SIDE_PX]
                levels[: image.shape[0], : image.shape[1]] = image
                Image.fromarray(levels).save(folder / kind / f"{patient}{index:03}.png")
