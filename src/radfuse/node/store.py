"""The durable list of what the node knows, in an SQLite file."""

import json
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter
from pydantic_core import to_json

from radfuse.io.sqlite_file import SqliteFile
from radfuse.node.state import (
    IN_ORTHANC,
    RUNNING,
    Delivery,
    DeliveryState,
    Fusion,
    FusionState,
    Patient,
    PatientState,
)
from radfuse.record import SeriesReference

MIGRATIONS = (
    """
    CREATE TABLE node (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE patients (
        patient TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        reason TEXT NOT NULL DEFAULT '',
        fingerprint TEXT NOT NULL DEFAULT '',
        is_forced INTEGER NOT NULL DEFAULT 0,
        changed REAL NOT NULL
    );
    CREATE INDEX patients_by_state ON patients (state, changed);
    CREATE TABLE fusions (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        patient TEXT NOT NULL,
        rule TEXT NOT NULL,
        state TEXT NOT NULL,
        is_forced INTEGER NOT NULL DEFAULT 0,
        identity TEXT NOT NULL DEFAULT '',
        version INTEGER NOT NULL DEFAULT 1,
        reason TEXT NOT NULL DEFAULT '',
        series TEXT NOT NULL DEFAULT '[]',
        replaces TEXT NOT NULL DEFAULT '[]',
        attempts INTEGER NOT NULL DEFAULT 0,
        next_attempt REAL NOT NULL DEFAULT 0,
        created REAL NOT NULL,
        changed REAL NOT NULL
    );
    CREATE INDEX fusions_by_state ON fusions (state, number);
    CREATE INDEX fusions_by_patient ON fusions (patient, number);
    CREATE INDEX fusions_by_identity ON fusions (identity);
    CREATE TABLE deliveries (
        number INTEGER PRIMARY KEY,
        fusion INTEGER NOT NULL REFERENCES fusions (number),
        destination TEXT NOT NULL,
        state TEXT NOT NULL,
        orthanc_job TEXT NOT NULL DEFAULT '',
        attempts INTEGER NOT NULL DEFAULT 0,
        next_attempt REAL NOT NULL DEFAULT 0,
        reason TEXT NOT NULL DEFAULT '',
        UNIQUE (fusion, destination)
    );
    CREATE INDEX deliveries_by_state ON deliveries (state);
    """,
    "ALTER TABLE fusions ADD COLUMN destinations TEXT NOT NULL DEFAULT '[]'",
)
"""The first makes version 1 of the file, and so on; `user_version` counts them."""

FUSIONS = "SELECT * FROM fusions WHERE state IN (SELECT value FROM json_each(?))"
"""Fusions of some states."""

UNDELIVERED = (
    "FROM deliveries JOIN fusions ON fusions.number = deliveries.fusion "
    f"WHERE deliveries.state IN ('{DeliveryState.WAITING}', '{DeliveryState.SENDING}') "
    f"AND fusions.state = '{FusionState.STORED}'"
)
"""Deliveries of stored fusions that are not done."""

MAX_NUMBER = (1 << 63) - 1
"""Largest number of a row."""

REFERENCES = TypeAdapter(tuple[SeriesReference, ...])
"""As JSON in a column."""


