"""Files of the dashboard: nothing from other servers, no inline scripts."""

import re

from radfuse.record import NOTICE
from radfuse.service.dashboard.app import STATIC


def test_html_has_the_notice_and_no_inline_script() -> None:
    html = (STATIC / "index.html").read_text()
    assert NOTICE in html
    assert not re.findall(r"<script(?![^>]*src=)|<style|\bon\w+=|style=", html)


def test_nothing_is_loaded_from_other_servers() -> None:
    for path in STATIC.iterdir():
        text = re.sub(r"(?m)(^|\s)//.*$", "", path.read_text())
        assert "//" not in text, path
        assert "innerHTML" not in text, path


def test_every_field_has_a_label() -> None:
    html = (STATIC / "index.html").read_text()
    labels = set(re.findall(r'<label for="([\w-]+)"', html))
    assert set(re.findall(r'<input id="([\w-]+)"', html)) <= labels
