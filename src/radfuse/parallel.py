"""Slices that are computed at the same time: numpy, scipy and ITK run beside each other."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Value = TypeVar("Value")

WORKERS = min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
"""Threads; each holds its slices in memory."""


def in_order(function: Callable[[Item], Value], items: Iterable[Item]) -> Iterator[Value]:
    """The function's values in the order of the items, as many at a time as there are threads.

    After an error, or when nothing more is taken, no further item begins.
    """
    with ThreadPoolExecutor(WORKERS) as pool:
        begun: deque[Future[Value]] = deque()
        try:
            for item in items:
                begun.append(pool.submit(function, item))
                if len(begun) == WORKERS:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
