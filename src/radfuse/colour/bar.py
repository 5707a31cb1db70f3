"""Colour bars that are burned into an image: found at its border, and masked."""

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when they are used

from radfuse.arrays import BoolArray, Float32Array
from radfuse.colour.maps import COLOUR_MAPS
from radfuse.errors import InputError

MIN_WIDTH, MIN_LENGTH, BORDER = 4, 0.25, 0.25
"""A bar is at least as many pixels wide, and as long as that share of the side; it is in that share
of the image along its border."""

ALIKE = 0.05
"""Largest difference of a channel across a bar, as of JPEG."""

BLACK = 0.06
"""Brightest background."""

SAMPLES, DISTINCT, MIN_PATH = 8, 0.08, 1.0
"""As many colours along a bar differ in a channel by that much, any from any other: it runs through
a map. Their path in RGB is at least as long."""

SHARP, EDGE_PX, MIN_SHARP = 0.2, 2, 0.8
"""A channel changes by that much within as many pixels beside a bar, in that share of its rows."""

MIN_SPAN, MAX_BACK = 0.8, 0.03
"""A bar in a known map runs from value to value over that range, and back by no more."""

MIN_UNIFORM = 0.9
"""Share of a uniform column's rows that are alike."""

FRAME_PX, GLYPH_PX, LABEL_PX = 3, 28, 56
"""Widths of a bar's frame, of a glyph of its scale, and of the band in which they are."""

GREY_GLYPH = 0.12
"""Largest difference between the channels of most pixels of a glyph."""

MAX_OVER_IMAGE = 0.2
"""Share of the pixels at a bar's inner side that may be image."""


@dataclass(frozen=True)
class ColourBar:
    """A rectangle of the image."""

    rows: slice
    columns: slice

    def __str__(self) -> str:
        """The rectangle, for a message."""
        rows, columns = self.rows, self.columns
        return (
            f"rows {rows.start} to {rows.stop - 1}, columns {columns.start} to {columns.stop - 1}"
        )


def find_colour_bar(rgb: Float32Array) -> ColourBar | None:
    """A strip of an image (H, W, 3), near its border, that runs through the colours of a map.

    It is alike across, ends sharply, and is never the same colour twice along its length. It is
    alone, or runs through a known map.
    """
    if bar := _vertical_bar(rgb):
        return bar
    transposed = _vertical_bar(rgb.swapaxes(0, 1))
    return ColourBar(transposed.columns, transposed.rows) if transposed else None


def without_colour_bar(rgb: Float32Array, bar: ColourBar) -> Float32Array:
    """The image with the bar, its frame and the glyphs of its scale in black.

    Raises `InputError` for a bar over the image, whose uptake there is unknown.
    """
    if bar.rows.stop - bar.rows.start < bar.columns.stop - bar.columns.start:
        transposed = without_colour_bar(rgb.swapaxes(0, 1), ColourBar(bar.columns, bar.rows))
        return transposed.swapaxes(0, 1)
    masked = rgb.copy()
    masked[_glyphs(rgb, bar)] = 0
    inner = _inner_side(rgb.shape[1], bar)
    if (masked[bar.rows, inner].max(axis=-1) > BLACK).mean() > MAX_OVER_IMAGE:
        raise InputError(f"a colour bar is over the image ({bar}); save it without the bar")
    rows = slice(max(bar.rows.start - FRAME_PX, 0), bar.rows.stop + FRAME_PX)
    masked[rows, max(bar.columns.start - FRAME_PX, 0) : bar.columns.stop + FRAME_PX] = 0
    return masked


def _vertical_bar(rgb: Float32Array) -> ColourBar | None:
    height, width = rgb.shape[:2]
    if width < MIN_WIDTH:
        return None
    length = max(MIN_LENGTH * height, SAMPLES)
    alike = _alike_across(np.ascontiguousarray(np.moveaxis(rgb, -1, 0)))
    zone = round(BORDER * width)
    for column in np.flatnonzero(alike.sum(axis=0) >= length):
        rows = _longest_run(alike[:, column])
        if rows.stop - rows.start < length or zone <= column < width - zone:
            continue
        columns = _width(rgb[rows], int(column))
        colours, strip = rgb[rows, column], rgb[rows]
        if (
            _runs_through_colours(colours)
            and _is_sharp(strip, columns)
            and (_is_alone(strip, columns) or _runs_through_known_map(colours))
        ):
            return ColourBar(rows, columns)
    return None


def _alike_across(channels: Float32Array) -> BoolArray:
    """Where MIN_WIDTH pixels, from each on to the right, are alike and not black.

    Of shape (H, W - MIN_WIDTH + 1), from channels (3, H, W).
    """
    last = channels.shape[2] - MIN_WIDTH + 1
    shifted = [channels[..., shift : shift + last] for shift in range(MIN_WIDTH)]
    spread = np.maximum.reduce(shifted) - np.minimum.reduce(shifted)
    return np.asarray((spread.max(axis=0) <= ALIKE) & (shifted[0].max(axis=0) > BLACK))


