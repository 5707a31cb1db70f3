"""Jobs and clocks for tests."""

from pathlib import Path

from radfuse.jobs.job import Job, JobImages
from radfuse.recipe import Recipe


def job(number: int, folder: Path = Path()) -> Job:
    """A job whose images need not exist."""
    images = JobImages(ct=folder / f"ct{number}.nii", mrs=(folder / f"mr{number}.nii",))
    return Job(
        identity=f"{number:032x}", case=f"sub-{number:02}", images=images, recipe=Recipe(),
        output=folder / f"fused{number}.nii.gz",
    )  # fmt: skip


class Clock:
    """A clock that tests put forward."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now
