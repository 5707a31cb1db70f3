"""Losses of the compared networks that fuse end to end, with the weights of their papers.

Images are (N, 1, H, W) in the range of their network, which each loss names. "The authors'
program" is their published code, followed where it differs from the paper or is more specific.
Laplacians and Sobel operators pad with 0, as in those programs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from radfuse.training.losses.autoencoder import ssim, ssim_map
from radfuse.training.losses.mfinet import bone_level

Kernel = tuple[tuple[float, ...], ...]

LAPLACIAN: Kernel = ((0, 1, 0), (1, -4, 1), (0, 1, 0))
"""What PMGI, SDNet, FusionGAN and DFENet call the gradient."""

LOW_PASS: Kernel = ((0.0947, 0.1183, 0.0947), (0.1183, 0.1478, 0.1183), (0.0947, 0.1183, 0.0947))
"""Gaussian before SDNet's decision, from the authors' program."""

SOBEL: Kernel = ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))
"""Horizontal; its transpose is the vertical one."""

NEIGHBOUR_DIFFERENCE: Kernel = ((0.125, 0.125, 0.125), (0.125, -1, 0.125), (0.125, 0.125, 0.125))
"""Mean of the neighbours minus the pixel: U2Fusion's gradient in the authors' program."""

LAPLACIAN_8: Kernel = ((0.0625, 0.0625, 0.0625), (0.0625, -0.5, 0.0625), (0.0625, 0.0625, 0.0625))
"""Laplacian over eight neighbours, its magnitudes sum to 1; from UMF-CMGR's program."""

CONTENT_WEIGHT = 100.0
"""Of the content loss, of PMGI and beside FusionGAN's adversarial loss."""

SCALES = 5
"""Levels of the pyramid that replaces the five blocks of VGG-16 in U2Fusion's information."""

INFORMATION_SCALE = 1e-2
"""Divides that information before the softmax: the median difference between CT and MR of the
Harvard pairs, so that the weights are neither equal nor 0 and 1."""

LEVELS = 256
"""Grey levels of the histogram of visual saliency."""


def filtered(images: Tensor, kernel: Kernel) -> Tensor:
    """Correlation of images (N, 1, H, W) with a 3x3 kernel, padded with 0; same shape."""
    return functional.conv2d(images, images.new_tensor(kernel)[None, None], padding=1)


@dataclass(frozen=True)
class Proportions:
    """PMGI's weights for medical images, relative to the intensity of the infrared image."""

    visible_intensity: float = 1.0
    visible_gradient: float = 300.0
    infrared_gradient: float = 0.0


@dataclass(frozen=True)
class FusionGANProportions(Proportions):
    """FusionGAN's weights: neither visible intensity nor infrared gradient."""

    visible_intensity: float = 0.0
    visible_gradient: float = 5.0


def proportional_loss(
    fused: Tensor, infrared: Tensor, visible: Tensor, proportions: Proportions
) -> Tensor:
    """Proportional maintenance of gradient and intensity; images in [-1, 1].

    The loss of PMGI, Zhang et al. 2020, doi:10.1609/aaai.v34i07.6975, and with
    `FusionGANProportions` the content loss of Ma et al. 2019, doi:10.1016/j.inffus.2018.09.004.
    """
    parts = (
        (1.0, proportions.infrared_gradient, infrared),
        (proportions.visible_intensity, proportions.visible_gradient, visible),
    )
    loss = fused.new_zeros(())
    for intensity, gradient, source in parts:
        difference = fused - source
        loss = loss + intensity * difference.square().mean()
        loss = loss + gradient * filtered(difference, LAPLACIAN).square().mean()
    return CONTENT_WEIGHT * loss


@dataclass(frozen=True)
class SDNetWeights:
    """Weights of the terms of `sdnet_loss`, for medical images, from the authors' program."""

    visible_intensity: float = 0.5
    """Of the intensity of the visible image, relative to the infrared one."""

    gradient: float = 10.0
    """80 for infrared and visible images."""

    decomposition: float = 1.0


def stronger_gradient(infrared: Tensor, visible: Tensor) -> Tensor:
    """SDNet's adaptive decision: 1 where the low-passed visible image has more gradient, else 0."""
    of_infrared, of_visible = (
        filtered(filtered(image, LOW_PASS), LAPLACIAN).abs() for image in (infrared, visible)
    )
    return (of_visible > of_infrared).to(infrared.dtype)


def sdnet_loss(
    fused: Tensor,
    infrared: Tensor,
    visible: Tensor,
    decomposed: tuple[Tensor, Tensor],
    weights: SDNetWeights,
) -> Tensor:
    """Intensity, gradient of the source with the larger one, decomposition; images in [-1, 1].

    Zhang and Ma 2021, doi:10.1007/s11263-021-01501-8; gradients and decision as in the authors'
    program.
    """
    of_infrared, of_visible = fused - infrared, fused - visible
    intensity = of_infrared.square().mean()
    intensity = intensity + weights.visible_intensity * of_visible.square().mean()
    decision = stronger_gradient(infrared, visible)
    gradient = ((1 - decision) * filtered(of_infrared, LAPLACIAN).square()).mean()
    gradient = gradient + (decision * filtered(of_visible, LAPLACIAN).square()).mean()
    decomposition = functional.mse_loss(decomposed[0], infrared)
    decomposition = decomposition + functional.mse_loss(decomposed[1], visible)
    return intensity + weights.gradient * gradient + weights.decomposition * decomposition


