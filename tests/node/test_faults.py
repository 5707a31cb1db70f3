"""What goes wrong around a node: nothing is lost, nothing is done twice, the reason is shown."""

import shutil
import subprocess
import time
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

import pydicom
import pytest

from node_kit import (
    RULES,
    Site,
    descriptions,
    patient_files,
    patients_settled,
    proxy_of,
    received,
    states,
    wait_until,
)
from radfuse.dicom.validate.dciodvfy import errors_of, is_installed
from radfuse.errors import InputError
from radfuse.jobs.job import JobState
from radfuse.node.state import MAX_PAUSE_S, FusionState, PatientState, is_due, pause_s

SERIES = 4
"""Of a result: fused, colour blend, MR on the CT, and the registration."""

DAY_S = 86400.0


def one_patient(phantom: Path, site: Site, number: int = 1, scan: str = "") -> list[Path]:
    return [
        path
        for several in patient_files(phantom, site.folder, number, scan=scan).values()
        for path in several
    ]


def delivered(site: Site, fusions: int = 1) -> bool:
    return states(site) == [FusionState.DELIVERED] * fusions


def test_a_clock_that_is_set_delays_nothing() -> None:
    now = 1e9
    for attempts in range(100):
        due = now + pause_s(attempts, 5.0)
        assert not is_due(due, now)
        assert is_due(due, due)
        assert is_due(due, now + DAY_S)
        assert is_due(due, now - DAY_S)
        assert due - now <= MAX_PAUSE_S


def test_two_patients_arrive_in_mixed_order(site: Site, phantom: Path) -> None:
    files = {number: one_patient(phantom, site, number) for number in (1, 2)}
    mixed = [path for both in zip(files[1], reversed(files[2]), strict=True) for path in both]
    halves = [mixed[0::2] + mixed[1:9:2], mixed[1::2]]  # some of them twice
    senders = [Thread(target=site.send, args=half) for half in halves]
    for sender in senders:
        sender.start()
    with site.node():
        for sender in senders:
            sender.join()
        wait_until(lambda: delivered(site, 2))
    patients = site.second.ask("/patients?expand")
    assert {one["MainDicomTags"]["PatientID"] for one in patients} == {"P0001", "P0002"}
    assert len(site.second.ask("/series")) == 2 * SERIES
    assert site.leftovers() == []


@pytest.mark.slow
def test_a_destination_may_be_down_for_a_while(site: Site, phantom: Path) -> None:
    site.add(*one_patient(phantom, site))
    site.second.program.kill()
    with site.node() as node:
        wait_until(lambda: any(one.reason for one in node.store.deliveries()))
        assert states(site) == [FusionState.STORED]
        site.first.program.kill()
        wait_until(lambda: "is it running?" in node.problem)
        site.first.program.start()
        site.second.program.start()
        wait_until(lambda: delivered(site))
        wait_until(lambda: not node.problem)
    assert len(site.second.ask("/series")) == SERIES


@pytest.mark.slow
def test_results_of_radfuse_are_never_fused_again(site: Site, phantom: Path) -> None:
    site.add(*one_patient(phantom, site))
    with site.node() as node:
        wait_until(lambda: delivered(site))
        for number, result in enumerate(received(site.second)):
            # another program has sent them back, under other names
            result.SeriesDescription = "CT head" if result.Modality == "CT" else "T1"
            result.SeriesInstanceUID += ".1"
            result.SOPInstanceUID += f".{number}"
            result.file_meta.MediaStorageSOPInstanceUID = result.SOPInstanceUID
            path = site.folder / f"{number}.dcm"
            result.save_as(path)
            site.add(path)
        wait_until(lambda: not node.store.patients([PatientState.ARRIVING]))
        wait_until(lambda: len(states(site)) == 1 or states(site)[-1] is FusionState.UNNEEDED)
        assert states(site).count(FusionState.DELIVERED) == 1
        patient = site.fusions()[0].patient
        node.force(patient, "operator")
        wait_until(lambda: states(site).count(FusionState.DELIVERED) == 2)
    assert len(site.second.ask("/series")) == SERIES


def test_a_failed_registration_is_refused(site: Site, phantom: Path) -> None:
    site.settings.rules.write_text(RULES.replace(", accept_registration = true", ""))
    site.add(*one_patient(phantom, site))
    count = site.first.count()
    with site.node():
        wait_until(lambda: states(site) == [FusionState.REFUSED])
    assert site.fusions()[0].reason
    assert site.first.count() == count
    assert site.leftovers() == []


