"""Training with truth: single images as pairs of which each half is in focus elsewhere.

For IFCNN, Zhang et al. 2020, doi:10.1016/j.inffus.2019.07.011. Its pairs are made of photographs
and their maps of depth; here the other image of a pair serves as the depth. Blurred and sharp
halves have the same brightness, so that they do not decide between the white bone of a CT and the
black bone of an MR; for this, of every second pair the other half is black.
"""

import torch
from torch import Tensor
from torch.nn import functional

BLUR_SIGMA = 2.0
"""Standard deviation in pixels of the Gaussian that puts an image out of focus."""

BLUR_SIDE = 9
"""Side of its window in pixels."""


def blurred(images: Tensor) -> Tensor:
    """Images (N, 1, H, W), low-passed by a Gaussian; borders are reflected."""
    reach = BLUR_SIDE // 2
    offsets = torch.arange(BLUR_SIDE, dtype=images.dtype, device=images.device) - reach
    line = torch.exp(-(offsets**2) / (2 * BLUR_SIGMA**2))
    line = line / line.sum()
    padded = functional.pad(images, (reach,) * 4, mode="reflect")
    rows = functional.conv2d(padded, line.view(1, 1, 1, -1))
    return functional.conv2d(rows, line.view(1, 1, -1, 1))


def multi_focus_pairs(pairs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Two images in focus in different regions, and the truth in focus everywhere.

    CT and MR of pairs (N, 2, H, W) in [0, 1] are 2 N truths (2 N, 1, H, W). The first image is
    in focus where the other image of the pair is brighter than in the mean, the second elsewhere.
    Where they are not, the first, third, ... pairs are blurred, the others black.
    """
    truth = pairs.flatten(0, 1).unsqueeze(1)
    depth = blurred(pairs.flip(1).flatten(0, 1).unsqueeze(1))
    near = depth > depth.mean(dim=(1, 2, 3), keepdim=True)
    is_black = torch.arange(len(truth), device=truth.device).view(-1, 1, 1, 1) % 4 >= 2
    out_of_focus = torch.where(is_black, 0, blurred(truth))
    first, second = torch.where(near, truth, out_of_focus), torch.where(near, out_of_focus, truth)
    return first, second, truth


def ifcnn_loss(colours: Tensor, truth: Tensor) -> Tensor:
    """Mean squared error of each colour (N, 3, H, W) to the truth (N, 1, H, W) in [0, 1].

    The first of the two losses of the paper. The second adds features of ResNet-101, whose
    parameters, trained on photographs, are not part of this project; the paper's first layer is
    taken from it, too, and is trained here.
    """
    return functional.mse_loss(colours, truth.expand_as(colours))
