"""`findings` in the settings of a benchmark: a section over its own cases."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from findings_kit import write_printed_pair

from radfuse.benchmark.benchmark import benchmark
from radfuse.benchmark.case import Sources
from radfuse.benchmark.run.collect import collect_results
from radfuse.benchmark.run.plan import make_plan
from radfuse.benchmark.run.runner import run
from radfuse.benchmark.settings import BenchmarkSettings, Findings, read_benchmark_settings
from radfuse.cli import main
from radfuse.errors import InputError, OutputError
from radfuse.io.images import write_image

KINDS = ("haemorrhage", "metastasis")
TOML = """
profiles = ["mfinet2024"]
methods = ["copy_ct", "copy_mr", "theirs"]
pairs = ["pairs"]
phantoms = [201]
phantom_spacing_mm = 3.5
"""


def silent(stage: str, share: float | None) -> None:
    """Report nothing."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A benchmark of a pair and a phantom; one method is a folder of images."""
    home = tmp_path_factory.mktemp("benchmark")
    write_printed_pair(home / "pairs")
    (home / "theirs").mkdir()
    write_image(home / "theirs" / "1001.png", np.full((180, 180), 0.5, np.float32))
    findings = 'findings = {kinds = ["haemorrhage", "metastasis"], seeds = [201, 202]}'
    (home / "findings.toml").write_text(TOML + findings)
    settings = read_benchmark_settings(home / "findings.toml")
    results, _ = benchmark(settings, home / "out", overwrite=False, report=silent)
    assert results.findings is not None
    return home


def test_every_case_has_findings_by_every_method_that_fuses(home: Path) -> None:
    rows = pd.read_csv(home / "out/findings.csv")
    expected = {
        (method, case, seed, kind)
        for method in ("copy_ct", "copy_mr")
        for case in ("1001", "phantom-201")
        for seed in (201, 202)
        for kind in KINDS
    }
    keys = rows[["method", "case", "seed", "kind"]].astype({"case": str})
    assert set(keys.itertuples(index=False, name=None)) == expected
    own = rows[(rows["method"] == "copy_mr") & (rows["kind"] == "metastasis")]
    assert (own["verdict"] == "kept").all()
    assert set(rows.loc[rows["case"].astype(str) == "1001", "patient"].astype(str)) == {"1"}


def test_the_report_has_the_section_and_its_image(home: Path) -> None:
    report = home / "out/report"
    text = (report / "report.md").read_text()
    section = text[text.index("## Findings kept") :]
    assert "4 placements in 2 cases of 2 patients" in section
    assert "figures/findings-cases.svg" in section
    assert "theirs" not in section[: section.index("\n## ")]
    assert b"data:image/png" in (report / "figures/findings-cases.svg").read_bytes()
    assert "Findings kept" in (report / "report.html").read_text()
    table = pd.read_csv(report / "tables/findings.csv")
    assert len(table) == 4
    assert (table["findings"] == 4).all()


def test_a_finished_benchmark_may_gain_findings_and_seeds(home: Path, tmp_path: Path) -> None:
    pairs = (write_printed_pair(tmp_path / "pairs"),)
    settings = {"pairs": pairs, "methods": ("average",), "profiles": ("mfinet2024",)}
    out = tmp_path / "out"
    plain, _ = benchmark(BenchmarkSettings(**settings), out, overwrite=False, report=silent)
    assert plain.findings is None
    assert "Findings kept" not in (out / "report/report.md").read_text()
    for seeds in ((201,), (201, 202)):
        asked = BenchmarkSettings(**settings, findings=Findings(KINDS, seeds))
        results, _ = benchmark(asked, out, overwrite=False, report=silent)
        assert results.findings is not None
        assert set(results.findings.rows["seed"]) == set(seeds)
    other = BenchmarkSettings(**settings, findings=Findings(("clip",)))
    with pytest.raises(OutputError, match="begun with other settings: kinds of findings"):
        benchmark(other, out, overwrite=False, report=silent)


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ('{kinds = ["tumour"]}', "no kind of finding 'tumour'; there are calcification 150 HU;"),
        ("{seeds = []}", "findings"),
        ("{places = 3}", "findings.places"),
    ],
)
def test_unknown_kinds_and_keys_are_refused_in_a_line(
    tmp_path: Path, findings: str, words: str
) -> None:
    write_printed_pair(tmp_path / "pairs")
    (tmp_path / "b.toml").write_text(
        f'methods = ["average"]\npairs = ["pairs"]\nfindings = {findings}'
    )
    result = CliRunner().invoke(
        main, ["benchmark", str(tmp_path / "b.toml"), "-o", str(tmp_path / "out")]
    )
    assert result.exit_code == 2
    assert words in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_failing_method_is_recorded_with_findings(tmp_path: Path) -> None:
    write_printed_pair(tmp_path / "pairs")
    (tmp_path / "broken.onnx").write_text("no graph")
    settings = BenchmarkSettings(
        pairs=(tmp_path / "pairs",), methods=("average", str(tmp_path / "broken.onnx")),
        profiles=("mfinet2024",), findings=Findings(KINDS),
    )  # fmt: skip
    results, _ = benchmark(settings, tmp_path / "out", overwrite=False, report=silent)
    failures = results.failures[results.failures["method"] == "broken"]
    assert failures["message"].str.startswith("findings: ").sum() == 1


def test_a_case_that_no_longer_loads_is_recorded(tmp_path: Path) -> None:
    """The images are fused already; only the findings need the case again."""
    pairs = write_printed_pair(tmp_path / "pairs")
    settings = BenchmarkSettings(pairs=(pairs,), methods=("average",), profiles=("mfinet2024",))
    out = tmp_path / "out"
    benchmark(settings, out, overwrite=False, report=silent)
    plan = make_plan(replace(settings, findings=Findings(KINDS)), out)
    (case,) = plan.cases

    def damaged() -> Sources:
        raise InputError("truncated")

    run(replace(plan, cases=[replace(case, load=damaged)]), silent)
    failures = plan.failures.read()
    assert list(failures["message"]) == ["the case cannot be loaded: truncated"]
    results = collect_results(plan)
    assert results.findings is not None
    assert results.findings.rows.empty
