"""A real head through a node: the Visible Human Female arrives as DICOM and comes back fused."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from ladder_kit import matrix
from node_kit import Site, received, states, wait_until
from radfuse.node.state import FusionState
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom
from radfuse.pipeline.read import read

BRAIN_MM = 60.0
"""Half of the edge of a cube within the brain."""

MAX_ERROR_MM = 2.0
"""To the silver truth, which is a registration itself."""

WAIT_S = 300.0


def head_as_dicom(shared: Path, folder: Path) -> list[Path]:
    """CT and MR of the Visible Human Female as DICOM files."""
    data = shared / "data/real/3d_vhf"
    ct = read(data / "vhf_head_ct_8bit_hu.nii.gz", "CT")
    mr = read(data / "vhf_head_mr_t1_8bit.nii.gz", "MR")
    write_phantom(replace(make_phantom(1, spacing_mm=6.0), ct=ct, mr=mr), folder)
    return sorted(folder.rglob("*.dcm"))


def brain_points(ct: sitk.Image) -> np.ndarray:
    """Corners of a cube in the middle of the CT, LPS mm, 3 x 8."""
    centre = ct.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in ct.GetSize()])
    corners = np.array(np.meshgrid(*[(-BRAIN_MM, BRAIN_MM)] * 3)).reshape(3, -1)
    return np.array(centre)[:, None] + corners


@pytest.mark.slow
def test_real_head_comes_back_registered(site: Site, shared: Path, tmp_path: Path) -> None:
    files = head_as_dicom(shared, tmp_path / "head")
    site.settings.rules.write_text("[[rules]]\nname = 'head'\ndestinations = ['SECOND']\n")
    with site.node(quiet_s=1.0):
        site.add(*files)
        wait_until(lambda: all(one["IsStable"] for one in site.first.ask("/series?expand")))
        began = time.monotonic()
        wait_until(lambda: states(site) == [FusionState.DELIVERED], WAIT_S)
    print(f"delivered {time.monotonic() - began:.1f} s after the last image")  # noqa: T201
    found = received(site.second)
    slices = sum(pydicom.dcmread(one, specific_tags=["Modality"]).Modality == "CT" for one in files)
    counts = {
        text: sum(text in one.get("SeriesDescription", "") for one in found)
        for text in ("FUSED", "MR")
    }
    assert min(counts.values()) >= slices
    (registration,) = (one for one in found if one.Modality == "REG")
    error = error_mm(registration, shared)
    print(f"{error:.2f} mm from the silver truth")  # noqa: T201
    assert error <= MAX_ERROR_MM


def error_mm(registration: pydicom.Dataset, shared: Path) -> float:
    """Largest distance in the brain between a registration and the silver truth."""
    data = shared / "data/real/3d_vhf"
    silver = matrix(sitk.ReadTransform(str(data / "mr_to_ct_silver.tfm")))
    of_moving = registration.RegistrationSequence[-1].MatrixRegistrationSequence[0]
    values = of_moving.MatrixSequence[0].FrameOfReferenceTransformationMatrix
    stored = np.array(values, np.float64).reshape(4, 4)
    ct = brain_points(sitk.ReadImage(str(data / "vhf_head_ct_8bit_hu.nii.gz")))
    in_mr = np.linalg.inv(silver) @ np.vstack([ct, np.ones(ct.shape[1])])
    return float(np.linalg.norm((stored @ in_mr)[:3] - ct, axis=0).max())
