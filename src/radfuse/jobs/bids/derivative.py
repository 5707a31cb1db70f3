"""One result as a part of a BIDS derivative: its names, and a JSON sidecar for each file."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from radfuse.io.staging import staging
from radfuse.jobs.bids.dataset import RAW
from radfuse.jobs.bids.names import (
    fused_path,
    mask_path,
    resampled_path,
    sheet_path,
    sidecar_of,
    transform_path,
)
from radfuse.jobs.job import Derivative, Job
from radfuse.modality import MR
from radfuse.pipeline.outputs import QA_SHEET
from radfuse.pipeline.result import Result
from radfuse.pipeline.study.outputs import TRANSFORM_ROLE
from radfuse.pipeline.study.sequences import mr_label
from radfuse.record import Input, Output, Record
from radfuse.series import Series

FUSED, RESAMPLED_MR, TRANSFORM, FIELD_OF_VIEW = "fused", "mr", "transform", "field of view"
"""Roles of outputs in a record."""

Fields = dict[str, Any]
"""JSON of a sidecar."""

Paths = Mapping[str, PurePosixPath]
"""Paths of outputs relative to the root of a data set, by role."""


def fuse_into_derivative(
    job: Job, derivative: Derivative, fuse: Callable[[Path], Result]
) -> Result:
    """Fuse by a function, whose files get their names in the derivative, and sidecars.

    `fuse` is called with the file to write. The sidecar of the fused image, which has the record,
    appears last: one that exists describes files that exist. Raises what `fuse` raises, and
    `OutputError` where the derivative cannot be written to.
    """
    with staging(derivative.root) as stage:
        folder = stage.folder / job.case
        result = fuse(folder / "fused.nii.gz")
        paths = derivative_paths(job, result)
        sidecars = _sidecars(result, derivative, paths)
        sidecars[FUSED] |= _moved_record(result.record, paths).model_dump(mode="json")
        moves = {folder / one.path: paths[one.role] for one in result.record.outputs}
        for role in sorted(sidecars, key=FUSED.__eq__):
            path = sidecar_of(paths[role])
            text = json.dumps(sidecars[role], indent=2, ensure_ascii=False) + "\n"
            (folder / path.name).write_text(text, encoding="utf-8")
            moves[folder / path.name] = path
        for staged, path in moves.items():
            target = derivative.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(target)
        (folder / "fused.json").unlink()
        folder.rmdir()  # nothing is left to move
    return result


def derivative_paths(job: Job, result: Result) -> Paths:
    """Where each output of a result belongs."""
    case, labels = job.case, [one.label for one in result.further]
    return {
        FUSED: fused_path(case, job.recipe.method),
        RESAMPLED_MR: resampled_path(case, mr_label(result.mr)),
        TRANSFORM: transform_path(case, MR.code),
        FIELD_OF_VIEW: mask_path(case),
        QA_SHEET: sheet_path(case),
        **{label: resampled_path(case, label) for label in labels},
        **{TRANSFORM_ROLE.format(label): transform_path(case, label) for label in labels},
    }


def _moved_record(record: Record, paths: Paths) -> Record:
    """The record with the paths of the outputs relative to the fused image's folder."""
    folder = paths[FUSED].parent
    outputs = tuple(
        Output(role=one.role, path=_relative(paths[one.role], folder), sha256=one.sha256)
        for one in record.outputs
    )
    return record.model_copy(update={"outputs": outputs})


def _relative(path: PurePosixPath, folder: PurePosixPath) -> str:
    upwards = 0
    while not path.is_relative_to(folder):
        folder, upwards = folder.parent, upwards + 1
    return str(PurePosixPath(*[".."] * upwards, path.relative_to(folder)))


def _sidecars(result: Result, derivative: Derivative, paths: Paths) -> dict[str, Fields]:
    """The BIDS fields of each output, by role."""
    record = result.record
    ct, mr = (
        _source(series, recorded, derivative)
        for series, recorded in zip((result.ct, result.mr), record.inputs, strict=True)
    )
    sidecars = {
        FUSED: _image("CT and MR fused, stored values of 0 to 4095", [ct, mr], ct),
        FIELD_OF_VIEW: _described(
            "1 in the field of view of both scanners, 0 elsewhere",
            [ct, mr, f"bids::{paths[TRANSFORM]}"], SpatialReference=ct,
        ),
        **_moving((RESAMPLED_MR, TRANSFORM), mr_label(result.mr), ct, mr, mr, paths),
    }  # fmt: skip
    for one, recorded in zip(result.further, record.further, strict=True):
        roles = one.label, TRANSFORM_ROLE.format(one.label)
        own = registered = _source(one.series, recorded.image, derivative)
        if one.through and recorded.registered_by:
            registered = _source(one.through, recorded.registered_by, derivative)
        sidecars |= _moving(roles, one.label, ct, own, registered, paths)
    written = {one.role for one in record.outputs}
    return {role: fields for role, fields in sidecars.items() if role in written}


def _moving(
    roles: tuple[str, str], label: str, ct: str, own: str, registered: str, paths: Paths
) -> dict[str, Fields]:
    """Sidecars of an image on the CT's grid, and of its transform; with the source of each."""
    image, transform = roles
    return {
        image: _image(
            f"{label} on the grid of the CT", [own, f"bids::{paths[transform]}"], ct
        ),
        transform: _described(
            f"Maps points of the CT to points of the {label}, LPS mm: resamples it onto the CT",
            [ct, registered],
        ),
    }  # fmt: skip


def _image(description: str, sources: list[str], ct: str) -> Fields:
    return _described(description, sources, SpatialReference=ct, SkullStripped=False)


def _described(description: str, sources: list[str], **fields: Any) -> Fields:
    return {"Description": description, "Sources": sources, **fields}


def _source(series: Series, recorded: Input, derivative: Derivative) -> str:
    """URI of a source: of BIDS in the source data set; elsewhere by content, as RFC 6920.

    Paths outside a data set may identify the patient.
    """
    if derivative.raw:
        path, raw = series.source.absolute(), derivative.raw.absolute()  # links stay as they are
        if path.is_relative_to(raw):
            return f"bids:{RAW}:{quote(path.relative_to(raw).as_posix())}"
    digest = urlsafe_b64encode(bytes.fromhex(recorded.sha256)).decode().rstrip("=")
    return f"ni:///sha-256;{digest}"
