"""Fuzz the readers with mutated small images: each is rejected or read correctly.

    python benchmarks/fuzz_dicom.py [--minutes 20] [--seed 1] [--out fuzz-findings]
    python benchmarks/fuzz_dicom.py --engine atheris
    python benchmarks/fuzz_dicom.py --replay fuzz-findings/finding-0123456789.bin

The files, the mutations and the rule are in tests/fuzz_kit.py; a short run is part of the tests.
The engine `random` mutates at random. `atheris` is guided by coverage of radfuse, pydicom and
nibabel (pip install atheris). Readers run in a process of their own, so that a crash, or more than
1 GiB, is a finding like another. Prints the number of runs by outcome, and the findings with their
files.
"""

import argparse
import collections
import faulthandler
import hashlib
import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

KIT = Path(__file__).parents[1] / "tests"
"""Folder of `fuzz_kit`, with the files and the rule."""

HANGING_S = 20
"""A reader that does not return is stopped; 5 s are a finding already."""

MEMORY_LIMIT_KIB = 1 << 20
"""Limit of the resident memory of a process that reads small files."""

ADDRESS_LIMIT_BYTES = 8 << 30
"""Limit of the address space of a process, to protect the machine."""

RUNS_PER_NOTE = 50
"""Runs between two updates of the counts."""

MAX_FILE_BYTES = 1 << 14
"""Largest mutated file."""

INSTRUMENTED = ["radfuse", "pydicom", "nibabel"]
"""Packages whose coverage guides atheris."""


class Worker:
    """Reads one mutated file after the other and counts the outcomes."""

    def __init__(self, kit: ModuleType, out: Path, name: str) -> None:
        self.kit, self.out = kit, out
        self.seeds = kit.seeds()
        self.counts: collections.Counter[str] = collections.Counter()
        self.notes = out / f"counts-{name}.json"
        self.current = out / f"current-{name}.bin"
        self.folder = Path(tempfile.mkdtemp(prefix="radfuse-fuzz-")) / "in"

    def run(self, data: bytes) -> None:
        """Read the file that the bytes encode: the number of its kind, then its content."""
        if not data:
            return
        seed = self.seeds[data[0] % len(self.seeds)]
        self.current.write_bytes(data)
        faulthandler.dump_traceback_later(HANGING_S, exit=True)
        try:
            label = self.kit.outcome(seed, data[1:], self.folder)
        except Exception as error:
            label = f"FINDING {_signature(error)}"
            _keep(self.out, data, label)
        faulthandler.cancel_dump_traceback_later()
        self.counts[label] += 1
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > MEMORY_LIMIT_KIB:
            _keep(self.out, data, "FINDING more than 1 GiB of memory")
            self.note()
            sys.exit(1)
        if self.counts.total() % RUNS_PER_NOTE == 0:
            self.note()

    def note(self) -> None:
        """Write the counts to a file that survives this process."""
        self.notes.write_text(json.dumps(self.counts))

    def mutated(self, data: bytes, rng: np.random.Generator) -> bytes:
        """The data with its file mutated."""
        seed = self.seeds[data[0] % len(self.seeds)]
        return data[:1] + bytes(self.kit.mutated(seed, data[1:], rng))[:MAX_FILE_BYTES]

    def corpus(self) -> list[bytes]:
        """The valid files, each after the number of its kind."""
        return [bytes([n]) + seed.files[seed.target] for n, seed in enumerate(self.seeds)]


