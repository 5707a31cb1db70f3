"""The audit log: who did what, when, to which fusion; JSON lines."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from radfuse.errors import DiskFullError
from radfuse.record import now

NODE = "node"
"""The actor where no user asked for it."""


class Audit:
    """Appends to a file, which only its owner can read.

    Patients are named only where `with_identifiers` is set; then by their PatientID.
    """

    def __init__(self, path: Path, *, with_identifiers: bool = False) -> None:
        self._path, self._lock, self.with_identifiers = path, Lock(), with_identifiers

    def write(
        self,
        what: str,
        *,
        who: str = NODE,
        patient_id: str = "",
        facts: Mapping[str, object] | None = None,
    ) -> None:
        """Append an entry; facts are numbers, states and names of rules and destinations.

        Raises `DiskFullError` where it cannot be written.
        """
        entry = {"time": now().isoformat(), "who": who, "what": what, **(facts or {})}
        if self.with_identifiers and patient_id:
            entry["patient_id"] = patient_id
        line = (json.dumps(entry) + "\n").encode()
        try:
            with self._lock, open(self._path, "ab", buffering=0, opener=_private) as stream:
                stream.write(line)
        except OSError as error:
            raise DiskFullError(f"cannot be written ({error.strerror})", self._path) from error


def _private(path: str, flags: int) -> int:
    """Open a file that only its owner can read."""
    return os.open(path, flags, 0o600)
