"""Runs the code blocks of a document in order, in a folder with the images that it names.

A comment before a block says what differs: `<!-- not run: REASON -->`, `<!-- alternatives -->`
(each command is run beside these images alone), `<!-- without NAME -->` (an earlier result is
deleted first) or `<!-- exit status N -->`. Servers run until the document ends.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from textwrap import dedent
from typing import Any

import radfuse
from docs_servers import Surroundings, is_server

ROOT = Path(__file__).parents[1]

BLOCK = re.compile(
    r"(?:^ *<!-- ([^\n]*) -->\n)?^( *)```(sh|python)\n(.*?)^\2```$", re.MULTILINE | re.DOTALL
)
"""Also an indented one, in a list."""

FILE = re.compile(r"^`([\w.-]+)`[^`\n]*\n\n```(?:json|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""The name of a file and its contents."""

NO_EXTRA = "does not provide the extra"
"""What pip warns of a wrong name in brackets; it installs the rest."""

TIMEOUT_S = 1800.0
"""Of one command, on a busy machine."""


@dataclass(frozen=True)
class Block:
    """A fenced block of shell commands or Python."""

    document: str
    line: int
    language: str
    code: str
    reason: str | None
    """Why it is not run."""
    alternatives: bool = False
    """Whether each command is for itself, as its result has the name of the one before."""
    without: str | None = None
    """The result of an earlier block that this one replaces."""
    status: int = 0
    """Expected exit status."""

    @property
    def commands(self) -> list[str]:
        """What is run, one after the other."""
        if not self.alternatives or self.language == "python":
            return [self.code]
        return re.sub(r"\\\n\s*", " ", self.code).splitlines()


def files(path: Path) -> dict[str, str]:
    """The settings in a document by the names of their files: `node.toml`, then the block."""
    found: dict[str, str] = {}
    for name, text in FILE.findall(path.read_text(encoding="utf-8")):
        found.setdefault(name, text)
    return found


def blocks(path: Path) -> list[Block]:
    """The blocks of a document, in order."""
    text = path.read_text(encoding="utf-8")
    found = list(BLOCK.finditer(text))
    fences = len(re.findall(r"^\s*```(?:sh|python)\b", text, re.MULTILINE))
    assert len(found) == fences, f"{path}: a block that the expression does not match"
    return [_block(path, text, match) for match in found]


def run(block: Block, folder: Path, given: Path, around: Surroundings | None = None) -> None:
    """Run a block in a folder; an unexpected exit status fails.

    Alternatives are run in copies of the given folder; the first file of a name is kept.
    """
    if block.without:
        shutil.rmtree(folder / block.without)
    if not block.alternatives:
        _run_command(block, block.code, folder, around)
        return
    for command in block.commands:
        copy = folder.with_name("alternative")
        shutil.copytree(given, copy)
        _run_command(block, command, copy, around)
        for path in copy.iterdir():
            if not (folder / path.name).exists():
                shutil.move(path, folder / path.name)
        shutil.rmtree(copy)


def run_notebook(found: list[Block], folder: Path) -> None:
    """Run the blocks of a notebook: consecutive ones in Python are one program."""
    kept = [block for block in found if block.reason is None]
    for _, group in groupby(kept, key=lambda block: block.language):
        together = list(group)
        _run_command(together[0], "\n".join(block.code for block in together), folder)


def _run_command(block: Block, code: str, folder: Path, around: Surroundings | None = None) -> None:
    """Run the code of a block; its servers are started between the other lines."""
    variables = environment(folder)
    if around is None:
        _run_script(block, code, folder, variables)
        return
    variables |= around.environment
    if block.language == "python":
        _run_script(block, around.here(code), folder, variables)
        return
    lines = re.sub(r"\\\n\s*", " ", around.here(code)).splitlines(keepends=True)
    for served, group in groupby(lines, key=is_server):
        if not served:
            _run_script(block, "".join(group), folder, variables)
            continue
        for line in group:
            around.serve(line.strip(), folder, variables)


def _run_script(block: Block, code: str, folder: Path, variables: dict[str, str]) -> None:
    shell = ["bash", "-euo", "pipefail", "-c"]
    command = shell if block.language == "sh" else [sys.executable, "-c"]
    done = subprocess.run(
        [*command, code], cwd=folder, env=variables, capture_output=True, text=True,
        timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    where = f"{block.document}:{block.line}"
    assert done.returncode == block.status, f"{where}\n{code}\n{done.stdout}{done.stderr}"
    assert NO_EXTRA not in done.stderr, f"{where}\n{code}\n{done.stderr}"


def environment(folder: Path) -> dict[str, str]:
    """With `radfuse` of this Python, its modules, and a folder of weights of its own."""
    modules = [str(Path(radfuse.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}:/usr/sbin",
        "PYTHONPATH": os.pathsep.join(filter(None, modules)),
        "RADFUSE_WEIGHTS": str(folder / ".weights"),
    }


def _block(path: Path, text: str, match: re.Match[str]) -> Block:
    comment, _, language, code = match.groups()
    line = text.count("\n", 0, match.start(3)) + 1
    name = path.relative_to(ROOT).as_posix()
    plain = Block(name, line, language, dedent(code), None)
    return replace(plain, **_comment(comment or ""))


def _comment(comment: str) -> dict[str, Any]:
    """The fields of a block that a comment says."""
    if reason := re.fullmatch(r"not run: (.+)", comment):
        return {"reason": reason[1]}
    if without := re.fullmatch(r"without ([\w.-]+)", comment):
        return {"without": without[1]}
    if status := re.fullmatch(r"exit status (\d+)", comment):
        return {"status": int(status[1])}
    return {"alternatives": comment == "alternatives"}


def documents() -> Iterator[Path]:
    """The README, the tutorials, the how-tos, and those with commands for users."""
    yield ROOT / "README.md"
    for name in ("install", "deploy", "samples"):
        yield ROOT / "docs" / f"{name}.md"
    for folder in ("tutorials", "howto", "systems"):
        yield from sorted((ROOT / "docs" / folder).glob("*.md"))
