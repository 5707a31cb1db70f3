"""A SLURM of one node on loopback, started by the test: munged, slurmctld and slurmd."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from orthanc_kit import free_ports

PATH = f"{os.environ['PATH']}:/usr/sbin"
START_TIMEOUT_S = 60.0

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
SlurmUser=root
SlurmctldPort={controller}
SlurmdPort={daemon}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=9000 State=UNKNOWN
PartitionName={partition} Nodes={host} Default=YES MaxTime=INFINITE State=UP
SlurmdParameters=config_overrides
"""


@contextmanager
def running_slurm(
    folder: Path, partition: str = "main", cores: int = 2
) -> Iterator[dict[str, str]]:
    """The environment in which `sbatch` submits to a node with some cores, real or not."""
    if shutil.which("slurmctld", path=PATH) is None:
        pytest.skip("no SLURM here: apt-get install slurm-wlm")
    if os.geteuid() != 0:
        pytest.skip("SLURM is started by root only")
    configuration, environment = _configured(folder, partition, cores)
    socket_path, key = folder / "munge.sock", folder / "munge.key"
    with ExitStack() as stack:
        for command in (
            ["munged", "--foreground", "--force", f"--socket={socket_path}", f"--key-file={key}",
             f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log",
             f"--seed-file={folder}/seed"],
            ["slurmctld", "-D", "-c", "-f", str(configuration)],
            ["slurmd", "-D", "-f", str(configuration)],
        ):  # fmt: skip
            stack.enter_context(_running(command, environment, folder))
        _wait_for_the_node(environment, folder)
        yield environment


def _configured(folder: Path, partition: str, cores: int) -> tuple[Path, dict[str, str]]:
    """Write the configuration and the key; munged accepts neither in a folder of others."""
    controller, daemon = free_ports(2)
    host = socket.gethostname().partition(".")[0]
    folder.chmod(0o755)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    (folder / "munge.key").write_bytes(secrets.token_bytes(128))
    (folder / "munge.key").chmod(0o400)
    configuration = folder / "slurm.conf"
    text = CONFIGURATION.format(
        host=host, folder=folder, controller=controller, daemon=daemon, partition=partition,
        cores=cores,
    )  # fmt: skip
    configuration.write_text(text)
    return configuration, os.environ | {"PATH": PATH, "SLURM_CONF": str(configuration)}


@contextmanager
def _running(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[None]:
    with (folder / f"{command[0]}.out").open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            time.sleep(0.5)  # each needs the one before
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for_the_node(environment: dict[str, str], folder: Path) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        asked = subprocess.run(
            ["sinfo", "-h", "-o", "%T"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.stdout.strip() == "idle":
            return
        time.sleep(0.2)
    logs = "\n".join(path.read_text()[-1000:] for path in folder.glob("*.log"))
    pytest.skip(f"SLURM does not start here: {asked.stdout}{asked.stderr}\n{logs}")
