"""One slice of a study fused by another method, at once."""

from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.errors import InputError
from radfuse.intensity import Window
from radfuse.methods.catalogue import Method, applicable_options, load_method
from radfuse.methods.copy_ct import CopyCT
from radfuse.methods.options import Value
from radfuse.pipeline.volume import fuse_slice
from radfuse.registration.transforms import rigid_from_matrix
from radfuse.service.jobs.view_files import VIEW, Preview, View
from radfuse.service.stores.view_volumes import DATA_OFFSET, ORDER, Picture, read_picture

METHODS_KEPT = 4
"""Loaded methods: a compiled network takes some hundred megabytes, and seconds to compile."""

Slice = NDArray[np.uint16]


class Previews:
    """Slices by other methods, one at a time; the last MR and some methods stay in memory."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._method = lru_cache(METHODS_KEPT)(_loaded)
        self._mr = lru_cache(1)(_read_mr)

    def slice_of(
        self, folder: Path, view: View, options: dict[str, Value], method: str, index: int
    ) -> Slice:
        """Slice `index` of the page's grid, (rows, columns), fused as the last fusion was.

        `folder` is the study's; of `options` those apply that the method has. Raises `InputError`
        before a fusion, for an index outside of the volume and for a CT whose own slices are not
        axial.
        """
        how = view.preview
        if how is None:
            raise InputError("there is no fusion yet whose registration could be used; run it")
        count = view.ct.size[2]
        if not 0 <= index < count:
            raise InputError(f"there is no slice {index}; they go from 0 to {count - 1}")
        if how.order[2] not in "SI":
            raise InputError(
                f"the CT's own slices are not axial (its axes point to {how.order}) and methods "
                "look at its slices; run the fusion with this method instead"
            )
        own_index = index if how.order[2] == "S" else count - 1 - index
        window = Window(*how.window_hu)
        with self._lock:
            place = folder / VIEW
            mr = self._mr(place / "mr.nii", view.mr.step, view.sources)
            fuse = self._method(method, tuple(options.items()), window, place)
            plane = sitk.DICOMOrient(_plane(place / "ct.nii", view.ct, index), how.order)
            fused = _fused(plane, mr, how, fuse if _is_within(own_index, how) else CopyCT())
        values: Slice = sitk.GetArrayFromImage(sitk.DICOMOrient(fused, ORDER))[0]
        return values


def _fused(plane: sitk.Image, mr: sitk.Image, how: Preview, method: Method) -> sitk.Image:
    _, rows, columns = (slice(*part) for part in how.box)
    mr_from_ct = rigid_from_matrix(np.array(how.mr_from_ct), name="mr_from_ct")
    window = Window(*how.window_hu)
    return fuse_slice(plane, mr, mr_from_ct, window, how.mr_range, rows, columns, method)


def _is_within(own_index: int, how: Preview) -> bool:
    first, end = how.box[0]
    return first <= own_index < end


def _loaded(
    name: str, options: tuple[tuple[str, Value], ...], window: Window, _place: Path
) -> Method:
    """A method for one study alone: each keeps what it compiled for the sizes of its slices."""
    return load_method(name, applicable_options(name, dict(options)), window=window)


def _read_mr(path: Path, step: float, _sources: tuple[str, str]) -> sitk.Image:
    """The MR in its own units; the sources tell one from another in the same place."""
    return sitk.Cast(read_picture(path), sitk.sitkFloat32) * step


def _plane(path: Path, grid: Picture, index: int) -> sitk.Image:
    """One slice of a volume of the page, of depth 1, read without the others."""
    columns, rows, slices = grid.size
    stored = np.memmap(path, "<i2", "r", DATA_OFFSET, (slices, rows, columns))
    plane = sitk.GetImageFromArray(stored[index : index + 1].astype(np.float32) * grid.step)
    matrix = np.array(grid.mm_from_voxel)
    plane.SetSpacing(grid.spacing_mm)
    plane.SetDirection((matrix[:3, :3] / grid.spacing_mm).ravel().tolist())
    plane.SetOrigin((matrix @ (0, 0, index, 1))[:3].tolist())
    return plane
