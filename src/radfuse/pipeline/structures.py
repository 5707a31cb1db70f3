"""Convert structures between masks and RT Structure Sets, and transfer them from MR to CT."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from radfuse.dicom.rtstruct.read import read_structure_set
from radfuse.dicom.rtstruct.write import HoleEncoding, write_structure_set
from radfuse.errors import InputError, NoImageError, OutputError
from radfuse.io.staging import refuse_existing, refuse_overlap, staging
from radfuse.io.volumes import volume_suffix
from radfuse.modality import CT, MR, Modality
from radfuse.pipeline.outputs import VOLUME_SUFFIXES
from radfuse.pipeline.read import check_pair, read
from radfuse.registration.transforms import read_transform
from radfuse.series import Series
from radfuse.structures.files import check_folder, check_readable, write_label_map, write_masks
from radfuse.structures.generation import GenerationAlgorithm
from radfuse.structures.label_maps import Structure, read_label_map, structure_list_path
from radfuse.structures.transfer import transfer_structure


@dataclass(frozen=True)
class ContourResult:
    """The written structures, and notes on them."""

    output: Path
    structures: tuple[dict[str, Any], ...]
    """One JSON object per structure."""

    notes: tuple[str, ...]


@dataclass(frozen=True)
class Overrides:
    """Checks of the headers that the user overrides."""

    patients: bool = False
    """Different values of PatientID in the headers are of one person."""

    frame: bool = False
    """Structures in another frame of reference were drawn on this series."""


NO_OVERRIDES = Overrides()
"""All checks apply."""


def write_contours(
    ct: Path,
    labels: Path,
    output: Path,
    *,
    names: Mapping[int, str] | None = None,
    holes: HoleEncoding = "keyhole",
    smooth: bool = False,
    algorithm: GenerationAlgorithm | None = None,
    ct_series: str | None = None,
    overwrite: bool = False,
) -> ContourResult:
    """Write a mask or label map on the grid of a CT as an RT Structure Set.

    With `smooth` its contours are those of `smooth_contour`.

    Raises `InputError` for input that cannot be used and `OutputError` where `output` cannot be
    written, without changing anything.
    """
    check_readable(labels)
    _check_structure_file(output, (ct, labels), overwrite=overwrite)
    series = read(ct, CT, series_uid=ct_series, check_units=False)
    label_map = read_label_map(labels, series.image, names)
    with staging(output.parent) as stage:
        written = write_structure_set(
            stage.path_of(output),
            series,
            label_map.structures(),
            holes=holes,
            smooth=smooth,
            algorithm=algorithm,
        )
    return ContourResult(output, tuple(map(asdict, written)), (*series.notes, *label_map.notes))


def _check_structure_file(output: Path, inputs: tuple[Path, ...], *, overwrite: bool) -> None:
    if output.suffix.lower() != ".dcm":
        raise InputError(f"{output}: give a file name that ends in .dcm for a structure set")
    if output.is_dir():
        raise OutputError(f"{output} is a folder; give another --output")
    refuse_overlap([output], inputs)
    refuse_existing([output], overwrite=overwrite)


def read_contours(
    structures: Path,
    image: Path,
    output: Path,
    *,
    modality: Modality | str | None = None,
    series_uid: str | None = None,
    overrides: Overrides = NO_OVERRIDES,
    overwrite: bool = False,
) -> ContourResult:
    """Write the structures of an RT Structure Set as a label map, or as masks into a folder.

    `output` is a volume file, with a JSON list beside it, or a folder with one mask per structure.
    Without a `modality` the image is the CT of its folder, or the MR if there is no CT. Raises
    `InputError` for input that cannot be used and for structures that overlap in a label map,
    `OutputError` where the result cannot be written.
    """
    check_readable(structures)
    is_label_map = output.name.lower().endswith(VOLUME_SUFFIXES)
    targets = [output, structure_list_path(output)] if is_label_map else [output]
    refuse_overlap(targets, (structures, image))
    if is_label_map:
        refuse_existing(targets, overwrite=overwrite)
    else:
        check_folder(output, overwrite=overwrite)
    series = read_delineated_series(image, modality, series_uid)
    structure_set = read_structure_set(
        structures, series, accept_frame=overrides.frame, accept_patients=overrides.patients
    )
    notes = (*series.notes, *structure_set.notes)
    write = write_label_map if is_label_map else write_masks
    infos = write(output, structure_set.structures(), notes)
    return ContourResult(output, tuple(info.model_dump(exclude_none=True) for info in infos), notes)


def read_delineated_series(image: Path, modality: Modality | str | None, uid: str | None) -> Series:
    """The series in a folder on which structures were drawn; by default the CT, else the MR."""
    if modality is not None:
        return read(image, modality, series_uid=uid, check_units=False)
    try:
        return read(image, CT, series_uid=uid, check_units=False)
    except NoImageError:
        return read(image, MR, series_uid=uid, check_units=False)


def transfer_contours(
    structures: Path,
    ct: Path,
    mr: Path,
    transform: Path,
    output: Path,
    *,
    names: Mapping[int, str] | None = None,
    holes: HoleEncoding = "keyhole",
    smooth: bool = False,
    ct_series: str | None = None,
    mr_series: str | None = None,
    overrides: Overrides = NO_OVERRIDES,
    overwrite: bool = False,
) -> ContourResult:
    """Write structures drawn on the MR as an RT Structure Set on the CT, through a registration.

    `structures` is an RT Structure Set on the MR, or a label map on its grid; `transform` maps
    CT points to MR points (LPS, mm), as `radfuse register` writes it. Errors are those of
    `write_contours` and `read_contours`.
    """
    check_readable(structures)
    _check_structure_file(output, (structures, ct, mr, transform), overwrite=overwrite)
    of_ct = read(ct, CT, series_uid=ct_series, check_units=False)
    of_mr = read(mr, MR, series_uid=mr_series, check_units=False)
    check_pair(of_ct, of_mr, accept_patients=overrides.patients)
    mr_from_ct = read_transform(transform, ct=of_ct, mr=of_mr, accept_patients=overrides.patients)
    on_mr, notes = _structures_on_mr(structures, of_mr, names, overrides)
    drawn_cm3: list[float] = []
    cropped: list[str] = []

    def transferred() -> Iterator[Structure]:
        for structure in on_mr:
            result = transfer_structure(structure, of_ct.image, mr_from_ct)
            drawn_cm3.append(result.drawn_cm3)
            if lost := result.lost_fraction:
                cropped.append(f"'{structure.name}': {lost:.1%} of it is outside the CT")
            yield result.structure

    with staging(output.parent) as stage:
        written = write_structure_set(
            stage.path_of(output),
            of_ct,
            transferred(),
            holes=holes,
            smooth=smooth,
            algorithm="SEMIAUTOMATIC",
            source="transferred from MR",
        )
    summaries = tuple(
        {**asdict(part), "drawn_cm3": volume}
        for part, volume in zip(written, drawn_cm3, strict=True)
    )
    return ContourResult(output, summaries, (*of_ct.notes, *of_mr.notes, *notes, *cropped))


def _structures_on_mr(
    path: Path, mr: Series, names: Mapping[int, str] | None, overrides: Overrides
) -> tuple[Iterator[Structure], tuple[str, ...]]:
    if volume_suffix(path) is not None:
        label_map = read_label_map(path, mr.image, names)
        return label_map.structures(), label_map.notes
    if names:
        raise InputError(f"{path}: a structure set contains names; --name is for label maps")
    structure_set = read_structure_set(
        path, mr, accept_frame=overrides.frame, accept_patients=overrides.patients
    )
    return structure_set.structures(), structure_set.notes