class NodeStore:
    """The file, which is made if it does not exist.

    Raises as `SqliteFile`.
    """

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, MIGRATIONS, "list of fusions")

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def position(self) -> int | None:
        """The position in the changes of the Orthanc; None at the first start."""
        value = self._value("position")
        return None if value is None else int(value)

    @property
    def mark(self) -> str:
        """What the change at the position was; empty where that is unknown."""
        return self._value("mark") or ""

    def advance(self, position: int, patients: Sequence[str], mark: str = "") -> None:
        """Patients of whom something arrived, and the new position with its mark, or nothing."""
        with self._file.writing() as connection:
            for patient in patients:
                connection.execute(
                    "INSERT INTO patients (patient, state, changed) VALUES (?, ?, ?) "
                    "ON CONFLICT (patient) DO UPDATE SET state = excluded.state, "
                    "changed = excluded.changed",
                    (patient, PatientState.ARRIVING, time.time()),
                )
            self._set(connection, "position", str(position))
            self._set(connection, "mark", mark)

    @property
    def is_suspended(self) -> bool:
        """Whether an operator has suspended the node."""
        return self._value("suspended") == "yes"

    def suspend(self, suspended: bool) -> None:
        """Suspend the node, or let it go on."""
        with self._file.writing() as connection:
            self._set(connection, "suspended", "yes" if suspended else "no")

    def force(self, patient: str) -> None:
        """Let what is there of a patient be fused now, and again."""
        with self._file.writing() as connection:
            connection.execute(
                "INSERT INTO patients (patient, state, is_forced, changed) VALUES (?, ?, 1, ?) "
                "ON CONFLICT (patient) DO UPDATE SET state = excluded.state, is_forced = 1",
                (patient, PatientState.ARRIVING, time.time()),
            )

    def settle(
        self,
        patient: str,
        state: PatientState,
        reason: str,
        fingerprint: str,
        *,
        forced: bool = False,
    ) -> None:
        """Store what the rules say of a patient, unless an operator has forced it meanwhile."""
        with self._file.writing() as connection:
            connection.execute(
                "UPDATE patients SET state = ?, reason = ?, fingerprint = ?, is_forced = 0 "
                "WHERE patient = ? AND is_forced = ?",
                (state, reason, fingerprint, patient, forced),
            )

    def plan(self, patient: str, rule: str, fingerprint: str, *, forced: bool) -> int | None:
        """Add a fusion of a patient, and settle it; returns the fusion's number.

        It replaces those of the patient that no image was retrieved for yet, and is forced if one
        of them was. None, and no change, where an operator has forced the patient meanwhile.
        """
        now, planned = time.time(), (patient, FusionState.PLANNED)
        with self._file.writing() as connection:
            settled = connection.execute(
                "INSERT INTO patients (patient, state, fingerprint, changed) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (patient) DO UPDATE SET state = excluded.state, reason = '', "
                "fingerprint = excluded.fingerprint, is_forced = 0 WHERE is_forced = ?",
                (patient, PatientState.MATCHED, fingerprint, now, forced),
            )
            if not settled.rowcount:
                return None
            (was_forced,) = connection.execute(
                "SELECT COALESCE(MAX(is_forced), 0) FROM fusions WHERE patient = ? AND state = ?",
                planned,
            ).fetchone()
            connection.execute(
                "UPDATE fusions SET state = ?, reason = ?, changed = ? "
                "WHERE patient = ? AND state = ?",
                (FusionState.UNNEEDED, "newer series have arrived", now, *planned),
            )
            made = connection.execute(
                "INSERT INTO fusions (patient, rule, state, is_forced, created, changed) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (patient, rule, FusionState.PLANNED, forced or was_forced, now, now),
            )
            return int(made.lastrowid or 0)

    def note(self, patient: str, reason: str) -> None:
        """Store why a patient cannot be judged yet."""
        with self._file.writing() as connection:
            connection.execute(
                "UPDATE patients SET reason = ? WHERE patient = ?", (reason, patient)
            )

    def reconsider(self, patient: str) -> None:
        """Let the rules be applied to a patient again: what was planned of it is not done."""
        with self._file.writing() as connection:
            connection.execute(
                "UPDATE patients SET state = ?, fingerprint = '' WHERE patient = ?",
                (PatientState.ARRIVING, patient),
            )

    def reconsider_unmatched(self) -> None:
        """Let the rules be applied again to the patients that none matched: there are new rules."""
        with self._file.writing() as connection:
            connection.execute(
                "UPDATE patients SET state = ? WHERE state = ?",
                (PatientState.ARRIVING, PatientState.UNMATCHED),
            )

    def change(
        self, number: int, *, only: Sequence[FusionState] = tuple(FusionState), **values: object
    ) -> bool:
        """Set columns of a fusion in one of some states; False, and no change, in another."""
        values = {key: _stored(value) for key, value in values.items()} | {"changed": time.time()}
        columns = ", ".join(f"{key} = ?" for key in values)
        with self._file.writing() as connection:
            changed = connection.execute(
                f"UPDATE fusions SET {columns} WHERE number = ? "  # noqa: S608  # column names
                "AND state IN (SELECT value FROM json_each(?))",
                (*values.values(), number, json.dumps(list(only))),
            )
            return changed.rowcount == 1

    def fusions(
        self, states: Sequence[FusionState] = tuple(FusionState), *, newest_first: bool = False,
        after: int = 0, most: int = -1,
    ) -> list[Fusion]:  # fmt: skip
        """Fusions of some states in their order, without the first `after`, at most `most`."""
        query = FUSIONS + (" ORDER BY number DESC" if newest_first else " ORDER BY number")
        rows = self._file.read(f"{query} LIMIT ? OFFSET ?", (json.dumps(list(states)), most, after))
        return [_fusion(row) for row in rows]

    def newest(
        self, states: Sequence[FusionState], *, after: int = 0, most: int = 100
    ) -> list[Fusion]:
        """The newest fusions of some states, newest first; older ones than number `after`."""
        query = "SELECT * FROM fusions WHERE state = ? AND number < ? ORDER BY number DESC LIMIT ?"
        before = after or MAX_NUMBER
        rows = [row for one in states for row in self._file.read(query, (one, before, most))]
        return [_fusion(row) for row in sorted(rows, key=lambda row: -row["number"])[:most]]

    def fusion(self, number: int) -> Fusion | None:
        """A fusion by its number."""
        rows = self._file.read("SELECT * FROM fusions WHERE number = ?", (number,))
        return _fusion(rows[0]) if rows else None

    def fusions_of(self, patient: str) -> list[Fusion]:
        """The fusions of a patient in their order."""
        rows = self._file.read(
            "SELECT * FROM fusions WHERE patient = ? ORDER BY number", (patient,)
        )
        return [_fusion(row) for row in rows]

    def same_pair(self, identity: str, number: int) -> Fusion | None:
        """The newest other fusion with a job of this identity that runs, or whose result exists."""
        rows = self._file.read(
            "SELECT * FROM fusions WHERE identity = ? AND number <> ? "
            "AND state IN (SELECT value FROM json_each(?)) ORDER BY number DESC LIMIT 1",
            (identity, number, json.dumps([*RUNNING, *IN_ORTHANC])),
        )
        return _fusion(rows[0]) if rows else None

    def count(self, state: FusionState) -> int:
        """Number of fusions in a state."""
        rows = self._file.read("SELECT COUNT(*) FROM fusions WHERE state = ?", (state,))
        return int(rows[0][0])

    def counts(self) -> dict[FusionState, int]:
        """Number of fusions by state."""
        found = self._counts("SELECT state, COUNT(*) AS number FROM fusions GROUP BY state")
        return {state: found.get(state, 0) for state in FusionState}

    def patient(self, patient: str) -> Patient | None:
        """What is stored of a patient."""
        rows = self._file.read("SELECT * FROM patients WHERE patient = ?", (patient,))
        return _patient(rows[0]) if rows else None

    def patients(
        self, states: Sequence[PatientState], *, after: int = 0, most: int = -1
    ) -> list[Patient]:
        """Patients of some states, the longest unchanged first."""
        rows = self._file.read(
            "SELECT * FROM patients WHERE state IN (SELECT value FROM json_each(?)) "
            "ORDER BY changed LIMIT ? OFFSET ?",
            (json.dumps(list(states)), most, after),
        )
        return [_patient(row) for row in rows]

    def patient_counts(self) -> dict[PatientState, int]:
        """Number of patients by state."""
        found = self._counts("SELECT state, COUNT(*) AS number FROM patients GROUP BY state")
        return {state: found.get(state, 0) for state in PatientState}

    def store_result(
        self, number: int, series: Sequence[SeriesReference], destinations: Sequence[str]
    ) -> None:
        """A result is in the Orthanc, and has to be sent; both or nothing."""
        state = FusionState.STORED if destinations else FusionState.DELIVERED
        with self._file.writing() as connection:
            connection.execute("DELETE FROM deliveries WHERE fusion = ?", (number,))
            connection.executemany(
                "INSERT INTO deliveries (fusion, destination, state) VALUES (?, ?, ?)",
                [(number, one, DeliveryState.WAITING) for one in destinations],
            )
            connection.execute(
                "UPDATE fusions SET state = ?, series = ?, reason = '', attempts = 0, "
                "next_attempt = 0, changed = ? WHERE number = ?",
                (state, _stored(tuple(series)), time.time(), number),
            )

    def deliveries(self, fusion: int | None = None) -> list[Delivery]:
        """The deliveries of stored fusions that are not done; or all of one fusion."""
        rows = (
            self._file.read(f"SELECT deliveries.* {UNDELIVERED}")
            if fusion is None
            else self._file.read("SELECT * FROM deliveries WHERE fusion = ?", (fusion,))
        )
        return [_delivery(row) for row in rows]

    def waiting_deliveries(self, *, after: int = 0, most: int = -1) -> list[Delivery]:
        """The deliveries that are not done, after a number, in their order."""
        query = (
            f"SELECT deliveries.* {UNDELIVERED} AND deliveries.number > ? "
            "ORDER BY deliveries.number LIMIT ?"
        )
        return [_delivery(row) for row in self._file.read(query, (after, most))]

    def delivery_count(self) -> int:
        """Number of deliveries that are not done."""
        return int(self._file.read(f"SELECT COUNT(*) {UNDELIVERED}")[0][0])

    def change_delivery(self, number: int, **values: object) -> None:
        """Set columns of a delivery; the fusion is delivered with its last one."""
        columns = ", ".join(f"{key} = ?" for key in values)
        with self._file.writing() as connection:
            connection.execute(
                f"UPDATE deliveries SET {columns} WHERE number = ?",  # noqa: S608
                (*values.values(), number),
            )
            connection.execute(
                "UPDATE fusions SET state = ?, changed = ? WHERE state = ? AND number = "
                "(SELECT fusion FROM deliveries WHERE number = ?) AND NOT EXISTS "
                "(SELECT 1 FROM deliveries WHERE fusion = fusions.number AND state <> ?)",
                (FusionState.DELIVERED, time.time(), FusionState.STORED, number,
                 DeliveryState.DONE),
            )  # fmt: skip

    def _counts(self, query: str) -> dict[str, int]:
        return {row["state"]: row["number"] for row in self._file.read(query)}

    def _value(self, key: str) -> str | None:
        rows = self._file.read("SELECT value FROM node WHERE key = ?", (key,))
        return str(rows[0][0]) if rows else None

    @staticmethod
    def _set(connection: sqlite3.Connection, key: str, value: str) -> None:
        connection.execute("INSERT OR REPLACE INTO node VALUES (?, ?)", (key, value))


def _stored(value: object) -> object:
    """A value as it is in a column."""
    if isinstance(value, tuple):
        return to_json(value).decode()
    return value


def _fusion(row: sqlite3.Row) -> Fusion:
    values = dict(row) | {
        "state": FusionState(row["state"]),
        "is_forced": bool(row["is_forced"]),
        "series": REFERENCES.validate_json(row["series"]),
        "replaces": REFERENCES.validate_json(row["replaces"]),
        "destinations": tuple(json.loads(row["destinations"])),
    }
    return Fusion(**values)


def _patient(row: sqlite3.Row) -> Patient:
    state = PatientState(row["state"])
    return Patient(**{**dict(row), "state": state, "is_forced": bool(row["is_forced"])})


def _delivery(row: sqlite3.Row) -> Delivery:
    return Delivery(**{**dict(row), "state": DeliveryState(row["state"])})
