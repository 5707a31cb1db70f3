"""What every method of the catalogue owes."""

from collections.abc import Iterable
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from radfuse.arrays import Float32Array
from radfuse.errors import InputError
from radfuse.methods.catalogue import ABSTRACT_ONLY, METHODS, MIN_SIDES, TITLE_ONLY
from radfuse.methods.loading import Method, load_method, method_info

COMPOSED = {"signed_detail", "learned_detail"}
"""Rules on a learned base."""

RULES = [name for name, entry in METHODS.items() if not entry.weights and name not in COMPOSED]
LEARNED = [name for name in METHODS if name not in RULES]

MIN_SIDE = {
    "sparse": 8, "nsct_sparse": 8, "curvelet_sparse": 12, "dtcwt_sparse": 7, "lp_sparse": 15,
    "dwt_sparse": 15, "two_scale_sparse": 8, "sparse_neighbour_energy": 8, "asr": 8, "csr": 8,
    "csmca": 8,
}  # fmt: skip
"""Rows and columns that a patch of 8 x 8 of the base needs."""

VARYING = {"lp", "lp_sparse", "curvelet_sparse"}
"""As their toolbox MST-SR: its pyramid has zeros in the corners of the border, and the mean of both
in pixels of the base without a patch rings in the coarse curvelets."""

CODED = {name for name, entry in METHODS.items() if entry.family == "sparse"}
"""Patches are coded up to a residual of 0.1 grey levels."""

SHRINKING = {"csr", "csmca"}
"""Convolutional codes with an L1 norm are smaller than what they code."""

SHARPENING = {"adaptive_zero_learning"}
"""Details are added: two equal images give a sharper one, of the same brightness."""

COSTLY = {
    *CODED, "curvelet", "directive_contrast", "dtcwt", "nsct", "nsct_pc_lle", "nsst_frei_chen",
    "nsst_papcnn", "union_laplacian",
}  # fmt: skip
"""Rules that fuse one shape in `make test`, and any in `make study`."""

SAME_GRAPH = {"mfinet", "mfinet-patients", "learned_detail"}
"""As slow to compile as signed_detail, whose graph for two images is that of mfinet."""

SLOW = {*SAME_GRAPH, "cnn", "csf", "ddcgan", "drf", "fusiondn", "rfnnest"}
"""Seconds a shape: in `make test` the last six fuse equal images and air."""

QUICK_TO_COMPILE = {"densefuse", "emfusion", "ifcnn", "res2fusion", "sdnet"}
"""The others fuse one shape in `make test`, and more in `make study`."""

SHAPE = (2, 96, 80)
"""Slices for the learned methods: an engine compiles each shape of a graph by itself."""

SHINING = {name for name in METHODS if name == "bone_blend" or name.startswith("mfinet")} | COMPOSED
"""5 % of the CT shine through the MR; of two equal images, too."""

DOUBLING = {"res2fusion-addition"}
"""Features are doubled: two equal images give a brighter one."""

STRETCHED_ROUNDING = {"ddcgan": 1e-4}
"""The rounding of what is stretched to the full scale grows: of 2 x 2 pixels 5 to 30 times."""

UNFAITHFUL = {
    "ddcgan", "deepfuse", "drf", "emfusion", "fusiondn", "fusiongan", "ifcnn", "mufusion", "pmgi",
    "sdnet", "u2fusion", "umfcmgr",
}  # fmt: skip
"""Trained by losses that never see two equal images, and shipped as those made them."""

GREY_AIR = {"deepfuse", "drf", "pmgi", "sdnet", "umfcmgr"}
"""Of the same kind; black in both images comes out grey (docs/compared.md)."""


def quickly(names: Iterable[str]) -> list[Any]:
    """The names, those of the same graph for `make study`."""
    return [
        pytest.param(name, marks=pytest.mark.slow if name in SAME_GRAPH else ()) for name in names
    ]


def quickest(names: Iterable[str]) -> list[Any]:
    """The names, those that are slow to compile for `make study`."""
    return [
        pytest.param(name, marks=() if name in QUICK_TO_COMPILE else pytest.mark.slow)
        for name in names
    ]


def rules() -> list[Any]:
    """The rules, the costly ones for `make study`."""
    return [pytest.param(name, marks=pytest.mark.slow if name in COSTLY else ()) for name in RULES]


