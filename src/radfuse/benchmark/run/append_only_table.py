"""Append-only tables in CSV that survive a crash."""

import csv
import io
import os
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from radfuse.errors import InputError, OutputError
from radfuse.io.staging import staging

TEXT = ("profile", "method", "case", "patient", "metric", "message")
"""Columns that are text even where they could be numbers."""


@dataclass(frozen=True)
class AppendOnlyTable:
    """A CSV file that rows are appended to, one group at a time.

    The rows of a group share their key, the values of the first `key_columns` columns. A crash may
    truncate the last group: `recover` removes it, so that it is measured again.
    """

    path: Path
    columns: Sequence[str]
    key_columns: int
    """Number of leading columns that are the key of a group."""

    def append(self, rows: Iterable[Sequence[Any]]) -> None:
        """Append the rows of a group and flush them to the disk.

        Raises `OutputError` where that fails; the table is then as before.
        """
        before = self.path.stat().st_size if self.path.exists() else 0
        lines = [] if before else [self.columns]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*lines, *rows])
        try:
            with self.path.open("ab", buffering=0) as stream:
                try:
                    left = memoryview(text.getvalue().encode())
                    while left:  # a nearly full disk writes a part first
                        left = left[stream.write(left) :]
                    os.fsync(stream.fileno())
                except OSError:
                    stream.truncate(before)
                    raise
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be appended to: {error.strerror}") from error

    def read(self) -> pd.DataFrame:
        """All rows; none where there is no file yet."""
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
        """Remove the last group, which a crash may have truncated; returns the other rows."""
        if self.path.exists():
            content = self.path.read_bytes()
            self._rewrite(content[: content.rfind(b"\n") + 1])
        frame = self.read()
        if frame.empty:
            return frame
        return self._without({self._keys(frame).iloc[-1]}, frame)

    def drop(self, keys: Set[tuple[str, ...]]) -> None:
        """Remove groups, so that they are measured again."""
        if keys:
            self._without(keys, self.read())

    def finished_keys(self) -> set[tuple[str, ...]]:
        """The keys in the table."""
        return set(self._keys(self.read()))

    def _keys(self, frame: pd.DataFrame) -> "pd.Series[Any]":
        """The key of each row, a tuple of texts."""
        keys = frame[list(self.columns[: self.key_columns])].astype(str)
        return pd.Series(list(keys.itertuples(index=False, name=None)), frame.index, dtype=object)

    def _without(self, keys: Set[tuple[str, ...]], frame: pd.DataFrame) -> pd.DataFrame:
        kept = frame[~self._keys(frame).isin(keys)]
        self._rewrite(kept.to_csv(index=False).encode() if len(kept) else b"")
        return kept

    def _rewrite(self, content: bytes) -> None:
        with staging(self.path.parent) as stage:
            stage.path_of(self.path).write_bytes(content)
