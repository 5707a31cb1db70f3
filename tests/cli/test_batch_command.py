"""`radfuse batch`: what it lists, and its exit status."""

import json
from pathlib import Path

import pytest
from cli_kit import refused_in_a_line, run

from radfuse.errors import DiskFullError
from radfuse.io.volumes import write_volume
from radfuse.phantom.head import Phantom


@pytest.fixture(scope="module")
def patients(coarse_phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("patients")
    write_volume(folder / "ct.nii.gz", coarse_phantom.ct.image)
    write_volume(folder / "mr.nii.gz", coarse_phantom.mr.image)
    table = folder / "patients.csv"
    table.write_text("id,ct,mr\n1,ct.nii.gz,mr.nii.gz\n2,ct.nii.gz,none.nii.gz\n")
    return table


def test_a_dry_run_lists_and_writes_nothing(patients: Path, tmp_path: Path) -> None:
    result = run("batch", patients, "-o", tmp_path / "out", "--dry-run")
    assert result.exit_code == 0
    assert "sub-1_space-CT_desc-signeddetail_fused.nii.gz" in result.stdout
    assert "sub-2: cannot run" in result.stdout
    facts = json.loads(run("batch", patients, "-o", tmp_path / "out", "--dry-run", "--json").stdout)
    assert [one["case"] for one in facts["jobs"]] == ["sub-1"]
    assert list(facts["incomplete"]) == ["sub-2"]
    assert not (tmp_path / "out").exists()


def test_the_exit_status_tells_refused_from_failed(patients: Path, tmp_path: Path) -> None:
    only = ("--participant-label", "2")
    refused = run("batch", patients, "-o", tmp_path / "refused", *only)
    assert refused.exit_code == 3
    again = run("batch", "-o", tmp_path / "refused", "--report-only")
    assert again.stdout.strip() == str(tmp_path / "refused" / "group.html")
    failed = run(
        "batch", patients, "-o", tmp_path / "out", "--time-limit", 1, "--method", "average",
        "--rerun", "all", "--workers", 2,
    )  # fmt: skip
    assert failed.exit_code in (3, 4), failed.output  # a fast machine needs less than a second
    counts = json.loads(run("batch", "-o", tmp_path / "out", "--status", "--json").stdout)
    assert counts["total"] == 2
    assert counts["done"] + counts["refused"] + counts["failed"] == 2
    only = ("--participant-label", "1", "--time-limit", 1, "--method", "average")
    of_one = run("batch", patients, "-o", tmp_path / "out", *only)
    assert of_one.exit_code == (0 if counts["done"] else 3 if counts["refused"] == 2 else 4)
    assert json.loads(run("batch", "-o", tmp_path / "out", "--status", "--json").stdout) == counts


def test_a_full_disk_loses_nothing(
    patients: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **_more: object) -> None:
        raise DiskFullError("no space left", tmp_path)

    monkeypatch.setattr("radfuse.cli.batch.run_batch", full)
    result = run("batch", patients, "-o", tmp_path / "out")
    assert result.exit_code == 4
    assert "no space left; nothing is lost: free some space" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--participant-label", "9"), "sub-9: not in INPUT"),
        (("--participant-label", "1,9"), "sub-9: not in INPUT"),
        (("--option", "x=1"), "x"),
        (("--outputs", "fused,colour"), "add --dicom"),
        (("--outputs", "mr"), "in NIfTI fused"),
        (("--dicom", "--outputs", "none"), "outputs"),
        (("--scheduler", "tcp://a:1", "--workers", "2"), "leave out --workers"),
        (("--scheduler", "tcp://a:1", "--slurm", "time=1"), "leave out --slurm"),
        (("--slurm", "time"), "'time' has no value"),
        (("--scheduler", "nonsense"), "is it running?"),
    ],
)
def test_wrong_options_are_refused(
    patients: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    refused_in_a_line(run("batch", patients, "-o", tmp_path / "out", *arguments), words)


@pytest.mark.parametrize("labels", ["1,2", "sub-1 2", "2,sub-1"])
def test_labels_are_as_of_bids_apps(patients: Path, tmp_path: Path, labels: str) -> None:
    for option in ("--participant-label", "--participant_label"):
        result = run("batch", patients, "-o", tmp_path / "out", "--dry-run", option, labels)
        assert [line.partition(":")[0] for line in result.stdout.splitlines()] == ["sub-1", "sub-2"]


def test_an_output_inside_the_input_is_refused(patients: Path) -> None:
    result = run("batch", patients.parent, "-o", patients.parent / "out")
    refused_in_a_line(result, "overlaps")


def test_a_status_without_a_batch_is_refused(tmp_path: Path) -> None:
    refused_in_a_line(run("batch", "-o", tmp_path / "out", "--status"), "no batch")
    refused_in_a_line(run("batch", "-o", tmp_path / "out", "--report-only"), "no batch")
    refused_in_a_line(run("batch", "-o", tmp_path / "out"), "give INPUT")