def _signature(error: BaseException) -> str:
    """Error and source line: equal for all files that trigger the same bug."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__
    ]
    ours = [frame for frame in frames if "radfuse" in frame.filename] or frames
    where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
    message = " ".join(str(error).split())[:80]
    return f"{type(error).__name__} at {where}: {message}"


def _keep(out: Path, data: bytes, label: str) -> None:
    """Keep the first file of each finding."""
    name = f"finding-{hashlib.sha256(label.encode()).hexdigest()[:10]}"
    if not (out / f"{name}.bin").exists():
        (out / f"{name}.bin").write_bytes(data)
        (out / f"{name}.txt").write_text(label)


def fuzz_random(worker: Worker, seed: int, seconds: float) -> None:
    """Mutate the valid files at random."""
    rng, corpus, end = np.random.default_rng(seed), worker.corpus(), time.monotonic() + seconds
    while time.monotonic() < end:
        worker.run(worker.mutated(corpus[rng.integers(len(corpus))], rng))
    worker.note()


def fuzz_atheris(worker: Worker, seed: int, seconds: float) -> None:
    """Mutate further the files that reached new lines."""
    import atheris  # noqa: PLC0415, no dependency

    folder = Path(tempfile.mkdtemp(prefix="radfuse-corpus-"))
    for number, data in enumerate(worker.corpus()):
        (folder / f"{number}").write_bytes(data)

    def mutate(data: bytes, longest: int, chance: int) -> bytes:
        rng = np.random.default_rng(chance)
        if data and rng.random() < 0.7:
            return worker.mutated(data, rng)[:longest]
        return bytes(atheris.Mutate(data, longest))

    options = [f"-max_total_time={int(seconds)}", f"-seed={seed}", f"-max_len={MAX_FILE_BYTES}"]
    options += ["-rss_limit_mb=0", f"-timeout={2 * HANGING_S}", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *options, str(folder)], worker.run, custom_mutator=mutate)
    atheris.Fuzz()


def _kit(engine: str) -> ModuleType:
    sys.path.insert(0, str(KIT))
    if engine == "atheris":
        import atheris  # noqa: PLC0415

        with atheris.instrument_imports(include=INSTRUMENTED):
            return importlib.import_module("fuzz_kit")
    return importlib.import_module("fuzz_kit")


def work(engine: str, seed: int, seconds: float, out: Path) -> None:
    """Fuzz in this process, which a finding may end."""
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_LIMIT_BYTES, ADDRESS_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    worker = Worker(_kit(engine), out, str(seed))
    engines: dict[str, Callable[[Worker, int, float], None]] = {
        "random": fuzz_random, "atheris": fuzz_atheris
    }  # fmt: skip
    engines[engine](worker, seed, seconds)


def oversee(engine: str, seed: int, minutes: float, out: Path) -> None:
    """Start one process after the other until the time is over; keep the file that ended each."""
    out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * minutes
    while (left := end - time.monotonic()) > 1:
        command = [sys.executable, __file__, "--engine", engine, "--seed", str(seed)]
        command += ["--out", str(out), "--worker-seconds", str(left)]
        with (out / f"log-{seed}.txt").open("wb") as log:
            status = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
        current = out / f"current-{seed}.bin"
        if status and current.exists() and end - time.monotonic() > 1:
            _keep(out, current.read_bytes(), f"FINDING {_last_words(out / f'log-{seed}.txt')}")
        elif status:
            print((out / f"log-{seed}.txt").read_text(errors="replace")[-2000:])
            return
        current.unlink(missing_ok=True)
        seed += 1


def _last_words(log: Path) -> str:
    """Why and where a process ended, by its fault handler."""
    lines = log.read_text(errors="replace").splitlines()
    why = next((line for line in lines if line.startswith(("Fatal", "Timeout"))), "it ended")
    where = next((line.strip() for line in lines if line.startswith('  File "')), "")
    return f"{why.partition('(')[0]} {where.replace(str(Path(sys.prefix)), '')}"


def report(out: Path) -> None:
    """Print the counts of all processes, and the findings."""
    counts: collections.Counter[str] = collections.Counter()
    for notes in out.glob("counts-*.json"):
        counts.update(json.loads(notes.read_text()))
    print(f"| runs | of {counts.total()} end as |\n|---:|---|")
    for label, count in counts.most_common():
        print(f"| {count} | {label} |")
    for text in sorted(out.glob("finding-*.txt")):
        print(f"{text.with_suffix('.bin')}: {text.read_text()}")


def replay(path: Path) -> None:
    """Read one file again, with its whole traceback."""
    kit, data = _kit("random"), path.read_bytes()
    seeds = kit.seeds()
    seed = seeds[data[0] % len(seeds)]
    print(seed.name)
    print(kit.outcome(seed, data[1:], Path(tempfile.mkdtemp()) / "in"))


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=["random", "atheris"], default="random")
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--replay", type=Path)
    parser.add_argument("--worker-seconds", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.replay:
        replay(asked.replay)
    elif asked.worker_seconds:
        work(asked.engine, asked.seed, asked.worker_seconds, asked.out)
    else:
        oversee(asked.engine, asked.seed, asked.minutes, asked.out)
        report(asked.out)


if __name__ == "__main__":
    main()
