"""The fusion of a job, and how it has ended."""

from functools import partial
from pathlib import Path

from radfuse.errors import DiskFullError, OutputError, RadfuseError, RegistrationError
from radfuse.io.staging import make_durable
from radfuse.jobs.bids.derivative import fuse_into_derivative
from radfuse.jobs.job import Job, JobState
from radfuse.jobs.results import remove_results
from radfuse.jobs.worker import Answer
from radfuse.pipeline.fuse import fuse_ct_mr
from radfuse.pipeline.result import Result
from radfuse.pipeline.study.fuse import fuse_study
from radfuse.progress import ProgressCallback, no_progress

REMEDIES = (
    "check that the series are the right ones and of the same head, or register them manually in "
    "the viewer"
)
"""Suggestions where registration QA failed, for those who have no command line, either."""


def fused(job: Job, report: ProgressCallback = no_progress) -> Answer:
    """Fuse the images of a job; what the user can correct is an answer, a bug raises.

    An earlier result is deleted first. Without space left for the result the job waits again.
    """
    try:
        remove_results(job)
        if job.derivative:
            fuse = partial(_fused_images, job, report)
            result = fuse_into_derivative(job, job.derivative, fuse)
        else:
            result = _fused_images(job, report, job.output)
        make_durable(job.output.parent)  # before the list says that it is done
    except DiskFullError as error:
        return JobState.WAITING, str(error)
    except OutputError as error:
        return JobState.FAILED, str(error)
    except RegistrationError as error:
        return JobState.REFUSED, f"{error.reason}; {REMEDIES}"
    except RadfuseError as error:
        return JobState.REFUSED, str(error)
    quality = result.alignment.quality if result.alignment else None
    return JobState.DONE, quality.sentence() if quality else ""


def _fused_images(job: Job, report: ProgressCallback, output: Path) -> Result:
    images = job.images
    if len(images.mrs) == 1 and not (images.pet or images.spect):
        return fuse_ct_mr(
            images.ct, images.mrs[0], output,
            recipe=job.recipe, job=job.reference, overwrite=True, report=report,
        )  # fmt: skip
    return fuse_study(
        images.ct, images.mrs, output, pet=images.pet, pet_ct=images.pet_ct,
        spect=images.spect, recipe=job.recipe, job=job.reference, overwrite=True, report=report,
    )  # fmt: skip
