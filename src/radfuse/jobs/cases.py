"""The patients of a batch: from a table, a BIDS data set, or a folder with a folder for each."""

import csv
from pathlib import Path

from radfuse.errors import InputError
from radfuse.jobs.bids.read import is_dataset, read_dataset
from radfuse.jobs.case import Case, case_name
from radfuse.jobs.job import JobImages
from radfuse.pipeline.pairing import choose_pair
from radfuse.recipe import Recipe

REQUIRED, OPTIONAL = ("id", "ct", "mr"), ("session", "pet", "pet_ct", "spect")
"""Columns of a table; `mr` may have several paths, separated by semicolons."""

TABLE_SUFFIXES = {".csv": ",", ".tsv": "\t"}
"""Tables by suffix, with their delimiter."""


def read_cases(path: Path, recipe: Recipe) -> list[Case]:
    """The patients of a table (CSV, TSV), a BIDS data set, or a folder that has a folder for each.

    Raises `InputError` for another file, a table without the required columns, a data set that
    cannot be read, two rows of one patient and session, and for nothing to do.
    """
    if path.is_dir() and is_dataset(path):
        cases = read_dataset(path, recipe)
    elif path.is_dir():
        cases = [_patient(folder, recipe) for folder in sorted(path.iterdir()) if folder.is_dir()]
    elif path.suffix.lower() in TABLE_SUFFIXES:
        cases = _rows(path, recipe)
    else:
        raise InputError(f"{path}: give a table (.csv, .tsv), or a folder of patients")
    if not cases:
        raise InputError(f"{path}: no patient; give one row, or one folder, for each")
    names = [case.name for case in cases]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{path}: {twice[0]} is there twice; name patients and sessions apart")
    return cases


def _rows(path: Path, recipe: Recipe) -> list[Case]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            table = csv.DictReader(stream, delimiter=TABLE_SUFFIXES[path.suffix.lower()])
            columns = table.fieldnames or []
            missing = [one for one in REQUIRED if one not in columns]
            unknown = [one for one in columns if one not in REQUIRED + OPTIONAL]
            if missing or unknown:
                wrong = f"no column {missing[0]}" if missing else f"unknown column {unknown[0]!r}"
                known = ", ".join(REQUIRED + OPTIONAL)
                raise InputError(f"{path}: {wrong}; columns are {known}")
            return [_row(row, path.parent, recipe) for row in table]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a table in UTF-8 ({error})") from error


def _row(row: dict[str, str | None], folder: Path, recipe: Recipe) -> Case:
    values = {column: (row.get(column) or "").strip() for column in REQUIRED + OPTIONAL}
    name = case_name(values["id"], values["session"])
    paths = {
        column: tuple(folder / part.strip() for part in values[column].split(";") if part.strip())
        for column in ("ct", "mr", "pet", "pet_ct", "spect")
    }
    absent = [str(one) for several in paths.values() for one in several if not one.exists()]
    several = [column for column in ("ct", "pet", "pet_ct", "spect") if len(paths[column]) > 1]
    if not paths["ct"] or not paths["mr"]:
        return Case(name, None, recipe, f"no {'mr' if paths['ct'] else 'ct'} in the table")
    if absent or several:
        problem = f"{absent[0]} does not exist" if absent else f"several {several[0]}; give one"
        return Case(name, None, recipe, problem)
    one = {column: next(iter(paths[column]), None) for column in ("pet", "pet_ct", "spect")}
    return Case(name, JobImages(ct=paths["ct"][0], mrs=paths["mr"], **one), recipe)


def _patient(folder: Path, recipe: Recipe) -> Case:
    """A folder with the DICOM of one patient, whose CT and MR are chosen as by `--study`."""
    name = case_name(folder.name)
    try:
        pair = choose_pair(folder, recipe)
    except InputError as error:
        return Case(name, None, recipe, str(error))
    uids = {"ct_series": pair.ct.volume.uid, "mr_series": pair.mr.volume.uid}
    images = JobImages(ct=folder, mrs=(folder,))
    return Case(name, images, recipe.model_copy(update=uids))
