"""The modalities as a table: everything that depends on the modality of a series is in its row."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Literal

from radfuse.errors import InputError

AIR_HU = -1000.0
"""CT number of air."""

BODY_HU = -300.0
"""Between air and fat: denser voxels belong to the body, the couch or the head holder."""

MIN_CT_HU = -500.0
"""A CT of a head has air around it, so its lowest value is below this; that of an MR is above."""


@dataclass(frozen=True)
class Modality:
    """What depends on the modality of a series; `str()` gives the code.

    Examples
    --------
    >>> import radfuse
    >>> pet = radfuse.series_of([[0.0, 0.5], [0.7, 1.0]], "PT", value_range=(0, 1)).modality
    >>> str(pet), pet.unit, pet.is_colour, pet.registered_to
    ('PT', 'Bq/ml', True, ('CT', 'MR'))
    """

    code: str
    """DICOM Modality (0008,0060)."""

    option: str
    """Name of the command-line option for it, without hyphens."""

    role: Literal["anatomical", "functional"]
    """Whether it shows anatomy, or uptake in colour."""

    unit: str
    """Unit of the values after the rescale; empty for arbitrary units."""

    is_quantitative: bool
    """Whether stored values have no meaning without RescaleSlope and RescaleIntercept."""

    is_colour: bool = False
    """Whether it is displayed in colour over another image; else in grey."""

    default_window: str = ""
    """Preset of `intensity.WINDOWS` that scales it to [0, 1]; empty where percentiles do."""

    percentiles: tuple[float, float] = (1.0, 99.5)
    """Without a window: percentiles of the voxels of the head that become 0 and 1. In an MR,
    vessels and the fat of the orbits are above."""

    minimum_range: tuple[float, float] = (0.0, inf)
    """Range of the lowest value of a volume, in `unit`; outside it the modality is wrong."""

    background: float = 0.0
    """Value outside the field of view, in `unit`."""

    head_threshold: float | None = None
    """Lowest value of the body, in `unit`; None where Otsu's method finds it for each image."""

    rescale_types: str = ""
    """Pattern of RescaleType (0028,1054) for values in `unit`; empty where any is accepted."""

    registered_to: tuple[str, ...] = ()
    """Codes of the modalities that it is registered to, by mutual information, and fused with."""

    def __str__(self) -> str:
        """The code."""
        return self.code

    def __reduce__(self) -> tuple[Callable[[str], "Modality"], tuple[str]]:
        """A copy for another process is that process' row: rows are compared by identity."""
        return modality_named, (self.code,)

    def minimum_problem(self, lowest: float) -> str:
        """Why a volume with this lowest value is not of this modality; empty where it may be."""
        low, high = self.minimum_range
        if low <= lowest <= high:
            return ""
        expected = f"{high:g} or less" if lowest > high else f"{low:g} or more"
        unit = f" in {self.unit}" if self.unit else ""
        return f"not {self}{unit}: the lowest value is {lowest:g}, expected {expected}"


CT = Modality(
    "CT", "ct", "anatomical", "HU", is_quantitative=True,
    default_window="fusion", minimum_range=(-inf, MIN_CT_HU), background=AIR_HU,
    head_threshold=BODY_HU, rescale_types=r"(HU|US|UNSPECIFIED|HOU\w*SFIELD.*|)",
)  # fmt: skip
MR = Modality(
    "MR", "mr", "anatomical", "", is_quantitative=False,
    minimum_range=(MIN_CT_HU, inf), registered_to=("CT",),
)  # fmt: skip
PT = Modality(
    "PT", "pet", "functional", "Bq/ml", is_quantitative=True, is_colour=True,
    registered_to=("CT", "MR"),
)  # fmt: skip
NM = Modality(
    "NM", "spect", "functional", "counts", is_quantitative=False, is_colour=True,
    registered_to=("CT", "MR"),
)  # fmt: skip

MODALITIES = {row.code: row for row in (CT, MR, PT, NM)}
"""The rows by code."""

ANATOMICAL = tuple(row for row in MODALITIES.values() if row.role == "anatomical")
"""Modalities that show anatomy: structures are drawn on them."""


def modality_named(code: str) -> Modality:
    """The row of a code; `InputError` for a code without one."""
    if code not in MODALITIES:
        raise InputError(f"no modality '{code}'; there are {', '.join(MODALITIES)}")
    return MODALITIES[code]
