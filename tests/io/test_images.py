"""Greyscale images are read unchanged, all others refused."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from radfuse.errors import InputError
from radfuse.io.images import read_grey, read_image, read_levels, write_image

GREY = np.random.default_rng(2).integers(0, 256, (20, 30)).astype(np.uint8)
GREY[0, :2] = 0, 255


def saved(
    path: Path, values: np.ndarray = GREY, mode: str | None = None, **options: object
) -> Path:
    image = Image.fromarray(values)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def refusal(path: Path) -> str:
    """The one line that refuses a file."""
    with pytest.raises(InputError) as caught:
        read_image(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_eight_bits_are_scaled_by_255(tmp_path: Path, suffix: str) -> None:
    levels = read_image(saved(tmp_path / f"a.{suffix}"))
    assert levels.dtype == np.float32
    np.testing.assert_array_equal(levels, GREY / np.float32(255))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_scaled_by_65535(tmp_path: Path, suffix: str) -> None:
    values = GREY.astype(np.uint16) * 257 - (GREY > 100)
    levels = read_image(saved(tmp_path / f"a.{suffix}", values))
    np.testing.assert_array_equal(levels, values / np.float32(65535))


def test_jpeg_is_read_within_its_rounding(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    levels = read_image(saved(tmp_path / "a.jpg", smooth, quality=95))
    np.testing.assert_allclose(levels * 255, smooth, atol=3)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_greyscale_in_other_modes_is_read(tmp_path: Path, mode: str) -> None:
    np.testing.assert_array_equal(read_grey(saved(tmp_path / "a.png", mode=mode)), GREY)


def test_greyscale_in_a_colour_jpeg_is_read(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    np.testing.assert_allclose(read_grey(saved(tmp_path / "a.jpg", smooth, "RGB")), smooth, atol=6)


def test_one_bit_image_is_0_and_1(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_image(saved(tmp_path / "a.png", GREY > 99)), GREY > 99)


def test_integers_of_32_bits_within_16_are_read(tmp_path: Path) -> None:
    levels = read_image(saved(tmp_path / "a.tif", GREY.astype(np.int32) * 257))
    np.testing.assert_array_equal(levels, GREY.astype(np.float32) * 257 / np.float32(65535))


@pytest.mark.parametrize("values", [GREY.astype(np.int32) * 5000, GREY.astype(np.int32) - 100])
def test_values_outside_16_bits_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    message = refusal(saved(tmp_path / "a.tif", values))
    assert message == f"values from {values.min()} to {values.max()}; save it with 8 or 16 bits"


@pytest.mark.parametrize("spread", [8, 9])
def test_channels_may_differ_by_what_jpeg_rounds(tmp_path: Path, spread: int) -> None:
    colour = np.stack([np.full((5, 5), level, np.uint8) for level in (100, 104, 100 + spread)], -1)
    path = saved(tmp_path / "a.png", colour)
    if spread <= 8:
        assert (read_grey(path) == 104).all()
    else:
        assert refusal(path).startswith("a colour image (channels differ by 9); save it as grey")


@pytest.mark.parametrize(("suffix", "mode"), [("jpg", "CMYK"), ("tif", "LAB")])
def test_other_colour_spaces_are_refused(tmp_path: Path, suffix: str, mode: str) -> None:
    path = tmp_path / f"a.{suffix}"
    image = Image.fromarray(GREY).convert("RGB")
    image.convert(mode).save(path)
    assert refusal(path) == f"a colour image ({mode}); save it as greyscale"


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_transparent_parts_are_refused(tmp_path: Path, mode: str) -> None:
    key: object = (0, 0, 0) if mode == "RGB" else 0
    path = saved(tmp_path / "a.png", mode=mode, transparency=key)
    assert refusal(path) == "the image is partly transparent; save it opaque"


def test_opacity_below_one_is_refused(tmp_path: Path) -> None:
    layers = np.stack([GREY, np.full_like(GREY, 254)], -1)
    assert "partly transparent" in refusal(saved(tmp_path / "a.png", layers))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours_are_read_from_any_mode(tmp_path: Path, mode: str) -> None:
    colours = np.zeros((8, 8, 3), np.uint8)
    colours[2:5] = 255, 85, 0
    path = tmp_path / "a.png"
    Image.fromarray(colours).convert(mode, palette=Image.Palette.ADAPTIVE).save(path)
    np.testing.assert_array_equal(read_levels(path), colours / np.float32(255))


def test_transparent_colours_are_refused(tmp_path: Path) -> None:
    layers = np.full((8, 8, 4), (255, 85, 0, 200), np.uint8)
    with pytest.raises(InputError, match="partly transparent; save it opaque"):
        read_levels(saved(tmp_path / "a.png", layers))


def test_several_frames_are_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(GREY)] * 3
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    assert refusal(tmp_path / "a.tif") == "3 frames; save each as a file"


def test_floating_point_image_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", GREY.astype(np.float32))
    assert refusal(path) == "a floating-point image; save it with 8 or 16 bits"


def test_other_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("not an image")
    assert refusal(tmp_path / "a.png") == "not a readable PNG, JPEG or TIFF image"


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_truncated_image_is_refused_unless_pixels_complete(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path / f"a.{suffix}")
    whole, wanted = path.read_bytes(), read_image(path)
    for keep in range(0, len(whole), 17):
        path.write_bytes(whole[:keep])
        try:
            found = read_image(path)
        except InputError:
            continue
        assert keep > 0.95 * len(whole)
        np.testing.assert_array_equal(found, wanted)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    image=arrays(
        np.float32, array_shapes(min_dims=2, max_dims=2), elements=st.floats(0, 1, width=32)
    ),
    bits=st.sampled_from([8, 16]),
)
def test_written_image_is_read_back_to_half_a_level(
    tmp_path_factory: pytest.TempPathFactory, image: np.ndarray, bits: int
) -> None:
    path = tmp_path_factory.mktemp("image") / "a.png"
    write_image(path, image, bits=bits)
    np.testing.assert_allclose(read_image(path), image, rtol=0, atol=0.501 / (2**bits - 1))


def test_values_outside_0_to_1_are_clipped(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.array([[-1.0, 2.0]], np.float32))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), [[0, 1]])


def test_writing_is_independent_of_the_suffix(tmp_path: Path) -> None:
    write_image(tmp_path / "draft", GREY / np.float32(255), bits=16)
    with Image.open(io.BytesIO((tmp_path / "draft").read_bytes())) as image:
        assert (image.format, image.mode) == ("PNG", "I;16")


def test_image_rotated_by_exif_is_refused(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    levels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(levels).save(tmp_path / "a.jpg", exif=exif)
    assert "save it upright" in refusal(tmp_path / "a.jpg")
