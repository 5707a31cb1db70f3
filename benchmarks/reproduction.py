"""Published values next to measured ones: `docs/reproduction.md`.

    python benchmarks/reproduction.py > docs/reproduction.md

Runs the benchmarks of `configs/` that belong to published tables, in a temporary folder, with the
authors' parameters imported into another. Needs the data and those parameters in `../shared`, and
DFENet installed (`radfuse weights build dfenet --data FOLDER`), which ships without weights.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import fill
from typing import Any

import pandas as pd

from radfuse.benchmark.run.plan import make_plan
from radfuse.benchmark.run.runner import run
from radfuse.benchmark.settings import read_benchmark_settings
from radfuse.methods.installed import VARIABLE, install, weights_folder
from radfuse.training.export.import_weights import import_weights

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
"""Settings of the benchmarks."""

PARAMETERS = ROOT.parent / "shared" / "weights"
"""Parameters that authors published."""

AUTHORS: Mapping[str, tuple[tuple[str, ...], Mapping[str, Any]]] = {
    "csf@authors": (("csf_encoder_decoder", "csf_classifier"), {}),
    "densefuse@authors": (("densefuse_tf_bs2_epoch4_all_weight_1e2",), {}),
    "densefuse@pytorch": (
        ("densefuse_torch_gray",), {"rule": "average", "last_relu": True, "stretch": False},
    ),
    "msdnet@authors": (("msdnet_tf_ssim1e3",), {}),
    "pmgi@authors": (("pmgi_irvis",), {}),
    "sdnet@authors": (("sdnet_irvis",), {}),
    "stdfusionnet@authors": (("stdfusionnet_29_LT",), {}),
    "u2fusion@authors": (("u2fusion",), {}),
}  # fmt: skip
"""Files and options of each method with its authors' parameters."""

BUILT = "dfenet"
"""A compared method whose weights are not shipped."""

WIDTH = 100
"""Columns of the document."""


@dataclass(frozen=True)
class Published:
    """A table as printed: a row per method, cells as in the paper, "" for none."""

    title: str
    config: str
    columns: tuple[str, ...]
    rows: Mapping[str, str]
    reason: str
    """Why measured and published values differ, or that they agree."""


TABLES = (
    Published(
        "Song et al. 2024 (MFINet), Table 1",
        "mfinet2024-table1",
        ("MI", "SF", "VIF", "Qabf"),
        {
            "csf@authors": "2.732 18.314 0.368 0.345",
            "densefuse@authors": "3.362 18.526 0.404 0.329",
            "pmgi@authors": "2.656 17.577 0.389 0.304",
            "sdnet@authors": "2.562 26.746 0.357 0.480",
            "stdfusionnet@authors": "3.254 25.969 0.479 0.458",
            "u2fusion@authors": "2.585 23.313 0.337 0.458",
            "fusiongan": "2.363 12.297 0.227 0.116",
            "rfnnest": "2.605 12.406 0.330 0.209",
            "umfcmgr": "2.690 28.893 0.353 0.431",
            "mfinet": "4.600 29.54 0.544 0.536",
        },
        "`@authors`: our networks with their authors' parameters on the paper's 24 test pairs. "
        "These parameters are for infrared and visible light; the MR is in the infrared slot, and "
        "each result is stretched from its smallest to its largest value as the authors' programs "
        "save it. The parameters of FusionGAN, RFN-Nest and UMF-CMGR are not available: next to "
        "their printed rows are our networks, trained on CT and MR with the losses of their "
        "papers, whereas the paper ran them with parameters for infrared and visible light. "
        "Therefore their cells cannot agree; [the compared networks](compared.md) discusses them. "
        "The other rows without `@authors` are networks trained here; the printed values for them "
        "are in the rows with `@authors`. `mfinet`: [MFINet](mfinet.md).",
    ),
    Published(
        "Trivial rules, measured independently with the field's codes",
        "baselines",
        ("MI", "SF", "VIF", "Qabf", "AG", "EN", "PSNR", "SSIM"),
        {
            "average": "3.686 19.19 0.413 0.349 5.707 4.181 15.99 0.734",
            "maximum": "4.146 31.23 0.605 0.583 7.963 3.460 12.98 0.734",
            "copy_ct": "3.887 32.75 1.022 0.534 6.640 2.965 12.98 0.732",
            "copy_mr": "4.496 21.82 1.021 0.564 7.555 3.574 12.98 0.732",
            "bone_over_mr": "4.388 37.05 0.675 0.567 8.934 3.497 12.98 0.722",
            "bone_blend": "4.630 31.65 0.667 0.596",
        },
        "MI, SF, VIF and Qabf by profile `mfinet2024`, the others by `res2fusion2024`.",
    ),
    Published(
        "Chen et al. 2024 (Res2Fusion), Table 2",
        "res2fusion2024-table2",
        ("AG", "SF", "EN", "MI", "PSNR", "SSIM", "VIFF", "Q"),
        {"res2fusion": "4.6771 13.2055 1.8663    0.5176"},
        "The published values are the four figures of the abstract. They are of other patients, "
        "whose images are not public, so the cells cannot agree. DenseFuse and MSDNet appear with "
        "their authors' parameters and as trained here; RFN-Nest and DFENet, whose parameters are "
        "not available, as trained here. [Metrics](metrics.md) describes how the interpretations "
        "were chosen that the paper does not define.",
    ),
)
"""Every published table that can be measured."""


