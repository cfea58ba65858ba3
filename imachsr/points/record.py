"""Writing down one forward pass.

Fake tensors are tried before real ones, so that it costs no arithmetic. The network does not change by being recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from .axes import Axes, of_input, roles_of
from .capture import unhook
from .follow import RECURRENT, follow
from .recording import Call, Operation, Recording, Value
from .roles import Roles
from .structure import tensors_in, trained
from .untouched import tried, unchanged

VALUELESS = ("new_", "empty", "rand", "zeros_like", "ones_like", "full_like")  # read a shape, not its values
CUTS = ("detach", "detach_copy")  # carry values but no gradient


def record(network: nn.Module, inputs: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Recording:
    """One forward pass of the network in the mode (train or eval) it is in.

    Which dimension of an input holds channels is told by the layer with weights that reads it; where that departs from
    (B, C, H, W), (B, C, W) and (B, C), the pass is written down once more.

    Args:
        network: left as it is: parameters, buffers, attributes, hooks, random state.
        inputs: its positional inputs.
        kwargs: its named inputs.

    Raises:
        ValueError: a network that calls itself, or one that keeps tensors of the pass where nothing can take them away.
    """
    assumed = [roles_of(leaf.ndim) for leaf in tree_leaves((inputs, dict(kwargs))) if isinstance(leaf, Tensor)]
    recording, heard = _tried(network, inputs, kwargs, assumed)
    return recording if [*heard] == assumed else _tried(network, inputs, kwargs, heard)[0]


def _tried(
    network: nn.Module, inputs: tuple[Any, ...], kwargs: Mapping[str, Any], roles: Sequence[str]
) -> tuple[Recording, Sequence[str]]:
    (recording, heard), how = tried(lambda fake: _record(network, inputs, kwargs, roles, fake))
    return replace(recording, how=how), heard


def _record(
    network: nn.Module,
    inputs: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    roles: Sequence[str],
    fake: FakeTensorMode | None,
) -> tuple[Recording, Sequence[str]]:
    def stand_in(tensor: Any) -> Any:
        if not isinstance(tensor, Tensor):
            return tensor
        return fake.from_tensor(tensor) if fake else tensor.detach().clone()

    with unchanged(network), fake or nullcontext():
        weights = {name: stand_in(parameter) for name, parameter in network.named_parameters()}
        state = weights | {name: stand_in(buffer) for name, buffer in network.named_buffers()}
        given, named = tree_map(stand_in, (inputs, dict(kwargs)))
        trainable = {name: weights[name].numel() for name, weight in network.named_parameters() if weight.requires_grad}
        recorder = Recorder(weights, state, trainable, tree_leaves((given, named)), roles)
        unhook(network)
        with recorder.hooks(network), torch.enable_grad(), recorder:
            output = torch.func.functional_call(network, state, given, named, tie_weights=True)
        return recorder.finish(output), recorder.roles.heard()


class Recorder(TorchDispatchMode):
    """Writes down every operation that depends on the input, and every module call.

    A tensor is known by identity, and references are kept so that no identity is used twice. A write in place gives the
    tensor, and every other view of its memory, a new value.
    """

    def __init__(
        self,
        weights: dict[str, Tensor],
        state: dict[str, Tensor],
        trainable: dict[str, int],
        inputs: list[Any],
        roles: Sequence[str],
    ) -> None:
        from torch.utils.flop_counter import flop_registry  # imports triton where there is one

        super().__init__()
        self.formulas = flop_registry
        self.values: list[Value] = []
        self.operations: list[Operation] = []
        self.calls: list[Call] = []
        self.stack: list[int] = []
        self.counts: dict[str, int] = {}
        self.kept: list[Any] = []
        self.current: dict[int, tuple[int, int]] = {}  # tensor -> its value, and the write to its memory it stems from
        self.written: dict[int, list[int]] = {}  # memory -> values written to it, in order
        self.reads: dict[int, frozenset[str]] = {id(tensor): frozenset([name]) for name, tensor in weights.items()}
        self.trainable = trainable
        self.state = {id(tensor) for tensor in state.values()}
        self.watched: list[tuple[int, str, Tensor, int]] = []
        tensors = [leaf for leaf in inputs if isinstance(leaf, Tensor)]
        self.roles = Roles(roles)
        self.inputs = tuple(self._new(t, of_input(t.shape, r), -1) for t, r in zip(tensors, roles, strict=True))

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if func.namespace != "prim":
            self._write_down(func, args, kwargs, out)
        return out

    def _write_down(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> None:
        name = func._schema.name.split("::")[-1].rstrip("_")
        if name == "convolution" and args[6]:
            name = "transposed_convolution"
        operands = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        results = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        self.kept += results
        read = [self.value_of(tensor) for tensor in operands]
        parameters = frozenset().union(*(self.reads.get(id(tensor), frozenset()) for tensor in operands))
        if all(value is None for value in read) or name.startswith(VALUELESS):
            self.reads |= {id(result): parameters for result in results} if parameters else {}
            return
        if name in CUTS:
            return
        written = self._written(func, args, kwargs)
        formula = self.formulas.get(func._overloadpacket)
        flops = int(formula(*args, **kwargs, out_val=out)) if formula else 0
        index = len(self.operations)
        axes = [self.values[value].axes if value is not None else None for value in read]
        made = tuple(
            self._new(tensor, follow(name, axes, args, tensor), index, written=id(tensor) in written)
            for tensor in {id(t): t for t in [*results, *written.values()]}.values()
            if tensor.is_floating_point() or tensor.is_complex()
        )
        inputs = tuple(dict.fromkeys(value for value in read if value is not None))
        self.roles.hear(name, read, axes, made, weighted=bool(flops and parameters) or name in RECURRENT)
        self.operations.append(Operation(name, inputs, made, flops, parameters, self._inside))

    @property
    def _inside(self) -> int:
        """The call that runs now, -1 outside of all."""
        return self.stack[-1] if self.stack else -1

    def _written(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[int, Tensor]:
        """Tensors an operation changes in place; the network's own buffers (running statistics) carry nothing on."""
        named = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
        changed = [
            leaf
            for argument in func._schema.arguments
            if argument.alias_info is not None and argument.alias_info.is_write
            for leaf in tree_leaves(named.get(argument.name))
        ]
        return {id(t): t for t in changed if isinstance(t, Tensor) and id(t) not in self.state}

    def _new(self, tensor: Tensor, axes: Axes | None, maker: int, *, written: bool = False) -> int:
        value = len(self.values)
        self.values.append(Value(tuple(tensor.shape), axes, maker, tensor.is_complex()))
        self.kept.append(tensor)
        writes = self.written.setdefault(self._memory(tensor), [])
        if written:
            writes.append(value)
        self.current[id(tensor)] = value, len(writes)
        return value

    def _memory(self, tensor: Tensor) -> int:
        return tensor.untyped_storage()._cdata

    def value_of(self, tensor: Tensor) -> int | None:
        """The value a tensor holds now, None if it does not depend on the input."""
        writes = self.written.get(self._memory(tensor), []) if tensor.layout == torch.strided else []
        value, seen = self.current.get(id(tensor), (None, 0))
        if len(writes) == seen or id(tensor) in self.state:
            return value
        index = len(self.operations)  # another view of this memory was written
        inputs = (*(() if value is None else (value,)), *writes[seen:])
        axes = self.values[value].axes if value is not None else None
        value = self._new(tensor, axes, index)
        self.operations.append(Operation("write", inputs, (value,), 0, frozenset(), self._inside))
        return value

    @contextmanager
    def hooks(self, network: nn.Module) -> Iterator[None]:
        """Listens to every module call meanwhile."""
        handles = []
        for path, module in network.named_modules():
            handles.append(module.register_forward_pre_hook(self._entering(path), with_kwargs=True))
            handles.append(module.register_forward_hook(self._leaving(path)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _entering(self, path: str) -> Callable[..., None]:
        def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
            if self.stack and not path:
                raise ValueError(
                    "got a network that calls itself; its passes could not be told apart; wrap it, as in "
                    "nn.Sequential(network), and find the points of that"
                )
            inputs = tuple(self._values_in((args, kwargs)).values())
            start, parent = len(self.operations), self._inside
            self.stack.append(len(self.calls))
            self.calls.append(Call(path, parent, range(start, start), inputs=inputs))

        return enter

    def _leaving(self, path: str) -> Callable[..., None]:
        def leave(module: nn.Module, args: Any, output: Any) -> None:
            index = self.stack.pop()
            call = self.calls[index]
            self.counts[path] = call.number = self.counts.get(path, 0) + 1
            call.differentiable = torch.is_grad_enabled()
            call.outputs = self._values_in(output)
            call.operations = range(call.operations.start, len(self.operations))
            for key, tensor in tensors_in(output).items():
                if key in call.outputs:
                    writes = self.written.get(self._memory(tensor), [])
                    self.watched.append((index, key, tensor, len(writes)))

        return leave

    def _values_in(self, structure: Any) -> dict[str, int]:
        found = {key: self.value_of(tensor) for key, tensor in tensors_in(structure).items()}
        return {key: value for key, value in found.items() if value is not None}

    def finish(self, output: Any) -> Recording:
        """The recording, with the outputs that were changed in place after their call returned."""
        held = map(self.value_of, trained(output))
        outputs = tuple(value for value in held if value is not None)
        for index, key, tensor, seen in self.watched:
            if len(self.written.get(self._memory(tensor), [])) > seen:
                self.calls[index].overwritten |= {key}
        return Recording(self.values, self.operations, self.calls, self.inputs, outputs, self.trainable)
