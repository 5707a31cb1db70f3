"""The help texts of the commands as text that fits a phone: paragraphs and lists of options."""

import re
from collections.abc import Iterator

BLOCK = re.compile(
    r"^## (?P<title>[^\n]+)\n\n```text\n(?P<help>.*?)\n```$", re.MULTILINE | re.DOTALL
)
"""A command of `docs/commands.md`: its heading and its help text."""

SECTION = re.compile(r"^(?=[A-Z]\w+:$)", re.MULTILINE)
"""The start of `Options:` or `Commands:`."""

ITEM = re.compile(r"^ {2}(?P<name>\S.*?)(?: {2,}(?P<text>.*))?$")
"""The first line of an option or a command."""


def readable(document: str) -> str:
    """The document of the commands, with lists instead of columns."""
    summaries = {block["title"]: _summary(block["help"]) for block in BLOCK.finditer(document)}
    return BLOCK.sub(
        lambda block: "\n".join(_command(block["title"], block["help"], summaries)), document
    )


def _summary(text: str) -> str:
    """The first sentence of what a command does, which lists of commands may cut off."""
    return joined(text.split("\n\n")[1]).partition(". ")[0].rstrip(".") + "."


def joined(text: str) -> str:
    """Wrapped lines as one; a word that was broken after a hyphen is one word again."""
    return re.sub(r"(?<=\w-) (?=\w)(?!(?:and|or|to)\b)", "", " ".join(text.split()))


def _command(title: str, text: str, summaries: dict[str, str]) -> Iterator[str]:
    """Usage as code, what it does as paragraphs, options and commands as lists."""
    start, *sections = SECTION.split(text)
    usage, _, description = start.partition("\n\n")
    yield from (f"## {title}", "", "```text", usage, "```", "")
    for paragraph in re.split(r"\n\n+", description.strip("\n")):
        yield from (_escaped(joined(paragraph)), "")
    for section in sections:
        heading, _, lines = section.partition("\n")
        yield from (f"**{heading.rstrip(':')}**", "")
        for name, words in _items(lines.splitlines()):
            shown = f"[{name}](#{_anchor(title, name)})" if heading == "Commands:" else f"`{name}`"
            whole = summaries[f"{title} {name}"] if words.endswith("...") else words
            yield from (shown, f": {_escaped(whole) or '&nbsp;'}", "")


def _items(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Names and texts; a text continues on lines that are indented farther."""
    items: list[tuple[str, list[str]]] = []
    for line in lines:
        if found := ITEM.match(line):
            items.append((found["name"], [found["text"] or ""]))
        elif line.strip():
            items[-1][1].append(line.strip())
    return ((name, joined("\n".join(words))) for name, words in items)


def _anchor(title: str, name: str) -> str:
    return f"{title} {name}".replace(" ", "-")


def _escaped(text: str) -> str:
    """Text of Markdown outside of code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if i % 2 else re.sub(r"([\\*_\[\]<>|#])", r"\\\1", part)
        for i, part in enumerate(parts)
    )
