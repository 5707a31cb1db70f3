"""Colour maps: values become colours, and printed colours become values again."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radfuse.colour.maps import COLOUR_MAPS, recognised_map
from radfuse.colour.spaces import SPACES

SHARED = Path(__file__).parents[3] / "shared" / "data"
ATLAS = {"atlas-pet": "harvard_pet/train/PET", "atlas-spect": "harvard_spect/train/SPECT"}

each = pytest.mark.parametrize("name", COLOUR_MAPS)
each_of_the_atlas = pytest.mark.parametrize("name", ATLAS)


@each
def test_values_return_from_their_colours(name: str) -> None:
    values = np.linspace(0, 1, 300, dtype=np.float32)
    colours = np.rint(255 * COLOUR_MAPS[name].colours(values)) / 255
    np.testing.assert_allclose(
        COLOUR_MAPS[name].values(colours.astype(np.float32)), values, atol=0.01
    )


@each_of_the_atlas
def test_values_return_from_a_changed_lightness(name: str) -> None:
    values = np.linspace(0.1, 0.98, 300, dtype=np.float32)
    lab, colours = SPACES["lab"], COLOUR_MAPS[name].colours(values)
    darker = lab.with_luminance(colours, lab.luminance(colours) - 0.03)
    returned = COLOUR_MAPS[name].values(darker)
    assert np.abs(returned - values).mean() < 0.03
    assert np.corrcoef(returned, values)[0, 1] > 0.98


@each_of_the_atlas
def test_grey_is_no_uptake(name: str) -> None:
    grey = np.repeat(np.linspace(0, 1, 50, dtype=np.float32)[:, None], 3, axis=1)
    assert COLOUR_MAPS[name].values(grey).max() < 0.05


def test_red_is_more_uptake_than_yellow_though_darker() -> None:
    yellow_red_magenta = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 1]], np.float32)
    low, middle, high = COLOUR_MAPS["atlas-pet"].values(yellow_red_magenta)
    assert low < middle < high
    luminance = SPACES["ycbcr"].luminance(yellow_red_magenta)
    assert luminance[0] > luminance[1]


@each
def test_a_printed_image_names_its_map(name: str) -> None:
    values = np.random.default_rng(0).random((40, 40), dtype=np.float32)
    assert recognised_map(COLOUR_MAPS[name].colours(values)) == name


def test_other_colours_name_no_map() -> None:
    assert recognised_map(np.random.default_rng(0).random((40, 40, 3), dtype=np.float32)) is None
    assert recognised_map(np.zeros((4, 4, 3), np.float32)) is None


@each_of_the_atlas
def test_atlas_images_are_printed_in_its_map(name: str) -> None:
    files = sorted((SHARED / ATLAS[name]).glob("*.png"))[::40]
    if not files:
        pytest.skip(f"no shared/data/{ATLAS[name]}")
    for file in files:
        rgb = (np.asarray(Image.open(file).convert("RGB")) / 255).astype(np.float32)
        assert recognised_map(rgb) == name
        printed = COLOUR_MAPS[name].colours(COLOUR_MAPS[name].values(rgb))
        assert np.abs(printed - rgb).max() < 5 / 255