def measured_means(config: str) -> pd.Series:
    """Mean of each method and metric over the cases of a benchmark."""
    with TemporaryDirectory() as folder:
        plan = make_plan(read_benchmark_settings(CONFIGS / f"{config}.toml"), Path(folder) / "out")
        run(plan, lambda *_: None)
        rows = plan.rows.read().drop_duplicates(["method", "metric", "case"])
    return rows.groupby(["method", "metric"], sort=False)["value"].mean()


def cells_of(measured: float, printed: str) -> str:
    """A measured value with the digits of the printed one, and whether they are equal."""
    if not printed:
        return f"{measured:.3f}"
    digits = len(printed.partition(".")[2])
    ours = f"{measured:.{digits}f}"
    return f"**{ours}** = {printed}" if ours == printed else f"{ours}, printed {printed}"


def lines_of(table: Published) -> Iterator[str]:
    """A table in Markdown, a row per method."""
    means = measured_means(table.config)
    yield f"## {table.title}\n\n`radfuse benchmark configs/{table.config}.toml -o OUT`\n"
    yield f"| method | {' | '.join(table.columns)} |\n|---|{'---|' * len(table.columns)}"
    for method in means.index.unique("method"):
        printed = table.rows.get(method, "").split(" ")
        printed += [""] * (len(table.columns) - len(printed))
        cells = [
            cells_of(means[method, column], text)
            for column, text in zip(table.columns, printed, strict=False)
        ]
        yield f"| {method} | {' | '.join(cells)} |"
    yield f"\n{fill(table.reason, WIDTH)}\n"


def import_authors(shelf: Path) -> None:
    """Install the authors' parameters as methods in a folder of weights."""
    for name, (files, options) in AUTHORS.items():
        found = [PARAMETERS / f"{file}.npz" for file in files]
        network = name.partition("@")[0]
        import_weights(network, found, shelf / f"{name}.onnx", options=dict(options))


def main() -> None:
    """Print the document."""
    with TemporaryDirectory() as shelf:
        install(weights_folder() / f"{BUILT}.onnx", Path(shelf))
        os.environ[VARIABLE] = shelf
        import_authors(Path(shelf))
        print_tables()


def print_tables() -> None:
    """Print the tables with whatever weights are installed."""
    print(
        "# Published and measured values\n\n"
        "Written by `python benchmarks/reproduction.py > docs/reproduction.md`. A bold value "
        "agrees in every\nprinted digit; `MEASURED, printed PUBLISHED` marks a difference; "
        "other values have no published\ncounterpart.\n"
    )
    for table in TABLES:
        for line in lines_of(table):
            print(line, flush=True)


if __name__ == "__main__":
    main()
