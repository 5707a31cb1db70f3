"""The objectives by name: what a phase of training minimises."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from radfuse.metrics.catalogue import METRICS
from radfuse.networks.cnn import CNN
from radfuse.networks.cnn import PATCH as CNN_PATCH
from radfuse.networks.csf import CSF
from radfuse.networks.ddcgan import PATCH as DDCGAN_PATCH
from radfuse.networks.ddcgan import DDcGAN, Discriminators
from radfuse.networks.deepfuse import DeepFuse
from radfuse.networks.drf import DRF
from radfuse.networks.emfusion import EMFusion
from radfuse.networks.fusiondn import FusionDN
from radfuse.networks.fusiongan import PATCH, Discriminator
from radfuse.networks.ifcnn import IFCNN
from radfuse.networks.infrared_visible import InfraredVisible
from radfuse.networks.matr import MATR
from radfuse.networks.mufusion import MUFusion
from radfuse.networks.pair_network import PairNetwork
from radfuse.networks.rfnnest import RFNNest
from radfuse.networks.sdnet import SDNet
from radfuse.training.losses.adversarial import (
    HARD_FAKE,
    HARD_REAL,
    AdversarialTraining,
    DDcGANWeights,
    ddcgan_loss,
    fused_and_both,
    log_loss,
)
from radfuse.training.losses.autoencoder import SSIM_WINDOW, AutoencoderWeights, autoencoder_loss
from radfuse.training.losses.disentangled import Both, DRFWeights, drf_loss
from radfuse.training.losses.end_to_end import (
    FusionGANProportions,
    Proportions,
    SDNetWeights,
    STDFusionNetWeights,
    U2FusionWeights,
    UMFCMGRWeights,
    bone_mask,
    proportional_loss,
    sdnet_loss,
    stdfusionnet_loss,
    u2fusion_loss,
    umfcmgr_loss,
)
from radfuse.training.losses.exposure import DeepFuseWeights, deepfuse_loss
from radfuse.training.losses.information import (
    EMFusionWeights,
    FusionDNWeights,
    emfusion_loss,
    fusiondn_loss,
)
from radfuse.training.losses.memory import MUFusionWeights, mufusion_loss
from radfuse.training.losses.mfinet import MetricWeights, mfinet_metric_loss, mfinet_paper_loss
from radfuse.training.losses.multi_focus import ifcnn_loss, multi_focus_pairs
from radfuse.training.losses.regions import MATRWeights, matr_loss
from radfuse.training.losses.sharpness import sharpness_loss, with_blurred
from radfuse.training.losses.staged import (
    DFENetWeights,
    RFNNestWeights,
    csf_classifier_loss,
    dfenet_loss,
    rfnnest_loss,
)

Loss = tuple[Tensor, dict[str, float]]
"""The loss, and its terms for the log."""

Output = Any
"""Output of an objective's `forward`: a tensor, or nested tuples of tensors."""

LossFunction = Callable[[Output, Tensor, Any], Loss]
"""Called with the output of `forward`, the images (N, C, H, W) and the weights."""


def fused_output(network: Any, images: Tensor) -> Tensor:
    """Fused images (N, H, W) in [0, 1] of pairs (N, 2, H, W), CT and MR."""
    return network(images[:, 0].contiguous(), images[:, 1].contiguous())


def reconstructed(network: Any, images: Tensor) -> Tensor:
    """Reconstructions of single images (N, 1, H, W) in [0, 1]."""
    return network.reconstruct(images)


