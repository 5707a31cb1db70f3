"""What a fusion leaves behind, and writing it: all of it or nothing."""

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import ValidationError

from radfuse.dicom.write.derivation_context import DerivationContext
from radfuse.dicom.write.spatial_registration import unwritable_reason
from radfuse.errors import InputError, OutputError
from radfuse.intensity import window_named
from radfuse.io.images import PICTURE_SUFFIXES, write_picture
from radfuse.io.staging import Staging, refuse_existing, staging
from radfuse.io.volumes import write_volume
from radfuse.pipeline.dicom_outputs import places, write_dicom, write_volumes
from radfuse.pipeline.qa.content import write_sheet
from radfuse.pipeline.result import Result
from radfuse.pipeline.volume import Scaled, field_of_view_mask
from radfuse.recipe import Recipe
from radfuse.record import Output, Record, digest
from radfuse.registration.transforms import write_transform
from radfuse.series import Series

LOG = logging.getLogger(__name__)

VOLUME_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
"""Formats of a fused volume in one file."""

OTHER_SUFFIXES = (".dcm", *PICTURE_SUFFIXES, ".hdr", ".img", ".mhd", ".gz")
"""Names that somebody takes for a file, though no result can be written to them."""

TRANSFORM, MASK = "from-MR_to-CT_mode-image_xfm.tfm", "desc-fov_mask.nii.gz"
"""Names of the companions in BIDS terms: the transform that resamples the MR onto the CT."""

QA_SHEET = "qa sheet"
"""Role of the QA sheet in a record."""


@dataclass(frozen=True)
class Target:
    """Where the parts of a result go."""

    images: Mapping[str, Path]
    record: Path
    sheet: Path
    transform: Path
    mask: Path
    folder: Path | None = None
    """The folder that holds them all and appears as a whole; None where they stand in a row."""

    @property
    def written(self) -> Path:
        """The fused image, or the folder of a result without one."""
        return self.images.get("fused", self.record.parent)

    @property
    def parts(self) -> tuple[Path, ...]:
        """All that is written of a fusion of volumes."""
        return (*self.images.values(), self.record, self.sheet, self.transform, self.mask)


def check_output(
    output: Path | str | None, ct: Series, mr: Series, recipe: Recipe, *, overwrite: bool
) -> Target | None:
    """Where to write, checked before the work begins.

    Raises `InputError` for a name that does not fit the image, `OutputError` for what exists.
    """
    if output is None:
        return None
    try:
        target = _target(Path(output), ct, mr, recipe, overwrite=overwrite)
        _keep_inputs(target, (ct, mr))
        return target
    except PermissionError as error:
        raise OutputError(f"{error.filename}: no permission; choose another --output") from error


def _target(path: Path, ct: Series, mr: Series, recipe: Recipe, *, overwrite: bool) -> Target:
    suffixes = VOLUME_SUFFIXES if ct.is_volume else (".png",)
    suffix = next((suffix for suffix in suffixes if path.name.lower().endswith(suffix)), None)
    if suffix is None:
        if path.name.lower().endswith(OTHER_SUFFIXES + VOLUME_SUFFIXES) and not path.is_dir():
            kind = "volume" if ct.is_volume else "picture"
            raise InputError(f"{path}: a fused {kind} goes to {', '.join(suffixes)} or a folder")
        return _folder_target(path, places(path, None, recipe, ct, mr), overwrite=overwrite)
    if path.is_dir():
        raise OutputError(f"{path} is a folder; give another name")
    stem = path.name[: -len(suffix)]
    beside = {
        "record": f"{stem}.json",
        "sheet": f"{stem}_qa.html",
        "transform": f"{stem}_{TRANSFORM}",
        "mask": f"{stem}_{MASK}",
    }
    images = places(path, suffix, recipe, ct, mr)
    target = Target(images, **{role: path.with_name(name) for role, name in beside.items()})
    of_pictures = [*target.images.values(), target.record, target.sheet]
    refuse_existing(list(target.parts) if ct.is_volume else of_pictures, overwrite=overwrite)
    return target


def _folder_target(folder: Path, images: Mapping[str, Path], *, overwrite: bool) -> Target:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; give a folder, or a name that ends in .nii.gz")
    target = Target(
        images=images,
        record=folder / "record.json",
        sheet=folder / "qa.html",
        transform=folder / TRANSFORM,
        mask=folder / MASK,
        folder=folder,
    )
    if folder.is_dir() and any(folder.iterdir()):
        if foreign := sorted({path.name for path in folder.iterdir()} - _own_names(target.record)):
            raise OutputError(
                f"{folder} has files that are no radfuse result ({foreign[0]}); give another folder"
            )
        refuse_existing([folder], overwrite=overwrite)
    return target


