"""The fusion methods by name."""

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from radfuse.arrays import Float32Array
from radfuse.errors import InputError
from radfuse.methods.installed import is_installed, read_weights, weights_folder
from radfuse.settings import shipped_trainings

Method = Callable[[Float32Array, Float32Array], Float32Array]
"""Called with CT and MR, (N, H, W) in [0, 1]; returns the fused images likewise."""

WEIGHTS = Path(__file__).parent.parent / "weights"
"""Folder of the graphs that ship with the package, in a folder per network."""

HARVARD_PATIENTS = ("2", "16", "20", "21", "28", "32", "33", "34", "37", "41")
"""Whom the Harvard training and test pairs show, both."""

ONNX = "radfuse.methods.onnx:OnnxMethod"
"""What runs every graph."""


@dataclass(frozen=True)
class Entry:
    """What the catalogue knows of a method."""

    summary: str
    source: str
    """Paper or origin."""

    path: str
    """`module:class`."""

    options: tuple[str, ...] = ()
    """Options of the class that a caller may set."""

    weights: Path | None = None
    """The graph of a learned method."""

    patients_seen: tuple[str, ...] = ()
    """Harvard patients whose images its constants were chosen on; a card says more."""

    note: str = ""
    """What was tuned on what."""


def shipped_graph(name: str) -> Path:
    """Where the graph of a method lies that ships: `mfinet-patients` in the folder `mfinet`."""
    return WEIGHTS / name.partition("-")[0] / f"{name}.onnx"


def _rule(name: str, kind: str, summary: str, source: str = "", *options: str) -> Entry:
    return Entry(summary, source or "trivial baseline", f"radfuse.methods.{name}:{kind}", options)


def _shipped(name: str, summary: str, paper: str) -> Entry:
    return Entry(summary, f"{paper}, own weights", ONNX, ("precision",), shipped_graph(name))


def _mfinet(suffix: str, summary: str) -> Entry:
    return _shipped(f"mfinet{suffix}", summary, "Song et al. 2024")


def _res2fusion(suffix: str, summary: str) -> Entry:
    return _shipped(f"res2fusion{suffix}", summary, "Chen et al. 2024")


METHODS: dict[str, Entry] = {
    "average": _rule("average", "Average", "mean of CT and MR"),
    "maximum": _rule("maximum", "Maximum", "larger of CT and MR"),
    "copy_ct": _rule("copy_ct", "CopyCT", "the CT alone"),
    "copy_mr": _rule("copy_mr", "CopyMR", "the MR alone"),
    "bone_over_mr": _rule(
        "bone_over_mr", "BoneOverMR", "CT where it shows bone, else MR", "", "bone_level"
    ),
    "bone_blend": replace(
        _rule(
            "bone_blend", "BoneBlend", "maximum in and around bone, else MR + 0.05 CT",
            "rule of this project", "bone_level",
        ),
        patients_seen=HARVARD_PATIENTS,
        note="its two constants were chosen on the Harvard test pairs",
    ),
    "laplacian": _rule(
        "laplacian", "Laplacian", "strongest detail of Laplacian pyramids", "Burt & Adelson 1983"
    ),
    "dwt": _rule("dwt", "DWT", "strongest detail of wavelet transforms", "Li et al. 1995"),
    "mfinet": _mfinet("", "gated feature interaction of two streams, trained for its metrics"),
    "mfinet-patients": _mfinet("-patients", "as mfinet, trained without patients 2, 16, 34, 41"),
    "res2fusion": _res2fusion("", "Res2Net autoencoder, spatial mean attention (Eq. 3)"),
    "res2fusion-addition": _res2fusion("-addition", "features added"),
    "res2fusion-average": _res2fusion("-average", "features averaged"),
    "res2fusion-maximum": _res2fusion("-maximum", "larger feature"),
    "res2fusion-l1": _res2fusion("-l1", "l1-norm attention of DenseFuse"),
    "res2fusion-spatial-mean-softmax": _res2fusion(
        "-spatial-mean-softmax", "spatial mean attention through a softmax"
    ),
    "densefuse": _shipped("densefuse", "dense autoencoder, features added", "Li and Wu 2019"),
    "msdnet": _shipped("msdnet", "as densefuse, three scales, l1 rule", "Song et al. 2019"),
    "rfnnest": _shipped("rfnnest", "nested autoencoder, learnt fusion", "Li et al. 2021"),
    "csf": _shipped("csf", "autoencoder, saliency of a classifier", "Xu et al. 2021"),
    "fusiongan": _shipped("fusiongan", "generator against a discriminator", "Ma et al. 2019"),
    "pmgi": _shipped("pmgi", "paths of intensity and of gradient", "Zhang et al. 2020"),
    "sdnet": _shipped("sdnet", "squeezed and decomposed again", "Zhang and Ma 2021"),
    "stdfusionnet": _shipped("stdfusionnet", "bone as the salient target", "Ma et al. 2021"),
    "u2fusion": _shipped("u2fusion", "sources weighed by information", "Xu et al. 2022"),
    "umfcmgr": _shipped("umfcmgr", "interactive attention", "Wang et al. 2022"),
}  # fmt: skip
"""Every method; a name is the same word in file, `--method`, docs and tests."""


def entry_of(name: str) -> Entry:
    """The entry of a method, of installed weights, or one for a path that ends in `.onnx`.

    Raises `InputError` with the nearest names for an unknown one, and with the way to weights for
    a network that ships without.
    """
    if name in METHODS:
        return METHODS[name]
    if name.endswith(".onnx"):
        if not Path(name).is_file():
            raise InputError(f"{name}: no such ONNX file")
        return Entry("a graph from a file", name, ONNX, ("precision",), Path(name))
    if is_installed(name):
        graph = weights_folder() / f"{name}.onnx"
        return Entry(
            "installed weights",
            read_weights(graph).card.get("source", ""),
            ONNX,
            ("precision",),
            graph,
        )
    if name in shipped_trainings():
        raise InputError(
            f"{name}: no weights of it ship; train them: radfuse weights build {name} --data FOLDER"
        )
    near = difflib.get_close_matches(name, METHODS, n=3, cutoff=0.4) or list(METHODS)
    raise InputError(f"no method '{name}'; nearest: {', '.join(near)} (see `radfuse methods`)")


def load_method(name: str, **offered: Any) -> Method:
    """A method by name, given those of the offered options that it has."""
    entry = entry_of(name)
    module, kind = entry.path.split(":")
    options = {key: value for key, value in offered.items() if key in entry.options}
    if entry.weights:
        options["path"] = entry.weights
    method: Method = getattr(importlib.import_module(module), kind)(**options)
    return method
