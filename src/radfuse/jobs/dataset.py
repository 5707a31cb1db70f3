"""The files at the root of a BIDS derivative."""

import json
from importlib.metadata import version
from pathlib import Path

from radfuse.io.staging import staging
from radfuse.jobs.bids_names import BIDS_VERSION, NOT_IN_STANDARD
from radfuse.record import NOTICE

DESCRIPTION, README, BIDSIGNORE = "dataset_description.json", "README", ".bidsignore"
"""Names of the files."""

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


def write_description(root: Path) -> None:
    """Write description and `.bidsignore`, and the README where none is.

    Raises `OutputError` where the folder cannot be written to.
    """
    facts = {
        "Name": TITLE,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "radfuse", "Version": version("radfuse"), "Description": NOTICE}],
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
