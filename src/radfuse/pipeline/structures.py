"""Structures between masks and RT Structure Sets, and from the MR to the CT."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from radfuse.dicom.rtstruct.read import read_structure_set
from radfuse.dicom.rtstruct.write import Algorithm, Holes, write_structure_set
from radfuse.errors import InputError, NoImageError, OutputError
from radfuse.io.staging import refuse_existing, staging
from radfuse.io.volumes import volume_suffix
from radfuse.modality import CT, MR, Modality
from radfuse.pipeline.outputs import VOLUME_SUFFIXES
from radfuse.pipeline.read import check_pair, read
from radfuse.registration.transforms import read_transform
from radfuse.series import Series
from radfuse.structures.files import check_folder, check_readable, write_label_map, write_masks
from radfuse.structures.label_maps import Structure, names_path, read_label_map
from radfuse.structures.transfer import transferred


@dataclass(frozen=True)
class Outcome:
    """What was written, and what should be known about it."""

    output: Path
    structures: tuple[dict[str, Any], ...]
    """Plain JSON, one a structure."""

    notes: tuple[str, ...]


@dataclass(frozen=True)
class Acceptance:
    """What a user vouches for."""

    patients: bool = False
    """Different PatientID in the headers are one person."""

    frame: bool = False
    """Structures that name another frame of reference were drawn on this series."""


STRICT = Acceptance()
"""Nothing is vouched for."""


def write_contours(
    ct: Path,
    labels: Path,
    output: Path,
    *,
    names: Mapping[int, str] | None = None,
    holes: Holes = "keyhole",
    algorithm: Algorithm | None = None,
    ct_series: str | None = None,
    overwrite: bool = False,
) -> Outcome:
    """Write a mask or label map on the grid of a CT as an RT Structure Set.

    Raises `InputError` for input that cannot be used, `OutputError` where `output` cannot be
    written; nothing is changed then.
    """
    check_readable(labels)
    _check_structure_file(output, (ct, labels), overwrite=overwrite)
    series = read(ct, CT, series_uid=ct_series)
    found = read_label_map(labels, series.image, names)
    with staging(output.parent) as stage:
        written = write_structure_set(
            stage.place(output), series, found.structures(), holes=holes, algorithm=algorithm
        )
    return Outcome(output, tuple(map(asdict, written)), (*series.notes, *found.notes))


def _check_structure_file(output: Path, inputs: tuple[Path, ...], *, overwrite: bool) -> None:
    if output.suffix.lower() != ".dcm":
        raise InputError(f"{output}: a structure set goes to a file that ends in .dcm")
    if output.is_dir():
        raise OutputError(f"{output} is a folder; give another --output")
    _keep_inputs([output], inputs)
    refuse_existing([output], overwrite=overwrite)


def _keep_inputs(outputs: list[Path], inputs: tuple[Path, ...]) -> None:
    """Raise `OutputError` for results that would lie over or among the inputs."""
    for place in (path.resolve() for path in outputs):
        for source in (path.resolve() for path in inputs):
            if place == source or source in place.parents or place in source.parents:
                raise OutputError(f"{place} would lie over or in {source}; give another --output")


def read_contours(
    structures: Path,
    image: Path,
    output: Path,
    *,
    modality: Modality | str | None = None,
    series_uid: str | None = None,
    accept: Acceptance = STRICT,
    overwrite: bool = False,
) -> Outcome:
    """Write the structures of an RT Structure Set as a label map, or as masks into a folder.

    `output` is a volume file, with a JSON of names beside it, or a folder for a mask a structure.
    Without a `modality` the image is the CT of its folder, or the MR where there is no CT. Raises
    `InputError` for input that cannot be used and for structures that overlap and so make no label
    map, `OutputError` where the result cannot be written.
    """
    check_readable(structures)
    in_one = output.name.lower().endswith(VOLUME_SUFFIXES)
    targets = [output, names_path(output)] if in_one else [output]
    _keep_inputs(targets, (structures, image))
    if in_one:
        refuse_existing(targets, overwrite=overwrite)
    else:
        check_folder(output, overwrite=overwrite)
    series = drawn_on(image, modality, series_uid)
    drawn = read_structure_set(
        structures, series, accept_frame=accept.frame, accept_patients=accept.patients
    )
    notes = (*series.notes, *drawn.notes)
    write = write_label_map if in_one else write_masks
    entries = write(output, drawn.structures(), notes)
    facts = tuple(entry.model_dump(exclude_none=True) for entry in entries)
    return Outcome(output, facts, notes)


def drawn_on(image: Path, modality: Modality | str | None, uid: str | None) -> Series:
    """The series of a folder that structures lie on; the CT without a modality, else the MR."""
    if modality is not None:
        return read(image, modality, series_uid=uid)
    try:
        return read(image, CT, series_uid=uid)
    except NoImageError:
        return read(image, MR, series_uid=uid)


def transfer_contours(
    structures: Path,
    ct: Path,
    mr: Path,
    transform: Path,
    output: Path,
    *,
    names: Mapping[int, str] | None = None,
    holes: Holes = "keyhole",
    ct_series: str | None = None,
    mr_series: str | None = None,
    accept: Acceptance = STRICT,
    overwrite: bool = False,
) -> Outcome:
    """Write structures drawn on the MR as an RT Structure Set on the CT, through a registration.

    `structures` is an RT Structure Set on the MR, or a label map on its grid; `transform` maps
    points of the CT to points of the MR, as `radfuse register` writes it. Errors are those of
    `write_contours` and `read_contours`.
    """
    check_readable(structures)
    _check_structure_file(output, (structures, ct, mr, transform), overwrite=overwrite)
    mr_from_ct = read_transform(transform)
    of_ct = read(ct, CT, series_uid=ct_series)
    of_mr = read(mr, MR, series_uid=mr_series)
    check_pair(of_ct, of_mr, accept_patients=accept.patients)
    drawn, notes = _drawn_on_mr(structures, of_mr, names, accept)
    drawn_cm3: list[float] = []
    cut: list[str] = []

    def moved() -> Iterator[Structure]:
        for structure in drawn:
            move = transferred(structure, of_ct.image, mr_from_ct)
            drawn_cm3.append(move.drawn_cm3)
            if move.lost:
                cut.append(f"'{structure.name}': {move.lost:.1%} of it lie beyond the CT")
            yield move.structure

    with staging(output.parent) as stage:
        written = write_structure_set(
            stage.place(output),
            of_ct,
            moved(),
            holes=holes,
            algorithm="SEMIAUTOMATIC",
            origin="moved from MR",
        )
    facts = tuple(
        {**asdict(part), "drawn_cm3": volume}
        for part, volume in zip(written, drawn_cm3, strict=True)
    )
    return Outcome(output, facts, (*of_ct.notes, *of_mr.notes, *notes, *cut))


def _drawn_on_mr(
    structures: Path, mr: Series, names: Mapping[int, str] | None, accept: Acceptance
) -> tuple[Iterator[Structure], tuple[str, ...]]:
    if volume_suffix(structures) is not None:
        found = read_label_map(structures, mr.image, names)
        return found.structures(), found.notes
    if names:
        raise InputError(f"{structures}: a structure set has names; --name is for label maps")
    drawn = read_structure_set(
        structures, mr, accept_frame=accept.frame, accept_patients=accept.patients
    )
    return drawn.structures(), drawn.notes
