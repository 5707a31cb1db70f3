"""Models that are stored as JSON: older versions are migrated on reading, newer ones refused."""

import re
from collections.abc import Callable
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator

from radfuse.errors import InputError

Values = dict[str, Any]
"""JSON of a model."""


class VersionedModel(BaseModel):
    """A frozen model with the version of its form.

    The current version is one more than there are migrations. Values without a version, stored or
    passed by code, count as version 1, so migrations must leave current values unchanged.
    """

    model_config = ConfigDict(frozen=True)

    migrations: ClassVar[tuple[Callable[[Values], Values], ...]] = ()
    """The first changes version 1 to 2, the next 2 to 3, and so on."""

    schema_version: int = 1

    @model_validator(mode="before")
    @classmethod
    def _migrate(cls, values: Any) -> Any:
        """Bring the values to the current version; `InputError` for a newer or wrong version."""
        if not isinstance(values, dict):
            return values
        found, current = values.get("schema_version", 1), len(cls.migrations) + 1
        if not isinstance(found, int) or not 1 <= found <= current:
            name = re.sub("(?<!^)(?=[A-Z])", " ", cls.__name__).lower()
            raise InputError(
                f"{name} has schema_version {found!r}; this version of radfuse "
                f"reads 1 to {current}: update radfuse"
            )
        for migration in cls.migrations[found - 1 :]:
            values = migration(values)
        return {**values, "schema_version": current}
