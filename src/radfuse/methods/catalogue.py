"""The fusion methods by name."""

import difflib
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from radfuse.arrays import Float32Array
from radfuse.errors import InputError
from radfuse.intensity import Window
from radfuse.methods.installed import is_installed, read_weights, weights_folder
from radfuse.methods.options import Option, Value, checked_options, declared_options
from radfuse.settings import shipped_trainings

Method = Callable[[Float32Array, Float32Array], Float32Array]
"""Called with the first and the second source, CT and MR, (N, H, W) in [0, 1]; returns the fused
images, of the same shape and range."""

WEIGHTS = Path(__file__).parent.parent / "weights"
"""Folder of the ONNX graphs of radfuse itself, with a sub-folder per network."""

MORE_WEIGHTS = "radfuse_weights"
"""Package of the distribution radfuse-weights, with those of the other networks."""

HARVARD_PATIENTS = tuple(
    f"harvard:{patient}" for patient in (2, 16, 20, 21, 28, 32, 33, 34, 37, 41)
)
"""Patients of the Harvard training pairs, and of the test pairs too."""

RUNNERS = {
    "cpu": "radfuse.methods.onnx:OnnxMethod",
    "cuda": "radfuse.networks.torch_method:TorchMethod",
}
"""The class that runs ONNX graphs, by device."""

INPUTS = "CT in its window and MR, each scaled to [0, 1], slice by slice"
"""What all methods of the catalogue take."""


@dataclass(frozen=True)
class MethodInfo:
    """A row of the catalogue."""

    summary: str
    source: str
    """Paper or origin."""

    path: str = ""
    """`module:class` of a rule."""

    weights: Path | None = None
    """The graph of a learned method."""

    development_patients: tuple[str, ...] = ()
    """Patients, with their data set, whose images its constants were chosen on; of a learned
    method, the model card lists them."""

    note: str = ""
    """Which constants were tuned on which data."""


def packaged_folders() -> list[Path]:
    """Folders of packaged weights: of radfuse and, if it is installed, of radfuse-weights."""
    more = importlib.util.find_spec(MORE_WEIGHTS)
    return [WEIGHTS, *map(Path, (more and more.submodule_search_locations) or ())]


def shipped_graph(name: str) -> Path:
    """Path of a packaged graph: that of `mfinet-patients` is in the folder `mfinet`."""
    graph = Path(name.partition("-")[0], f"{name}.onnx")
    found = (folder / graph for folder in packaged_folders() if (folder / graph).is_file())
    return next(found, WEIGHTS / graph)


def _rule(name: str, kind: str, summary: str, source: str = "trivial baseline") -> MethodInfo:
    return MethodInfo(summary, source, f"radfuse.methods.{name}:{kind}")


def _shipped(name: str, summary: str, paper: str) -> MethodInfo:
    return MethodInfo(summary, f"{paper}, own weights", weights=shipped_graph(name))


def _mfinet(suffix: str, summary: str) -> MethodInfo:
    return _shipped(f"mfinet{suffix}", summary, "Song et al. 2024")


def _res2fusion(suffix: str, summary: str) -> MethodInfo:
    return _shipped(f"res2fusion{suffix}", summary, "Chen et al. 2024")


METHODS: dict[str, MethodInfo] = {
    "average": _rule("average", "Average", "mean of CT and MR"),
    "maximum": _rule("maximum", "Maximum", "larger of CT and MR"),
    "copy_ct": _rule("copy_ct", "CopyCT", "CT only"),
    "copy_mr": _rule("copy_mr", "CopyMR", "MR only"),
    "bone_over_mr": _rule("bone_over_mr", "BoneOverMR", "CT in bone, MR elsewhere"),
    "bone_blend": replace(
        _rule(
            "bone_blend", "BoneBlend", "maximum in and around bone, MR + 0.05 CT elsewhere",
            "rule of this project",
        ),
        development_patients=HARVARD_PATIENTS,
        note="its two constants were chosen on the Harvard test pairs",
    ),
    "signed_detail": replace(
        _rule(
            "signed_detail", "SignedDetail",
            "bone and MR, and the CT's detail in a brain window where it is missing",
            "rule of this project",
        ),
        development_patients=HARVARD_PATIENTS,
        note="its constants were chosen on phantoms 101 to 107, the Visible Human Female and "
        "Harvard training pairs",
    ),
    "learned_detail": replace(
        _rule(
            "learned_detail", "LearnedDetail",
            "as signed_detail; a network says which detail of the CT is shown",
            "rule of this project",
        ),
        development_patients=HARVARD_PATIENTS,
        note="its network was trained on phantoms 1 to 21 and the Visible Human Female; the "
        "constants of signed_detail apply, too",
    ),
    "laplacian": _rule(
        "laplacian", "Laplacian", "Laplacian pyramid, larger coefficients", "Burt & Adelson 1983"
    ),
    "dwt": _rule("dwt", "DWT", "discrete wavelet transform, larger coefficients", "Li et al. 1995"),
    "mfinet": _mfinet("", "two-stream CNN, gated feature interaction, trained on its metrics"),
    "mfinet-patients": _mfinet("-patients", "as mfinet, trained without patients 2, 16, 34, 41"),
    "res2fusion": _res2fusion("", "Res2Net autoencoder, spatial mean attention (Eq. 3)"),
    "res2fusion-addition": _res2fusion("-addition", "Res2Net autoencoder, feature addition"),
    "res2fusion-average": _res2fusion("-average", "Res2Net autoencoder, feature average"),
    "res2fusion-maximum": _res2fusion("-maximum", "Res2Net autoencoder, feature maximum"),
    "res2fusion-l1": _res2fusion("-l1", "Res2Net autoencoder, l1-norm attention of DenseFuse"),
    "res2fusion-spatial-mean-softmax": _res2fusion(
        "-spatial-mean-softmax", "Res2Net autoencoder, softmax of the spatial mean"
    ),
    "densefuse": _shipped("densefuse", "dense autoencoder, feature addition", "Li and Wu 2019"),
    "msdnet": _shipped("msdnet", "three-scale dense autoencoder, l1-norm rule", "Song et al. 2019"),
    "rfnnest": _shipped("rfnnest", "nested autoencoder, residual fusion network", "Li et al. 2021"),
    "csf": _shipped("csf", "autoencoder, classification saliency", "Xu et al. 2021"),
    "fusiongan": _shipped("fusiongan", "generative adversarial network", "Ma et al. 2019"),
    "pmgi": _shipped("pmgi", "CNN, gradient path and intensity path", "Zhang et al. 2020"),
    "sdnet": _shipped("sdnet", "squeeze-and-decomposition CNN", "Zhang and Ma 2021"),
    "stdfusionnet": _shipped("stdfusionnet", "CNN, bone as the salient target", "Ma et al. 2021"),
    "u2fusion": _shipped("u2fusion", "dense CNN, information-weighted sources", "Xu et al. 2022"),
    "umfcmgr": _shipped("umfcmgr", "two-stream CNN, interaction by attention", "Wang et al. 2022"),
}  # fmt: skip
"""Every method; a name is the same word in file, `--method`, docs and tests."""


