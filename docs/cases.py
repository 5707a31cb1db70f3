"""The page on real and hostile files: what is read of each, and what is refused and why."""

import re
from pathlib import Path

from radfuse.pipeline.inspect import Finding, inspect

CASES = ("dicom_head", "io")
"""Folders of real files, below the folder of real data."""

HEAD = """# Real and odd files, one by one

Written by `make docs` where the real data are, and compared by a test with what the program says.
Real series of scanners of several makers, files in every transfer syntax, and files that are broken
in known ways. *Read* means that `radfuse fuse` takes it; a note says what is mended on the way.
*Refused* gives the message: a single slice is no volume, though its pixels are decoded here, too.

| file or folder | what it is | outcome |
|---|---|---|
"""

PASSED_OVER = "passed over"
"""Begins the note of what is neither read nor refused."""

UID = re.compile(r"\b\d+(?:\.\d+){5,}(#\d+)?")
"""A UID, which says nothing in a table."""


def cases_page(real: Path) -> str:
    """The table as Markdown, a row a series or file."""
    rows = [_row(found, case, real) for case in cases(real) for found in inspect(real / case)[0]]
    return HEAD + "\n".join(rows) + "\n"


def cases(real: Path) -> list[str]:
    """Folders whose files are one case, and files that are one each, relative to `real`."""
    found = []
    for folder in sorted(path for top in CASES for path in (real / top).rglob("*")):
        if folder.is_file() and _stands_alone(folder):
            found.append(folder)
        elif folder.is_dir() and not any(map(_stands_alone, folder.iterdir())):
            found += [folder] if any(path.is_file() for path in folder.iterdir()) else []
    return [path.relative_to(real).as_posix() for path in found]


SINGLES = {
    "charset", "nibabel_nicom", "nifti_orientations", "pydicom", "pydicom-data", "rtstruct",
    "secondary_capture_rgb", "seg", "transfer_syntaxes_same_mr_slice", "volumes",
}  # fmt: skip
"""Folders of files that have nothing to do with each other."""


def _stands_alone(path: Path) -> bool:
    alone = path.parent.name in SINGLES or path.name.endswith((".gz", "DICOMDIR"))
    return alone and path.is_file()


def _row(found: Finding, case: str, real: Path) -> str:
    what = found.line().split("  UID")[0].replace(str(real / case), "").replace("  ", ", ")
    passed_over = any(note.startswith(PASSED_OVER) for note in found.notes)
    told = [f"refused: {problem}" for problem in found.problems]
    told += ["read"] if not told and not passed_over else []
    told += [note if note.startswith(PASSED_OVER) else f"note: {note}" for note in found.notes]
    cells = [f"`{case}`", what.strip(", "), "<br>".join(told)]
    return "| " + " | ".join(_plain(cell, case, real) for cell in cells) + " |"


def _plain(cell: str, case: str, real: Path) -> str:
    """A cell without the place of the data, UIDs, and what would break the table."""
    text = cell.replace(f"{real / case}/", "").replace(f"{real / case}", Path(case).name)
    return UID.sub(r"UID\1", text).replace(f"{real}/", "").replace("|", "\\|").replace("\n", "<br>")
