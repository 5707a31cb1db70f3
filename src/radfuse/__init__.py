"""radfuse: bone from the CT, soft tissue from the MR, in one image.

`fuse` and `evaluate` do what the commands do; `measure` measures arrays, `read` gives a series from
a path, `register` a transform for two series, whose quality is yours to look at. They are imported
when first used, so that `import radfuse` and `radfuse --help` are quick.

Research use only. Not a medical device.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radfuse.metrics.measure import measure
    from radfuse.pipeline.evaluate import evaluate
    from radfuse.pipeline.fuse import fuse
    from radfuse.pipeline.read import read
    from radfuse.recipe import Recipe
    from radfuse.registration.search import register

__all__ = ["Recipe", "evaluate", "fuse", "measure", "read", "register"]

_HOMES = {
    "Recipe": "radfuse.recipe",
    "evaluate": "radfuse.pipeline.evaluate",
    "fuse": "radfuse.pipeline.fuse",
    "measure": "radfuse.metrics.measure",
    "read": "radfuse.pipeline.read",
    "register": "radfuse.registration.search",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'radfuse' has no attribute '{name}'")
