"""The viewer's files, as a server answers them."""

import pytest
from service_kit import Site

from radfuse.service.app import STATIC
from radfuse.service.static_files import HINT

MODULES = [
    path.relative_to(STATIC).as_posix()
    for path in sorted(STATIC.rglob("*.js"))
    if "vendor" not in path.parts
]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("style.css", "text/css"),
        ("app.js", "text/javascript"),
        ("locale/de.json", "application/json"),
        ("vendor/niivue.umd.js", "text/javascript"),
    ],
)
def test_a_file_is_served_as_it_is(site: Site, name: str, kind: str) -> None:
    answer = site.client.get(f"/{name}")
    assert answer.status_code == 200
    assert answer.content == (STATIC / name).read_bytes()
    assert answer.headers["content-type"].startswith(kind)
    known = site.client.get(f"/{name}", headers={"if-none-match": answer.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")


def test_html_names_all_modules(site: Site) -> None:
    html = site.client.get("/").text
    assert all(HINT.format(one) in html for one in MODULES)
    assert site.client.get("/index.html").text == html


@pytest.mark.parametrize("path", ["/unknown.js", "/locale", "/../app.py", "/%2e%2e/app.py"])
def test_other_paths_are_not_found(site: Site, path: str) -> None:
    assert site.client.get(path).status_code == 404


def test_files_cannot_be_written(site: Site) -> None:
    assert site.client.post("/style.css").status_code in {403, 405}
