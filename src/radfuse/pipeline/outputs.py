"""Outputs of a fusion: their paths, and writing all of them or none."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import ValidationError

from radfuse.dicom.read.safe_read import silenced
from radfuse.dicom.write.derivation_context import DerivationContext
from radfuse.dicom.write.spatial_registration import unwritable_reason
from radfuse.errors import InputError, OutputError
from radfuse.intensity import window_named
from radfuse.io.images import IMAGE_SUFFIXES, write_image
from radfuse.io.nifti import write_mask
from radfuse.io.staging import Staging, refuse_existing, refuse_overlap, staging
from radfuse.parallel import WORKERS
from radfuse.pipeline.dicom_outputs import output_paths, write_dicom, write_volumes
from radfuse.pipeline.qa.content import write_result_sheet
from radfuse.pipeline.result import Result, RigidAlignment
from radfuse.pipeline.study.outputs import (
    further_paths,
    without_colours,
    write_further_dicom,
    write_further_volumes,
)
from radfuse.pipeline.volume import Region, fov_mask_slices
from radfuse.recipe import Recipe
from radfuse.record import Output, Record, digest
from radfuse.registration.transforms import write_transform
from radfuse.series import Series

LOG = logging.getLogger(__name__)

VOLUME_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
"""Formats of a fused volume in one file."""

UNWRITABLE_SUFFIXES = (".dcm", *IMAGE_SUFFIXES, ".hdr", ".img", ".mhd", ".gz")
"""Suffixes of files that no result can be written to."""

TRANSFORM, MASK = "from-MR_to-CT_mode-image_xfm.tfm", "desc-fov_mask.nii.gz"
"""Names in BIDS terms of the transform that resamples the MR onto the CT, and of the FOV mask."""

QA_SHEET = "qa sheet"
"""Role of the QA sheet in a record."""


@dataclass(frozen=True)
class OutputPaths:
    """Paths of the parts of a result."""

    images: Mapping[str, Path]
    record: Path
    sheet: Path
    transform: Path
    mask: Path
    folder: Path | None = None
    """Folder of all of them, which appears as a whole; None where they are files side by side."""

    @property
    def written(self) -> Path:
        """The fused image, or the folder of a result without one."""
        return self.images.get("fused", self.record.parent)

    @property
    def parts(self) -> tuple[Path, ...]:
        """All files and folders of a fusion of volumes."""
        return (*self.images.values(), self.record, self.sheet, self.transform, self.mask)


def check_output(
    output: Path | str | None,
    ct: Series,
    mr: Series,
    recipe: Recipe,
    further: Sequence[str] = (),
    *,
    sources: Sequence[Path] = (),
    overwrite: bool,
) -> OutputPaths | None:
    """The output paths, checked before the fusion.

    `further` are labels of further images, `sources` what is read beside CT, MR and masks. Raises
    `InputError` for a name that does not fit the image, `OutputError` for existing files.
    """
    if output is None:
        return None
    try:
        target = _target(Path(output), ct, mr, recipe, further, overwrite=overwrite)
        targets = (target.folder,) if target.folder else target.parts
        masks = (one for one in (recipe.roi, recipe.metric_mask) if isinstance(one, Path))
        refuse_overlap(targets, (ct.source, mr.source, *masks, *sources))
        return target
    except PermissionError as error:
        raise OutputError(f"{error.filename}: no permission; choose another --output") from error


def _target(
    path: Path, ct: Series, mr: Series, recipe: Recipe, further: Sequence[str], *, overwrite: bool
) -> OutputPaths:
    suffixes = VOLUME_SUFFIXES if ct.is_volume else (".png",)
    suffix = next((suffix for suffix in suffixes if path.name.lower().endswith(suffix)), None)
    if suffix is None:
        if path.name.lower().endswith(UNWRITABLE_SUFFIXES + VOLUME_SUFFIXES) and not path.is_dir():
            kind = "volume" if ct.is_volume else "2-D image"
            raise InputError(
                f"{path}: a fused {kind} is written to {', '.join(suffixes)} or a folder"
            )
        images = output_paths(path, None, recipe, ct, mr) | further_paths(path, None, further)
        return folder_target(path, images, overwrite=overwrite)
    if path.is_dir():
        raise OutputError(f"{path} is a folder; give another name")
    stem = path.name[: -len(suffix)]
    companion = {
        "record": f"{stem}.json",
        "sheet": f"{stem}_qa.html",
        "transform": f"{stem}_{TRANSFORM}",
        "mask": f"{stem}_{MASK}",
    }
    images = output_paths(path, suffix, recipe, ct, mr) | further_paths(path, suffix, further)
    target = OutputPaths(images, **{role: path.with_name(name) for role, name in companion.items()})
    flat_parts = [*target.images.values(), target.record, target.sheet]
    refuse_existing(list(target.parts) if ct.is_volume else flat_parts, overwrite=overwrite)
    return target


def folder_target(folder: Path, images: Mapping[str, Path], *, overwrite: bool) -> OutputPaths:
    """Paths inside a folder that is new or of an earlier run; `OutputError` for another one."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; give a folder, or a name that ends in .nii.gz")
    target = OutputPaths(
        images=images,
        record=folder / "record.json",
        sheet=folder / "qa.html",
        transform=folder / TRANSFORM,
        mask=folder / MASK,
        folder=folder,
    )
    if folder.is_dir() and any(folder.iterdir()):
        if foreign := sorted(
            {path.name for path in folder.iterdir()} - _known_names(target.record)
        ):
            raise OutputError(
                f"{folder} has files that radfuse did not write ({foreign[0]}); give another folder"
            )
        refuse_existing([folder], overwrite=overwrite)
    return target


