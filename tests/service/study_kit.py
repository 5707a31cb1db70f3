"""Prepared studies and masks, for the tests of structures."""

import dataclasses
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import SimpleITK as sitk
from service_kit import Site

from radfuse.arrays import BoolArray
from radfuse.registration.transforms import matrix_of
from radfuse.service.jobs.view_files import View, write_view
from radfuse.service.stores.rle import VoxelGrid, decode_slice, encode_slice, grid_of
from radfuse.service.stores.studies import Study
from radfuse.service.stores.view_volumes import matrix_rows, read_grid, write_view_volume


@dataclasses.dataclass(frozen=True)
class StudyClient:
    """A prepared study on a server."""

    site: Site
    study: str

    @property
    def folder(self) -> Path:
        return self.site.folder / "studies" / self.study

    @property
    def grid(self) -> VoxelGrid:
        return grid_of(read_grid(self.folder / "view/ct.nii"))

    @property
    def shape(self) -> tuple[int, int, int]:
        columns, rows, slices = self.grid.size
        return slices, rows, columns

    def call(self, method: str, where: str, /, **body: Any) -> httpx.Response:
        address = f"/api/v1/studies/{self.study}{where}"
        return self.site.client.request(method, address, json=body or None, timeout=60)

    def add(self, name: str, mask: BoolArray | None = None, **more: Any) -> dict[str, Any]:
        slices = {} if mask is None else runs(mask)
        answer = self.call("POST", "/structures", name=name, runs=slices, **more)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def get(self, identifier: str) -> dict[str, Any]:
        return dict(self.call("GET", f"/structures/{identifier}").json())

    def mask(self, identifier: str) -> BoolArray:
        return masked(self.get(identifier)["runs"], self.shape)

    def names(self) -> list[str]:
        return [one["name"] for one in self.call("GET", "/structures").json()]

    def clear(self) -> None:
        for one in self.call("GET", "/structures").json():
            assert self.call("DELETE", f"/structures/{one['id']}").status_code == 204


def prepare(
    site: Site,
    paths: tuple[Path, Path],
    ct: sitk.Image,
    mr: sitk.Image | None = None,
    mr_from_ct: sitk.Transform | None = None,
    name: str = "Structures",
) -> StudyClient:
    """A study with volumes for the viewer; the CT is the fused image, too."""
    study = site.make(ct=str(paths[0]), mr=str(paths[1]), name=name)
    client = StudyClient(site, study)
    write_volumes(client.folder, ct, mr, mr_from_ct)
    return client


def write_volumes(
    study_folder: Path,
    ct: sitk.Image,
    mr: sitk.Image | None = None,
    mr_from_ct: sitk.Transform | None = None,
) -> None:
    """Write volumes for the viewer into a study's folder."""
    folder, run = study_folder / "view", study_folder / "results" / "phantom"
    folder.mkdir()
    (run / "view").mkdir(parents=True)
    view = View(
        ct=write_view_volume(folder / "ct.nii", ct),
        mr=write_view_volume(folder / "mr.nii", mr or ct),
        fused=write_view_volume(run / "view/fused.nii", ct),
        mr_range=(0, 1),
        mr_from_ct=matrix_rows(matrix_of(mr_from_ct or sitk.Euler3DTransform())),
        alignment="file",
        sources=("", ""),
    )
    write_view(run, view)
    write_view(study_folder, view.model_copy(update={"fused": None}))
    file = study_folder / "study.json"
    study = Study.model_validate_json(file.read_bytes())
    file.write_text(study.model_copy(update={"current": run.name}).model_dump_json())


def runs(mask: BoolArray) -> dict[str, list[int]]:
    return {str(at): encode_slice(mask[at]) for at in range(len(mask)) if mask[at].any()}


def masked(found: dict[str, list[int]], shape: tuple[int, int, int]) -> BoolArray:
    mask = np.zeros(shape, np.bool_)
    for index, flat in found.items():
        mask[int(index)] = decode_slice(flat, shape[1:])
    return mask


def ball(shape: tuple[int, int, int], radius: float, centre: tuple[float, ...] = ()) -> BoolArray:
    """A ball of voxels, by default in the middle."""
    middle = centre or tuple(size / 2 for size in shape)
    squares = [(axis - at) ** 2 for axis, at in zip(np.indices(shape), middle, strict=True)]
    return np.asarray(sum(squares) <= radius**2)
