"""The image of telling cases: findings in the CT, the MR and every fused image, with values."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from radfuse.benchmark.findings.results import SOURCE_TILES, FindingsResults
from radfuse.benchmark.report.document import Figure, Plot
from radfuse.benchmark.report.gallery import data_url
from radfuse.benchmark.report.number_format import MINUS, fixed
from radfuse.phantom.findings import KINDS

MAX_CASES = 12
"""Rows of the image."""

SIDE_PX, GAP_PX, TEXT_PX, LABEL_PX = 132, 6, 18, 190
"""Side of a tile, gap between tiles, height of a line of text, width of the row labels."""

COLOURS = {"kept": "#0b6e3a", "weakened": "#8a6100", "lost": "#a03000", "inverted": "#b00020"}
"""Of the value below a tile, by verdict."""

FONT = ImageFont.load_default(13)


def telling_cases(findings: FindingsResults) -> pd.DataFrame:
    """For each kind the placement on which the methods differ most, up to `MAX_CASES` kinds.

    Columns case, seed, kind; kinds in their order. Kinds on which the methods differ least are left
    out.
    """
    groups = findings.rows.groupby(["kind", "case", "seed"], sort=False)["kept"]
    spread = groups.agg(lambda values: np.ptp(np.clip(values, -1, 1))).reset_index()
    telling = spread.sort_values("kept", ascending=False, kind="stable").drop_duplicates("kind")
    order = {name: index for index, name in enumerate(KINDS)}
    chosen = telling.head(MAX_CASES)
    return chosen.sort_values("kind", key=lambda kinds: kinds.map(order))


CAPTION = (
    "Telling cases: for each kind the placement on which the methods differ most. The CT is shown "
    "in the window that shows the finding best; the value and the verdict are below each image."
)


def cases_figures(findings: FindingsResults) -> Iterator[Figure]:
    """The image as a figure of a report, where there are findings."""
    if findings.rows.empty:
        return
    image = cases_image(findings)
    size = f'width="{image.width}" height="{image.height}"'
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
        f'<image {size} href="{data_url(np.asarray(image))}"/></svg>'
    )
    yield Figure(CAPTION, (Plot("findings-cases", "Telling cases", svg.encode()),))


def cases_image(findings: FindingsResults) -> Image.Image:
    """A row per case: the CT in the window that shows it best, the MR, every method."""
    cases = telling_cases(findings)
    columns = [*SOURCE_TILES, *findings.measured_methods]
    width = LABEL_PX + len(columns) * (SIDE_PX + GAP_PX)
    height = TEXT_PX + len(cases) * (SIDE_PX + TEXT_PX + GAP_PX)
    canvas = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    for index, name in enumerate(columns):
        title = name.upper() if name in SOURCE_TILES else name
        draw.text((_left(index), 1), title, "black", FONT)
    for row, (case, seed, kind) in enumerate(cases[["case", "seed", "kind"]].to_numpy()):
        top = TEXT_PX + row * (SIDE_PX + TEXT_PX + GAP_PX)
        draw.text((2, top + 4), f"{kind}\n{case}\nseed {seed}", "black", FONT)
        _draw_row(canvas, findings, (str(case), int(seed), str(kind)), columns, top)
    return canvas


def _left(column: int) -> int:
    return LABEL_PX + column * (SIDE_PX + GAP_PX)


def _draw_row(
    canvas: Image.Image,
    findings: FindingsResults,
    key: tuple[str, int, str],
    columns: Sequence[str],
    top: int,
) -> None:
    case, seed, kind = key
    rows, draw = findings.rows, ImageDraw.Draw(canvas)
    of_case = rows[(rows["case"] == case) & (rows["seed"] == seed) & (rows["kind"] == kind)]
    values = of_case.set_index("method")
    for index, name in enumerate(columns):
        tile = findings.tile(name, case, seed, kind)
        if tile is not None:
            image = Image.fromarray(tile).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
            canvas.paste(image.convert("RGB"), (_left(index), top))
        if name in values.index:
            verdict, kept = str(values.loc[name, "verdict"]), float(values["kept"][name])
            below = (_left(index), top + SIDE_PX + 1)
            draw.text(
                below, f"{fixed(kept, 2)} {verdict}".replace(MINUS, "-"), COLOURS[verdict], FONT
            )
