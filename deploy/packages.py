"""The packages of a deployed radfuse: a CycloneDX SBOM, or a table of licences.

`python deploy/packages.py sbom > radfuse.cdx.json` and `python deploy/packages.py licences`, in an
environment that was installed with constraints.txt. Only what `EXTRAS` need is listed, whatever
else the environment has.
"""

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = ("node", "pacs", "view")
"""Extras of radfuse in the container image."""

ROOT = Path(__file__).parents[1]

PROJECT = ROOT / "pyproject.toml"

VENDORED = ROOT / "src/radfuse/service/static/vendor/niivue.umd.js"
"""The only library that is part of radfuse's own files."""

SPDX = re.compile(r"[\w.+-]+( (AND|OR|WITH) [\w.+-]+|[()])*")
"""A licence expression, in contrast to the text of a licence."""

GPL = re.compile(r"\bA?GPL|GNU (Affero )?General Public", re.IGNORECASE)

EXCEPTION = re.compile(r"exception", re.IGNORECASE)
"""The GPL of a compiler's runtime library, which does not extend to what is linked with it."""


@dataclass(frozen=True)
class Package:
    """An installed distribution, and the packages it needs directly."""

    name: str
    version: str
    licence: str
    """An SPDX expression where its metadata have one; empty if unknown."""
    needs: tuple[str, ...] = ()
    kind: str = "pypi"
    """The type of its package URL."""

    @property
    def url(self) -> str:
        """The package URL, https://github.com/package-url/purl-spec."""
        return f"pkg:{self.kind}/{self.name}@{self.version}"


def deployed_packages(extras: tuple[str, ...] = EXTRAS) -> list[Package]:
    """Radfuse and all that it needs with some extras, by name.

    Raises `importlib.metadata.PackageNotFoundError` for one that is not installed.
    """
    project = tomllib.loads(PROJECT.read_text("utf-8"))["project"]
    optional = [text for one in extras for text in project["optional-dependencies"][one]]
    waiting = _needs([*project["dependencies"], *optional], frozenset())
    own = Package("radfuse", project["version"], project["license"], _names(waiting))
    found = {own.name: own}
    asked: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, chosen = one = waiting.pop()
        if one in asked:
            continue
        asked.add(one)
        package = distribution(name)
        needs = _needs(package.requires or [], chosen)
        waiting += needs
        before = found[name].needs if name in found else ()
        names = tuple(sorted({*before, *_names(needs)}))
        found[name] = Package(name, package.version, licence_of(package), names)
    return [found[name] for name in sorted(found)]


def _needs(requirements: Iterable[str], extras: frozenset[str]) -> list[tuple[str, frozenset[str]]]:
    """Names and extras of requirements that apply on this platform with some extras."""
    needs: list[tuple[str, frozenset[str]]] = []
    for one in map(Requirement, requirements):
        marker = one.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            needs.append((canonicalize_name(one.name), frozenset(one.extras)))
    return needs


def _names(needs: Iterable[tuple[str, frozenset[str]]]) -> tuple[str, ...]:
    return tuple(sorted({name for name, _ in needs}))


def licence_of(package: Distribution) -> str:
    """The licence by its metadata: an expression, a name, or its classifiers."""
    metadata = package.metadata
    for key in ("License-Expression", "License"):
        text = next(iter(metadata.get_all(key) or []), "").strip()
        if SPDX.fullmatch(text) and text != "LICENSE":
            return text
    lines = metadata.get_all("Classifier") or []
    names = [line.split("::")[-1].strip() for line in lines if line.startswith("License ::")]
    return " OR ".join(names)


def is_gpl_only(licence: str) -> bool:
    """Whether a licence leaves no other choice than the GPL, or the AGPL; the LGPL is neither."""
    choices = re.split(r"\bOR\b|;", licence)
    return all(any(_is_gpl(part) for part in re.split(r"\bAND\b", one)) for one in choices)


def _is_gpl(licence: str) -> bool:
    return bool(GPL.search(licence)) and not EXCEPTION.search(licence)


def vendored_packages(path: Path = VENDORED) -> list[Package]:
    """The JavaScript library of the viewer, with the version that its file names."""
    version = re.search(r'version\s*[:=]\s*"(\d+\.\d+\.\d+)"', path.read_text("utf-8"))
    return [Package("niivue", version[1] if version else "", "BSD-2-Clause", kind="npm/@niivue")]


def sbom(packages: list[Package]) -> dict[str, Any]:
    """A CycloneDX 1.6 document; equal packages give an equal one.

    https://cyclonedx.org/docs/1.6/json/
    """
    urls = {one.name: one.url for one in packages}
    own = next(one for one in packages if one.name == "radfuse")
    others = [one for one in packages if one is not own]
    identity = uuid.uuid5(uuid.NAMESPACE_URL, " ".join(urls.values()))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{identity}",
        "version": 1,
        "metadata": {"component": _component(own, "application")},
        "components": [_component(one, "library") for one in others],
        "dependencies": [
            {"ref": one.url, "dependsOn": [urls[name] for name in one.needs]} for one in packages
        ],
    }


def _component(package: Package, kind: str) -> dict[str, Any]:
    licences = [{"license": {"name": package.licence}}] if package.licence else []
    return {
        "type": kind,
        "bom-ref": package.url,
        "name": package.name,
        "version": package.version,
        "licenses": licences,
        "purl": package.url,
    }


def table(packages: list[Package]) -> str:
    """Package, version and licence, a line each."""
    rows = [(one.name, one.version, one.licence or "unknown") for one in packages]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    lines = [f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}" for row in rows]
    return "\n".join(lines)


def main(what: str) -> None:
    """Print the SBOM or the table."""
    packages = [*deployed_packages(), *vendored_packages()]
    text = json.dumps(sbom(packages), indent=2) if what == "sbom" else table(packages)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
