"""The templates of SPM: PET and SPECT of one standard brain, in files of two byte orders.

The SPECT is big-endian, and its first axis runs from left to right; that of the PET from right to
left.
"""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from radfuse.pipeline.read import read

TEMPLATES = {"PT": ("spm_PET_2mm.nii.gz", "<"), "NM": ("spm_SPECT_2mm.nii.gz", ">")}
"""File and byte order by modality."""

MIN_CORRELATION = 0.95
"""Of the two images; theirs is 0.970."""

MIN_ASYMMETRY_CORRELATION = 0.6
"""Of the left half less the right half; theirs is 0.712. With one image mirrored it is negative."""


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    folder = shared / "data/real/3d_templates"
    if not folder.is_dir():
        pytest.skip(f"real data is missing: {folder.name}")
    return folder


@pytest.mark.parametrize("modality", TEMPLATES)
def test_a_voxel_is_where_the_file_says(folder: Path, modality: str) -> None:
    name, order = TEMPLATES[modality]
    with gzip.open(folder / name) as stream:
        content = stream.read()
    size = struct.unpack(f"{order}3h", content[42:48])
    (kind,), (offset,) = (
        struct.unpack(f"{order}{one}", content[at : at + length])
        for one, at, length in (("h", 70, 2), ("f", 108, 4))
    )
    affine = np.array(struct.unpack(f"{order}12f", content[280:328])).reshape(3, 4)
    dtype = {2: "u1", 4: "i2", 16: "f4", 512: "u2"}[kind]
    voxels = np.frombuffer(content, order + dtype, int(np.prod(size)), int(offset))
    stored = voxels.reshape(size, order="F").astype(np.float64)
    image = read(folder / name, modality).image
    index = np.array([20, 60, 50])
    ras = affine[:, :3] @ index + affine[:, 3]
    found = image.GetPixel(image.TransformPhysicalPointToIndex((-ras[0], -ras[1], ras[2])))
    slope, intercept = struct.unpack(f"{order}2f", content[112:120])
    wanted = stored[tuple(index)] * (slope or 1.0) + intercept
    assert wanted != stored[size[0] - 1 - index[0], index[1], index[2]] * (slope or 1.0) + intercept
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_both_have_the_same_anatomy_at_a_point(folder: Path) -> None:
    pet, spect = (read(folder / name, code).image for code, (name, _) in TEMPLATES.items())
    assert pet.GetDirection() != spect.GetDirection()
    resampled = sitk.Resample(spect, pet, sitk.Transform(), sitk.sitkLinear, 0.0)
    values = [sitk.GetArrayFromImage(one).astype(np.float64) for one in (pet, resampled)]
    asymmetry = [one - one[:, :, ::-1] for one in values]
    assert np.corrcoef(*(one.ravel() for one in values))[0, 1] > MIN_CORRELATION
    assert np.corrcoef(*(one.ravel() for one in asymmetry))[0, 1] > MIN_ASYMMETRY_CORRELATION
