"""The output folder of a benchmark: locks, and files that are never deleted."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radfuse.benchmark.run.output_folder import PLAN
from radfuse.benchmark.run.plan import make_plan
from radfuse.benchmark.run.runner import run
from radfuse.benchmark.settings import (
    BenchmarkSettings,
    ExternalMethod,
    Volume,
    changed,
    read_benchmark_settings,
)
from radfuse.errors import InputError, OutputError, RadfuseError
from radfuse.io.lock import LOCK, locked_output


def silent(stage: str, share: float | None) -> None:
    """Report nothing."""


@pytest.fixture
def settings(tmp_path: Path) -> BenchmarkSettings:
    rng = np.random.default_rng(1)
    for kind in ("CT", "MRI"):
        (tmp_path / "pairs" / kind).mkdir(parents=True)
        levels = rng.integers(0, 256, (48, 48), np.uint8)
        Image.fromarray(levels).save(tmp_path / "pairs" / kind / "1001.png")
    return BenchmarkSettings(
        pairs=(tmp_path / "pairs",), methods=("average",), profiles=("mfinet2024",)
    )


@pytest.fixture
def done(settings: BenchmarkSettings, tmp_path: Path) -> Path:
    run(make_plan(settings, tmp_path / "out"), silent)
    return tmp_path / "out"


@pytest.mark.parametrize("wrong", [{"methods": ("averige",)}, {"pairs": (Path("nowhere"),)}])
def test_overwriting_deletes_nothing_before_all_is_found(
    settings: BenchmarkSettings, done: Path, wrong: dict
) -> None:
    before = {path: path.stat().st_mtime_ns for path in done.rglob("*")}
    with pytest.raises(InputError):
        make_plan(replace(settings, **wrong), done, overwrite=True)
    assert {path: path.stat().st_mtime_ns for path in done.rglob("*")} == before


def test_overwriting_takes_out_what_a_benchmark_left_and_no_more(
    settings: BenchmarkSettings, done: Path
) -> None:
    make_plan(settings, done, overwrite=True)
    assert {path.name for path in done.iterdir()} == {PLAN, LOCK}
    (done / "thesis.tex").write_text("irreplaceable")
    with pytest.raises(OutputError, match=r"thesis\.tex is no file of a benchmark; move it"):
        make_plan(settings, done, overwrite=True)
    assert (done / "thesis.tex").read_text() == "irreplaceable"


def test_a_strangers_plan_does_not_make_a_folder_ours(
    settings: BenchmarkSettings, tmp_path: Path
) -> None:
    (tmp_path / "tf").mkdir()
    (tmp_path / "tf" / PLAN).write_text('{"terraform": 1}')
    (tmp_path / "tf" / "state").write_text("precious")
    with pytest.raises(OutputError, match="state is no file of a benchmark"):
        make_plan(settings, tmp_path / "tf", overwrite=True)
    with pytest.raises(OutputError, match="damaged; pass --overwrite or another --output"):
        make_plan(settings, tmp_path / "tf")


def test_inputs_in_the_output_are_refused(
    settings: BenchmarkSettings, done: Path, tmp_path: Path
) -> None:
    (tmp_path / "pairs").rename(done / "pairs")
    inside = replace(settings, pairs=(done / "pairs",))
    with pytest.raises(InputError, match="pairs is inside the output"):
        make_plan(inside, done, overwrite=True)
    assert (done / "pairs/CT/1001.png").is_file()


def test_two_runs_in_one_folder_do_not_mix(settings: BenchmarkSettings, done: Path) -> None:
    with locked_output(done):
        for overwrite in (False, True):
            with pytest.raises(OutputError, match="in use by another run"):
                make_plan(settings, done, overwrite=overwrite)
    make_plan(settings, done)


def test_the_lock_of_a_killed_run_is_free(settings: BenchmarkSettings, done: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from radfuse.io.lock import locked_output\n"
        f"with locked_output(Path({str(done)!r})): print('in', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(OutputError):
            make_plan(settings, done)
        process.kill()
    make_plan(settings, done)


@pytest.mark.parametrize("text", ["", "[1]", '{"cases": [1]}', "\xff"])
def test_a_damaged_plan_is_named(settings: BenchmarkSettings, done: Path, text: str) -> None:
    (done / PLAN).write_bytes(text.encode("latin-1"))
    with pytest.raises(OutputError, match=r"plan\.json: damaged"):
        make_plan(settings, done)


@pytest.mark.parametrize("name", ["a\rb", "a\nb", ".hidden", "x" * 201, "bad\udcff", ""])
def test_a_name_that_makes_no_plain_file_is_refused(
    settings: BenchmarkSettings, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InputError, match="not a valid file name; rename it"):
        make_plan(replace(settings, external=(ExternalMethod(name, "maximum"),)), tmp_path / "out")


def test_a_case_called_like_a_draft_is_kept_apart(
    settings: BenchmarkSettings, tmp_path: Path
) -> None:
    for kind in ("CT", "MRI"):
        folder = tmp_path / "pairs" / kind
        (folder / "q.draft.png").write_bytes((folder / "1001.png").read_bytes())
        (folder / "q.png").write_bytes((folder / "1001.png").read_bytes())
    plan = make_plan(settings, tmp_path / "out")
    run(plan, silent)
    assert {case for _, _, case in plan.rows.finished_keys()} == {"1001", "q", "q.draft"}


def test_a_folder_of_fused_images_may_gain_and_mend_pictures(
    settings: BenchmarkSettings, done: Path, tmp_path: Path
) -> None:
    external = tmp_path / "external"
    external.mkdir()
    Image.new("L", (48, 48), 9).save(external / "other.png")
    with_external = replace(settings, external=(ExternalMethod("song", str(external)),))
    plan = make_plan(with_external, done)
    run(plan, silent)
    assert len(plan.failures.read()) == 1
    (external / "1001.png").write_bytes((tmp_path / "pairs/CT/1001.png").read_bytes())
    run(make_plan(with_external, done), silent)
    first = plan.rows.read().query("method == 'song'")["value"].tolist()
    (external / "1001.png").write_bytes((tmp_path / "pairs/MRI/1001.png").read_bytes())
    run(make_plan(with_external, done), silent)
    second = plan.rows.read().query("method == 'song'")["value"].tolist()
    assert len(first) == len(second) == 4
    assert first != second


@pytest.mark.parametrize("content", ["pickle", "several", "text"])
def test_an_array_that_is_none_is_a_failure_with_its_path(
    settings: BenchmarkSettings, tmp_path: Path, content: str
) -> None:
    external = tmp_path / "external"
    external.mkdir()
    with (external / "1001.npy").open("wb") as stream:
        if content == "pickle":
            np.save(stream, np.array([{}], object), allow_pickle=True)
        elif content == "several":
            np.savez(stream, a=np.zeros(3))
        else:
            stream.write(b"text")
    plan = make_plan(
        replace(settings, external=(ExternalMethod("song", str(external)),)), tmp_path / "out"
    )
    run(plan, silent)
    message = plan.failures.read()["message"].item()
    assert "1001.npy: " in message
    assert "again" in message or "alone" in message


@pytest.mark.parametrize(
    "card", ['{"patients_trained": "16"}', "[]", "{", '{"patients_validated": [16]}']
)
def test_a_card_that_is_none_is_refused(
    settings: BenchmarkSettings, tmp_path: Path, card: str
) -> None:
    (tmp_path / "net.onnx").write_bytes(b"")
    (tmp_path / "net.json").write_text(card)
    with pytest.raises(InputError, match=r"net\.json: not a model card"):
        make_plan(replace(settings, methods=(str(tmp_path / "net.onnx"),)), tmp_path / "out")


def test_a_worker_that_is_killed_ends_the_run_in_a_line(
    settings: BenchmarkSettings, tmp_path: Path
) -> None:
    many = replace(settings, methods=("average", "maximum", "dwt", "laplacian"))
    many = replace(many, profiles=("tang", "liu2012", "radfuse1"))
    plan = make_plan(many, tmp_path / "out")

    def kill_workers(stage: str, share: float | None) -> None:
        if stage == "measuring":
            subprocess.run(["pkill", "-9", "-P", str(os.getpid()), "-f", "spawn_main"], check=False)

    with pytest.raises(RadfuseError, match=r"a measuring process was killed.*same command resumes"):
        run(plan, kill_workers, single_process_s=0)
    run(plan, silent)
    assert len(plan.rows.finished_keys()) == 4 * 3


BUSY = """
import sys
from pathlib import Path
from radfuse.benchmark.run.plan import make_plan
from radfuse.benchmark.run.runner import run
from radfuse.benchmark.settings import BenchmarkSettings
pairs, out = map(Path, sys.argv[1:])
methods = ("average", "maximum", "copy_ct", "copy_mr", "dwt", "laplacian")
settings = BenchmarkSettings(pairs=(pairs,), methods=methods, profiles=("tang", "liu2012"))
run(make_plan(settings, out), lambda *_: None, single_process_s=0)
"""
"""A run whose workers have something to do."""


def test_workers_end_with_a_run_that_is_killed(settings: BenchmarkSettings, tmp_path: Path) -> None:
    words = [sys.executable, "-c", BUSY, str(settings.pairs[0]), str(tmp_path / "out")]
    process = subprocess.Popen(words)
    children: list[str] = []
    deadline = time.monotonic() + 60
    while not children and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
        listed = subprocess.run(
            ["pgrep", "-P", str(process.pid), "-f", "spawn_main"],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        children = listed.stdout.split()
    assert children
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(_is_alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not any(_is_alive(child) for child in children)


def _is_alive(pid: str) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_changed_settings_are_checked_and_drop_former_cases() -> None:
    former = BenchmarkSettings(
        pairs=(Path("a"),), patients=("1",), shown_cases=("1001",), phantoms=(3,)
    )
    later = changed(former, pairs=(Path("b"),))
    assert (later.pairs, later.patients, later.shown_cases, later.phantoms) == (
        (Path("b"),),
        (),
        None,
        (),
    )
    with pytest.raises(InputError, match=r"options: phantoms\.0: .*\(got -1\)"):
        changed(former, phantoms=(-1,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = -1", "seed: Input should be greater"),
        ('[[external]]\nname = "a"\nuse = "b"\nsumary = "c"', "external.0.sumary: Unexpected"),
        ('[[volumes]]\nname = "a"\nct = "b"\nmr = "c"\nmrr = "d"', "volumes.0.mrr: Unexpected"),
    ],
)
def test_a_slip_in_a_file_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(InputError) as caught:
        read_benchmark_settings(tmp_path / "mine.toml")
    assert message in str(caught.value)


def test_a_file_of_volumes_says_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[volumes]]\nname = "a"\nct = "b"\nmr = "c"\n')
    assert read_benchmark_settings(tmp_path / "mine.toml").volumes == (
        Volume("a", tmp_path / "b", tmp_path / "c"),
    )


def test_a_plan_that_grew_keeps_what_it_began_with(settings: BenchmarkSettings, done: Path) -> None:
    make_plan(replace(settings, methods=("maximum",)), done)
    assert set(json.loads((done / PLAN).read_text())["methods"]) == {"average", "maximum"}
