"""Files for the viewer: CT, MR and fused image of a study, and their alignment."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import SimpleITK as sitk
from pydantic import ValidationError

from radfuse.dicom.read.nuclear.standard_uptake import value_unit
from radfuse.errors import InputError
from radfuse.intensity import head_range, window_named
from radfuse.io.staging import Staging, staging
from radfuse.pipeline.align import Alignment
from radfuse.pipeline.result import FurtherImage, Result
from radfuse.pipeline.volume import Region
from radfuse.record import digest
from radfuse.registration.initialization import centre, centroid_translation
from radfuse.registration.preprocessing import coarse_head_mask
from radfuse.registration.transforms import matrix_of
from radfuse.series import Series
from radfuse.service.jobs.view_anatomy import Voxel, brain_centre_mm, head_box
from radfuse.service.models import FrozenModel
from radfuse.service.stores.view_volumes import (
    MatrixRows,
    ViewVolume,
    VoxelsInLps,
    matrix_rows,
    orientation_of,
    write_view_volume,
)

VIEW, VIEW_FILE = "view", "view.json"
"""The folder of the viewer's volumes inside a study's or a run's folder, and their description:
CT and MR are in the study's, the fused volume in the run's."""

READERS = 2
"""Threads that digest the files and align the images while the volumes are written."""

FUSED = "fused.nii"
"""The fused volume, in the folder of the viewer's volumes of a run."""


def further_name(number: int) -> str:
    """Name of the volume of a further image, by its number from 0, in that folder."""
    return f"further_{number}.nii"


VolumeName = Literal["ct", "mr", "fused"]
"""The volumes of the viewer: CT and fused image on the viewer's grid, the MR on its own."""

QA_FAILED = "qa_failed"
"""`View.alignment` of a registration that failed QA: it is displayed for review."""

FUSED_STEP = 1.0
"""Value of one stored unit: fused values are integers already."""


class PreviewSettings(FrozenModel):
    """Settings of the last fusion, to fuse one slice in the same way."""

    order: str
    """Orientation of the CT's own grid, such as LPS: methods process slices of that grid."""

    box: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    """Fused part of the CT's own grid: slices, rows, columns, each as start and stop."""

    window_hu: tuple[float, float]
    """Width and level."""

    mr_range: tuple[float, float]
    mr_from_ct: MatrixRows


class FurtherView(FrozenModel):
    """A further image of the patient, registered to the CT."""

    label: str
    volume: ViewVolume
    """On its own grid."""

    value_range: tuple[float, float]
    """Values displayed as the first and the last colour."""

    unit: str
    """Of its values; empty for arbitrary or unknown units."""

    colour_map: str
    """Name in `COLOUR_MAPS`; empty for grey."""

    image_from_ct: MatrixRows
    """Maps CT points to points of the image, LPS mm."""


class View(FrozenModel):
    """Volumes of a study for the viewer, and their alignment."""

    ct: ViewVolume
    mr: ViewVolume
    fused: ViewVolume | None = None
    """None before a fusion."""

    mr_range: tuple[float, float]
    """MR values displayed as black and white."""

    mr_from_ct: MatrixRows
    """Maps CT points to MR points, LPS mm: the last registration, or an initial alignment."""

    alignment: str
    """Origin of `mr_from_ct`: `headers`, `start` before a registration, `qa_failed` after a failed
    QA, else the origin of the registration."""

    sources: tuple[str, str]
    """SHA-256 of the files of CT and MR."""

    preview: PreviewSettings | None = None
    """None before a fusion."""

    further: tuple[FurtherView, ...] = ()
    """Of the result; none before a fusion."""

    head_box: tuple[Voxel, Voxel] | None = None
    """First and last voxel of the head in the CT of the viewer; None where no head was found."""

    brain_centre_mm: tuple[float, float, float] | None = None
    """Centre of the regions of the residuals, LPS mm of the CT; None before a fusion."""


NOT_SENT: dict[str, Any] = {"sources": True, "preview": {"order", "box", "mr_range", "mr_from_ct"}}
"""Fields of a view that are not sent to the viewer."""


