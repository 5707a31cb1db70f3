"""Images of a case side by side: CT, MR and every method, with a zoom and a difference map."""

import base64
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_gradient_magnitude, uniform_filter

from radfuse.arrays import UInt8Array
from radfuse.benchmark.results import SOURCES, Results
from radfuse.errors import InputError, NoImageError
from radfuse.metrics.region_fidelity import BONE_LEVEL

DIFFERENCE_RANGE = 96
"""Differences in grey levels at which the colours of a difference map end."""

DARKER = np.array([0, 114, 178], np.float64)
"""Blue of Okabe and Ito's palette: the fused image is darker."""

BRIGHTER = np.array([213, 94, 0], np.float64)
"""Vermilion of the same palette: the fused image is brighter."""

ZOOM_SHARE = 0.25
"""Side of the zoomed square relative to the image's shorter side."""

STRUCTURE_SIGMA = 1.0
"""Standard deviation in pixels of the smoothing of gradients."""

MAX_SIDE_PX = 384
"""Larger images are reduced to this side; the zoom is not."""


@dataclass(frozen=True)
class Zoom:
    """A square in an image, in pixels."""

    top: int
    left: int
    side: int

    def crop(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The part of an image (H, W, ...) in the square."""
        return image[self.top : self.top + self.side, self.left : self.left + self.side]


@dataclass(frozen=True)
class Tile:
    """One column of the grid; images are data URLs, `difference` is empty for the sources."""

    name: str
    image: str
    zoom: str
    difference: str = ""


@dataclass(frozen=True)
class CaseGallery:
    """The images of one case."""

    case: str
    patient: str
    tiles: tuple[Tile, ...]
    missing: tuple[str, ...]
    """Methods without an image of this case."""

    frame: tuple[float, float, float, float]
    """The zoomed square in per cent of the image: left, top, width, height."""

    difference_range: int = DIFFERENCE_RANGE


def case_gallery(results: Results, case: str) -> CaseGallery:
    """The grid of one case; raises `InputError` for a case without values."""
    rows = results.rows[results.rows["case"] == case]
    if rows.empty:
        raise InputError(
            f"'{case}' is no case with values and cannot be shown; choose among "
            f"{', '.join(sorted(results.rows['case'].unique()))}"
        )
    ct, mr = (results.middle_slice(case, source) for source in SOURCES)
    zoom, bone_level = strongest_structure(ct, mr), results.bone_level(case)
    tiles = [
        Tile(source.upper(), data_url(reduced(image)), data_url(zoom.crop(image)))
        for source, image in zip(SOURCES, (ct, mr), strict=True)
    ]
    missing = []
    for name in (method.name for method in results.methods):
        try:
            tiles.append(
                _fused_tile(name, results.middle_slice(case, name), ct, mr, zoom, bone_level)
            )
        except NoImageError:
            missing.append(name)
    patient = str(rows["patient"].iloc[0])
    return CaseGallery(case, patient, tuple(tiles), tuple(missing), _frame(zoom, ct))


def _fused_tile(
    name: str, fused: UInt8Array, ct: UInt8Array, mr: UInt8Array, zoom: Zoom, bone_level: float
) -> Tile:
    difference = difference_map(fused, ct, mr, bone_level=bone_level)
    images = (reduced(fused), zoom.crop(fused), reduced(difference))
    return Tile(name, *(data_url(image) for image in images))


def _frame(zoom: Zoom, image: UInt8Array) -> tuple[float, float, float, float]:
    height, width = image.shape
    sides = (zoom.left / width, zoom.top / height, zoom.side / width, zoom.side / height)
    left, top, across, down = (round(100 * side, 2) for side in sides)
    return left, top, across, down


def strongest_structure(ct: UInt8Array, mr: UInt8Array) -> Zoom:
    """The square in which both sources have the most structure.

    The square with the largest geometric mean over both sources of the mean gradient magnitude; the
    first one in reading order where several are equal.
    """
    side = max(1, round(ZOOM_SHARE * min(ct.shape)))
    strength = np.sqrt(_mean_gradient(ct, side) * _mean_gradient(mr, side))
    before, after = side // 2, (side - 1) // 2  # pixels of the square on either side of its centre
    inside = strength[before : ct.shape[0] - after, before : ct.shape[1] - after]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return Zoom(int(top), int(left), side)


def _mean_gradient(image: UInt8Array, side: int) -> NDArray[np.float64]:
    gradient = gaussian_gradient_magnitude(image.astype(np.float64), STRUCTURE_SIGMA)
    return np.maximum(uniform_filter(gradient, side), 0)  # running sums may be slightly below 0


def difference_map(
    fused: UInt8Array, ct: UInt8Array, mr: UInt8Array, *, bone_level: float = BONE_LEVEL
) -> UInt8Array:
    """Signed difference in colour (H, W, 3): to the CT in bone, to the MR elsewhere.

    Bone is where the CT exceeds both the bone level and the MR. White is no difference, blue a
    darker fused image, vermilion a brighter one, saturated at `DIFFERENCE_RANGE`.
    """
    bone = (ct > bone_level) & (ct > mr)
    difference = fused.astype(np.float64) - np.where(bone, ct, mr)
    share = np.clip(difference / DIFFERENCE_RANGE, -1, 1)[..., None]
    colours = 255 + np.abs(share) * (np.where(share < 0, DARKER, BRIGHTER) - 255)
    return np.asarray(np.rint(colours), np.uint8)


def reduced(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image, its longer side at most `MAX_SIDE_PX`."""
    height, width = image.shape[:2]
    scale = MAX_SIDE_PX / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))


def data_url(image: NDArray[np.uint8]) -> str:
    """An image (H, W) or (H, W, 3) as a data URL with a PNG."""
    stream = BytesIO()
    Image.fromarray(image).save(stream, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
