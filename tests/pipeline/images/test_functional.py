"""PET and SPECT slices with MR: their colour, and with it the uptake, is kept."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radfuse.arrays import Float32Array
from radfuse.colour.maps import COLOUR_MAPS
from radfuse.colour.spaces import SPACES
from radfuse.errors import GeometryError, InputError, OutputError
from radfuse.methods.catalogue import shipped_graph
from radfuse.metrics.functional_kept import functional_kept
from radfuse.modality import MR, NM, PT
from radfuse.pipeline.images.functional import fuse_functional
from radfuse.pipeline.read import read
from radfuse.recipe import DEFAULT_FUNCTIONAL_METHOD, Recipe

RECIPE = Recipe(method=DEFAULT_FUNCTIONAL_METHOD)
PET = COLOUR_MAPS["atlas-pet"]


def save(path: Path, image: Float32Array) -> Path:
    Image.fromarray(np.rint(255 * image).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def values() -> Float32Array:
    """Uptake of a ring of cortex with a hot lesion."""
    y, x = np.mgrid[:96, :96]
    radius = np.hypot(y - 48, x - 48)
    uptake = np.where(radius < 30, 0.35, 0.0) + np.where((radius > 22) & (radius < 30), 0.25, 0)
    uptake[40:46, 60:66] = 0.95
    return uptake.astype(np.float32)


@pytest.fixture
def mr(tmp_path: Path) -> Path:
    y, x = np.mgrid[:96, :96]
    stripes = 0.5 + 0.2 * ((x // 4) % 2)
    head = np.hypot(y - 48, x - 48) < 40
    return save(tmp_path / "mr.png", np.where(head, stripes, 0).astype(np.float32))


@pytest.fixture
def pet(tmp_path: Path, values: Float32Array) -> Path:
    return save(tmp_path / "pet.png", PET.colours(values))


def test_uptake_and_hue_are_kept(mr: Path, pet: Path, values: Float32Array) -> None:
    fused = fuse_functional(read(mr, MR), read(pet, PT), recipe=RECIPE).image
    kept = functional_kept(fused, PET.colours(values), PET)
    assert kept.correlation > 0.97
    assert kept.colour_difference < 3


def test_the_mr_shows_in_uptake_and_outside(mr: Path, pet: Path) -> None:
    fused = fuse_functional(read(mr, MR), read(pet, PT), recipe=RECIPE).image
    lightness = SPACES["lab"].luminance(fused)
    bright = (np.arange(96) // 4) % 2 == 1
    for row in (12, 56):
        part = lightness[row, 36:60]
        assert part[bright[36:60]].mean() > part[~bright[36:60]].mean() + 0.02
    assert np.ptp(fused[12, 36:60], axis=-1).max() < 0.02


def test_black_stays_black(mr: Path, pet: Path) -> None:
    assert fuse_functional(read(mr, MR), read(pet, PT), recipe=RECIPE).image[:5, :5].max() == 0


@pytest.mark.parametrize("space", ["lab", "ycbcr", "ihs", "hsv"])
@pytest.mark.parametrize("method", ["maximum", "average", "uptake_over_mr"])
def test_any_method_fuses_in_any_space(mr: Path, pet: Path, space: str, method: str) -> None:
    recipe = Recipe.model_validate({"method": method, "colour_space": space})
    fused = fuse_functional(read(mr, MR), read(pet, PT), recipe=recipe).image
    assert fused.shape == (96, 96, 3)
    assert 0 <= fused.min() <= fused.max() <= 1
    assert np.ptp(fused[42, 62]) > 0.3  # the lesion is coloured


def test_the_record_names_space_and_colours(mr: Path, pet: Path, tmp_path: Path) -> None:
    result = fuse_functional(read(mr, MR), read(pet, PT), tmp_path / "out.png", recipe=RECIPE)
    assert result.written == tmp_path / "out.png"
    stored = json.loads((tmp_path / "out.json").read_text())
    assert stored["scaling"]["Colour space"].startswith("lab")
    assert stored["scaling"]["Colours of the PT"].startswith("atlas-pet")
    assert [one["role"] for one in stored["inputs"]] == ["MR", "PT"]
    written = np.asarray(Image.open(tmp_path / "out.png"))
    np.testing.assert_allclose(written, 255 * result.image, atol=0.51)


def test_the_record_has_no_path_of_a_graph(mr: Path, pet: Path, tmp_path: Path) -> None:
    graph = tmp_path / "own.onnx"
    graph.write_bytes(shipped_graph("res2fusion").read_bytes())
    record = fuse_functional(read(mr, MR), read(pet, PT), recipe=Recipe(method=str(graph))).record
    assert record.recipe.method == "own.onnx"
    assert str(tmp_path) not in record.model_dump_json()


def test_a_grey_image_gets_the_colours_of_the_map(
    mr: Path, values: Float32Array, tmp_path: Path
) -> None:
    grey = save(tmp_path / "grey.png", values)
    recipe = Recipe(method=DEFAULT_FUNCTIONAL_METHOD, colour_map="lightness")
    fused = fuse_functional(read(mr, MR), read(grey, NM), recipe=recipe)
    own = COLOUR_MAPS["lightness"]
    assert functional_kept(fused.image, own.colours(values), own).correlation > 0.97
    assert "lightness" in fused.record.scaling["Colours of the NM"]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_grey_stored_in_colour_is_grey(
    mr: Path, values: Float32Array, tmp_path: Path, mode: str
) -> None:
    grey = save(tmp_path / "grey.png", values)
    stored = tmp_path / "stored.png"
    Image.open(grey).convert(mode).save(stored)
    fused = [
        fuse_functional(read(mr, MR), read(one, PT), recipe=RECIPE).image for one in (grey, stored)
    ]
    np.testing.assert_array_equal(*fused)
    assert np.ptp(fused[0][42, 62]) > 0.3


def test_grey_of_16_bits_is_as_of_8(mr: Path, values: Float32Array, tmp_path: Path) -> None:
    eight = save(tmp_path / "8.png", values)
    sixteen = tmp_path / "16.png"
    Image.fromarray(np.asarray(Image.open(eight)).astype(np.uint16) * 257).save(sixteen)
    fused = [
        fuse_functional(read(mr, MR), read(one, PT), recipe=RECIPE).image
        for one in (eight, sixteen)
    ]
    np.testing.assert_array_equal(*fused)


def with_bar(image: Float32Array, bar: Float32Array, column: int = 84) -> Float32Array:
    """A bar of as many rows, 6 pixels wide."""
    barred = image.copy()
    barred[20 : 20 + len(bar), column : column + 6] = bar[:, None]
    return barred


@pytest.mark.parametrize("colour", [True, False])
def test_a_colour_bar_is_background(
    mr: Path, values: Float32Array, tmp_path: Path, *, colour: bool
) -> None:
    image, bar = values, np.linspace(1, 0, 60, dtype=np.float32)
    if colour:
        image, bar = PET.colours(values), PET.colours(bar)
    plain = save(tmp_path / "plain.png", image)
    barred = save(tmp_path / "barred.png", with_bar(image, bar))
    wanted, found = (
        fuse_functional(read(mr, MR), read(one, PT), recipe=RECIPE) for one in (plain, barred)
    )
    np.testing.assert_allclose(found.image, wanted.image, atol=0.03)
    assert wanted.record.warnings == ()
    assert "the PT has a colour bar (rows 20 to 7" in found.record.warnings[0]
    assert found.record.warnings[0].endswith("columns 84 to 89), which is taken as background")


def test_two_colour_bars_are_both_background(
    mr: Path, values: Float32Array, tmp_path: Path
) -> None:
    bar = PET.colours(np.linspace(1, 0, 60, dtype=np.float32))
    plain = save(tmp_path / "plain.png", PET.colours(values))
    both = with_bar(with_bar(PET.colours(values), bar), bar, 4)
    wanted, found = (
        fuse_functional(read(mr, MR), read(one, PT), recipe=RECIPE)
        for one in (plain, save(tmp_path / "both.png", both))
    )
    np.testing.assert_allclose(found.image, wanted.image, atol=0.03)
    assert len(found.record.warnings) == 2


def test_a_colour_bar_over_the_head_is_refused(
    mr: Path, values: Float32Array, tmp_path: Path
) -> None:
    shifted = PET.colours(np.roll(values, 25, axis=1))
    barred = with_bar(shifted, PET.colours(np.linspace(1, 0, 60, dtype=np.float32)), 78)
    path = save(tmp_path / "barred.png", barred)
    with pytest.raises(InputError, match=r"barred\.png: a colour bar is over the image"):
        fuse_functional(read(mr, MR), read(path, PT), recipe=RECIPE)


def test_unknown_colours_are_fused_by_luminance_and_said(mr: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).random((96, 96, 3)).astype(np.float32)
    fused = fuse_functional(read(mr, MR), read(save(tmp_path / "x.png", noise), PT), recipe=RECIPE)
    assert "no known colour map" in fused.record.scaling["Colours of the PT"]
    assert "the PT is in no known colour map" in fused.record.warnings[-1]


def test_two_sizes_are_refused(mr: Path, tmp_path: Path) -> None:
    small = save(tmp_path / "small.png", np.eye(90, 96, dtype=np.float32))
    with pytest.raises(GeometryError, match="MR has 96x96 and PT 96x90 pixels"):
        fuse_functional(read(mr, MR), read(small, PT), recipe=RECIPE)


def test_what_is_no_image_is_refused(mr: Path, tmp_path: Path) -> None:
    volume = tmp_path / "pet.nii.gz"
    volume.write_bytes(b"\x1f\x8b")
    with pytest.raises(InputError, match=r"pet\.nii\.gz"):
        fuse_functional(read(mr, MR), read(volume, PT), recipe=RECIPE)
    with pytest.raises(InputError, match="no such file"):
        fuse_functional(read(mr, MR), read(tmp_path / "none.png", PT), recipe=RECIPE)


def test_mr_in_colour_is_refused(pet: Path) -> None:
    with pytest.raises(InputError, match=r"a colour image .*; save it as greyscale, or give a PET"):
        fuse_functional(read(pet, MR), read(pet, PT), recipe=RECIPE)


def test_inputs_and_results_are_not_replaced(mr: Path, pet: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="overlaps"):
        fuse_functional(read(mr, MR), read(pet, PT), pet, recipe=RECIPE, overwrite=True)
    (tmp_path / "out.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists"):
        fuse_functional(read(mr, MR), read(pet, PT), tmp_path / "out.png", recipe=RECIPE)


@pytest.mark.parametrize("wrong", [{"bits": 16}, {"register_rigidly": False}, {"ct_scale": 2.0}])
def test_options_of_volumes_are_refused(mr: Path, pet: Path, wrong: dict[str, object]) -> None:
    recipe = RECIPE.model_copy(update=wrong)
    with pytest.raises(InputError, match="leave out"):
        fuse_functional(read(mr, MR), read(pet, PT), recipe=recipe)
