"""The site builds without a network and a warning; its documents are sound in a browser."""

import functools
import http.server
import json
import re
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from axe_kit import grave_violations
from browser_kit import opened_browser
from selenium.webdriver import Chrome

ROOT = Path(__file__).parents[2]

MAX_BYTES = 300_000
WIDTHS = (1920, 1366, 390)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this version; a warning of Sphinx is an error."""
    pytest.importorskip("sphinx", reason='needs the tools of the site: pip install -e ".[docs]"')
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, ROOT / "docs/website/build.py", folder]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert built.stderr == ""
    (version,) = (path.parent for path in folder.glob("*/index.html"))
    return version


# The samples and the application have tests of their own.
@pytest.fixture(scope="module")
def documents(site: Path) -> dict[str, str]:
    return {
        path.relative_to(site).as_posix(): path.read_text(encoding="utf-8")
        for path in site.rglob("*.html")
        if path.relative_to(site).parts[0] not in {"samples", "try"}
    }


def test_every_link_of_the_site_leads_somewhere(site: Path, documents: dict[str, str]) -> None:
    names: dict[str, set[str]] = defaultdict(set)
    for name, text in documents.items():
        names[name] = set(re.findall(r'\bid="([^"]+)"', text))
    broken = [
        f"{name}: {target}"
        for name, text in documents.items()
        for target in re.findall(r'<(?:a|link)\b[^>]*\bhref="([^"]+)"', text)
        if not re.match(r"(https?|mailto):", target)
        and ("/try/" not in target or (site / "try").is_dir())  # without its runtime it is left out
        and not _exists(site, name, target.replace("&amp;", "&"), names)
    ]
    assert broken == []


def _exists(site: Path, document: str, target: str, names: dict[str, set[str]]) -> bool:
    path, anchor = urldefrag(target)
    file = (site / document).parent / unquote(urlsplit(path).path) if path else site / document
    file = file.resolve()
    if not file.is_file() or not anchor or file.suffix != ".html":
        return file.is_file()
    return anchor in names[file.relative_to(site).as_posix()]


def test_every_image_has_a_text(site: Path, documents: dict[str, str]) -> None:
    for name, text in documents.items():
        for tag in re.findall(r"<img\b[^>]*>", text):
            assert re.search(r'alt="[^"]+"', tag), f"{name}: {tag}"
            source = re.search(r'src="([^"]+)"', tag)
            assert source, f"{name}: {tag}"
            if not source[1].startswith("data:"):
                assert ((site / name).parent / source[1]).is_file(), f"{name}: {tag}"


def test_no_mark_of_a_source_is_in_the_text(documents: dict[str, str]) -> None:
    """Marks of Markdown and reStructuredText, and what Sphinx makes of types and dashes."""
    marks = re.compile(r"\*\*|\]\(|```|\$\$|\{toctree\}|:doc:|FieldInfo|_NestedSequence| -- ")
    hidden = re.compile(r"<(pre|code|script|style|math|head)\b.*?</\1>", re.DOTALL)
    for name, text in documents.items():
        shown = re.sub(r"<[^>]+>", "", hidden.sub("", text))
        assert not marks.search(shown), f"{name}: {marks.findall(shown)}"


def test_no_section_is_empty(documents: dict[str, str]) -> None:
    empty = re.compile(r"<section[^>]*>\s*(?:<span[^>]*></span>\s*)*<(h\d)>.*?</\1>\s*</section>")
    assert [name for name, text in documents.items() if empty.search(text)] == []


def test_nothing_is_loaded_from_other_servers(site: Path, documents: dict[str, str]) -> None:
    loading = re.compile(
        r'<(?:script|img|iframe|source)\b[^>]*src="(?:https?:)?//|'
        r'<link\b[^>]*rel="(?:stylesheet|preload|prefetch)"[^>]*href="https?:'
    )
    assert [name for name, text in documents.items() if loading.search(text)] == []
    for path in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", path.read_text()), path


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def end_headers(self) -> None:
            self.send_header("Cache-Control", "no-store")  # a test changes a file
            super().end_headers()

    handler = functools.partial(Quiet, directory=str(site.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{site.name}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with opened_browser(tmp_path_factory.mktemp("downloads")) as opened:
        yield opened


LOADED = """return performance.getEntriesByType("resource")
  .concat(performance.getEntriesByType("navigation"))
  .reduce((sum, entry) => sum + entry.decodedBodySize, 0);"""


@pytest.mark.parametrize("width", WIDTHS)
def test_documents_are_small_accessible_and_narrow(
    browser: Chrome, address: str, documents: dict[str, str], width: int
) -> None:
    """Bytes loaded at first, grave violations of axe-core, and width, of each document."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
    problems = []
    for name in sorted(documents):
        browser.get(f"{address}/{name}")
        if (loaded := browser.execute_script(LOADED)) > MAX_BYTES:
            problems.append(f"{name}: {loaded} bytes")
        if (wide := browser.execute_script("return document.body.scrollWidth")) > width:
            problems.append(f"{name}: {wide} pixels wide")
        problems += [f"{name}: {one}" for one in grave_violations(browser)]
    assert problems == []


def test_search_finds_a_document(browser: Chrome, address: str) -> None:
    browser.get(f"{address}/search.html?q=gantry+tilt")
    script = "return [...document.querySelectorAll('#search-results li a')].map((a) => a.href)"
    found: list[str] = []
    for _ in range(100):
        if found := browser.execute_script(script):
            break
        browser.execute_async_script("setTimeout(arguments[0], 100)")
    assert any("read-dicom" in one for one in found), json.dumps(found)


def test_a_second_version_gives_a_menu(browser: Chrome, address: str, site: Path) -> None:
    list_of_versions = site.parent / "versions.js"
    alone = list_of_versions.read_text()
    try:
        list_of_versions.write_text(f'window.RADFUSE_VERSIONS = ["9.9.9", "{site.name}"];')
        browser.execute_cdp_cmd("Network.clearBrowserCache", {})
        browser.get(f"{address}/howto/view.html?again")
        script = "return [...document.querySelectorAll('.site-version option')].map((o) => o.value)"
        assert browser.execute_script(script) == ["9.9.9", site.name]
    finally:
        list_of_versions.write_text(alone)


def test_explorer_sorts_filters_and_compares(browser: Chrome, address: str) -> None:
    browser.get(f"{address}/explorer.html")
    sort = "document.querySelector('#explorer button[data-column=Qabf]').click();"
    names = (
        "return [...document.querySelectorAll('#explorer tbody th code')].map((c) => c.textContent)"
    )
    first, *others = browser.execute_script(sort + names)
    assert len(others) > 40
    assert browser.execute_script(sort + names)[-1] == first
    choose = (
        "document.querySelectorAll('#explorer tbody input').forEach((i, n) => n < 2 && i.click());"
    )
    images = "return [...document.querySelectorAll('#explorer figure img')].map((i) => i.alt)"
    assert len(browser.execute_script(choose + images)) >= 3
    browser.execute_script("document.querySelector('#explorer figure button').click()")
    assert browser.execute_script("return document.querySelector('#explorer dialog').open")
    browser.execute_script("document.querySelector('#explorer dialog').close()")
