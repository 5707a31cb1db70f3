"""One fusion in a process of its own: it can be cancelled at any moment and keeps no memory."""

import signal
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.errors import InputError, RadfuseError
from radfuse.intensity import window_named
from radfuse.io.identifiers import identifiers_below
from radfuse.io.read import read
from radfuse.io.staging import staging
from radfuse.io.volumes import write_volume
from radfuse.pipeline.align import Alignment
from radfuse.pipeline.fuse import fuse
from radfuse.pipeline.outputs import Result
from radfuse.pipeline.volume import Scaled
from radfuse.registration.transform import write_transform
from radfuse.service.studies import REGISTRATION, RESULT, VIEW, Outcome, Study

Message = tuple[str, Any]
"""Kind and content: `stage` (name, share), `done` (an outcome as JSON), `error` (a sentence)."""

INTERNAL = "an internal error; the terminal of `radfuse view` has the details"
"""Said on the page of what is a bug."""

FINE_STEPS = 1000
"""An MR that spans at least as many whole numbers is shown in whole numbers."""

LARGEST_INT16 = int(np.iinfo(np.int16).max)


def fuse_in_process(pipe: Connection, folder: Path, study: Study, *, keep: bool) -> None:
    """Fuse a study into its folder and tell the other end of the pipe; never raises."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this
    try:
        outcome = fuse_study(folder, study, keep=keep, tell=pipe.send)
        pipe.send(("done", outcome.model_dump(mode="json")))
    except BrokenPipeError:  # the server is gone
        sys.exit(1)
    except RadfuseError as error:
        pipe.send(("error", _shown(str(error), study)))
    except Exception:
        traceback.print_exc()
        pipe.send(("error", INTERNAL))


def fuse_study(
    folder: Path, study: Study, *, keep: bool, tell: Callable[[Message], None]
) -> Outcome:
    """Fuse a study: result, volumes to look at and the transform appear in its folder together.

    `keep` takes the study's last registration instead of a new search. Raises what `fuse` does.
    """
    start = time.perf_counter()
    recipe = study.recipe
    if keep:
        recipe = recipe.model_copy(
            update={"transform": _kept(folder), "initial_transform": None, "register_rigidly": True}
        )

    def report(stage: str, share: float | None = None) -> None:
        tell(("stage", (stage, share)))

    report("reading")
    ct = read(study.ct, "CT", series_uid=recipe.ct_series)
    mr = read(study.mr, "MR", series_uid=recipe.mr_series)
    with staging(folder) as stage:
        result_folder, view = stage.folder / RESULT, stage.folder / VIEW
        view.mkdir()
        output = result_folder if ct.headers and mr.headers else result_folder / "fused.nii.gz"
        result = fuse(ct, mr, output if ct.is_volume else None, recipe=recipe, report=report)
        if result.alignment is None or result.scaled is None:
            raise InputError("the page shows volumes; fuse pictures with `radfuse fuse`")
        report("preparing the pictures")
        _write_view(view, result, result.alignment.mr_from_ct)
        write_transform(stage.folder / REGISTRATION, result.alignment.mr_from_ct)
    record = "record.json" if output == result_folder else "fused.json"
    seconds = time.perf_counter() - start
    return _outcome(result, result.alignment, result.scaled, f"{RESULT}/{record}", seconds)


def _kept(folder: Path) -> Path:
    path = folder / REGISTRATION
    if not path.is_file():
        raise InputError("there is no earlier registration to keep; run with a search")
    return path


def _write_view(folder: Path, result: Result, mr_from_ct: sitk.Transform) -> None:
    """CT in HU (int16), MR and fused values on the CT's grid."""
    ct = result.ct.image
    mr = sitk.Resample(result.mr.image, ct, mr_from_ct, sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    write_volume(folder / "ct.nii.gz", _whole(ct))
    write_volume(folder / "mr.nii.gz", _whole(mr) if _is_fine(mr) else mr)
    write_volume(folder / "fused.nii.gz", sitk.Cast(result.image, sitk.sitkInt16))


def _whole(image: sitk.Image) -> sitk.Image:
    values: NDArray[np.float32] = sitk.GetArrayViewFromImage(image)
    whole = np.clip(np.rint(values), -LARGEST_INT16, LARGEST_INT16).astype(np.int16)
    rounded = sitk.GetImageFromArray(whole)
    rounded.CopyInformation(image)
    return rounded


def _is_fine(image: sitk.Image) -> bool:
    values = sitk.GetArrayViewFromImage(image)
    return bool(np.ptp(values) >= FINE_STEPS and np.abs(values).max() <= LARGEST_INT16)


def _outcome(
    result: Result, alignment: Alignment, scaled: Scaled, record: str, seconds: float
) -> Outcome:
    window = window_named(result.record.recipe.window)
    notes = [note for source in result.record.inputs for note in source.notes]
    notes += result.record.left_out
    if alignment.offer:
        notes.append(alignment.offer)
    return Outcome(
        method=result.record.recipe.method,
        window_hu=(window.width, window.level),
        mr_range=scaled.mr_range,
        quality=alignment.quality.sentence(),
        trusted=alignment.quality.trusted,
        registration_id=alignment.identifier,
        alignment=alignment.origin,
        notes=tuple(result.identifiers.hide(note) for note in notes),
        record=record,
        seconds=round(seconds, 1),
    )


def _shown(message: str, study: Study) -> str:
    """The message without names and IDs of the patients in the study's files."""
    paths = (study.ct, study.mr)
    return identifiers_below(*paths).hide(message, paths)
