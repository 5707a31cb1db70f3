"""Paths of the images of a patient besides the CT and the MR that is fused with it."""

from pathlib import Path

from radfuse.service.models import FrozenModel


class FurtherPaths(FrozenModel):
    """Images that a fusion brings onto the CT's grid, and does not fuse."""

    mrs: tuple[Path, ...] = ()
    is_mr_chosen: bool = False
    """Whether the program chose the MR that is fused among all."""

    pet: Path | None = None
    pet_ct: Path | None = None
    """The CT of the PET's scanner, by which the PET is registered."""

    spect: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All paths."""
        others = (self.pet, self.pet_ct, self.spect)
        return (*self.mrs, *(path for path in others if path is not None))
