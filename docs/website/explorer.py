"""The benchmark explorer: data from the tables of the benchmarks, images from the gallery."""

import csv
import json
import re
from math import isnan
from pathlib import Path
from typing import Any

from PIL import Image
from stage import ROOT

from radfuse.methods.catalogue import METHODS
from radfuse.metrics.catalogue import METRICS
from radfuse.metrics.profiles import PROFILES

BENCHMARKS = ROOT / "docs/benchmarks"

TITLES = {
    "harvard-test": "Harvard test pairs, CT and MR",
    "harvard-pet": "Harvard PET test pairs",
    "harvard-spect": "Harvard SPECT test pairs",
}
"""Benchmarks with tables, and their titles."""

CASES = ("phantom-1-070", "phantom-2-073", "phantom-3-082", "phantom-4-077")
"""Slices of the gallery through the tumours of phantoms, which the explorer shows."""

TILE_PX, COLUMNS, LABEL_PX = 192, 6, 16
"""Layout of a sheet of the gallery, as `benchmarks/gallery.py` writes it."""

DIGITS = 4
"""Significant digits of a value."""

TEXT = Path(__file__).parent / "explorer.txt"
"""The document of the site."""


def write_explorer(folder: Path) -> None:
    """Write data.js, and the images by case and method, into `explorer` of a built site."""
    target = folder / "explorer"
    target.mkdir(parents=True, exist_ok=True)
    methods = gallery_methods()
    data = {
        "benchmarks": [_benchmark(name, title) for name, title in TITLES.items()],
        "families": {name: info.family for name, info in METHODS.items()},
        "summaries": {name: info.summary for name, info in METHODS.items()},
        "lower": _lower_is_better(),
        "cases": list(CASES),
        "shown": methods,
    }
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    (target / "data.js").write_text(f"window.RADFUSE_BENCHMARKS = {text};\n", encoding="utf-8")
    for case in CASES:
        _write_tiles(case, ["CT", "MR", *methods], target)


def gallery_methods() -> list[str]:
    """Names of the methods in the order of the gallery's sheets."""
    lines = (BENCHMARKS / "gallery/README.md").read_text(encoding="utf-8").splitlines()
    (line,) = (one for one in lines if one.startswith("`average`"))
    return re.findall(r"`([^`]+)`", line)


def _benchmark(name: str, title: str) -> dict[str, Any]:
    """Profiles, each with its columns and a row of [mean, low, high] by method."""
    profiles: dict[str, dict[str, Any]] = {}
    with (BENCHMARKS / name / "tables/summary.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            profile = profiles.setdefault(row["profile"], {"columns": [], "rows": {}})
            if row["metric"] not in profile["columns"]:
                profile["columns"].append(row["metric"])
            values = [_rounded(row[key]) for key in ("mean", "low", "high")]
            profile["rows"].setdefault(row["method"], {})[row["metric"]] = values
    speed = BENCHMARKS / name / "tables/speed.csv"
    milliseconds: dict[str, float | None] = {}
    if speed.is_file():
        with speed.open(newline="", encoding="utf-8") as stream:
            milliseconds = {
                row["method"]: _rounded(row["ms_median"]) for row in csv.DictReader(stream)
            }
    return {"name": name, "title": title, "profiles": profiles, "milliseconds": milliseconds}


def _rounded(text: str) -> float | None:
    """A number of the tables; None where there is none."""
    value = float(text or "nan")
    return None if isnan(value) else float(f"{value:.{DIGITS}g}")


def _lower_is_better() -> list[str]:
    """Columns whose smaller values are better."""
    columns = (column for profile in PROFILES.values() for column in profile.columns.items())
    names = {name for name, one in columns if not METRICS[one.metric].larger_is_better}
    return sorted({*names, "CIEDE2000", "error"})


def _write_tiles(case: str, names: list[str], target: Path) -> None:
    """Cut a sheet of the gallery into the images of its methods."""
    folder = target / case
    folder.mkdir(exist_ok=True)
    with Image.open(BENCHMARKS / "gallery" / f"{case}.webp") as sheet:
        for number, name in enumerate(names):
            row, column = divmod(number, COLUMNS)
            left, top = column * TILE_PX, row * (TILE_PX + LABEL_PX) + LABEL_PX
            tile = sheet.crop((left, top, left + TILE_PX, top + TILE_PX)).convert("L")
            tile.save(folder / f"{name}.webp", quality=85)
