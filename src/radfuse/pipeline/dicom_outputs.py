"""Paths and files of the images and DICOM objects of a fusion."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args

import SimpleITK as sitk

from radfuse.dicom.write.colour_blend import ScaledSlice, blend_series
from radfuse.dicom.write.derivation_context import DerivationContext
from radfuse.dicom.write.fused import fused_series
from radfuse.dicom.write.resampled import resample_mr, resampled_series
from radfuse.dicom.write.spatial_registration import unwritable_reason, write_registration
from radfuse.errors import InputError
from radfuse.intensity import Window
from radfuse.io.volumes import write_volume
from radfuse.pipeline.volume import scaled_mr
from radfuse.recipe import OutputName, Recipe
from radfuse.registration.transforms import matrix_of
from radfuse.series import Series

FOLDERS: Mapping[str, str] = {
    "fused": "FUSED_{method}", "mr": "MR_on_CT", "colour": "COLOUR_CT_MR", "registration": "REG",
}  # fmt: skip
"""Names of the DICOM series inside the folder of a result."""

RESAMPLED = "space-CT_desc-resampled_MR"
"""End of the name of the MR on the CT's grid, in BIDS terms."""


def output_paths(
    path: Path, suffix: str | None, recipe: Recipe, ct: Series, mr: Series
) -> dict[str, Path]:
    """Path of each output of the recipe.

    `path` is a folder (`suffix` None), or a file for the fused image whose name ends with
    `suffix`. Raises `InputError` for an output that these series or a single file cannot have.
    """
    if not ct.is_volume:
        _refuse_others(
            recipe, ("fused",), "2-D images have only the fused output; leave out --outputs"
        )
        return {"fused": path / "fused.png" if suffix is None else path}
    if suffix is not None:
        _refuse_others(
            recipe, ("fused", "mr"),
            f"a {suffix} file has one image; give a folder as --output for colour and registration",
        )  # fmt: skip
        if recipe.outputs and "fused" not in recipe.outputs:
            raise InputError(
                f"a {suffix} file has the fused image, which --outputs leaves out; add fused, or "
                "give a folder as --output"
            )
        companion = path.with_name(f"{path.name[: -len(suffix)]}_{RESAMPLED}{suffix}")
        return (
            {"fused": path, "mr": companion} if "mr" in (recipe.outputs or ()) else {"fused": path}
        )
    left_out = unwritable_reason(ct, mr)
    if left_out and "registration" in (recipe.outputs or ()):
        raise InputError(f"no registration object: {left_out}; leave it out of --outputs")
    chosen = recipe.outputs or tuple(
        name for name in get_args(OutputName) if name != "registration" or not left_out
    )
    method = Path(recipe.method).stem
    return {name: path / FOLDERS[name].format(method=method) for name in chosen}


def _refuse_others(recipe: Recipe, possible: tuple[OutputName, ...], reason: str) -> None:
    others = [name for name in recipe.outputs or () if name not in possible]
    if others:
        raise InputError(f"no output {', '.join(others)}: {reason}")


def write_dicom(
    where: Mapping[str, Path],
    fused: sitk.Image,
    context: DerivationContext,
    window: Window,
    recipe: Recipe,
) -> None:
    """Write the DICOM objects, each series into a new folder; all series of a slice at once."""
    series = []
    if "fused" in where:
        series.append(fused_series(where["fused"], fused, context))
    if "mr" in where:
        series.append(resampled_series(where["mr"], context))
    if "colour" in where:
        scaled = _scaled_slice(context, window)
        series.append(blend_series(where["colour"], scaled, context, recipe.opacity))
    if series:
        context.write(*series)
    if "registration" in where:
        ct_from_mr = context.moving_from_fixed.GetInverse()
        write_registration(where["registration"], context, matrix_of(ct_from_mr))


def _scaled_slice(context: DerivationContext, window: Window) -> Callable[[int], ScaledSlice]:
    """Returns CT, MR and mask of the MR field of view for a slice of the CT."""

    def scaled(index: int) -> ScaledSlice:
        hu = sitk.GetArrayViewFromImage(context.fixed.image)[index]
        return window.scale(hu), *scaled_mr(context.moving_slice(index), context.moving_range)

    return scaled


def write_volumes(
    where: Mapping[str, Path], fused: sitk.Image, ct: Series, mr: Series,
    mr_from_ct: sitk.Transform,
) -> None:  # fmt: skip
    """Write the fused volume and, if it is an output, the MR on the CT's grid (float32)."""
    write_volume(where["fused"], fused)
    if "mr" in where:
        write_volume(where["mr"], resample_mr(mr.image, ct.image, mr_from_ct))
