r"""`tables.tex`: the main table of each profile for a paper, with `\usepackage{booktabs}`."""

import math
import re
from collections.abc import Sequence

from radfuse.benchmark.report.number_format import (
    MINUS,
    counted,
    decimals_of,
    fixed,
    marks_of,
    p_text,
    stars,
)
from radfuse.benchmark.report.result_tables import explanations, signs_of
from radfuse.benchmark.results import ProfileMetric, Results
from radfuse.benchmark.statistics.analysis import MetricStatistics, count_cases_and_patients
from radfuse.benchmark.statistics.bootstrap import MIN_PATIENTS
from radfuse.record import NOTICE

METRICS_A_BLOCK = 6
"""Metrics side by side; further ones are in another block of the same table."""

ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "²": r"\textsuperscript{2}",
    "³": r"\textsuperscript{3}",
    "µ": r"\textmu{}",
    "†": r"\textdagger{}",
    "‡": r"\textdaggerdbl{}",
    "§": r"\S{}",
    "±": r"\textpm{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    MINUS: "$-$",
}
"""Characters with a meaning in LaTeX, or unknown to it."""


def escaped(text: str) -> str:
    """Text escaped for LaTeX; line breaks and control characters become spaces."""
    one_line = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text).strip()
    return "".join(ESCAPES.get(letter, letter) for letter in one_line)


def latex_tables(results: Results, columns: Sequence[MetricStatistics], reference: str) -> str:
    """A table environment per profile, in the order of the columns."""
    profiles = dict.fromkeys(one.metric.profile for one in columns)
    tables = [
        _table(results, [one for one in columns if one.metric.profile == profile], reference)
        for profile in profiles
    ]
    head = [f"% {_comment(results.title)}", f"% {NOTICE}", r"% Needs \usepackage{booktabs}."]
    return "\n".join([*head, "", *tables])


def _comment(text: str) -> str:
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text)


def _table(results: Results, columns: Sequence[MetricStatistics], reference: str) -> str:
    cases, patients = count_cases_and_patients(columns)
    blocks = [
        _block(results, columns[start : start + METRICS_A_BLOCK], reference)
        for start in range(0, len(columns), METRICS_A_BLOCK)
    ]
    profile = escaped(columns[0].metric.profile)
    caption = (
        rf"{escaped(results.title)}. Profile \texttt{{{profile}}}: mean $\pm$ standard deviation "
        f"over {counted(cases, 'case')} of {counted(patients, 'patient')}"
        f"{_tests_explained(reference) if patients >= MIN_PATIENTS else '. '}"
        "Best mean bold, second underlined, of methods with every case."
    )
    notes = escaped(" ".join(explanations(results, columns)))
    label = re.sub(r"[^A-Za-z0-9]+", "-", columns[0].metric.profile)
    return "\n".join(
        [
            r"\begin{table*}[t]",
            r"\centering\small",
            rf"\caption{{{caption}}}",
            rf"\label{{tab:{label}}}",
            "\\par\\medskip\n".join(blocks) + "\\par\\smallskip",
            rf"{{\footnotesize\raggedright {notes}\par}}",
            r"\end{table*}",
            "",
        ]
    )


def _tests_explained(reference: str) -> str:
    return (
        rf"; below it the $p$ value against {escaped(reference)} (paired $t$-test over cases, "
        r"after Holm's correction; * $p<.05$, ** $p<.01$, *** $p<.001$). "
    )


def _block(results: Results, columns: Sequence[MetricStatistics], reference: str) -> str:
    cells = [_cells(one) for one in columns]
    tests = [_tests(one) for one in columns]
    lines = [
        rf"\begin{{tabular}}{{l{'c' * len(columns)}}}",
        r"\toprule",
        _row("Method", [_head(one.metric) for one in columns]),
        r"\midrule",
    ]
    for method in results.methods:
        name = method.name
        signs = escaped(signs_of(results, method, columns))
        shown = rf"{escaped(name)}\textsuperscript{{{signs}}}" if signs else escaped(name)
        lines.append(_row(shown, [of_column.get(name, "--") for of_column in cells]))
        if name != reference and any(tests):
            lines.append(_row("", [of_column.get(name, "") for of_column in tests]))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _row(first: str, rest: Sequence[str]) -> str:
    return " & ".join([first, *rest]) + r" \\"


def _head(metric: ProfileMetric) -> str:
    arrow = r"$\uparrow$" if metric.larger_is_better else r"$\downarrow$"
    unit = f" ({escaped(metric.unit)})" if metric.unit else ""
    return f"{escaped(metric.name)} {arrow}{unit}"


def _cells(column: MetricStatistics) -> dict[str, str]:
    summary = column.summary[column.summary["cases"] > 0]
    decimals = decimals_of(list(summary["mean"]))
    complete = summary.loc[summary["cases"] == len(column.values), "mean"]
    marks = marks_of(complete, decimals, larger_is_better=column.metric.larger_is_better)
    styles = {"best": r"\mathbf{%s}", "second": r"\underline{%s}"}
    cells = {}
    for name, line in summary.iterrows():
        mean = fixed(line["mean"], decimals).replace(MINUS, "-")
        shown = styles.get(marks.get(str(name), ""), "%s") % mean
        spread = "" if math.isnan(line["sd"]) else rf" \pm {fixed(line['sd'], decimals)}"
        cells[str(name)] = f"${shown}{spread}$"
    return cells


def _tests(column: MetricStatistics) -> dict[str, str]:
    if column.patients.nunique() < MIN_PATIENTS:
        return {}
    compared = column.comparisons["case"]["t_p_holm"].dropna()
    return {str(name): rf"{{\footnotesize ${_p_formula(p)}$}}" for name, p in compared.items()}


def _p_formula(p: float) -> str:
    text, marks = p_text(p), f"^{{{stars(p)}}}" if stars(p) else ""
    return (f"p{text}" if text.startswith("<") else f"p={text}") + marks
