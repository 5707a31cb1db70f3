"""What a study is asked to do, in a process of its own: it can be cancelled at any moment."""

import os
import signal
import sys
import traceback
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any, Literal

from radfuse.dicom.deidentify.identifiers import identifiers_below
from radfuse.errors import InputError, RadfuseError, RegistrationError
from radfuse.log import LogSettings, configure_logging
from radfuse.pipeline.align import RegistrationQAError
from radfuse.registration.transforms import matrix_of
from radfuse.service.jobs.containment import JOB_MEMORY_BYTES, limit_memory
from radfuse.service.jobs.fusion import fuse_study, prepare_study
from radfuse.service.stores.studies import Study
from radfuse.service.stores.view_volumes import Rows, rows_of

INTERNAL = "an internal error; the terminal of `radfuse view` has the details"
"""Said on the page of what is a bug."""

REMEDIES = (
    "align by hand, with the sliders or with at least three landmarks, and run again from there; "
    "check that the series are the right ones and show the same head; or look at the alignment "
    "that was found and accept it as it is"
)
"""What to do on the page about a registration that is not trusted."""


@dataclass(frozen=True)
class Task:
    """One thing that a study is asked to do."""

    kind: Literal["prepare", "fuse"]
    keep: bool = False
    """Whether the study's last registration is kept."""

    mr_from_ct: Rows | None = None
    """A manual alignment, CT point to MR point, LPS mm."""

    refine: bool = True
    """Whether a search starts from the manual alignment; else it is taken as it stands."""

    accept: bool = False
    """Whether a registration that is not trusted is taken, without the study's recipe saying so."""


def do_in_process(
    pipe: Connection, folder: Path, study: Study, task: Task, log: LogSettings
) -> None:
    """Do a task in a study's folder and tell the other end of the pipe; never raises.

    It is told of stages (name, share), at the end `done` with an outcome as JSON, None for
    `prepare`, or `error` with its facts.
    """
    limit_memory(JOB_MEMORY_BYTES)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this
    Thread(target=_end_with_the_server, daemon=True).start()
    try:
        configure_logging(log)
        pipe.send(("done", _done(pipe, folder, study, task)))
    except BrokenPipeError:  # the server is gone
        sys.exit(1)
    except RadfuseError as error:
        pipe.send(("error", _facts(error, study)))
    except MemoryError:
        message = f"{study.ct}, {study.mr}: not enough memory to read them; crop the head"
        pipe.send(("error", _facts(InputError(message), study)))
    except Exception:
        traceback.print_exc()
        pipe.send(("error", {"error": INTERNAL}))


def _end_with_the_server() -> None:
    """End this process, wherever it is, when the one that has started it ends."""
    server = parent_process()
    if server is not None:
        server.join()
        os._exit(1)


def _done(pipe: Connection, folder: Path, study: Study, task: Task) -> dict[str, Any] | None:
    def report(stage: str, share: float | None = None) -> None:
        pipe.send(("stage", (stage, share)))

    if task.kind == "prepare":
        prepare_study(folder, study, report)
        return None
    outcome = fuse_study(
        folder, study, report,
        keep=task.keep, mr_from_ct=task.mr_from_ct, refine=task.refine, accept=task.accept,
    )  # fmt: skip
    return outcome.model_dump(mode="json")


def _facts(error: RadfuseError, study: Study) -> dict[str, Any]:
    """What is said of an error: without names and IDs of the patients in the study's files."""
    paths = (study.ct, study.mr)
    said = f"{error.reason}; {REMEDIES}" if isinstance(error, RegistrationError) else str(error)
    facts: dict[str, Any] = {"error": identifiers_below(*paths).hide(said, paths)}
    if isinstance(error, RegistrationQAError):
        facts["mr_from_ct"] = rows_of(matrix_of(error.alignment.mr_from_ct))
    return facts
