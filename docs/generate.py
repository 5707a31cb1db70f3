"""Write the pages and the picture that the program makes: `make docs`.

`docs/methods.md` and `docs/commands.md` are compared with the program by a test, so they cannot
go stale; `docs/images/fused.png` is the README's picture.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from click.testing import CliRunner
from PIL import Image

import radfuse
from radfuse.cli import COMMANDS, main
from radfuse.data.phantom import make_phantom
from radfuse.methods.catalogue import METHODS, Entry
from radfuse.recipe import DEFAULT_METHOD, Recipe
from radfuse.record import NOTICE
from radfuse.registration.transform import write_transform

DOCS = Path(__file__).parent
"""Where the pages stand."""

WIDTH = 88
"""Columns of the help texts."""

PICTURE_HEIGHT = 400
"""Pixels of the README's picture."""


def methods_page() -> str:
    """The catalogue as Markdown."""
    lines = [
        "# Fusion methods",
        "",
        "Written by `make docs` from the catalogue and the cards of the weights. A name is one",
        "word in `--method`, in the code and in the tests; a path that ends in `.onnx` is a method",
        "too. Metrics: means over the 24 Harvard test pairs, 8-bit images, profile `mfinet2024`.",
        "The test pairs show the patients of the training pairs, other slices of them.",
        "",
        "| method | what it does | source | MI | SF | VIF | Qabf |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_method_row(name, entry) for name, entry in METHODS.items()]
    lines += [
        "",
        "`python benchmarks/harvard.py` measures all of them anew.",
        "",
        f"*{NOTICE}*",
        "",
    ]
    return "\n".join(lines)


def _method_row(name: str, entry: Entry) -> str:
    test = {}
    if entry.weights:
        test = json.loads(entry.weights.with_suffix(".json").read_text())["test"]
    values = [f"{test[metric]:.4g}" if test else "" for metric in ("MI", "SF", "VIF", "Qabf")]
    label = f"`{name}`" + (" (default)" if name == DEFAULT_METHOD else "")
    return f"| {label} | {entry.summary} | {entry.source} | {' | '.join(values)} |"


def commands_page() -> str:
    """The help text of every command."""
    parts = ["# Commands", "", "Written by `make docs` from the program's own help texts.", ""]
    for words in ([], *([name] for name in COMMANDS)):
        result = CliRunner().invoke(
            main, [*words, "--help"], prog_name="radfuse", terminal_width=WIDTH
        )
        title = " ".join(["radfuse", *words])
        text = "\n".join(line.rstrip() for line in result.output.splitlines()).strip()
        parts += [f"## {title}", "", "```text", text, "```", ""]
    return "\n".join(parts)


def picture() -> Image.Image:
    """CT, MR and fused image of the phantom's tumour, side by side."""
    phantom = make_phantom()
    with TemporaryDirectory() as folder:
        truth = Path(folder) / "truth.tfm"
        write_transform(truth, phantom.mr_from_ct)
        result = radfuse.fuse(phantom.ct, phantom.mr, recipe=Recipe(transform=truth))
    if result.scaled is None or result.fused is None:
        raise click.ClickException("the phantom is a volume")
    z = phantom.ct.image.TransformPhysicalPointToIndex(phantom.tumour_centre_mm)[2]
    index = z - result.scaled.box[0].start
    cuts = [volume[index] for volume in (result.scaled.ct, result.scaled.mr, result.fused)]
    row = Image.fromarray(np.rint(np.hstack(cuts) * 255).astype(np.uint8))
    width = round(row.width * PICTURE_HEIGHT / row.height)
    return row.resize((width, PICTURE_HEIGHT), Image.Resampling.BICUBIC)


PAGES = {"methods.md": methods_page, "commands.md": commands_page}
"""Pages and what writes them."""

if __name__ == "__main__":
    for name, write in PAGES.items():
        (DOCS / name).write_text(write(), encoding="utf-8")
    (DOCS / "images").mkdir(exist_ok=True)
    picture().save(DOCS / "images" / "fused.png", optimize=True)
