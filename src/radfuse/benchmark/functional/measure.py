"""Profiles of PET-MR and SPECT-MR pairs: versions for grey, Y and colour.

Papers state one name and measure three things. So each profile of `radfuse.metrics.profiles` has a
version `-grey`, of fused luma before colour is put back, and a version `-y`, of the luma of the
image in colour; sources are luma and MR. `colour1` measures the image in colour.
"""

from collections.abc import Mapping
from dataclasses import astuple
from typing import Literal

import numpy as np

from radfuse.arrays import Float32Array, UInt8Array
from radfuse.colour.maps import COLOUR_MAPS
from radfuse.colour.spaces import SPACES
from radfuse.errors import InputError
from radfuse.intensity import grey_levels
from radfuse.metrics.functional_kept import SIGNAL, functional_kept
from radfuse.metrics.image_levels import WHITE
from radfuse.metrics.measure import Values, measure
from radfuse.metrics.profiles import PROFILES, Column, columns_of
from radfuse.metrics.qabf import edges_kept

COLOUR_PROFILE = "colour1"
"""What is kept of uptake, hue and MR in the image in colour."""

COLOUR_NAMES = ("correlation", "error", "CIEDE2000", "MR edges")
"""The metrics of `colour1`: those of `FunctionalKept`, and edges of the MR outside uptake."""

VERSIONS: Mapping[str, Literal["grey", "y"]] = {"-grey": "grey", "-y": "y"}
"""Fused luma, or the luma of the image in colour, by the end of a profile's name."""

OF_CT = ("bone_fidelity", "tissue_fidelity", "seam_fidelity")
"""Metrics of the catalogue that ask for bone in a CT."""


def check_profile(profile: str, *, functional: bool) -> None:
    """Raise `InputError` for an unknown profile of functional pairs, or of CT and MR."""
    if not functional:
        columns_of(profile)
    elif profile != COLOUR_PROFILE:
        grey_profile(profile)


def grey_profile(profile: str) -> tuple[str, Literal["grey", "y"]]:
    """The profile of the catalogue, and its version; `InputError` for a name without one."""
    for suffix, version in VERSIONS.items():
        if profile.endswith(suffix) and profile.removesuffix(suffix) in PROFILES:
            return profile.removesuffix(suffix), version
    raise InputError(
        f"no profile '{profile}' of PET and SPECT; there are {COLOUR_PROFILE}, and with -grey or "
        f"-y behind them {', '.join(PROFILES)}"
    )


def grey_columns(profile: str) -> dict[str, Column]:
    """The columns of a version for grey or Y, without metrics of bone."""
    columns = columns_of(grey_profile(profile)[0])
    return {name: one for name, one in columns.items() if one.metric not in OF_CT}


def luma(rgb: UInt8Array) -> UInt8Array:
    """Luma Y of BT.601 (H, W) of an image in colour (H, W, 3), 8 bits."""
    return np.asarray(grey_levels(SPACES["ycbcr"].luminance(_levels(rgb))), np.uint8)


def measure_functional(
    profile: str, fused: UInt8Array, functional: UInt8Array, mr: UInt8Array, colour_map: str
) -> Values:
    """Values of a functional pair by a profile.

    `fused` is (H, W, 4): fused luma, and the image in colour; `functional` (H, W, 3), `mr` (H, W).
    """
    if profile == COLOUR_PROFILE:
        return _of_colour(fused[..., 1:], functional, mr, colour_map)
    name, version = grey_profile(profile)
    grey = fused[..., 0] if version == "grey" else luma(fused[..., 1:])
    values = measure(name, np.ascontiguousarray(grey), luma(functional), mr)
    return {metric: values[metric] for metric in grey_columns(profile) if metric in values}


def _of_colour(
    fused: UInt8Array, functional: UInt8Array, mr: UInt8Array, colour_map: str
) -> Values:
    printed = COLOUR_MAPS[colour_map]
    levels, true = _levels(fused), _levels(functional)
    kept = functional_kept(levels, true, printed)
    edges = edges_kept(luma(fused), mr, printed.values(true) <= SIGNAL)
    return dict(zip(COLOUR_NAMES, (*astuple(kept), edges), strict=True))


def _levels(image: UInt8Array) -> Float32Array:
    return np.asarray(image / np.float32(WHITE), np.float32)
