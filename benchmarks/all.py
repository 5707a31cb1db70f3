"""Run the benchmarks of speed one after the other, and write `docs/performance.md`.

    python benchmarks/all.py [--only commands starting] [--check]

Each part is a program of this folder, in which what is compared runs alternately. The document
has what they print, the machine and its load. Ratios of our time to another's are stored in
`docs/performance.json`; those that are 10 % worse than the stored ones are listed, and are an
error with `--check`, which writes nothing. Run it on an idle machine; it takes about an hour.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from comparison import RATIO
from whole_commands import CT, MR

FOLDER = Path(__file__).parent
DOCUMENT, STORED = (
    FOLDER.parent / "docs" / name for name in ("performance.md", "performance.json")
)

WORSE = 1.1
"""Times the stored ratio from which one is a regression."""

NOTED = re.compile(rf"^<!-- {RATIO} (.+): ([0-9.]+) -->\n?", re.MULTILINE)
LIBRARIES = ("numpy", "scipy", "SimpleITK", "openvino", "torch")


@dataclass(frozen=True)
class Part:
    """A program of this folder, and what it shows."""

    title: str
    command: tuple[str | Path, ...]
    is_table: bool = True
    """Whether it prints Markdown."""


PARTS = {
    "commands": Part("Whole commands", ("whole_commands.py",)),
    "starting": Part("Starting", ("starting.py",)),
    "mfinet": Part("Engines, MFINet", ("engine.py", "--method", "mfinet", "--sizes", "256"), False),
    "res2fusion": Part(
        "Engines, Res2Fusion", ("engine.py", "--method", "res2fusion", "--sizes", "256"), False
    ),
    "metrics": Part("Metrics", ("metrics.py",)),
    "scaling": Part("Scaling", ("scaling.py", "--large")),
    "viewer": Part("Viewer", ("viewer.py", CT, MR, "--method", "mfinet"), False),
}


def printed(part: Part) -> tuple[str, float]:
    """What a part prints, and the minutes it took; `SystemExit` where it fails."""
    began = time.perf_counter()
    program, *options = part.command
    command = [sys.executable, FOLDER / program, *options]
    # Alone with both cores, as users run it: without the limits of the tests.
    limits = ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    alone = {name: value for name, value in os.environ.items() if name not in limits}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=alone)
    if ran.returncode:
        raise SystemExit(f"{program}: {ran.stderr}")
    return ran.stdout.strip(), (time.perf_counter() - began) / 60


def section(part: Part, text: str, minutes: float, loads: tuple[float, float]) -> str:
    """A section of the document."""
    shown = " ".join(Path(one).name for one in part.command)
    body = NOTED.sub("", text).strip()
    if not part.is_table:
        body = f"```text\n{body}\n```"
    load = " to ".join(f"{one:.1f}" for one in loads)
    how = f"`python benchmarks/{shown}`, {minutes:.0f} min, load {load}"
    return f"## {part.title}\n\n{how}\n\n{body}\n"


def machine() -> str:
    """Processor, memory, system and libraries."""
    facts = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = re.findall(r"model name\s*: (.+)", facts) or [platform.processor()]
    gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{os.cpu_count()} cores of {models[0]}, {gib:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}, {libraries}"
    )


def regressions(ratios: Mapping[str, float], stored: Mapping[str, float]) -> list[str]:
    """A line for each ratio that is worse than the stored one."""
    return [
        f"{name}: {value:.3f}, it was {stored[name]:.3f}"
        for name, value in ratios.items()
        if value > WORSE * stored.get(name, value)
    ]


def document(sections: Iterable[str], worse: list[str]) -> str:
    """The document."""
    lines = "\n".join(f"- {line}" for line in worse) or "None."
    return (
        "# Performance\n\n"
        "Written by `python benchmarks/all.py`. Programs that are compared run alternately, so\n"
        "that ratios hold on a busy machine, too; times are medians. The machine:\n"
        f"{machine()}.\n\n"
        + "\n".join(sections)
        + f"\n## Worse than the last time\n\nRatios that grew by more than 10 %: {lines}\n"
    )


def main() -> None:
    """Run the parts and write the document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument(
        "--check", action="store_true", help="write nothing; regressions are an error"
    )
    given = parser.parse_args()
    stored = json.loads(STORED.read_text()) if STORED.exists() else {"ratios": {}, "sections": {}}
    ratios: dict[str, float] = {}
    sections = dict(stored["sections"])
    for name in given.only:
        before = os.getloadavg()[0]
        text, minutes = printed(PARTS[name])
        ratios |= {what: float(value) for what, value in NOTED.findall(text)}
        sections[name] = section(PARTS[name], text, minutes, (before, os.getloadavg()[0]))
        print(sections[name], flush=True)
    worse = regressions(ratios, stored["ratios"])
    print("\n".join(worse))
    if given.check:
        raise SystemExit(1 if worse else 0)
    kept = {"ratios": stored["ratios"] | ratios, "sections": sections}
    STORED.write_text(json.dumps(kept, indent=1) + "\n")
    DOCUMENT.write_text(document((sections[name] for name in PARTS if name in sections), worse))


if __name__ == "__main__":
    main()