@pytest.mark.slow
def test_a_damaged_file_is_refused_and_others_go_on(site: Site, phantom: Path) -> None:
    bad = patient_files(phantom, site.folder, 1)
    for path in bad["CT"]:
        header = pydicom.dcmread(path)
        header.PixelData = header.PixelData[:-1000]
        header.save_as(path)
    site.add(*bad["CT"], *bad["MR"])
    site.add(*one_patient(phantom, site, 2))
    with site.node():
        wait_until(lambda: set(states(site)) == {FusionState.REFUSED, FusionState.DELIVERED})
    (refused,) = (one for one in site.fusions() if one.state is FusionState.REFUSED)
    assert refused.reason
    assert str(site.folder) not in refused.reason
    assert site.leftovers() == []


@pytest.mark.slow
def test_a_forced_run_of_the_same_pair_adds_nothing(site: Site, phantom: Path) -> None:
    site.add(*one_patient(phantom, site))
    with site.node() as node:
        wait_until(lambda: delivered(site))
        before = site.first.count()
        node.force(site.fusions()[0].patient, "operator")
        wait_until(lambda: delivered(site, 2))
        node.run_again(1, "operator")
        wait_until(lambda: node.store.patients([PatientState.ARRIVING]) == [])
        wait_until(lambda: delivered(site, 2))
    assert site.first.count() == before
    assert len(site.second.ask("/series")) == SERIES
    assert site.leftovers() == []


@pytest.mark.slow
def test_a_cancelled_fusion_leaves_nothing(site: Site, phantom: Path) -> None:
    site.add(*one_patient(phantom, site))
    with site.node() as node:
        wait_until(lambda: node.jobs.counts()[JobState.RUNNING] == 1)
        node.cancel(1, "operator")
        with pytest.raises(InputError, match="fusion 1 is cancelled; reload the list"):
            node.cancel(1, "operator")
        wait_until(lambda: site.leftovers() == [])
        assert states(site) == [FusionState.CANCELLED]
        node.run_again(1, "operator")
        wait_until(lambda: delivered(site))
    assert len(site.second.ask("/series")) == SERIES


def test_a_suspended_node_plans_but_does_not_fuse(site: Site, phantom: Path) -> None:
    site.add(*one_patient(phantom, site))
    hour = timedelta(hours=1)
    now = datetime.now()
    closed = f"{now - 2 * hour:%H:%M}-{now - hour:%H:%M}"
    site.settings.rules.write_text(RULES + f'hours = "{closed}"\n')
    with site.ticked() as node:
        wait_until(lambda: patients_settled(node))
        node.tick()
        assert states(site) == [FusionState.PLANNED]  # its hours are over
        node.suspend("operator", suspended=True)
        site.settings.rules.write_text(RULES)
        node.tick()
        assert states(site) == [FusionState.PLANNED]
        assert node.problems() == ["suspended by an operator"]
        node.suspend("operator", suspended=False)
        node.tick()
        assert states(site) == [FusionState.QUEUED]


def test_little_space_is_shown_and_nothing_is_lost(site: Site, phantom: Path) -> None:
    site.add(*one_patient(phantom, site))
    with site.ticked(min_free_bytes=1 << 60) as node:
        wait_until(lambda: patients_settled(node))
        node.tick()
        assert states(site) == [FusionState.PLANNED]
        assert "min_free_bytes" in node.problems()[0]
    with site.ticked() as node:
        node.tick()
        assert states(site) == [FusionState.QUEUED]
        assert node.problems() == []


@pytest.mark.slow
def test_a_full_disk_is_shown_and_nothing_is_lost(site: Site, phantom: Path) -> None:
    data = site.settings.data
    data.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(data)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("not permitted to mount a small tmpfs: run as root")
    try:
        site.add(*one_patient(phantom, site))
        with site.node() as node:
            wait_until(lambda: len(states(site)) == 1)
            with suppress(OSError):  # less is free by now: the node writes, too
                (data / "ballast").write_bytes(bytes(shutil.disk_usage(data).free))
            wait_until(lambda: bool(node.problems()) or states(site) == [FusionState.FAILED])
            problems = [*node.problems(), site.fusions()[0].reason]
            assert "space" in " ".join(problems)
            (data / "ballast").unlink()
            subprocess.run(["mount", "-o", "remount,size=200m", str(data)], check=True)
            if states(site) == [FusionState.FAILED]:
                node.run_again(1, "operator")
            wait_until(lambda: delivered(site))
            wait_until(lambda: node.problems() == [])
        assert len(site.second.ask("/series")) == SERIES
    finally:
        subprocess.run(["umount", "-l", str(data)], check=True)


