"""A benchmark from Python."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import radfuse
from radfuse.errors import InputError


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(1)
    for kind in ("CT", "MRI"):
        (folder / kind).mkdir()
        for name in ("1001", "2001"):
            Image.fromarray(rng.integers(0, 256, (48, 48), np.uint8)).save(
                folder / kind / f"{name}.png"
            )
    return folder


STAGES: list[str] = []


@pytest.fixture(scope="module")
def found(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> radfuse.Benchmark:
    folder = tmp_path_factory.mktemp("found")
    config = folder / "benchmark.toml"
    config.write_text(f'methods = ["average", "maximum"]\npairs = ["{pairs}"]\n')
    return radfuse.benchmark(
        str(config), str(folder / "out"), report=lambda stage, _: STAGES.append(stage)
    )


def test_means_have_a_row_a_method_and_a_column_a_metric(found: radfuse.Benchmark) -> None:
    assert found.means.index.tolist() == ["average", "maximum"]
    rows = found.rows
    chosen = rows[(rows["method"] == "maximum") & (rows["metric"] == "MI")]
    assert len(chosen) == 2
    assert found.means.loc["maximum", ("radfuse1", "MI")] == pytest.approx(chosen["value"].mean())


def test_a_benchmark_is_one_line_and_a_table(found: radfuse.Benchmark) -> None:
    assert repr(found) == "<Benchmark: 2 methods, 2 cases, 0 failures>"
    assert "maximum" in found._repr_html_()
    assert found.report.is_file()
    assert found.failures.empty


def test_a_benchmark_reports_progress(found: radfuse.Benchmark) -> None:
    assert found.report.is_file()
    assert STAGES[-1] == "writing the report"


def test_wrong_settings_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nonesuch"):
        radfuse.benchmark(tmp_path / "nonesuch.toml", tmp_path / "out")


def test_a_missing_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "import radfuse\n"
        "settings = radfuse.BenchmarkSettings(methods=('average',), phantoms=(1,))\n"
        "try: radfuse.benchmark(settings, 'out')\n"
        "except radfuse.InputError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("pandas is missing; pip install ")
    assert "[benchmark]" in done.stdout
    assert done.stdout.count("\n") == 1
