"""Names of a BIDS derivative: of its entities, in its order, one for each image."""

import re
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radfuse.jobs.bids.names import (
    fused_path,
    mask_path,
    resampled_path,
    sheet_path,
    sidecar_of,
    transform_path,
)

LABELS = st.builds(
    lambda kind, enhanced, number: f"{kind}{enhanced}{number}",
    st.sampled_from(["T1", "T2", "FLAIR", "DWI", "MR", "PT", "NM"]),
    st.sampled_from(["", "_Gd"]),
    st.sampled_from(["", "_2", "_13"]),
)
"""Labels as `labels_of` makes them."""

NAME = re.compile(r"sub-[A-Za-z0-9]+(_[a-z]+-[A-Za-z0-9]+)*_[A-Za-z0-9]+\.(nii\.gz|tfm)")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("T1", "anat/sub-1_space-CT_desc-resampled_T1w.nii.gz"),
        ("T1_Gd", "anat/sub-1_ce-gadolinium_space-CT_desc-resampled_T1w.nii.gz"),
        ("T2_2", "anat/sub-1_run-2_space-CT_desc-resampled_T2w.nii.gz"),
        ("DWI", "anat/sub-1_acq-DWI_space-CT_desc-resampled_MR.nii.gz"),
        ("MR_3", "anat/sub-1_run-3_space-CT_desc-resampled_MR.nii.gz"),
        ("PT", "pet/sub-1_space-CT_desc-resampled_pet.nii.gz"),
    ],
)
def test_an_image_has_the_suffix_of_its_sequence(label: str, name: str) -> None:
    assert resampled_path("sub-1", label) == PurePosixPath("sub-1", name)


@given(first=LABELS, second=LABELS)
def test_each_label_has_its_own_names(first: str, second: str) -> None:
    for path_of in (resampled_path, transform_path):
        one, other = path_of("sub-1_ses-2", first), path_of("sub-1_ses-2", second)
        assert (one == other) == (first == second)
        assert NAME.fullmatch(one.name)
        assert one.name.startswith("sub-1_ses-2_")
        assert one.is_relative_to("sub-1/ses-2")


@given(method=st.text("abz059_.-/", max_size=20))
def test_any_method_makes_a_name(method: str) -> None:
    path = fused_path("sub-1", f"{method}x.onnx")
    assert NAME.fullmatch(path.name)
    assert path.parent == PurePosixPath("sub-1/anat")


def test_a_sidecar_has_the_name_of_its_image() -> None:
    assert sidecar_of(mask_path("sub-1")).name == "sub-1_space-CT_desc-fov_mask.json"
    assert sheet_path("sub-1_ses-2") == PurePosixPath("sub-1_ses-2.html")
