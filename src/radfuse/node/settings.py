"""Settings of the node: a TOML file, and the environment, which has precedence."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from radfuse.errors import InputError

PREFIX = "RADFUSE_NODE_"
"""Start of the names of environment variables; the setting follows in capitals."""

CONFIG_VARIABLE = f"{PREFIX}CONFIG"
"""Names the file; it is not a setting."""

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Bytes = Annotated[int, Field(ge=0)]


class NodeSettings(BaseModel):
    """How the node runs; frozen, unknown settings are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    orthanc: str = "http://127.0.0.1:8042"
    """URL of the REST API of the Orthanc."""

    orthanc_user: str = ""
    """User of the Orthanc; empty without authentication."""

    orthanc_password_file: Path | None = None
    """File with the password of that user; a password is never an argument."""

    data: Path = Path("radfuse-node")
    """Folder of the node: its lists, what is being fused, and what is not yet delivered."""

    rules: Path = Path("rules.toml")
    """File of the rules; it is read again when it changes."""

    from_beginning: bool = False
    """Whether the first start takes the patients that the Orthanc already has."""

    quiet_s: Seconds = 30.0
    """A patient is complete when all series are stable and none arrived for so long."""

    poll_s: Seconds = 1.0
    """Interval in which the Orthanc is asked for changes."""

    retry_s: Seconds = 5.0
    """Pause after a failed attempt to retrieve, store or send; it doubles up to ten minutes."""

    workers: Annotated[int, Field(ge=1)] = 1
    """Fusions at a time; each needs about 2 GiB of memory."""

    time_limit_s: Seconds = 3600.0
    """After this a fusion fails."""

    min_free_bytes: Bytes = 5 << 30
    """With less space in the data folder no patient is taken."""

    host: str = "127.0.0.1"
    """Address of the dashboard."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8044
    """Port of the dashboard, of health and of metrics."""

    users: Path | None = None
    """File of the users: a line for each with name, role and the SHA-256 of a token."""

    certificate: Path | None = None
    """TLS certificate of the dashboard, PEM."""

    key: Path | None = None
    """Its private key, PEM."""

    behind_proxy: bool = False
    """Whether a proxy provides TLS, so that another host than this machine is permitted without."""

    viewer: str = ""
    """URL of the viewer, to which the dashboard links."""

    audit_identifiers: bool = False
    """Whether the audit log names patients by their ID."""

    @field_validator("orthanc", "viewer")
    @classmethod
    def _is_a_url(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("give http://HOST:PORT or https://HOST:PORT")
        return url.rstrip("/")

    def password(self) -> str:
        """The password of the Orthanc's user; `InputError` for a file that cannot be read."""
        path = self.orthanc_password_file
        if path is None:
            return ""
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8"
            raise InputError(f"{path}: the password of Orthanc cannot be read ({why})") from error


def read_node_settings(
    path: Path | None, environment: Mapping[str, str] | None = None
) -> NodeSettings:
    """The settings of a file, replaced by those of the environment.

    Paths in the file are relative to it. Raises `InputError` for a file that cannot be read, and
    for unknown or wrong settings.
    """
    values = _of_file(path) if path else {}
    for variable, text in (os.environ if environment is None else environment).items():
        if variable.startswith(PREFIX) and variable != CONFIG_VARIABLE:
            values[variable.removeprefix(PREFIX).lower()] = text
    try:
        return NodeSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        source = path or "environment"
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{source}: setting {name}: {message} (got {first['input']!r})") from error


def _of_file(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: cannot be read as TOML settings: {error}") from error
    for name, field in NodeSettings.model_fields.items():
        if name in values and Path in (field.annotation, *_members(field.annotation)):
            values[name] = path.parent / str(values[name])
    return values


def _members(annotation: object) -> tuple[object, ...]:
    """The types of a union."""
    return getattr(annotation, "__args__", ())
