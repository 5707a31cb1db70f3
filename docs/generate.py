"""Write the generated documents and the image of the README: `make docs`.

A test fails when a document is stale. `dicom-cases.md` is written where the real files are
available. `docs/images/fused.png` is the image of the README.
"""

import csv
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
import SimpleITK as sitk
from click.testing import CliRunner
from PIL import Image

import radfuse
from radfuse.cli import main
from radfuse.dicom.write.fused import FULL_SCALE
from radfuse.intensity import WINDOWS
from radfuse.methods.catalogue import FAMILIES, METHODS, MethodInfo
from radfuse.methods.hidden_findings import KEPT_SHARE, finding_counts, hidden_kinds, measured_table
from radfuse.metrics import catalogue as metrics
from radfuse.metrics.catalogue import METRICS
from radfuse.metrics.profiles import DEFAULT_PROFILE, PROFILES
from radfuse.phantom.findings import CT_TARGET, KINDS, MR_TARGET, VOID, Kind
from radfuse.phantom.head import make_phantom
from radfuse.pipeline.volume import scale_volumes
from radfuse.recipe import DEFAULT_METHOD, Recipe
from radfuse.record import NOTICE
from radfuse.registration.transforms import write_transform

sys.path.insert(0, str(Path(__file__).parent))
from altered import altered_document
from cases import cases_document
from conformance import conformance_document
from modalities import modalities_document
from python_api import python_document
from rooms import rooms_svg

DOCS = Path(__file__).parent
"""Folder of the documents."""

REAL = DOCS.parents[1] / "shared" / "data" / "real"
"""Real and unusual files of scanners, if available."""

WIDTH = 88
"""Columns of the help texts."""

IMAGE_HEIGHT = 400
"""Height of the README's image, pixels."""


PAPER_METRICS = ("MI", "SF", "VIF", "Qabf")
"""Metrics of the MFINet paper."""

HARVARD_TABLES = Path(__file__).parent / "benchmarks/harvard-test/tables"
"""Tables of the benchmark on the Harvard test pairs, as the program wrote them."""


def methods_document() -> str:
    """The catalogue as Markdown, grouped by family."""
    lines = [
        "# Fusion methods",
        "",
        "Written by `make docs` from the catalogue and the benchmark. A name is the same word in",
        "`--method`, in the code and in the tests; a path that ends in `.onnx` is a method as",
        "well. Metrics: means over the 24 Harvard test pairs, 8-bit images, profile `mfinet2024`,",
        "and the median of the seconds a pair of 256x256 pixels takes on one of two shared cores;",
        "`radfuse benchmark configs/harvard-test.toml -o OUT` measures them again.",
        "The test pairs are other slices of the patients of the training pairs of the networks.",
        "[Related work](related-work.md) lists what the two papers cite, and by which name it is",
        "here.",
    ]
    measured, seconds = _benchmark_means(), _benchmark_seconds()
    for family, title in FAMILIES.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| method | what it does | source | proven by | MI | SF | VIF | Qabf | s |",
            "|---|---|---|---|--:|--:|--:|--:|--:|",
        ]
        for name, info in METHODS.items():
            if info.family == family:
                means = measured.get(name) or _exported_means(info)
                values = [f"{means[one]:.4g}" if means else "" for one in PAPER_METRICS]
                cells = [*values, f"{seconds[name]:.2g}" if name in seconds else ""]
                label = f"`{name}`" + (" (default)" if name == DEFAULT_METHOD else "")
                texts = [label, info.summary, *map(_linked, (info.source, info.proof))]
                lines.append(f"| {' | '.join([*texts, *cells])} |")
    return "\n".join([*lines, "", *_hidden_findings(), "", f"*{NOTICE}*", ""])


def _linked(text: str) -> str:
    """A text of the code whose documents are links."""
    return re.sub(r"\bdocs/([\w-]+)\.md", r"[\1](\1.md)", text)


