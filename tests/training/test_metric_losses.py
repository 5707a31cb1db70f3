"""The metrics in torch: each equals its numpy metric, and its gradient raises it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch import Tensor

from radfuse.arrays import UInt8Array
from radfuse.io.image_pairs import read_image_pairs
from radfuse.methods.bone_blend import BoneBlend
from radfuse.metrics.entropy_mutual_information import mi
from radfuse.metrics.qabf import qabf
from radfuse.metrics.spatial_frequency_gradient import sf
from radfuse.metrics.vif import vif
from radfuse.training.losses.metrics import (
    edge_transfer,
    mutual_information,
    spatial_frequency,
    vifp,
)

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
Metric = Callable[[UInt8Array, UInt8Array, UInt8Array], float]

quick = settings(max_examples=15, deadline=None)
shapes = st.tuples(st.integers(41, 70), st.integers(41, 70))

BOTH_FORMS: dict[str, tuple[Loss, Metric]] = {
    "sf": (lambda fused, *_: spatial_frequency(fused), sf),
    "mi": (lambda fused, ct, mr: mutual_information(ct, fused) + mutual_information(mr, fused), mi),
    "vif": (lambda fused, ct, mr: vifp(ct, fused) + vifp(mr, fused), vif),
    "qabf": (edge_transfer, qabf),
}
"""Each metric in torch, for losses, and in numpy, for reports."""

TOLERANCE = {"sf": 2e-5, "mi": 1e-5, "vif": 1e-6, "qabf": 2e-6}
"""Largest absolute difference seen, doubled: sums of 65,536 numbers in single precision; SF of a
flat image is the root of the small number that keeps its gradient finite."""


def grey_of(shape: tuple[int, int], seed: int) -> UInt8Array:
    """A smooth random shape on a black background, like a slice of a head."""
    rng = np.random.default_rng(seed)
    rough = gaussian_filter(rng.standard_normal(shape), 1.3)
    levels = 255 * (rough - np.quantile(rough, 0.4)) / (rough.max() - np.quantile(rough, 0.4))
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def tensor_of(image: UInt8Array) -> Tensor:
    return torch.from_numpy(image / np.float32(255)).unsqueeze(0)


def both(name: str, fused: UInt8Array, ct: UInt8Array, mr: UInt8Array) -> tuple[float, float]:
    in_torch, in_numpy = BOTH_FORMS[name]
    return in_torch(*(tensor_of(x) for x in (fused, ct, mr))).item(), in_numpy(fused, ct, mr)


@pytest.mark.parametrize("name", BOTH_FORMS)
@quick
@given(shapes, st.integers(0, 2**32))
def test_value_equals_the_metric_on_random_images(
    name: str, shape: tuple[int, int], seed: int
) -> None:
    found, expected = both(name, *(grey_of(shape, seed + index) for index in range(3)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[name])


@pytest.mark.parametrize("every", [80, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", BOTH_FORMS)
def test_value_equals_the_metric_on_real_images(name: str, shared: Path, every: int) -> None:
    for pair in read_image_pairs(shared / "data/harvard/train")[::every]:
        blend = BoneBlend()(*(x[None] / np.float32(255) for x in (pair.ct, pair.mr)))[0]
        for fused in (np.rint(255 * blend).astype(np.uint8), pair.mr, np.maximum(pair.ct, pair.mr)):
            found, expected = both(name, fused, pair.ct, pair.mr)
            np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[name])


@pytest.mark.parametrize("name", BOTH_FORMS)
@pytest.mark.parametrize(("of_fused", "of_ct"), [(0, 0), (90, 0), (0, 90), (255, 255), (7, 8)])
def test_value_equals_the_metric_on_flat_images(name: str, of_fused: int, of_ct: int) -> None:
    flat = [np.full((45, 50), level, np.uint8) for level in (of_fused, of_ct, 0)]
    found, expected = both(name, *flat)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[name])


@pytest.mark.parametrize("name", BOTH_FORMS)
def test_each_image_of_a_batch_has_a_value_of_its_own(name: str) -> None:
    images = [tensor_of(grey_of((45, 50), seed)) for seed in range(6)]
    batch = [torch.cat([images[index], images[index + 3]]) for index in range(3)]
    alone = torch.cat([BOTH_FORMS[name][0](*images[:3]), BOTH_FORMS[name][0](*images[3:])])
    torch.testing.assert_close(BOTH_FORMS[name][0](*batch), alone)


@pytest.mark.parametrize("name", BOTH_FORMS)
def test_gradient_is_finite_for_flat_and_identical_images(name: str) -> None:
    cloud, black, white = grey_of((45, 50), 1), np.uint8(0), np.uint8(255)
    flat = [np.full_like(cloud, level) for level in (black, white)]
    for fused, ct, mr in ((cloud, cloud, cloud), (flat[0], cloud, flat[0]), (flat[1], *flat)):
        image = tensor_of(fused).requires_grad_()
        (slope,) = torch.autograd.grad(
            BOTH_FORMS[name][0](image, tensor_of(ct), tensor_of(mr)).sum(), image
        )
        assert torch.isfinite(slope).all()


def ascend(name: str, start: Tensor, ct: UInt8Array, mr: UInt8Array, steps: int = 40) -> UInt8Array:
    """The 8-bit image after gradient ascent from a start."""
    image = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([image], lr=0.5 / 255)
    for _ in range(steps):
        optimizer.zero_grad()
        (-BOTH_FORMS[name][0](image, tensor_of(ct), tensor_of(mr)).sum()).backward()
        optimizer.step()
        image.data.clamp_(0, 1)
    return np.rint(255 * image.detach()[0].numpy()).astype(np.uint8)


@pytest.mark.parametrize("name", BOTH_FORMS)
def test_gradient_ascent_raises_the_metric_of_8_bit_images(name: str) -> None:
    ct, mr = grey_of((64, 60), 11), grey_of((64, 60), 12)
    start = (tensor_of(ct) + tensor_of(mr)) / 2
    before = np.rint(255 * start[0].numpy()).astype(np.uint8)
    metric = BOTH_FORMS[name][1]
    assert metric(ascend(name, start, ct, mr), ct, mr) > 1.1 * metric(before, ct, mr)


def test_mutual_information_is_lower_between_grey_levels() -> None:
    mr = tensor_of(grey_of((60, 60), 3))
    values = [mutual_information(mr, mr + share / 255).item() for share in (0, 0.2, 0.5)]
    assert values == sorted(values, reverse=True)
    assert values[0] - values[-1] > 0.1


def test_lone_pixel_between_levels_has_constant_entropy() -> None:
    source = tensor_of(grey_of((60, 60), 4)).clamp(max=0.9)
    values = []
    for share in (0, 0.25, 0.75):
        fused = source.clone()
        fused[0, 30, 30] = (250 + share) / 255
        values.append(mutual_information(source, fused).item())
    np.testing.assert_allclose(values, values[0], rtol=0, atol=1e-4)
