"""Copy the documents of the repository to a folder that Sphinx reads.

Links to what the site does not have (sources, settings) become names of files, long reports are
split, and images are compressed, so that no document of the site has more than `MAX_BYTES`.
"""

import re
import shutil
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path, PurePosixPath

from navigation import HIDDEN, ROOT_DOCUMENTS, children, sections
from PIL import Image

ROOT = Path(__file__).parents[2]
"""The repository."""

MAX_BYTES = 300_000
"""Of a document of the site with its styles, scripts and images, but those further below."""

MAX_PART = 60_000
"""Characters of Markdown in one document; its HTML has about five times as many."""

MIN_PART = 6_000
"""Characters below which a part is joined to the one before it."""

MAX_WIDTH = 1280
"""Pixels of an image on the site."""

MAX_IMAGE = 60_000
"""Bytes of an image on the site, where a lower quality permits it."""

THUMBNAILS = "thumbnails"
"""Folder of the small sheets beside those of the gallery."""

THUMBNAIL_PX = 420
"""Width of a small sheet, pixels."""

ORIGINALS = (".svg", ".webp")
"""Files below `benchmarks` that documents link to, and that the site has as they are."""

NOT_SEARCHED = (
    "benchmarks/", "dicom-cases", "altered-inputs", "delineation", "testing", "changelog",
    "reproduction", "compared", "related-work", "measured", "performance", "larger-sites",
    "release", "contributing",
)  # fmt: skip
"""Documents of tables and long records, which would double the index of the search."""

QUALITIES = (85, 75, 65, 55, 45, 35)
"""Of WebP, the best first."""

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
"""An image or a link of Markdown: mark, text and target."""


def stage(folder: Path, generated: dict[str, str]) -> None:
    """Write all documents and images; `generated` are documents of the site alone, by path."""
    _write(folder, staged_texts(generated))
    _images(folder)


def staged_texts(generated: dict[str, str]) -> dict[str, str]:
    """The text of each document of the site, by path."""
    documents = {**dict(_repository_documents()), **generated}
    names = {path.removesuffix(".md").removesuffix(".rst") for path in documents}
    texts = dict(_parts(_rewritten(path, documents[path], names)) for path in documents)
    files = {path: text for parts in texts.values() for path, text in parts.items()}
    all_names = {path.removesuffix(".md").removesuffix(".rst") for path in files}
    hidden = {f"{name}.md" for name in HIDDEN}
    return {
        path: text + _tree(path, files, names, all_names)
        for path, text in files.items()
        if path not in hidden
    }


def _repository_documents() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "docs").rglob("*.md")):
        yield path.relative_to(ROOT / "docs").as_posix(), path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "examples").glob("*.md")):
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for name, staged in ROOT_DOCUMENTS.items():
        yield staged, (ROOT / name).read_text(encoding="utf-8")


def _rewritten(path: str, text: str, names: set[str]) -> tuple[str, str]:
    """A document with the links that the site has."""
    origin = {staged: name for name, staged in ROOT_DOCUMENTS.items()}
    is_example = path.startswith("examples/")
    folder = (ROOT / origin.get(path, path if is_example else f"docs/{path}")).parent
    if path.endswith(".rst"):
        return path, text
    text = text.replace(" See `report.html`.", " It is in `report.html`, which the command writes.")
    blocks = re.split(r"(^```.*?^```[^\n]*$)", text, flags=re.MULTILINE | re.DOTALL)
    for i, block in enumerate(blocks):
        if block.startswith("```math"):
            blocks[i] = "$$" + block.removeprefix("```math").removesuffix("```") + "$$"
        elif not block.startswith("```"):
            blocks[i] = LINK.sub(lambda link: _link(link, folder, path, names), block)
    return path, "".join(blocks)