def read_view(folder: Path) -> View | None:
    """The view in a study's or a run's folder; None if there is none or it cannot be read."""
    try:
        return View.model_validate_json((folder / VIEW / VIEW_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def write_view(folder: Path, view: View) -> None:
    """Replace the description of the volumes in a study's or a run's folder."""
    with staging(folder / VIEW) as stage:
        _stage_view(stage, view)


def _stage_view(stage: Staging, view: View) -> None:
    stage.path_of(Path(VIEW_FILE)).write_text(view.model_dump_json(indent=2), encoding="utf-8")


def prepare_view(folder: Path, ct: Series, mr: Series) -> View:
    """Write CT and MR for the viewer into a study's folder, unless they are there already.

    Raises `InputError` for 2-D images without patient coordinates.
    """
    if not (ct.is_volume and mr.is_volume):
        raise InputError("the viewer shows volumes; fuse 2-D images with `radfuse fuse`")
    before = read_view(folder)
    with ThreadPoolExecutor(READERS) as pool:
        sources = pool.submit(_sources, ct, mr)
        if before is not None and before.sources == sources.result():
            return before
        voxels = [VoxelsInLps(one.image) for one in (ct, mr)]
        aligned = pool.submit(lambda: (_initial_alignment(ct, mr), head_box(ct)))
        with staging(folder / VIEW) as stage:
            ct_volume = write_view_volume(stage.folder / "ct.nii", voxels[0])
            mr_volume = write_view_volume(stage.folder / "mr.nii", voxels[1])
            (mr_from_ct, alignment), box = aligned.result()
            view = View(
                ct=ct_volume,
                mr=mr_volume,
                mr_range=_display_range(mr),
                mr_from_ct=matrix_rows(matrix_of(mr_from_ct)),
                alignment=alignment,
                sources=sources.result(),
                head_box=box,
            )
            _stage_view(stage, view)
            (folder / VIEW / VIEW_FILE).unlink(missing_ok=True)  # it never describes other volumes
    return view


def _sources(ct: Series, mr: Series) -> tuple[str, str]:
    return digest(ct.files), digest(mr.files)


def stage_fused_view(
    stage: Staging, view: View, result: Result, alignment: Alignment, region: Region
) -> None:
    """Write the fused volume, further images and their registrations into a staging folder.

    It is that of a run's view.
    """
    mr_from_ct = matrix_rows(matrix_of(alignment.mr_from_ct))
    changes = {
        "fused": write_view_volume(stage.folder / FUSED, result.image, step=FUSED_STEP),
        "mr_range": region.mr_range,
        "mr_from_ct": mr_from_ct,
        "alignment": alignment.origin,
        "preview": _preview(result, region, mr_from_ct),
        "brain_centre_mm": brain_centre_mm(result.mr, alignment.mr_from_ct),
        "further": tuple(
            _further_view(stage.folder / further_name(number), result, one)
            for number, one in enumerate(result.further)
        ),
    }
    _stage_view(stage, view.model_copy(update=changes))


def write_qa_failed_view(folder: Path, view: View, mr_from_ct: sitk.Transform) -> None:
    """Display a registration that failed QA; a result of a study is displayed instead."""
    changes = {"mr_from_ct": matrix_rows(matrix_of(mr_from_ct)), "alignment": QA_FAILED}
    write_view(folder, view.model_copy(update=changes))


def _preview(result: Result, region: Region, mr_from_ct: MatrixRows) -> PreviewSettings:
    window = window_named(result.record.recipe.window)
    slices, rows, columns = ((part.start, part.stop) for part in region.box)
    return PreviewSettings(
        order=orientation_of(result.ct.image),
        box=(slices, rows, columns),
        window_hu=(window.width, window.level),
        mr_range=region.mr_range,
        mr_from_ct=mr_from_ct,
    )


def _further_view(path: Path, result: Result, one: FurtherImage) -> FurtherView:
    series, image_from_ct = one.series, one.alignment.moving_from_fixed
    return FurtherView(
        label=one.label,
        volume=write_view_volume(path, series.image),
        value_range=_further_range(one),
        unit=value_unit(series.headers),
        colour_map=result.record.recipe.colour_map if series.modality.is_colour else "",
        image_from_ct=matrix_rows(matrix_of(image_from_ct)),
    )


def _further_range(one: FurtherImage) -> tuple[float, float]:
    """That of an MR; of a PET or SPECT 0 and the highest value in the head, as it is fused."""
    return one.colours.scale.uptake_range if one.colours else _display_range(one.series)


def _initial_alignment(ct: Series, mr: Series) -> tuple[sitk.Transform, str]:
    """The headers' coordinates if CT and MR share a frame of reference, else aligned centroids."""
    frames = {series.frame_of_reference_uid for series in (ct, mr)}
    if None not in frames and len(frames) == 1:
        return sitk.Euler3DTransform(), "headers"
    try:
        return centroid_translation(coarse_head_mask(ct), coarse_head_mask(mr)), "start"
    except InputError:  # no head was found
        shift = sitk.Euler3DTransform()
        shift.SetTranslation((centre(mr.image) - centre(ct.image)).tolist())
        return shift, "start"


def _display_range(mr: Series) -> tuple[float, float]:
    """The range of values in the head, or of all values where no head was found."""
    values = sitk.GetArrayViewFromImage(mr.image)
    try:
        return head_range(mr.image, mr.modality)
    except InputError:
        return float(values.min()), float(values.max())
