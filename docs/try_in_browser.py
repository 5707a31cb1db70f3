"""Assemble the static application that fuses in the browser: `python docs/try_in_browser.py OUT`.

Its own files are in `docs/try`; the runtime comes from the package onnxruntime-web of npm, which
`make ready` installs, the networks from radfuse, and the sample is computed by radfuse with
OpenVINO. Nothing of it is committed.
"""

import argparse
import gzip
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radfuse.arrays import Float32Array, image_on
from radfuse.intensity import WINDOWS
from radfuse.io.images import read_image, write_image
from radfuse.io.volumes import read_volume, write_volume
from radfuse.methods.catalogue import METHODS
from radfuse.methods.loading import load_method
from radfuse.modality import AIR_HU, CT, MR
from radfuse.phantom.head import DEFAULT_SEED, Phantom, make_phantom
from radfuse.pipeline.volume import fuse_volumes
from radfuse.series import Series

OWN_FILES = Path(__file__).parent / "try"
"""HTML, style sheet and modules."""

RUNTIME = Path(sys.prefix) / "npm/node_modules/onnxruntime-web"
"""Where `make ready` installs onnxruntime-web."""

FLAVOURS = {
    "ort.wasm.min.mjs": "ort-wasm-simd-threaded",
    "ort.jspi.min.mjs": "ort-wasm-simd-threaded.jspi",
}
"""Loaders of the runtime and their modules: the smallest with WebAssembly, and with WebGPU."""

METHODS_OFFERED = ("signed_detail", "mfinet", "res2fusion")
"""Methods of the form, the default one first."""

NETWORKS = ("mfinet", "res2fusion")
"""Graphs that they run."""

SAMPLE_MM, PIXEL_MM, PIXELS = 0.9, 0.9, 256
"""Voxels of the phantom of the sample images, and their pixels."""

SAMPLE_SLICE_MM = 24.0
"""Position of the sample images above the centre of the CT: ventricles and tumour."""

VOLUME_MM = 3.0
"""Voxels of the sample volumes."""

WINDOW = "fusion"
"""CT window of the sample's fused volumes."""


def assemble(
    target: Path,
    *,
    level: int = 9,
    sample_mm: float = SAMPLE_MM,
    volume_mm: float = VOLUME_MM,
    methods: Sequence[str] = METHODS_OFFERED,
    volume_methods: Sequence[str] = METHODS_OFFERED,
) -> Path:
    """The application in a new folder, which is returned.

    `level` is that of gzip; `sample_mm` and `volume_mm` are the voxel sizes of the phantoms of the
    sample images and volumes; the sample has fused images by `methods` and
    fused volumes by `volume_methods`. Raises
    `FileNotFoundError` without onnxruntime-web.
    """
    if not RUNTIME.is_dir():
        raise FileNotFoundError(f"{RUNTIME}: missing; `make ready` installs onnxruntime-web")
    shutil.copytree(OWN_FILES, target, ignore=shutil.ignore_patterns("*.md"))
    for folder in ("ort", "models", "sample"):
        (target / folder).mkdir()
    _copy_runtime(target / "ort", level)
    for name in NETWORKS:
        graph = METHODS[name].weights
        if graph is None:
            raise ValueError(f"{name} has no graph")
        _pack(graph, target / "models" / f"{name}.onnx.gz", level)
    phantom = make_phantom(DEFAULT_SEED, spacing_mm=sample_mm)
    write_sample_images(phantom, target / "sample", methods)
    if volume_mm != sample_mm:
        phantom = make_phantom(DEFAULT_SEED, spacing_mm=volume_mm)
    write_phantom_volumes(phantom, target / "sample")
    for name in volume_methods:
        fused = fused_volume(target / "sample", name)
        write_volume(target / "sample" / f"fused-{name}.nii.gz", fused)
    return target


def add_application(target: Path) -> None:
    """The application in a folder, instead of an earlier one; a message without its runtime."""
    if not RUNTIME.is_dir():
        print(f"{target}: left out; `make ready` installs onnxruntime-web")  # noqa: T201
        return
    shutil.rmtree(target, ignore_errors=True)
    assemble(target)