def _link(link: re.Match[str], folder: Path, path: str, names: set[str]) -> str:
    """A link of the repository as one of the site."""
    mark, text, target = link.groups()
    if re.match(r"[a-z]+:|#", target):
        return link[0]
    text = LINK.sub(lambda inner: _link(inner, folder, path, names), text)
    file, _, anchor = target.partition("#")
    full = (folder / file).resolve()
    staged = _staged_name(full)
    if mark:
        return _shown(text, file, full, _from(path, _image_name(staged)))
    if staged.removesuffix(".md") in HIDDEN:
        staged = {"readme.md": "index.md", "python.md": "api/index.rst"}[staged]
        anchor = ""
    if staged.removesuffix(".md").removesuffix(".rst") in names:
        return f"[{text}]({_from(path, staged)}{'#' + anchor if anchor else ''})"
    if not full.is_relative_to(ROOT):
        return text
    name = full.relative_to(ROOT).as_posix()
    return text if name in text else f"{text} (`{name}`)"


def _shown(text: str, file: str, full: Path, staged: str) -> str:
    """An image; of a sheet of the gallery a small one, and of a figure of a report a link."""
    if full.suffix == ".svg" and "benchmarks" in full.parts:
        return f'<a href="{file}">{text} (figure)</a>'
    if full.suffix == ".webp":
        small = f"![{text}]({THUMBNAILS}/{full.name})"
        return f'{small}\n\n<a href="{file}">{full.stem}, full size</a>'
    return f"![{text}]({staged})"


def _staged_name(full: Path) -> str:
    """Path of a file of the repository on the site; empty without one."""
    if not full.is_relative_to(ROOT):
        return ""
    name = full.relative_to(ROOT).as_posix()
    if name in ROOT_DOCUMENTS:
        return ROOT_DOCUMENTS[name]
    return name.removeprefix("docs/") if name.startswith(("docs/", "examples/")) else ""


def _image_name(staged: str) -> str:
    return re.sub(r"\.png$", ".webp", staged)


def _from(path: str, target: str) -> str:
    """A target of the site, relative to a document of it."""
    ups = len(PurePosixPath(path).parts) - 1
    return "../" * ups + target if ups else target


