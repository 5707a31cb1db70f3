"""Grey pictures in 2-D: PNG, TIFF, JPEG."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from radfuse.errors import InputError
from radfuse.intensity import FULL_SCALE, grey_levels
from radfuse.record import SHORT_NOTICE

GREY_TOLERANCE = 8
"""JPEG rounds the three channels of a grey picture apart by a few levels; a colour picture more."""

EXIF_ORIENTATION = 274
"""EXIF tag that says how a picture is to be turned; 1 is upright."""

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
"""Names of pictures, in lower case."""


def read_grey(path: Path) -> NDArray[np.uint8]:
    """An 8-bit grey picture (H, W)."""
    return np.asarray(grey_levels(read_picture(path)), np.uint8)


def read_picture(path: Path) -> NDArray[np.float32]:
    """A grey picture (H, W) of 8 or 16 bits, scaled to [0, 1] by its full scale.

    Raises `InputError` for a file that is no picture, a colour picture, several pages.
    """
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as opened:
            picture: Image.Image = opened
            pages = getattr(opened, "n_frames", 1)
            if pages > 1:
                raise InputError(f"{path}: {pages} pages; give one picture a file")
            if picture.getexif().get(EXIF_ORIENTATION, 1) != 1:
                raise InputError(f"{path}: turned by its EXIF orientation; save it upright")
            if picture.mode in {"P", "PA"} or (
                picture.mode in {"1", "L", "RGB"} and "transparency" in picture.info
            ):
                picture = picture.convert("RGBA")
            mode, levels = picture.mode, np.asarray(picture)
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: not a readable PNG, JPEG or TIFF picture") from error
    except Exception as error:  # a decoder raises whatever it likes at a damaged file
        raise InputError(f"{path}: a damaged or truncated picture: {error}") from error
    if mode in {"RGB", "RGBA", "LA"}:
        levels = _grey_channel(path, levels)
    if levels.ndim != 2:
        raise InputError(f"{path}: a colour picture ({mode}); save it as grey")
    if levels.dtype.kind == "f":
        raise InputError(f"{path}: floating point picture; save it with 8 or 16 bits")
    if levels.dtype == np.bool_:
        return levels.astype(np.float32)
    bits = 8 if levels.dtype.itemsize == 1 else 16
    if levels.min() < 0 or levels.max() > FULL_SCALE[bits]:
        raise InputError(
            f"{path}: values from {levels.min()} to {levels.max()}; save it with 8 or 16 bits"
        )
    return (levels / np.float32(FULL_SCALE[bits])).astype(np.float32)


def _grey_channel(path: Path, levels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The one channel of a grey picture stored with three, or with an opacity of 1."""
    if levels.shape[-1] in {2, 4}:
        if levels[..., -1].min() < FULL_SCALE[8]:
            raise InputError(f"{path}: a picture with transparent parts; save it as grey")
        levels = levels[..., :-1]
    spread = int(np.ptp(levels, axis=-1).max())
    if spread > GREY_TOLERANCE:
        raise InputError(f"{path}: a colour picture (channels differ by {spread}); save it as grey")
    return levels[..., levels.shape[-1] // 2]


def write_picture(path: Path, image: NDArray[np.float32], *, bits: int = 8) -> None:
    """Write an image (H, W) in [0, 1] as a PNG of 8 or 16 bits."""
    picture = Image.fromarray(grey_levels(image, bits))
    notes = PngInfo()
    notes.add_text("Comment", SHORT_NOTICE)
    picture.save(path, "PNG", pnginfo=notes)
