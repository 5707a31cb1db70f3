"""Our metrics against the field's own codes, and against a published table."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from radfuse.data.pairs import Pair, read_pairs
from radfuse.io.images import read_grey
from radfuse.methods.bone_blend import BONE_LEVEL, CT_SHARE, NEIGHBOURHOOD
from radfuse.methods.catalogue import load_method
from radfuse.metrics.fidelity import vifp
from radfuse.metrics.profiles import measure

Grey = NDArray[np.uint8]

PUBLISHED = {
    "csf_swap": "2.732 18.314 0.368 0.345",
    "densefuse_tf_1e2_addition_notranspose": "3.362 18.526 0.404 0.329",
    "pmgi_irvis_swap": "2.656 17.577 0.389 0.304",
    "sdnet_irvis_swap": "2.562 26.746 0.357 0.480",
    "stdfusionnet_LT_swap_ep29": "3.254 25.969 0.479 0.458",
    "u2fusion_swap": "2.585 23.313 0.337 0.458",
}
"""Rows of Table 1 of Song et al. 2024 that the authors' own networks reproduce: MI SF VIF Qabf."""

BASELINES = {
    "average": "3.686 19.19 0.413 0.349",
    "maximum": "4.146 31.23 0.605 0.583",
    "copy_ct": "3.887 32.75 1.022 0.534",
    "copy_mr": "4.496 21.82 1.021 0.564",
    "bone_over_mr": "4.388 37.05 0.675 0.567",
    "bone_blend": "4.630 31.65 0.667 0.596",
}
"""Trivial rules, measured in whole grey levels by somebody else's code."""

ROUNDING = {
    "average": {"MI": 0.02, "SF": 0.02, "VIF": 0.001, "Qabf": 0.001},
    "bone_blend": {"MI": 0.002, "SF": 0.002, "VIF": 0.0005, "Qabf": 0.0005},
}
"""How far float32 in [0, 1] may move a figure: it decides where half a grey level goes."""


@dataclass(frozen=True)
class Golden:
    """Their values and ours for one fused image and its sources."""

    theirs: dict[str, Any]
    ours: dict[str, float]
    fused: Grey
    ct: Grey
    mr: Grey


@pytest.fixture(scope="module")
def pairs(shared: Path) -> list[Pair]:
    return read_pairs(shared / "data/harvard/test")


@pytest.fixture(scope="module")
def golden(shared: Path) -> list[Golden]:
    sources = shared / "data/harvard/test"
    rows = []
    for line in (shared / "golden/metrics.jsonl").read_text().splitlines():
        theirs = json.loads(line)
        name = theirs["image"]
        fused = read_grey(shared / "golden/fused" / theirs["method"] / name)
        ct, mr = read_grey(sources / "CT" / name), read_grey(sources / "MRI" / name)
        rows.append(Golden(theirs, measure("mfinet2024", fused, ct, mr), fused, ct, mr))
    return rows


def means(fused: list[Grey], pairs: list[Pair]) -> dict[str, float]:
    rows = [measure("mfinet2024", image, p.ct, p.mr) for image, p in zip(fused, pairs, strict=True)]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def entropy_bits(*images: Grey) -> float:
    """Joint entropy of one or two images."""
    level = sum(image.astype(np.intp) * 256**place for place, image in enumerate(images))
    counts = np.bincount(np.ravel(level))
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def test_every_metric_equals_the_fields_own_code(golden: list[Golden]) -> None:
    assert len(golden) > 70
    for row in golden:
        theirs, ours = row.theirs, row.ours
        apart = [vifp(row.ct, row.fused), vifp(row.mr, row.fused)]
        found = [ours["SF"], ours["Qabf"], *apart, ours["VIF"]]
        fidelity = [theirs["sheikh.VIFp_ct"], theirs["sheikh.VIFp_mr"]]
        expected = [theirs["tang.SF"], theirs["tang.Qabf"], *fidelity, sum(fidelity)]
        np.testing.assert_allclose(found, expected, rtol=1e-9, err_msg=str(theirs))


def test_the_fields_mutual_information_is_ours_but_for_its_white(golden: list[Golden]) -> None:
    """Its joint histogram counts levels 254 and 255 in one bin, its single ones in two."""
    compared = 0
    for row in golden:
        theirs = row.theirs["tang.MI"]
        if not any((image == 254).any() for image in (row.fused, row.ct, row.mr)):
            np.testing.assert_allclose(row.ours["MI"], theirs, rtol=1e-9, err_msg=str(row.theirs))
            compared += 1
        capped = np.minimum(row.fused, 254)
        with_slip = sum(
            entropy_bits(row.fused) + entropy_bits(source)
            - entropy_bits(capped, np.minimum(source, 254))
            for source in (row.ct, row.mr)
        )  # fmt: skip
        np.testing.assert_allclose(with_slip, theirs, rtol=1e-9, err_msg=str(row.theirs))
    assert compared > 30


@pytest.mark.parametrize("folder", PUBLISHED)
def test_a_row_of_the_published_table_comes_out_to_every_printed_digit(
    shared: Path, pairs: list[Pair], folder: str
) -> None:
    fused = [read_grey(shared / "golden/nets" / folder / "png" / f"{p.name}.png") for p in pairs]
    assert " ".join(f"{value:.3f}" for value in means(fused, pairs).values()) == PUBLISHED[folder]


@pytest.mark.parametrize("method", BASELINES)
def test_a_trivial_rule_has_the_figures_of_the_baseline_table(
    pairs: list[Pair], method: str
) -> None:
    ct, mr = (
        np.stack([getattr(p, name) for p in pairs]) / np.float32(255) for name in ("ct", "mr")
    )
    fused = np.rint(load_method(method)(ct, mr) * 255).astype(np.uint8)
    found = means(list(fused), pairs)
    if method not in ROUNDING:
        assert printed(found) == BASELINES[method]
        return
    for (name, value), expected in zip(found.items(), BASELINES[method].split(), strict=True):
        last_digit = 0.005 if name == "SF" else 0.0005
        margin = ROUNDING[method][name] + last_digit
        np.testing.assert_allclose(value, float(expected), rtol=0, atol=margin, err_msg=name)


def test_in_whole_grey_levels_the_rules_that_round_have_the_printed_digits_too(
    pairs: list[Pair],
) -> None:
    ct, mr = (np.stack([getattr(p, name) for p in pairs]).astype(float) for name in ("ct", "mr"))
    bone = binary_dilation(ct > BONE_LEVEL * 255, NEIGHBOURHOOD)
    blend = np.where(bone, np.maximum(ct, mr), np.minimum(mr + CT_SHARE * ct, 255))
    for method, levels in (("average", (ct + mr) / 2), ("bone_blend", blend)):
        fused = np.rint(levels).astype(np.uint8)
        assert printed(means(list(fused), pairs)) == BASELINES[method]


def printed(found: dict[str, float]) -> str:
    return f"{found['MI']:.3f} {found['SF']:.2f} {found['VIF']:.3f} {found['Qabf']:.3f}"
