"""Hooks that hand out the features of points, each as it was at its point."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from .given import check_plain
from .layout import fits
from .point import Point
from .structure import tensor_at


class Store:
    """What one capture holds between a forward pass and `read`.

    A copy starts empty, and holds nothing before a copy of the capture claims it: hooks that were copied with the
    network alone do nothing.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, tuple[Tensor, int]] = {}
        self.calls: dict[str, int] = {}
        self.open = False
        self.claimed = False
        self.differentiable = False
        self.given: list[tuple[int, ...]] = []

    def __getstate__(self) -> dict[str, Any]:
        return vars(Store())


class Hook:
    """What a capture adds to a module."""

    def __init__(self, store: Store) -> None:
        self.store = store


class Opens(Hook):
    """Before the network runs: forget the last pass, count calls anew; note the inputs where a grid hangs on them."""

    def __init__(self, store: Store, points: Sequence[Point]) -> None:
        super().__init__(store)
        self.notes = any(point.layout.recorded for point in points)

    def __call__(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        if self.notes:
            leaves = tree_leaves((args, kwargs))
            self.store.given = [tuple(leaf.shape) for leaf in leaves if isinstance(leaf, Tensor)]
        self.store.tensors.clear()
        self.store.calls.clear()
        self.store.open = self.store.claimed
        self.store.differentiable = torch.is_grad_enabled()


class Closes(Hook):
    """After the network ran: calls outside its forward pass (recomputed activations) count for nothing."""

    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:
        self.store.open = False
        self.store.calls.clear()  # as before the first pass: a compiled step that finds it changed compiles anew


class Keeps(Hook):
    """After a module ran: keep the tensors that are points."""

    def __init__(self, store: Store, path: str, points: Sequence[Point]) -> None:
        super().__init__(store)
        self.path, self.points = path, tuple(points)

    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:
        store = self.store
        if not store.open:
            return
        number = store.calls.get(self.path, 0) + 1
        store.calls[self.path] = number
        for point in self.points:
            if point.call != number:
                continue
            if store.differentiable and not torch.is_grad_enabled():
                raise RuntimeError(
                    f"got point {point.name!r} inside a part that runs without gradients; a loss there "
                    "would teach nothing; use checkpoint(..., use_reentrant=False), or choose points outside of it"
                )
            tensor = tensor_at(output, point.key)
            if tensor is not None:
                tensor = tensor.clone() if point.overwritten else tensor
                store.tensors[point.name] = tensor, _version(tensor)


def _version(tensor: Tensor) -> int:
    return -1 if torch.compiler.is_compiling() or tensor.is_inference() else tensor._version


def unhook(network: nn.Module) -> None:
    """Takes the hooks of captures off, for good, but of those that a part of the network holds (HS3-Fuse)."""
    held = [value for module in network.modules() for value in vars(module).values()]
    own = {id(value.store) for value in held if isinstance(value, Capture)}
    for module in network.modules():
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            for key in [key for key, hook in hooks.items() if isinstance(hook, Hook) and id(hook.store) not in own]:
                del hooks[key]


def _unhang(handles: list[Any]) -> None:
    for handle in handles:
        handle.remove()
    handles.clear()


class Capture:
    """Captures the features of points on every forward pass of a network, until removed.

    It adds forward hooks and nothing else: no module, parameter or buffer. A deep copy of network and capture together
    captures for itself.

    Args:
        network: the one the points were found in.
        points: from `choose_points`.

    Raises:
        TypeError, ValueError: points of another network, or a network that is compiled or wrapped.

    >>> import torch, imachsr
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 2, 1))
    >>> points = imachsr.choose_points(imachsr.find_points(network, torch.zeros(2, 3, 8, 8)), 1)
    >>> capture = Capture(network, points)
    >>> logits = network(torch.zeros(2, 3, 8, 8))
    >>> [features.shape for features in capture.read()]
    [torch.Size([2, 8, 4, 4])]
    >>> capture.remove()
    """

    def __init__(self, network: nn.Module, points: Sequence[Point]) -> None:
        check_plain(network)
        self.points = tuple(points)
        self.store = Store()
        modules = dict(network.named_modules())
        for point in self.points:
            if point.path not in modules:
                raise ValueError(
                    f"got point {point.name!r}; this network has no module {point.path!r}; "
                    "find the points in the network they are attached to"
                )
        self.handles = (
            [
                network.register_forward_pre_hook(Opens(self.store, self.points), with_kwargs=True),
                network.register_forward_hook(Closes(self.store)),
            ]
            if self.points
            else []
        )
        for path in dict.fromkeys(point.path for point in self.points):
            keeps = Keeps(self.store, path, [point for point in self.points if point.path == path])
            self.handles.append(modules[path].register_forward_hook(keeps))
        self._claim()

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._claim()

    def __copy__(self) -> Capture:
        raise TypeError("got a shallow copy of a capture; hooks have one owner; copy.deepcopy it with its network")

    def _claim(self) -> None:
        """From now on hooks keep what they see, until nobody holds this capture any more."""
        self.store.claimed = True
        weakref.finalize(self, _unhang, self.handles).atexit = False

    def lost(self, network: nn.Module) -> list[str]:
        """Points whose hook the network no longer carries: another module has taken the place of theirs."""
        hooks = [hook for module in network.modules() for hook in module._forward_hooks.values()]
        there = {hook.path for hook in hooks if isinstance(hook, Keeps) and hook.store is self.store}
        return [point.name for point in self.points if point.path not in there]

    @overload
    def read(self) -> list[Tensor]: ...
    @overload
    def read(self, *, skipped: bool) -> list[Tensor | None]: ...
    def read(self, *, skipped: bool = False) -> list[Tensor] | list[Tensor | None]:
        """Features (B, C, h, w) of each point from the last forward pass of the network; they can be read once.

        Args:
            skipped: allow points that did not fire (layers skipped at random) and give None for them.

        Raises:
            RuntimeError: a point that did not fire, or whose tensor was changed in place after it.
        """
        features = [self._features(point, skipped) for point in self.points]
        self.store.tensors.clear()
        return features

    def _features(self, point: Point, skipped: bool) -> Tensor | None:
        if point.name not in self.store.tensors:
            if skipped:
                return None
            raise RuntimeError(
                f"got no features at point {point.name!r}; every point must fire in the network's forward pass; "
                "run the network before reading, in the mode and with the kind of inputs it was recorded with"
            )
        tensor, version = self.store.tensors[point.name]
        if version >= 0 and not torch.compiler.is_compiling() and tensor._version != version:
            raise RuntimeError(
                f"got features at point {point.name!r} that were changed in place after it; in the recorded mode "
                "they were not; call find_points again in the mode (train or eval) the network now runs in"
            )
        features = point.features(tensor)
        if point.layout.recorded and not self._as_recorded(point):
            raise ValueError(
                f"got inputs of shape {self.store.given} where rows and columns of {[*point.inputs]} were recorded; "
                f"the grid behind the {point.layout} at point {point.name!r} is known for one image size; call "
                "find_points with images of this size"
            )
        if features.shape[1] != point.channels:
            raise ValueError(
                f"got {features.shape[1]} channels at point {point.name!r}, found with {point.channels}; points belong "
                "to the network they were found in; call find_points on this one"
            )
        return features

    def _as_recorded(self, point: Point) -> bool:
        """Whether the inputs are those a grid was read off: of as many tokens another shape may have another grid."""
        both = [*zip(self.store.given, point.inputs, strict=False)]  # some may be left out, or of another kind
        return all(fits(given, recorded) for given, recorded in both if len(given) == len(recorded))

    def remove(self) -> None:
        """Takes every hook away and forgets what was captured."""
        _unhang(self.handles)
        self.store.tensors.clear()