def _copy_runtime(folder: Path, level: int) -> None:
    for loader, module in FLAVOURS.items():
        for name in (loader, f"{module}.mjs"):
            shutil.copy(RUNTIME / "dist" / name, folder / name)
        _pack(RUNTIME / "dist" / f"{module}.wasm", folder / f"{module}.wasm.gz", level)


def _pack(source: Path, target: Path, level: int) -> None:
    target.write_bytes(gzip.compress(source.read_bytes(), level, mtime=0))


def write_sample_images(phantom: Phantom, folder: Path, methods: Sequence[str]) -> None:
    """A slice of a phantom as `ct.png` and `mr.png`, and `fused-METHOD.png` by radfuse."""
    slices = phantom_slices(phantom, [SAMPLE_SLICE_MM])[0]
    for role, image in zip(("ct", "mr"), slices, strict=True):
        write_image(folder / f"{role}.png", image)
    ct, mr = (read_image(folder / f"{role}.png")[None] for role in ("ct", "mr"))
    for name in methods:
        write_image(folder / f"fused-{name}.png", load_method(name)(ct, mr)[0])


def phantom_slices(
    phantom: Phantom, heights_mm: list[float]
) -> list[tuple[Float32Array, Float32Array]]:
    """Registered axial slices of a phantom at heights above the CT's centre, in [0, 1].

    Each is a CT in the brain window and an MR, (256, 256).
    """
    ct, mr = phantom.ct.image, _on_ct(phantom)
    levels = np.percentile(sitk.GetArrayViewFromImage(mr), (50, 99.8))
    centre = ct.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in ct.GetSize()])
    pairs = []
    for height_mm in heights_mm:
        grid = sitk.Image(PIXELS, PIXELS, 1, sitk.sitkFloat32)
        grid.SetSpacing((PIXEL_MM, PIXEL_MM, 1.0))
        half = PIXEL_MM * (PIXELS - 1) / 2
        grid.SetOrigin((centre[0] - half, centre[1] - half, centre[2] + height_mm))
        hu = _on(grid, ct, AIR_HU)
        grey = (_on(grid, mr, 0.0) - np.float32(levels[0])) / np.float32(levels[1] - levels[0])
        pairs.append((WINDOWS["brain"].scale(hu), np.clip(grey, 0, 1).astype(np.float32)))
    return pairs


def _on(grid: sitk.Image, image: sitk.Image, background: float) -> Float32Array:
    resampled = sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, background)
    return np.asarray(sitk.GetArrayFromImage(resampled)[0], np.float32)


def _on_ct(phantom: Phantom) -> sitk.Image:
    """The MR on the CT's grid by the true transform."""
    return sitk.Resample(
        phantom.mr.image, phantom.ct.image, phantom.mr_from_ct, sitk.sitkLinear, 0.0
    )


def write_phantom_volumes(phantom: Phantom, folder: Path) -> None:
    """CT and MR of a phantom on one grid: `ct.nii.gz` and `mr.nii.gz`, whole numbers."""
    for role, image in (("ct", phantom.ct.image), ("mr", _on_ct(phantom))):
        write_volume(folder / f"{role}.nii.gz", _whole_numbers(image))


def _whole_numbers(image: sitk.Image) -> sitk.Image:
    values = np.rint(sitk.GetArrayViewFromImage(image)).astype(np.int16)
    return image_on(image, values)


def fused_volume(folder: Path, method: str, window: str = WINDOW) -> sitk.Image:
    """The pair in a folder, fused by radfuse without registration; stored values."""
    series = [
        Series(read_volume(path), modality, path, (path,))
        for modality, path in ((CT, folder / "ct.nii.gz"), (MR, folder / "mr.nii.gz"))
    ]
    chosen = load_method(method, window=WINDOWS[window])
    return fuse_volumes(
        series[0], series[1], sitk.Transform(3, sitk.sitkIdentity), WINDOWS[window], chosen
    )[0]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path, help="folder to create")
    assemble(parser.parse_args().output)


if __name__ == "__main__":
    main()
