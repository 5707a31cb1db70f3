"""Another head to register, and the measurements of `benchmarks/registration.py`."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from radfuse.phantom.head import Phantom

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "registration.py"


@pytest.fixture(scope="session")
def other_phantom(make_once: Callable[[int, float], Phantom]) -> Phantom:
    """Another patient than `phantom`."""
    return make_once(1, 3.0)


@pytest.fixture(scope="session")
def measurements() -> ModuleType:
    spec = importlib.util.spec_from_file_location("registration_benchmark", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
