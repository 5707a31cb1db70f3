"""The objectives by name: what a phase of training minimises."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from radfuse.metrics.catalogue import METRICS
from radfuse.networks.csf import CSF
from radfuse.networks.fusiongan import PATCH, Discriminator
from radfuse.networks.infrared import InfraredVisible
from radfuse.networks.rfnnest import RFNNest
from radfuse.networks.sdnet import SDNet
from radfuse.training.losses.adversarial import Contest
from radfuse.training.losses.autoencoder import SSIM_WINDOW, AutoencoderWeights, autoencoder_loss
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
from radfuse.training.losses.mfinet import MetricWeights, mfinet_metric_loss, mfinet_paper_loss
from radfuse.training.losses.staged import (
    DFENetWeights,
    RFNNestWeights,
    csf_classifier_loss,
    dfenet_loss,
    rfnnest_loss,
)

Loss = tuple[Tensor, dict[str, float]]
"""The loss, and what else is worth a line in the log."""

Output = Any
"""What an objective sees of a network: a tensor, or a tuple of such."""


def fused_whole(network: Any, images: Tensor) -> Tensor:
    """Pairs (N, 2, H, W), CT and MR, to what the network is used for: (N, H, W) in [0, 1]."""
    fused: Tensor = network(images[:, 0].contiguous(), images[:, 1].contiguous())
    return fused


def rebuilt(network: Any, images: Tensor) -> Tensor:
    """Single images (N, 1, H, W) in [0, 1] to rebuilt ones."""
    again: Tensor = network.reconstruct(images)
    return again


def fused_raw(network: InfraredVisible, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs to fused, infrared and visible images (N, 1, H, W) in the network's range.

    Nothing is cut off, which would stop the gradient.
    """
    infrared, visible = network.slots(*images.unbind(dim=1))
    return network.fuse(infrared, visible), infrared, visible


