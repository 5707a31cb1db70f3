"""Base classes of models that are sent or stored."""

from pydantic import BaseModel, ConfigDict


class RequestModel(BaseModel):
    """Body of a request; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class FrozenModel(BaseModel):
    """An immutable value."""

    model_config = ConfigDict(frozen=True)
