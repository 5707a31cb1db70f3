"""radfuse: bone from the CT, soft tissue from the MR, in one image.

`fuse`, `register`, `read`, `evaluate` and `benchmark` do what the commands do, `fuse_study` what
`radfuse fuse` does with several images of a patient; `methods` lists the fusion methods, and
`datasets` makes images to try them with. `__all__` lists the public names; they are imported on
first use, so that `import radfuse` and `radfuse --help` are fast.

Research use only. Not a medical device.
"""

import importlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radfuse import datasets
    from radfuse.benchmark.from_python import Benchmark, benchmark
    from radfuse.benchmark.settings import BenchmarkSettings
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
    from radfuse.methods.listing import MethodDescription, MethodTable, methods
    from radfuse.methods.options import Option
    from radfuse.metrics.measure import CaseFacts, measure
    from radfuse.modality import Modality
    from radfuse.phantom.head import Phantom
    from radfuse.pipeline.align import Alignment
    from radfuse.pipeline.arrays import series_of
    from radfuse.pipeline.evaluate import Evaluation, ImageValues, evaluate
    from radfuse.pipeline.evaluate_volume import VolumeOptions
    from radfuse.pipeline.functional.pair import fuse, register
    from radfuse.pipeline.functional.result import FunctionalResult
    from radfuse.pipeline.images.functional import ColourResult
    from radfuse.pipeline.read import read
    from radfuse.pipeline.result import Result
    from radfuse.pipeline.study.fuse import fuse_study
    from radfuse.recipe import Recipe
    from radfuse.record import Record
    from radfuse.registration.qa.quality import Quality
    from radfuse.registration.search import Registration
    from radfuse.series import Series

    __version__: str

__all__ = [
    "Alignment", "Benchmark", "BenchmarkSettings", "CaseFacts", "ColourResult", "DiskFullError",
    "Evaluation", "FunctionalResult", "GeometryError", "ImageValues", "InputError",
    "MethodDescription", "MethodTable", "Modality", "NoImageError", "Option", "OutputError",
    "PeerError", "Phantom", "Quality", "RadfuseError", "ReaderEndedError", "Recipe", "Record",
    "Registration", "RegistrationError", "Result", "Series", "VolumeOptions", "benchmark",
    "datasets", "evaluate", "fuse", "fuse_study", "measure", "methods", "read", "register",
    "series_of",
]  # fmt: skip

_MODULES = {
    "Alignment": "pipeline.align", "Benchmark": "benchmark.from_python",
    "BenchmarkSettings": "benchmark.settings", "CaseFacts": "metrics.measure",
    "ColourResult": "pipeline.images.functional", "Evaluation": "pipeline.evaluate",
    "FunctionalResult": "pipeline.functional.result", "ImageValues": "pipeline.evaluate",
    "MethodDescription": "methods.listing", "MethodTable": "methods.listing",
    "Modality": "modality", "Option": "methods.options", "Phantom": "phantom.head",
    "Quality": "registration.qa.quality", "Recipe": "recipe", "Record": "record",
    "Registration": "registration.search", "Result": "pipeline.result", "Series": "series",
    "VolumeOptions": "pipeline.evaluate_volume", "benchmark": "benchmark.from_python",
    "datasets": "datasets", "evaluate": "pipeline.evaluate", "fuse": "pipeline.functional.pair",
    "fuse_study": "pipeline.study.fuse", "measure": "metrics.measure",
    "methods": "methods.listing", "read": "pipeline.read",
    "register": "pipeline.functional.pair", "series_of": "pipeline.arrays",
}  # fmt: skip
"""Modules of the public names; of those that are not here, `errors`."""

if not TYPE_CHECKING:  # the packages of these names are not public, the functions are
    from radfuse import benchmark, methods

    del benchmark, methods

logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("radfuse")
    if name not in __all__:
        raise AttributeError(f"module 'radfuse' has no attribute '{name}'")
    module = importlib.import_module(f"radfuse.{_MODULES.get(name, 'errors')}")
    return module if name == "datasets" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
