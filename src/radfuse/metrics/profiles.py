"""Profiles: named sets of metric conventions, so that a published table can be reproduced.

A profile never changes once a number was printed under its name; a better choice gets a new name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from radfuse.errors import InputError
from radfuse.metrics.catalogue import METRICS


@dataclass(frozen=True)
class Column:
    """A metric under one convention."""

    metric: str
    """A key of the catalogue."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of its function."""


@dataclass(frozen=True)
class Profile:
    """A set of conventions: what a column of a table means."""

    summary: str
    source: str
    columns: Mapping[str, Column]
    """By the name that the tables print."""


PROFILES: dict[str, Profile] = {
    "mfinet2024": Profile(
        "Table 1 of the MFINet paper: 8-bit images, 256 bins, bits, sums over both sources",
        "Song et al. 2024, doi:10.1007/s13721-024-00449-2",
        {"MI": Column("mi"), "SF": Column("sf"), "VIF": Column("vif"), "Qabf": Column("qabf")},
    ),
    "res2fusion2024": Profile(
        "Eq. 7-17 and Table 2 of the Res2Fusion paper; docs/metrics.md has what they leave open",
        "Chen et al. 2024, doi:10.1186/s12880-024-01329-x",
        {
            "AG": Column("ag", {"differences": "forward"}),
            "SF": Column("sf"),
            "EN": Column("en"),
            "MI": Column("mi"),
            "PSNR": Column("psnr", {"aggregation": "mean_error"}),
            "SSIM": Column("ssim", {"window": "gaussian11", "aggregation": "mean"}),
            "VIFF": Column("viff", {"gain": "smaller"}),
            "Q": Column("q_e", {"similarity": "uqi8"}),
        },
    ),
    "tang": Profile(
        "the MATLAB evaluation code most used in the field, errors included",
        "the MATLAB set that most fusion papers after 2020 measure with",
        {
            "EN": Column("en"),
            "MI": Column("mi", {"white": "merged"}),
            "SF": Column("sf"),
            "AG": Column("ag", {"differences": "central"}),
            "SD": Column("sd"),
            "PSNR": Column("psnr", {"aggregation": "mean_error"}),
            "MSE": Column("mse", {"scale": 1 / 255}),
            "CC": Column("cc"),
            "SCD": Column("scd"),
            "VIF": Column("vif"),
            "Qabf": Column("qabf"),
            "Nabf": Column("nabf"),
            "MS_SSIM": Column("mef_ssim", {"scales": 3}),
            "MEF_SSIM": Column("mef_ssim", {"scales": 1}),
            "FMI_pixel": Column("fmi", {"feature": "none"}),
            "FMI_dct": Column("fmi", {"feature": "dct"}),
            "FMI_w": Column("fmi", {"feature": "wavelet"}),
        },
    ),
    "liu2012": Profile(
        "the twelve metrics of the 2012 comparison, by its code",
        "Liu et al. 2012, doi:10.1109/TPAMI.2011.109",
        {
            "Q_MI": Column("q_mi"),
            "Q_TE": Column("q_te", {"author": "nava", "marginals": "exchanged"}),
            "Q_NCIE": Column("q_ncie"),
            "Q_G": Column("qabf", {"convention": "liu2012"}),
            "Q_M": Column("q_m"),
            "Q_SF": Column("q_sf"),
            "Q_P": Column("q_p"),
            "Q_S": Column("q_s", {"similarity": "ssim11"}),
            "Q_C": Column("q_c", {"bounded": "quality"}),
            "Q_Y": Column("q_y"),
            "Q_CV": Column("q_cv"),
            "Q_CB": Column("q_cb"),
        },
    ),
    "radfuse1": Profile(
        "the clearest choice for each property, and what the field lacks",
        "this project; docs/metrics.md has the reasons",
        {
            "MI": Column("mi"),
            "Q_MI": Column("q_mi"),
            "SF": Column("sf"),
            "AG": Column("ag", {"differences": "forward"}),
            "Qabf": Column("qabf"),
            "Nabf": Column("nabf"),
            "SSIM": Column("ssim", {"window": "gaussian11", "aggregation": "mean"}),
            "VIF": Column("vif"),
            "SCD": Column("scd"),
            "Q_CB": Column("q_cb", {"stretched": False}),
            "bone": Column("bone_fidelity"),
            "tissue": Column("tissue_fidelity"),
            "seam": Column("seam_fidelity"),
            "flicker": Column("slice_flicker"),
            "lesion": Column("lesion_kept"),
        },
    ),
}
"""Every profile; larger is better unless the catalogue says otherwise."""

DEFAULT_PROFILE = "radfuse1"
"""Measures where no other is asked for."""


def columns_of(profile: str, metrics: Sequence[str] = ()) -> Mapping[str, Column]:
    """The columns of a profile, or the named ones and metrics of the catalogue with their defaults.

    Raises `InputError` for an unknown profile, and for a name that is neither column nor metric.
    """
    if profile not in PROFILES:
        raise InputError(f"no profile '{profile}'; there are {', '.join(PROFILES)}")
    columns = PROFILES[profile].columns
    others = {name: Column(name) for name in metrics if name not in columns}
    if unknown := [name for name in others if name not in METRICS]:
        raise InputError(
            f"'{unknown[0]}' is neither a column of profile {profile} ({', '.join(columns)}) nor a "
            "metric of docs/metrics.md"
        )
    chosen = {name: column for name, column in columns.items() if not metrics or name in metrics}
    return chosen | others
