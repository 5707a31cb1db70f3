"""Training images: split by patient, cut at random, never invented."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from radfuse.errors import InputError
from radfuse.training.images import draw_crops, read_slices

Grey = NDArray[np.uint8]


def write_pairs(folder: Path, names: list[str], side: int = 20) -> None:
    """Pairs whose every pixel is ten times the patient, plus one in the MR."""
    for kind, extra in (("CT", 0), ("MRI", 1)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name in names:
            level = 10 * int(name[:-3]) + extra
            Image.fromarray(np.full((side, side), level, np.uint8)).save(
                folder / kind / f"{name}.png"
            )


def test_slices_are_split_by_patient_and_none_is_lost_or_in_both_parts(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["2001", "2002", "3001", "12001", "12002"])
    slices = read_slices(tmp_path, ("12", "3"))
    assert slices.training.shape == (4, 20, 20)
    assert slices.validation.shape == (6, 20, 20)
    assert slices.training.dtype == np.uint8
    assert sorted(slices.training[:, 0, 0]) == [20, 20, 21, 21]
    assert sorted(slices.validation[:, 0, 0]) == [30, 31, 120, 120, 121, 121]


def test_without_validation_patients_everything_is_trained_on(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["2001", "3001"])
    slices = read_slices(tmp_path, ())
    assert slices.training.shape == (4, 20, 20)
    assert slices.validation.shape == (0, 20, 20)


def test_a_patient_without_images_is_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["2001", "3001"])
    with pytest.raises(InputError, match=r"no images of patients \['16'\]; there are \['2', '3'\]"):
        read_slices(tmp_path, ("16", "2"))


def test_setting_every_patient_aside_is_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["2001", "3001"])
    with pytest.raises(InputError, match="none is left to train on"):
        read_slices(tmp_path, ("3", "2"))


def test_images_of_different_sizes_are_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["2001"])
    write_pairs(tmp_path, ["3001"], side=24)
    with pytest.raises(InputError, match=r"different sizes \[\(20, 20\), \(24, 24\)\]"):
        read_slices(tmp_path, ())


def numbered(count: int, height: int, width: int) -> Grey:
    """Images of which no two pixels near each other are equal."""
    return (
        (np.arange(count * height * width) * 7 % 251).astype(np.uint8).reshape(count, height, width)
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 4))
def test_crops_are_squares_in_zero_to_one_decided_by_the_generator_alone(
    seed: int, side: int, count: int
) -> None:
    images = numbered(3, 12, 15)
    first, second = (draw_crops(images, count, side, np.random.default_rng(seed)) for _ in range(2))
    assert first.shape == (count, 1, side, side)
    assert bool((first == second).all())
    assert 0 <= first.min() <= first.max() <= 1


def test_another_state_of_the_generator_gives_other_crops() -> None:
    rng = np.random.default_rng(1)
    images = numbered(3, 40, 40)
    assert not (draw_crops(images, 4, 9, rng) == draw_crops(images, 4, 9, rng)).all()


def test_a_crop_is_a_turned_or_mirrored_piece_of_an_image_and_all_eight_ways_occur() -> None:
    image = numbered(1, 6, 6)
    ways = {
        np.rot90(flipped, turns).tobytes(): (turns, mirrored)
        for mirrored, flipped in enumerate((image[0], image[0][:, ::-1]))
        for turns in range(4)
    }
    crops = draw_crops(image, 200, 6, np.random.default_rng(2))[:, 0].numpy() * 255
    seen = {ways[np.rint(crop).astype(np.uint8).tobytes()] for crop in crops}
    assert len(seen) == 8


def test_crops_reach_every_corner_of_every_image() -> None:
    images = np.stack([np.arange(16).reshape(4, 4), 16 + np.arange(16).reshape(4, 4)])
    crops = draw_crops(images.astype(np.uint8), 600, 1, np.random.default_rng(3))
    assert set(np.rint(crops.numpy().ravel() * 255)) == set(range(32))


def test_a_crop_as_large_as_the_image_is_drawn_and_a_larger_one_refused() -> None:
    images = numbered(1, 12, 15)
    assert draw_crops(images, 1, 12, np.random.default_rng(0)).shape == (1, 1, 12, 12)
    with pytest.raises(InputError, match="crops of 13 pixels do not fit in images of 12x15"):
        draw_crops(images, 1, 13, np.random.default_rng(0))
