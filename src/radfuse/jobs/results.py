"""Files of an earlier result of a case, which must not stay as if they were those of a new job."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from radfuse.errors import InputError
from radfuse.io.staging import output_error
from radfuse.jobs.bids.names import result_patterns
from radfuse.jobs.job import Job
from radfuse.record import read_record

RECORD = "record.json"
"""Name of the record in a folder of DICOM series."""


def remove_results(job: Job) -> None:
    """Delete what an earlier attempt of a job has written, and nothing else.

    Raises `OutputError` for what cannot be deleted.
    """
    try:
        for path in list(_results(job)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        reason = f"an earlier result cannot be deleted ({error.strerror})"
        raise output_error(error)(reason, Path(str(error.filename))) from error


def _results(job: Job) -> Iterator[Path]:
    """By their names in a derivative; in a folder of DICOM series by its record, which is last."""
    if job.derivative:
        for pattern in result_patterns(job.case, job.recipe.method):
            yield from job.derivative.root.glob(pattern)
    elif job.output.is_dir():
        record = job.output / RECORD
        try:
            outputs = read_record(record).outputs
        except InputError:
            return
        names = [Path(one.path).name for one in outputs]
        yield from (job.output / name for name in names)
        yield record
