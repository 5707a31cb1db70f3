"""Which MR sequence a series is, and which one is fused."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import SimpleITK as sitk
from pydicom import Dataset

from radfuse.modality import MR
from radfuse.pipeline.study.sequences import MrSequence, best_mr, labels_of, mr_sequence
from radfuse.series import Series


def series(
    header: Mapping[str, object] | None = None, *, name: str = "mr", spacing_mm: float = 1.0
) -> Series:
    image = sitk.Image([4, 4, 4], sitk.sitkFloat32)
    image.SetSpacing([spacing_mm] * 3)
    headers = ()
    if header is not None:
        dataset = Dataset()
        for keyword, value in header.items():
            setattr(dataset, keyword, value)
        headers = (dataset,)
    return Series(image, MR, Path(name), headers=headers)


@pytest.mark.parametrize(
    ("description", "weighting", "is_enhanced"),
    [
        ("t1_mprage_sag_p2_iso", "T1", False),
        ("t1_mprage_sag_p2_iso_KM", "T1", True),
        ("Ax T1 BRAVO +C", "T1", True),
        ("3D T1 TFE post Gd", "T1", True),
        ("T1 pre contrast", "T1", False),
        ("T1 without contrast", "T1", False),
        ("t2_space_dark-fluid_sag", "FLAIR", False),
        ("Ax T2 FLAIR", "FLAIR", False),
        ("Ax T1 FLAIR", "T1", False),
        ("Ax T1 FLAIR +C", "T1", True),
        ("T1 diffuse", "T1", False),
        ("differences T1", "T1", False),
        ("Diffusion T2", "DWI", False),
        ("T2 TSE tra", "T2", False),
        ("ep2d_diff_3scan_trace", "DWI", False),
        ("localizer", "", False),
    ],
)
def test_a_description_names_the_sequence(
    description: str, weighting: str, is_enhanced: bool
) -> None:
    found = mr_sequence(series({"SeriesDescription": description}))
    assert found == MrSequence(weighting, is_enhanced)
    assert mr_sequence(series(name=f"{description}.nii.gz".replace("/", "_"))) == found


@pytest.mark.parametrize(
    ("echo", "repetition", "inversion", "weighting"),
    [(3, 8, None, "T1"), (15, 600, None, "T1"), (100, 4500, None, "T2"),
     (120, 9000, 2500, "FLAIR"), (20, 5000, None, ""), (None, 8, None, "")],
)  # fmt: skip
def test_times_name_the_sequence_without_words(
    echo: float | None, repetition: float, inversion: float | None, weighting: str
) -> None:
    header = {"EchoTime": echo, "RepetitionTime": repetition, "InversionTime": inversion}
    assert mr_sequence(series(header)).weighting == weighting


@pytest.mark.parametrize("agent", ["Gadovist", "DOTAREM 0.1 mmol/kg"])
def test_the_contrast_agent_of_the_header_counts(agent: str) -> None:
    header = {"SeriesDescription": "t1_mprage", "ContrastBolusAgent": agent}
    assert mr_sequence(series(header)).label == "T1_Gd"
    assert mr_sequence(series({**header, "ContrastBolusAgent": "NONE"})).label == "T1"


def test_t1_with_contrast_agent_is_fused() -> None:
    mrs = [series(name=name) for name in ("t2.nii", "t1.nii", "t1_gd.nii", "flair.nii")]
    index, why = best_mr(mrs)
    assert index == 2
    assert why.startswith("T1-weighted with contrast agent")


def test_of_equal_sequences_the_finest_is_fused() -> None:
    mrs = [series(name="t1_gd.nii", spacing_mm=size) for size in (2.0, 1.0, 1.0, 3.0)]
    assert best_mr(mrs)[0] == 1


def test_without_a_t1_the_reason_is_stated() -> None:
    assert best_mr([series(name="a.nii"), series(name="b.nii")])[0] == 0
    assert "no T1-weighted MR" in best_mr([series(name="a.nii")])[1]


def test_labels_are_unique_and_not_file_names() -> None:
    names = ("t1.nii", "t1.nii", "miller_anna.nii", "flair.nii", "miller.nii", "t1.nii")
    labels = labels_of([series(name=name) for name in names])
    assert labels == ["T1", "T1_2", "MR_3", "FLAIR", "MR_5", "T1_6"]
