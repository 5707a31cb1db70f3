"""radfuse: bone from the CT, soft tissue from the MR, in one image.

`fuse`, `register`, `read`, `evaluate` and `measure` do what the commands do. Names are imported on
first use, so that `import radfuse` and `radfuse --help` are fast.

Research use only. Not a medical device.
"""

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radfuse.errors import (
        DiskFullError,
        GeometryError,
        InputError,
        NoImageError,
        OutputError,
        PeerError,
        RadfuseError,
        RegistrationError,
    )
    from radfuse.metrics.measure import measure
    from radfuse.modality import Modality
    from radfuse.pipeline.evaluate import evaluate
    from radfuse.pipeline.fuse import fuse
    from radfuse.pipeline.read import read
    from radfuse.pipeline.result import Result
    from radfuse.recipe import Recipe
    from radfuse.record import Record
    from radfuse.registration.qa.quality import Quality
    from radfuse.registration.search import Registration, register
    from radfuse.series import Series

    __version__: str

__all__ = [
    "DiskFullError", "GeometryError", "InputError", "Modality", "NoImageError", "OutputError",
    "PeerError", "Quality", "RadfuseError", "Recipe", "Record", "Registration",
    "RegistrationError", "Result", "Series", "evaluate", "fuse", "measure", "read", "register",
]  # fmt: skip

_MODULES = {
    "Modality": "modality", "Quality": "registration.qa.quality", "Recipe": "recipe",
    "Record": "record", "Registration": "registration.search", "Result": "pipeline.result",
    "Series": "series", "evaluate": "pipeline.evaluate", "fuse": "pipeline.fuse",
    "measure": "metrics.measure", "read": "pipeline.read", "register": "registration.search",
}  # fmt: skip
"""Modules of the public names; of those that are not here, `errors`."""

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("radfuse")
    if name in __all__:
        module = _MODULES.get(name, "errors")
        return getattr(importlib.import_module(f"radfuse.{module}"), name)
    raise AttributeError(f"module 'radfuse' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
