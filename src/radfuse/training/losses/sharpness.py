"""Training of a classifier of sharpness: images against blurred copies of themselves.

For CNN; Liu et al. 2017, "Multi-focus image fusion with a deep convolutional neural network",
Information Fusion 36, train on patches of photographs, blurred by a Gaussian once to five times.
"""

import torch
from torch import Tensor
from torch.nn import functional

from radfuse.networks.cnn import SHARP_FIRST, SHARP_SECOND
from radfuse.training.losses.multi_focus import blurred

BLURS = 5
"""How often the most blurred images are blurred."""


def with_blurred(pairs: Tensor) -> tuple[Tensor, Tensor]:
    """CT and MR of pairs (N, 2, H, W) as 2 N images (2 N, 1, H, W), and blurred copies of them.

    The first is blurred once, the next twice, up to five times, then once again.
    """
    sharp = pairs.flatten(0, 1).unsqueeze(1)
    times = torch.arange(len(sharp), device=sharp.device).view(-1, 1, 1, 1) % BLURS
    copies = sharp
    for number in range(BLURS):
        copies = torch.where(times >= number, blurred(copies), copies)
    return sharp, copies


def sharpness_loss(sharp_first: Tensor, sharp_second: Tensor) -> tuple[Tensor, float]:
    """Cross-entropy of the logits (N, 2, h, w) of both orders, and the accuracy.

    Where an image and its copy are equal, as in air, it is smallest, ln 2, for equal logits.
    """
    logits = torch.cat([sharp_first, sharp_second])
    classes = torch.full_like(logits[:, 0], SHARP_FIRST, dtype=torch.long)
    classes[len(sharp_first) :] = SHARP_SECOND
    correct = logits.argmax(dim=1) == classes
    return functional.cross_entropy(logits, classes), float(correct.float().mean())
