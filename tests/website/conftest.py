"""The tests of the site use the builder in docs/website, and the browser of the viewer's tests."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "docs/website"), str(ROOT / "tests/service")]
