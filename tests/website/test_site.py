"""The documentation site: every document is in it, and what the build adds to each."""

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

import radfuse

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    pytest.importorskip("sphinx", reason='needs the tools of the site: pip install -e ".[docs]"')
    generated: dict[str, str] = importlib.import_module("api").api_documents()
    staged: dict[str, str] = importlib.import_module("stage").staged_texts(generated)
    return staged


@pytest.fixture(scope="module")
def finish() -> ModuleType:
    pytest.importorskip("sphinx", reason='needs the tools of the site: pip install -e ".[docs]"')
    return importlib.import_module("finish")


def test_every_document_is_in_the_navigation(texts: dict[str, str]) -> None:
    trees = "\n".join(texts.values())
    for path in texts:
        name = path.removesuffix(".md").removesuffix(".rst")
        assert name == "index" or re.search(rf"^( *|.* <)/{re.escape(name)}>?$", trees, re.M), path


def test_no_document_is_too_long_for_the_site(texts: dict[str, str]) -> None:
    assert {path: len(text) for path, text in texts.items() if len(text) > 80_000} == {}


def test_sources_that_the_site_lacks_are_named(texts: dict[str, str]) -> None:
    assert "](../" not in texts["architecture.md"]
    assert "](contributing.md)" in texts["architecture.md"]
    assert ".png)" not in texts["howto/view.md"]


def test_a_formula_is_mathml(finish: ModuleType) -> None:
    formula = finish.convert(r"\frac{1}{N}\sum_i x_i")
    assert formula.startswith("<math")
    assert "<mfrac>" in formula


def test_code_and_tables_scroll_by_keyboard(finish: ModuleType, tmp_path: Path) -> None:
    html = '<pre>x</pre><div class="table-wrapper docutils container">'
    assert finish.finish(html, tmp_path).count('tabindex="0"') == 2


def test_later_images_load_late(finish: ModuleType, tmp_path: Path) -> None:
    html = '<img alt="a" src="a.svg" /><img alt="b" src="b.svg" />'
    first, second = finish.finish(html, tmp_path).split(">")[:2]
    assert 'loading="eager"' in first
    assert 'loading="lazy"' in second


def test_finishing_twice_changes_nothing(finish: ModuleType, tmp_path: Path) -> None:
    Image.new("L", (1000, 10)).save(tmp_path / "wide.png")
    (tmp_path / "drawing.svg").touch()
    code = '<code><span class="pre">src/radfuse/a_name_of_many_words.py</span></code>'
    html = f'<img alt="a" src="drawing.svg" /><img alt="b" src="wide.png" />{code}'
    finished = finish.finish(html, tmp_path)
    assert finished.count('<a class="full-size"') == 2
    words = '<span class="pre">src/</span><wbr><span class="pre">radfuse/</span><wbr>'
    assert f'{words}<span class="pre">a_</span><wbr>' in finished
    assert finish.finish(finished, tmp_path) == finished


def test_a_command_is_not_broken_inside_an_option(finish: ModuleType, tmp_path: Path) -> None:
    code = '<div class="highlight-sh notranslate"><pre>x <span class="w"> </span>--a-b a-b -o</pre>'
    finished = finish.finish(code, tmp_path)
    assert re.findall('<span class="option">([^<]+)</span>', finished) == ["--a-b", "-o"]
    assert finish.finish(finished, tmp_path) == finished


def test_a_column_of_sentences_is_not_narrow(finish: ModuleType, tmp_path: Path) -> None:
    head = '<th class="head"><p>a</p></th><th class="head text-right"><p>b</p></th>'
    row = f"<tr><td>{'w' * 40}</td><td>{'s' * 101}</td></tr>"
    html = f"<table><thead><tr>{head}</tr></thead>{row}</table>"
    finished = finish.finish(html, tmp_path)
    assert re.findall('class="(.*?)"', finished) == ["head words", "head sentence text-right"]
    assert finish.finish(finished, tmp_path) == finished


def test_a_path_keeps_its_first_slash(finish: ModuleType, tmp_path: Path) -> None:
    finished = finish.finish('<span class="pre">/var/lib</span>', tmp_path)
    assert finished == '<span class="pre">/var/</span><wbr><span class="pre">lib</span>'


def test_formulas_side_by_side_can_be_below_each_other(finish: ModuleType) -> None:
    assert finish.split(r"a = b, \qquad c = \frac{1}{2}, \quad") == ["a = b,", r"c = \frac{1}{2},"]


def test_the_index_of_the_search_has_each_name_once(finish: ModuleType) -> None:
    text = 'Search.setIndex({"indexentries":{"a":[1]},"objects":{"a":[1]}})'
    assert finish.small_index(text) == 'Search.setIndex({"indexentries":{},"objects":{"a":[1]}})'


def test_signatures_have_the_names_of_types() -> None:
    pytest.importorskip("sphinx", reason='needs the tools of the site: pip install -e ".[docs]"')
    plain = importlib.import_module("docstrings").plain_types
    inspect = importlib.import_module("sphinx.util.inspect")
    given = {name: getattr(radfuse, name) for name in ("register", "series_of")}
    signatures = {
        name: str(inspect.stringify_signature(inspect.signature(one), unqualified_typehints=True))
        for name, one in given.items()
    }
    assert plain("(kind: Any = <class 'float'>)") == "(kind: Any = float)"
    assert "tuple[float, float, float, float, float, float]" in plain(signatures["register"])
    assert "values: ~numpy.typing.ArrayLike |" in plain(signatures["series_of"])


def test_options_of_commands_are_lists() -> None:
    commands = importlib.import_module("commands")
    text = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    readable = commands.readable(text)
    assert "\n`--version`\n: Show the version and exit.\n" in readable
    assert "\n[fuse](#radfuse-fuse)\n: Fuse a CT and an MR of one head.\n" in readable
    assert "Options:" not in readable
    assert (
        ": Run the node until it is stopped by SIGTERM or Ctrl-C; what runs then runs again"
        in readable
    )
    assert "docs/howto/train-your-own.md" in readable
    assert not re.search(r"^: .*\.\.\.$", readable, re.MULTILINE)
    assert readable.count("\n`--json`\n: ") == len(re.findall(r"^  --json +\S", text, re.MULTILINE))


def test_a_sentence_of_an_attribute_is_no_type() -> None:
    pytest.importorskip("sphinx", reason='needs the tools of the site: pip install -e ".[docs]"')
    docstrings = importlib.import_module("docstrings")
    sentence, lines = ["One value per row: profile, method."], ["profile, method.", ":type: One"]
    docstrings._keep_sentence(None, "property", "rows", None, None, sentence)
    docstrings._restore_sentence(None, "property", "rows", None, None, lines)
    assert lines == sentence


def test_parts_of_long_reports_name_their_report(texts: dict[str, str]) -> None:
    name = "benchmarks/harvard-test/report"
    parts = [text for path, text in texts.items() if path.startswith(f"{name}-")]
    title = next(line for line in texts[f"{name}.md"].splitlines() if line.startswith("# "))
    assert len(parts) > 3
    for text in parts:
        assert f": {title.removeprefix('# ')}" in text
        assert len(text) > 3_000
