"""radfuse: bone from the CT, soft tissue from the MR, in one image.

`fuse`, `register`, `read`, `evaluate` and `measure` do what the commands do, `fuse_study` what
`radfuse fuse` does with several images of a patient. Names are imported on first use, so that
`import radfuse` and `radfuse --help` are fast.

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
        ReaderEndedError,
        RegistrationError,
    )
    from radfuse.metrics.measure import measure
    from radfuse.modality import Modality
    from radfuse.pipeline.arrays import series_of
    from radfuse.pipeline.evaluate import evaluate
    from radfuse.pipeline.functional.pair import fuse
    from radfuse.pipeline.functional.result import FunctionalResult
    from radfuse.pipeline.images.functional import ColourResult
    from radfuse.pipeline.read import read
    from radfuse.pipeline.result import Result
    from radfuse.pipeline.study.fuse import fuse_study
    from radfuse.recipe import Recipe
    from radfuse.record import Record
    from radfuse.registration.qa.quality import Quality
    from radfuse.registration.search import Registration, register
    from radfuse.series import Series

    __version__: str

__all__ = [
    "ColourResult", "DiskFullError", "FunctionalResult", "GeometryError", "InputError", "Modality",
    "NoImageError", "OutputError", "PeerError", "Quality", "RadfuseError", "ReaderEndedError",
    "Recipe", "Record", "Registration", "RegistrationError", "Result", "Series", "evaluate", "fuse",
    "fuse_study", "measure", "read", "register", "series_of",
]  # fmt: skip

_MODULES = {
    "ColourResult": "pipeline.images.functional",
    "FunctionalResult": "pipeline.functional.result", "Modality": "modality",
    "Quality": "registration.qa.quality", "Recipe": "recipe",
    "Record": "record", "Registration": "registration.search", "Result": "pipeline.result",
    "Series": "series", "evaluate": "pipeline.evaluate", "fuse": "pipeline.functional.pair",
    "fuse_study": "pipeline.study.fuse",
    "series_of": "pipeline.arrays",
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