def method_info(name: str) -> MethodInfo:
    """The row of a method, or one for installed weights or a path that ends in `.onnx`.

    Raises `InputError` with the nearest names for an unknown one, and with the command that trains
    a network whose weights are not packaged.
    """
    if name in METHODS:
        return METHODS[name]
    if name.endswith(".onnx"):
        if not Path(name).is_file():
            raise InputError(f"{name}: no such ONNX file")
        return MethodInfo("a graph from a file", name, weights=Path(name))
    if is_installed(name):
        graph = weights_folder() / f"{name}.onnx"
        return MethodInfo(
            "installed weights", read_weights(graph).model_card.get("source", ""), weights=graph
        )
    if name in shipped_trainings():
        raise InputError(
            f"{name} has no packaged weights; train it: radfuse weights build {name} --data FOLDER"
        )
    near = difflib.get_close_matches(name, METHODS, n=3, cutoff=0.4) or list(METHODS)
    raise InputError(f"no method '{name}'; nearest: {', '.join(near)} (see `radfuse methods`)")


def load_method(
    name: str,
    options: Mapping[str, Any] = MappingProxyType({}),
    *,
    window: Window | None = None,
    device: str = "cpu",
) -> Method:
    """A method by name.

    Options that are the grey level of a CT value follow the CT window, where it is given. Raises
    `InputError` for an unknown method or option, and for a value that is not allowed.
    """
    values = _checked(name, options, device, window)
    weights = method_info(name).weights
    method: Method = _class_of(name, device)(**({"path": weights} if weights else {}), **values)
    return method


def check_options(name: str, options: Mapping[str, Any], device: str = "cpu") -> None:
    """Raise `InputError` for an option that the method does not have or a value not allowed."""
    if options:
        _checked(name, options, device, None)


def options_of(name: str, device: str = "cpu") -> dict[str, Option]:
    """The options that a method declares, by name."""
    return declared_options(_class_of(name, device))


def applicable_options(name: str, options: Mapping[str, Value]) -> dict[str, Value]:
    """Those of the options that a method declares; others may belong to another method."""
    declared = options_of(name) if options else {}
    return {key: value for key, value in options.items() if key in declared}


def _checked(
    name: str, options: Mapping[str, Any], device: str, window: Window | None
) -> dict[str, Value]:
    try:
        return checked_options(options_of(name, device), options, window)
    except InputError as error:
        raise InputError(f"method '{name}' on {device}: {error}") from error


def _class_of(name: str, device: str) -> type[Any]:
    """The class of a method; `InputError` where the device cannot run it."""
    info = method_info(name)
    if not info.weights and device != "cpu":
        raise InputError(f"method '{name}' has no network; use --device cpu")
    if name in METHODS and info.weights and not info.weights.is_file():
        raise InputError(
            f"the weights of '{name}' are in the package radfuse-weights: pip install "
            '"radfuse[weights]", or pip install ./weights in a checkout'
        )
    module, kind = (RUNNERS[device] if info.weights else info.path).split(":")
    try:
        found: type[Any] = getattr(importlib.import_module(module), kind)
    except ModuleNotFoundError as error:
        raise InputError(
            f"--device {device} needs {error.name}; pip install radfuse[train]"
        ) from error
    return found
