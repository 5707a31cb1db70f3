"""The document on real and malformed files: the outcome of reading each."""

import re
from pathlib import Path

from radfuse.pipeline.inspect import InspectedSeries, inspect

CASES = ("dicom_head", "io")
"""Folders of real files, below the folder of real data."""

HEAD = """# Real and unusual files, one by one

Written by `make docs` where the data are available; a test compares it with the messages of the
program. The files are real series from scanners of several manufacturers, files in every transfer
syntax, and files with known defects. *Read* means that `radfuse fuse` accepts the file; a note
describes a correction. *Refused* gives the message: a single slice is no volume, although its
pixels are decoded here as well.

| file or folder | what it is | outcome |
|---|---|---|
"""

IGNORED = "ignored"
"""Prefix of the note on a file that is neither read nor refused."""

UID = re.compile(r"\b\d+(?:\.\d+){5,}(#\d+)?")
"""A UID, which the table leaves out."""


def cases_document(real: Path) -> str:
    """The table as Markdown, a row per series or file."""
    rows = [_row(found, case, real) for case in cases(real) for found in inspect(real / case)[0]]
    return HEAD + "\n".join(rows) + "\n"


def cases(real: Path) -> list[str]:
    """Folders that are one case, and files that are one case each, relative to `real`."""
    found = []
    for folder in sorted(path for top in CASES for path in (real / top).rglob("*")):
        if folder.is_file() and _is_single(folder):
            found.append(folder)
        elif folder.is_dir() and not any(map(_is_single, folder.iterdir())):
            found += [folder] if any(path.is_file() for path in folder.iterdir()) else []
    return [path.relative_to(real).as_posix() for path in found]


SINGLES = {
    "charset", "nibabel_nicom", "nifti_orientations", "pydicom", "pydicom-data", "rtstruct",
    "secondary_capture_rgb", "seg", "transfer_syntaxes_same_mr_slice", "volumes",
}  # fmt: skip
"""Folders of independent files."""


def _is_single(path: Path) -> bool:
    alone = path.parent.name in SINGLES or path.name.endswith((".gz", "DICOMDIR"))
    return alone and path.is_file()


def _row(found: InspectedSeries, case: str, real: Path) -> str:
    what = found.line().split("  UID")[0].replace(str(real / case), "").replace("  ", ", ")
    what = what.replace(", , ", ", ")  # of a file without a description
    is_ignored = any(note.startswith(IGNORED) for note in found.notes)
    outcomes = [f"refused: {problem}" for problem in found.problems]
    outcomes += ["read"] if not outcomes and not is_ignored else []
    outcomes += [note if note.startswith(IGNORED) else f"note: {note}" for note in found.notes]
    cells = [f"`{case}`", what.strip(", "), "<br>".join(outcomes)]
    return "| " + " | ".join(_plain(cell, case, real) for cell in cells) + " |"


def _plain(cell: str, case: str, real: Path) -> str:
    """A cell without the folder of the data and UIDs, escaped for a table."""
    text = cell.replace(f"{real / case}/", "").replace(f"{real / case}", Path(case).name)
    return UID.sub(r"UID\1", text).replace(f"{real}/", "").replace("|", "\\|").replace("\n", "<br>")
