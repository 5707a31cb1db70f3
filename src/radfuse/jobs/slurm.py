"""Dask workers as SLURM jobs, started and ended by dask-jobqueue."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radfuse.errors import InputError, PeerError
from radfuse.io.staging import PREFIX
from radfuse.jobs.cluster import imported

if TYPE_CHECKING:
    from distributed import Client

DEFAULTS = {"cpus-per-task": "2", "mem": "4G"}
"""Of each SLURM job, which fuses one patient at a time."""

INTERFACE = "interface"
"""The one option that is not of sbatch: the network interface by which workers reach this
machine."""

MEMORY = re.compile(r"(\d+)([KMGT]?)", re.IGNORECASE)
"""As sbatch reads it: a number of MiB, or with the suffix of another unit."""

SUBMIT_TIMEOUT_S = 60.0

LOG_FOLDER = "slurm"
"""In the output folder: what the SLURM jobs print."""


def slurm_options(text: str) -> dict[str, str]:
    """Options of sbatch, with our defaults, from `partition=short,time=02:00:00`.

    Raises `InputError` for what is not `name=value`, and for numbers that cannot be used.
    """
    parts = [part.partition("=") for part in text.split(",")]
    if wrong := [name for name, _, value in parts if not (name.strip() and value.strip())]:
        raise InputError(f"--slurm {text}: {wrong[0]!r} has no value; give partition=NAME,time=T")
    options = DEFAULTS | {name.strip().lstrip("-"): value.strip() for name, _, value in parts}
    if not options["cpus-per-task"].isdigit() or options["cpus-per-task"] == "0":
        raise InputError(f"--slurm: cpus-per-task={options['cpus-per-task']}: give a number")
    if not MEMORY.fullmatch(options["mem"]):
        raise InputError(f"--slurm: mem={options['mem']}: give MiB, or a suffix as in 4G")
    return options


@dataclass(frozen=True)
class Slurm:
    """A cluster with SLURM, of which this machine may submit jobs."""

    options: Mapping[str, str]
    """Of `slurm_options`."""
    jobs: int
    """SLURM jobs at a time; each runs one job of ours after the other."""

    @contextmanager
    def connected(self, output: Path) -> Iterator["Client"]:
        """A client of a Dask cluster, whose SLURM jobs end with it.

        Its connections are encrypted and authenticated by certificates of this run. Raises
        `PeerError` where SLURM does not accept the jobs.
        """
        distributed, dask_jobqueue = imported("distributed"), imported("dask_jobqueue")
        if shutil.which("sbatch") is None:
            raise PeerError("--slurm: no sbatch here; run on a machine that can submit jobs")
        with (
            tempfile.TemporaryDirectory(prefix=PREFIX, dir=output) as certificates,
            dask_jobqueue.SLURMCluster(
                **_arguments(self.options), log_directory=str(output.resolve() / LOG_FOLDER),
                security=_certified(Path(certificates).resolve()),
            ) as cluster,
            distributed.Client(cluster) as client,
        ):  # fmt: skip
            _check_submission(cluster.job_script())
            cluster.adapt(minimum_jobs=self.jobs, maximum_jobs=self.jobs)
            yield client


def _arguments(options: Mapping[str, str]) -> dict[str, Any]:
    """Arguments of `SLURMCluster` for options of sbatch."""
    number, unit = re.findall(MEMORY, options["mem"])[0]
    arguments = {
        "cores": int(options["cpus-per-task"]),
        "memory": f"{number}{unit.upper() or 'M'}iB",
        "processes": 1,
        "queue": options.get("partition"),
        "account": options.get("account"),
        "walltime": options.get("time"),
        "interface": options.get(INTERFACE),
        "job_name": "radfuse",
        "python": sys.executable,
        "scheduler_options": {"dashboard_address": None},
        "worker_extra_args": ["--no-dashboard"],
        "job_directives_skip": [] if "time" in options else ["#SBATCH -t "],
    }
    known = {*DEFAULTS, "partition", "account", "time", INTERFACE}
    further = [f"--{name}={value}" for name, value in options.items() if name not in known]
    return arguments | {"job_extra_directives": further}


def _certified(folder: Path) -> Any:
    """Encrypt and authenticate connections by a certificate of this run, which workers read."""
    security = imported("distributed").Security
    texts = security.temporary().get_tls_config_for_role("worker")
    files = {name: folder / name for name in ("ca_file", "cert", "key")}
    for name, path in files.items():
        path.touch(mode=0o600)
        path.write_text(texts[name])
    shared = {
        f"tls_{role}_{name}": str(files[name])
        for role in ("client", "scheduler", "worker")
        for name in ("cert", "key")
    }
    return security(tls_ca_file=str(files["ca_file"]), require_encryption=True, **shared)


def _check_submission(script: str) -> None:
    """Let SLURM check a job without running it; its error is ours."""
    try:
        checked = subprocess.run(
            ["sbatch", "--test-only"],  # noqa: S607  # SLURM may be installed anywhere
            input=script, capture_output=True, text=True, timeout=SUBMIT_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise PeerError(f"--slurm: no answer in {SUBMIT_TIMEOUT_S:g} s; is SLURM up?") from error
    if checked.returncode:
        reason = " ".join(checked.stderr.split()) or f"sbatch ended with {checked.returncode}"
        raise PeerError(f"--slurm: {reason}")
