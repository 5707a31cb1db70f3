"""What the site adds to Sphinx: formulas as MathML, accessible code and tables, lazy images."""

import json
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

COLUMNS = {"sentence": 100, "words": 30}
"""Classes of columns of a table, and the characters of a cell above which a column has it."""

TABLE = re.compile(r"(<thead>.*?</thead>)(.*?)</table>", re.DOTALL)
ROW = re.compile(r"<tr.*?</tr>", re.DOTALL)
CELL = re.compile(r"<td[^>]*>(.*?)</td>", re.DOTALL)
OPTION = re.compile(r'(?<![\w-])(?<!"option">)--?[A-Za-z][\w-]*(?![^<]*>)')
COMMANDS = re.compile(r'(?<=<div class="highlight-sh notranslate">).*?</pre>', re.DOTALL)
NAME = re.compile(r'((?:<h1>|class="title">)radfuse\.)(?=\w)')

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
    formulas = "".join(
        f"<span>{convert(one, display='block')}</span>" for one in split(node.astext())
    )
    translator.body.append(f'<div class="math" tabindex="0" role="group">{formulas}</div>')
    raise nodes.SkipNode


def split(formula: str) -> list[str]:
    """The formulas that wide spaces separate: below each other where a line is short."""
    return [part.strip() for part in re.split(r"\\q?quad(?![a-z])", formula) if part.strip()]


def _add_context(
    _app: Sphinx, _name: str, _template: str, context: dict[str, Any], _tree: object
) -> None:
    """The notice of research use, unless the document states it itself."""
    body = " ".join(re.sub(r"<[^>]+>", "", str(context.get("body", ""))).split())
    context["notice"] = "" if NOTICE in body else NOTICE


def _finish(app: Sphinx, failure: Exception | None) -> None:
    if failure is None and app.builder.name == "html":
        index = Path(app.outdir) / "searchindex.js"
        index.write_text(small_index(index.read_text(encoding="utf-8")), encoding="utf-8")
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


def small_index(text: str) -> str:
    """The index of the search without the entries of `genindex`, which its objects repeat."""
    start, end = text.index("{"), text.rindex("}") + 1
    index = json.loads(text[start:end]) | {"indexentries": {}}
    return text[:start] + json.dumps(index, separators=(",", ":"), sort_keys=True) + text[end:]


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
    html = COMMANDS.sub(
        lambda code: OPTION.sub(r'<span class="option">\g<0></span>', code[0]), html
    )
    html = NAME.sub(r"\1<wbr>", html)
    html = re.sub(r"(?<=</strong>) -- |(?<=</a>) -- |(?<=</code>) -- ", " \u2013 ", html)
    html = TABLE.sub(_table, html)
    numbers = iter(range(1_000_000))
    return re.sub(r"<img ([^>]*?)/?>", lambda tag: _image(tag, folder, next(numbers)), html)


def _table(table: re.Match[str]) -> str:
    """A table whose headings state which columns are not to be narrow."""
    rows = [
        [len(re.sub(r"<[^>]+>", "", one)) for one in CELL.findall(row)]
        for row in ROW.findall(table[2])
    ]
    lengths = [max(column) for column in zip(*rows, strict=False)]
    kinds = (next((one for one in COLUMNS if length > COLUMNS[one]), "") for length in lengths)
    head = re.sub(
        '(?<=<th class="head)(?=[ "])(?! sentence| words)',
        lambda _: f" {next(kinds, '')}".rstrip(),
        table[1],
    )
    return table[0].replace(table[1], head, 1)


def _breakable(word: str) -> str:
    """A word of code: narrow columns break it after a slash, a long one after an underscore, too.

    The style sheet breaks no other word, unless it is longer than `LONGEST`.
    """
    if len(word) > LONGEST and "/" not in word and "_" not in word:
        return f'<span class="pre long">{word}</span>'
    ends = "/_" if len(word) > LONG else "/"
    parts = re.findall(rf"^[{ends}]*[^{ends}]*[{ends}]*|[^{ends}]*[{ends}]+|[^{ends}]+$", word)
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