def _longest_run(flags: BoolArray) -> slice:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]])))
    starts, stops = edges[::2], edges[1::2]
    if not len(starts):
        return slice(0, 0)
    longest = int(np.argmax(stops - starts))
    return slice(int(starts[longest]), int(stops[longest]))


def _runs_through_colours(colours: Float32Array) -> bool:
    """Whether colours (N, 3) along a line are never twice the same."""
    sampled = colours[np.linspace(0, len(colours) - 1, SAMPLES).round().astype(int)]
    distances = np.abs(sampled[:, None] - sampled[None]).max(axis=-1)
    is_distinct = distances[np.triu_indices(SAMPLES, 1)].min() > DISTINCT
    path = np.linalg.norm(np.diff(sampled, axis=0), axis=-1).sum()
    return bool(is_distinct and path >= MIN_PATH)


def _runs_through_known_map(colours: Float32Array) -> bool:
    """Whether colours (N, 3) along a line rise or fall through a known map."""
    for one in COLOUR_MAPS.values():
        if one.explains(colours):
            values = one.values(colours)
            span = float(values[-1] - values[0])
            back = np.diff(values) * -np.sign(span)
            if abs(span) >= MIN_SPAN and back.max() <= MAX_BACK:
                return True
    return False


def _width(strip: Float32Array, column: int) -> slice:
    """The columns of a strip (rows, W, 3) that are as the one inside the bar."""
    middle = column + MIN_WIDTH // 2
    others = np.abs(strip - strip[:, middle, None]).max(axis=-1) > 2 * ALIKE
    differs = np.flatnonzero(others.mean(axis=0) > 0.1)
    before, after = differs[differs < middle], differs[differs > middle]
    start = int(before[-1]) + 1 if len(before) else 0
    return slice(start, int(after[0]) if len(after) else strip.shape[1])


def _is_sharp(strip: Float32Array, columns: slice) -> bool:
    """Whether a strip (rows, W, 3) ends sharply on both sides, or at the border of the image."""
    before = strip[:, max(columns.start - EDGE_PX, 0) : columns.start]
    after = strip[:, columns.stop : columns.stop + EDGE_PX]
    sides = (strip[:, columns.start, None], before), (strip[:, columns.stop - 1, None], after)
    changes = [np.abs(outer - inner).max(axis=(1, 2)) for inner, outer in sides if outer.size]
    return all((change > SHARP).mean() >= MIN_SHARP for change in changes)


def _is_alone(strip: Float32Array, columns: slice) -> bool:
    """Whether a uniform column, of a frame or of background, is on both sides of a strip."""
    near = FRAME_PX + EDGE_PX
    before = strip[:, max(columns.start - near, 0) : columns.start]
    after = strip[:, columns.stop : columns.stop + near]
    return all(_has_uniform_column(one) for one in (before, after) if one.size)


def _has_uniform_column(pixels: Float32Array) -> bool:
    spread = np.abs(pixels - np.median(pixels, axis=0)).max(axis=-1)
    return bool(((spread <= ALIKE).mean(axis=0) >= MIN_UNIFORM).any())


def _is_left(width: int, bar: ColourBar) -> bool:
    return bool(bar.columns.start + bar.columns.stop < width)


def _inner_side(width: int, bar: ColourBar) -> slice:
    """The columns next to the bar's frame, towards the middle of the image."""
    if _is_left(width, bar):
        start = bar.columns.stop + FRAME_PX
    else:
        start = max(bar.columns.start - 2 * FRAME_PX, 0)
    return slice(start, start + FRAME_PX)


def _glyphs(rgb: Float32Array, bar: ColourBar) -> BoolArray:
    """Small grey things in a band around the bar: ticks, digits, units."""
    rows = slice(max(bar.rows.start - LABEL_PX, 0), bar.rows.stop + LABEL_PX)
    columns = slice(max(bar.columns.start - LABEL_PX, 0), bar.columns.stop + LABEL_PX)
    band = np.zeros(rgb.shape[:2], np.bool_)
    band[rows, columns] = True
    inside = np.zeros_like(band)
    inside[bar.rows, bar.columns] = True
    things, _ = scipy.ndimage.label((rgb.max(axis=-1) > BLACK) & ~inside, np.ones((3, 3)))
    is_grey = np.ptp(rgb, axis=-1) <= GREY_GLYPH
    glyphs = np.zeros_like(band)
    for number, box in enumerate(scipy.ndimage.find_objects(things), start=1):
        own = things[box] == number
        if max(own.shape) <= GLYPH_PX and band[box][own].all() and is_grey[box][own].mean() > 0.5:
            glyphs[box] |= own
    return glyphs
