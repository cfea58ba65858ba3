"""Compiled loops on as many threads as torch uses.

Kernels are serial and drop the GIL, so plain threads suffice: no thread layer of numba's that a fork would break or
two callers would trip over. What a task computes depends on shapes alone, so results do not depend on threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import torch

TASKS = 64  # strips to share out; enough for many cores, few enough to cost nothing
WORK = 2**16  # label-sized values per task below which another task is not worth starting


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="imachsr")


if hasattr(os, "register_at_fork"):  # a forked loader worker has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def run(function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> list[Any]:
    """[function(*task) for task in tasks], shared among `torch.get_num_threads()` threads."""
    threads = min(torch.get_num_threads(), len(tasks))
    if threads == 1:
        return [function(*task) for task in tasks]
    results: list[Any] = [None] * len(tasks)
    waiting = iter(range(len(tasks)))  # next() on it is atomic

    def work() -> None:
        for index in waiting:
            results[index] = function(*tasks[index])

    helpers = [_pool(threads - 1).submit(work) for _ in range(threads - 1)]
    work()
    for helper in helpers:
        helper.result()
    return results
