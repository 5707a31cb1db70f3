"""The QA sheet: one self-contained HTML document for the review of a registration and a fusion."""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from string import Template

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image

from radfuse.arrays import Float32Array
from radfuse.errors import InputError
from radfuse.modality import CT, MR
from radfuse.record import NOTICE, Signoff

Sides = tuple[str, str, str, str]
"""Letters for left, right, top and bottom of an image; empty where unknown."""

PANEL_HEIGHT_PX = 300
"""Height of one image; five of them fill the width of a screen or of landscape A4."""

TILES = 8
"""Squares of the checkerboard along the shorter side."""

OUTLINE = (0, 190, 255)
"""Colour of the border of the MR field of view: light blue, visible to the colour-blind."""

IMAGES = (CT.code, MR.code, "fused", "checkerboard", f"magenta {CT}, green {MR}")
"""Images of each plane."""

SIGNOFF_LINES = re.compile('<p class="sign" id="verdict">.*?</p>', re.DOTALL)
"""The sign-off in the document."""


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


PLANES: dict[str, Sides] = {
    "axial": ("R", "L", "A", "P"),
    "coronal": ("R", "L", "S", "I"),
    "sagittal": ("A", "P", "S", "I"),
}
"""Planes across the third, second and first axis of LPS, in radiological orientation."""


def anatomical_plane(
    grid: sitk.Image,
    ct: Float32Array,
    mr: Float32Array,
    fused: Float32Array,
    fov_mask: NDArray[np.bool_],
) -> Plane:
    """A plane from volumes (slices, rows, columns) that are one voxel thick along an axis.

    `grid` has the geometry of the volumes; the patient's left is on the right of the image.
    """
    oriented = [_lps(values, grid) for values in (ct, mr, fused, fov_mask.astype(np.float32))]
    axis = oriented[0].GetSize()[::-1].index(1)
    name = list(PLANES)[axis]
    cuts = [np.take(sitk.GetArrayViewFromImage(image), 0, axis) for image in oriented]
    if name != "axial":
        cuts = [cut[::-1] for cut in cuts]  # superior above
    height, width = np.delete(oriented[0].GetSpacing()[::-1], axis)
    return Plane(name, PLANES[name], *cuts[:3], cuts[3] > 0, (float(height), float(width)))


def _lps(values: Float32Array, grid: sitk.Image) -> sitk.Image:
    image = sitk.GetImageFromArray(values)
    image.CopyInformation(grid)
    return sitk.DICOMOrient(image, "LPS")


def write_qa_sheet(
    path: Path,
    planes: Sequence[Plane],
    sections: Mapping[str, Mapping[str, str]],
    *,
    warning: str = "",
    registered: bool = True,
) -> None:
    """Write the document.

    `sections` are headings with a table each, `warning` is a banner on top. The checks and the
    sign-off are for a registration only.
    """
    document = Template(DOCUMENT).substitute(
        notice=escape(NOTICE),
        banner=f'<p class="warning" role="alert">{escape(warning)}</p>' if warning else "",
        planes="\n".join(_plane_html(plane) for plane in planes),
        sections="\n".join(_section_html(name, rows) for name, rows in sections.items()),
        checklist=_checklist_html() if registered else "",
        signoff=_signoff_html(None) if registered else "",
    )
    path.write_text(document, encoding="utf-8")


def _section_html(heading: str, facts: Mapping[str, str]) -> str:
    rows = "\n".join(
        f"<tr><th>{escape(key)}</th><td>{escape(value)}</td></tr>" for key, value in facts.items()
    )
    return f"<section><h2>{escape(heading)}</h2>\n<table>\n{rows}\n</table></section>"


