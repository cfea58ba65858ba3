"""One forward pass written down: module calls, the tensor operations between them, and what flows where."""

from __future__ import annotations

from dataclasses import dataclass, field

from .axes import Axes


@dataclass(frozen=True)
class Value:
    """What one tensor held between two writes.

    Args:
        shape: of the tensor.
        axes: what its dimensions mean, None where that could not be followed.
        maker: index of the operation that made it, -1 for network inputs.
        complex: whether its numbers are.
    """

    shape: tuple[int, ...]
    axes: Axes | None
    maker: int
    complex: bool = False


@dataclass(frozen=True)
class Operation:
    """One tensor operation on values that depend on the network's input.

    Args:
        name: ATen name without overload and trailing underscore.
        inputs: values read.
        outputs: values made.
        flops: floating point operations by PyTorch's own formulas, 0 where it has none.
        parameters: names of the parameters read.
        call: index of the innermost module call, -1 outside.
    """

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    flops: int
    parameters: frozenset[str]
    call: int


@dataclass
class Call:
    """One call of one module.

    Args:
        path: of the module, "" for the network.
        number: 1 for its earliest call to return.
        parent: index of the enclosing call, -1 for the network.
        operations: the range of operations made inside.
        inputs: values that came in.
        outputs: key within the returned structure ("" for a lone tensor) -> value.
        overwritten: keys of outputs that were changed in place later.
        differentiable: whether gradients were being recorded when it returned.
    """

    path: str
    parent: int
    operations: range
    number: int = 0
    inputs: tuple[int, ...] = ()
    outputs: dict[str, int] = field(default_factory=dict)
    overwritten: frozenset[str] = frozenset()
    differentiable: bool = True


@dataclass(frozen=True)
class Recording:
    """A forward pass: operations in order, module calls in order of entry, and the values between them.

    Args:
        values: by their number.
        operations: in order.
        calls: in order of entry, the network's own first.
        inputs: values the network was given.
        outputs: values it returned that are trained: the logits, and a second prediction where there is one.
        trainable: parameter -> how many numbers, of those that are not frozen.
        how: with what tensors it was recorded, and why.
    """

    values: list[Value]
    operations: list[Operation]
    calls: list[Call]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    trainable: dict[str, int]
    how: str = ""

    @property
    def batches(self) -> set[int]:
        """How many images the inputs hold."""
        return {self.values[value].shape[0] for value in self.inputs if self.values[value].shape}
