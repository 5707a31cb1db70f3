"""Catalogue of the networks by name, for training and export."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.errors import InputError
from radfuse.networks import (
    cnn,
    csf,
    ddcgan,
    deepfuse,
    densefuse,
    dfenet,
    drf,
    emfusion,
    fusiondn,
    fusiongan,
    gesenet,
    gifnet,
    ifcnn,
    matr,
    mfinet,
    msdnet,
    msenet,
    mufusion,
    pmgi,
    res2fusion,
    rfnnest,
    sdnet,
    stdfusionnet,
    u2fusion,
    umfcmgr,
)  # fmt: skip
from radfuse.settings import checked_settings


@dataclass(frozen=True)
class NetworkInfo:
    """A row of the catalogue."""

    make: Callable[..., nn.Module]
    """Called with the network's options; the network is called with CT and MR."""

    source: str
    """Paper, for the model card."""

    published_parameters: Callable[[Mapping[str, NDArray[Any]]], dict[str, Tensor]] | None = None
    """Maps the arrays that the authors published, by their names, to the network's parameters;
    raises `KeyError` for a missing one."""

    published_options: Mapping[str, Any] = field(default_factory=dict)
    """Options with which the published parameters reproduce the images of the authors' program."""

    is_autoencoder: bool = False
    """Whether it has `reconstruct` for images (N, 1, H, W)."""


STRETCHED = {"stretch": True}
"""The options of programs that stretch each fused image to the full grey scale."""


def _mfinet(**options: Any) -> mfinet.MFINet:
    return mfinet.MFINet(checked_settings(options, mfinet.Choices, "options of mfinet"))


NETWORKS = {
    "res2fusion": NetworkInfo(
        res2fusion.Res2Fusion,
        "Chen et al. 2024, doi:10.1186/s12880-024-01329-x, Table 1 and Eq. 1-6",
        is_autoencoder=True),
    "mfinet": NetworkInfo(_mfinet, "Song et al. 2024, doi:10.1007/s13721-024-00449-2"),
    "densefuse": NetworkInfo(
        densefuse.DenseFuse, "Li and Wu 2019, doi:10.1109/TIP.2018.2887342",
        densefuse.published_parameters, STRETCHED, is_autoencoder=True),
    "msdnet": NetworkInfo(
        msdnet.MSDNet, "Song et al. 2019, Image and Graphics (ICIG), pp. 278-288",
        msdnet.published_parameters, is_autoencoder=True),
    "u2fusion": NetworkInfo(
        u2fusion.U2Fusion, "Xu et al. 2022, doi:10.1109/TPAMI.2020.3012548",
        u2fusion.published_parameters, STRETCHED),
    "umfcmgr": NetworkInfo(
        umfcmgr.UMFCMGR, "Wang et al. 2022, doi:10.24963/ijcai.2022/487",
        umfcmgr.published_parameters),
    "csf": NetworkInfo(
        csf.CSF, "Xu et al. 2021, IEEE Transactions on Computational Imaging 7, pp. 824-836",
        csf.published_parameters, STRETCHED, is_autoencoder=True),
    "pmgi": NetworkInfo(
        pmgi.PMGI, "Zhang et al. 2020, doi:10.1609/aaai.v34i07.6975", pmgi.published_parameters,
        STRETCHED),
    "sdnet": NetworkInfo(
        sdnet.SDNet, "Zhang and Ma 2021, doi:10.1007/s11263-021-01501-8",
        sdnet.published_parameters, STRETCHED),
    "fusiongan": NetworkInfo(
        fusiongan.FusionGAN, "Ma et al. 2019, doi:10.1016/j.inffus.2018.09.004"),
    "rfnnest": NetworkInfo(
        rfnnest.RFNNest, "Li et al. 2021, doi:10.1016/j.inffus.2021.02.023", is_autoencoder=True),
    "dfenet": NetworkInfo(
        dfenet.DFENet, "Li et al. 2023, doi:10.1016/j.bspc.2022.104402", is_autoencoder=True),
    "stdfusionnet": NetworkInfo(
        stdfusionnet.STDFusionNet, "Ma et al. 2021, doi:10.1109/TIM.2021.3075747",
        stdfusionnet.published_parameters, STRETCHED),
    "ifcnn": NetworkInfo(
        ifcnn.IFCNN, "Zhang et al. 2020, doi:10.1016/j.inffus.2019.07.011",
        ifcnn.published_parameters),
    "emfusion": NetworkInfo(
        emfusion.EMFusion, "Xu and Ma 2021, doi:10.1016/j.inffus.2021.06.001",
        emfusion.published_parameters, STRETCHED),
    "deepfuse": NetworkInfo(
        deepfuse.DeepFuse, "Prabhakar et al. 2017, doi:10.1109/ICCV.2017.505",
        deepfuse.published_parameters, STRETCHED),
    "matr": NetworkInfo(
        matr.MATR, "Tang et al. 2022, doi:10.1109/TIP.2022.3193288", matr.published_parameters),
    "gesenet": NetworkInfo(
        gesenet.GeSeNet, "Li et al. 2023, doi:10.1109/TNNLS.2023.3293274",
        gesenet.published_parameters, STRETCHED),
    "drf": NetworkInfo(drf.DRF, "Wang et al. 2022, doi:10.3389/fnins.2022.937861",
        drf.published_parameters),
    "mufusion": NetworkInfo(
        mufusion.MUFusion, "Cheng et al. 2023, doi:10.1016/j.inffus.2022.11.010",
        mufusion.published_parameters, STRETCHED | {"tiles": True}),
    "gifnet": NetworkInfo(
        gifnet.GIFNet, "Cheng et al. 2025, doi:10.48550/arXiv.2502.19854",
        gifnet.published_parameters),
    "fusiondn": NetworkInfo(
        fusiondn.FusionDN, "Xu et al. 2020, doi:10.1609/aaai.v34i07.6936"),
    "cnn": NetworkInfo(
        cnn.CNN, "Liu et al. 2017, International Conference on Information Fusion, pp. 1070-1076",
        cnn.published_parameters),
    "msenet": NetworkInfo(
        msenet.MSENet, "Li et al. 2022, doi:10.1016/j.bspc.2022.103534", is_autoencoder=True),
    "ddcgan": NetworkInfo(ddcgan.DDcGAN, "Ma et al. 2020, doi:10.1109/TIP.2020.2977573"),
}  # fmt: skip
"""Every network; its options are the arguments of its class."""


def make_network(name: str, options: dict[str, Any]) -> nn.Module:
    """A new network with random parameters; `InputError` for an unknown name or option."""
    if name not in NETWORKS:
        raise InputError(f"no network '{name}'; there are {sorted(NETWORKS)}")
    try:
        return NETWORKS[name].make(**options)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"options {options} do not fit network '{name}': {error}") from error
