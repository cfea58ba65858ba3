"""Recording leaves no trace: not in the network, not in random states, not in caches, not on the screen."""

from __future__ import annotations

import functools
import gc
import inspect
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from types import CellType, FrameType, MemberDescriptorType
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

T = TypeVar("T")


def tried(work: Callable[[FakeTensorMode | None], T]) -> tuple[T, str]:
    """What some work gives with fake tensors, which costs no arithmetic; where it fails with them, with real ones.

    Args:
        work: called with the mode of fake tensors, or None; none of these tensors stays where the work left them.

    Returns:
        Its result, and how it came: "fake tensors", or "real tensors, since" and the reason.
    """
    fake, reason = FakeTensorMode(allow_non_fake_inputs=True), ""
    found: list[T] = []
    try:
        with quiet("torch._subclasses.fake_tensor"):
            found.append(work(fake))
    except Exception as error:  # values decide the control flow, or an operation knows no fake tensors
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
    _take_all_out(fake)
    return (found[0], "fake tensors") if found else (work(None), f"real tensors, since {reason}")


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
        with torch.random.fork_rng(every_device), _forgotten_caches():
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
def _forgotten_caches() -> Iterator[None]:
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


def _take_all_out(mode: FakeTensorMode) -> None:
    """Takes tensors of a recording out of whatever still holds them: global caches, lists of hooks, helper objects.

    They hold no numbers, and would be taken for the network's own. A cache is left without the entry, a variable or an
    attribute is None, as before a first pass.

    Raises:
        ValueError: some are held by what cannot be changed.
    """
    torch.clear_autocast_cache()
    if not _alive(mode):
        return
    gc.collect()  # what holds itself in a circle
    kept = _alive(mode)
    while kept:
        _take_out(kept[-1], {id(kept)})
        kept.pop()
    gc.collect()
    if count := len(_alive(mode)):
        raise ValueError(
            f"got a network that keeps {count} tensors of its forward pass where they cannot be taken away; they would "
            "be taken for its own; keep them in attributes of modules, or call the network once with such inputs before"
        )


def _alive(mode: FakeTensorMode) -> list[FakeTensor]:
    return [found for found in gc.get_objects() if type(found) is FakeTensor and found.fake_mode is mode]


def _take_out(held: Any, ours: set[int]) -> None:
    holders = gc.get_referrers(held)  # nothing here may close over `held`: its own cell would be found, and emptied
    for holder in holders:
        if id(holder) in ours or isinstance(holder, FrameType):
            continue
        if isinstance(holder, (list, deque)):
            rest = _without(holder, held)
            holder.clear()
            holder.extend(rest)
        elif isinstance(holder, set):
            holder.discard(held)
        elif isinstance(holder, CellType):
            holder.cell_contents = None
        elif isinstance(holder, tuple):
            _take_out(holder, {*ours, id(holders)})
        elif isinstance(holder, dict):
            owner = next((one for one in gc.get_referrers(holder) if _attributes(one, holder)), None)
            for name in _names(holder, held):
                holder.pop(name) if owner is None else setattr(owner, name, None)
        else:  # an object without a dict of its own
            for name in dir(holder):
                if inspect.getattr_static(holder, name, None) is held or _slot(holder, name) is held:
                    with suppress(AttributeError, TypeError):  # what stays is counted afterwards
                        setattr(holder, name, None)


def _without(entries: Iterable[Any], held: Any) -> list[Any]:
    return [entry for entry in entries if entry is not held]


def _names(entries: dict[Any, Any], held: Any) -> list[Any]:
    return [name for name, entry in entries.items() if entry is held]


def _attributes(owner: Any, names: dict[Any, Any]) -> bool:
    """Whether the dict is an object's, a file's or a class's own."""
    if isinstance(owner, type):
        return all(owner.__dict__.get(name) is entry for name, entry in names.items())
    return isinstance(getattr(owner, "__dict__", None), dict) and owner.__dict__ is names


def _slot(holder: Any, name: str) -> Any:
    slot = inspect.getattr_static(type(holder), name, None)
    return getattr(holder, name, None) if isinstance(slot, MemberDescriptorType) else None
