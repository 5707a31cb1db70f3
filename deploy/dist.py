"""Build the distributions of radfuse and radfuse-weights twice, check and try them: `make dist`.

`python deploy/dist.py OUTPUT` in an environment with the extra `dist`. Both builds must have the
same bytes; the second is made from a copy in another folder. The metadata and the contents of the
wheels are checked, CITATION.cff is validated, and each Python of `PYTHONS` that is found runs the
demo in an empty environment with nothing but the wheels.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""Tried where they are found, by name, in pyenv, or in the variable RADFUSE_PYTHONS."""

MAX_WHEEL_BYTES = 12_000_000
"""Of radfuse without radfuse-weights."""

EPOCH = "1767225600"
"""Time of all files in a distribution, 2026-01-01, where git has no commit to ask."""

CFFCONVERT = "cffconvert==2.0.0"
"""Validates CITATION.cff; in an environment of its own, for it needs an old jsonschema."""


@dataclass(frozen=True)
class Trial:
    """What one Python did with the wheels in an empty environment."""

    python: str
    install_s: float
    demo_s: float
    base_mb: float
    """Size of the environment after the installation of radfuse, 10^6 bytes of its files."""

    largest: tuple[tuple[str, float], ...]
    """The largest folders of site-packages, MB."""


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Standard output of a program; exits with what it printed where it fails."""
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


alone = partial(run, PYTHONPATH="")
"""The same in another environment, without packages of this one."""


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def build(source: Path, output: Path) -> None:
    """The sdist and the wheel of both packages; the wheels are built from the sdists."""
    for project in (source, source / "weights"):
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", output, project,
            SOURCE_DATE_EPOCH=commit_time())  # fmt: skip


def commit_time() -> str:
    """Seconds of the commit that is built, or of `SOURCE_DATE_EPOCH`."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    command = ["git", "log", "-1", "--format=%ct"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return given or done.stdout.strip() or EPOCH


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file, by its name."""
    files = sorted(one for one in folder.iterdir() if one.suffix in (".whl", ".gz"))
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in files}


def copied(target: Path) -> Path:
    """A copy of what git tracks, or of the folder without its caches."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        return Path(shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(".*", "dist")))
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, path)
    return target


def check(output: Path) -> None:
    """Exit where metadata, the contents or the size of a distribution are wrong."""
    files = [str(output / name) for name in digests(output)]
    wheels = [one for one in files if one.endswith(".whl")]
    run(sys.executable, "-m", "twine", "check", "--strict", *files)
    run(sys.executable, "-m", "check_wheel_contents", *wheels)
    for sdist in (one for one in files if one.endswith(".gz")):
        if broken := re.findall(r"\]\((?!https?:|#)[^)]*\)", description(Path(sdist))):
            sys.exit(f"{sdist} has links that a package index does not have: {broken}")
    [base] = (Path(one) for one in wheels if "radfuse_weights" not in one)
    if base.stat().st_size > MAX_WHEEL_BYTES:
        sys.exit(f"{base.name} has {base.stat().st_size} bytes, more than {MAX_WHEEL_BYTES}")


def description(sdist: Path) -> str:
    """The metadata of an sdist, with the README in it."""
    with tarfile.open(sdist) as archive:
        member = archive.extractfile(f"{sdist.name.removesuffix('.tar.gz')}/PKG-INFO")
        return member.read().decode() if member else ""


def validate_citation(folder: Path) -> None:
    """Exit where CITATION.cff is not valid."""
    python = environment(Path(sys.executable), folder)
    alone(python, "-m", "pip", "install", "--quiet", CFFCONVERT, "setuptools<81")
    alone(python.parent / "cffconvert", "--validate", "--infile", ROOT / "CITATION.cff")


def environment(python: Path, folder: Path) -> Path:
    """The Python of a new and empty environment."""
    run(python, "-m", "venv", folder)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def found_pythons() -> dict[str, Path | None]:
    """The interpreters of `PYTHONS`, by version; None where there is none that starts."""
    folders = os.environ.get("RADFUSE_PYTHONS", "").split(os.pathsep)
    folders += [*map(str, Path.home().glob(".pyenv/versions/*/bin"))]
    folders += os.environ["PATH"].split(os.pathsep)
    found: dict[str, Path | None] = {}
    for version in PYTHONS:
        paths = (shutil.which(f"python{version}", path=one) for one in folders if one)
        found[version] = next((Path(one) for one in paths if one and works(Path(one))), None)
    return found


def works(python: Path) -> bool:
    """Whether it starts: pyenv has commands for versions that are not installed."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def trial(version: str, python: Path, output: Path, folder: Path) -> Trial:
    """Install the wheels into an empty environment and fuse the phantom with it."""
    base, weights = (next(output.glob(f"{name}-*.whl")) for name in ("radfuse", "radfuse_weights"))
    own = environment(python, folder / "environment")
    began = time.perf_counter()
    alone(own, "-m", "pip", "install", "--quiet", base)
    installed = time.perf_counter()
    size, largest = sizes(
        Path(alone(own, "-c", "import site; print(site.getsitepackages()[-1])").strip())
    )
    command = own.parent / "radfuse"
    alone(command, "demo", "--quiet", "--output", folder / "demo", cwd=folder)
    fused = time.perf_counter()
    alone(own, "-m", "pip", "install", "--quiet", weights, "--no-deps")
    card = json.loads(alone(command, "methods", "csf", "--json", cwd=folder))
    if not card["model_card"]:
        sys.exit(f"Python {version}: the weights of csf are not found")
    return Trial(version, installed - began, fused - installed, size, largest)


def sizes(packages: Path) -> tuple[float, tuple[tuple[str, float], ...]]:
    """Size of site-packages and of its largest folders, MB."""
    parts = {one.name: size_mb(one) for one in packages.iterdir()}
    largest = sorted(parts.items(), key=lambda part: -part[1])[:12]
    return sum(parts.values()), tuple((name, size) for name, size in largest)


def size_mb(path: Path) -> float:
    """Bytes of the files in a folder, or of a file, / 10^6."""
    files: Iterable[Path] = path.rglob("*") if path.is_dir() else [path]
    return sum(one.lstat().st_size for one in files if not one.is_dir()) / 1e6


def main(output: Path) -> None:
    """Build, compare, check, try; one line for each."""
    shutil.rmtree(output, ignore_errors=True)
    with TemporaryDirectory() as name:
        work = Path(name)
        build(ROOT, output)
        build(copied(work / "copy"), work / "again")
        first = digests(output)
        if first != digests(work / "again"):
            sys.exit(
                "the builds from this folder and from a copy of what git tracks differ; are there "
                f"files that are not committed?\n{first}\n{digests(work / 'again')}"
            )
        for file, digest in first.items():
            say(f"{(output / file).stat().st_size / 1e6:6.2f} MB  {digest}  {file}")
        say("equal bytes in two builds")
        check(output)
        validate_citation(work / "cff")
        say("metadata, contents of the wheels and CITATION.cff are valid")
        for version, python in found_pythons().items():
            if python is None:
                say(f"Python {version}: not found here, not checked")
                continue
            done = trial(version, python, output, work / version)
            shutil.rmtree(work / version)
            parts = ", ".join(f"{part} {size:.0f}" for part, size in done.largest)
            say(
                f"Python {version}: installed in {done.install_s:.0f} s, {done.base_mb:.0f} MB "
                f"({parts}); demo in {done.demo_s:.0f} s"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
