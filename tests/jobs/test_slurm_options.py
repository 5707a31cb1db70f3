"""`--slurm`: options of sbatch, and what dask-jobqueue makes of them."""

from pathlib import Path

import pytest
from dask_jobqueue.slurm import SLURMJob

from radfuse.errors import InputError, PeerError
from radfuse.jobs.slurm import Slurm, _arguments, slurm_options


def script(text: str) -> str:
    """The job script for a value of `--slurm`."""
    arguments = _arguments(slurm_options(text))
    del arguments["scheduler_options"]
    made: str = SLURMJob("tcp://127.0.0.1:1", name="1", **arguments).job_script()
    return made


def test_options_of_sbatch_are_in_the_script() -> None:
    lines = script("partition=night,time=1-02:00:00,account=lab,cpus-per-task=4,mem=8G,qos=low")
    wanted = ("-p night", "-A lab", "-t 1-02:00:00", "--cpus-per-task=4", "--mem=8G", "--qos=low")
    assert [one for one in wanted if f"#SBATCH {one}\n" not in lines] == []
    assert "--nthreads 4" in lines


def test_defaults_leave_the_time_to_the_partition() -> None:
    lines = script("partition=night,mem=3000")
    assert "#SBATCH -t" not in lines
    assert "--cpus-per-task=2\n" in lines
    assert "--mem=3G\n" in lines  # dask-jobqueue rounds up


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no value"),
        ("partition", "'partition' has no value"),
        ("partition=a,cpus-per-task=0", "cpus-per-task=0"),
        ("partition=a,mem=much", "mem=much"),
    ],
)
def test_options_that_cannot_be_used_are_named(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        slurm_options(text)


def test_a_machine_without_slurm_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PeerError, match="no sbatch"), Slurm({}, 1).connected(tmp_path):
        pass
