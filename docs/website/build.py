"""Build the documentation site into build/site: `make docs`.

Nothing is loaded from the network, neither while it is built nor while it is read.
"""

import json
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

import radfuse

sys.path.insert(0, str(Path(__file__).parent))
from api import api_documents
from stage import ROOT, stage

BUILD = ROOT / "build"
SITE = BUILD / "site"

REDIRECT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>radfuse</title>
<meta http-equiv="refresh" content="0; url={version}/index.html"></head>
<body><a href="{version}/index.html">radfuse {version}</a></body></html>
"""


def build(site: Path = SITE) -> int:
    """Write the site of this version into a folder of its own; the exit status of Sphinx."""
    version = radfuse.__version__
    sources = site.with_name(site.name + "-source")
    stage(sources, api_documents())
    here = Path(__file__).parent
    arguments = ["-b", "html", "-W", "--keep-going", "-q", "-c", str(here)]
    arguments += ["-d", str(site.with_name(site.name + "-doctrees"))]
    status = build_main([*arguments, str(sources), str(site / version)])
    versions = sorted((path.parent.name for path in site.glob("*/index.html")), reverse=True)
    (site / "versions.js").write_text(f"window.RADFUSE_VERSIONS = {json.dumps(versions)};\n")
    (site / "index.html").write_text(REDIRECT.format(version=version), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(build(*map(Path, sys.argv[1:])))
