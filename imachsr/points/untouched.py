"""Recording leaves no trace: not in the network, not in random states, not in caches, not on the screen."""

from __future__ import annotations

import functools
import gc
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

OPAQUE = (nn.Module, Tensor, type, ModuleType, FunctionType, MethodType, BuiltinFunctionType)  # not looked into


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
    """Afterwards, random states and all that modules hold are what they were; meanwhile, seeds are zero."""
    kept = _held(network)
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
        for container, content in kept:
            if not _same(container, content):
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


def _held(network: nn.Module) -> list[tuple[Any, Any]]:
    """Attributes of every module, and of plain objects they hold; dicts, lists and sets among these: with copies."""
    found: dict[int, tuple[Any, Any]] = {}
    queue: list[Any] = [vars(module) for module in network.modules()]
    for container in queue:
        if id(container) in found:
            continue
        found[id(container)] = container, copy(container)
        for value in container.values() if isinstance(container, dict) else container:
            if isinstance(value, (dict, list, set)):
                queue.append(value)
            elif not isinstance(value, OPAQUE) and type(getattr(value, "__dict__", None)) is dict:
                queue.append(vars(value))
    return [*found.values()]


def _same(container: Any, content: Any) -> bool:
    """Whether the very same objects are in it, in the same order."""
    if len(container) != len(content) or isinstance(container, set):
        return container == content
    if isinstance(container, dict) and not _same([*container.values()], [*content.values()]):
        return False
    return all(one is other for one, other in zip(container, content, strict=True))


def refuse_kept(mode: FakeTensorMode) -> None:
    """Refuse a network that still holds fake tensors of a recording; what held them is rid of them.

    Raises:
        ValueError: it keeps some outside of its modules, such as in a global cache.
    """
    if not _alive(mode):
        return
    gc.collect()
    if not (kept := _alive(mode)):
        return
    for tensor in kept:
        for holder in gc.get_referrers(tensor):
            if holder is not kept:
                _rid(holder, tensor)
    raise ValueError(
        f"got a network that keeps {len(kept)} tensors of its forward pass outside of its modules, as in a global "
        "cache; tensors of the recording hold no numbers, and would be taken for its own; call the network once with "
        "such inputs before, so that it keeps those"
    )


def _alive(mode: FakeTensorMode) -> list[FakeTensor]:
    return [found for found in gc.get_objects() if type(found) is FakeTensor and found.fake_mode is mode]


def _rid(holder: Any, tensor: FakeTensor) -> None:
    if isinstance(holder, list):
        holder[:] = [entry for entry in holder if entry is not tensor]
    elif isinstance(holder, dict):
        for name in [name for name, entry in holder.items() if entry is tensor]:
            if "__name__" in holder:  # a file's variable
                holder[name] = None
            else:
                del holder[name]
