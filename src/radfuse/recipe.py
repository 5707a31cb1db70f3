"""Settings of one fusion, as data: the same JSON on the command line, in Python and in REST."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from radfuse.errors import InputError
from radfuse.modality import CT, Modality
from radfuse.schema import Values, VersionedModel

Device = Literal["cpu", "cuda"]
"""Device of a learned method."""

OutputName = Literal["fused", "mr", "colour", "registration"]
"""Outputs of a fusion of volumes: the fused image in grey, the MR on the CT's grid, the MR in
colour over the CT, the Spatial Registration."""

ColourSpaceName = Literal["lab", "ycbcr", "ihs", "hsv"]
"""Colour spaces, `colour.spaces.SPACES`."""

ColourMapName = Literal["lightness", "hot", "atlas-pet", "atlas-spect"]
"""Colour maps, `colour.maps.COLOUR_MAPS`."""

Coordinate = Annotated[float, Field(allow_inf_nan=False)]
Box = tuple[Coordinate, Coordinate, Coordinate, Coordinate, Coordinate, Coordinate]
"""Lowest and highest x, y and z, LPS mm."""

DEFAULT_OPACITY = 0.5
"""Default opacity of the MR over the CT."""

MAX_REASON_LENGTH = 500
"""Characters of a reason for accepting different patients."""

DEFAULT_METHOD = "signed_detail"
"""Default method."""


DEFAULT_FUNCTIONAL_METHOD = "uptake_over_mr"
"""Default method of PET and SPECT."""

DEFAULT_WINDOW = CT.default_window
"""Default CT window."""


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
    """Settings of one fusion; frozen, unknown keys are refused.

    The same JSON holds on the command line, in REST and in routing rules. Raises
    `pydantic.ValidationError` for a wrong setting.

    Examples
    --------
    >>> import radfuse
    >>> recipe = radfuse.Recipe(method="laplacian", window="bone")
    >>> recipe
    Recipe(method='laplacian', window='bone')
    >>> recipe.chosen
    {'method': 'laplacian', 'window': 'bone'}
    """

    model_config = ConfigDict(extra="forbid")
    migrations = (_precision_as_option,)

    method: str = DEFAULT_METHOD
    """A name of the catalogue or the path of an ONNX file."""

    options: dict[str, float | int | str] = Field(default_factory=dict)
    """Options of the method by name; `radfuse methods NAME` lists them."""

    window: str | tuple[float, float] = DEFAULT_WINDOW
    """CT window: the name of a preset or (width, level) in HU."""

    register_rigidly: bool = True
    """Whether to search for the alignment; otherwise the coordinates of the headers are used."""

    transform: Path | None = None
    """File of a transform that maps CT points to MR points, or a DICOM registration, instead of a
    search."""

    initial_transform: Path | None = None
    """File of a transform from which the search starts, instead of the default initial poses."""

    roi: Box | Path | None = None
    """Region that is registered, and whose error is estimated: a box, LPS mm of the CT (lowest and
    highest x, then y, then z), or the file of a mask on the CT."""

    metric_mask: Path | None = None
    """File of a mask on the CT: only voxels inside count in the metric of the search."""

    deterministic: bool = False
    """Whether registration runs in one thread, for bit-identical results."""

    accept_registration: bool = False
    """Whether to fuse although registration QA failed."""

    require_pass: bool = False
    """Whether a registration that is to be inspected is refused as one that failed QA."""

    accept_patients: bool = False
    """Whether to fuse although the headers of CT and MR have different patients."""

    accept_patients_reason: Annotated[str, Field(max_length=MAX_REASON_LENGTH)] = ""
    """Why they are of one patient, as the person typed it who accepted them."""

    deidentify: bool = False
    """Whether all outputs are de-identified, by the DICOM Basic Profile."""

    show_identifiers: bool = False
    """Whether record, QA sheet and messages may contain names and IDs of patients."""

    ct_series: str | None = None
    """SeriesInstanceUID of the CT in a folder with several."""

    mr_series: str | None = None
    """SeriesInstanceUID of the MR in a folder with several."""

    pet_series: str | None = None
    """SeriesInstanceUID of the PET in a folder with several."""

    pet_ct_series: str | None = None
    """SeriesInstanceUID of the CT of the PET's scanner in a folder with several."""

    spect_series: str | None = None
    """SeriesInstanceUID of the SPECT in a folder with several."""

    ct_scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """Factor that brings CT values to HU; with one of both the values are not checked."""

    ct_offset: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Added to CT values after `ct_scale`, to bring them to HU."""

    outputs: Annotated[tuple[OutputName, ...], Field(min_length=1)] | None = None
    """Outputs; by default all of them into a folder, and only the fused image into a file."""

    opacity: Annotated[float, Field(ge=0, le=1)] = DEFAULT_OPACITY
    """Opacity of the MR over the CT in colour: 0 shows the CT alone, 1 the MR alone."""

    colour_space: ColourSpaceName = "lab"
    """Of PET and SPECT: the space in which the fused luminance replaces theirs."""

    colour_map: ColourMapName = "lightness"
    """Of PET and SPECT in grey: the map that gives them colours."""

    device: Device = "cpu"
    """Device of a network: `cpu` (OpenVINO) or `cuda` (torch)."""

    bits: Literal[8, 16] = 8
    """Bit depth of a fused 2-D image; volumes always have 16."""

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """For `repr`: only what differs from the defaults."""
        chosen = self.chosen
        yield from (one for one in super().__repr_args__() if one[0] in chosen)

    @property
    def chosen(self) -> dict[str, Any]:
        """What differs from the defaults, as JSON: fields of later versions do not change it."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"schema_version"})

    @property
    def ct_reading(self) -> dict[str, Any]:
        """Options of `read` for the CT."""
        return {
            "series_uid": self.ct_series, "ct_scale": self.ct_scale, "ct_offset": self.ct_offset,
        }  # fmt: skip

    def series_uid(self, modality: Modality) -> str | None:
        """The SeriesInstanceUID that is chosen for a modality."""
        uid: str | None = getattr(self, f"{modality.option}_series")
        return uid

    @property
    def _box(self) -> Box:
        return self.roi if isinstance(self.roi, tuple) else (0.0, 1.0) * 3

    @model_validator(mode="after")
    def _without_contradictions(self) -> "Recipe":
        if self.transform and self.initial_transform:
            raise ValueError("give transform or initial_transform, not both")
        if not self.register_rigidly and (self.transform or self.initial_transform):
            raise ValueError("a transform file needs registration; leave one of both out")
        if self.metric_mask and (self.transform or not self.register_rigidly):
            raise ValueError("metric_mask is for a search; leave it out, or the transform")
        for axis, low, high in zip("xyz", self._box[::2], self._box[1::2], strict=True):
            if low >= high:
                raise ValueError(f"roi: {axis} from {low:g} to {high:g} mm; give the lower first")
        if self.deidentify and self.show_identifiers:
            raise ValueError("give deidentify or show_identifiers, not both")
        return self


SERIES_FIELDS = ("ct_series", "mr_series", "pet_series", "pet_ct_series", "spect_series")
"""SeriesInstanceUIDs of the inputs."""

TRANSFORM_FIELDS = ("transform", "initial_transform")
"""Files of transforms."""

MASK_FIELDS = ("roi", "metric_mask")
"""Regions of the CT; `roi` may be a box."""

FILE_FIELDS = (*TRANSFORM_FIELDS, *MASK_FIELDS)
"""All files that a recipe names."""


def make_recipe(**settings: object) -> Recipe:
    """A recipe from settings; raises `InputError` with one line for the first wrong one."""
    try:
        return Recipe.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if not key:  # a contradiction between settings
            raise InputError(f"recipe: {first['msg'].removeprefix('Value error, ')}") from error
        raise InputError(f"recipe: {key}: {first['msg']} (got {first['input']!r})") from error
