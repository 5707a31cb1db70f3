"""Shared by tests of written DICOM objects: a small pair, and third-party validators."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dicom_kit import AXIAL, Angles, change_all, put, volume, write
from radfuse.dicom.write.colour_blend import blend_series
from radfuse.dicom.write.derivation_context import DerivationContext
from radfuse.dicom.write.fused import FULL_SCALE, fused_series
from radfuse.dicom.write.resampled import write_resampled
from radfuse.dicom.write.spatial_registration import write_registration
from radfuse.pipeline.read import read
from radfuse.series import Series
from radfuse.verdict import Verdict

FEET_FIRST = (0.0, np.pi, 0.0)
ROTATION, SHIFT_MM = (0.02, -0.03, 0.05), (1.5, -2.0, 2.4)


def make_pair(
    folder: Path, angles: Angles = AXIAL, mr_image: sitk.Image | None = None
) -> tuple[Series, Series]:
    """A CT on a grid rotated by some angles, and an axial MR of the same region."""
    position = "FFS" if angles == FEET_FIRST else "HFS"
    ct = write(folder / "ct", volume("CT", angles))
    change_all(ct, put("PatientPosition", position))
    mr_image = mr_image or volume("MR", angles, spacing=(1.0, 1.0, 4.0), count=4)
    mr = write(folder / "mr", mr_image, "MR")
    change_all(mr, put("EchoTime", "4.5"))
    return read(ct, "CT"), read(mr, "MR")


def rigid() -> sitk.Euler3DTransform:
    """mr_from_ct, a rotation about the origin of the grids and a shift."""
    centre = (-101.3, 57.25, -1234.567)
    return sitk.Euler3DTransform(centre, *ROTATION, SHIFT_MM)


def make_context(pair: tuple[Series, Series], **changes: object) -> DerivationContext:
    facts = {
        "fixed": pair[0], "moving": pair[1], "moving_from_fixed": rigid(), "method": "laplacian",
        "weights_sha256": None, "verdict": Verdict("pass", 1.5), "registration_id": "abc",
        "alignment_source": "file", "in_fov": np.ones(pair[0].image.GetSize()[2], np.bool_),
        "window": "width 1000, level 500", "moving_range": (0.0, 4000.0),
    }  # fmt: skip
    return DerivationContext(**{**facts, **changes})  # type: ignore[arg-type]


def matrix(transform: sitk.Transform) -> np.ndarray:
    """Homogeneous 4x4 matrix of an affine map."""
    found = np.eye(4)
    found[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    for axis, unit in enumerate(np.eye(3)):
        found[:3, axis] = np.subtract(transform.TransformPoint(unit.tolist()), found[:3, 3])
    return found


def write_ladder(folder: Path, context: DerivationContext) -> dict[str, Path]:
    """Every object of one run."""
    shape = context.fixed.image.GetSize()[::-1]
    fused = sitk.GetImageFromArray(np.linspace(0, FULL_SCALE, int(np.prod(shape))).reshape(shape))
    fused.CopyInformation(context.fixed.image)
    grey, fov_mask = np.full(shape[1:], 0.5, np.float32), np.ones(shape[1:], np.bool_)
    folder.mkdir()
    context.write(fused_series(folder / "fused", sitk.Cast(fused, sitk.sitkUInt16), context))
    write_resampled(folder / "mr", context)
    scaled = (grey, grey, fov_mask)
    context.write(blend_series(folder / "colour", lambda _: scaled, context, 0.5))
    write_registration(
        folder / "registration", context, matrix(context.moving_from_fixed.GetInverse())
    )
    return {path.name: path for path in folder.iterdir()}


def needs(tool: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Skip, with a reason, where a program is missing."""
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


def run_tool(*command: object) -> str:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def errors_by_dciodvfy(folder: Path) -> list[str]:
    """Errors of David Clunie's validator in the files of a folder."""
    return [
        f"{path.name}: {line}"
        for path in sorted(folder.iterdir())
        for line in run_tool("dciodvfy", "-new", path).splitlines()
        if "Error" in line
    ]
