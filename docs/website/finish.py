"""What the site adds to Sphinx: formulas as MathML, accessible code and tables, lazy images."""

import re
from pathlib import Path
from typing import Any

import docstrings
from bs4 import BeautifulSoup
from docutils import nodes
from latex2mathml.converter import convert
from PIL import Image
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from radfuse.record import NOTICE

BUILT = ("samples", "try")
"""Folders of the site that Sphinx does not write."""

MAX_COLUMN_PX = 700
"""Images that are wider than the column of text are links to themselves, for small windows."""

LONG, LONGEST = 24, 40
"""Characters of a word of code above which it may be broken after `_`, and anywhere."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Register all of it."""
    app.add_html_math_renderer("mathml", (_inline_math, None), (_block_math, None))
    app.connect("html-page-context", _add_context)
    docstrings.setup(app)
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline_math(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(f'<span class="math">{convert(node.astext())}</span>')
    raise nodes.SkipNode


def _block_math(translator: HTML5Translator, node: nodes.math_block) -> None:
    formula = convert(node.astext().strip(), display="block")
    translator.body.append(f'<div class="math" tabindex="0" role="group">{formula}</div>')
    raise nodes.SkipNode


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
    html = re.sub(r'<span class="pre">([^<]+)</span>', lambda word: _breakable(word[1]), html)
    numbers = iter(range(1_000_000))
    return re.sub(r"<img ([^>]*?)/?>", lambda tag: _image(tag, folder, next(numbers)), html)


def _breakable(word: str) -> str:
    """A word of code: narrow columns break it after a slash, a long one after an underscore, too.

    The style sheet breaks no other word, unless it is longer than `LONGEST`.
    """
    if len(word) > LONGEST and "/" not in word and "_" not in word:
        return f'<span class="pre long">{word}</span>'
    ends = "/_" if len(word) > LONG else "/"
    parts = re.findall(rf"[^{ends}]*[{ends}]+|[^{ends}]+$", word)
    return "<wbr>".join(f'<span class="pre">{part}</span>' for part in parts)


def _image(tag: re.Match[str], folder: Path, number: int) -> str:
    """An image with its size, and where it is large with a link; later ones are loaded late."""
    attributes, width = tag[1].strip(), 0
    if "loading=" in attributes or 'src="data:' in attributes:
        return tag[0]
    image = BeautifulSoup(tag[0], "html.parser").img
    source = str(image["src"] if image else "")
    path = folder / source
    if path.is_file() and path.suffix != ".svg" and "width" not in attributes:
        with Image.open(path) as opened:
            width = opened.width
            attributes += f' width="{width}" height="{opened.height}"'
    when = 'loading="lazy" decoding="async"' if number else 'loading="eager"'
    shown = f"<img {attributes} {when}>"
    is_large = path.is_file() and (path.suffix == ".svg" or width > MAX_COLUMN_PX)
    return f'<a class="full-size" href="{source}">{shown}</a>' if is_large else shown
