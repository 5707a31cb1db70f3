"""Colour spaces that part luminance from colour: RGB arrays (..., 3) in [0, 1], sRGB.

The fused luminance replaces that of a colour image, whose chroma is kept. Spaces differ in what
they call luminance, and so do tables of fusion papers; the name of the space belongs to a figure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from radfuse.arrays import BoolArray, Float32Array

BT601 = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue in luma, ITU-R BT.601."""

XYZ_OF_RGB = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ],
    np.float32,
)
"""CIE XYZ of linear sRGB, white D65; IEC 61966-2-1."""

RGB_OF_XYZ = np.linalg.inv(XYZ_OF_RGB.astype(np.float64)).astype(np.float32)
WHITE_XYZ = XYZ_OF_RGB.sum(axis=1)
"""D65, as the white of the matrix."""

DARK = np.float32(6 / 29)
"""Below its cube the cube root of CIE Lab is a line; CIE 15."""

CHROMA_SHARES, GAMUT_STEPS = 16, 8
"""Shares of chroma, and halvings between two of them, in the search for the largest that RGB can
show: to 1/4000."""

ALMOST_BLACK = 1e-6

CLIPPED = 1e-3
"""How far a channel may be outside [0, 1] and is clipped: a quarter of a level of 8 bits, and 80
times the rounding of a colour of RGB that is converted to CIE Lab and back."""

Luminance = Callable[[Float32Array], Float32Array]
"""Luminance (...) in [0, 1] of RGB (..., 3)."""

WithLuminance = Callable[[Float32Array, Float32Array], Float32Array]
"""RGB (..., 3) with another luminance (...)."""


@dataclass(frozen=True)
class ColourSpace:
    """How luminance is taken from a colour image, and replaced in it."""

    summary: str
    luminance: Luminance
    with_luminance: WithLuminance


def lab(rgb: Float32Array) -> Float32Array:
    """CIE Lab (..., 3) of sRGB: L in [0, 100], white D65."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    ratio = (linear.astype(np.float32) @ XYZ_OF_RGB.T) / WHITE_XYZ
    root = np.where(ratio > DARK**3, np.cbrt(ratio), ratio / (3 * DARK**2) + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1).astype(np.float32)


def rgb_of_lab(values: Float32Array) -> Float32Array:
    """SRGB (..., 3) of CIE Lab; outside [0, 1] where RGB cannot show it."""
    lightness, a, b = np.moveaxis(values, -1, 0)
    y = (lightness + 16) / 116
    root = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    ratio = np.where(root > DARK, root**3, 3 * DARK**2 * (root - 4 / 29))
    linear = (ratio * WHITE_XYZ).astype(np.float32) @ RGB_OF_XYZ.T
    bright = 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055
    return np.asarray(np.where(linear <= 0.0031308, 12.92 * linear, bright), np.float32)


def _lightness(rgb: Float32Array) -> Float32Array:
    return np.asarray(lab(rgb)[..., 0] / 100, np.float32)


def _with_lightness(rgb: Float32Array, lightness: Float32Array) -> Float32Array:
    """The hue is kept; where RGB cannot show the colour at this lightness, chroma is reduced."""
    values = lab(rgb)
    values[..., 0] = 100 * np.clip(lightness, 0, 1)
    found = rgb_of_lab(values)
    hidden = ~_is_shown(found)
    found[hidden] = rgb_of_lab(_with_less_chroma(values[hidden]))
    return np.asarray(np.clip(found, 0, 1), np.float32)


def _with_less_chroma(values: Float32Array) -> Float32Array:
    """Colours (N, 3) of the largest chroma that RGB can show.

    RGB may show a chroma and not a smaller one, so that shares are tried before they are halved.
    """
    best = np.zeros(len(values), np.float32)
    for share in np.arange(1, CHROMA_SHARES, dtype=np.float32) / CHROMA_SHARES:
        best[_is_shown(rgb_of_lab(values * [1, share, share]))] = share
    step = 1 / CHROMA_SHARES
    for _ in range(GAMUT_STEPS):
        step /= 2
        tried = (best + np.float32(step))[:, None]
        shown = _is_shown(rgb_of_lab(np.hstack([values[:, :1], values[:, 1:] * tried])))
        best[shown] += step
    return np.hstack([values[:, :1], values[:, 1:] * best[:, None]])


def _is_shown(rgb: Float32Array) -> BoolArray:
    """Whether colours (..., 3) of `rgb_of_lab` are within RGB, or within `CLIPPED` of it."""
    return np.asarray(np.abs(rgb - 0.5).max(axis=-1) <= 0.5 + CLIPPED)


def _adding(luminance: Luminance) -> WithLuminance:
    """A space whose luminance is linear in RGB: other luminance is added to each channel."""

    def with_luminance(rgb: Float32Array, other: Float32Array) -> Float32Array:
        return np.clip(rgb + (other - luminance(rgb))[..., None], 0, 1).astype(np.float32)

    return with_luminance


def _luma(rgb: Float32Array) -> Float32Array:
    return np.asarray(rgb @ BT601, np.float32)


def _mean(rgb: Float32Array) -> Float32Array:
    return np.asarray(rgb.mean(axis=-1), np.float32)


def _largest(rgb: Float32Array) -> Float32Array:
    return np.asarray(rgb.max(axis=-1), np.float32)


def _with_largest(rgb: Float32Array, value: Float32Array) -> Float32Array:
    """The channels in proportion; grey where the colour image is black."""
    old = _largest(rgb)
    scaled = rgb * (value / np.maximum(old, ALMOST_BLACK))[..., None]
    return np.clip(
        np.where((old > ALMOST_BLACK)[..., None], scaled, value[..., None]), 0, 1
    ).astype(np.float32)


SPACES: Mapping[str, ColourSpace] = {
    "lab": ColourSpace("lightness of CIE Lab; hue is kept", _lightness, _with_lightness),
    "ycbcr": ColourSpace("luma Y of BT.601", _luma, _adding(_luma)),
    "ihs": ColourSpace("intensity, the mean of the channels", _mean, _adding(_mean)),
    "hsv": ColourSpace("value, the largest channel", _largest, _with_largest),
}
"""The spaces by name."""
