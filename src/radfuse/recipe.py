"""Settings of one fusion, as data: the same JSON on the command line, in Python and in REST."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from radfuse.errors import InputError
from radfuse.modality import CT
from radfuse.schema import Values, VersionedModel

Device = Literal["cpu", "cuda"]
"""Where a learned method runs."""

OutputName = Literal["fused", "mr", "colour", "registration"]
"""What a fusion of volumes can be written as: the fused image in grey, the MR on the CT's grid, the
MR in colours above the CT, the Spatial Registration."""

DEFAULT_OPACITY = 0.5
"""Of the MR above the CT, where no other is asked for."""

DEFAULT_METHOD = "mfinet"
"""Fuses where no other method is asked for."""


DEFAULT_WINDOW = CT.default_window
"""CT window where no other is asked for."""


def _precision_as_option(values: Values) -> Values:
    """Version 1 has the option `precision` as a field."""
    if "precision" not in values:
        return values
    values = dict(values)
    precision = values.pop("precision")
    if precision != "f32":
        values["options"] = {"precision": precision, **values.get("options", {})}
    return values


class Recipe(VersionedModel):
    """Settings of one fusion; frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid")
    migrations = (_precision_as_option,)

    method: str = DEFAULT_METHOD
    """A name of the catalogue or the path of an ONNX file."""

    options: dict[str, float | int | str] = Field(default_factory=dict)
    """Options of the method by name; `radfuse methods NAME` lists them."""

    window: str | tuple[float, float] = DEFAULT_WINDOW
    """CT window: the name of a preset or (width, level) in HU."""

    register_rigidly: bool = True
    """Whether to search for the alignment; if not, the headers' coordinates are taken as true."""

    transform: Path | None = None
    """File of a transform that maps CT points to MR points, or a DICOM registration, taken instead
    of a search."""

    initial_transform: Path | None = None
    """File of a transform to start the search from, instead of the usual starts."""

    deterministic: bool = False
    """Whether registration runs in one thread, so that it repeats bit for bit."""

    accept_registration: bool = False
    """Whether to go on with a registration whose quality is below the threshold."""

    accept_patients: bool = False
    """Whether to go on though the headers of CT and MR name different patients."""

    deidentify: bool = False
    """Whether all outputs are made without who the patient is, by the DICOM basic profile."""

    show_identifiers: bool = False
    """Whether names and IDs of patients may stand in record, QA sheet and messages."""

    ct_series: str | None = None
    """SeriesInstanceUID of the CT, where a folder has several."""

    mr_series: str | None = None
    """SeriesInstanceUID of the MR, where a folder has several."""

    outputs: Annotated[tuple[OutputName, ...], Field(min_length=1)] | None = None
    """What is written; without it all that a folder of DICOM takes, the fused image in a file."""

    opacity: Annotated[float, Field(ge=0, le=1)] = DEFAULT_OPACITY
    """Of the MR above the CT in colour: 0 shows the CT alone, 1 the MR alone."""

    device: Device = "cpu"

    bits: Literal[8, 16] = 8
    """Depth of a fused picture in 2-D; volumes always have 16."""

    @model_validator(mode="after")
    def _without_contradictions(self) -> "Recipe":
        if self.transform and self.initial_transform:
            raise ValueError("give transform or initial_transform, not both")
        if not self.register_rigidly and (self.transform or self.initial_transform):
            raise ValueError("without registration there is no use for a transform file")
        if self.deidentify and self.show_identifiers:
            raise ValueError("identifiers are removed or shown, not both")
        return self


def make_recipe(**settings: object) -> Recipe:
    """A recipe from loose settings; raises `InputError` with one line for the first wrong one."""
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        if not place:  # a contradiction between settings
            raise InputError(f"recipe: {first['msg'].removeprefix('Value error, ')}") from error
        raise InputError(f"recipe: {place}: {first['msg']} (got {first['input']!r})") from error