@pytest.mark.slow
def test_a_deleted_patient_gets_no_result(site: Site, phantom: Path) -> None:
    site.add(*one_patient(phantom, site))
    with site.ticked() as node:
        node.suspend("operator", suspended=True)
        wait_until(lambda: patients_settled(node))
    site.first.empty()
    with site.node() as node:  # deleted while it was planned
        node.suspend("operator", suspended=False)
        wait_until(lambda: states(site) == [FusionState.UNNEEDED])
        assert "does not apply any more" in site.fusions()[0].reason
        wait_until(lambda: not node.store.patients([PatientState.ARRIVING]))
        site.add(*one_patient(phantom, site))  # it is not lost when it arrives again
        wait_until(lambda: node.jobs.counts()[JobState.RUNNING] == 1)
        site.first.empty()
        wait_until(lambda: states(site) == [FusionState.UNNEEDED] * 2)
        assert "deleted from the Orthanc" in site.fusions()[1].reason
        wait_until(lambda: site.leftovers() == [])
    assert site.first.count() == site.second.count() == 0


@pytest.mark.slow
def test_a_result_lost_before_it_was_sent_is_made_again(site: Site, phantom: Path) -> None:
    files = one_patient(phantom, site)
    site.add(*files)
    site.second.program.kill()
    with site.node() as node:
        wait_until(lambda: states(site) == [FusionState.STORED])
        site.first.program.lose_data()
        site.add(*files)
        site.second.program.start()
        wait_until(lambda: FusionState.DELIVERED in states(site))
        wait_until(lambda: not node.store.patients([PatientState.ARRIVING]))
    assert len(site.second.ask("/series")) == SERIES


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [(500, b"{}"), (200, b"garbage")], ids=["status", "content"])
def test_wrong_answers_for_a_series_delay_only_it(
    site: Site, phantom: Path, wrong: tuple[int, bytes]
) -> None:
    site.add(*one_patient(phantom, site, 1), *one_patient(phantom, site, 2))
    bad = site.first.ask("/patients")[0]
    study = site.first.ask(f"/patients/{bad}/studies")[0]
    instance = site.first.ask(f"/series/{study['Series'][0]}")["Instances"][0]
    with proxy_of(site.first) as proxy:
        proxy.wrong = {f"/instances/{instance}/file": wrong}
        with site.node(orthanc=proxy.url):
            wait_until(lambda: FusionState.DELIVERED in states(site))
            assert {
                one.patient for one in site.fusions() if one.state is FusionState.DELIVERED
            } != {bad}
            proxy.wrong = {}
            wait_until(lambda: set(states(site)) <= {FusionState.DELIVERED, FusionState.REFUSED})


@pytest.mark.slow
def test_a_better_mr_makes_a_version_that_names_the_old(site: Site, phantom: Path) -> None:
    first = patient_files(phantom, site.folder, 1, StudyDate="20260102")
    later = patient_files(phantom, site.folder, 1, scan="b", StudyDate="20260101")
    for paths in first.values():
        for path in paths:
            header = pydicom.dcmread(path)
            header.StudyDate = "20260101" if header.Modality == "CT" else "20260102"
            header.save_as(path)
    site.add(*first["CT"])
    with site.node() as node:
        wait_until(lambda: bool(node.store.patients([PatientState.UNMATCHED])))
        site.add(*first["MR"])
        wait_until(lambda: delivered(site))
        old = {one.SeriesInstanceUID for one in received(site.second)}
        site.add(*later["MR"])
        wait_until(lambda: delivered(site, 2))
        assert [one.version for one in site.fusions()] == [1, 2]
    assert len(site.second.ask("/series")) == 2 * SERIES
    new = [one for one in received(site.second) if one.SeriesInstanceUID not in old]
    for one in new:
        named = {related.SeriesInstanceUID for related in one.RelatedSeriesSequence}
        assert named == old
    assert "RESEARCH, NOT FOR DOSE CALC" in " ".join(descriptions(site.second))
    if not is_installed():
        pytest.skip("no dciodvfy here: apt-get install dicom3tools")
    problems = set()
    for number, one in enumerate(received(site.second)):
        path = site.folder / f"received-{number}.dcm"
        one.save_as(path)
        problems |= set(errors_of(path))
    assert problems == set()


@pytest.mark.slow
def test_a_usual_patient_comes_back_within_30_s(site: Site, tmp_path: Path) -> None:
    from radfuse.phantom.dicom import write_phantom  # noqa: PLC0415
    from radfuse.phantom.head import make_phantom  # noqa: PLC0415

    write_phantom(make_phantom(1), tmp_path / "phantom")
    site.settings.rules.write_text("[[rules]]\nname = 'head'\ndestinations = ['SECOND']\n")
    files = patient_files(tmp_path / "phantom", tmp_path, 1)
    with site.node(quiet_s=1.0):
        site.add(*files["CT"], *files["MR"])
        wait_until(lambda: all(one["IsStable"] for one in site.first.ask("/series?expand")))
        began = time.monotonic()
        wait_until(lambda: delivered(site))
        seconds = time.monotonic() - began
    print(f"delivered {seconds:.1f} s after the last image became stable")  # noqa: T201
    assert seconds <= 30
