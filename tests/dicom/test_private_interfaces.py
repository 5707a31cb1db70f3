"""Private interfaces of highdicom and pynetdicom: pinned, and of the shape that is relied on."""

import inspect
import re
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from highdicom import _standard_utils as tables
from pydicom.uid import CTImageStorage
from pynetdicom import AE, _config
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dul import DULServiceProvider
from pynetdicom.transport import AssociationSocket

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.mark.parametrize("package", ["highdicom", "pynetdicom"])
def test_package_is_pinned_below_the_next_minor_version(package: str) -> None:
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["pacs"]]
    (requirement,) = (one for one in requirements if one.startswith(package))
    lower, upper = re.fullmatch(rf"{package}>=([\d.]+),<([\d.]+)", requirement).groups()
    major, minor = map(int, lower.split("."))
    assert upper == f"{major}.{minor + 1}"
    assert version(package).split(".")[:2] == [str(major), str(minor)]


def test_highdicom_tables_have_the_expected_shape() -> None:
    iods, modules = tables.get_sop_class_iod_map(), tables.get_iod_module_map()
    attributes = tables.get_module_attribute_map()
    assert iods[CTImageStorage] == "ct-image"
    usages = {one["key"]: one["usage"] for one in modules["ct-image"]}
    assert (usages["patient"], usages["ct-image"]) == ("M", "M")
    assert usages.keys() <= attributes.keys()
    assert {one["usage"] for iod in modules.values() for one in iod} == {"M", "C", "U"}
    every = [one for module in attributes.values() for one in module]
    assert all(one.keys() == {"keyword", "type", "path"} for one in every)
    assert {one["type"] for one in every} == {"1", "1C", "2", "2C", "3", "None"}
    (name,) = (one for one in attributes["patient"] if one["keyword"] == "PatientName")
    assert (name["type"], name["path"]) == ("2", [])


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        (AE._create_socket, ["self", "assoc", "address", "tls_args"]),
        (AssociationSocket.__init__, ["self", "assoc", "client_socket", "address"]),
        (AssociationSocket.recv, ["self", "nr_bytes"]),
        (AssociationSocket._shutdown_socket, ["self"]),
        (DIMSEServiceProvider.__init__, ["self", "assoc"]),
        (DIMSEServiceProvider.get_msg, ["self", "block"]),
        (DULServiceProvider.kill_dul, ["self"]),
    ],
)
def test_pynetdicom_methods_have_the_expected_parameters(
    method: Callable[..., object], parameters: list[str]
) -> None:
    assert list(inspect.signature(method).parameters) == parameters


def test_pynetdicom_calls_the_overridden_methods() -> None:
    assert "self._create_socket(assoc," in inspect.getsource(AE.associate)
    assert "self.dimse.get_msg(block=False)" in inspect.getsource(Association)
    assert "self.socket.recv(" in inspect.getsource(DULServiceProvider)
    assert "_shutdown_socket()" in inspect.getsource(AssociationSocket.close)


def test_pynetdicom_settings_exist() -> None:
    assert {"LOG_HANDLER_LEVEL", "STORE_SEND_CHUNKED_DATASET"} <= vars(_config).keys()
