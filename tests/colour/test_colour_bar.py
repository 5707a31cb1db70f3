"""Colour bars burned into an image: found and masked; no bar is found in heads."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from radfuse.arrays import Float32Array
from radfuse.colour.bar import find_colour_bar, without_colour_bar
from radfuse.colour.maps import COLOUR_MAPS, ColourMap, recognised_map
from radfuse.errors import InputError

SHARED = Path(__file__).parents[3] / "shared" / "data"
SIDE = 192

JET = ColourMap(
    "a map that is not known", (0, 0.25, 0.5, 0.75, 1),
    ((0, 0, 140), (0, 80, 255), (60, 255, 190), (255, 160, 0), (130, 0, 0)),
)  # fmt: skip
GREY = ColourMap("grey", (0, 1), ((0, 0, 0), (255, 255, 255)))
MAPS = {**COLOUR_MAPS, "jet": JET, "grey": GREY}


def head(seed: int = 0, printed: ColourMap = COLOUR_MAPS["atlas-pet"]) -> Float32Array:
    """A head with uptake at random, off the border by a quarter."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    noise = gaussian_filter(np.random.default_rng(seed).random((SIDE, SIDE)), 5)
    noise = (noise - noise.min()) / np.ptp(noise)
    uptake = gaussian_filter(np.where(np.hypot(y, x) < 0.25 * SIDE, noise, 0), 2)
    return printed.colours(uptake.astype(np.float32))


def with_bar(
    image: Float32Array,
    printed: ColourMap,
    *,
    at: int = 176,
    width: int = 8,
    levels: int = 100,
    frame: bool = False,
    scale: bool = False,
) -> Float32Array:
    """A vertical bar over rows 40 to 139, in some levels, with a white frame and digits."""
    values = (np.floor(np.arange(100) * levels / 100) / (levels - 1)).astype(np.float32)
    pixels = np.rint(255 * image).astype(np.uint8)
    if frame:
        pixels[39:141, at - 1 : at + width + 1] = 255
    pixels[40:140, at : at + width] = np.rint(255 * printed.colours(values[::-1]))[:, None]
    drawn = Image.fromarray(pixels)
    if scale:
        left = at - 22 if at > SIDE / 2 else at + width + 4
        for row, text in ((34, "8.5"), (86, "4.2"), (134, "0")):
            ImageDraw.Draw(drawn).text((left, row), text, (230, 230, 230))
    return (np.asarray(drawn) / np.float32(255)).astype(np.float32)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("at", [4, 176, SIDE - 8])
def test_a_bar_of_any_map_is_found_and_masked(name: str, at: int) -> None:
    image = with_bar(head(), MAPS[name], at=at)
    bar = find_colour_bar(image)
    assert bar is not None
    assert (bar.columns.start, bar.columns.stop) == (at, at + 8)
    masked = without_colour_bar(image, bar)
    np.testing.assert_allclose(masked[bar.rows], head()[bar.rows], atol=0.003)


@pytest.mark.parametrize("flip", [1, -1])
def test_a_horizontal_bar_is_found_and_masked(flip: int) -> None:
    image = with_bar(head(), COLOUR_MAPS["hot"]).swapaxes(0, 1)[::flip]
    bar = find_colour_bar(image)
    assert bar is not None
    assert bar.rows == (slice(176, 184) if flip == 1 else slice(8, 16))
    wanted = head().swapaxes(0, 1)[::flip]
    np.testing.assert_allclose(without_colour_bar(image, bar), wanted, atol=0.08)


@pytest.mark.parametrize("levels", [10, 16, 64])
def test_a_bar_in_steps_is_found(levels: int) -> None:
    assert find_colour_bar(with_bar(head(), COLOUR_MAPS["atlas-pet"], levels=levels))


@pytest.mark.parametrize("at", [6, 174])
def test_frame_and_scale_are_masked_and_the_map_known(at: int) -> None:
    image = with_bar(head(), COLOUR_MAPS["atlas-pet"], at=at, frame=True, scale=True)
    assert recognised_map(image) is None
    bar = find_colour_bar(image)
    assert bar is not None
    masked = without_colour_bar(image, bar)
    np.testing.assert_allclose(masked, head(), atol=0.07)
    assert recognised_map(masked) == "atlas-pet"


def test_a_bar_in_a_jpeg_is_found() -> None:
    stream = io.BytesIO()
    image = with_bar(head(), COLOUR_MAPS["atlas-pet"], width=12, frame=True, at=170)
    Image.fromarray(np.rint(255 * image).astype(np.uint8)).save(stream, "JPEG", quality=95)
    decoded = (np.asarray(Image.open(stream)) / np.float32(255)).astype(np.float32)
    bar = find_colour_bar(decoded)
    assert bar is not None
    assert abs(bar.columns.start - 170) <= 2


def test_a_bar_over_the_head_is_refused() -> None:
    image = with_bar(np.roll(head(), 60, axis=1), COLOUR_MAPS["hot"], at=174, frame=True)
    bar = find_colour_bar(image)
    assert bar is not None
    with pytest.raises(InputError, match=r"over the image \(rows 39 to 136, columns 174 to 181\)"):
        without_colour_bar(image, bar)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), name=st.sampled_from(sorted(MAPS)), enlarged=st.integers(1, 6))
def test_no_bar_is_found_in_heads(seed: int, name: str, enlarged: int) -> None:
    small = head(seed, MAPS[name])[::enlarged, ::enlarged]
    image = small.repeat(enlarged, axis=0).repeat(enlarged, axis=1)
    assert find_colour_bar(image) is None


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (40, 40)])
def test_small_and_black_images_have_no_bar(shape: tuple[int, int]) -> None:
    assert find_colour_bar(np.zeros((*shape, 3), np.float32)) is None


def files_of_the_atlas(step: int) -> list[Path]:
    folders = [SHARED / name for name in ("harvard_pet", "harvard_spect")]
    files = [
        file for one in folders for kind in ("PET", "SPECT") for file in one.rglob(f"{kind}/*.png")
    ]
    if not files:
        pytest.skip("no shared/data/harvard_pet and harvard_spect")
    return sorted(files)[::step]


@pytest.mark.parametrize("step", [16, pytest.param(1, marks=pytest.mark.slow)])
def test_no_bar_is_found_in_the_atlas(step: int) -> None:
    found = [file.name for file in files_of_the_atlas(step) if find_colour_bar(
        (np.asarray(Image.open(file).convert("RGB")) / 255).astype(np.float32))]  # fmt: skip
    assert found == []
