"""Colour maps of functional images: from values to colours, and back from printed colours."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy  # its parts are imported when they are used

from radfuse.arrays import Float32Array
from radfuse.colour.spaces import lab

ENTRIES = 1024
"""Values of a colour map among which the nearest is searched."""

LIGHTNESS_SHARE = 0.15
"""Weight of lightness in that search: fusion changes it, and grey of any lightness is no uptake."""

NEAR, MIN_SHARE = 0.06, 0.98
"""An image is printed in a map where that share of its pixels is within this distance in RGB."""


@dataclass(frozen=True)
class ColourMap:
    """Colours of values in [0, 1], piecewise linear in RGB."""

    summary: str
    positions: tuple[float, ...]
    rgb: tuple[tuple[int, int, int], ...]
    """Colours at the positions, 8 bits."""

    def colours(self, values: Float32Array) -> Float32Array:
        """RGB (..., 3) in [0, 1] of values (...)."""
        channels = np.array(self.rgb, np.float64).T / 255
        return np.stack(
            [np.interp(values, self.positions, channel) for channel in channels], axis=-1
        ).astype(np.float32)

    def values(self, rgb: Float32Array) -> Float32Array:
        """The value in [0, 1] whose colour is nearest to each of RGB (..., 3), by CIE Lab.

        Lightness counts little, so that the value is recovered from a fused image, too.
        """
        _, nearest = self._by_lab.query(_scaled_lab(rgb).reshape(-1, 3))
        return np.asarray(self._entries[nearest].reshape(rgb.shape[:-1]), np.float32)

    def explains(self, rgb: Float32Array) -> bool:
        """Whether an image (..., 3) is printed in this map."""
        coloured = rgb.reshape(-1, 3)
        coloured = coloured[coloured.max(axis=-1) > NEAR]
        distance, _ = self._by_rgb.query(coloured)
        return bool(len(coloured) and np.mean(distance < NEAR) >= MIN_SHARE)

    @cached_property
    def _entries(self) -> Float32Array:
        return np.linspace(0, 1, ENTRIES, dtype=np.float32)

    @cached_property
    def _by_lab(self) -> Any:
        return scipy.spatial.cKDTree(_scaled_lab(self.colours(self._entries)))

    @cached_property
    def _by_rgb(self) -> Any:
        return scipy.spatial.cKDTree(self.colours(self._entries))


def _scaled_lab(rgb: Float32Array) -> Float32Array:
    return lab(rgb) * np.array([LIGHTNESS_SHARE, 1, 1], np.float32)


COLOUR_MAPS: Mapping[str, ColourMap] = {
    "lightness": ColourMap(
        "black, violet, red, orange, pale yellow; lightness is in proportion to the value",
        (0, 0.174, 0.360, 0.545, 0.736, 1),
        ((0, 0, 0), (58, 14, 106), (148, 30, 108), (221, 73, 62), (250, 149, 22), (252, 246, 190)),
    ),
    "hot": ColourMap(
        "black, red, yellow, white", (0, 3 / 8, 6 / 8, 1),
        ((0, 0, 0), (255, 0, 0), (255, 255, 0), (255, 255, 255)),
    ),
    "atlas-pet": ColourMap(
        "blue, yellow, red, magenta: PET of the Whole Brain Atlas",
        (0, 15 / 127, 31 / 127, 63 / 127, 95 / 127, 1),
        ((0, 0, 0), (0, 0, 123), (0, 85, 255), (255, 255, 0), (255, 0, 0), (255, 0, 255)),
    ),
    "atlas-spect": ColourMap(
        "grey, violet, pink, orange, white: SPECT of the Whole Brain Atlas",
        (0, 0.148, 0.364, 0.575, 0.805, 1),
        ((0, 0, 0), (42, 73, 75), (83, 0, 144), (190, 90, 121), (255, 114, 0), (255, 222, 255)),
    ),
}  # fmt: skip
"""The colour maps by name."""


def recognised_map(rgb: Float32Array) -> str | None:
    """The name of the map in which an image (..., 3) is printed; None for no known one."""
    return next((name for name, one in COLOUR_MAPS.items() if one.explains(rgb)), None)
