"""A report's texts for papers and for GitHub: LaTeX and Markdown that any name leaves whole."""

import re

from report_kit import HOSTILE, REFERENCE, SyntheticResults, columns_of, hostile

from radfuse.benchmark.report.latex import ESCAPES, METRICS_A_BLOCK, latex_tables
from radfuse.benchmark.report.latex import escaped as tex
from radfuse.benchmark.report.markdown import escaped as md
from radfuse.benchmark.report.markdown import markdown
from radfuse.benchmark.report.sections import report_sections
from radfuse.benchmark.statistics.analysis import MetricStatistics


def unescaped(text: str) -> str:
    """What LaTeX would print of an escaped text."""
    for letter, command in sorted(ESCAPES.items(), key=lambda pair: -len(pair[1])):
        text = text.replace(command, f"\0{ord(letter)}\0")
    return re.sub("\0(\\d+)\0", lambda found: chr(int(found[1])), text)


def test_latex_prints_every_special_character_as_it_is() -> None:
    assert tex("a_b") == r"a\_b"
    assert tex("50 % & #1") == r"50 \% \& \#1"
    assert tex("two\n\nlines\x00") == "two lines"
    assert unescaped(tex(HOSTILE)) == HOSTILE
    bare = re.sub(r"\\[a-zA-Z]+\{\}|\\[_%&#${}]", "", tex(HOSTILE))
    assert not set(bare) & set("_%&#$~^\\<>|")


def check_latex(text: str) -> None:
    """Braces and environments close, and all rows of a tabular have its columns."""
    text = re.sub(r"(?m)^%.*$", "", text)
    depth = 0
    for letter in re.sub(r"\\[\\{}]", "", text):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        assert depth >= 0
    assert depth == 0
    stack: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", text):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack
    for spec, body in re.findall(r"(?s)\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text):
        for row in re.findall(r"(?m)^(.*) \\\\$", body):
            assert len(re.findall(r"(?<!\\)&", row)) == len(spec) - 1


def test_tables_for_papers_have_bold_underlined_and_p_values(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    text = latex_tables(results, columns, REFERENCE)
    check_latex(text)
    network = columns[0].summary.loc["network"]
    assert rf"\mathbf{{{network['mean']:.3f}}} \pm {network['sd']:.3f}" in text
    assert r"\underline{" in text
    assert r"{\footnotesize $p<.001^{***}$}" in text
    assert r"{\footnotesize $p=1.000$}" in text
    assert r"broken\textsuperscript{\textdaggerdbl{}\S{}}" in text
    assert "Profile \\texttt{one}" in text
    assert "Research use only" in text.splitlines()[1]


def test_many_metrics_make_several_blocks_of_one_latex_table(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    text = latex_tables(results, columns * METRICS_A_BLOCK, REFERENCE)
    check_latex(text)
    assert text.count(r"\begin{table*}") == 1
    assert text.count(rf"\begin{{tabular}}{{l{'c' * METRICS_A_BLOCK}}}") == 2


def test_hostile_names_break_no_latex() -> None:
    results = hostile()
    text = latex_tables(results, columns_of(results), REFERENCE)
    check_latex(text)
    assert len([one for one in text.splitlines() if one.startswith("%")]) == 3


def test_markdown_escapes_what_it_would_read_as_its_own() -> None:
    assert md("a_b|c <i> & `d`") == r"a\_b\|c &lt;i&gt; &amp; \`d\`"
    assert md("two\n# lines") == r"two \# lines"


def test_hostile_names_break_no_markdown() -> None:
    results = hostile()
    text = markdown(results.title, report_sections(results, columns_of(results), REFERENCE, []))
    assert not re.search(r"<(?!br>|ins>|/ins>)", text)
    tables = re.findall(r"(?m)(?:^\|.*\n)+", text)
    assert len(tables) >= 8
    for table in tables:
        counts = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(counts) == 1
