"""A report as one HTML file without scripts, network access or other files."""

import base64
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from radfuse.benchmark.report.document import Section
from radfuse.record import NOTICE


def html(title: str, sections: Sequence[Section]) -> str:
    """The HTML file; all text is escaped, since names and messages may come from other programs."""
    environment = Environment(
        loader=PackageLoader("radfuse.benchmark.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["svg_url"] = svg_url
    template = environment.get_template("report.html.j2")
    return template.render(title=title, notice=NOTICE, sections=sections)


def svg_url(svg: bytes) -> str:
    """A plot as a data URL."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
