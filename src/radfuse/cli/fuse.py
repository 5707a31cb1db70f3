"""`radfuse fuse`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from radfuse.cli.options import (
    PATH,
    Stages,
    choice_options_of_many,
    chosen_series,
    ct_option,
    listed,
    mrs_option,
    named_options,
    named_values,
    output_options,
    print_json,
    print_warnings,
    registration_options,
    show_identifiers_option,
)
from radfuse.colour.maps import COLOUR_MAPS
from radfuse.colour.spaces import SPACES
from radfuse.errors import InputError
from radfuse.intensity import WINDOWS
from radfuse.methods.loading import GRAPH
from radfuse.modality import CT, MR, NM, PT, Modality
from radfuse.pipeline.functional.pair import fuse_colour
from radfuse.pipeline.functional.result import FunctionalResult
from radfuse.pipeline.fuse import fuse_ct_mr
from radfuse.pipeline.images.folders import FolderOutcome, FuseOne, fuse_folders, is_image_folder
from radfuse.pipeline.images.functional import ColourResult
from radfuse.pipeline.read import read, read_by_recipe
from radfuse.pipeline.result import Result
from radfuse.pipeline.study.fuse import fuse_study
from radfuse.recipe import (
    DEFAULT_FUNCTIONAL_METHOD,
    DEFAULT_METHOD,
    DEFAULT_OPACITY,
    DEFAULT_WINDOW,
    Recipe,
    make_recipe,
)
from radfuse.record import NOTICE

FunctionalFiles = tuple[tuple[Modality, Path], tuple[Modality, Path]]
"""The anatomical and the functional image."""


@click.command("fuse")
@ct_option
@mrs_option
@click.option("--pet", type=PATH, help="PET: a volume, or a 2-D image in grey or in colour.")
@click.option("--spect", type=PATH, help="SPECT: a volume, or a 2-D image, as a PET.")
@click.option("--pet-ct", type=PATH, help="CT of the PET's scanner: the PET is registered by it.")
@click.option(
    "--fused-mr",
    type=PATH,
    metavar="PATH",
    help="Which --mr is fused with the CT  [default: T1-weighted with contrast agent]",
)
@choice_options_of_many
@click.option("--pet-series", metavar="UID", help="The PET, if the folder has several.")
@click.option("--pet-ct-series", metavar="UID", help="--pet-ct, if the folder has several.")
@click.option("--spect-series", metavar="UID", help="The SPECT, if the folder has several.")
@click.option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    help="A folder (DICOM), or a file: .nii.gz, .nrrd, .mha for volumes, .png for 2-D images.",
)
@click.option(
    "--method",
    metavar="NAME",
    help="A name of `radfuse methods`, or the path of an ONNX file  "
    f"[default: {DEFAULT_METHOD}; of PET and SPECT {DEFAULT_FUNCTIONAL_METHOD}]",
)
@named_values("Set an option of the method, see `radfuse methods NAME`")
@click.option(
    "--window-preset",
    "preset",
    type=click.Choice(list(WINDOWS)),
    default=DEFAULT_WINDOW,
    show_default=True,
    help="CT window.",
)
@click.option(
    "--window", type=(float, float), metavar="W L", help="CT window: width and level, HU."
)
@click.option(
    "--transform",
    type=PATH,
    metavar="FILE",
    help="Use this transform (CT to MR points, or a DICOM REG) instead of registering.",
)
@click.option(
    "--no-register", is_flag=True, help="Use the coordinates of the headers instead of registering."
)
@registration_options
@click.option(
    "--precision",
    type=click.Choice(["f32", "bf16"]),
    help="Short for --option precision=VALUE, of methods with a network  [default: f32]",
)
@click.option(
    "--fast",
    is_flag=True,
    help="Short for --option graph=fast: a narrower network, of methods that have one.",
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option(
    "--bits",
    type=click.Choice(["8", "16"]),
    default="8",
    show_default=True,
    help="Bit depth of a fused 2-D image.",
)
@click.option(
    "--outputs",
    multiple=True,
    metavar="NAME,...",
    help="Outputs: fused, mr, colour, registration; default: all into a folder, else fused.",
)
@click.option(
    "--opacity",
    type=float,
    default=DEFAULT_OPACITY,
    show_default=True,
    metavar="0..1",
    help="Opacity of the MR over the CT in colour.",
)
@click.option(
    "--colour-space",
    type=click.Choice(list(SPACES)),
    default="lab",
    show_default=True,
    help="Of PET and SPECT: where the fused luminance replaces theirs.",
)
@click.option(
    "--colour-map",
    type=click.Choice(list(COLOUR_MAPS)),
    default="lightness",
    show_default=True,
    help="Colours of a PET or SPECT image in grey.",
)
@click.option(
    "--deidentify", is_flag=True, help="De-identify all outputs, by the DICOM Basic Profile."
)
@show_identifiers_option
@click.option(
    "--skip-unmatched", is_flag=True, help="Of two folders: leave out images without a partner."
)
@click.option("--overwrite", is_flag=True, help="Replace earlier results.")
@output_options
def fuse_command(
    *,
    ct: Path | None,
    mrs: tuple[Path, ...],
    study: Path | None,
    pet: Path | None,
    spect: Path | None,
    pet_ct: Path | None,
    fused_mr: Path | None,
    mr_series: tuple[str, ...],
    output: Path,
    method: str | None,
    preset: str,
    window: tuple[float, float] | None,
    no_register: bool,
    options: tuple[str, ...],
    precision: str | None,
    fast: bool,
    bits: str,
    outputs: tuple[str, ...],
    skip_unmatched: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Fuse a CT and an MR of one head into one image on the CT's grid.

    A folder as output gets one DICOM series each for the fused image in grey, the MR on the CT's
    grid, the MR in colour over the CT, and the registration, and with them the record (JSON), the
    transform, the mask of the MR field of view and a QA sheet (HTML). Review the QA sheet before
    you use the result.

    With --pet or --spect, these are fused with an MR or CT in colour: a 2-D image with one of its
    size, or a volume, which is registered. With a CT, an MR and further --mr, --pet or --spect, all
    volumes are brought onto the CT's grid, and one MR is fused with the CT. Two folders of 2-D
    images are fused in pairs of one name; the same command resumes.

    Research use only. Not a medical device.
    """  # fmt: skip
    is_study = bool(ct and mrs and (len(mrs) > 1 or pet or spect))
    is_functional = not is_study and (pet is not None or spect is not None)
    _check_further(mrs, pet_ct, fused_mr, study, is_study=is_study)
    _check_uids(mrs, mr_series, pet_ct, settings["pet_ct_series"])
    mr = mrs[0] if mrs else None
    recipe = make_recipe(
        method=method or (DEFAULT_FUNCTIONAL_METHOD if is_functional else DEFAULT_METHOD),
        window=window or preset,
        register_rigidly=not no_register,
        options=named_options(options)
        | ({"precision": precision} if precision else {})
        | ({GRAPH: "fast"} if fast else {}),
        bits=int(bits),
        mr_series=mr_series[0] if mr_series else None,
        outputs=listed(outputs) or None,
        **settings,
    )
    images = {CT: ct, MR: mr, PT: pet, NM: spect} if not is_study else {}
    pair = _functional_pair(images, study) if is_functional else None
    folders = [path for path in images.values() if path and is_image_folder(path)]
    with Stages(quiet=quiet) as report:
        if len(folders) == 2:
            outcome = fuse_folders(
                (folders[0], folders[1]), output, _fusing(pair, recipe, overwrite=overwrite),
                recipe, skip_unmatched=skip_unmatched, report=report,
            )  # fmt: skip
            _print_outcome(outcome, output, as_json=as_json)
            return
        if pair:
            report("reading", None)
            anatomical, functional = (
                read_by_recipe(path, modality, recipe) for modality, path in pair
            )
            coloured = fuse_colour(
                anatomical, functional, output, pet_ct=pet_ct,
                recipe=recipe, overwrite=overwrite, report=report,
            )  # fmt: skip
            record, written = coloured.record, coloured.written
            sentences = _colour_sentences(coloured)
        elif is_study and ct:
            result = fuse_study(
                ct, mrs, output, pet=pet, pet_ct=pet_ct, spect=spect,
                fused_mr=mrs.index(fused_mr) if fused_mr else None, mr_series=mr_series,
                recipe=recipe, overwrite=overwrite, report=report,
            )  # fmt: skip
            record, written, sentences = result.record, result.written, _sentences(result)
        else:
            ct, mr, recipe = chosen_series(ct, mr, study, recipe)
            result = fuse_ct_mr(ct, mr, output, recipe=recipe, overwrite=overwrite, report=report)
            record, written, sentences = result.record, result.written, _sentences(result)
    print_warnings(record.warnings)
    if as_json:
        print_json({"written": str(written), **record.model_dump(mode="json")})
        return
    notes = [note for source in record.inputs for note in source.notes]
    notes += [f"{one.label}: {note}" for one in record.further for note in one.image.notes]
    notes = [one for one in (*notes, *record.left_out) if one not in record.warnings]
    for sentence in (*(f"note: {one}" for one in notes), *sentences):
        click.echo(sentence)
    click.echo(f"{written}\n{NOTICE}")


