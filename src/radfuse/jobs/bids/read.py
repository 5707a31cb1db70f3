"""The patients of a BIDS data set, read by pybids (Yarkoni et al. 2019, 10.21105/joss.01294)."""

from collections import defaultdict
from pathlib import Path

from radfuse.errors import InputError, needs_extra
from radfuse.jobs.bids.dataset import DESCRIPTION, GENERATOR, dataset_facts
from radfuse.jobs.bids.names import alphanumeric
from radfuse.jobs.case import Case
from radfuse.jobs.job import JobImages
from radfuse.modality import CT
from radfuse.recipe import Recipe

CT_SUFFIXES = ("ct", CT.code)
"""Suffixes of a CT, in whatever folder of a session: the standard has none, yet."""

MR_SUFFIXES = ("T1w", "T2w", "FLAIR")
"""Suffixes of the MR that are brought onto the CT."""

PET_SUFFIXES = ("pet",)

EXTENSIONS = (".nii.gz", ".nii")

Images = dict[str, list[Path]]
"""Files of one session by suffix."""


def is_dataset(path: Path) -> bool:
    """Whether a folder is the root of a BIDS data set."""
    return (path / DESCRIPTION).is_file()


def read_dataset(root: Path, recipe: Recipe) -> list[Case]:
    """A case for each session, or for each patient without sessions.

    Its CT has the suffix `ct` or `CT`, its MR are all of T1w, T2w and FLAIR, and a PET is taken,
    too. Raises `InputError` without pybids, for a data set that it cannot read, and for a
    derivative that radfuse wrote.
    """
    generators = dataset_facts(root).get("GeneratedBy") or []
    if any(isinstance(one, dict) and one.get("Name") == GENERATOR for one in generators):
        raise InputError(f"{root}: written by radfuse; give the data set that it was made from")
    sessions = _sessions(root)
    known = {name.partition("_")[0] for name in sessions}
    for folder in root.glob("sub-*"):
        if folder.is_dir() and folder.name not in known:
            sessions[folder.name] = {}
    return [_case(name, sessions[name], root, recipe) for name in sorted(sessions)]


def _sessions(root: Path) -> dict[str, Images]:
    """The images of each session, by its name in BIDS."""
    with needs_extra("bids"):
        from bids import BIDSLayout, BIDSLayoutIndexer  # noqa: PLC0415  # an extra
    try:
        indexer = BIDSLayoutIndexer(validate=False, index_metadata=False)
        files = BIDSLayout(root, validate=False, indexer=indexer).get(
            suffix=[*CT_SUFFIXES, *MR_SUFFIXES, *PET_SUFFIXES], extension=list(EXTENSIONS)
        )
    except (ValueError, TypeError, OSError) as error:
        raise InputError(f"{root}: pybids cannot read the data set ({error})") from error
    sessions: dict[str, Images] = defaultdict(lambda: defaultdict(list))
    for file in files:
        entities = file.get_entities()
        labels = [("sub", entities.get("subject")), ("ses", entities.get("session"))]
        name = "_".join(f"{key}-{alphanumeric(label)}" for key, label in labels if label)
        if entities.get("subject"):
            sessions[name][entities["suffix"]].append(root / file.relpath)
    return sessions


def _case(name: str, images: Images, root: Path, recipe: Recipe) -> Case:
    cts, mrs, pets = (
        sorted(path for suffix in suffixes for path in images.get(suffix, []))
        for suffixes in (CT_SUFFIXES, MR_SUFFIXES, PET_SUFFIXES)
    )
    if problem := _problem(cts, mrs, pets):
        return Case(name, None, recipe, problem, root)
    pet = pets[0] if pets else None
    return Case(name, JobImages(ct=cts[0], mrs=tuple(mrs), pet=pet), recipe, raw=root)


def _problem(cts: list[Path], mrs: list[Path], pets: list[Path]) -> str:
    """Why a session cannot be fused; empty where it can."""
    missing = [
        *([] if cts else [f"no CT (suffix {' or '.join(CT_SUFFIXES)})"]),
        *([] if mrs else [f"no MR (suffix {', '.join(MR_SUFFIXES)})"]),
    ]
    if missing:
        return "; ".join(missing)
    for kind, paths in ((CT.code, cts), ("PET", pets)):
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            return f"{len(paths)} {kind} ({names}); choose one by a table instead"
    absent = next((path for path in (*cts, *mrs, *pets) if not path.exists()), None)
    return f"{absent.name}: the content is missing; fetch it" if absent else ""