def _known_names(record: Path) -> set[str]:
    """Names written by an earlier run, from its record; empty without a valid record."""
    try:
        outputs = Record.model_validate_json(record.read_bytes()).outputs
    except (OSError, ValidationError):
        return set()
    return {record.name, *(output.path for output in outputs)}


def save_result(result: Result, output: Path | str, *, overwrite: bool) -> Result:
    """Write a result that was fused without an output; errors of `check_output`, `write_result`."""
    target = check_output(
        output, result.ct, result.mr, result.record.recipe, [one.label for one in result.further],
        sources=[one.series.source for one in result.further], overwrite=overwrite,
    )  # fmt: skip
    return write_result(target, result) if target else result


def write_result(target: OutputPaths, result: Result) -> Result:
    """Write all parts; they appear together. Raises `OutputError` where they cannot be written."""
    parent = target.folder.parent if target.folder else target.record.parent
    with staging(parent) as stage, silenced():  # pydicom quotes values of the sources
        staged = staged_paths(stage, target)
        if result.ct.is_volume:
            roles = _write_volume_parts(staged, result)
        else:
            image = sitk.GetArrayViewFromImage(result.image)
            write_image(staged.images["fused"], image, bits=result.record.recipe.bits)
            roles = dict(staged.images)
        with ThreadPoolExecutor(WORKERS) as beside:
            digests = beside.map(lambda path: digest(files_of(path)), roles.values())
            write_result_sheet(staged.sheet, result)
        roles[QA_SHEET] = staged.sheet
        outputs = tuple(
            Output(role=role, path=path.name, sha256=sha256)
            for (role, path), sha256 in zip(
                roles.items(), (*digests, digest([staged.sheet])), strict=True
            )
        )
        left_out = _left_out(target, result)
        record = result.record.model_copy(update={"outputs": outputs, "left_out": left_out})
        staged.record.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    LOG.info("outputs written", extra={"roles": [output.role for output in outputs]})
    return dataclasses.replace(result, record=record, written=target.written)


def _left_out(target: OutputPaths, result: Result) -> tuple[str, ...]:
    """Why what is a default output is missing: a registration object, a PET in colour."""
    is_default = target.folder and result.ct.is_volume and result.record.recipe.outputs is None
    reason = unwritable_reason(result.ct, result.mr) if is_default else None
    registration = (f"no registration object: {reason}",) if reason else ()
    return registration + without_colours(target.written, result)


def staged_paths(stage: Staging, target: OutputPaths) -> OutputPaths:
    """The same paths inside the staging folder."""
    folder = stage.folder
    if target.folder is not None:
        folder = stage.path_of(target.folder)
        folder.mkdir()
    return OutputPaths(
        {name: folder / path.name for name, path in target.images.items()},
        *(folder / path.name for path in target.parts[len(target.images) :]),
    )


def _write_volume_parts(target: OutputPaths, result: Result) -> dict[str, Path]:
    """Write images and objects, transform and mask; returns the path of each role."""
    alignment, region = result.alignment, result.region
    if alignment is None or region is None:
        raise InputError("the result of a volume needs an alignment and region")
    with ThreadPoolExecutor(1) as beside:
        mask = beside.submit(
            write_mask, target.mask, result.ct.image, fov_mask_slices(result.ct.image, region)
        )
        if target.written.name.endswith(VOLUME_SUFFIXES):
            write_volumes(target.images, result.image, result.ct, result.mr, alignment.mr_from_ct)
            write_further_volumes(target.images, result)
        else:
            recipe = result.record.recipe
            context = derivation_context(result.ct, result.mr, alignment, region, result.record)
            write_dicom(target.images, result.image, context, window_named(recipe.window), recipe)
            write_further_dicom(target.images, result, context)
        mask.result()
    write_transform(target.transform, alignment.mr_from_ct)
    written = {role: path for role, path in target.images.items() if path.exists()}
    return {**written, "transform": target.transform, "field of view": target.mask}


def derivation_context(
    fixed: Series, moving: Series, alignment: RigidAlignment, region: Region, record: Record
) -> DerivationContext:
    """The context of the DICOM objects of two fused volumes."""
    return DerivationContext(
        fixed=fixed,
        moving=moving,
        moving_from_fixed=alignment.moving_from_fixed,
        method=record.recipe.method,
        weights_sha256=record.method.get("sha256"),
        verdict=alignment.quality.verdict,
        registration_id=alignment.identifier,
        alignment_source=alignment.origin,
        in_fov=slices_in_fov(fixed.image, region),
        window=record.scaling.get("CT window, HU", ""),
        moving_range=region.mr_range,
        job=record.job,
    )


def slices_in_fov(ct: sitk.Image, region: Region) -> NDArray[np.bool_]:
    """For each slice of the CT, whether it intersects the MR field of view."""
    in_fov = np.zeros(ct.GetSize()[2], np.bool_)
    in_fov[region.box[0]] = region.fov_mask.any(axis=(1, 2))
    return in_fov


def files_of(path: Path) -> list[Path]:
    """A file, or the files of a folder in the order of their digest."""
    return sorted(path.iterdir(), key=lambda one: one.name) if path.is_dir() else [path]