def _checklist_html() -> str:
    """Checks with boxes, and the grades of TG-132."""
    boxes = "".join(f"<td>{BOX}</td>" for _ in ANSWERS)
    heads = "".join(f"<th>{answer}</th>" for answer in ANSWERS)
    rows = "\n".join(
        f"<tr><th>{what}</th><td>{how}</td>{boxes}</tr>" for what, how in CHECKLIST.items()
    )
    grades = "\n".join(
        f"<tr><td>{BOX}</td><th>{level} {name}</th><td>{meaning}</td></tr>"
        for level, (name, meaning) in enumerate(GRADES.items())
    )
    return (
        "<section><h2>Checks</h2>\n"
        f"<table class='checks'><tr><th></th><th></th>{heads}</tr>\n{rows}\n</table></section>\n"
        "<section><h2>Grade (AAPM TG-132)</h2>\n"
        f"<table>\n{grades}\n</table>\n"
        "<p class='line'>Intended use and region <span>&nbsp;</span></p></section>"
    )


def sign_sheet(document: str, signoff: Signoff) -> str:
    """The document with a sign-off, instead of the empty lines or of an earlier sign-off.

    Raises `InputError` for a document without these lines.
    """
    signed, count = SIGNOFF_LINES.subn(lambda _: _signoff_html(signoff), document)
    if count != 1:
        raise InputError("the QA sheet has no sign-off lines; run the fusion again")
    return signed


def _signoff_html(signoff: Signoff | None) -> str:
    """The sign-off lines, empty without a sign-off."""
    state = signoff.state if signoff else ""
    boxes = " ".join(
        f"{'&#9746;' if word == state else '&#9744;'} {word}" for word in ("accepted", "rejected")
    )
    name = escape(signoff.name) if signoff else "&nbsp;"
    date = f"{signoff.time:%Y-%m-%d %H:%M} UTC" if signoff else "&nbsp;"
    return (
        f'<p class="sign" id="verdict">Registration: {boxes}\n'
        f"<label>Name <span>{name}</span></label> <label>Date <span>{date}</span></label>\n"
        "<label>Signature <span>&nbsp;</span></label></p>"
    )


def _plane_html(plane: Plane) -> str:
    figures = []
    for caption, image in zip(IMAGES, _images(plane), strict=True):
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
    return f'<section class="plane">{"".join(figures)}</section>'


