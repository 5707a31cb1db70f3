"""What is signed: one run, with the form of the QA sheet, by one or two persons."""

import json
import shutil
from pathlib import Path
from typing import Any

import pydicom
import pytest
from service_kit import Site, refused

from radfuse.errors import InputError
from radfuse.io.staging import staging
from radfuse.pipeline.qa.form import CHECKS, GRADES
from radfuse.record import Signature, Signoff, now, read_record
from radfuse.service.stores.results import RESULT, RUNS, read_outcome, run_folder, store_run
from radfuse.service.stores.studies import OtherResultError, Studies, Study

OTHER = "has another result now than the reviewed one"


def with_window(studies: Studies, study: Study, window: tuple[float, float]) -> str:
    """Show a run whose outcome is that of the current one to the second, of another CT window."""
    folder = studies.folder_of(study.id)
    with staging(folder / RUNS) as stage:
        run = shutil.copytree(run_folder(folder, study.current), stage.folder / "run")
        path = run / RESULT / "record.json"
        record = read_record(path)
        recipe = record.recipe.model_copy(update={"window": window})
        changed = record.model_copy(update={"recipe": recipe, "signoff": None})
        path.write_text(changed.model_dump_json())
        name = store_run(stage, run, changed)
    studies.finish_job(study.id, "failed", "", run=name)
    return name


def test_runs_of_one_second_differ_by_their_id(
    copied: tuple[Studies, Study], signoff: Signoff
) -> None:
    studies, study = copied
    first = with_window(studies, study, (80.0, 40.0))
    outcome = studies.get(study.id).outcome
    second = with_window(studies, study.model_copy(update={"current": first}), (400.0, 40.0))
    assert first != second
    assert studies.get(study.id).outcome == outcome
    for use in (
        lambda: studies.sign(study.id, first, signoff),
        lambda: studies.view(study.id, first),
        lambda: studies.volume(study.id, "fused", first),
        lambda: studies.qa_sheet(study.id, first),
    ):
        with pytest.raises(OtherResultError, match=OTHER):
            use()
    signed = studies.sign(study.id, second, signoff)
    record = read_record(
        run_folder(studies.folder_of(study.id), signed.current) / "result/record.json"
    )
    assert record.recipe.window == (400.0, 40.0)


def test_files_of_a_run_are_refused_after_another_is_shown(site: Site, done: str) -> None:
    before = site.study(done)["current"]
    assert site.sign(done, "accepted").status_code == 200
    address = f"/api/v1/studies/{done}"
    for path in ("qa.html", "view", "volumes/fused.nii"):
        refused(site.client.get(f"{address}/{path}", params={"run": before}), 409, OTHER)
        run = {"run": site.study(done)["current"]}
        assert site.client.get(f"{address}/{path}", params=run).status_code == 200


def put(site: Site, study: str, where: str = "signoff", **given: Any) -> Any:
    body = {"run": site.study(study)["current"], **given}
    return site.client.put(f"/api/v1/studies/{study}/{where}", json=body)


def test_form_is_that_of_the_qa_sheet(site: Site) -> None:
    form = site.client.get("/api/v1/signoff-form").json()
    assert [one["name"] for one in form["checks"]] == list(CHECKS)
    assert len(form["checks"]) == 11
    assert [one["name"] for one in form["grades"]] == [name for name, _ in GRADES]
    assert form["answers"] == ["yes", "no", "not checked"]


def test_form_and_both_names_are_in_all_parts(site: Site, done: str) -> None:
    checks = dict.fromkeys(CHECKS, "yes") | {"Eyes": "no"}
    form = {"grade": 1, "checks": checks, "region": "GTVp, 2 cm", "comment": "globes moved"}
    answer = put(site, done, state="accepted", name="A. Physicist", **form)
    assert answer.status_code == 200, answer.text
    uid = instance(site, done).SOPInstanceUID
    refused(put(site, done, "signoff/second", name=" a.  PHYSICIST"), 400, "signed first")
    answer = put(site, done, "signoff/second", name="B. Oncologist")
    assert answer.status_code == 200, answer.text
    signed = answer.json()["signoff"]
    assert {name: signed[name] for name in form} == form
    assert signed["second"]["name"] == "B. Oncologist"
    assert {one["is_authenticated"] for one in (signed, signed["second"])} == {False}
    record = json.loads((site.run_of(done) / "result/record.json").read_bytes())
    assert record["signoff"] == signed
    comment = instance(site, done).ImageComments
    for text in ("accepted by A. Physicist", "confirmed by B. Oncologist", "TG-132 grade 1",
                 "region: GTVp, 2 cm", "no: Eyes", "comment: globes moved"):  # fmt: skip
        assert text in comment
    assert instance(site, done).SOPInstanceUID != uid
    sheet = site.client.get(f"/api/v1/studies/{done}/qa.html").text
    for text in ("A. Physicist", "B. Oncologist", "GTVp, 2 cm", "globes moved"):
        assert f"<span>{text}</span>" in sheet
    worst: dict[str, Any] = {"grade": 4, "checks": {"Skull": "no"}}  # no comment is needed
    again = put(site, done, state="rejected", name="C", **worst).json()["signoff"]
    assert (again["state"], again["name"], again["second"]) == ("rejected", "C", None)


def instance(site: Site, study: str) -> pydicom.Dataset:
    path: Path = min((site.run_of(study) / "result").rglob("*.dcm"))
    return pydicom.dcmread(path)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"grade": 4}, "grade 4 is not acceptable"),
        ({"grade": 5}, "less than 5"),
        ({"checks": {"Skull": "no"}}, "Skull answered with no: state in the comment why"),
        ({"checks": {"Teeth": "yes"}}, "no check 'Teeth'"),
        ({"checks": {"Skull": "perhaps"}}, "'yes', 'no' or 'not checked'"),
        ({"comment": "x" * 401}, "at most 400"),
        ({"region": "a\u2028b"}, "unprintable"),
    ],
)
def test_contradicting_form_is_refused(
    site: Site, done: str, form: dict[str, Any], words: str
) -> None:
    before = site.study(done)
    refused(put(site, done, state="accepted", name="A", **form), 422, words)
    assert site.study(done) == before


def test_second_signature_needs_a_first(copied: tuple[Studies, Study]) -> None:
    studies, study = copied
    run = with_window(studies, study, (80.0, 40.0))
    second = Signature(name="B", time=now())
    with pytest.raises(InputError, match="no sign-off to confirm"):
        studies.confirm(study.id, run, second)
    with pytest.raises(OtherResultError, match=OTHER):
        studies.confirm(study.id, "0" * 16, second)
    outcome, signoff = read_outcome(run_folder(studies.folder_of(study.id), run))
    assert outcome is not None
    assert signoff is None
