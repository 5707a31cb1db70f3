"""The metrics by name: what each means, which way is better, who published it.

A metric is `name(fused, ct, mr, **options) -> float` on images of 0..255.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

from radfuse.errors import unknown_name

Metric = Callable[..., float]
"""`metric(fused, ct, mr, **options)`."""

Range = tuple[float, float]

FREE: Range = (-inf, inf)
POSITIVE: Range = (0, inf)
UNIT: Range = (0, 1)
SIGNED: Range = (-1, 1)


@dataclass(frozen=True)
class MetricInfo:
    """A row of the catalogue."""

    summary: str
    source: str
    """Paper and DOI, or where it is described."""

    path: str
    """`module:function`."""

    range: Range = UNIT
    """Bounds that hold whatever the images and options."""

    larger_is_better: bool = True
    symmetric: bool = True
    """Whether CT and MR may be swapped."""

    unit: str = ""
    min_side: int = 2
    """Pixels a side that the coarsest scale or the largest window needs."""

    in_3d: bool = False
    """Whether it is defined in 3-D, on (slices, rows, columns)."""

    in_2d: bool = True
    """Whether it is defined in 2-D; one that compares slices is not."""

    takes: tuple[str, ...] = ()
    """Facts about the case that it can use, as keywords: see `measure.Known`."""

    needs: str = ""
    """The one of these facts without which it has no value."""


def _metric(function: str, summary: str, source: str, **facts: Any) -> MetricInfo:
    return MetricInfo(summary, source, f"radfuse.metrics.{function}", **facts)


LIU = "Liu et al. 2012, doi:10.1109/TPAMI.2011.109"
"""The comparison of metrics whose code defined several of them for the field."""

METRICS: dict[str, MetricInfo] = {
    "en": _metric("entropy_mutual_information:en", "entropy of the fused image",
        "Shannon 1948, doi:10.1002/j.1538-7305.1948.tb01338.x", range=(0, 8), unit="bits",
        in_3d=True),
    "mi": _metric("entropy_mutual_information:mi", "mutual information with the sources",
        "Qu, Zhang, Yan 2002, doi:10.1049/el:20020212", range=(0, 16), unit="bits", in_3d=True),
    "q_mi": _metric(
        "entropy_mutual_information:q_mi", "mutual information, each source's by the entropies",
        "Hossny, Nahavandi, Creighton 2008, doi:10.1049/el:20081754", range=(0, 2), in_3d=True),
    "nmi": _metric("entropy_mutual_information:nmi", "normalised mutual information",
        "Studholme, Hill, Hawkes 1999, doi:10.1016/S0031-3203(98)00091-0", range=(0, 2),
        in_3d=True),
    "q_te": _metric("entropy_mutual_information:q_te", "mutual information by Tsallis' entropy",
        f"Nava, Escalante-Ramirez, Cristobal 2007; Cvejic, Canagarajah, Bull 2006; {LIU}",
        range=POSITIVE, in_3d=True),
    "q_ncie": _metric(
        "entropy_mutual_information:q_ncie", "nonlinear correlation of fused image and sources",
        f"Wang, Shen, Jin 2008; {LIU}", in_3d=True),
    "fmi": _metric(
        "feature_mutual_information:fmi", "mutual information of features, window by window",
        "Haghighat, Aghagolzadeh, Seyedarabi 2011, doi:10.1016/j.compeleceng.2011.07.012",
        min_side=3),
    "sf": _metric("spatial_frequency_gradient:sf",
        "spatial frequency: size of the differences between neighbours",
        "Eskicioglu, Fisher 1995, doi:10.1109/26.477498", range=POSITIVE, unit="grey levels",
        in_3d=True),
    "ag": _metric("spatial_frequency_gradient:ag", "average gradient",
        "Chen et al. 2024, doi:10.1186/s12880-024-01329-x, Eq. 7", range=POSITIVE,
        unit="grey levels", in_3d=True),
    "qabf": _metric("qabf:qabf", "edge information of the sources preserved in the fused image",
        "Xydeas, Petrovic 2000, doi:10.1049/el:20000267", min_side=3),
    "nabf": _metric("qabf:nabf", "artefacts: edges that no source has",
        "Shreyamsha Kumar 2013, doi:10.1007/s11760-012-0361-x", larger_is_better=False,
        min_side=3),
    "labf": _metric("qabf:labf", "edge information of the sources that is lost",
        "Petrovic, Xydeas 2005, doi:10.1109/ICCV.2005.175", larger_is_better=False,
        min_side=3),
    "q_sf": _metric("spatial_frequency_gradient:q_sf",
        "spatial frequency against that of the sources' strongest differences",
        "Zheng, Essock, Hansen, Haun 2007, doi:10.1016/j.inffus.2005.04.003", range=(-1, inf)),
    "q_p": _metric("phase_congruency:q_p", "correlation of phase congruency",
        f"Zhao, Laganiere, Liu 2007; {LIU}", range=SIGNED, min_side=16),
    "q_m": _metric("multiscale_edges:q_m", "edges that survive at two scales of the Haar wavelet",
        f"Wang, Liu 2008; {LIU}", range=(0, 3), min_side=4),
    "ssim": _metric("structural_similarity:ssim", "structural similarity to the sources",
        "Wang, Bovik, Sheikh, Simoncelli 2004, doi:10.1109/TIP.2003.819861", range=(-2, 2),
        min_side=11),
    "ms_ssim": _metric("structural_similarity:ms_ssim", "structural similarity at five scales",
        "Wang, Simoncelli, Bovik 2003, doi:10.1109/ACSSC.2003.1292216", range=(0, 2),
        min_side=176),
    "mef_ssim": _metric(
        "mef_ssim:mef_ssim", "structural similarity to the sources' strongest structure",
        "Ma, Zeng, Wang 2015, doi:10.1109/TIP.2015.2442920", range=SIGNED, min_side=44),
    "q_s": _metric("quality_index:q_s", "quality index, sources weighted by their saliency",
        "Piella, Heijmans 2003, doi:10.1109/ICIP.2003.1247209", range=SIGNED, min_side=11),
    "q_w": _metric("quality_index:q_w", "q_s with windows weighted by their saliency",
        "Piella, Heijmans 2003, doi:10.1109/ICIP.2003.1247209", range=SIGNED, min_side=11),
    "q_e": _metric("quality_index:q_e", "q_w times the q_w of the edge images",
        "Piella, Heijmans 2003, doi:10.1109/ICIP.2003.1247209", range=SIGNED, min_side=11),
    "q_c": _metric("quality_index:q_c", "quality index, sources weighted by their covariance",
        f"Cvejic, Loza, Bull, Canagarajah 2005; {LIU}", range=SIGNED, min_side=7),
    "q_y": _metric("quality_index:q_y", "similarity to both sources, or to the more similar one",
        "Yang, Zhang, Wang, Liu 2008, doi:10.1016/j.inffus.2006.09.001", range=SIGNED,
        min_side=7),
    "psnr": _metric("mse_psnr_correlation:psnr", "peak signal-to-noise ratio",
        "Chen et al. 2024, doi:10.1186/s12880-024-01329-x, Eq. 13-15", range=FREE, unit="dB",
        in_3d=True),
    "mse": _metric("mse_psnr_correlation:mse", "mean squared error", "Gauss 1821", range=POSITIVE,
        larger_is_better=False, unit="squared grey levels", in_3d=True),
    "vif": _metric("vif:vif", "visual information fidelity, in the pixel domain",
        "Sheikh, Bovik 2006, doi:10.1109/TIP.2005.859378", range=POSITIVE, min_side=41),
    "viff": _metric(
        "viff:viff", "visual information fidelity to the source that decides each window",
        "Han, Cai, Cao, Xu 2013, doi:10.1016/j.inffus.2011.08.002", range=POSITIVE, symmetric=False,
        min_side=41),
    "cc": _metric(
        "mse_psnr_correlation:cc", "correlation with the sources", "Pearson 1895", range=SIGNED,
        in_3d=True),
    "scd": _metric("mse_psnr_correlation:scd", "sum of the correlations of differences",
        "Aslantas, Bendes 2015, doi:10.1016/j.aeue.2015.09.004", range=(-2, 2), in_3d=True),
    "sd": _metric(
        "mse_psnr_correlation:sd", "standard deviation of the fused image", "Pearson 1894",
        range=(0, 127.5), unit="grey levels", in_3d=True),
    "q_cv": _metric("human_perception:q_cv", "visible difference, weighted by edges",
        "Chen, Varshney 2007, doi:10.1016/j.inffus.2005.10.001", range=POSITIVE,
        larger_is_better=False, min_side=16),
    "q_cb": _metric("human_perception:q_cb", "visible contrast preserved",
        "Chen, Blum 2009, doi:10.1016/j.imavis.2007.12.002", min_side=16),
    "bone_fidelity": _metric(
        "region_fidelity:bone_fidelity", "how well bone follows the CT", "docs/own-metrics.md",
        symmetric=False, min_side=11, takes=("bone_level",)),
    "tissue_fidelity": _metric(
        "region_fidelity:tissue_fidelity", "how well soft tissue follows the MR",
        "docs/own-metrics.md", symmetric=False, min_side=11, takes=("bone_level",)),
    "seam_fidelity": _metric(
        "region_fidelity:seam_fidelity", "how free of false edges the bone's border is",
        "docs/own-metrics.md", symmetric=False, min_side=11, takes=("bone_level",)),
    "slice_flicker": _metric(
        "slice_flicker:slice_flicker", "jumps between slices that neither source makes",
        "docs/own-metrics.md", range=(0, 255), larger_is_better=False, unit="grey levels",
        in_3d=True, in_2d=False),
    "lesion_kept": _metric(
        "lesion_contrast:lesion_kept",
        "contrast of a lesion with its sign: the smaller of the two ratios",
        "docs/own-metrics.md", range=FREE, in_3d=True, in_2d=False, takes=("lesion", "ring"),
        needs="lesion"),
}  # fmt: skip
"""Every metric; a name is the same word in file, profile, docs and tests."""


def metric_info(name: str) -> MetricInfo:
    """The entry of a metric; raises `InputError` with the nearest names for an unknown one."""
    if name in METRICS:
        return METRICS[name]
    raise unknown_name("metric", name, METRICS, "docs/metrics.md")


def load_metric(name: str) -> Metric:
    """A metric's function by its name."""
    module, function = metric_info(name).path.split(":")
    metric: Metric = getattr(importlib.import_module(module), function)
    return metric
