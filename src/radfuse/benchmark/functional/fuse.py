"""Fuse a functional pair in grey and in colour; the files of both."""

from pathlib import Path

import numpy as np

from radfuse.arrays import Float32Array, UInt8Array
from radfuse.benchmark.case import FunctionalSource
from radfuse.benchmark.functional.measure import luma
from radfuse.colour.maps import COLOUR_MAPS
from radfuse.colour.spaces import SPACES
from radfuse.errors import InputError, NoImageError
from radfuse.intensity import grey_levels
from radfuse.io.images import read_levels, write_image
from radfuse.io.staging import staging
from radfuse.methods.copy_mr import CopyMR
from radfuse.methods.loading import Method
from radfuse.methods.uptake import fuse_luminance
from radfuse.metrics.image_levels import WHITE

GREY = ".grey"
"""After the name of a case: its fused luma, beside the image in colour."""


def fuse_functional_case(
    method: Method, luma_and_mr: tuple[Float32Array, Float32Array], source: FunctionalSource
) -> UInt8Array:
    """Fused luma, and the image in colour, (1, H, W, 4) in 8 bits.

    The method fuses the luma of the functional image with the MR, and for the image in colour the
    luminance of the colour space. A copy of the MR is grey: it has no colour put back.
    """
    first, mr = luma_and_mr
    uptake = COLOUR_MAPS[source.colour_map].values(source.rgb)[None]
    grey = fuse_luminance(method, first, mr, uptake)
    if isinstance(method, CopyMR):
        rgb = np.repeat(mr[..., None], 3, axis=-1)
    else:
        space = SPACES[source.colour_space]
        fused = fuse_luminance(method, space.luminance(source.rgb)[None], mr, uptake)
        rgb = space.with_luminance(source.rgb, fused[0])[None]
    return np.asarray(grey_levels(np.concatenate([grey[..., None], rgb], axis=-1)), np.uint8)


def write_fused_in_colour(folder: Path, case: str, fused: UInt8Array) -> None:
    """Write what `fuse_functional_case` fused: CASE.png in colour, and CASE.grey.png."""
    levels = fused[0] / np.float32(WHITE)
    with staging(folder) as stage:
        write_image(stage.folder / f"{case}{GREY}.png", levels[..., 0])
        write_image(stage.folder / f"{case}.png", levels[..., 1:])


def read_fused_in_colour(path: Path) -> UInt8Array:
    """What `write_fused_in_colour` wrote, by the path of the image in colour.

    Without the other file, as in a folder of images by others, the fused luma is that of the image
    in colour; a grey image is one without colour. Raises `InputError` for another file.
    """
    rgb = _read_rgb(path)
    beside = path.with_name(f"{path.stem}{GREY}{path.suffix}")
    grey = grey_levels(read_levels(beside)) if beside.is_file() else luma(rgb)
    return np.asarray(np.concatenate([grey[..., None], rgb], axis=-1), np.uint8)[None]


def read_fused_by_others(folder: Path, case: str, shape: tuple[int, ...]) -> UInt8Array:
    """The image of a case in a folder; raises `InputError` for a missing one or another size."""
    path = folder / f"{case}.png"
    if not path.is_file():
        raise NoImageError(f"{folder}: no {case}.png")
    fused = read_fused_in_colour(path)
    if fused.shape[1:3] != shape:
        raise InputError(f"{path}: (rows, columns) {fused.shape[1:3]}, but the case is {shape}")
    return fused


def _read_rgb(path: Path) -> UInt8Array:
    levels = np.asarray(grey_levels(read_levels(path)), np.uint8)
    return np.repeat(levels[..., None], 3, axis=-1) if levels.ndim == 2 else levels
