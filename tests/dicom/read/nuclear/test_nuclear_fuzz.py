"""Corrupted PET and SPECT files are read or refused in one line, never with another error."""

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest

from dicom_kit import slices
from fuzz_kit import Seed, mutated
from nuclear_kit import counts, isotope, pet, spect, uptake
from radfuse.dicom.read.nuclear.standard_uptake import standard_uptake
from radfuse.errors import RadfuseError
from radfuse.modality import NM, PT, modality_named
from radfuse.pipeline.inspect import inspect
from radfuse.pipeline.read import read

ROUNDS = 20
"""Corrupted files of each modality."""

NESTED = {
    "RadiopharmaceuticalInformationSequence": (
        "RadionuclideTotalDose", "RadionuclideHalfLife", "RadiopharmaceuticalStartTime",
    ),
    "DetectorInformationSequence": ("ImagePositionPatient", "ImageOrientationPatient"),
}  # fmt: skip
"""Attributes of sequences that are read."""

ODD = ("", "0", "-1", "1e308", "-1e-308", "x", "1\\2", "0\\0\\0", "nan", "inf", "99999999", "2400")
"""Values of nested attributes."""


def seed(modality: str, folder: Path) -> Seed:
    if modality == PT.code:
        sequence = isotope(RadiopharmaceuticalStartTime="110000")
        pet(folder, uptake(count=3), RadiopharmaceuticalInformationSequence=sequence)
    else:
        spect(folder, counts())
    files = {path.name: path.read_bytes() for path in slices(folder)}
    return Seed(modality, modality, files, sorted(files)[-1])


def corrupt_nested(path: Path, rng: np.random.Generator) -> None:
    """Change an attribute in a sequence, where the file can still be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = pydicom.dcmread(path)
            for sequence, keywords in NESTED.items():
                for item in header.get(sequence) or ():
                    keyword = str(rng.choice(keywords))
                    value = str(rng.choice(ODD)).encode()
                    item[keyword]._value = value.decode()
            header.save_as(path)
        except Exception:  # pydicom raises errors of many types at a corrupted file
            return


@pytest.mark.parametrize("modality", [PT.code, NM.code])
def test_a_corrupted_file_is_refused_or_read(tmp_path: Path, modality: str) -> None:
    plain = seed(modality, tmp_path / "plain")
    rng = np.random.default_rng([*modality.encode()])
    folder = tmp_path / "in"
    outcomes = set()
    for index in range(ROUNDS):
        folder.mkdir(exist_ok=True)
        for name, content in plain.files.items():
            (folder / name).write_bytes(content)
        target = folder / plain.target
        if index % 3:
            target.write_bytes(mutated(plain, plain.files[plain.target], rng))
        if index % 2:
            corrupt_nested(target, rng)
        outcomes.add(outcome(folder, modality))
    assert len(outcomes) > 1


def outcome(folder: Path, modality: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read_all(folder, modality)
    except RadfuseError as error:
        return str(error)


def read_all(folder: Path, modality: str) -> str:
    inspect(folder)
    series = read(folder, modality_named(modality))
    if modality == PT.code:
        standard_uptake(series)
    return "read"
