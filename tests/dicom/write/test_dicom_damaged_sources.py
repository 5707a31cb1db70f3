"""Outputs from damaged but readable sources have no error by dciodvfy."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

import radfuse
from radfuse.dicom.validate import dciodvfy
from radfuse.dicom.validate.check import check
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom
from radfuse.recipe import Recipe
from radfuse.registration.transforms import write_transform

DAMAGES = {
    "PatientName": ("PN", b"Caf\xc3\xa9^\x07Bell", b"A" * 80, b"a\\b", b"=^=^="),
    "PatientID": ("LO", b"x" * 90, b"a\x00b", b"\xff\xfe"),
    "PatientBirthDate": ("DA", b"1970-01-01", b"unknown ", b"19701399"),
    "PatientSex": ("CS", b"male", b"m "),
    "PatientAge": ("AS", b"57", b"057y"),
    "StudyDate": ("DA", b"2024.01.15", b"20241"),
    "StudyTime": ("TM", b"25:61", b"noon"),
    "StudyID": ("SH", b"a study with a long name "),
    "AccessionNumber": ("SH", b"0123456789012345678", b"a\\b\\c "),
    "StudyInstanceUID": ("UI", b"1.2.03.4", b"1..2", b"1.2." + b"9" * 80),
    "FrameOfReferenceUID": ("UI", b"1.2.003", b"frame"),
    "SpecificCharacterSet": ("CS", b"ISO_IR 1OO", b"UTF-8 "),
    "PixelSpacing": ("DS", b"6.00000000000000000001\\6.00000000000000000001"),
    "SliceThickness": ("DS", b"6.0000000000000000888", b"thick"),
    "ReferringPhysicianName": ("PN", b"\x1b$B", b"R" * 200),
    "StudyDescription": ("LO", b"d" * 300, b"tab\there"),
    "PositionReferenceIndicator": ("LO", b"\x01\x02"),
}  # fmt: skip
"""Invalid values by attribute, with the representation that the file states."""


def damage(folder: Path, rng: np.random.Generator) -> None:
    """Give all slices of a series the same three invalid values."""
    chosen = {}
    for keyword in rng.choice(sorted(DAMAGES), 3, replace=False):
        vr, *values = DAMAGES[keyword]
        chosen[keyword] = (vr, values[rng.integers(len(values))])
    for path in folder.iterdir():
        header = pydicom.dcmread(path)
        for keyword, (vr, value) in chosen.items():
            padded = value + b" " * (len(value) % 2)
            tag = Tag(keyword)
            header._dict[tag] = RawDataElement(tag, vr, len(padded), padded, 0, False, True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's, of the values
            header.save_as(path)


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 10))]
)
def test_outputs_of_damaged_sources_are_valid(part: int, tmp_path: Path) -> None:
    phantom = make_phantom(7, spacing_mm=6.0)
    write_phantom(phantom, tmp_path / "plain")
    write_transform(tmp_path / "truth.tfm", phantom.mr_from_ct)
    recipe = Recipe(
        method="average", transform=tmp_path / "truth.tfm", accept_registration=True,
        accept_patients=True, outputs=("fused", "registration") if part == 0 else None,
    )  # fmt: skip
    rng = np.random.default_rng(part)
    for number in range(1 if part == 0 else 3):
        sources, output = tmp_path / f"sources{number}", tmp_path / f"out{number}"
        shutil.copytree(tmp_path / "plain", sources)
        damage(sources / "CT", rng)
        damage(sources / "MR", rng)
        radfuse.fuse(sources / "CT", sources / "MR", output, recipe=recipe)
        report = check(output, with_dciodvfy=dciodvfy.is_installed())
        errors = [str(problem) for problem in report.problems if problem.severity == "error"]
        assert errors == []
