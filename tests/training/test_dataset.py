"""Training images: split by patient, and random aligned crops of them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from training_kit import AUTOENCODER

from radfuse.arrays import UInt8Array
from radfuse.errors import InputError, NoImageError
from radfuse.training.dataset import draw_crop, draw_crops, read_training_pairs
from radfuse.training.settings import Augmentation, Phase

STILL = Augmentation(rotate=False)


def phase_of(batch: int, crop: int | None, augmentation: Augmentation | None = None) -> Phase:
    return dataclasses.replace(
        AUTOENCODER, batch=batch, crop=crop, augmentation=augmentation or Augmentation()
    )


def write_pairs(folder: Path, names: list[str], side: int = 20) -> None:
    """Pairs whose every pixel is ten times the patient, plus one in the MR."""
    for kind, extra in (("CT", 0), ("MRI", 1)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name in names:
            level = 10 * int(name[:-3]) + extra
            Image.fromarray(np.full((side, side), level, np.uint8)).save(
                folder / kind / f"{name}.png"
            )


def test_pairs_are_split_by_patient_without_overlap_or_loss(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["2001", "2002", "3001", "12001", "12002"])
    pairs = read_training_pairs(tmp_path, ("12", "3"))
    assert pairs.training.shape == (2, 2, 20, 20)
    assert pairs.validation.shape == (3, 2, 20, 20)
    assert pairs.training.dtype == np.uint8
    assert pairs.training[..., 0, 0].tolist() == [[20, 21]] * 2
    assert sorted(pairs.validation[..., 0, 0].tolist()) == [[30, 31], [120, 121], [120, 121]]
    assert (pairs.patients_trained, pairs.patients_validated) == (("2",), ("3", "12"))


def test_patients_are_named_with_their_data_set(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["2001", "3001", "12001"])
    summary = read_training_pairs(tmp_path, ("3",), "ours").summary()
    assert summary["patients_trained"] == ["ours:2", "ours:12"]
    assert summary["patients_validated"] == ["ours:3"]


def test_without_validation_patients_everything_is_trained_on(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["12001", "3001"])
    pairs = read_training_pairs(tmp_path, ())
    assert pairs.training.shape == (2, 2, 20, 20)
    assert pairs.validation.shape == (0, 2, 20, 20)
    assert (pairs.patients_trained, pairs.patients_validated) == (("3", "12"), ())


def test_summary_of_pairs_changes_with_any_pixel(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["2001", "3001"])
    pairs = read_training_pairs(tmp_path, ("3",))
    summary = pairs.summary()
    assert (summary["pairs_trained"], summary["pairs_validated"]) == (1, 1)
    assert summary == read_training_pairs(tmp_path, ("3",)).summary()
    pairs.validation[0, 1, 7, 7] += 1
    assert pairs.summary()["images_sha256"] != summary["images_sha256"]


def test_a_folder_without_pairs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoImageError, match="give a folder with CT/ and MRI/"):
        read_training_pairs(tmp_path, ())


def test_image_without_partner_is_refused_by_name(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["2001", "3001"])
    (tmp_path / "MRI" / "3001.png").unlink()
    with pytest.raises(InputError, match=r"only in one of CT/ and MRI/: 3001\.png"):
        read_training_pairs(tmp_path, ())


def test_a_patient_without_images_is_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["2001", "3001"])
    with pytest.raises(InputError, match=r"no images of patients \['16'\]; there are \['2', '3'\]"):
        read_training_pairs(tmp_path, ("16", "2"))


def test_all_patients_for_validation_is_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["2001", "3001"])
    with pytest.raises(InputError, match="none is left to train on"):
        read_training_pairs(tmp_path, ("3", "2"))


def test_images_of_different_sizes_are_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path, ["2001"])
    write_pairs(tmp_path, ["3001"], side=24)
    with pytest.raises(InputError, match=r"different sizes \[\(20, 20\), \(24, 24\)\]"):
        read_training_pairs(tmp_path, ())


def numbered(count: int, height: int, width: int, channels: int = 1) -> UInt8Array:
    """Images of which no two pixels near each other are equal; channels count on by one."""
    one = (np.arange(count * height * width) * 7 % 251).astype(np.uint8)
    one = one.reshape(count, 1, height, width)
    return np.concatenate([one + channel for channel in range(channels)], axis=1).astype(np.uint8)


def levels(crops: object) -> UInt8Array:
    return np.rint(np.asarray(crops) * 255).astype(np.uint8)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 4), st.integers(1, 2))
def test_crops_are_squares_decided_by_the_generator_alone(
    seed: int, side: int, count: int, channels: int
) -> None:
    images = numbered(3, 12, 15, channels)
    phase = phase_of(count, side, Augmentation(gain=0.2, gamma=0.2, min_tissue=0.5))
    first, second = (draw_crops(images, phase, np.random.default_rng(seed)) for _ in range(2))
    assert first.shape == (count, channels, side, side)
    assert first.dtype.is_floating_point
    assert bool((first == second).all())
    assert 0 <= first.min() <= first.max() <= 1


def test_another_state_of_the_generator_gives_other_crops() -> None:
    rng, phase = np.random.default_rng(1), phase_of(4, 9)
    images = numbered(3, 40, 40)
    assert not (draw_crops(images, phase, rng) == draw_crops(images, phase, rng)).all()


def test_both_images_of_a_pair_get_the_same_crop_and_rotation() -> None:
    crops = levels(draw_crops(numbered(3, 20, 24, 2), phase_of(50, 9), np.random.default_rng(2)))
    np.testing.assert_array_equal(crops[:, 1], crops[:, 0] + 1)


def test_square_crops_occur_in_all_eight_orientations() -> None:
    image = numbered(1, 6, 6)
    ways = {
        np.rot90(flipped, turns).tobytes(): (turns, mirrored)
        for mirrored, flipped in enumerate((image[0, 0], image[0, 0][:, ::-1]))
        for turns in range(4)
    }
    crops = levels(draw_crops(image, phase_of(200, 6), np.random.default_rng(2)))[:, 0]
    assert len({ways[crop.tobytes()] for crop in crops}) == 8


def test_without_rotation_whole_images_are_unchanged() -> None:
    image = numbered(1, 6, 9)
    crops = levels(draw_crops(image, phase_of(5, None, STILL), np.random.default_rng(2)))
    np.testing.assert_array_equal(crops, np.repeat(image, 5, axis=0))


def test_rectangular_images_have_four_orientations() -> None:
    crops = draw_crops(numbered(1, 6, 9), phase_of(100, None), np.random.default_rng(2))
    assert crops.shape == (100, 1, 6, 9)
    assert len({crop.tobytes() for crop in levels(crops)}) == 4


def test_crops_reach_every_corner_of_every_image() -> None:
    images = np.arange(32, dtype=np.uint8).reshape(2, 1, 4, 4)
    crops = draw_crops(images, phase_of(600, 1), np.random.default_rng(3))
    assert set(levels(crops).ravel()) == set(range(32))


def test_crop_larger_than_the_image_is_refused() -> None:
    images, rng = numbered(1, 12, 15), np.random.default_rng(0)
    assert draw_crops(images, phase_of(1, 12), rng).shape == (1, 1, 12, 12)
    with pytest.raises(InputError, match="crops of 13 pixels do not fit in images of 12x15"):
        draw_crops(images, phase_of(1, 13), rng)


def test_crops_have_enough_tissue_of_either_modality() -> None:
    images = np.zeros((1, 2, 40, 40), np.uint8)
    images[0, 1, :, 20:] = 9
    rng, choices = np.random.default_rng(4), Augmentation(min_tissue=0.5, rotate=False)
    for _ in range(50):
        crop = draw_crop(images, (10, 10), choices, rng)
        assert (crop.cut(images)[1] > 0).mean() > 0.5


def test_crop_is_drawn_even_without_tissue() -> None:
    images = np.zeros((1, 2, 40, 40), np.uint8)
    crops = draw_crops(
        images, phase_of(2, 10, Augmentation(min_tissue=0.5)), np.random.default_rng(4)
    )
    assert not crops.any()


def test_gain_differs_between_the_images_of_a_pair() -> None:
    images = np.full((1, 2, 12, 12), 100, np.uint8)
    phase = phase_of(200, 12, Augmentation(gain=0.2))
    crops = draw_crops(images, phase, np.random.default_rng(5)).numpy()
    factors = crops[..., 0, 0] / np.float32(100 / 255)
    assert np.ptp(crops, axis=(2, 3)).max() == 0
    assert 0.8 <= factors.min() < 0.82
    assert 1.18 < factors.max() <= 1.2001
    assert abs(np.corrcoef(factors.T)[0, 1]) < 0.3


def test_intensity_jitter_keeps_black_and_clips_at_white() -> None:
    images = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)
    phase = phase_of(100, 1, Augmentation(gain=0.5, gamma=0.5))
    values = draw_crops(images, phase, np.random.default_rng(6)).numpy().ravel()
    assert (values == 0).any()
    assert values[values > 0].min() >= 0.5
    assert values.max() == 1


def test_gamma_changes_grey_but_not_black_and_white() -> None:
    images = np.array([0, 64, 255], np.uint8).reshape(1, 1, 1, 3)
    phase = phase_of(100, None, Augmentation(rotate=False, gamma=0.3))
    values = draw_crops(images, phase, np.random.default_rng(7)).numpy().reshape(100, 3)
    assert set(values[:, 0]) == {0}
    assert set(values[:, 2]) == {1}
    powers = np.log(values[:, 1]) / np.log(64 / 255)
    assert 0.7 <= powers.min() < 0.75
    assert 1.25 < powers.max() <= 1.3001