def _images(plane: Plane) -> list[NDArray[np.uint8]]:
    """The images of `IMAGES`, (rows, columns, 3)."""
    grey = [np.repeat(_bytes(values)[..., None], 3, axis=2) for values in (plane.ct, plane.mr)]
    fused = np.repeat(_bytes(plane.fused)[..., None], 3, axis=2)
    fused[_border(plane.fov_mask)] = OUTLINE
    rows, columns = plane.ct.shape
    side = max(1, min(rows, columns) // TILES)
    odd = (np.add.outer(np.arange(rows) // side, np.arange(columns) // side) % 2).astype(np.bool_)
    board = np.where(odd[..., None], grey[0], grey[1])
    ct, mr = grey[0][..., 0], grey[1][..., 0]
    return [*grey, fused, board, np.stack([ct, mr, ct], axis=-1)]


def _bytes(values: Float32Array) -> NDArray[np.uint8]:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def _border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of a mask with a neighbour outside it; the edge of the image is no border."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def _png(image: NDArray[np.uint8], plane: Plane) -> str:
    """The image with square pixels as a data URL."""
    rows, columns = image.shape[:2]
    height_mm, width_mm = rows * plane.pixel_mm[0], columns * plane.pixel_mm[1]
    size = (max(1, round(PANEL_HEIGHT_PX * width_mm / height_mm)), PANEL_HEIGHT_PX)
    stream = BytesIO()
    Image.fromarray(image).resize(size, Image.Resampling.BILINEAR).save(stream, "PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"


BOX = "&#9744;"
"""An empty box to tick."""

ANSWERS = ("yes", "no", "not visible")
"""Answers of each check."""

CHECKLIST = {
    "Datasets": "correct patient, studies, series and dates; the whole head without gaps",
    "Orientation": "left and right, front and back, head and feet agree in CT and MR",
    "Scale": "the head has the same size in both; no stretch along an axis",
    "Skull": "inner and outer table are continuous across the checkerboard, on all sides",
    "Skull base": "petrous bones, clivus and sella; MR distortion is largest near air",
    "Brain surface": "no fringe of one colour at the cortex, in all three planes",
    "Ventricles": "lateral horns and fourth ventricle coincide",
    "Midline": "falx and septum coincide in axial and coronal planes",
    "Brainstem": "brainstem and cerebellum, and the foramen magnum around them",
    "Eyes": "globes and optic nerves, unless they moved between the scans",
    "Target": "the region of interest, slice by slice",
}
"""The qualitative checks of AAPM TG-132 (Brock et al. 2017,
10.1002/mp.12256) for a rigid registration of the head."""

GRADES = {
    "whole scan aligned": "within 1 mm everywhere; for structures and localization",
    "locally aligned": "within 1 mm around the target; for structures there",
    "usable with risk of deformation": "aligned locally, mild change of anatomy around it",
    "for diagnosis only": "not accurate enough for geometry",
    "not acceptable": "the anatomy cannot be aligned",
}
"""Levels of TG-132 for the use of a registration, from 0."""

DOCUMENT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>radfuse QA sheet</title>
<style>
  body { margin: 1.5rem auto; max-width: 90rem; padding: 0 1rem;
         font: 15px/1.45 system-ui, sans-serif; color: #1a1a1a; background: #fff; }
  h1 { font-size: 1.3rem; margin: 0 0 .3rem; }
  h2 { font-size: 1rem; margin: 1.2rem 0 .3rem; border-bottom: 1px solid #999; }
  .notice { margin: 0 0 1rem; font-weight: 600; }
  .warning { padding: .7rem 1rem; background: #8a1500; color: #fff; font-weight: 600; }
  .plane { display: grid; grid-template-columns: repeat(5, 1fr); gap: .5rem; margin-bottom: .5rem; }
  img { width: 100%; }
  figure { margin: 0; break-inside: avoid; }
  figure div { position: relative; background: #000; line-height: 0; }
  figure span { position: absolute; color: #ffe08a; font: 600 13px/1 system-ui, sans-serif; }
  .left { left: 4px; top: 48%; } .right { right: 4px; top: 48%; }
  .top { top: 4px; left: 48%; } .bottom { bottom: 4px; left: 48%; }
  figcaption { font-size: .8rem; color: #444; }
  table { border-collapse: collapse; }
  th, td { text-align: left; vertical-align: top; padding: .15rem .8rem .15rem 0; }
  td { overflow-wrap: anywhere; }
  th { font-weight: 600; white-space: nowrap; }
  .checks td:nth-child(n+3), .checks th:nth-child(n+3) { text-align: center; }
  .sign { display: flex; flex-wrap: wrap; gap: 2rem; margin-top: 1.5rem; }
  .sign span { border-bottom: 1px solid #1a1a1a; display: inline-block; min-width: 12rem; }
  .line { display: flex; gap: .5rem; }
  .line span { border-bottom: 1px solid #1a1a1a; flex: 1; }
  @page { size: A4 landscape; margin: 10mm; }
  @media print {
    body { margin: 0; padding: 0; max-width: none; font-size: 9pt; line-height: 1.3; }
    .plane { gap: 2mm; break-inside: avoid; }
    .plane img { height: 45mm; object-fit: contain; }
    section, tr, .sign, h2 { break-inside: avoid; }
    h2 { break-after: avoid; margin-top: 2mm; }
    .images { break-after: page; }
    .facts { columns: 2; column-gap: 8mm; font-size: 8pt; }
    .facts th, .facts td { padding-right: 2mm; }
    * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  }
</style>
</head>
<body>
<h1>radfuse: registration and fusion of CT and MR of the head</h1>
<p class="notice">$notice</p>
$banner
<div class="images">
$planes
<p>Check the skull in the checkerboard, and the ventricles and the surface of the brain in magenta
and green: edges must be continuous. The light blue line is the border of the MR field of view;
outside it the fused image is the CT alone.</p>
</div>
<div class="facts">
$sections
$checklist
</div>
$signoff
</body>
</html>
"""
"""The document, with `string.Template` fields."""
