"""Recording leaves no trace: not in the network, not in random states, not in caches, not on the screen."""

from __future__ import annotations

import functools
import gc
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """Silences a logger that prints a traceback for what is tried in vain."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def unchanged(network: nn.Module) -> Iterator[None]:
    """Afterwards, random states and the attributes of every module are what they were; meanwhile, seeds are zero."""
    kept = [(module, dict(vars(module)), _containers(module)) for module in network.modules()]
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    every_device = range(torch.cuda.device_count())  # named, for it warns of many
    try:
        with torch.random.fork_rng(every_device), forgotten_caches():
            torch.manual_seed(0)
            random.seed(0)
            np.random.seed(0)  # noqa: NPY002
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002
        for module, attributes, containers in kept:
            vars(module).clear()
            vars(module).update(attributes)
            for container, content in containers:
                container.clear()
                container.extend(content) if isinstance(container, list) else container.update(content)


@contextmanager
def forgotten_caches() -> Iterator[None]:
    """Empties afterwards every function cache that was added to meanwhile: it may hold tensors of the recording."""
    caches = [found for found in gc.get_objects() if type(found) is functools._lru_cache_wrapper]
    misses = [cache.cache_info().misses for cache in caches]
    try:
        yield
    finally:
        for cache, before in zip(caches, misses, strict=True):
            keeps = (cache.__module__ or "").startswith(("torch.", "sympy."))  # know that tensors may be fake
            if not keeps and cache.cache_info().misses > before:
                cache.cache_clear()


def _containers(module: nn.Module) -> list[tuple[Any, Any]]:
    return [(value, value.copy()) for value in vars(module).values() if isinstance(value, (dict, list, set))]
