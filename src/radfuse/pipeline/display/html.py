"""A result as an HTML fragment that needs no other file, in light and dark notebooks."""

from collections.abc import Mapping, Sequence
from html import escape

from radfuse.pipeline.display.planes import Panel
from radfuse.record import NOTICE

FIGURE = "position:relative;margin:0;background:#000;display:inline-block;line-height:0"
LETTER = (
    "position:absolute;font:12px/1 sans-serif;color:#ffd54a;padding:3px;"
    "text-shadow:0 0 3px #000,0 0 2px #000"
)
EDGES = (
    "left:0;top:calc(50% - 9px)", "right:0;top:calc(50% - 9px)", "top:0;left:calc(50% - 6px)",
    "bottom:0;left:calc(50% - 6px)",
)  # fmt: skip
"""Where the letters of the left, right, upper and lower side are."""

HEADING = "text-align:left;vertical-align:top;padding:2px 12px 2px 0;white-space:nowrap"
CELL = "text-align:left;padding:2px 0"


def result_html(title: str, panels: Sequence[Panel], facts: Mapping[str, str]) -> str:
    """The title, the images in a row and a table of facts; empty facts are left out."""
    rows = "".join(
        f'<tr style="background:none"><th scope="row" style="{HEADING}">{escape(name)}</th>'
        f'<td style="{CELL}">{escape(text)}</td></tr>'
        for name, text in facts.items()
        if text
    )
    figures = "".join(_figure(panel, title) for panel in panels)
    return (
        '<div style="font:14px/1.4 sans-serif;max-width:60em">'
        f'<p style="margin:4px 0"><strong>{escape(title)}</strong></p>'
        '<div style="display:flex;flex-wrap:wrap;gap:8px;align-items:flex-start">'
        f"{figures}</div>"
        f'<table style="border-collapse:collapse;margin:6px 0;font:inherit">{rows}</table>'
        f'<p style="margin:4px 0;font-size:12px"><em>{escape(NOTICE)}</em></p></div>'
    )


def document(title: str, fragment: str) -> str:
    """A whole HTML document around a fragment."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title></head><body><main>{fragment}</main></body></html>"
    )


def _figure(panel: Panel, title: str) -> str:
    letters = "".join(
        f'<span aria-hidden="true" style="{LETTER};{edge}">{letter}</span>'
        for letter, edge in zip(panel.sides, EDGES, strict=True)
        if letter
    )
    name = escape(f"{panel.name or 'image'}: {title}")
    return f'<figure style="{FIGURE}"><img alt="{name}" src="{panel.url}">{letters}</figure>'
