"""DICOM UIDs: validation, generation, and those that identify this implementation."""

import json
import re
import uuid

from pydicom.uid import RE_VALID_UID, UID

MAX_UID_LENGTH = 64
"""Characters of a UID, PS3.5 section 9."""

UID_NAMESPACE = uuid.UUID("6f0a7c1e-5d0b-4d5c-9a55-0c6f8a1b7e42")
"""Namespace of the name-based UUIDs in derived UIDs."""

MANUFACTURER = "radfuse"
"""Manufacturer and model of every object that is derived from a CT and an MR."""

IMPLEMENTATION_VERSION = "RADFUSE"
"""ImplementationVersionName in the file meta information, at most 16 characters."""


def is_uid(text: str) -> bool:
    """Whether a text has the characters and the length of a UID.

    Components with a leading zero are accepted, since some manufacturers write them.
    """
    return re.fullmatch(rf"[0-9.]{{1,{MAX_UID_LENGTH}}}", text) is not None


def is_valid_uid(text: str) -> bool:
    """Whether a text is a UID by the letter of PS3.5 section 9: no component has a leading zero."""
    return len(text) <= MAX_UID_LENGTH and re.fullmatch(RE_VALID_UID, text) is not None


def derive_uid(*parts: str) -> str:
    """The UID derived from some texts: the same texts give the same UID on any machine.

    It has the form 2.25.N of PS3.5 annex B.2, N a name-based UUID. The texts must identify all
    that a result depends on, since two different images must never share a UID.
    """
    return f"2.25.{uuid.uuid5(UID_NAMESPACE, json.dumps(parts)).int}"


def new_uid() -> str:
    """A new, globally unique UID: 2.25.N with a random UUID."""
    return f"2.25.{uuid.uuid4().int}"


IMPLEMENTATION_CLASS_UID = UID(derive_uid("radfuse", "implementation class"))
"""ImplementationClassUID in the file meta information."""
