"""Images that keep what metrics derive from them: the values stay, and nothing else is kept."""

import weakref

import numpy as np
import pytest

from radfuse.arrays import UInt8Array
from radfuse.metrics.catalogue import METRICS, load_metric
from radfuse.metrics.image_levels import Image, MeasuredImage, kept
from radfuse.metrics.measure import measure
from radfuse.metrics.profiles import PROFILES, Column

COLUMNS = {
    f"{profile}-{name}": column
    for profile, entry in PROFILES.items()
    for name, column in entry.columns.items()
    if METRICS[column.metric].in_2d
}
SHAPE = (176, 181)


def images(count: int = 3) -> list[UInt8Array]:
    """Blocks with black parts, as a head has them."""
    rng = np.random.default_rng(8)
    coarse = rng.integers(0, 256, (count, 16, 20), np.uint8)
    found = np.kron(coarse, np.ones((1, 11, 11), np.uint8))[:, : SHAPE[0], : SHAPE[1]]
    found[:, :40] = 0
    noise = rng.integers(0, 9, found.shape, np.uint8)
    return list(np.where(found, np.minimum(found, 246) + noise, 0).astype(np.uint8))


@pytest.fixture(scope="module")
def shared() -> list[MeasuredImage]:
    """Fused image, CT and MR, measured by all columns one after another."""
    return [MeasuredImage(image) for image in images()]


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_a_kept_image_has_the_value_of_its_array(
    column: Column, shared: list[MeasuredImage]
) -> None:
    metric = load_metric(column.metric)
    expected = metric(*images(), **column.options)
    assert [metric(*shared, **column.options) for _ in range(2)] == [expected, expected]


def test_sources_keep_nothing_of_a_fused_image() -> None:
    fused, ct, mr = (MeasuredImage(image) for image in images())
    for column in COLUMNS.values():
        load_metric(column.metric)(fused, ct, mr, **column.options)
    pixels = weakref.ref(fused.pixels)
    assert fused.kept
    del fused
    assert pixels() is None


def test_several_fused_images_share_their_sources() -> None:
    first, second, ct, mr = images(4)
    kept_ct, kept_mr = MeasuredImage(ct), MeasuredImage(mr)
    for profile in ("mfinet2024", "res2fusion2024"):
        for fused in (first, second, first):
            assert measure(profile, fused, kept_ct, kept_mr) == measure(profile, fused, ct, mr)


def test_a_value_is_kept_per_image_and_option() -> None:
    calls: list[float] = []

    @kept
    def total(first: Image, second: Image, *, scale: float) -> float:
        calls.append(scale)
        return scale

    one, two, three = (MeasuredImage(image) for image in images())
    for _ in range(2):
        for pair in ((one, two), (one, three), (two, one)):
            for scale in (1.0, 2.0):
                assert total(*pair, scale=scale) == scale
    assert calls == [1.0, 2.0] * 3
    assert total(one.array, two, scale=3.0) == total(one.array, two, scale=3.0)
    assert calls[6:] == [3.0, 3.0]
