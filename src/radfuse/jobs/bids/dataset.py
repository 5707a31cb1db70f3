"""The files at the root of a BIDS derivative."""

import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from radfuse.errors import InputError
from radfuse.io.staging import staging
from radfuse.jobs.bids.names import BIDS_VERSION, NOT_IN_STANDARD
from radfuse.record import NOTICE

DESCRIPTION, README, BIDSIGNORE = "dataset_description.json", "README", ".bidsignore"
"""Names of the files."""

GENERATOR = "radfuse"
"""Name in `GeneratedBy`."""

RAW = "raw"
"""Name of the source data set in BIDS URIs."""

TITLE = "CT and MR fused by radfuse"

ABOUT = f"""{TITLE}

{NOTICE}

For each patient and session sub-X[_ses-Y]:

sub-X.html                            the QA sheet: review it before you use the result
anat/*_space-CT_desc-METHOD_fused     the fused image; its JSON is the record of the fusion
anat/*_from-MR_to-CT_mode-image_xfm   the transform that resamples the MR onto the CT (ITK, LPS mm)
anat/*_space-CT_desc-fov_mask         the field of view of both scanners
anat/*_space-CT_desc-resampled_*      other images of the patient on the grid of the CT

group.html and group.csv describe all cases, cases.csv how each ended, logs/ what was printed.
A source outside of a BIDS data set is named by its SHA-256 (ni:///sha-256;..., RFC 6920); one of
several files by that of the SHA-256 of each, in the order of the slices.
"""
"""What the data set is."""


def dataset_facts(root: Path) -> dict[str, Any]:
    """The description of a data set; `InputError` for one that is no JSON object."""
    path = root / DESCRIPTION
    try:
        facts = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if not isinstance(facts, dict):
        raise InputError(f"{path}: not the description of a data set")
    return facts


def write_description(root: Path, raw: Path | None = None) -> None:
    """Write description and `.bidsignore`, and the README where none is.

    `raw` is the data set that the derivative is of, which is named by its path relative to the
    derivative. Raises `OutputError` where the folder cannot be written to.
    """
    facts = {
        "Name": TITLE,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": GENERATOR, "Version": version("radfuse"), "Description": NOTICE}],
        **(_source_facts(root, raw) if raw else {}),
    }
    texts = {
        DESCRIPTION: json.dumps(facts, indent=2) + "\n",
        BIDSIGNORE: "".join(f"{pattern}\n" for pattern in NOT_IN_STANDARD),
    }
    if not list(root.glob(f"{README}*")):
        texts[README] = ABOUT
    with staging(root) as stage:
        for name, text in texts.items():
            stage.path_of(root / name).write_text(text, encoding="utf-8")


def _source_facts(root: Path, raw: Path) -> dict[str, Any]:
    """Where the source data set is, relative to the derivative, and its DOI."""
    url = quote(Path(os.path.relpath(raw, root)).as_posix())
    doi = dataset_facts(raw).get("DatasetDOI")
    source = {"URL": url, **({"DOI": doi} if isinstance(doi, str) else {})}
    return {"SourceDatasets": [source], "DatasetLinks": {RAW: url}}
