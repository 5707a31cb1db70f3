"""Base classes of models that are sent or stored."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_COORDINATE_MM = 1e5
"""Largest coordinate that is accepted: a hundred metres."""

Coordinate = Annotated[
    float, Field(ge=-MAX_COORDINATE_MM, le=MAX_COORDINATE_MM, allow_inf_nan=False)
]
Point = tuple[Coordinate, Coordinate, Coordinate]
"""LPS mm."""

Row = tuple[Coordinate, Coordinate, Coordinate, Coordinate]
Matrix = tuple[Row, Row, Row, Row]
"""A homogeneous 4x4 matrix, row by row."""


class RequestModel(BaseModel):
    """Body of a request; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class FrozenModel(BaseModel):
    """An immutable value."""

    model_config = ConfigDict(frozen=True)
