"""Studies that can be drawn on, and drawings, for the tests of structures."""

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
from radfuse.service.stores.rle import Grid, grid_of, packed, unpacked
from radfuse.service.stores.view_volumes import read_grid, rows_of, write_picture


@dataclasses.dataclass(frozen=True)
class Board:
    """A prepared study on a server."""

    site: Site
    study: str

    @property
    def folder(self) -> Path:
        return self.site.folder / "studies" / self.study

    @property
    def grid(self) -> Grid:
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
    name: str = "Board",
) -> Board:
    """A study with volumes to look at; the CT is the fused image, too."""
    study = site.make(ct=str(paths[0]), mr=str(paths[1]), name=name)
    board = Board(site, study)
    show(board.folder, ct, mr, mr_from_ct)
    return board


def show(
    place: Path,
    ct: sitk.Image,
    mr: sitk.Image | None = None,
    mr_from_ct: sitk.Transform | None = None,
) -> None:
    """Put volumes to look at into a study's folder."""
    folder = place / "view"
    folder.mkdir()
    view = View(
        ct=write_picture(folder / "ct.nii", ct),
        mr=write_picture(folder / "mr.nii", mr or ct),
        fused=write_picture(folder / "fused.nii", ct),
        mr_range=(0, 1),
        mr_from_ct=rows_of(matrix_of(mr_from_ct or sitk.Euler3DTransform())),
        alignment="file",
        sources=("", ""),
    )
    write_view(place, view)


def runs(mask: BoolArray) -> dict[str, list[int]]:
    return {str(at): packed(mask[at]) for at in range(len(mask)) if mask[at].any()}


def masked(found: dict[str, list[int]], shape: tuple[int, int, int]) -> BoolArray:
    mask = np.zeros(shape, np.bool_)
    for index, flat in found.items():
        mask[int(index)] = unpacked(flat, shape[1:])
    return mask


def ball(shape: tuple[int, int, int], radius: float, centre: tuple[float, ...] = ()) -> BoolArray:
    """In voxels, in the middle unless elsewhere."""
    middle = centre or tuple(size / 2 for size in shape)
    squares = [(axis - at) ** 2 for axis, at in zip(np.indices(shape), middle, strict=True)]
    return np.asarray(sum(squares) <= radius**2)


def refused(answer: httpx.Response, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]
    assert list(answer.json()) == ["error"]
