"""The examples of deploy/ are valid, refer to each other, and have secrets as files only."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from orthanc_kit import HOST, running_orthanc
from radfuse.node.rules import read_rules
from radfuse.node.settings import PREFIX, NodeSettings, read_node_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))

MAX_EXPOSURE = 1.5
"""Of 10, by `systemd-analyze security`."""


@pytest.fixture
def compose() -> dict[str, Any]:
    """The file with its anchors merged, as composers read it."""
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return {key: value for key, value in found.items() if not key.startswith("x-")}


def with_defaults(document: dict[str, Any]) -> str:
    """A compose file where no variable of the environment is set."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", yaml.safe_dump(document))


def test_compose_file_is_valid_by_the_specification(compose: dict[str, Any]) -> None:
    parsed = PyCompose.from_yaml(with_defaults(compose))
    assert set(parsed.service_names()) == {"orthanc", "node", "viewer"}
    compose["services"]["node"]["prots"] = compose["services"]["node"].pop("ports")
    with pytest.raises(ValueError, match="prots"):
        PyCompose.from_yaml(with_defaults(compose))


@pytest.mark.parametrize("name", ["orthanc", "node", "viewer"])
def test_service_has_a_read_only_root_and_limits(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert "privileged" not in service
    assert (
        "healthcheck" in service or "HEALTHCHECK" in (DEPLOY.parent / "Containerfile").read_text()
    )


def test_archive_is_reached_only_by_the_node(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert compose["networks"]["archive"] == {"internal": True}
    assert {name for name in services if "archive" in services[name]["networks"]} == {
        "orthanc",
        "node",
    }
    ports = {name: services[name]["ports"] for name in services}
    assert ports["orthanc"] == ["${DICOM_PORT:-104}:4242"]  # not its REST API
    assert ports["viewer"] == ["127.0.0.1:8045:8045"]  # without TLS


def test_compose_file_names_declared_things_that_exist(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        named = [one if isinstance(one, str) else one["source"] for one in service["secrets"]]
        assert set(named) <= set(compose["secrets"])
        assert set(service["networks"]) <= set(compose["networks"])
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).exists()


def test_secrets_are_files_that_git_ignores(compose: dict[str, Any]) -> None:
    assert all(one["file"].startswith("./secrets/") for one in compose["secrets"].values())
    assert "\n*\n" in (DEPLOY / "secrets/.gitignore").read_text()


def test_environment_of_the_node_is_settings_without_secrets(compose: dict[str, Any]) -> None:
    environment = compose["services"]["node"]["environment"]
    settings = read_node_settings(DEPLOY / "config/node.toml", environment)
    assert settings.orthanc == "http://orthanc:8042"
    assert str(settings.orthanc_password_file) == "/run/secrets/orthanc-password"
    assert not [name for name in environment if name.endswith("_PASSWORD")]


def test_node_settings_and_rules_can_be_read() -> None:
    settings = read_node_settings(DEPLOY / "config/node.toml", {})
    assert settings.data.is_relative_to("/var/lib/radfuse")
    (rule,) = read_rules(settings.rules)
    orthanc = json.loads((DEPLOY / "orthanc.json").read_text())
    assert set(rule.destinations) <= set(orthanc["DicomModalities"])
    assert orthanc["StorageDirectory"] in (DEPLOY / "compose.yaml").read_text()


def test_variable_of_the_file_is_not_a_setting() -> None:
    path = DEPLOY / "config/node.toml"
    assert read_node_settings(path, {f"{PREFIX}CONFIG": str(path)}) == read_node_settings(path, {})


def test_orthanc_starts_with_the_example_and_asks_for_a_password(tmp_path: Path) -> None:
    example = json.loads((DEPLOY / "orthanc.json").read_text())
    folders = {"StorageDirectory", "IndexDirectory", "DicomPort", "HttpPort"}
    own = {key: value for key, value in example.items() if key not in folders}
    users = {"RegisteredUsers": {"radfuse": "a password"}}
    with running_orthanc(tmp_path, **own, **users) as orthanc:
        url = f"http://{HOST}:{orthanc.http_port}"
        from radfuse.errors import PeerError  # noqa: PLC0415
        from radfuse.node.orthanc import Orthanc as Client  # noqa: PLC0415

        with pytest.raises(PeerError, match="refuses the user"):
            Client(url).name()
        client = Client(url, "radfuse", "a password")
        assert client.name() == "radfuse"
        assert client.destinations() == ["CT1", "MR1", "PACS"]
        client.close()
    assert "not a valid" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_unit_is_valid_and_exposes_little(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here: apt-get install systemd")
    copy = tmp_path / unit.name  # with a program that exists
    copy.write_text(unit.read_text().replace("/opt/radfuse/bin/radfuse", "/bin/true"))
    checked = subprocess.run(
        ["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", copy],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    exposure = float(re.findall(r"exposure level for .*: ([\d.]+)", rated)[0])
    assert 0 < exposure <= MAX_EXPOSURE


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.stem)
def test_unit_passes_secrets_as_credentials(unit: Path) -> None:
    text = unit.read_text()
    loaded = re.findall(r"^LoadCredential=([\w-]+):/etc/radfuse/secrets/", text, re.MULTILINE)
    used = re.findall(r"%d/([\w-]+)", text)
    assert sorted(loaded) == sorted(used)
    assert loaded
    names = {name.removeprefix(PREFIX).lower() for name in re.findall(r"RADFUSE_NODE_\w+", text)}
    assert names <= set(NodeSettings.model_fields)
