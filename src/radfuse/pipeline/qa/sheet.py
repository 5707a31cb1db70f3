"""The QA sheet: one self-contained HTML document for the review of a registration and a fusion."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from string import Template
from typing import Protocol

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from radfuse.arrays import Float32Array, image_on
from radfuse.modality import CT, MR
from radfuse.parallel import in_order
from radfuse.pipeline.display.planes import PLANES, Sides
from radfuse.pipeline.qa.form import CHECKS, FUNCTIONAL_CHECKS, form_html, signoff_html
from radfuse.pipeline.qa.residual_map import residual_map
from radfuse.record import NOTICE
from radfuse.registration.qa.regions import Residuals

PANEL_HEIGHT_PX = 300
"""Height of one image; five of them fill the width of a screen or of landscape A4."""

COMPRESSION = 3
"""Level of the compression of PNG: a third of the time of the usual 6, 7 % larger."""

TILES = 8
"""Squares of the checkerboard along the shorter side."""

OUTLINE = (0, 190, 255)
"""Colour of the border of the MR field of view: light blue, visible to the colour-blind."""

CROSSHAIR, CROSSHAIR_GAP_PX = (255, 213, 74), 9
"""Colour of the crosshair, and half of the gap at its centre, as in the viewer."""

IMAGES = (CT.code, MR.code, "fused", "checkerboard", f"magenta {CT}, green {MR}")
"""Images of each plane."""

TEMPLATES = Path(__file__).parent / "templates"
"""`sheet.html`, with `string.Template` fields, and the guides to its images."""


@dataclass(frozen=True)
class ColourBar:
    """What the colours of a plane mean."""

    colours: NDArray[np.uint8]
    """RGB (N, 3) from the lowest value to the highest."""

    low: str
    high: str
    """Those values, with their unit."""


class SheetPlane(Protocol):
    """One plane of the head, as several images."""

    @property
    def name(self) -> str:
        """In words; empty for 2-D images."""

    @property
    def sides(self) -> Sides:
        """Letters at the sides of each image."""

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Height and width of a pixel."""

    @property
    def crosshair(self) -> tuple[float, float] | None:
        """Row and column of the position that it marks, 0 at the centre of the first pixel."""

    @property
    def bar(self) -> ColourBar | None:
        """Beside the images; None without a colour map."""

    def panels(self) -> Mapping[str, NDArray[np.uint8]]:
        """Each image by its caption, (rows, columns, 3)."""


