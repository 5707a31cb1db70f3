"""Tables that grow a unit of work at a time and survive a crash."""

import csv
import io
import os
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from radfuse.errors import InputError, OutputError

TEXT = ("profile", "method", "case", "patient", "metric", "message")
"""Columns that are text even where they look like numbers."""


@dataclass(frozen=True)
class Table:
    """A CSV file that is only ever added to.

    The rows that share the values of the first `unit` columns were measured together. A crash may
    leave the last unit torn: `recover` takes it back, so that it is measured again.
    """

    path: Path
    columns: Sequence[str]
    unit: int
    """How many of the leading columns name a unit of work."""

    def append(self, rows: Iterable[Sequence[Any]]) -> None:
        """Add a unit's rows and see them safe on the disk.

        Raises `OutputError` where they cannot be written; the table is then as before.
        """
        before = self.path.stat().st_size if self.path.exists() else 0
        lines = [] if before else [self.columns]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*lines, *rows])
        try:
            with self.path.open("ab", buffering=0) as stream:
                try:
                    left = memoryview(text.getvalue().encode())
                    while left:  # a nearly full disk takes a part first
                        left = left[stream.write(left) :]
                    os.fsync(stream.fileno())
                except OSError:
                    stream.truncate(before)
                    raise
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be added to: {error.strerror}") from error

    def read(self) -> pd.DataFrame:
        """All rows; none of them where there is no file yet."""
        if not self.path.exists() or self.path.stat().st_size == 0:
            return pd.DataFrame(columns=list(self.columns))
        kinds = {name: str for name in self.columns if name in TEXT}
        try:
            frame = pd.read_csv(self.path, dtype=kinds, keep_default_na=False, na_values=[""])
        except (ValueError, OSError) as error:
            raise InputError(f"{self.path}: cannot be read as a table: {error}") from error
        if tuple(frame.columns) != tuple(self.columns):
            raise InputError(
                f"{self.path}: has columns {', '.join(frame.columns)}; expected "
                f"{', '.join(self.columns)}; choose another --output"
            )
        return frame

    def recover(self) -> pd.DataFrame:
        """Drop what a crash may have torn, the last line's unit; returns what is whole."""
        if self.path.exists():
            content = self.path.read_bytes()
            self._rewrite(content[: content.rfind(b"\n") + 1])
        frame = self.read()
        if frame.empty:
            return frame
        return self._without({self._units(frame).iloc[-1]}, frame)

    def drop(self, units: Set[tuple[str, ...]]) -> None:
        """Take units back, so that they are measured again."""
        if units:
            self._without(units, self.read())

    def done(self) -> set[tuple[str, ...]]:
        """The units that are in the table."""
        return set(self._units(self.read()))

    def _units(self, frame: pd.DataFrame) -> "pd.Series[Any]":
        """The unit of each row, a tuple of texts."""
        keys = frame[list(self.columns[: self.unit])].astype(str)
        return pd.Series(list(keys.itertuples(index=False, name=None)), frame.index, dtype=object)

    def _without(self, units: Set[tuple[str, ...]], frame: pd.DataFrame) -> pd.DataFrame:
        kept = frame[~self._units(frame).isin(units)]
        self._rewrite(kept.to_csv(index=False).encode() if len(kept) else b"")
        return kept

    def _rewrite(self, content: bytes) -> None:
        draft = self.path.with_suffix(".draft")
        try:
            draft.write_bytes(content)
            draft.replace(self.path)
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written: {error.strerror}") from error


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as Parquet, whole or not at all; raises `OutputError`."""
    draft = path.with_name(f"{path.name}.draft")
    try:
        frame.to_parquet(draft, index=False)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