def _keep_inputs(target: Target, inputs: tuple[Series, ...]) -> None:
    """Raise `OutputError` for results that would lie over or among the inputs."""
    targets = (target.folder,) if target.folder else target.parts
    for source in (series.source.resolve() for series in inputs):
        for place in (place.resolve() for place in targets):
            if place == source or place in source.parents or source in place.parents:
                raise OutputError(f"{place} would lie over or in {source}; give another --output")


def _own_names(record: Path) -> set[str]:
    """What an earlier run wrote into a folder, by its record; nothing without a valid one."""
    try:
        outputs = Record.model_validate_json(record.read_bytes()).outputs
    except (OSError, ValidationError):
        return set()
    return {record.name, *(output.path for output in outputs)}


def write_result(target: Target, result: Result) -> Result:
    """Write all parts; they appear together, or an `OutputError` says why not."""
    parent = target.folder.parent if target.folder else target.record.parent
    with staging(parent) as stage:
        staged = _staged(stage, target)
        if result.ct.is_volume:
            roles = _write_volume_parts(staged, result)
        else:
            image = sitk.GetArrayViewFromImage(result.image)
            write_picture(staged.images["fused"], image, bits=result.record.recipe.bits)
            roles = dict(staged.images)
        write_sheet(staged.sheet, result)
        roles[QA_SHEET] = staged.sheet
        shown = str if target.folder else result.identifiers.hide_in_path  # names of the user's
        outputs = tuple(
            Output(role=role, path=shown(path.name), sha256=digest(files_of(path)))
            for role, path in roles.items()
        )
        left_out = _left_out(target, result)
        record = result.record.model_copy(update={"outputs": outputs, "left_out": left_out})
        staged.record.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    LOG.info("outputs written", extra={"roles": [output.role for output in outputs]})
    return dataclasses.replace(result, record=record, written=target.written)


def _left_out(target: Target, result: Result) -> tuple[str, ...]:
    """Why a folder of DICOM lacks the registration object that it would have by default."""
    is_default = target.folder and result.ct.is_volume and result.record.recipe.outputs is None
    reason = unwritable_reason(result.ct, result.mr) if is_default else None
    return (f"no registration object: {reason}",) if reason else ()


def _staged(stage: Staging, target: Target) -> Target:
    """The same target, inside the staging folder."""
    folder = stage.folder
    if target.folder is not None:
        folder = stage.place(target.folder)
        folder.mkdir()
    return Target(
        {name: folder / path.name for name, path in target.images.items()},
        *(folder / path.name for path in target.parts[len(target.images) :]),
    )


def _write_volume_parts(target: Target, result: Result) -> dict[str, Path]:
    """Write images and objects, transform and mask; returns what went where."""
    alignment, scaled = result.alignment, result.scaled
    if alignment is None or scaled is None:
        raise InputError("a volume's result has an alignment and scaled volumes")
    if target.written.name.endswith(VOLUME_SUFFIXES):
        write_volumes(target.images, result.image, result.ct, result.mr, alignment.mr_from_ct)
    else:
        recipe = result.record.recipe
        context = DerivationContext(
            ct=result.ct,
            mr=result.mr,
            mr_from_ct=alignment.mr_from_ct,
            method=recipe.method,
            weights_sha256=result.record.method.get("sha256"),
            qa_passed=alignment.quality.passed,
            registration_id=alignment.identifier,
            alignment_source=alignment.origin,
            in_fov=_slices_in_fov(result.ct.image, scaled),
            window=result.record.scaling["CT window, HU"],
            mr_range=scaled.mr_range,
        )
        write_dicom(target.images, result.image, context, window_named(recipe.window), recipe)
    write_transform(target.transform, alignment.mr_from_ct)
    write_volume(target.mask, field_of_view_mask(result.ct.image, scaled))
    return {**target.images, "transform": target.transform, "field of view": target.mask}


def _slices_in_fov(ct: sitk.Image, scaled: Scaled) -> NDArray[np.bool_]:
    """For each slice of the CT, whether the MR looked anywhere in it."""
    seen = np.zeros(ct.GetSize()[2], np.bool_)
    seen[scaled.box[0]] = scaled.field_of_view.any(axis=(1, 2))
    return seen


def files_of(path: Path) -> list[Path]:
    """A file, or the files of a folder in the order that their digest goes by."""
    return sorted(path.iterdir()) if path.is_dir() else [path]
