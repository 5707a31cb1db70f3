"""Downloads of a result: DICOM, NIfTI, QA sheet and transform of one run."""

import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from service_kit import Site, refused

from radfuse.errors import InputError
from radfuse.record import read_record
from radfuse.registration.transforms import matrix_of, read_transform
from radfuse.service.delivery import pdf
from radfuse.service.delivery.run_files import pinned_series
from radfuse.service.stores.studies import Studies, Study

TRANSFORM = "from-MR_to-CT_mode-image_xfm.tfm"


def download(site: Site, study: str, name: str, **query: str) -> Any:
    address = f"/api/v1/studies/{study}/results/{name}".rstrip("/")
    return site.client.get(address, params=query)


def attached(answer: Any) -> str:
    assert answer.status_code == 200, answer.text
    kind, _, name = answer.headers["content-disposition"].partition("; filename=")
    assert kind == "attachment"
    assert int(answer.headers["content-length"]) == len(answer.content)
    return str(name.strip('"'))


def test_dicom_zip_has_a_folder_for_each_series(site: Site, done: str) -> None:
    answer, run = download(site, done, "dicom.zip"), site.run_of(done)
    method = site.study(done)["outcome"]["method"]
    assert attached(answer) == f"radfuse-{method}-{run.name[:8]}-dicom.zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        first = pydicom.dcmread(io.BytesIO(archive.read(names[0])))
    written = {f"{path.parent.name}/{path.name}" for path in (run / "result").rglob("*.dcm")}
    assert set(names) == written
    assert {name.split("/")[0] for name in names} == {f"FUSED_{method}"}
    assert first.Modality == "MR"


def test_nifti_zip_is_on_the_grid_of_the_ct(site: Site, done: str, tmp_path: Path) -> None:
    answer, record = download(site, done, "nifti.zip"), site.run_of(done) / "result/record.json"
    assert attached(answer).endswith("-nifti.zip")
    zipfile.ZipFile(io.BytesIO(answer.content)).extractall(tmp_path)
    method = site.study(done)["outcome"]["method"]
    fused_name, mr_name = (
        f"space-CT_desc-{method}_fused.nii.gz",
        "space-CT_desc-resampled_MR.nii.gz",
    )
    assert {path.name for path in tmp_path.iterdir()} == {
        fused_name, mr_name, TRANSFORM, "record.json",
    }  # fmt: skip
    fused, mr = (sitk.ReadImage(str(tmp_path / name)) for name in (fused_name, mr_name))
    source = read_record(record).inputs[0]
    assert fused.GetSize() == mr.GetSize() == source.size
    np.testing.assert_allclose(fused.GetSpacing(), source.spacing_mm, rtol=1e-5)
    stored = site.volume(done, "fused")
    np.testing.assert_array_equal(np.sort(sitk.GetArrayFromImage(fused).ravel()),
                                  np.sort(stored.ravel()))  # fmt: skip
    inside = sitk.GetArrayFromImage(mr)[sitk.GetArrayFromImage(fused) > 1000]
    assert (inside > 0).mean() > 0.5
    transform = matrix_of(read_transform(tmp_path / TRANSFORM))
    np.testing.assert_allclose(transform, site.view(done)["mr_from_ct"], atol=1e-9)
    assert json.loads((tmp_path / "record.json").read_bytes())["recipe"]["method"] == method


def test_transform_and_sheet_are_those_of_the_run(site: Site, done: str, tmp_path: Path) -> None:
    answer = download(site, done, "transform.tfm")
    assert attached(answer) == TRANSFORM
    path = tmp_path / "given.tfm"
    path.write_bytes(answer.content)
    np.testing.assert_allclose(matrix_of(read_transform(path)), site.view(done)["mr_from_ct"])
    sheet = download(site, done, "sheet.html")
    assert attached(sheet).endswith("-qa.html")
    assert sheet.content == (site.run_of(done) / "result/qa.html").read_bytes()


def test_files_of_another_run_and_of_none_are_refused(site: Site, done: str, prepared: str) -> None:
    for name in ("", "dicom.zip", "nifti.zip", "sheet.pdf", "sheet.html", "transform.tfm"):
        refused(download(site, done, name, run="0" * 16), 409, "another result now")
        refused(download(site, prepared, name), 404, "fuse first")


def test_series_are_listed(site: Site, done: str) -> None:
    listed = download(site, done, "").json()
    assert listed["run"] == site.study(done)["current"]
    (series,) = listed["series"]
    assert series["role"] == "fused"
    assert series["objects"] == len(list((site.run_of(done) / "result" / series["name"]).iterdir()))
    assert listed["dicom_problem"] == ""


def test_pinned_series_stay_when_their_run_is_removed(copied: tuple[Studies, Study]) -> None:
    studies, study = copied
    folder = studies.folder_of(study.id)
    name = next(path.name for path in (folder / "results").glob("*/result/FUSED_*"))
    other = pinned_series(folder, study.current, ["OTHER"])
    with pytest.raises(InputError, match="no series 'OTHER'; the series are FUSED_"):
        other.__enter__()
    with pinned_series(folder, study.current, [name]) as (pinned,):
        count = len(list(pinned.iterdir()))
        shutil.rmtree(folder / "results")
        assert count == len(list(map(pydicom.dcmread, pinned.iterdir()))) > 0
    assert not pinned.exists()


def test_without_a_browser_the_pdf_says_what_to_do(
    site: Site, done: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf.shutil, "which", lambda _: None)
    refused(
        download(site, done, "sheet.pdf"), 400, "has no Chromium or Chrome to write a PDF; open"
    )
    assert download(site, done, "").json()["pdf_problem"] == pdf.NO_BROWSER


WRONG = 'for a; do case $a in --print-to-pdf=*) echo no PDF > "${a#*=}";; esac; done'


@pytest.mark.parametrize("script", ["exit 1", WRONG])
def test_browser_that_does_not_print_is_reported(
    site: Site, done: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    program = tmp_path / "chromium"
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o700)
    monkeypatch.setattr(pdf, "find_browser", lambda: str(program))
    refused(download(site, done, "sheet.pdf"), 400, "did not print")


@pytest.mark.slow
@pytest.mark.skipif(pdf.find_browser() is None, reason="no Chromium: apt-get install chromium")
def test_qa_sheet_is_printed_as_pdf(site: Site, done: str) -> None:
    answer = download(site, done, "sheet.pdf")
    assert attached(answer).endswith("-qa.pdf")
    assert answer.content.startswith(b"%PDF-")
    assert answer.headers["content-type"] == "application/pdf"
