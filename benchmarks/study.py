"""All images of a phantom brought onto its CT by one command: time, memory and errors.

    python benchmarks/study.py [--seeds 201 202] [--spacing 0.9]

A CT with T1, T1 after contrast agent, T2 and FLAIR of one frame of reference as DICOM, and a PET
with the CT of its scanner as NIfTI. Errors are the largest displacement at points of the brain
against the known transforms. Prints a line of JSON per phantom.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float32Array, image_on
from radfuse.io.volumes import write_volume
from radfuse.phantom.dicom import write_phantom, write_sequence
from radfuse.phantom.head import DEFAULT_SPACING_MM, Phantom, draw_layers, make_phantom
from radfuse.phantom.uptake import FDG, FunctionalScan, scan_uptake
from radfuse.registration.transforms import read_transform

PET_CT_NOISE_HU, PET_CT_SPACING_MM = 12.0, (1.4, 1.4, 3.0)
"""A low-dose CT."""

REACH_MM = ((-55.0, 0.0, 55.0), (-60.0, 0.0, 60.0), (-15.0, 25.0, 65.0))
"""Points of the brain: all combinations, mm of the CT."""


def main() -> None:
    """Run the command on each phantom."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="*", default=[201])
    parser.add_argument("--spacing", type=float, default=DEFAULT_SPACING_MM)
    options = parser.parse_args()
    for seed in options.seeds:
        with TemporaryDirectory() as folder:
            print(json.dumps({"seed": seed, **measured(seed, options.spacing, Path(folder))}))


def measured(seed: int, spacing_mm: float, folder: Path) -> dict[str, float]:
    """Seconds, peak memory and errors of one command."""
    phantom = make_phantom(seed, spacing_mm=spacing_mm)
    scan = scan_uptake(draw_layers(seed), FDG, seed)
    sources = write_images(phantom, scan, folder)
    command = [sys.executable, "-m", "radfuse", "fuse", "--quiet", "-o", str(folder / "out")]
    for option, path in sources:
        command += [option, str(path)]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    figures = {"seconds": round(seconds, 1), "peak_gib": round(peak, 2)}
    truths = {"MR": phantom.mr_from_ct, "PT": scan.functional_from_ct}
    for path in sorted((folder / "out").glob("from-*_to-CT_*.tfm")):
        label = path.name.split("_to-CT")[0].removeprefix("from-")
        truth = truths["PT" if label == "PT" else "MR"]
        figures[f"{label}_mm"] = round(error_mm(read_transform(path), truth), 2)
    return figures


def write_images(phantom: Phantom, scan: FunctionalScan, folder: Path) -> list[tuple[str, Path]]:
    """The options and paths of all images."""
    ct, enhanced = write_phantom(phantom, folder)
    values = sitk.GetArrayFromImage(phantom.mr.image)
    others = {
        "T1": np.float32(0.9) * values,
        "T2": inverted(values, 0.9),
        "FLAIR": inverted(values, 0.6),
    }
    mrs = [
        write_sequence(
            phantom,
            replace(phantom.mr, image=image_on(phantom.mr.image, np.rint(one))),
            folder,
            name,
        )
        for name, one in others.items()
    ]
    write_volume(folder / "pet.nii.gz", scan.series.image)
    write_volume(folder / "pet_ct.nii.gz", second_ct(phantom, scan))
    return [
        ("--ct", ct), *(("--mr", one) for one in (*mrs, enhanced)),
        ("--pet", folder / "pet.nii.gz"), ("--pet-ct", folder / "pet_ct.nii.gz"),
    ]  # fmt: skip


def inverted(values: Float32Array, share: float) -> Float32Array:
    """Tissue with another contrast: what is bright becomes darker; air and bone stay dark."""
    highest = np.float32(np.percentile(values, 99.5))
    signal = np.clip(values / highest, 0, 1)
    weight = np.clip(signal / 0.15, 0, 1)
    return np.asarray(highest * weight * (1.1 - share * signal), np.float32)


def second_ct(phantom: Phantom, scan: FunctionalScan) -> sitk.Image:
    """The CT of the PET's scanner: the pose of the PET, thick slices, more noise."""
    grid = scan.series.image
    extent = np.array(grid.GetSize()) * grid.GetSpacing()
    size = [int(length / step) for length, step in zip(extent, PET_CT_SPACING_MM, strict=True)]
    blank = sitk.Image(size, sitk.sitkFloat32)
    blank.SetSpacing(PET_CT_SPACING_MM)
    blank.SetOrigin(grid.GetOrigin())
    blank.SetDirection(grid.GetDirection())
    ct_from_pet = scan.functional_from_ct.GetInverse()
    image = sitk.Resample(phantom.ct.image, blank, ct_from_pet, sitk.sitkLinear, -1000.0)
    noise = np.random.default_rng(phantom.seed).normal(0, PET_CT_NOISE_HU, size[::-1])
    return image_on(image, (sitk.GetArrayFromImage(image) + noise).astype(np.float32))


def error_mm(found: sitk.Transform, truth: sitk.Transform) -> float:
    """The largest displacement at points of the brain."""
    points = np.stack(np.meshgrid(*REACH_MM), axis=-1).reshape(-1, 3)
    distances = [
        np.linalg.norm(np.subtract(found.TransformPoint(point), truth.TransformPoint(point)))
        for point in points.tolist()
    ]
    return float(max(distances))


if __name__ == "__main__":
    main()
