"""Fusion of all images of one patient: a CT, several MR sequences, PET or SPECT."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from radfuse.errors import InputError
from radfuse.modality import CT, MR, NM, PT, Modality
from radfuse.pipeline.align import PriorAlignment
from radfuse.pipeline.arrays import Source, series_in_memory
from radfuse.pipeline.display.bars import Report, reporting
from radfuse.pipeline.functional.align import ct_in_one_frame
from radfuse.pipeline.fuse import fuse_ct_mr
from radfuse.pipeline.read import of_modality, read, read_by_recipe, read_pet_ct
from radfuse.pipeline.result import Result
from radfuse.pipeline.study.align import FurtherSeries
from radfuse.pipeline.study.choice import chosen_uids
from radfuse.pipeline.study.sequences import best_mr, choice_note, labels_of
from radfuse.recipe import Recipe
from radfuse.record import JobReference
from radfuse.series import Series


def fuse_study(
    ct: Source,
    mrs: Sequence[Source],
    output: Path | str | None = None,
    *,
    pet: Source | None = None,
    pet_ct: Series | Path | str | None = None,
    spect: Source | None = None,
    fused_mr: int | None = None,
    mr_series: Sequence[str] = (),
    recipe: Recipe | None = None,
    prior: PriorAlignment | None = None,
    further_priors: Mapping[str, PriorAlignment] | None = None,
    job: JobReference | None = None,
    overwrite: bool = False,
    report: Report = None,
) -> Result:
    """Bring all images of a patient onto the CT's grid, and fuse one MR with the CT.

    Parameters
    ----------
    ct, mrs
        Volumes; as of `radfuse.fuse`.
    output
        As of `radfuse.fuse`.
    pet, spect
        Volumes that are also brought onto the CT's grid.
    pet_ct
        The CT of the PET's scanner: the PET is then registered by it.
    fused_mr
        Index of the MR that is fused; by default `best_mr`.
    mr_series
        SeriesInstanceUIDs of MR in folders with several: each path gets the first that it contains
        and no earlier path got. By default the recipe's.
    prior
        The alignment of the MR that is fused, or where its search starts, instead of the recipe's.
    further_priors
        The same for other images, by their labels.
    recipe, job, overwrite, report
        As of `radfuse.fuse`.

    Raises
    ------
    InputError, RegistrationError, OutputError
        As `radfuse.fuse`, with the label of the image.

    Examples
    --------
    >>> import radfuse
    >>> head = radfuse.datasets.phantom(spacing_mm=4.0)
    >>> pet = radfuse.datasets.phantom_pet(spacing_mm=4.0)
    >>> result = radfuse.fuse_study(head.ct, [head.mr], pet=pet)
    >>> [one.label for one in result.further]
    ['PT']
    """
    recipe = recipe or Recipe()
    with reporting(report) as progress:
        progress("reading", None)
        ct_series = _read(ct, CT, recipe)
        fused, others = _read_mrs(mrs, fused_mr, mr_series, recipe)
        further = [*others, *_functional(pet, pet_ct, spect, recipe)]
        further = _with_priors(further, further_priors or {})
        _check_volumes([ct_series, fused, *(one.series for one in further)])
        return fuse_ct_mr(
            ct_series, fused, output,
            recipe=recipe, further=further, prior=prior, job=job, overwrite=overwrite,
            report=progress,
        )  # fmt: skip


def _read_mrs(
    mrs: Sequence[Source], fused_mr: int | None, mr_series: Sequence[str], recipe: Recipe
) -> tuple[Series, list[FurtherSeries]]:
    """The MR that is fused, with a note why, and the others with their labels."""
    uids = chosen_uids(mrs, mr_series or [one for one in [recipe.mr_series] if one])
    all_mrs = [_read_mr(one, uid, recipe) for one, uid in zip(mrs, uids, strict=True)]
    _check_number(all_mrs, fused_mr)
    chosen, why = best_mr(all_mrs) if fused_mr is None else (fused_mr, "chosen by the user")
    labels = labels_of(all_mrs)
    others = [
        FurtherSeries(label, series)
        for number, (label, series) in enumerate(zip(labels, all_mrs, strict=True))
        if number != chosen
    ]
    fused = all_mrs[chosen]
    if others:
        fused = replace(fused, notes=(*fused.notes, choice_note(labels[chosen], why)))
    return fused, others


def _functional(
    pet: Source | None, pet_ct: Series | Path | str | None, spect: Source | None, recipe: Recipe
) -> Iterator[FurtherSeries]:
    """PET and SPECT, where they are given."""
    if pet is not None:
        yield _pet(pet, pet_ct, recipe)
    elif pet_ct is not None:
        raise InputError("the CT of the PET is given without the PET; add --pet, or leave it out")
    if spect is not None:
        yield FurtherSeries(NM.code, _read(spect, NM, recipe))


def _read(source: Source, modality: Modality, recipe: Recipe) -> Series:
    if isinstance(source, Series):
        return of_modality(source, modality)
    if isinstance(source, Path | str):
        return read_by_recipe(source, modality, recipe)
    return series_in_memory(source, modality, recipe)


def _read_mr(source: Source, uid: str | None, recipe: Recipe) -> Series:
    if isinstance(source, Path | str):
        return read(source, MR, series_uid=uid)
    return _read(source, MR, recipe)


def _pet(pet: Source, pet_ct: Series | Path | str | None, recipe: Recipe) -> FurtherSeries:
    """The PET with the CT of its scanner, which share a frame of reference."""
    series = _read(pet, PT, recipe)
    if pet_ct is None:
        return FurtherSeries(PT.code, series)
    through = ct_in_one_frame(series, read_pet_ct(pet_ct, recipe))
    return FurtherSeries(PT.code, series, through)


def _with_priors(
    further: Sequence[FurtherSeries], priors: Mapping[str, PriorAlignment]
) -> list[FurtherSeries]:
    labels = [one.label for one in further]
    if unknown := priors.keys() - set(labels):
        names = ", ".join(labels) or "none"
        raise InputError(f"no image {', '.join(sorted(unknown))} to align; there are {names}")
    return [replace(one, prior=priors.get(one.label)) for one in further]


def _check_number(mrs: Sequence[Series], fused_mr: int | None) -> None:
    if not mrs:
        raise InputError("no MR; give at least one")
    if fused_mr is not None and not 0 <= fused_mr < len(mrs):
        raise InputError(f"fused MR {fused_mr}: there are {len(mrs)}; give 0 to {len(mrs) - 1}")


def _check_volumes(all_series: Sequence[Series]) -> None:
    for series in all_series:
        if not series.is_volume:
            raise InputError(f"{series.source}: a 2-D image; several images are fused in 3-D only")
