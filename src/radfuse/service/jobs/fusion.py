"""Preparing and fusing a study in its folder."""

import secrets
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from radfuse.errors import InputError
from radfuse.intensity import window_named
from radfuse.io.staging import staging
from radfuse.modality import CT, MR
from radfuse.pipeline.align import MANUAL, Alignment, PriorAlignment, RegistrationQAError
from radfuse.pipeline.fuse import fuse
from radfuse.pipeline.read import read
from radfuse.pipeline.result import Result
from radfuse.pipeline.volume import ScaledPair
from radfuse.progress import ProgressCallback
from radfuse.registration.transforms import (
    read_transform,
    rigid_from_matrix,
    write_transform,
)
from radfuse.series import Series
from radfuse.service.jobs.containment import limit_memory
from radfuse.service.jobs.view_files import (
    VIEW,
    View,
    prepare_view,
    stage_fused_view,
    write_untrusted_view,
)
from radfuse.service.stores.results import OUTCOME, REGISTRATION, RESULT, Outcome, placing
from radfuse.service.stores.studies import Study
from radfuse.service.stores.view_volumes import Rows

FROM_A_SEARCH: Mapping[str, Any] = {
    "transform": None, "initial_transform": None, "register_rigidly": True,
}  # fmt: skip
"""What a recipe says of registration when the alignment comes from the page."""


def prepare_study(folder: Path, study: Study, report: ProgressCallback) -> None:
    """Write a study's CT and MR for the page; raises what `read` and `prepare_view` do."""
    _prepared(folder, study, report)


def fuse_study(
    folder: Path,
    study: Study,
    report: ProgressCallback,
    *,
    keep: bool = False,
    mr_from_ct: Rows | None = None,
    refine: bool = True,
    accept: bool = False,
) -> Outcome:
    """Fuse a study: result, fused image to look at and transform appear in its folder.

    `keep` takes the study's last registration instead of a new search; `mr_from_ct` a manual one,
    from which a search starts where it is to be refined. `accept` takes a registration that is not
    trusted. Raises what `fuse` does.
    """
    start = time.perf_counter()
    given = _kept(folder, study) if keep else manual(mr_from_ct, refine=refine)
    ct, mr, view = _prepared(folder, study, report)
    limit_memory(None)  # a GPU maps more addresses than there is memory
    recipe = study.recipe.model_copy(update=dict(FROM_A_SEARCH)) if given else study.recipe
    if accept:
        recipe = recipe.model_copy(update={"accept_registration": True})
    with ExitStack() as placed, staging(folder / VIEW) as pictures, staging(folder) as stage:
        result_folder = stage.folder / RESULT
        output = result_folder if ct.headers and mr.headers else result_folder / "fused.nii.gz"
        try:
            result = fuse(ct, mr, output, recipe=recipe, prior=given, report=report)
        except RegistrationQAError as error:
            write_untrusted_view(folder, view, error.alignment.mr_from_ct)
            raise
        alignment, scaled = _parts(result)
        report("preparing the pictures", None)
        stage_fused_view(pictures, view, result, alignment, scaled)
        write_transform(stage.folder / REGISTRATION, alignment.mr_from_ct)
        record = "record.json" if output == result_folder else "fused.json"
        seconds = time.perf_counter() - start
        outcome = _outcome(result, alignment, scaled, f"{RESULT}/{record}", seconds)
        (result_folder / OUTCOME).write_text(outcome.model_dump_json(indent=2), encoding="utf-8")
        report("putting the results in place", None)  # the run of a killed server ends here
        placed.enter_context(placing(folder))
    return outcome


def _prepared(folder: Path, study: Study, report: ProgressCallback) -> tuple[Series, Series, View]:
    report("reading", None)
    ct = read(study.ct, CT, series_uid=study.recipe.ct_series)
    mr = read(study.mr, MR, series_uid=study.recipe.mr_series)
    report("preparing the pictures", None)
    return ct, mr, prepare_view(folder, ct, mr)


def _kept(folder: Path, study: Study) -> PriorAlignment:
    if study.outcome is None:
        raise InputError("there is no earlier registration to keep; run with a search")
    return PriorAlignment(read_transform(folder / REGISTRATION), study.outcome.alignment)


def manual(mr_from_ct: Rows | None, *, refine: bool = True) -> PriorAlignment | None:
    """A person's alignment, if there is one; raises `InputError` for a matrix that is not rigid."""
    if mr_from_ct is None:
        return None
    return PriorAlignment(
        rigid_from_matrix(np.array(mr_from_ct), name="mr_from_ct"), MANUAL, refine
    )


def _parts(result: Result) -> tuple[Alignment, ScaledPair]:
    if result.alignment is None or result.scaled is None:
        raise InputError("the page shows volumes; fuse pictures with `radfuse fuse`")
    return result.alignment, result.scaled


def _outcome(
    result: Result, alignment: Alignment, scaled: ScaledPair, record: str, seconds: float
) -> Outcome:
    window = window_named(result.record.recipe.window)
    notes = [note for source in result.record.inputs for note in source.notes]
    notes += result.record.left_out
    if alignment.header_note:
        notes.append(alignment.header_note)
    return Outcome(
        method=result.record.recipe.method,
        window_hu=(window.width, window.level),
        mr_range=scaled.mr_range,
        quality=alignment.quality.sentence(),
        trusted=alignment.quality.passed,
        registration_id=alignment.identifier,
        alignment=alignment.origin,
        run=secrets.token_hex(6),
        notes=tuple(result.identifiers.hide(note) for note in notes),
        record=record,
        seconds=round(seconds, 1),
    )
