"""Images against blurred copies of themselves."""

import math

import numpy as np
import torch
from torch import Tensor

from radfuse.networks.cnn import CNN, SHARP_FIRST, SHARP_SECOND
from radfuse.training.losses.multi_focus import blurred
from radfuse.training.losses.sharpness import BLURS, sharpness_loss, with_blurred
from radfuse.training.objectives import compared_with_blurred


def draw(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def logits(winner: int, margin: float) -> Tensor:
    scores = torch.zeros(2, 2, 3, 4)
    scores[:, winner] = margin
    return scores


def test_copies_are_blurred_once_to_five_times() -> None:
    sharp, copies = with_blurred(draw(4, 2, 24, 24))
    assert sharp.shape == copies.shape == (8, 1, 24, 24)
    for number, (image, copy) in enumerate(zip(sharp, copies, strict=True)):
        expected = image[None]
        for _ in range(number % BLURS + 1):
            expected = blurred(expected)
        torch.testing.assert_close(copy[None], expected)


def test_loss_is_small_where_the_sharp_image_is_found() -> None:
    loss, accuracy = sharpness_loss(logits(SHARP_FIRST, 20), logits(SHARP_SECOND, 20))
    np.testing.assert_allclose(loss.item(), 0, atol=1e-6)
    assert accuracy == 1
    loss, accuracy = sharpness_loss(logits(SHARP_SECOND, 20), logits(SHARP_FIRST, 20))
    np.testing.assert_allclose(loss.item(), 20, rtol=1e-6)
    assert accuracy == 0


def test_loss_of_equal_images_is_smallest_for_equal_logits() -> None:
    equal, _ = sharpness_loss(logits(SHARP_FIRST, 0), logits(SHARP_FIRST, 0))
    np.testing.assert_allclose(equal.item(), math.log(2), rtol=1e-6)
    for winner in (SHARP_FIRST, SHARP_SECOND):
        loss, _ = sharpness_loss(logits(winner, 0.1), logits(winner, 0.1))
        assert loss > equal


def test_an_image_and_its_copy_are_compared_in_both_orders() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(2)
        network = CNN()
    pairs = draw(2, 2, 20, 20)
    sharp, copies = with_blurred(pairs)
    first, second = compared_with_blurred(network, pairs)
    torch.testing.assert_close(first, network.classifier(sharp, copies))
    torch.testing.assert_close(second, network.classifier(copies, sharp))
