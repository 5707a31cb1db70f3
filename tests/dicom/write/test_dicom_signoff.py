"""Sign-off of DICOM objects: the review state in their comments is replaced."""

from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest

from dicom_kit import change_all, put, write
from radfuse.dicom.write.signoff import review_comment, sign_series
from radfuse.errors import InputError
from radfuse.record import NOTICE, Signoff
from radfuse.verdict import Verdict

ACCEPTED = Signoff(state="accepted", name="A. Physicist", time=datetime(2026, 3, 4, tzinfo=UTC))
OLD_COMMENT = f"Registration abc unreviewed; its quality is above the threshold of trust. {NOTICE}"


COMMENTS = [
    review_comment("abc", Verdict("pass", 1.2)),
    review_comment("abc", Verdict("inspect", 2.7)),
    OLD_COMMENT,
]


@pytest.mark.parametrize("comment", COMMENTS)
def test_review_in_current_and_older_comments_is_replaced(comment: str, tmp_path: Path) -> None:
    change_all(write(tmp_path / "unsigned"), put("ImageComments", comment))
    sign_series(tmp_path / "unsigned", tmp_path / "signed", ACCEPTED)
    for path in (tmp_path / "signed").iterdir():
        signed = pydicom.dcmread(path).ImageComments
        assert signed.startswith("Registration abc accepted by A. Physicist, 2026-03-04")
        assert signed.endswith(comment.partition("unreviewed")[2])


def test_comment_without_review_is_refused(tmp_path: Path) -> None:
    change_all(write(tmp_path / "other"), put("ImageComments", "a comment"))
    with pytest.raises(InputError, match=r"0001\.dcm: damaged; run the fusion again"):
        sign_series(tmp_path / "other", tmp_path / "signed", ACCEPTED)


def test_form_too_long_for_an_attribute_is_in_the_record(tmp_path: Path) -> None:
    def describe(header: pydicom.Dataset) -> None:
        item = pydicom.Dataset()
        item.ContributionDescription = review_comment("abc", Verdict("pass", 1.2))
        header.ContributingEquipmentSequence = [item]

    change_all(write(tmp_path / "unsigned"), describe)
    for path in (tmp_path / "unsigned").iterdir():
        header = pydicom.dcmread(path)
        assert "ImageComments" not in header
    long = ACCEPTED.model_copy(update={"comment": "x" * 900, "grade": 2})
    sign_series(tmp_path / "unsigned", tmp_path / "signed", long)
    for path in (tmp_path / "signed").iterdir():
        text = pydicom.dcmread(path).ContributingEquipmentSequence[0].ContributionDescription
        assert "accepted by A. Physicist, 2026-03-04 00:00 UTC; the record has" in text
        assert len(text) <= 1024