@dataclass(frozen=True)
class Plane:
    """One plane of the head, (rows, columns) in [0, 1], in radiological orientation."""

    name: str
    sides: Sides

    ct: Float32Array
    mr: Float32Array
    fused: Float32Array
    fov_mask: NDArray[np.bool_]
    pixel_mm: tuple[float, float] = (1.0, 1.0)
    """Height and width of a pixel."""
    crosshair: tuple[float, float] | None = None
    """Row and column of the position that it marks, 0 at the centre of the first pixel."""
    bar: ColourBar | None = None

    def panels(self) -> Mapping[str, NDArray[np.uint8]]:
        """The images of `IMAGES`, (rows, columns, 3)."""
        grey = [np.repeat(_bytes(values)[..., None], 3, axis=2) for values in (self.ct, self.mr)]
        fused = np.repeat(_bytes(self.fused)[..., None], 3, axis=2)
        fused[border(self.fov_mask)] = OUTLINE
        rows, columns = self.ct.shape
        side = max(1, min(rows, columns) // TILES)
        odd = np.add.outer(np.arange(rows) // side, np.arange(columns) // side) % 2 > 0
        board = np.where(odd[..., None], grey[0], grey[1])
        ct, mr = grey[0][..., 0], grey[1][..., 0]
        images = [*grey, fused, board, np.stack([ct, mr, ct], axis=-1)]
        return dict(zip(IMAGES, images, strict=True))


@dataclass(frozen=True)
class WorstPoint:
    """Where the estimated error is largest: a text, and the planes through it."""

    caption: str
    planes: Sequence[Plane]


def anatomical_plane(
    grid: sitk.Image,
    ct: Float32Array,
    mr: Float32Array,
    fused: Float32Array,
    fov_mask: NDArray[np.bool_],
    position_mm: Sequence[float] | None = None,
) -> Plane:
    """A plane from volumes (slices, rows, columns) that are one voxel thick along an axis.

    `grid` has the geometry of the volumes; the patient's left is on the right of the image. A
    crosshair marks a position, LPS mm, projected on the plane along the grid.
    """
    name, cuts, pixel_mm = oriented_cuts(grid, (ct, mr, fused, fov_mask.astype(np.float32)))
    crosshair = None
    if position_mm is not None:
        oriented = _lps(ct, grid)
        index = oriented.TransformPhysicalPointToContinuousIndex(list(position_mm))
        axis = oriented.GetSize()[::-1].index(1)
        row, column = (float(value) for value in np.delete(index[::-1], axis))
        crosshair = (row if name == "axial" else cuts[0].shape[0] - 1 - row), column
    return Plane(name, PLANES[name], cuts[0], cuts[1], cuts[2], cuts[3] > 0, pixel_mm, crosshair)


def oriented_cuts(
    grid: sitk.Image, volumes: Sequence[Float32Array]
) -> tuple[str, list[Float32Array], tuple[float, float]]:
    """Name, images (rows, columns) and pixel size of a plane in radiological orientation.

    The volumes (slices, rows, columns) are one voxel thick along an axis of `grid`.
    """
    oriented = [_lps(values, grid) for values in volumes]
    axis = oriented[0].GetSize()[::-1].index(1)
    name = list(PLANES)[axis]
    downwards = 1 if name == "axial" else -1  # superior is above
    cuts = [sitk.GetArrayFromImage(image).take(0, axis)[::downwards] for image in oriented]
    height, width = np.delete(oriented[0].GetSpacing()[::-1], axis)
    return name, cuts, (float(height), float(width))


def _lps(values: Float32Array, grid: sitk.Image) -> sitk.Image:
    return sitk.DICOMOrient(image_on(grid, values), "LPS")


def write_qa_sheet(
    path: Path,
    planes: Sequence[SheetPlane],
    sections: Mapping[str, Mapping[str, str]],
    *,
    warning: str = "",
    verdict: str = "",
    registered: bool = True,
    pair: tuple[str, str] = (CT.code, MR.code),
    prefixes: Sequence[str] = ("",),
    worst: WorstPoint | None = None,
    residuals: Residuals | None = None,
) -> None:
    """Write the document.

    `sections` are headings with a table each, `warning` is a banner on top, `verdict` the sentence
    of registration QA below it. The worst point is above the other planes, `residuals` of the skull
    are a map. Checks and the sign-off are for a registration only; `prefixes` are those of the
    guides, the first also of the checks.
    """
    document = Template(_template("sheet.html")).substitute(
        notice=escape(NOTICE),
        banner=f'<p class="warning" role="alert">{escape(warning)}</p>' if warning else "",
        verdict=_verdict_html(verdict) if verdict else "",
        worst=_worst_html(worst) if worst else "",
        planes="\n".join(in_order(_plane_html, planes)),
        residuals=_residuals_html(residuals) if residuals else "",
        sections="\n".join(_section_html(name, rows) for name, rows in sections.items()),
        pair=escape(" and ".join(pair)),
        guide="".join(_template(f"{prefix}guide.html") for prefix in prefixes).rstrip(),
        checklist=form_html(FUNCTIONAL_CHECKS if prefixes[0] else CHECKS) if registered else "",
        signoff=signoff_html(None) if registered else "",
    )
    path.write_text(document, encoding="utf-8")


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _verdict_html(sentence: str) -> str:
    """The sentence of registration QA; its result, before the numbers, is bold."""
    result = sentence.partition(";")[0].partition(":")[0]
    return (
        f'<p class="verdict"><strong>{escape(result)}</strong>'
        f"{escape(sentence.removeprefix(result))}</p>"
    )


def _section_html(heading: str, facts: Mapping[str, str]) -> str:
    rows = "\n".join(
        f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in facts.items()
    )
    return f"<section><h2>{escape(heading)}</h2>\n<table>\n{rows}\n</table></section>"


def _worst_html(worst: WorstPoint) -> str:
    planes = "\n".join(_plane_html(plane) for plane in worst.planes)
    return (
        f'<section id="worst-point"><h2>Worst point of the brain</h2>\n'
        f"<p>{escape(worst.caption)}</p>\n{planes}</section>\n<h2>Overview</h2>"
    )


def _residuals_html(residuals: Residuals) -> str:
    return (
        "<section><h2>Residuals of the skull on the head, mm</h2>\n"
        f"{residual_map(residuals)}\n"
        "<p>From the vertex in the middle to the skull base outside: how far the skull in the MR "
        "is outside (+, orange) or inside (-, blue) that of the CT after the registration.</p>"
        "</section>"
    )


def _plane_html(plane: SheetPlane) -> str:
    figures = []
    for caption, image in plane.panels().items():
        name = f"{plane.name}, {caption}".lstrip(", ")
        letters = "".join(
            f'<span class="{side}">{letter}</span>'
            for side, letter in zip(("left", "right", "top", "bottom"), plane.sides, strict=True)
            if letter
        )
        figures.append(
            f'<figure><div><img alt="{escape(name)}" src="{_png(image, plane)}">{letters}</div>'
            f"<figcaption>{escape(name)}</figcaption></figure>"
        )
    bar = _bar_html(plane.bar) if plane.bar else ""
    return f'<section class="plane">{"".join(figures)}{bar}</section>'


def _bar_html(bar: ColourBar) -> str:
    """The bar, the highest value above, as high as the images beside it."""
    url = _png_url(Image.fromarray(bar.colours[::-1, None]))
    return (
        f'<figure class="bar">{escape(bar.high)}<img alt="colour bar" src="{url}">'
        f"{escape(bar.low)}</figure>"
    )


def _bytes(values: Float32Array) -> NDArray[np.uint8]:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of a mask with a neighbour outside it; the edge of the image is no border."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def _png(image: NDArray[np.uint8], plane: SheetPlane) -> str:
    """The image with square pixels as a data URL."""
    rows, columns = image.shape[:2]
    height_mm, width_mm = rows * plane.pixel_mm[0], columns * plane.pixel_mm[1]
    size = (max(1, round(PANEL_HEIGHT_PX * width_mm / height_mm)), PANEL_HEIGHT_PX)
    scaled = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    if plane.crosshair:
        y, x = (
            (position + 0.5) * scaled_length / length - 0.5
            for position, scaled_length, length in zip(
                plane.crosshair, size[::-1], (rows, columns), strict=True
            )
        )
        _draw_crosshair(scaled, x, y)
    return _png_url(scaled)


def _png_url(image: Image.Image) -> str:
    stream = BytesIO()
    image.save(stream, "PNG", compress_level=COMPRESSION)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _draw_crosshair(image: Image.Image, x: float, y: float) -> None:
    """Draw the lines of a crosshair, with a gap around it; 0 is the centre of the first pixel."""
    (width, height), gap, draw = image.size, CROSSHAIR_GAP_PX, ImageDraw.Draw(image)
    column, row = round(x), round(y)
    for first, last in ((-1, column - gap), (column + gap, width)):
        draw.line((first, row, last, row), fill=CROSSHAIR)
    for first, last in ((-1, row - gap), (row + gap, height)):
        draw.line((column, first, column, last), fill=CROSSHAIR)
