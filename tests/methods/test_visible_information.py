"""No method writes one source into grey levels of the other that nobody can see.

Mutual information of a fused image with the MR rises by 0.1 bits if white bone has the MR in its
last two grey levels: the metric is better and the image is the same. So within bone, what steps
below `VISIBLE_LEVELS` tell of the MR has to be what chance tells; likewise in soft tissue, of the
CT. Sources are in `CLASSES` classes of equal size, so that a mixture passes: what it shows of them
is visible.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.arrays import BoolArray, Float32Array, UInt8Array
from radfuse.intensity import grey_levels, window_named
from radfuse.methods.catalogue import METHODS
from radfuse.methods.head import ArrayHead
from radfuse.methods.loading import Method, load_method
from radfuse.metrics.entropy_mutual_information import mutual_information
from radfuse.phantom.head import make_phantom
from radfuse.pipeline.volume import fuse_head, scale_volumes, whole
from radfuse.recipe import DEFAULT_WINDOW

VISIBLE_LEVELS = 4
"""Smallest visible step in 8 bits: 1.6 % of white."""

CLASSES = 8
BONE_HU, SOFT_HU = 300, (0, 80)
MAX_HIDDEN_BITS = 0.1
SLICES = 6

COPIES = {"copy_ct": "MR", "copy_mr": "CT"}
"""Copies show a source as it is, in the other's tissue too; what they could hide is the other."""

STUDY = {
    "mfinet", "mfinet-patients", "csf", "rfnnest", "cnn", "ddcgan", "drf", "fusiondn", "fusiongan",
    "msdnet", "msenet", "nsst_papcnn", "stdfusionnet", "u2fusion", "umfcmgr",
}  # fmt: skip
"""Slow, and as good or bad as others of their kind: with the variants of Res2Fusion, in `make
study` only."""

Indices = NDArray[np.intp]


def hidden_bits(fused: UInt8Array, source: Float32Array, mask: BoolArray) -> float:
    """Information in bits of the fused image on a source that invisible steps carry.

    That of all grey levels, less that of the same levels in an order without meaning: shuffled
    among the pixels that look the same.
    """
    levels, classes = fused[mask], quantile_classes(source[mask])
    visible = levels // VISIBLE_LEVELS
    rng = np.random.default_rng(0)
    order = np.lexsort((rng.random(len(levels)), visible))
    shuffled = np.empty_like(levels)
    shuffled[np.argsort(visible, kind="stable")] = levels[order]
    return bits(levels, classes) - bits(shuffled, classes)


def quantile_classes(values: Float32Array) -> Indices:
    return np.argsort(np.argsort(values, kind="stable")) * CLASSES // len(values)


def bits(levels: UInt8Array, classes: Indices) -> float:
    return mutual_information(levels[None], classes.astype(np.uint8)[None])


@cache
def head() -> ArrayHead:
    """Some slices of a phantom; CT and MR are aligned."""
    phantom = make_phantom(7, spacing_mm=2.0)
    window = window_named(DEFAULT_WINDOW)
    scaled = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, window)
    hu = sitk.GetArrayFromImage(phantom.ct.image)[scaled.box].astype(np.float32)
    middle = len(hu) // 2
    part = slice(middle, middle + SLICES)
    x, y, z = phantom.ct.image.GetSpacing()
    return ArrayHead(hu[part], scaled.mr[part], (z, y, x))


def fused_by(method: Method) -> UInt8Array:
    fused = whole(fuse_head(method, head(), window_named(DEFAULT_WINDOW)))
    return np.asarray(grey_levels(fused), np.uint8)


def hidden_in(fused: UInt8Array) -> dict[str, float]:
    """Hidden information by source: of the MR in bone, of the CT in soft tissue."""
    hu, mr = head().hu, head().mr
    bone, soft = hu > BONE_HU, (hu > SOFT_HU[0]) & (hu < SOFT_HU[1]) & (mr > 0)
    return {"MR": hidden_bits(fused, mr, bone), "CT": hidden_bits(fused, hu, soft)}


def methods() -> list[object]:
    sparse = [name for name, entry in METHODS.items() if entry.family == "sparse"]
    slow = {*STUDY, *sparse, *(name for name in METHODS if name.startswith("res2fusion-"))}
    return [pytest.param(name, marks=[pytest.mark.slow] * (name in slow)) for name in METHODS]


@pytest.mark.parametrize("name", methods())
def test_no_source_is_written_into_invisible_steps(name: str) -> None:
    method = load_method(name, window=window_named(DEFAULT_WINDOW))
    hidden = hidden_in(fused_by(method))
    other = {name: hidden[name] for name in [COPIES[name]]} if name in COPIES else hidden
    assert max(other.values()) < MAX_HIDDEN_BITS


def mr_in_white_bone(fused: UInt8Array) -> UInt8Array:
    """Whether the MR is above its median in the last two grey levels of white bone."""
    bone = head().hu > BONE_HU
    is_bright = head().mr > np.median(head().mr[bone])
    return np.where(bone & (fused == 255), 254 + is_bright, fused).astype(np.uint8)


def mr_in_bone(fused: UInt8Array) -> UInt8Array:
    """The MR in the last four grey levels of each visible step of bone."""
    code = quantile_classes(head().mr.ravel()).reshape(fused.shape) % VISIBLE_LEVELS
    return np.where(head().hu > BONE_HU, fused // 4 * 4 + code, fused).astype(np.uint8)


def ct_in_soft_tissue(fused: UInt8Array) -> UInt8Array:
    """Whether the CT is above 32 HU, in the last grey level of soft tissue."""
    soft = (head().hu > SOFT_HU[0]) & (head().hu < SOFT_HU[1])
    return np.where(soft, fused // 2 * 2 + (head().hu > 32), fused).astype(np.uint8)


@pytest.mark.parametrize(
    ("cheat", "source"), [(mr_in_white_bone, "MR"), (mr_in_bone, "MR"), (ct_in_soft_tissue, "CT")]
)
def test_a_hidden_code_raises_mi_and_is_detected(
    cheat: Callable[[UInt8Array], UInt8Array], source: str
) -> None:
    blend = fused_by(load_method("bone_blend"))
    honest = np.where(head().hu > BONE_HU, 255, blend).astype(np.uint8)  # bone is white
    cheating = cheat(honest)
    other, region = {
        "MR": (head().mr, head().hu > BONE_HU),
        "CT": (head().hu, (head().hu > SOFT_HU[0]) & (head().hu < SOFT_HU[1])),
    }[source]
    assert np.abs(cheating.astype(int) - honest).max() <= 5
    classes = quantile_classes(other[region])
    assert bits(cheating[region], classes) > bits(honest[region], classes) + 0.1
    assert hidden_in(cheating)[source] > 2 * MAX_HIDDEN_BITS
    assert hidden_in(honest)[source] < MAX_HIDDEN_BITS / 2


def test_what_is_visible_is_not_hidden() -> None:
    """A mixture may tell as much of a source as it likes, in steps that are seen."""
    visible = load_method("copy_mr")
    half = np.where(head().mr > np.median(head().mr), 200, 100).astype(np.uint8)
    bone = head().hu > BONE_HU
    assert abs(hidden_bits(half, head().mr, bone)) < 1e-9
    assert bits(fused_by(visible)[bone], quantile_classes(head().mr[bone])) > 2
