"""What the page shows of a study: CT, MR and fused image as files, and how they lie together."""

from pathlib import Path
from typing import Literal

import SimpleITK as sitk
from pydantic import BaseModel, ConfigDict, ValidationError

from radfuse.errors import InputError
from radfuse.intensity import head_range, window_named
from radfuse.io.staging import Staging, staging
from radfuse.pipeline.align import Alignment
from radfuse.pipeline.result import Result
from radfuse.pipeline.volume import ScaledPair
from radfuse.record import digest
from radfuse.registration.initialization import centre, centroid_translation
from radfuse.registration.preprocessing import coarse_head_mask
from radfuse.registration.transforms import matrix_of
from radfuse.series import Series
from radfuse.service.stores.view_volumes import Picture, Rows, order_of, rows_of, write_picture

VIEW, VIEW_FILE = "view", "view.json"
"""The folder of the page's volumes inside a study's, and what says what they are."""

VolumeName = Literal["ct", "mr", "fused"]
"""The three volumes of a page: CT and fused image on the page's grid, the MR on its own."""

UNTRUSTED = "untrusted"
"""Alignment of a view whose registration was refused: for a person to look at."""

FUSED_STEP = 1.0
"""Fused values are whole numbers as they are."""


class Preview(BaseModel):
    """What it takes to fuse one slice as the last fusion did it."""

    model_config = ConfigDict(frozen=True)

    order: str
    """Where the axes of the CT's own grid point, such as LPS: methods look at its slices."""

    box: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    """Part of the CT's own grid that was fused: slices, rows, columns, from and up to."""

    window_hu: tuple[float, float]
    """Width and level."""

    mr_range: tuple[float, float]
    mr_from_ct: Rows


class View(BaseModel):
    """What the page shows of a study."""

    model_config = ConfigDict(frozen=True)

    ct: Picture
    mr: Picture
    fused: Picture | None = None
    """None before a fusion."""

    mr_range: tuple[float, float]
    """MR values to show as black and white."""

    mr_from_ct: Rows
    """CT point to MR point, LPS mm: the last registration, or where a search could start."""

    alignment: str
    """Where `mr_from_ct` comes from: `headers`, `start` before a registration, `untrusted` for one
    that was refused, else the origin of the registration."""

    sources: tuple[str, str]
    """SHA-256 of the files of CT and MR."""

    preview: Preview | None = None
    """None before a fusion."""


KEPT_BACK = {"sources", "preview"}
"""Of a view, what is of no use to the page."""


def read_view(folder: Path) -> View | None:
    """The view in a study's folder; None before there is one that can be read."""
    try:
        return View.model_validate_json((folder / VIEW / VIEW_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def write_view(folder: Path, view: View) -> None:
    """Put another description beside the volumes of a study's folder."""
    with staging(folder / VIEW) as stage:
        _stage_view(stage, view)


def _stage_view(stage: Staging, view: View) -> None:
    stage.path_of(Path(VIEW_FILE)).write_text(view.model_dump_json(indent=2), encoding="utf-8")


def prepare_view(folder: Path, ct: Series, mr: Series) -> View:
    """Write CT and MR for the page into a study's folder; what is there already stays.

    Raises `InputError` for pictures without a place in a patient.
    """
    if not (ct.is_volume and mr.is_volume):
        raise InputError("the page shows volumes; fuse pictures with `radfuse fuse`")
    sources = digest(ct.files), digest(mr.files)
    before = read_view(folder)
    if before is not None and before.sources == sources:
        return before
    with staging(folder / VIEW) as stage:
        mr_from_ct, alignment = _first_alignment(ct, mr)
        view = View(
            ct=write_picture(stage.folder / "ct.nii", ct.image),
            mr=write_picture(stage.folder / "mr.nii", mr.image),
            mr_range=_shown_range(mr),
            mr_from_ct=rows_of(matrix_of(mr_from_ct)),
            alignment=alignment,
            sources=sources,
        )
        _stage_view(stage, view)
    return view


def stage_fused_view(
    stage: Staging, view: View, result: Result, alignment: Alignment, scaled: ScaledPair
) -> None:
    """Write the image of a fusion of volumes, and its registration, aside for a study's view."""
    mr_from_ct = rows_of(matrix_of(alignment.mr_from_ct))
    changes = {
        "fused": write_picture(stage.folder / "fused.nii", result.image, step=FUSED_STEP),
        "mr_range": scaled.mr_range,
        "mr_from_ct": mr_from_ct,
        "alignment": alignment.origin,
        "preview": _preview(result, scaled, mr_from_ct),
    }
    _stage_view(stage, view.model_copy(update=changes))


def take_fused_back(folder: Path) -> None:
    """Leave of a study's view what was there before any fusion; CT and MR stay."""
    (folder / VIEW / "fused.nii").unlink(missing_ok=True)
    view = read_view(folder)
    if view is not None:
        write_view(folder, view.model_copy(update={"fused": None, "preview": None}))


def write_untrusted_view(folder: Path, view: View, mr_from_ct: sitk.Transform) -> None:
    """Let a person look at a refused registration, unless there is a result to look at."""
    if view.fused is not None:
        return
    changes = {"mr_from_ct": rows_of(matrix_of(mr_from_ct)), "alignment": UNTRUSTED}
    write_view(folder, view.model_copy(update=changes))


def _preview(result: Result, scaled: ScaledPair, mr_from_ct: Rows) -> Preview:
    window = window_named(result.record.recipe.window)
    slices, rows, columns = ((part.start, part.stop) for part in scaled.box)
    return Preview(
        order=order_of(result.ct.image),
        box=(slices, rows, columns),
        window_hu=(window.width, window.level),
        mr_range=scaled.mr_range,
        mr_from_ct=mr_from_ct,
    )


def _first_alignment(ct: Series, mr: Series) -> tuple[sitk.Transform, str]:
    """Where to begin: the headers' word if they share a frame, else middle upon middle."""
    frames = {series.frame_of_reference_uid for series in (ct, mr)}
    if None not in frames and len(frames) == 1:
        return sitk.Euler3DTransform(), "headers"
    try:
        return centroid_translation(coarse_head_mask(ct), coarse_head_mask(mr)), "start"
    except InputError:  # no head is to be seen
        shift = sitk.Euler3DTransform()
        shift.SetTranslation((centre(mr.image) - centre(ct.image)).tolist())
        return shift, "start"


def _shown_range(mr: Series) -> tuple[float, float]:
    """The range of the head, or of all values where there is no head."""
    values = sitk.GetArrayViewFromImage(mr.image)
    try:
        return head_range(mr.image, mr.modality)
    except InputError:
        return float(values.min()), float(values.max())
