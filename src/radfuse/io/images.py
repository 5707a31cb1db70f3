"""2-D images in grey or in colour: PNG, TIFF, JPEG."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from radfuse.errors import InputError
from radfuse.intensity import FULL_SCALE, grey_levels
from radfuse.record import SHORT_NOTICE

GREY_TOLERANCE = 8
"""Levels by which JPEG may round the channels of a greyscale image apart; colours differ more."""

EXIF_ORIENTATION = 274
"""EXIF tag of the orientation; 1 is upright."""

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
"""File name suffixes of images, in lower case."""


def read_grey(path: Path) -> NDArray[np.uint8]:
    """A greyscale image (H, W) in 8 bits."""
    return np.asarray(grey_levels(read_image(path)), np.uint8)


def read_image(path: Path) -> NDArray[np.float32]:
    """A greyscale image (H, W) of 8 or 16 bits, scaled to [0, 1] by its full scale.

    Raises `InputError` for a file that is not an image, is damaged, in colour, of several frames,
    floating point, rotated by EXIF or partly transparent.
    """
    image = read_levels(path)
    if image.ndim != 2:
        spread = round(FULL_SCALE[8] * float(np.ptp(image, axis=-1).max()))
        raise InputError(
            f"{path}: a colour image (channels differ by {spread}); save it as greyscale, or give "
            "a PET as --pet, a SPECT as --spect"
        )
    return image


def read_levels(path: Path) -> NDArray[np.float32]:
    """As `read_image`, and an image in colour as (H, W, 3); grey that is stored as RGB is grey."""
    mode, levels = _decoded(path)
    if mode in {"RGB", "RGBA", "LA"}:
        levels = _channels(path, levels)
    elif levels.ndim != 2:
        raise InputError(f"{path}: a colour image ({mode}); save it as greyscale")
    if levels.dtype.kind == "f":
        raise InputError(f"{path}: a floating-point image; save it with 8 or 16 bits")
    if levels.dtype == np.bool_:
        return levels.astype(np.float32)
    bits = 8 if levels.dtype.itemsize == 1 else 16
    if levels.min() < 0 or levels.max() > FULL_SCALE[bits]:
        raise InputError(
            f"{path}: values from {levels.min()} to {levels.max()}; save it with 8 or 16 bits"
        )
    return (levels / np.float32(FULL_SCALE[bits])).astype(np.float32)


def _decoded(path: Path) -> tuple[str, NDArray[Any]]:
    """Pillow's mode and the stored levels; a palette becomes RGBA."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as opened:
            image: Image.Image = opened
            frames = getattr(opened, "n_frames", 1)
            if frames > 1:
                raise InputError(f"{path}: {frames} frames; save each as a file")
            if image.getexif().get(EXIF_ORIENTATION, 1) != 1:
                raise InputError(f"{path}: EXIF orientation rotates the image; save it upright")
            if image.mode in {"P", "PA"} or (
                image.mode in {"1", "L", "RGB"} and "transparency" in image.info
            ):
                image = image.convert("RGBA")
            return image.mode, np.asarray(image)
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: not a readable PNG, JPEG or TIFF image") from error
    except Exception as error:  # decoders raise errors of many types at damaged files
        raise InputError(f"{path}: damaged or truncated image ({error}); copy it again") from error


def _channels(path: Path, levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Three channels, or the only one of a greyscale image that is stored with more."""
    if levels.shape[-1] in {2, 4}:
        if levels[..., -1].min() < FULL_SCALE[8]:
            raise InputError(f"{path}: the image is partly transparent; save it opaque")
        levels = levels[..., :-1]
    if int(np.ptp(levels, axis=-1).max()) > GREY_TOLERANCE:
        return levels
    return levels[..., levels.shape[-1] // 2]


def is_own_image(path: Path) -> bool:
    """Whether `write_image` wrote a PNG."""
    try:
        with Image.open(path) as image:
            return image.format == "PNG" and image.info.get("Comment") == SHORT_NOTICE
    except (OSError, SyntaxError, ValueError):
        return False


def write_image(path: Path, values: NDArray[np.float32], *, bits: int = 8) -> None:
    """Write an image in [0, 1] as a PNG: (H, W) of 8 or 16 bits, or RGB (H, W, 3) of 8."""
    image = Image.fromarray(grey_levels(values, bits))
    text = PngInfo()
    text.add_text("Comment", SHORT_NOTICE)
    image.save(path, "PNG", pnginfo=text)
