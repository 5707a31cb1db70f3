"""A patient of a batch, or one session of a patient."""

import re
from dataclasses import dataclass
from pathlib import Path

from radfuse.errors import InputError
from radfuse.jobs.job import JobImages
from radfuse.recipe import Recipe


@dataclass(frozen=True)
class Case:
    """A patient, or one session of a patient."""

    name: str
    """As in BIDS: `sub-01` or `sub-01_ses-2`."""
    images: JobImages | None
    """None where something is missing."""
    recipe: Recipe
    problem: str = ""
    """What is missing, a sentence."""
    raw: Path | None = None
    """Root of the BIDS data set that it is of; None where it is from elsewhere."""


def case_name(patient: str, session: str = "") -> str:
    """A name as in BIDS, of letters and digits; `InputError` where nothing is left of one."""
    parts = [("sub", patient), *([("ses", session)] if session else [])]
    labels = [(key, re.sub(f"^{key}-", "", text)) for key, text in parts]
    cleaned = [(key, re.sub("[^A-Za-z0-9]", "", text)) for key, text in labels]
    if not all(text for _, text in cleaned):
        raise InputError(f"id {patient!r}: has no letter or digit; give each patient a name")
    return "_".join(f"{key}-{text}" for key, text in cleaned)