def shape_of(name: str, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The shape, enlarged to what a method needs."""
    least = MIN_SIDE.get(name, 1) - 1
    return shape[0], shape[1] + least, shape[2] + least


shapes = st.tuples(st.integers(1, 8), st.integers(1, 50), st.integers(1, 50))


@cache
def method_of(name: str) -> Method:
    return load_method(name)


def smooth_images(shape: tuple[int, ...], seed: int) -> Float32Array:
    """Blobs over the whole range [0, 1]."""
    blobs = gaussian_filter(np.random.default_rng(seed).random(shape), (0, 2, 2))
    return ((blobs - blobs.min()) / max(float(np.ptp(blobs)), 1e-6)).astype(np.float32)


def shining(image: Float32Array) -> Float32Array:
    """What a pair of equal images becomes where 5 % of the CT shine through."""
    return np.minimum(image * np.float32(1.05), 1)


def check_duties(name: str, shape: tuple[int, int, int], seed: int) -> None:
    ct, mr = smooth_images(shape, seed), smooth_images(shape, seed + 1)
    kept = ct.copy(), mr.copy()
    fused = method_of(name)(ct, mr)
    assert fused.dtype == np.float32
    assert fused.shape == shape
    assert np.isfinite(fused).all()
    assert 0 <= fused.min() <= fused.max() <= 1
    assert not np.shares_memory(fused, ct)
    assert not np.shares_memory(fused, mr)
    np.testing.assert_array_equal(ct, kept[0])
    np.testing.assert_array_equal(mr, kept[1])
    one_by_one = [method_of(name)(ct[i : i + 1], mr[i : i + 1]) for i in range(shape[0])]
    rounding = STRETCHED_ROUNDING.get(name, 1e-5)
    np.testing.assert_allclose(fused, np.concatenate(one_by_one), rtol=0, atol=rounding)


@pytest.mark.parametrize("name", rules())
@settings(max_examples=20, deadline=None)
@given(shape=shapes, seed=st.integers(0, 2**32))
def test_rule_fuses_any_size_slice_by_slice_within_range(
    name: str, shape: tuple[int, int, int], seed: int
) -> None:
    check_duties(name, shape_of(name, shape), seed)


@pytest.mark.parametrize("name", sorted(COSTLY - SHRINKING))
def test_costly_rule_fuses_slice_by_slice_within_range(name: str) -> None:
    check_duties(name, shape_of(name, (2, 17, 30)), seed=5)


@pytest.mark.parametrize(("name", "least"), MIN_SIDE.items())
def test_images_below_a_patch_are_refused_with_the_least_size(name: str, least: int) -> None:
    small = smooth_images((1, least, least - 1), 1)
    with pytest.raises(InputError, match=f"at least {least} x {least} pixels"):
        method_of(name)(small, small)


@pytest.mark.parametrize("name", sorted(MIN_SIDES))
def test_smaller_images_are_refused_with_the_least_size(name: str) -> None:
    least = MIN_SIDES[name]
    small = smooth_images((1, least - 1, least), 1)
    size = f"{least - 1} x {least} pixels are too small .* at least {least} x {least} pixels"
    with pytest.raises(InputError, match=f"{size}, or choose another method") as no:
        method_of(name)(small, small)
    assert "\n" not in str(no.value)


@pytest.mark.parametrize("name", quickest(sorted(MIN_SIDES)))
def test_network_fuses_images_of_its_least_size(name: str) -> None:
    check_duties(name, (2, MIN_SIDES[name], MIN_SIDES[name]), seed=3)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        pytest.param(name, shape, marks=pytest.mark.slow if is_slow else ())
        for names, sizes in (
            (LEARNED, [SHAPE, (3, 17, 31)]),
            (sorted(set(LEARNED) - MIN_SIDES.keys()), [(2, 1, 1)]),
        )
        for name, shape in product(names, sizes)
        for is_slow in [name in SLOW or (shape != SHAPE and name not in QUICK_TO_COMPILE)]
    ],
)
def test_network_fuses_any_size_slice_by_slice_within_range(
    name: str, shape: tuple[int, int, int]
) -> None:
    check_duties(name, shape, seed=11)


@pytest.mark.parametrize("name", rules())
@settings(max_examples=10, deadline=None)
@given(shape=shapes, seed=st.integers(0, 2**32))
def test_a_rule_given_the_same_image_twice_returns_it(
    name: str, shape: tuple[int, int, int], seed: int
) -> None:
    image = smooth_images(shape_of(name, shape), seed)
    fused = method_of(name)(image, image)
    if name in SHINING:
        assert (image - 1e-6 <= fused).all()
        assert (fused <= shining(image) + 1e-6).all()
    elif name in SHARPENING:
        np.testing.assert_allclose(fused.mean(), image.mean(), rtol=0, atol=0.05)
    else:
        tolerance = 0.03 if name in SHRINKING else 0.1 / 255 if name in CODED else 1e-5
        np.testing.assert_allclose(fused, image, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", quickly(sorted(set(LEARNED) - DOUBLING)))
def test_equal_sources_are_reproduced_but_by_known_exceptions(name: str) -> None:
    image = smooth_images((1, *SHAPE[1:]), 3)
    expected = shining(image) if name in SHINING else image
    apart = np.abs(method_of(name)(image, image) - expected)[:, 8:-8, 8:-8]
    assert (apart.mean() < 2 / 255) == (name not in UNFAITHFUL)


@pytest.mark.parametrize("name", quickly(METHODS))
def test_air_stays_dark_but_for_those_known(name: str) -> None:
    air = np.zeros(shape_of(name, (1, *SHAPE[1:])), np.float32)
    doubled = name == "res2fusion-addition"  # also what the biases make of air
    is_dark = method_of(name)(air, air).max() < (16 if doubled else 4) / 255
    assert is_dark == (name not in GREY_AIR)


@pytest.mark.parametrize("name", [one for one in rules() if one.values[0] not in VARYING])
@pytest.mark.parametrize("grey", [(0.3, 0.7), (0.7, 0.3)])
def test_constant_images_give_one_constant_between_both(
    name: str, grey: tuple[float, float]
) -> None:
    ct, mr = (np.full((1, 64, 64), level, np.float32) for level in grey)
    fused = method_of(name)(ct, mr)
    largest = 0.7 + 0.05 * grey[0] if name in SHINING else 0.7
    tolerance = 0.1 / 255 if name in CODED else 1e-5
    assert np.ptp(fused) <= tolerance
    assert 0.3 - tolerance <= fused.min() <= fused.max() <= largest + tolerance


@pytest.mark.parametrize("name", METHODS)
def test_an_entry_names_its_source_and_says_what_it_does(name: str) -> None:
    entry = method_info(name)
    assert entry.summary
    assert entry.source
    assert name == name.lower()
    assert (entry.weights is None) or entry.weights.is_file()


@pytest.mark.parametrize("known", ["title", "abstract"])
def test_a_rule_after_a_title_or_abstract_claims_no_paper(known: str) -> None:
    proof = {"title": TITLE_ONLY, "abstract": ABSTRACT_ONLY}[known]
    sources = [entry.source for entry in METHODS.values() if entry.proof == proof]
    assert sources
    assert all(source.startswith(f"after the {known} of ") for source in sources)
    assert all(", own " in source for source in sources)


@pytest.mark.parametrize(
    ("wrong", "near"), [("res2fuson", "res2fusion"), ("maximun", "maximum"), ("bone-blend", "bone")]
)
def test_an_unknown_method_is_refused_with_the_nearest_names(wrong: str, near: str) -> None:
    with pytest.raises(InputError, match=f"no method '{wrong}'; nearest: {near}"):
        load_method(wrong)


def test_a_name_like_none_is_refused_without_suggestions() -> None:
    with pytest.raises(InputError, match=r"no method 'xyzzy'; see `radfuse methods`$"):
        load_method("xyzzy")


def test_a_path_without_a_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such ONNX file"):
        load_method(str(tmp_path / "mine.onnx"))


@pytest.mark.parametrize("name", ["bone_over_mr", "bone_blend"])
def test_the_bone_level_given_is_the_bone_level_used(name: str) -> None:
    ct, mr = smooth_images((2, 30, 30), 1), smooth_images((2, 30, 30), 2) * np.float32(0.3)
    never = load_method(name, {"bone_level": 1})(ct, mr)
    often = load_method(name, {"bone_level": 0.2})(ct, mr)
    assert (often >= never - 0.05).all()  # the part of the CT that shows outside bone
    assert often.mean() > 1.2 * never.mean()
