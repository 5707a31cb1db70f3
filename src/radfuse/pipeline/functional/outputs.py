"""Outputs of a fusion of volumes in colour: their paths, and writing all of them or none."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from radfuse.dicom.read.safe_read import silenced
from radfuse.dicom.write.resampled import write_resampled
from radfuse.dicom.write.spatial_registration import unwritable_reason, write_registration
from radfuse.errors import InputError, OutputError
from radfuse.io.nifti import write_mask
from radfuse.io.staging import refuse_existing, refuse_overlap, staging
from radfuse.io.volumes import write_volume
from radfuse.pipeline.functional.colours import COLOUR_SUFFIXES, write_fused_colours
from radfuse.pipeline.functional.result import FunctionalResult
from radfuse.pipeline.functional.sheet import write_functional_sheet
from radfuse.pipeline.outputs import (
    MASK,
    QA_SHEET,
    UNWRITABLE_SUFFIXES,
    OutputPaths,
    derivation_context,
    files_of,
    folder_target,
    staged_paths,
)
from radfuse.pipeline.volume import fov_mask_slices
from radfuse.record import Output, digest
from radfuse.registration.transforms import matrix_of, write_transform
from radfuse.series import Series


def check_output(
    output: Path | str | None,
    anatomical: Series,
    functional: Series,
    *,
    sources: Sequence[Path] = (),
    overwrite: bool,
) -> OutputPaths | None:
    """The output paths, checked before the fusion; `sources` is what is read beside the pair.

    Raises `InputError` for a name that does not fit, `OutputError` for existing files.
    """
    if output is None:
        return None
    path = Path(output)
    fixed, moving = anatomical.modality.code, functional.modality.code
    transform = f"from-{moving}_to-{fixed}_mode-image_xfm.tfm"
    name = path.name.lower()
    suffix = next((one for one in COLOUR_SUFFIXES if name.endswith(one)), None)
    try:
        if suffix is None:
            if name.endswith((*UNWRITABLE_SUFFIXES, ".nii", ".nii.gz")) and not path.is_dir():
                raise InputError(
                    f"{path}: a fused volume in colour is written to "
                    f"{', '.join(COLOUR_SUFFIXES)} or a folder"
                )
            images = {
                "colour": path / f"COLOUR_{fixed}_{moving}",
                "resampled": path / f"{moving}_on_{fixed}",
            }
            if not unwritable_reason(anatomical, functional):
                images["registration"] = path / "REG"
            target = folder_target(path, images, overwrite=overwrite)
            target = dataclasses.replace(target, transform=path / transform)
        else:
            target = _file_target(path, path.name[: -len(suffix)], transform, overwrite=overwrite)
        paths = (target.folder,) if target.folder else target.parts
        refuse_overlap(paths, (anatomical.source, functional.source, *sources))
    except PermissionError as error:
        raise OutputError(f"{error.filename}: no permission; choose another --output") from error
    return target


def _file_target(path: Path, stem: str, transform: str, *, overwrite: bool) -> OutputPaths:
    if path.is_dir():
        raise OutputError(f"{path} is a folder; give another name")
    target = OutputPaths(
        images={"colour": path},
        record=path.with_name(f"{stem}.json"),
        sheet=path.with_name(f"{stem}_qa.html"),
        transform=path.with_name(f"{stem}_{transform}"),
        mask=path.with_name(f"{stem}_{MASK}"),
    )
    refuse_existing(list(target.parts), overwrite=overwrite)
    return target


def save_functional_result(
    result: FunctionalResult, output: Path | str, *, overwrite: bool
) -> FunctionalResult:
    """Write a result that was fused without an output; errors of `check_output` and of writing."""
    target = check_output(output, result.anatomical, result.functional, overwrite=overwrite)
    return write_functional_result(target, result) if target else result


def write_functional_result(target: OutputPaths, result: FunctionalResult) -> FunctionalResult:
    """Write all parts; they appear together. Raises `OutputError` where they cannot be written."""
    parent = target.folder.parent if target.folder else target.record.parent
    with staging(parent) as stage, silenced():
        staged = staged_paths(stage, target)
        if target.folder:
            _write_dicom(staged.images, result)
        else:
            write_volume(staged.images["colour"], result.image)
        write_transform(staged.transform, result.alignment.moving_from_fixed)
        grid = result.anatomical.image
        write_mask(staged.mask, grid, fov_mask_slices(grid, result.region))
        write_functional_sheet(staged.sheet, result)
        roles = {
            **staged.images, "transform": staged.transform, "field of view": staged.mask,
            QA_SHEET: staged.sheet,
        }  # fmt: skip
        outputs = tuple(
            Output(role=role, path=path.name, sha256=digest(files_of(path)))
            for role, path in roles.items()
        )
        record = result.record.model_copy(update={"outputs": outputs})
        staged.record.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    written = target.images["colour"]
    return dataclasses.replace(result, record=record, written=written)


def _write_dicom(where: Mapping[str, Path], result: FunctionalResult) -> None:
    record = result.record
    context = derivation_context(
        result.anatomical, result.functional, result.alignment, result.region, record
    )
    write_fused_colours(where["colour"], result.image, result.scale, context, record.recipe)
    write_resampled(where["resampled"], context)
    if "registration" in where:
        matrix = matrix_of(context.moving_from_fixed.GetInverse())
        write_registration(where["registration"], context, matrix)