def _fusing(pair: FunctionalFiles | None, recipe: Recipe, *, overwrite: bool) -> FuseOne:
    """What fuses one pair of two folders: in colour where one of them is functional."""

    def fuse_one(first: Path, second: Path, target: Path) -> None:
        if pair is None:
            fuse_ct_mr(first, second, target, recipe=recipe, overwrite=overwrite)
            return
        images = zip((one for one, _ in pair), (first, second), strict=True)
        anatomical, functional = (read(path, modality) for modality, path in images)
        fuse_colour(anatomical, functional, target, recipe=recipe, overwrite=overwrite)

    return fuse_one


def _print_outcome(outcome: FolderOutcome, output: Path, *, as_json: bool) -> None:
    """What was done; `InputError` where a pair could not be fused."""
    if as_json:
        print_json({"written": str(output), **asdict(outcome)})
    else:
        click.echo(
            f"pairs fused: {len(outcome.fused)}; finished before: {len(outcome.finished_before)}; "
            f"images without a partner: {len(outcome.unmatched)}\n{output}\n{NOTICE}"
        )
    if outcome.failures:
        name, why = next(iter(outcome.failures.items()))
        raise InputError(f"{len(outcome.failures)} pairs were not fused; {name}: {why}")


def _colour_sentences(result: ColourResult | FunctionalResult) -> list[str]:
    """What is printed of the registration of volumes."""
    if isinstance(result, ColourResult) or not result.alignment.quality.passed:
        return []
    return [result.alignment.quality.sentence()]