def fused_raw(network: PairNetwork, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fused, first and second images (N, 1, H, W) of pairs, in the network's range.

    The fused image is not clipped, which would stop the gradient. The first image is the CT, but
    for networks of infrared and visible images what they take as the infrared one.
    """
    first, second = network.slots(*images.unbind(dim=1))
    return network.fuse(first, second), first, second


def fused_of_ct_and_mr(network: InfraredVisible, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `fused_raw`, but in the order fused, CT, MR."""
    fused, *sources = fused_raw(network, images)
    ct, mr = sources if network.infrared == "ct" else sources[::-1]
    return fused, ct, mr


def decomposed(network: SDNet, images: Tensor) -> tuple[Tensor, ...]:
    """As `fused_raw`, and both sources as decomposed from the fused image."""
    fused, infrared, visible = fused_raw(network, images)
    return fused, infrared, visible, *network.decompose(fused)


def refocused(network: IFCNN, images: Tensor) -> tuple[Tensor, Tensor]:
    """Colours (2 N, 3, H, W) fused of multi-focus pairs made of the images, and the truth."""
    first, second, truth = multi_focus_pairs(images)
    return network.colours(first, second), truth


def fused_features(network: RFNNest, images: Tensor) -> tuple[Tensor, Tensor, Output]:
    """Fused and visible images in [0, 255], and for each scale the features of `rfnnest_loss`."""
    infrared, visible = network.slots(*images.unbind(dim=1))
    sources = zip(network.encoder(infrared), network.encoder(visible), strict=True)
    features = tuple((rfn(*pair), *pair) for rfn, pair in zip(network.fusion, sources, strict=True))
    return network.decoder([fused for fused, *_ in features]), visible, features


def disentangled(network: DRF, images: Tensor) -> tuple[Both, ...]:
    """What `drf_loss` takes, of pairs."""
    sources = network.slots(*images.unbind(dim=1))
    shared = tuple(network.shared(source) for source in sources)
    alone = network.alone(*sources)
    mixtures = [one + shared[number] for number, one in enumerate(alone)]
    mixtures += [one + shared[1 - number] for number, one in enumerate(alone)]
    decoded = [network.decoder(features) for features in (*mixtures, *shared)]
    own, crossed, of_shared = zip(decoded[::2], decoded[1::2], strict=True)
    return own, crossed, of_shared, alone, sources


def classified(network: CSF, images: Tensor) -> tuple[Tensor, ...]:
    """Logits (N, 2) of visible and of infrared images, both with the mean of the infrared."""
    infrared, visible = network.slots(*images.unbind(dim=1))
    of_infrared, of_visible = (x.mean(dim=(1, 2, 3), keepdim=True) for x in (infrared, visible))
    return network.classify(torch.cat([visible - of_visible + of_infrared, infrared])).chunk(2)


def compared_with_blurred(network: CNN, images: Tensor) -> tuple[Tensor, Tensor]:
    """Logits (2 N, 2, h, w) of images and blurred copies of pairs, and those in the other order."""
    sharp, copies = (network.classifier.features(x) for x in with_blurred(images))
    return network.classifier.logits(sharp, copies), network.classifier.logits(copies, sharp)


def _of_images(loss: Callable[[Tensor, Tensor, Any], Tensor]) -> LossFunction:
    """A loss of output, images and weights without terms for the log."""
    return lambda output, images, weights: (loss(output, images, weights), {})


def _without_weights(loss: Callable[..., Tensor]) -> LossFunction:
    """A loss of the outputs of `forward` alone, without terms for the log."""
    return lambda outputs, _images, _weights: (loss(*outputs), {})


def _of_outputs(loss: Callable[..., Tensor]) -> LossFunction:
    """A loss of the outputs of `forward` and the weights, without terms for the log."""
    return lambda outputs, _images, weights: (loss(*outputs, weights), {})


def _mfinet_paper(fused: Tensor, images: Tensor, weights: "NoWeights") -> Loss:  # noqa: ARG001
    return mfinet_paper_loss(fused, images[:, 0], images[:, 1]), {}


def _mfinet_metrics(fused: Tensor, images: Tensor, weights: MetricWeights) -> Loss:
    return mfinet_metric_loss(fused, images[:, 0], images[:, 1], weights)


def _sdnet(output: Output, images: Tensor, weights: SDNetWeights) -> Loss:  # noqa: ARG001
    fused, infrared, visible, *both = output
    return sdnet_loss(fused, infrared, visible, (both[0], both[1]), weights), {}


def _stdfusionnet(output: Output, images: Tensor, weights: STDFusionNetWeights) -> Loss:
    fused, ct, mr = output
    bone = bone_mask(images[:, 0], images[:, 1])
    return stdfusionnet_loss(fused, ct, mr, bone, weights), {}


def _mufusion(output: Output, images: Tensor, weights: MUFusionWeights) -> Loss:  # noqa: ARG001
    fused, first, second, *memory = output
    return mufusion_loss(fused, first, second, memory[0] if memory else None, weights), {}


def _csf_classifier(output: Output, images: Tensor, weights: "NoWeights") -> Loss:  # noqa: ARG001
    loss, accuracy = csf_classifier_loss(*output)
    return loss, {"accuracy": accuracy}


def _cnn(output: Output, images: Tensor, weights: "NoWeights") -> Loss:  # noqa: ARG001
    loss, accuracy = sharpness_loss(*output)
    return loss, {"accuracy": accuracy}


@dataclass(frozen=True)
class NoWeights:
    """For objectives whose weights are fixed by their paper."""


@dataclass(frozen=True)
class Objective:
    """What a phase of training minimises."""

    loss: LossFunction
    """Called with what `forward` returns, the images (N, C, H, W) and the weights."""

    weights: type[Any] = NoWeights
    """Dataclass with the weights of its terms."""

    forward: Callable[[Any, Tensor], Output] = fused_output
    """Computes the input of the loss: called with the network and the images."""

    network: type[nn.Module] = nn.Module
    """Class of the networks that it can train."""

    trains: tuple[str, ...] = ()
    """Child modules that it trains, the others are frozen; empty for the whole network."""

    adversarial: AdversarialTraining | None = None
    """Adds an adversarial loss to each step; the discriminator separates fused from real images in
    what `forward` returns."""

    remembers: bool = False
    """Whether a training step appends to what `forward` returns the images that the moving average
    of the network fuses."""

    min_side: int = SSIM_WINDOW
    """Smallest side of a crop in pixels."""

    @property
    def trains_autoencoder(self) -> bool:
        """Whether it trains an autoencoder on single images (C = 1), not on pairs (C = 2)."""
        return self.forward is reconstructed


def forward_of(objective: Objective, network: Any) -> Callable[[Tensor], Output]:
    """The objective's `forward` of a network: maps images (N, C, H, W) to the input of the loss."""
    return lambda images: objective.forward(network, images)


def set_training_mode(network: nn.Module, objective: Objective) -> nn.Module:
    """Set a network to training mode, and freeze the child modules that are not trained."""
    network.train().requires_grad_(True)
    for name, child in network.named_children():
        if objective.trains and name not in objective.trains:
            child.eval().requires_grad_(False)
    return network


OBJECTIVES = {
    "autoencoder": Objective(_of_images(autoencoder_loss), AutoencoderWeights, reconstructed),
    "mfinet_paper": Objective(_mfinet_paper),
    "mfinet_metrics": Objective(
        _mfinet_metrics, MetricWeights, min_side=METRICS["vif"].min_side
    ),
    "pmgi": Objective(_of_outputs(proportional_loss), Proportions, fused_raw, InfraredVisible),
    "sdnet": Objective(_sdnet, SDNetWeights, decomposed, SDNet),
    "stdfusionnet": Objective(
        _stdfusionnet, STDFusionNetWeights, fused_of_ct_and_mr, InfraredVisible
    ),
    "u2fusion": Objective(_of_outputs(u2fusion_loss), U2FusionWeights, fused_raw, InfraredVisible),
    "umfcmgr": Objective(_of_outputs(umfcmgr_loss), UMFCMGRWeights, fused_raw, InfraredVisible),
    "fusiongan": Objective(
        _of_outputs(proportional_loss), FusionGANProportions, fused_raw, InfraredVisible,
        adversarial=AdversarialTraining(Discriminator, PATCH),
    ),
    "rfnnest": Objective(
        _of_outputs(rfnnest_loss), RFNNestWeights, fused_features, RFNNest, ("fusion",)
    ),
    "csf_classifier": Objective(_csf_classifier, NoWeights, classified, CSF, ("classifier",)),
    "dfenet": Objective(_of_images(dfenet_loss), DFENetWeights, reconstructed),
    "cnn": Objective(_cnn, NoWeights, compared_with_blurred, CNN, min_side=CNN_PATCH),
    "ifcnn": Objective(_without_weights(ifcnn_loss), NoWeights, refocused, IFCNN),
    "deepfuse": Objective(_of_outputs(deepfuse_loss), DeepFuseWeights, fused_raw, DeepFuse),
    "matr": Objective(_of_outputs(matr_loss), MATRWeights, fused_raw, MATR),
    "emfusion": Objective(_of_outputs(emfusion_loss), EMFusionWeights, fused_raw, EMFusion),
    "mufusion": Objective(_mufusion, MUFusionWeights, fused_raw, MUFusion, remembers=True),
    "drf": Objective(_of_outputs(drf_loss), DRFWeights, disentangled, DRF),
    "fusiondn": Objective(_of_outputs(fusiondn_loss), FusionDNWeights, fused_raw, FusionDN),
    "ddcgan": Objective(
        _of_outputs(ddcgan_loss), DDcGANWeights, fused_raw, DDcGAN,
        adversarial=AdversarialTraining(
            Discriminators, DDCGAN_PATCH, 1, fused_and_both, log_loss, HARD_REAL, HARD_FAKE
        ),
    ),
}  # fmt: skip
"""Objectives by name; each loss function describes its terms."""
