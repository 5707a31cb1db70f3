"""Slices that are computed at the same time."""

import threading

import pytest

from radfuse.parallel import WORKERS, in_order


def test_values_are_in_the_order_of_the_items():
    first_may_end = threading.Event()

    def value(item: int) -> int:
        if item == 0 and WORKERS > 1:
            assert first_may_end.wait(10)
        first_may_end.set()
        return item * item

    assert list(in_order(value, range(9))) == [item * item for item in range(9)]


def test_after_an_error_no_further_item_begins():
    begun: list[int] = []

    def value(item: int) -> int:
        begun.append(item)
        if item == 2:
            raise ValueError("third")
        return item

    with pytest.raises(ValueError, match="third"):
        list(in_order(value, range(99)))
    assert len(begun) <= 3 + WORKERS


def test_an_item_waits_until_values_are_taken():
    begun: list[int] = []

    def value(item: int) -> int:
        begun.append(item)
        return item

    values = in_order(value, range(99))
    assert next(values) == 0
    values.close()
    assert len(begun) <= 1 + WORKERS


def test_a_worker_computes_its_own_items_itself() -> None:
    def threads_of(_: int) -> set[int]:
        return {threading.get_ident(), *in_order(lambda _: threading.get_ident(), range(5))}

    assert [len(each) for each in in_order(threads_of, range(3))] == [1, 1, 1]


def test_a_single_item_needs_no_thread() -> None:
    assert list(in_order(lambda _: threading.get_ident(), [0])) == [threading.get_ident()]
