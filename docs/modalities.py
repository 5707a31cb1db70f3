"""The document on the modalities, from their table."""

from radfuse.intensity import WINDOWS
from radfuse.modality import MODALITIES, Modality
from radfuse.record import NOTICE

HEAD = f"""# Modalities

Written by `make docs` from the table in the code. Everything that depends on the modality of a
series is in its row.

*{NOTICE}*

| modality | option | shows | unit | values are | displayed | registered to | outside |
|---|---|---|---|---|---|---|--:|
"""

SCALING = """
*Outside* is the value outside the field of view, in this unit.

## From values to grey levels

A fusion method is a function of two images of numbers from 0 to 1. With $v$ a value of the image:

$$ x = \\min\\left(1, \\max\\left(0, \\frac{v - v_0}{v_1 - v_0}\\right)\\right) $$

| modality | $v_0$ and $v_1$ |
|---|---|
"""

WINDOWS_HEAD = """
A window of width $W$ and level $L$ gives $v_0 = L - W/2$ and $v_1 = L + W/2$. The presets, in HU:

| preset | width | level | black | white |
|---|--:|--:|--:|--:|
"""

TAIL = """
A volume is scaled as a whole, never slice by slice: a slice without bright tissue stays dark.

## PET units and SUV

A PET is read in Bq/ml, in counts with the manufacturer's factors, or as an SUV. By body weight:

$$ \\mathrm{SUV} = \\frac{a(t)\\, m}{D\\, 2^{-(t - t_0)/T_{1/2}}} $$

with the activity concentration $a$ in Bq/ml at the time $t$ that the image is corrected to, the
body weight $m$ in g, the injected activity $D$ in Bq at the time $t_0$ and the half-life
$T_{1/2}$. What is missing or contradictory is refused, not guessed:
[PET and SPECT](howto/pet-and-spect.md).
"""


def modalities_document() -> str:
    """The rows, how each is scaled, and the windows, as Markdown."""
    rows = "".join(_row(one) for one in MODALITIES.values())
    scaling = "".join(f"| {one} | {_bounds(one)} |\n" for one in MODALITIES.values())
    windows = "".join(
        f"| `{name}` | {window.width:g} | {window.level:g} "
        f"| {window.level - window.width / 2:g} | {window.level + window.width / 2:g} |\n"
        for name, window in WINDOWS.items()
    )
    return HEAD + rows + SCALING + scaling + WINDOWS_HEAD + windows + TAIL


def _row(one: Modality) -> str:
    cells = (
        one.code,
        f"`--{one.option}`",
        "anatomy" if one.role == "anatomical" else "function",
        one.unit or "arbitrary",
        "quantitative" if one.is_quantitative else "relative",
        "in colour over another image" if one.is_colour else "in grey",
        ", ".join(one.registered_to) or "nothing; it is fixed",
        f"{one.background:g}",
    )
    return f"| {' | '.join(cells)} |\n"


def _bounds(one: Modality) -> str:
    if one.default_window:
        return f"the window `{one.default_window}`, or `--window`"
    if one.is_colour:
        return "0 and the highest value inside the head"
    low, high = one.percentiles
    return f"the {low:g} and {high:g} percentiles of the voxels of the head"
