"""Build the documentation site into build/site: `make docs`.

Nothing is loaded from the network, neither while it is built nor while it is read.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

import radfuse

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
from api import api_documents
from commands import readable
from explorer import TEXT as EXPLORER
from explorer import write_explorer
from samples import LINKS, write_samples
from stage import ROOT, originals, stage

from try_in_browser import add_application

BUILD = ROOT / "build"
SITE = BUILD / "site"

REDIRECT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>radfuse</title>
<meta http-equiv="refresh" content="0; url={version}/index.html"></head>
<body><a href="{version}/index.html">radfuse {version}</a></body></html>
"""


def documents() -> dict[str, str]:
    """Documents that the repository does not have, or has in another form."""
    samples = (ROOT / "docs/samples.md").read_text(encoding="utf-8")
    commands = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    return {
        **api_documents(),
        "explorer.md": EXPLORER.read_text(encoding="utf-8"),
        "samples.md": samples + LINKS,
        "commands.md": readable(commands),
    }


def build(site: Path, *, samples: bool) -> int:
    """Write the site of this version into a folder of its own; the exit status of Sphinx.

    Without `samples` the sheets, the report and the application to open are not made.
    """
    version = radfuse.__version__
    sources = site.with_name(site.name + "-source")
    stage(sources, documents())
    here = Path(__file__).parent
    arguments = ["-b", "html", "-W", "--keep-going", "-q", "-c", str(here)]
    arguments += ["-d", str(site.with_name(site.name + "-doctrees"))]
    status = build_main([*arguments, str(sources), str(site / version)])
    for name in originals():
        copied = site / version / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "docs" / name, copied)
    write_explorer(site / version)
    if samples:
        write_samples(site / version, BUILD / f"site-samples-{version}")
        add_application(site / version / "try")
    versions = sorted((path.parent.name for path in site.glob("*/index.html")), reverse=True)
    (site / "versions.js").write_text(f"window.RADFUSE_VERSIONS = {json.dumps(versions)};\n")
    (site / "index.html").write_text(REDIRECT.format(version=version), encoding="utf-8")
    return status


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path, nargs="?", default=SITE, help="folder of all versions")
    parser.add_argument("--no-samples", action="store_true", help="documents and explorer only")
    options = parser.parse_args()
    sys.exit(build(options.site, samples=not options.no_samples))


if __name__ == "__main__":
    main()