def _parts(document: tuple[str, str]) -> tuple[str, dict[str, str]]:
    """A document, split at its headings where it is long."""
    path, text = document
    if len(text) <= MAX_PART or path.endswith(".rst"):
        return path, {path: _front_matter(path) + text}
    title, *chapters = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    chapter_parts = _joined([part for chapter in chapters for part in _chapter_parts(chapter)])
    name = re.sub(r"[^\n]*?# ", "", title.strip().splitlines()[0])
    stem, hidden = path.removesuffix(".md"), _front_matter(path)
    first = "".join(one for one in chapter_parts[:1] if len(one) < MAX_PART // 3)
    files = {path: hidden + title + first}
    for i, part in enumerate(chapter_parts[1:] if first else chapter_parts, start=1):
        heading, _, rest = part.partition("\n")
        files[f"{stem}-{i}.md"] = (
            f"{hidden}# {heading.removeprefix('## ')}: {name}\n{_raised(rest)}"
        )
    return path, files


def _joined(parts: list[str]) -> list[str]:
    """Parts of a document; a short one follows the one before it, which then names both."""
    joined: list[str] = []
    for part in parts:
        if joined and len(part) < MIN_PART and len(joined[-1]) < MAX_PART // 2 and len(joined) > 1:
            heading, _, rest = joined[-1].partition("\n")
            added = part.partition("\n")[0].removeprefix("## ").lower()
            joined[-1] = f"{heading}, {added}\n{rest}\n{part.replace('## ', '### ', 1)}"
        else:
            joined.append(part)
    return joined


def _front_matter(path: str) -> str:
    """Of documents that are not searched."""
    return "---\nnosearch: true\n---\n\n" if path.startswith(NOT_SEARCHED) else ""


def _chapter_parts(chapter: str) -> Iterator[str]:
    """A chapter in parts, each of which starts with a heading of the second level."""
    heading = chapter.partition("\n")[0]
    parts = re.split(r"^(?=Table \d+\.|### )", chapter, flags=re.MULTILINE)
    sums, group = [0], 0
    for part in parts:
        if sums[-1] and sums[-1] + len(part) > MAX_PART:
            sums.append(0)
        sums[-1] += len(part)
    bounds = iter(sums)
    left, grouped = next(bounds), []
    for part in parts:
        if left <= 0:
            left, group = next(bounds), group + 1
        left -= len(part)
        grouped.append((group, part))
    for number, members in groupby(grouped, key=lambda one: one[0]):
        text = "".join(part for _, part in members)
        yield text if number == 0 else f"{heading}, {number + 1}\n\n{text}"


def _raised(text: str) -> str:
    """Headings below a chapter that became a document of its own."""
    return re.sub(r"^###", "##", text, flags=re.MULTILINE)


def _tree(path: str, files: dict[str, str], names: set[str], all_names: set[str]) -> str:
    """The navigation below a document, which Sphinx reads."""
    text, name = files[path], path.removesuffix(".md").removesuffix(".rst")
    if name == "index":
        return "".join(
            _toctree([f"/{each}" for each in one], title) for title, one in sections(names).items()
        )
    parts = re.compile(re.escape(name) + r"-\d+")
    below = [f"/{one}" for one in children(name, names)]
    numbered = [one for one in sorted(all_names - names, key=_number) if parts.fullmatch(one)]
    if path.endswith(".rst") or not (below or numbered) or "{toctree}" in text:
        return ""
    return _toctree([*below, *(f"{_short_title(files[f'{one}.md'])} </{one}>" for one in numbered)])


def _short_title(text: str) -> str:
    """The heading of a part without the name of its document."""
    heading = next(line for line in text.splitlines() if line.startswith("# "))
    return heading.removeprefix("# ").partition(": ")[0]


def _number(name: str) -> tuple[str, int]:
    stem, _, number = name.rpartition("-")
    return stem, int(number) if number.isdigit() else 0


def _toctree(names: Iterable[str], title: str = "") -> str:
    lines = ["", "", "```{toctree}", ":hidden:", *([f":caption: {title}"] if title else []), ""]
    return "\n".join([*lines, *names, "```", ""])


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write what differs, so that Sphinx reads only that; remove what is not among the files."""
    for old in [*folder.rglob("*.md"), *folder.rglob("*.rst")]:
        if old.relative_to(folder).as_posix() not in files:
            old.unlink()
    for name, text in files.items():
        path = folder / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def originals() -> Iterator[Path]:
    """Files that the site has as they are, relative to `docs`."""
    for path in sorted((ROOT / "docs/benchmarks").rglob("*")):
        if path.suffix in ORIGINALS:
            yield path.relative_to(ROOT / "docs")


def _images(folder: Path) -> None:
    kept = set(originals())
    for path in sorted((ROOT / "docs").rglob("*")):
        inside = path.relative_to(ROOT / "docs")
        if path.suffix == ".webp":
            staged = folder / inside.parent / THUMBNAILS / inside.name
        elif path.suffix in {".png", ".svg"} and inside not in kept and "website" not in path.parts:
            staged = folder / _image_name(inside.as_posix())
        else:
            continue
        if not staged.is_file() or staged.stat().st_mtime < path.stat().st_mtime:
            staged.parent.mkdir(parents=True, exist_ok=True)
            _compress(path, staged, THUMBNAIL_PX if path.suffix == ".webp" else MAX_WIDTH)


def _compress(path: Path, staged: Path, width: int) -> None:
    """An image of at most `MAX_IMAGE` bytes, if a quality reaches that; drawings as they are."""
    if path.suffix == ".svg":
        shutil.copy(path, staged)
        return
    with Image.open(path) as image:
        small = image.convert("RGB")
        if small.width > width:
            size = (width, round(small.height * width / small.width))
            small = small.resize(size, Image.Resampling.LANCZOS)
        for quality in QUALITIES:
            small.save(staged, quality=quality, method=4)
            if staged.stat().st_size <= MAX_IMAGE:
                return
