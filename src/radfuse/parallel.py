"""Slices that are computed at the same time: numpy, scipy and ITK run beside each other."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")

WORKERS = min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
"""Threads; each holds its slices in memory."""


_thread = threading.local()
"""`is_worker` is set in threads of `in_order`."""


def in_order(function: Callable[[Item], Value], items: Iterable[Item]) -> Iterator[Value]:
    """The function's values in the order of the items, as many at a time as there are threads.

    After an error, or when nothing more is taken, no further item begins. A single item, and items
    of a function that is itself computed here, have no further threads.
    """
    iterator = iter(items)
    first = list(islice(iterator, 2))
    every = chain(first, iterator)
    if len(first) < 2 or getattr(_thread, "is_worker", False):
        yield from map(function, every)
        return
    with ThreadPoolExecutor(WORKERS, initializer=_mark_worker) as pool:
        begun: deque[Future[Value]] = deque()
        try:
            for item in every:
                begun.append(pool.submit(function, item))
                if len(begun) == WORKERS:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()


def _mark_worker() -> None:
    _thread.is_worker = True