@dataclass(frozen=True)
class STDFusionNetWeights:
    """Weights of the terms of `stdfusionnet_loss`."""

    target: float = 7.0
    """Of the salient region, relative to the background."""


def stdfusionnet_loss(
    fused: Tensor, ct: Tensor, mr: Tensor, bone: Tensor, weights: STDFusionNetWeights
) -> Tensor:
    """Pixels and gradients of the CT in the salient region, of the MR in the background.

    Ma et al. 2021, doi:10.1109/TIM.2021.3075747; images in [-1, 1]. Their masks of salient targets
    are drawn manually on infrared images and blurred; here it is `bone`, (N, 1, H, W), 0 or 1.
    Gradients, as in the authors' program, are sums of the Sobel operators' magnitudes.
    """
    loss = fused.new_zeros(())
    for weight, mask, source in ((weights.target, bone, ct), (1.0, 1 - bone, mr)):
        pixel = (fused - source).abs()
        gradient = (_gradient_magnitude(fused) - _gradient_magnitude(source)).abs()
        loss = loss + weight * (mask * (pixel + gradient)).mean()
    return loss


def _gradient_magnitude(images: Tensor) -> Tensor:
    down = tuple(zip(*SOBEL, strict=True))
    return filtered(images, SOBEL).abs() + filtered(images, down).abs()


def bone_mask(ct: Tensor, mr: Tensor) -> Tensor:
    """Mask (N, 1, H, W) of images (N, H, W) in [0, 1]: 1 in bone, else 0."""
    return (ct > bone_level(ct, mr)).to(ct.dtype).unsqueeze(1)


@dataclass(frozen=True)
class U2FusionWeights:
    """Weights of the terms of `u2fusion_loss`."""

    pixel: float = 20.0
    """Of the mean squared error, relative to 1 - SSIM."""


def information(images: Tensor) -> Tensor:
    """Information (N,) of images (N, 1, H, W) in [0, 1].

    Mean square of gradients over the scales of a pyramid. The paper uses gradients of the feature
    maps of VGG-16 after each of its five blocks; its parameters, trained on photographs, are not
    part of this project.
    """
    total = torch.zeros_like(images[:, 0, 0, 0])
    for _ in range(SCALES):
        gradient = filtered(
            functional.pad(images, (1,) * 4, mode="replicate"), NEIGHBOUR_DIFFERENCE
        )
        total = total + gradient[..., 1:-1, 1:-1].square().mean(dim=(1, 2, 3)) / SCALES
        images = functional.avg_pool2d(images, 2, ceil_mode=True)
    return total


def u2fusion_loss(
    fused: Tensor, infrared: Tensor, visible: Tensor, weights: U2FusionWeights
) -> Tensor:
    """SSIM and squared error against both sources, weighted by their information.

    Xu et al. 2022, doi:10.1109/TPAMI.2020.3012548; images in [0, 1]. Elastic weight consolidation,
    which joins several tasks, is omitted for a single one.
    """
    sources = (infrared, visible)
    both = torch.stack([information(source) for source in sources])  # (2, N)
    shares = torch.softmax(both / INFORMATION_SCALE, dim=0)
    loss = fused.new_zeros(())
    for share, source in zip(shares, sources, strict=True):
        structure = 1 - ssim_map(fused, source).mean(dim=(1, 2, 3))
        pixel = (fused - source).square().mean(dim=(1, 2, 3))
        loss = loss + (share * (structure + weights.pixel * pixel)).mean()
    return loss


@dataclass(frozen=True)
class UMFCMGRWeights:
    """Weights of the terms of `umfcmgr_loss`, from the authors' program."""

    structure: float = 1.0
    pixel: float = 20.0
    gradient: float = 5.0


def saliency(images: Tensor) -> Tensor:
    """Visual saliency, (N, 1, H, W) in [0, 1], of images (N, 1, H, W) in [0, 1].

    The sum of a grey level's distances to those of all pixels, divided by the largest sum in the
    image; 0 in uniform images.
    """
    levels = (images * (LEVELS - 1)).round().long().clamp(0, LEVELS - 1).flatten(1)  # (N, H * W)
    counts = images.new_zeros(len(images), LEVELS)
    counts = counts.scatter_add(1, levels, torch.ones_like(levels, dtype=images.dtype))
    scale = torch.arange(LEVELS, dtype=images.dtype, device=images.device)
    distances = counts @ (scale[:, None] - scale).abs()  # (N, 256)
    sums = distances.gather(1, levels)
    largest = sums.amax(dim=1, keepdim=True)
    return (sums / largest.clamp(min=1)).view_as(images)


def umfcmgr_loss(
    fused: Tensor, infrared: Tensor, visible: Tensor, weights: UMFCMGRWeights
) -> Tensor:
    """SSIM and L1 against the saliency-weighted mean of the sources, L1 to the larger gradient.

    The fusion loss of Wang et al. 2022, doi:10.24963/ijcai.2022/487; images in [0, 1]. SSIM has
    one scale: the five of the authors' program need images of 176 pixels.
    """
    more = (saliency(infrared) - saliency(visible)) / 2
    target = (0.5 + more) * infrared + (0.5 - more) * visible
    structure = 1 - ssim(fused, target)
    of_fused, of_infrared, of_visible = (
        filtered(image, LAPLACIAN_8).abs() for image in (fused, infrared, visible)
    )
    gradient = (of_fused - torch.maximum(of_infrared, of_visible)).abs().mean()
    pixel = (fused - target).abs().mean()
    return weights.structure * structure + weights.pixel * pixel + weights.gradient * gradient
