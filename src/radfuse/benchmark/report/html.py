"""A report as one page of HTML that needs nothing else: no network, no script, no other file."""

import base64
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from radfuse.benchmark.report.document import Section
from radfuse.record import NOTICE


def page(title: str, sections: Sequence[Section]) -> str:
    """The page; everything in it is escaped, for names and messages are anybody's."""
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
    """A drawing within a URL."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