def _benchmark_rows(name: str) -> list[dict[str, str]]:
    """Rows of a table of the benchmark on the Harvard test pairs."""
    with (HARVARD_TABLES / f"{name}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def _benchmark_means() -> dict[str, dict[str, float]]:
    """Means of each method by metric, profile `mfinet2024`."""
    means: dict[str, dict[str, float]] = {}
    for row in _benchmark_rows("summary"):
        if row["profile"] == "mfinet2024":
            means.setdefault(row["method"], {})[row["metric"]] = float(row["mean"])
    return means


def _exported_means(info: MethodInfo) -> dict[str, float]:
    """The same from the model card of a network; empty for other methods."""
    if not info.weights:
        return {}
    means: dict[str, float] = json.loads(info.weights.with_suffix(".json").read_text())["test"]
    return means


def _benchmark_seconds() -> dict[str, float]:
    """Median seconds of a pair by method."""
    return {row["method"]: float(row["ms_median"]) / 1000 for row in _benchmark_rows("speed")}


def _hidden_findings() -> list[str]:
    """Which kinds of findings each method keeps, and which it may hide."""
    table = measured_table()
    phantoms, placements = (", ".join(map(str, table[key])) for key in ("phantoms", "placements"))
    return [
        "## What an image may hide",
        "",
        "A kind of [finding](findings.md) is kept if at least "
        f"{100 * KEPT_SHARE:g} % of its findings are. Measured in volumes with the default options",
        f"and CT window: synthetic phantoms {phantoms} with pixels of {table['spacing_mm']:g} mm, "
        f"positions {placements}, by",
        f"`{table['command']}`, which measures methods that changed again. 2-D images and methods",
        f"from elsewhere were not measured, nor for the time that they take {_unmeasured()}.",
        "",
        "| method | keeps, kinds of findings | may hide (in italics: may show inverted, dark for "
        "bright) |",
        "|---|--:|---|",
        *(_hidden_row(name) for name in METHODS if finding_counts(name)),
    ]


def _unmeasured() -> str:
    """Names of the methods without a row."""
    return ", ".join(f"`{name}`" for name in METHODS if not finding_counts(name))


def _hidden_row(name: str) -> str:
    counts, hidden = finding_counts(name), hidden_kinds(name)
    kinds = "; ".join(f"*{kind}*" if counts[kind].inverted else kind for kind in hidden)
    return f"| `{name}` | {len(counts) - len(hidden)} of {len(counts)} | {kinds} |"


METRICS_HEAD = """# Metrics

Written by `make docs` from the catalogue and the profiles. A metric is a function of the fused
image, the CT and the MR, in double precision on 8-bit images (levels 0 to 255). In the literature
one name denotes several formulas: with 256 bins the average of two images has more mutual
information with them than their maximum, with 32 bins less; one fused image has an edge transfer
of 0.36 by one widely used code and 0.67 by another. Therefore every value that radfuse prints
names its **profile**: the formula and the options of each column. A profile never changes; a
better choice gets a new name.

`radfuse evaluate --profile NAME` measures; the default is `{default}`. The values of the profiles
`tang` and `liu2012` are those of the field's own MATLAB codes, to 1e-6 relative (Q_CB: 1e-4) on
the images that the tests have; `mfinet2024` gives six rows of that paper's Table 1 to every
printed digit.

Trivial rules (copies of a source, average, maximum) belong in every table. Some metrics prefer
them: a copy of the CT has the best VIF of all. A metric with a copy as the best method does not
measure fusion by itself, and no single value determines the best method.

Requirements on the images, and special cases:

* 8 bits, one size. NaN, other types and other sizes are rejected in one line. Images below the
  smallest side of a profile's metrics are rejected with that size.
* Flat images, windows without contrast and identical images have finite values, which each
  function's docstring states.
* Volumes are measured slice by slice; metrics marked 3-D also as a whole, and those marked "only"
  compare slices or need a lesion. Outside the MR field of view all three images count as black.
"""

RES2FUSION_NOTE = """Chen et al. 2024 do not define what MI pairs, the window of SSIM, which of
three indices of Piella and Heijmans is Q, and whether gradients are forward or central. Their
test images are not public, so only ratios can be compared; of their results, the abstract's four
figures (AG 4.6771, SF 13.2055, EN 1.8663, VIFF 0.5176) and the gain in Q over DenseFuse, 1.50,
were available. `python benchmarks/readings.py` prints the readings on the authors' DenseFuse and
MSDNet and our Res2Fusion: Q_S gains 1.04, Q_W 1.22, Q_E 1.68, so Q is Q_E, the nearest of the
three; forward differences are Eq. 7 as printed; the smaller gain in VIFF is what the code of its
authors does, on all 73 images that we have of it. Bins, logarithm and SSIM's window do not change
the order of these three methods in any column but MI with 32 bins; the usual ones were taken.
"""


def metrics_document() -> str:
    """The catalogue of metrics and the profiles as Markdown."""
    lines = [METRICS_HEAD.format(default=DEFAULT_PROFILE)]
    for name, profile in PROFILES.items():
        sentences = [f"{one[0].upper()}{one[1:]}." for one in (profile.summary, profile.source)]
        text = " ".join(sentences).replace("docs/metrics.md", "this document")
        lines += [f"## `{name}`", "", text, ""]
        lines += ["| column | better | metric | options |", "|---|---|---|---|"]
        for column, choice in profile.columns.items():
            arrow = "↑" if METRICS[choice.metric].larger_is_better else "↓"
            options = ", ".join(f"{key} = {value}" for key, value in choice.options.items())
            lines.append(f"| {column} | {arrow} | `{choice.metric}` | {options} |")
        lines += ["", *([RES2FUSION_NOTE] if name == "res2fusion2024" else [])]
    lines += ["## All metrics", ""]
    lines += [
        "| metric | what it measures | range, unit | CT = MR | 3-D | smallest side | source |"
    ]
    lines += ["|---|---|---|---|---|---|---|"]
    lines += [_metric_row(name, METRICS[name]) for name in METRICS]
    return "\n".join([*lines, ""])


def _metric_row(name: str, info: metrics.MetricInfo) -> str:
    low, high = (f"{bound:g}".replace("inf", "∞") for bound in info.range)
    arrow = "↑" if info.larger_is_better else "↓"
    cells = [
        f"`{name}` {arrow}",
        info.summary,
        f"{low} to {high} {info.unit}".strip(),
        "may be swapped" if info.symmetric else "not",
        {(True, True): "too", (True, False): "only"}.get((info.in_3d, info.in_2d), ""),
        str(info.min_side),
        _linked(info.source),
    ]
    return f"| {' | '.join(cells)} |"


def commands_document() -> str:
    """The help text of every command."""
    parts = ["# Commands", "", "Written by `make docs` from the program's own help texts.", ""]
    for words in _command_lines(main, []):
        result = CliRunner().invoke(
            main, [*words, "--help"], prog_name="radfuse", terminal_width=WIDTH
        )
        title = " ".join(["radfuse", *words])
        text = "\n".join(line.rstrip() for line in result.output.splitlines()).strip()
        parts += [f"## {title}", "", "```text", text, "```", ""]
    return "\n".join(parts)


def _command_lines(command: click.Command, words: list[str]) -> Iterator[list[str]]:
    """The words of a command and of all below it."""
    yield words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from _command_lines(below, [*words, name])


KINDS_START, KINDS_END = "<!-- kinds: written by `make docs` -->\n", "<!-- end of kinds -->"
"""Around the generated table in `findings.md`."""


def findings_document() -> str:
    """The document of the findings, with the table of kinds from their catalogue."""
    start, rest = (DOCS / "findings.md").read_text(encoding="utf-8").split(KINDS_START)
    _, end = rest.split(KINDS_END)
    lines = [
        "| kind | shown by | site | diameter, mm | CT, HU | MR | target |",
        "|---|---|---|--:|--:|--:|---|",
        *(_kind_row(name, kind) for name, kind in KINDS.items()),
    ]
    return start + KINDS_START + "\n".join([*lines, KINDS_END]) + end


def _kind_row(name: str, kind: Kind) -> str:
    hu = _bounds(kind.hu or ()) + " (difference)" * kind.relative
    signal = f"void, {VOID:g}" if kind.shape == "void" else _bounds(kind.mr or (), "+")
    target = "CT" if name in CT_TARGET else "MR" if name in MR_TARGET else ""
    cells = (name, kind.source.code, kind.site, _bounds(kind.diameter_mm), hu, signal, target)
    return f"| {' | '.join(cells)} |"


def _bounds(values: tuple[float, ...], sign: str = "") -> str:
    return " to ".join(f"{one:{sign}g}" for one in values).replace("-", "\N{MINUS SIGN}")


def phantom_image() -> Image.Image:
    """CT, MR and fused image of the phantom's tumour, side by side."""
    phantom = make_phantom()
    with TemporaryDirectory() as folder:
        truth = Path(folder) / "truth.tfm"
        write_transform(truth, phantom.mr_from_ct)
        result = radfuse.fuse(phantom.ct, phantom.mr, recipe=Recipe(transform=truth))
    z = phantom.ct.image.TransformPhysicalPointToIndex(phantom.tumour_centre_mm)[2]
    scaled = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, WINDOWS["fusion"])
    slices, rows, columns = scaled.box
    fused = sitk.GetArrayViewFromImage(result.image)[z, rows, columns] / FULL_SCALE
    cuts = [scaled.ct[z - slices.start], scaled.mr[z - slices.start], fused]
    row = Image.fromarray(np.rint(np.hstack(cuts) * 255).astype(np.uint8))
    width = round(row.width * IMAGE_HEIGHT / row.height)
    return row.resize((width, IMAGE_HEIGHT), Image.Resampling.BICUBIC)


DOCUMENTS = {
    "methods.md": methods_document,
    "metrics.md": metrics_document,
    "modalities.md": modalities_document,
    "conformance.md": conformance_document,
    "commands.md": commands_document,
    "python.md": python_document,
    "findings.md": findings_document,
    "altered-inputs.md": altered_document,
    "images/rooms.svg": rooms_svg,
}
"""Generated files and what writes them."""

if __name__ == "__main__":
    for name, write in DOCUMENTS.items():
        (DOCS / name).write_text(write(), encoding="utf-8")
    if REAL.is_dir():
        (DOCS / "dicom-cases.md").write_text(cases_document(REAL), encoding="utf-8")
    (DOCS / "images").mkdir(exist_ok=True)
    phantom_image().save(DOCS / "images" / "fused.png", optimize=True)
