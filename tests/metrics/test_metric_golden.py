"""Our metrics against the field's own codes, and against a published table."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from golden_kit import GoldenRow

from radfuse.arrays import UInt8Array
from radfuse.intensity import grey_levels
from radfuse.io.image_pairs import ImagePair, read_image_pairs
from radfuse.methods.loading import load_method
from radfuse.metrics.measure import measure
from radfuse.metrics.profiles import columns_of

BASELINES = {
    "average": "3.686 19.19 0.413 0.349 5.707 4.181 15.99 0.734",
    "maximum": "4.146 31.23 0.605 0.583 7.963 3.460 12.98 0.734",
    "copy_ct": "3.887 32.75 1.022 0.534 6.640 2.965 12.98 0.732",
    "copy_mr": "4.496 21.82 1.021 0.564 7.555 3.574 12.98 0.732",
    "bone_over_mr": "4.388 37.05 0.675 0.567 8.934 3.497 12.98 0.722",
    "bone_blend": "4.630 31.65 0.667 0.596",
}
"""Trivial rules, measured by somebody else's code."""

DECIMALS = {"MI": 3, "SF": 2, "VIF": 3, "Qabf": 3, "AG": 3, "EN": 3, "PSNR": 2, "SSIM": 3}
"""Columns of that table and the digits that it prints."""


TOLERANCE = {"Q_CB": 1e-4}
"""Relative; 1e-6 for all others. Q_CB divides rounding errors by rounding errors where all is
black: the original itself moves by 6.5e-5 there when its images are transposed."""

PSNR_SLIP = 20 * np.log10(255)
"""The field's code takes a peak of 255 for images in [0, 1]."""


@pytest.fixture(scope="module")
def pairs(shared: Path) -> list[ImagePair]:
    return read_image_pairs(shared / "data/harvard/test")


@pytest.mark.parametrize(
    ("author", "profile"),
    [("tang", "tang"), pytest.param("liu", "liu2012", marks=pytest.mark.slow)],
)
def test_a_profile_has_the_values_of_the_fields_own_code(
    golden: list[GoldenRow], author: str, profile: str
) -> None:
    compared: Counter[str] = Counter()
    for row in golden:
        keys = {name: row.values.get(f"{author}.{name}") for name in columns_of(profile)}
        expected = {name: value for name, value in keys.items() if value is not None}
        if not expected:
            continue
        ours = measure(profile, *row.images, metrics=list(expected))
        for name, value in expected.items():
            slip = PSNR_SLIP if name == "PSNR" else 0
            np.testing.assert_allclose(
                ours[name],
                value - slip,
                rtol=TOLERANCE.get(name, 1e-6),
                err_msg=f"{name} {row.values}",
            )
        compared.update(expected.keys())
    assert min(compared.values()) >= 25
    assert len(compared) == {"tang": 13, "liu": 9}[author]


@pytest.mark.parametrize(
    "method",
    [pytest.param(name, marks=[] if name == "average" else pytest.mark.slow) for name in BASELINES],
)
def test_a_trivial_rule_has_the_figures_of_the_baseline_table(
    pairs: list[ImagePair], method: str
) -> None:
    fused = fused_by(method, pairs)
    rows = [{**of(one, "mfinet2024"), **of(one, "res2fusion2024")} for one in fused]
    means = {name: np.mean([row[name] for row in rows]) for name in DECIMALS}
    printed = [f"{means[name]:.{places}f}" for name, places in DECIMALS.items()]
    assert " ".join(printed).startswith(BASELINES[method])


def fused_by(method: str, pairs: list[ImagePair]) -> Iterator[tuple[UInt8Array, ImagePair]]:
    fuse = load_method(method)
    for pair in pairs:
        ct, mr = (image[None] / np.float32(255) for image in (pair.ct, pair.mr))
        yield np.asarray(grey_levels(fuse(ct, mr)[0]), np.uint8), pair


def of(one: tuple[UInt8Array, ImagePair], profile: str) -> dict[str, float]:
    fused, pair = one
    return measure(profile, fused, pair.ct, pair.mr)
