"""Files of a study that the viewer shows, of one run; a run is never changed."""

from pathlib import Path

from radfuse.errors import InputError
from radfuse.service.jobs.view_files import VIEW, View, VolumeName, further_name, read_view
from radfuse.service.stores.results import RESULT, run_folder
from radfuse.service.stores.view_volumes import ViewVolume


class UnknownStudyError(InputError):
    """There is no study with this identifier, or it cannot be read."""


def view_of(folder: Path, run: str) -> View | None:
    """The view of a study with a current run; without its result if CT or MR are others now."""
    prepared, shown = read_view(folder), read_view(run_folder(folder, run)) if run else None
    if prepared is None or shown is None or shown.sources != prepared.sources:
        return prepared
    return shown


def volume_file(folder: Path, run: str, name: VolumeName) -> Path:
    """The file of a volume.

    Raises `UnknownStudyError` if there is none yet, `InputError` if its size is wrong.
    """
    described: ViewVolume | None = getattr(view_of(folder, run), name, None)
    path = (run_folder(folder, run) if name == "fused" else folder) / VIEW / f"{name}.nii"
    if described is None or not path.is_file():
        remedy = "fuse first" if name == "fused" else "prepare it"
        raise UnknownStudyError(f"study {folder.name} has no {name} volume yet; {remedy}")
    return _whole(folder, path, described)


def further_file(folder: Path, run: str, number: int) -> Path:
    """The file of a further image of the result, from 0; raises errors as `volume_file`."""
    view = view_of(folder, run)
    path = run_folder(folder, run) / VIEW / further_name(number)
    if view is None or not 0 <= number < len(view.further) or not path.is_file():
        raise UnknownStudyError(f"study {folder.name} has no further image {number}; fuse first")
    return _whole(folder, path, view.further[number].volume)


def sheet_file(folder: Path, run: str) -> Path:
    """The QA sheet of the result; raises `UnknownStudyError` if there is none yet."""
    found = sorted((run_folder(folder, run) / RESULT).glob("*qa.html"))
    if not found:
        raise UnknownStudyError(f"study {folder.name} has no QA sheet yet; fuse first")
    return found[0]


def _whole(folder: Path, path: Path, described: ViewVolume) -> Path:
    if path.stat().st_size != described.file_bytes:
        raise InputError(f"study {folder.name}: {path.name} is damaged; prepare the study again")
    return path
