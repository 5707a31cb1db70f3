"""Structures of a study on the grid of its MR, through the registration of the current result."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
import SimpleITK as sitk

from radfuse.errors import InputError
from radfuse.modality import CT, MR
from radfuse.registration.transforms import rigid_from_matrix
from radfuse.service.stores.identity import read_identities
from radfuse.service.stores.rle import VoxelGrid, decode_image, grid_of
from radfuse.service.stores.studies import Studies, Study
from radfuse.service.stores.view_volumes import MatrixRows, read_grid
from radfuse.service.structures.models import StoredStructure
from radfuse.structures.label_maps import Structure
from radfuse.structures.transfer import NoVoxelError, transfer_structure

SMALL_LOSS = 0.005
"""Fraction of a structure outside the MR that needs no note."""

SMALL_CHANGE = 0.05
"""Relative change of the volume between thick slices that needs no note."""

SHARED_FRAME = (
    "CT and MR state the same frame of reference: other programs display these contours on the CT, "
    "too, without the registration"
)
"""A note where headers align CT and MR otherwise than the registration does."""


@dataclasses.dataclass(frozen=True)
class RegisteredMr:
    """The MR of a study, as it is registered."""

    grid: VoxelGrid
    mr_from_ct: MatrixRows
    notes: tuple[str, ...] = ()

    @property
    def transform(self) -> sitk.Transform:
        """Maps CT points to MR points, LPS mm."""
        return rigid_from_matrix(np.array(self.mr_from_ct), name="mr_from_ct")


def registered_mr(studies: Studies, study: Study) -> RegisteredMr:
    """The registered MR; raises `InputError` without a registration and after a rejection."""
    if study.outcome is None:
        raise InputError("the MR is not registered yet; fuse first, or write RTSTRUCT on the CT")
    if study.signoff and study.signoff.state == "rejected":
        raise InputError(
            f"the registration was rejected by {study.signoff.name}; register again, or write "
            "RTSTRUCT on the CT"
        )
    view = studies.view(study.id, study.current)
    images = read_identities(studies.folder_of(study.id)).images[:2]
    frames = {one.frame_of_reference for one in images}
    is_shared = len(images) == 2 and len(frames) == 1 and "" not in frames
    is_moved = not np.allclose(view.mr_from_ct, np.eye(4), atol=1e-6)
    return RegisteredMr(
        grid=grid_of(read_grid(studies.volume(study.id, "mr"))),
        mr_from_ct=view.mr_from_ct,
        notes=(SHARED_FRAME,) if is_shared and is_moved else (),
    )


def structures_on(
    stored: Iterable[StoredStructure], grid: sitk.Image, mr: RegisteredMr, notes: list[str]
) -> Iterator[Structure]:
    """Structures on the MR's own grid, one after the other; what is outside is noted."""
    drawn_from_grid = mr.transform.GetInverse()
    for one in stored:
        steps = (*one.steps, "transfer") if one.runs else one.steps
        drawn = Structure(one.name, decode_image(one.runs, one.grid), one.rgb, steps)
        try:
            found = transfer_structure(drawn, grid, drawn_from_grid, drawn_on=CT, target=MR)
        except NoVoxelError:
            notes.append(f"'{one.name}' is outside the MR, or between its slices, and was left out")
            continue
        if found.lost_fraction > SMALL_LOSS:
            notes.append(f"'{one.name}': {found.lost_fraction:.1%} of it is outside the MR")
        on_mr_cm3, on_ct_cm3 = found.structure.volume_cm3, found.drawn_cm3
        if abs(on_mr_cm3 - on_ct_cm3) > SMALL_CHANGE * on_ct_cm3:
            notes.append(
                f"'{one.name}' has {on_mr_cm3:.3g} cm3 on the MR, {on_ct_cm3:.3g} on the CT"
            )
        yield found.structure
