"""The report of the findings experiment: Markdown, and the image of telling cases."""

from collections.abc import Iterator
from pathlib import Path

from radfuse.benchmark.experiments.findings_run import FindingsOutcome
from radfuse.benchmark.findings.cases_image import CAPTION, cases_image
from radfuse.benchmark.findings.tables import findings_blocks
from radfuse.benchmark.report.description_tables import failures_table, record_tables
from radfuse.benchmark.report.document import Head, Line, Paragraph, Section, Table, numbered, words
from radfuse.benchmark.report.markdown import markdown
from radfuse.benchmark.report.write import SEED
from radfuse.io.staging import staging

REPORT, CASES = "report.md", "cases.png"
"""Names of the report and its image in the output folder."""

TITLE = "Which findings does a fused image keep?"

LIMITS = (
    "Phantoms are not patients: their tissues are uniform except for noise and the coil's bias "
    "field, so that a finding is easier to keep. CT and MR are aligned by the true transform."
)
"""Limits of the conclusions."""


def write_findings_report(outcome: FindingsOutcome, folder: Path) -> Path:
    """Write report.md and cases.png; returns the path of the report."""
    with staging(folder) as stage:
        text = markdown(TITLE, numbered(list(_sections(outcome))))
        if not outcome.findings.rows.empty:
            cases_image(outcome.findings).save(stage.path_of(folder / CASES), optimize=True)
            text += f"\n## Telling cases\n\n![{CAPTION}]({CASES})\n\n{CAPTION}\n"
        stage.path_of(folder / REPORT).write_text(text, encoding="utf-8")
    return folder / REPORT


def _sections(outcome: FindingsOutcome) -> Iterator[Section]:
    command = f"Written by: {outcome.record['command']}"
    yield Section("Findings kept", (Paragraph(command), Paragraph(LIMITS),
                                    *findings_blocks(outcome.findings, SEED)))  # fmt: skip
    methods = tuple(Line(one.name, words(one.summary, one.source)) for one in outcome.methods)
    heads = (Head("Method"), Head("What it does"), Head("Source"))
    yield Section("Methods", (Table("The methods.", heads, methods, prose=True),))
    none = Paragraph("Every method fused every phantom.")
    failures = failures_table(outcome.failures) if len(outcome.failures) else none
    yield Section("Failures", (failures,))
    yield Section("What was run", tuple(record_tables(outcome.record)))
