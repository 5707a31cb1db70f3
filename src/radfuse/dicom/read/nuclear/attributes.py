"""Attributes in messages, and their values."""

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.tag import Tag


def attribute(keyword: str) -> str:
    """The name and the tag of an attribute, for a message."""
    tag = Tag(tag_for_keyword(keyword) or 0)
    return f"{keyword} ({tag.group:04X},{tag.element:04X})"


def values_of(header: Dataset, keyword: str) -> tuple[str, ...]:
    """The values of an attribute in capitals; none where it is missing or empty."""
    value = header.get(keyword)
    values = [value] if isinstance(value, str) else value or ()
    return tuple(text for one in values if (text := str(one).strip().upper()))
