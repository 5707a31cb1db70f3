"""A QA sheet as PDF, by the print function of an installed Chromium or Chrome.

The sheet's CSS is made for print, and only a browser sets it as the one on the screen does. The
libraries that do it in Python bring Pango (WeasyPrint), or do not know CSS grid (fpdf2, reportlab).
"""

import os
import shutil
import subprocess
from pathlib import Path

from radfuse.errors import InputError, OutputError

PROGRAMS = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "microsoft-edge", "msedge",
)  # fmt: skip
"""Names of browsers that print, in the order in which they are tried."""

FLAGS = (
    "--headless=new", "--disable-gpu", "--disable-extensions", "--no-first-run", "--disable-quic",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-pdf-header-footer", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
"""Arguments: nothing opens a connection; a sheet has no scripts."""

TIMEOUT_S = 90.0
"""Longest time to print a sheet; it takes 2 to 5 s."""

NO_BROWSER = (
    "this machine has no Chromium or Chrome to write a PDF; open the printable QA sheet and print "
    "it into a PDF file, or install one for the server"
)
"""What to do without a browser on the machine of the server."""


def find_browser() -> str | None:
    """Path of a browser that prints; None without one."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


def print_pdf(sheet: Path, folder: Path) -> Path:
    """Print an HTML file into a PDF file in an empty folder, and return its path.

    Raises `InputError` without a browser, `OutputError` where it does not print.
    """
    browser = find_browser()
    if browser is None:
        raise InputError(NO_BROWSER)
    target = folder / "qa.pdf"
    flags = [*FLAGS, f"--user-data-dir={folder / 'profile'}", f"--print-to-pdf={target}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")  # which does not exist for root
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
    try:
        subprocess.run(  # noqa: S603  # a fixed program, and paths of ours
            [browser, *flags, sheet.absolute().as_uri()],
            env=os.environ | home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OutputError(f"the PDF was not written: {Path(browser).name} did not print") from error
    if not target.is_file() or not _is_whole(target):
        raise OutputError(
            f"the PDF was not written: {Path(browser).name} did not print; print the QA sheet from "
            "your browser"
        )
    return target


def _is_whole(path: Path) -> bool:
    content = path.read_bytes()
    return content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")
