"""Paths of the images of a patient besides the CT and the MR that is fused with it."""

from pathlib import Path

from radfuse.service.models import FrozenModel


class FurtherPaths(FrozenModel):
    """Images that a fusion brings onto the CT's grid, and does not fuse."""

    mrs: tuple[Path, ...] = ()
    mr_series: tuple[str, ...] = ()
    """SeriesInstanceUID of each; none, or empty ones, where there is nothing to choose."""

    is_mr_chosen: bool = False
    """Whether the program chose the MR that is fused among all."""

    pet: Path | None = None
    pet_ct: Path | None = None
    """The CT of the PET's scanner, by which the PET is registered."""

    spect: Path | None = None

    @property
    def chosen_mrs(self) -> tuple[tuple[Path, str | None], ...]:
        """Path and UID of each MR."""
        uids = self.mr_series or ("",) * len(self.mrs)
        return tuple((path, uid or None) for path, uid in zip(self.mrs, uids, strict=True))

    @property
    def paths(self) -> tuple[Path, ...]:
        """All paths."""
        others = (self.pet, self.pet_ct, self.spect)
        return (*self.mrs, *(path for path in others if path is not None))
