"""Append-only tables: their content after a crash, a full disk, an external edit."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from radfuse.benchmark.run.append_only_table import AppendOnlyTable
from radfuse.errors import InputError, OutputError

COLUMNS = ("method", "case", "slice", "value")
FIRST = [("a", "007", 0, 0.1), ("a", "007", 1, 1 / 3)]
SECOND = [("b", "007", 0, 2.5)]


@pytest.fixture
def table(tmp_path: Path) -> AppendOnlyTable:
    return AppendOnlyTable(tmp_path / "rows.csv", COLUMNS, 2)


def test_rows_come_back_as_they_were_added_and_names_stay_text(table: AppendOnlyTable) -> None:
    table.append(FIRST)
    table.append(SECOND)
    assert list(table.read().itertuples(index=False, name=None)) == FIRST + SECOND
    assert table.finished_keys() == {("a", "007"), ("b", "007")}


def test_a_table_that_is_not_there_has_no_rows(table: AppendOnlyTable) -> None:
    assert table.read().empty
    assert table.recover().empty
    assert table.finished_keys() == set()


def test_a_torn_line_costs_the_unit_that_it_belongs_to(table: AppendOnlyTable) -> None:
    table.append(SECOND)
    table.append(FIRST)
    content = table.path.read_bytes()
    for cut in range(1, len(b"a,007,1,0.3333333333333333\n")):
        table.path.write_bytes(content[:-cut])
        table.recover()
        assert table.finished_keys() == {("b", "007")}


def test_the_last_unit_is_measured_again_for_it_may_lack_lines(table: AppendOnlyTable) -> None:
    table.append(FIRST)
    table.append(SECOND)
    assert list(table.recover().itertuples(index=False, name=None)) == FIRST
    table.append(SECOND)
    assert table.read().shape == (3, 4)


def test_table_of_one_item_recovers_to_empty_and_grows(table: AppendOnlyTable) -> None:
    table.append(FIRST)
    assert table.recover().empty
    table.append(SECOND)
    assert table.finished_keys() == {("b", "007")}


def test_values_keep_their_last_bit_through_crashes(table: AppendOnlyTable) -> None:
    rng = np.random.default_rng(5)
    values = [*rng.uniform(0, 100, 2000).tolist(), *(10 ** rng.uniform(-300, 300, 2000)).tolist()]
    table.append([("a", "1", place, value) for place, value in enumerate(values)])
    for name in ("b", "c"):
        table.append([(name, "1", 0, 1.0)])
        table.recover()
    assert table.read()["value"].tolist() == values


def test_units_that_are_dropped_leave_the_others_as_they_were(table: AppendOnlyTable) -> None:
    table.append(FIRST)
    table.append(SECOND)
    table.drop({("a", "007"), ("c", "007")})
    assert list(table.read().itertuples(index=False, name=None)) == SECOND
    table.drop({("b", "007")})
    assert table.finished_keys() == set()


def test_a_full_disk_leaves_the_table_as_it_was(
    table: AppendOnlyTable, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    table.append(FIRST)
    before = table.path.read_bytes()
    with full_disk(len(before) + 5), pytest.raises(OutputError, match=r"rows\.csv: cannot be app"):
        table.append(SECOND * 50)
    assert table.path.read_bytes() == before


def test_a_table_with_other_columns_is_refused(table: AppendOnlyTable) -> None:
    table.path.write_text("method,case\na,b\n")
    with pytest.raises(InputError, match=r"has columns method, case; expected method, case, sl"):
        table.read()


def test_a_file_that_is_no_table_is_refused(table: AppendOnlyTable) -> None:
    table.path.write_bytes(b'method,case,slice,value\n"a,b\nc')
    with pytest.raises(InputError, match="cannot be read as a table"):
        table.read()


def test_text_with_commas_and_lines_survives(table: AppendOnlyTable) -> None:
    odd = [('a "b", c', "first\nsecond", 0, 1.0)]
    table.append(odd)
    assert list(table.read().itertuples(index=False, name=None)) == odd