def fused_of_ct_and_mr(network: InfraredVisible, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `fused_raw`, but fused, CT and MR, in whichever slot those are."""
    fused, *sources = fused_raw(network, images)
    ct, mr = sources if network.infrared == "ct" else sources[::-1]
    return fused, ct, mr


def decomposed(network: SDNet, images: Tensor) -> tuple[Tensor, ...]:
    """As `fused_raw`, and both sources as they are found again in the fused image."""
    fused, infrared, visible = fused_raw(network, images)
    return fused, infrared, visible, *network.decompose(fused)


def fused_features(network: RFNNest, images: Tensor) -> tuple[Tensor, Tensor, Output]:
    """Fused and visible images in [0, 255], and for each scale the features of `rfnnest_loss`."""
    infrared, visible = network.slots(*images.unbind(dim=1))
    sources = zip(network.encoder(infrared), network.encoder(visible), strict=True)
    features = tuple((rfn(*pair), *pair) for rfn, pair in zip(network.fusion, sources, strict=True))
    return network.decoder([fused for fused, *_ in features]), visible, features


def classified(network: CSF, images: Tensor) -> tuple[Tensor, ...]:
    """Logits (N, 2) of visible and of infrared images, the visible as bright as the infrared."""
    infrared, visible = network.slots(*images.unbind(dim=1))
    of_infrared, of_visible = (x.mean(dim=(1, 2, 3), keepdim=True) for x in (infrared, visible))
    return network.classify(torch.cat([visible - of_visible + of_infrared, infrared])).chunk(2)


def _autoencoder(output: Tensor, images: Tensor, weights: AutoencoderWeights) -> Loss:
    return autoencoder_loss(output, images, weights), {}


def _mfinet_paper(fused: Tensor, images: Tensor, weights: "NoWeights") -> Loss:  # noqa: ARG001
    return mfinet_paper_loss(fused, images[:, 0], images[:, 1]), {}


def _mfinet_metrics(fused: Tensor, images: Tensor, weights: MetricWeights) -> Loss:
    return mfinet_metric_loss(fused, images[:, 0], images[:, 1], weights)


def _proportional(output: Output, images: Tensor, weights: Proportions) -> Loss:  # noqa: ARG001
    fused, infrared, visible = output
    return proportional_loss(fused, infrared, visible, weights), {}


def _sdnet(output: Output, images: Tensor, weights: SDNetWeights) -> Loss:  # noqa: ARG001
    fused, infrared, visible, *both = output
    return sdnet_loss(fused, infrared, visible, (both[0], both[1]), weights), {}


def _stdfusionnet(output: Output, images: Tensor, weights: STDFusionNetWeights) -> Loss:
    fused, ct, mr = output
    bone = bone_mask(images[:, 0], images[:, 1])
    return stdfusionnet_loss(fused, ct, mr, bone, weights), {}


def _u2fusion(output: Output, images: Tensor, weights: U2FusionWeights) -> Loss:  # noqa: ARG001
    fused, infrared, visible = output
    return u2fusion_loss(fused, infrared, visible, weights), {}


def _umfcmgr(output: Output, images: Tensor, weights: UMFCMGRWeights) -> Loss:  # noqa: ARG001
    fused, infrared, visible = output
    return umfcmgr_loss(fused, infrared, visible, weights), {}


def _rfnnest(output: Output, images: Tensor, weights: RFNNestWeights) -> Loss:  # noqa: ARG001
    fused, visible, features = output
    return rfnnest_loss(fused, visible, features, weights), {}


def _csf_classifier(output: Output, images: Tensor, weights: "NoWeights") -> Loss:  # noqa: ARG001
    loss, accuracy = csf_classifier_loss(*output)
    return loss, {"accuracy": accuracy}


def _dfenet(output: Tensor, images: Tensor, weights: DFENetWeights) -> Loss:
    return dfenet_loss(output, images, weights), {}


@dataclass(frozen=True)
class NoWeights:
    """Of an objective whose parts are weighed by its paper."""


@dataclass(frozen=True)
class Objective:
    """What is minimised."""

    loss: Callable[[Output, Tensor, Any], Loss]
    """Called with what `forward` returns, the images (N, C, H, W) and the weights."""

    weights: type[Any] = NoWeights
    """Dataclass of the weights of its parts."""

    forward: Callable[[Any, Tensor], Output] = fused_whole
    """What is run of the network: called with it and the images."""

    network: type[nn.Module] = nn.Module
    """Kind of networks that it trains."""

    trains: tuple[str, ...] = ()
    """Children of the network that it trains, the others rest; all of it if empty."""

    contest: Contest | None = None
    """The rival that adds an adversarial loss to each step of training; it tells the fused from
    the visible images that `fused_raw` returns."""

    smallest_side: int = SSIM_WINDOW
    """Of a crop, in pixels."""

    @property
    def rebuilds(self) -> bool:
        """Whether it trains an autoencoder on single images (C = 1); else on pairs (C = 2)."""
        return self.forward is rebuilt


def forward_of(objective: Objective, network: Any) -> Callable[[Tensor], Output]:
    """What the objective sees of a network: images (N, C, H, W) to its output."""
    return lambda images: objective.forward(network, images)


def wake(network: nn.Module, objective: Objective) -> nn.Module:
    """Set a network to training, but for children that the objective leaves as they are."""
    network.train().requires_grad_(True)
    for name, child in network.named_children():
        if objective.trains and name not in objective.trains:
            child.eval().requires_grad_(False)
    return network


OBJECTIVES = {
    "autoencoder": Objective(_autoencoder, AutoencoderWeights, rebuilt),
    "mfinet_paper": Objective(_mfinet_paper),
    "mfinet_metrics": Objective(
        _mfinet_metrics, MetricWeights, smallest_side=METRICS["vif"].smallest_side
    ),
    "pmgi": Objective(_proportional, Proportions, fused_raw, InfraredVisible),
    "sdnet": Objective(_sdnet, SDNetWeights, decomposed, SDNet),
    "stdfusionnet": Objective(
        _stdfusionnet, STDFusionNetWeights, fused_of_ct_and_mr, InfraredVisible
    ),
    "u2fusion": Objective(_u2fusion, U2FusionWeights, fused_raw, InfraredVisible),
    "umfcmgr": Objective(_umfcmgr, UMFCMGRWeights, fused_raw, InfraredVisible),
    "fusiongan": Objective(
        _proportional, FusionGANProportions, fused_raw, InfraredVisible,
        contest=Contest(Discriminator, PATCH),
    ),
    "rfnnest": Objective(_rfnnest, RFNNestWeights, fused_features, RFNNest, ("fusion",)),
    "csf_classifier": Objective(_csf_classifier, NoWeights, classified, CSF, ("classifier",)),
    "dfenet": Objective(_dfenet, DFENetWeights, rebuilt),
}  # fmt: skip
"""Every objective; its function says what it is made of."""
