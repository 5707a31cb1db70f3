"""What the site adds to Sphinx: formulas as MathML, accessible code and tables, lazy images."""

import re
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from docutils import nodes
from latex2mathml.converter import convert
from PIL import Image
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from radfuse.record import NOTICE

BUILT = ("samples", "try")
"""Folders of the site that Sphinx does not write."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register all of it."""
    app.add_html_math_renderer("mathml", (_inline_math, None), (_block_math, None))
    app.connect("html-page-context", _add_context)
    app.connect("autodoc-process-docstring", _join_returns, priority=400)
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline_math(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(f'<span class="math">{convert(node.astext())}</span>')
    raise nodes.SkipNode


def _block_math(translator: HTML5Translator, node: nodes.math_block) -> None:
    formula = convert(node.astext().strip(), display="block")
    translator.body.append(f'<div class="math" tabindex="0" role="group">{formula}</div>')
    raise nodes.SkipNode


def _join_returns(
    _app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """A section Returns of free text becomes a field; napoleon would list its lines."""
    if "Returns" in lines and lines[lines.index("Returns") + 1].startswith("---"):
        start = lines.index("Returns")
        end = start + 2
        while end < len(lines) and lines[end] and not lines[end].startswith(" "):
            end += 1
        if end == len(lines) or not lines[end]:
            lines[start:end] = ["", ":returns: " + " ".join(lines[start + 2 : end]), ""]


def _add_context(
    _app: Sphinx, _name: str, _template: str, context: dict[str, Any], _tree: object
) -> None:
    """The notice of research use, unless the document states it itself."""
    body = " ".join(re.sub(r"<[^>]+>", "", str(context.get("body", ""))).split())
    context["notice"] = "" if NOTICE in body else NOTICE


def _finish(app: Sphinx, failure: Exception | None) -> None:
    if failure is None and app.builder.name == "html":
        known = app.env.found_docs | {"genindex", "search"}
        for path in Path(app.outdir).rglob("*.html"):
            name = path.relative_to(app.outdir)
            if name.parts[0] in BUILT:
                continue
            if name.with_suffix("").as_posix() not in known:
                path.unlink()  # of an earlier build
                continue
            text = path.read_text(encoding="utf-8")
            if (finished := finish(text, path.parent)) != text:
                path.write_text(finished, encoding="utf-8")


def finish(html: str, folder: Path) -> str:
    """A document whose code and tables scroll by keyboard, and whose later images load late."""
    html = re.sub(r"<pre>", '<pre tabindex="0">', html)
    html = re.sub(r'<div class="table-wrapper[^>]*(?=>)', r'\g<0> tabindex="0"', html)
    html = html.replace('role="heading"', 'role="heading" aria-level="2"')
    html = re.sub(
        r"<dl>\s*((?:<dd>.*?</dd>\s*)+)</dl>",  # parameters of a signature, in lines
        lambda lines: f'<div class="parameters">{lines[1].replace("dd>", "div>")}</div>',
        html,
        flags=re.DOTALL,
    )
    numbers = iter(range(1_000_000))
    return re.sub(r"<img ([^>]*?)/?>", lambda tag: _image(tag, folder, next(numbers)), html)


def _image(tag: re.Match[str], folder: Path, number: int) -> str:
    """The tag of an image with its size; all but the first are loaded when they are near."""
    attributes = tag[1].strip()
    if "loading=" in attributes or 'src="data:' in attributes:
        return tag[0]
    source = BeautifulSoup(tag[0], "html.parser").img
    path = folder / str(source["src"] if source else "")
    if path.is_file() and path.suffix != ".svg" and "width" not in attributes:
        with Image.open(path) as image:
            attributes += f' width="{image.width}" height="{image.height}"'
    late = ' loading="lazy" decoding="async"' if number else ""
    return f"<img {attributes}{late}>"
