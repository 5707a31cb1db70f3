"""The readers of PNG and NIfTI in the browser agree with those of radfuse."""

import base64
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image
from try_driver import TryDriver

from radfuse.io.images import read_image
from radfuse.io.volumes import read_volume

READ = """
const [name, text, done] = arguments;
const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
import('/try/fuse.js').then(({ readImage }) => readImage({ name, bytes })).then(
  ({ shape, spacingMm, affine, data }) => done({ shape, spacingMm, affine, data: [...data] }),
  (error) => done({ error: error.message }));
"""

pytestmark = pytest.mark.slow


def read_in_browser(driver: TryDriver, path: Path) -> dict[str, Any]:
    text = base64.b64encode(path.read_bytes()).decode()
    found: dict[str, Any] = driver.browser.execute_async_script(READ, path.name, text)
    return found


LEVELS = (np.arange(17 * 23).reshape(17, 23) * 167 % 65536).astype(np.uint16)

IMAGES = {
    "grey8": Image.fromarray((LEVELS >> 8).astype(np.uint8)),
    "grey16": Image.fromarray(LEVELS),
    "black-white": Image.fromarray(LEVELS > 30000),
    "grey-as-rgb": Image.fromarray((LEVELS >> 8).astype(np.uint8)).convert("RGB"),
    "grey-with-alpha": Image.fromarray((LEVELS >> 8).astype(np.uint8)).convert("LA"),
    "palette": Image.fromarray((LEVELS >> 8).astype(np.uint8)).convert("P"),
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_has_the_levels_that_radfuse_reads(
    driver: TryDriver, tmp_path: Path, name: str
) -> None:
    path = tmp_path / f"{name}.png"
    IMAGES[name].save(path)
    found = read_in_browser(driver, path)
    expected = read_image(path)
    assert found["shape"] == [1, *expected.shape]
    np.testing.assert_allclose(found["data"], expected.ravel(), atol=1e-7)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_and_transparency_are_refused(driver: TryDriver, tmp_path: Path, mode: str) -> None:
    path = tmp_path / "image.png"
    Image.new(mode, (8, 8), (200, 10, 10, 128)[: len(mode)]).save(path)
    error = read_in_browser(driver, path)["error"]
    assert error.startswith("image.png: ")
    assert ("colour" if mode == "RGB" else "transparent") in error


AXES = [(0, 1, 2), (2, 0, 1), (1, 2, 0), (1, 0, 2)]


@pytest.mark.parametrize("kind", [np.int16, np.uint8, np.float32, np.float64, np.int32])
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (1, -1, 1)])
def test_a_volume_has_the_grid_and_values_that_radfuse_reads(
    driver: TryDriver, tmp_path: Path, kind: type, axes: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    values = np.arange(3 * 4 * 5).reshape(3, 4, 5).astype(kind)
    affine = np.eye(4)
    affine[:3, :3] = (np.diag(signs) * [0.8, 1.1, 2.5])[:, axes]
    affine[:3, 3] = (-10.5, 20.25, 3)
    path = tmp_path / "volume.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    found, expected = read_in_browser(driver, path), read_volume(path)
    assert tuple(found["shape"]) == expected.GetSize()[::-1]
    np.testing.assert_allclose(found["spacingMm"][::-1], expected.GetSpacing(), rtol=1e-6)
    np.testing.assert_allclose(found["data"], sitk.GetArrayFromImage(expected).ravel())
    corner = np.array(found["affine"])[:, 3] * (-1, -1, 1)
    np.testing.assert_allclose(corner, expected.GetOrigin(), atol=1e-5)
    directions = np.array(found["affine"])[:, :3] / np.array(expected.GetSpacing())
    np.testing.assert_allclose(
        directions * np.array([[-1], [-1], [1]]),
        np.reshape(expected.GetDirection(), (3, 3)), atol=1e-6,
    )  # fmt: skip


def test_scaled_values_are_rescaled(driver: TryDriver, tmp_path: Path) -> None:
    nifti = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4))
    nifti.header.set_slope_inter(0.5, -1024)
    nibabel.save(nifti, tmp_path / "v.nii")
    found = read_in_browser(driver, tmp_path / "v.nii")
    expected = sitk.GetArrayFromImage(read_volume(tmp_path / "v.nii")).ravel()
    np.testing.assert_allclose(found["data"], expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pixdim": (1, 30, 1, 1)}, "voxel spacing 30 x 1 x 1 mm"),
        ({"pixdim": (1, 2, 1, 1)}, "in pixdim"),
        ({"sform_code": 0, "qform_code": 0}, "orientation is unknown"),
        ({"srow_x": (1, 0.1, 0, 0)}, "not perpendicular"),
        ({"qform_code": 1, "qoffset_x": 30}, "sform and qform differ by 30.0 mm"),
        ({"dim": (4, 3, 4, 5, 2)}, "4-D image of 3 x 4 x 5 x 2"),
        ({"datatype": 128}, "voxels of type 128"),
    ],
)
def test_a_header_that_radfuse_refuses_is_refused(
    driver: TryDriver, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    nifti = nibabel.Nifti1Image(np.arange(60, dtype=np.float32).reshape(3, 4, 5), np.eye(4))
    nifti.set_qform(np.eye(4), 0)
    content = bytearray(nifti.to_bytes())
    header = np.frombuffer(content, nibabel.Nifti1Header.template_dtype, 1)[0].copy()
    for name, value in change.items():
        if np.ndim(value):
            header[name][: len(value)] = value
        else:
            header[name] = value
    content[: header.nbytes] = header.tobytes()
    (tmp_path / "v.nii").write_bytes(content)
    error = read_in_browser(driver, tmp_path / "v.nii")["error"]
    assert error.startswith("v.nii: ")
    assert words in error
