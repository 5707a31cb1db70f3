"""Files of the viewer: nothing from other servers, NiiVue as published by its authors."""

import hashlib
import re

from radfuse.record import NOTICE
from radfuse.service.app import STATIC

VENDOR = STATIC / "vendor"


def test_niivue_is_the_published_file_with_its_licence() -> None:
    for line in (VENDOR / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
    assert "BSD 2-Clause License" in (VENDOR / "LICENSE").read_text()


def test_viewer_html_has_the_notice_and_no_inline_script() -> None:
    html = (STATIC / "index.html").read_text()
    assert NOTICE in html
    assert not re.findall(r"<script(?![^>]*src=)|<style|\bon\w+=|style=", html)


def test_viewer_loads_nothing_from_other_servers() -> None:
    for path in STATIC.rglob("*.*"):
        if VENDOR in path.parents:
            continue
        text = re.sub(r"(?m)(^|\s)//.*$", "", path.read_text())
        assert "//" not in text, path


def test_every_field_of_the_viewer_has_a_label() -> None:
    html = (STATIC / "index.html").read_text()
    labels = set(re.findall(r'<label for="([\w-]+)"', html))
    inside = set(re.findall(r'<label class="tick"><input id="([\w-]+)"', html))
    fields = re.findall(r"<(?:input|select|textarea)[^>]*>", html)
    named = {
        re.search(r' id="([\w-]+)"', field)[1]: re.search("(aria|data)-label=", field)
        for field in fields
    }
    assert set(named) >= labels | inside
    assert {name for name, is_labelled in named.items() if not is_labelled} <= labels | inside