def _check_further(
    mrs: tuple[Path, ...],
    pet_ct: Path | None,
    fused_mr: Path | None,
    study: Path | None,
    *,
    is_study: bool,
) -> None:
    """Raise `InputError` for options of several images without them."""
    if study and (is_study or len(mrs) > 1):
        raise InputError("--study is one CT with one MR; leave it out, and give --ct and each --mr")
    if len(mrs) > 1 and not is_study:
        raise InputError(
            "several MR are brought onto the grid of a CT; add --ct, or give one --mr: alone it is "
            "fused with --pet or --spect"
        )
    if fused_mr and fused_mr not in mrs:
        raise InputError(f"--fused-mr {fused_mr}: not one of --mr")
    if pet_ct and not is_study and (mrs or study):
        raise InputError("--pet-ct needs --ct and --pet")


def _check_uids(
    mrs: tuple[Path, ...],
    mr_series: tuple[str, ...],
    pet_ct: Path | None,
    pet_ct_series: str | None,
) -> None:
    """Raise `InputError` for UIDs of series without the images that they select."""
    if len(mr_series) > max(1, len(mrs)):
        raise InputError(f"{len(mr_series)} --mr-series, {len(mrs)} --mr; give one for each --mr")
    if pet_ct_series and not pet_ct:
        raise InputError("--pet-ct-series needs --pet-ct")


def _functional_pair(given: dict[Modality, Path | None], study: Path | None) -> FunctionalFiles:
    """The images that are given; `InputError` unless it is one of each."""
    pair = [(modality, path) for modality, path in given.items() if path is not None]
    if [one.role for one, _ in pair] != ["anatomical", "functional"] or study:
        raise InputError("give one of --pet and --spect, with one of --mr and --ct")
    return pair[0], pair[1]


def _sentences(result: Result) -> list[str]:
    """What is printed of the registrations."""
    if not result.alignment:
        return []
    quality, note = result.alignment.quality, result.alignment.header_note
    further = [
        f"{one.label}: {one.alignment.quality.sentence()}; {one.note}"
        for one in result.further
        if one.alignment.quality.passed
    ]
    return [quality.sentence()] * quality.passed + [f"note: {note}"] * bool(note) + further
