"""One slice of a study fused by another method or CT window."""

from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.errors import InputError
from radfuse.intensity import Window
from radfuse.methods.copy_ct import CopyCT
from radfuse.methods.loading import Method, applicable_options, load_method, options_of
from radfuse.methods.options import Value
from radfuse.pipeline.volume import fuse_slice
from radfuse.registration.transforms import rigid_from_matrix
from radfuse.service.jobs.view_files import VIEW, PreviewSettings, View
from radfuse.service.stores.view_volumes import (
    DATA_OFFSET,
    ORIENTATION,
    ViewVolume,
    read_view_volume,
)

MAX_CACHED_METHODS = 4
"""A compiled network takes some hundred megabytes, and seconds to compile."""

Slice = NDArray[np.uint16]


class SlicePreviews:
    """Fuses slices by other methods, one at a time; caches the last MR and some methods."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._method = lru_cache(MAX_CACHED_METHODS)(_load)
        self._mr = lru_cache(1)(_read_mr)

    def fuse(
        self,
        folder: Path,
        view: View,
        options: dict[str, Value],
        method: str,
        index: int,
        window: Window | None = None,
    ) -> Slice:
        """Fuse slice `index` of the viewer's grid with the settings of the last fusion.

        With another `window` of the CT, if it is given. Returns (rows, columns), 0 to 4095.
        `folder` is the study's; options that the method does not have are ignored. Raises
        `InputError` before a fusion, for an index outside of the volume and for a CT whose own
        slices are not axial.
        """
        settings = view.preview
        if settings is None:
            raise InputError("there is no fusion yet whose registration could be used; fuse first")
        count = view.ct.size[2]
        if not 0 <= index < count:
            raise InputError(
                f"there is no slice {index}; slices are numbered from 0 to {count - 1}"
            )
        if settings.order[2] not in "SI":
            raise InputError(
                f"the CT's own slices are not axial (orientation {settings.order}) and methods "
                "process these slices; fuse the volume with this method instead"
            )
        own_index = index if settings.order[2] == "S" else count - 1 - index
        window = window or Window(*settings.window_hu)
        with self._lock:
            view_folder = folder / VIEW
            mr = self._mr(view_folder / "mr.nii", view.mr.step, view.sources)
            own_window = window if _follows_window(method) else None
            by = self._method(method, tuple(options.items()), own_window, view_folder)
            plane = sitk.DICOMOrient(_plane(view_folder / "ct.nii", view.ct, index), settings.order)
            method_here = by if _is_within(own_index, settings) else CopyCT()
            fused = _fused(plane, mr, settings, window, method_here)
        values: Slice = sitk.GetArrayFromImage(sitk.DICOMOrient(fused, ORIENTATION))[0]
        return values


def _fused(
    plane: sitk.Image, mr: sitk.Image, settings: PreviewSettings, window: Window, method: Method
) -> sitk.Image:
    _, rows, columns = (slice(*part) for part in settings.box)
    mr_from_ct = rigid_from_matrix(np.array(settings.mr_from_ct), name="mr_from_ct")
    return fuse_slice(plane, mr, mr_from_ct, window, settings.mr_range, rows, columns, method)


def _is_within(own_index: int, settings: PreviewSettings) -> bool:
    first, end = settings.box[0]
    return first <= own_index < end


def _follows_window(name: str) -> bool:
    """Whether an option of a method follows the CT window; a network is not loaded for each."""
    return any(one.hu is not None for one in options_of(name).values())


def _load(
    name: str, options: tuple[tuple[str, Value], ...], window: Window | None, _folder: Path
) -> Method:
    """A method for one study: it keeps what it compiled for the size of its slices."""
    return load_method(name, applicable_options(name, dict(options)), window=window)


def _read_mr(path: Path, step: float, _sources: tuple[str, str]) -> sitk.Image:
    """The MR in its own units; `_sources` is part of the cache's key."""
    return sitk.Cast(read_view_volume(path), sitk.sitkFloat32) * step


def _plane(path: Path, grid: ViewVolume, index: int) -> sitk.Image:
    """One slice of a volume of the viewer, of depth 1, read without the others."""
    columns, rows, slices = grid.size
    stored = np.memmap(path, "<i2", "r", DATA_OFFSET, (slices, rows, columns))
    plane = sitk.GetImageFromArray(stored[index : index + 1].astype(np.float32) * grid.step)
    matrix = np.array(grid.mm_from_voxel)
    plane.SetSpacing(grid.spacing_mm)
    plane.SetDirection((matrix[:3, :3] / grid.spacing_mm).ravel().tolist())
    plane.SetOrigin((matrix @ (0, 0, index, 1))[:3].tolist())
    return plane
