"""The reference programs of BIDS: its validator, and the reader pybids."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def validation_errors(root: Path) -> list[dict[str, Any]]:
    """What `bids-validator` calls an error in a data set; warnings are left out."""
    validator = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent))
    if validator is None:
        pytest.skip("the BIDS validator is missing: pip install bids-validator-deno")
    done = subprocess.run(
        [validator, str(root), "--format", "json"], capture_output=True, text=True, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    return [one for one in issues if one["severity"] == "error"]
