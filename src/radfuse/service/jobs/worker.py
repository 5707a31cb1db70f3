"""A job in its child process, which can be terminated at any moment."""

import os
import signal
import sys
import traceback
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

from radfuse.errors import OutputError, RadfuseError, RegistrationError
from radfuse.jobs.containment import JOB_MEMORY_BYTES, limit_memory
from radfuse.log import LogSettings, configure_logging
from radfuse.pipeline.align import RegistrationQAError
from radfuse.pipeline.study.align import FurtherRegistrationError
from radfuse.registration.transforms import matrix_of
from radfuse.service.jobs.fusion import JobSpec, fuse_study, prepare_study
from radfuse.service.stores.studies import Study
from radfuse.service.stores.view_volumes import matrix_rows

INTERNAL_ERROR = "an internal error; the terminal of `radfuse view` has the details"
"""Message of a bug."""

NOT_ENOUGH_MEMORY = "CT or MR: not enough memory to read them; crop the head"
"""Message where the memory of the machine, or of the job, is too small."""

DETAILS = "Start the job again for the details."
"""Where the names of files are: they are not stored."""

REMEDIES = (
    "register manually, with the sliders or at least three landmark pairs, and fuse again; check "
    "that the series are the right ones and of the same head; or check the displayed registration "
    "and accept it"
)
"""Suggestions of the viewer where registration QA failed."""

FURTHER_REMEDIES = (
    "open the study without this image; or accept a registration that fails QA, fuse, check this "
    "image on the CT and align it on the tab Registration"
)
"""Suggestions of the viewer where QA of the registration of a further image failed."""


def run_job(pipe: Connection, folder: Path, study: Study, spec: JobSpec, log: LogSettings) -> None:
    """Run a job in a study's folder and send its messages through a pipe; never raises.

    The messages are `stage` (name, fraction), and at the end `done` with the name of the run (None
    for `prepare`) or `error` with its data.
    """
    limit_memory(JOB_MEMORY_BYTES)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server handles Ctrl-C and ends this process
    Thread(target=_exit_with_server, daemon=True).start()
    try:
        configure_logging(log)
        pipe.send(("done", _run(pipe, folder, study, spec)))
    except BrokenPipeError:  # the server has ended
        sys.exit(1)
    except RadfuseError as error:
        pipe.send(("error", _error_data(error)))
    except MemoryError:
        pipe.send(("error", {"error": NOT_ENOUGH_MEMORY}))
    except Exception:
        traceback.print_exc()
        pipe.send(("error", {"error": INTERNAL_ERROR}))


def _exit_with_server() -> None:
    """End this process at once when the server ends."""
    server = parent_process()
    if server is not None:
        server.join()
        os._exit(1)


def _run(pipe: Connection, folder: Path, study: Study, spec: JobSpec) -> str | None:
    def report(stage: str, fraction: float | None = None) -> None:
        pipe.send(("stage", (stage, fraction)))

    if spec.kind == "prepare":
        prepare_study(folder, study, report)
        return None
    return fuse_study(folder, study, spec, report)


def _error_data(error: RadfuseError) -> dict[str, Any]:
    """The message of an error, what is stored of it, and the registration that failed QA."""
    if isinstance(error, RegistrationError):
        is_further = isinstance(error, FurtherRegistrationError)
        remedies = FURTHER_REMEDIES if is_further else REMEDIES
        data: dict[str, Any] = {"error": f"{error.reason}; {remedies}"}
    else:
        text = error.reason if isinstance(error, OutputError) else str(error)
        data = {"error": text, "stored": f"{error.kind} {DETAILS}"}
    if isinstance(error, RegistrationQAError):
        data["mr_from_ct"] = matrix_rows(matrix_of(error.alignment.mr_from_ct))
    return data
