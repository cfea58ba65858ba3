"""Questions about a recorded forward pass: what flows from where to where, how wide and how large it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import accumulate

from .axes import Axes, nested, role_of
from .operations import RESHAPES, resizes
from .recording import Operation, Recording


class Graph:
    """A recording with its edges: operations between values.

    Args:
        recording: of one forward pass.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.operations = recording.operations
        self.readers: list[list[int]] = [[] for _ in recording.values]
        for index, operation in enumerate(recording.operations):
            for value in operation.inputs:
                self.readers[value].append(index)
        self._extents: dict[int, tuple[int, int, int]] = {}

    @cached_property
    def on_the_way(self) -> frozenset[int]:
        """Values from which the output is made."""
        reached = set(self.recording.outputs)
        for operation in reversed(self.operations):
            if reached.intersection(operation.outputs):
                reached.update(operation.inputs)
        return frozenset(reached)

    @cached_property
    def unused(self) -> tuple[str, ...]:
        """Trainable parameters from which the output is not made."""
        used: set[str] = set()
        for operation in self.operations:
            if self.on_the_way.intersection(operation.outputs):
                used |= operation.parameters
        return tuple(name for name in self.recording.trainable if name not in used)

    @cached_property
    def taught(self) -> frozenset[int]:
        """Values made with trainable parameters: a loss there reaches a weight."""
        reached: set[int] = set()
        for operation in self.operations:
            if not operation.parameters.isdisjoint(self.recording.trainable) or reached.intersection(operation.inputs):
                reached.update(operation.outputs)
        return frozenset(reached)

    @cached_property
    def tail(self) -> frozenset[int]:
        """Outputs, and values that are only cropped, padded, resized or rearranged on every way to the output."""
        found: set[int] = set()
        for value in sorted(self.on_the_way, reverse=True):  # readers make later values
            readers = [self.operations[index] for index in self.readers[value]]
            readers = [operation for operation in readers if self.on_the_way.intersection(operation.outputs)]
            if all(self._resized_only(operation) and found.issuperset(operation.outputs) for operation in readers):
                found.add(value)
        return frozenset(found)

    def _resized_only(self, operation: Operation) -> bool:
        """Without weights, each channel for itself; one place taken out of many (a class token) is no crop."""
        known = operation.name in RESHAPES or resizes(operation)
        if not known or operation.parameters or len(operation.inputs) != 1 or len(operation.outputs) != 1:
            return False
        read, made = operation.inputs[0], operation.outputs[0]
        alike = self.extent(read)[0] == self.extent(made)[0] > 0
        return alike and (self.places(made) > 1 or self.places(read) == 1)

    @cached_property
    def ancestors(self) -> list[int]:
        """For each value, the values it was made from, itself included, as bits of an integer."""
        bits = [1 << value for value in range(len(self.recording.values))]
        for operation in self.operations:
            union = 0
            for value in operation.inputs:
                union |= bits[value]
            for value in operation.outputs:
                bits[value] |= union
        return bits

    def comes_from(self, value: int, earlier: int) -> bool:
        """Whether a value was made from an earlier one."""
        return bool(self.ancestors[value] >> earlier & 1)

    def maker(self, value: int) -> Operation | None:
        """The operation that made a value, None for network inputs."""
        index = self.recording.values[value].maker
        return self.operations[index] if index >= 0 else None

    def extent(self, value: int) -> tuple[int, int, int]:
        """Channels, rows and columns of a value; 0 where its axes are unknown."""
        if value not in self._extents:
            axes = self.recording.values[value].axes
            self._extents[value] = extent_of(axes) if axes else (0, 0, 0)
        return self._extents[value]

    def places(self, value: int) -> int:
        """Rows times columns."""
        _, rows, columns = self.extent(value)
        return rows * columns

    def paired(self, value: int) -> bool:
        """Whether rows and columns appear twice, as in an attention map."""
        axes = self.recording.values[value].axes or ()
        atoms = [atom for dim in axes for outer in dim for part in outer.parts or ((outer,),) for atom in part]
        return not all(nested([atom for atom in atoms if atom.role == role]) for role in "yx")

    def upstream(self, value: int, through: Callable[[Operation], bool]) -> Iterator[tuple[int, Operation]]:
        """Makers of a value and of what they read, nearest first, as long as `through` lets pass."""
        seen, queue = {value}, [value]
        for current in queue:
            operation = self.maker(current)
            if operation is None:
                continue
            yield current, operation
            if through(operation):
                queue += [v for v in operation.inputs if v not in seen]
                seen.update(operation.inputs)

    def downstream(self, value: int, through: Callable[[Operation], bool]) -> Iterator[tuple[int, Operation]]:
        """Readers of a value and of what they make, nearest first, as long as `through` lets pass."""
        seen, queue = {value}, [value]
        for current in queue:
            for index in self.readers[current]:
                operation = self.operations[index]
                yield current, operation
                if through(operation):
                    queue += [v for v in operation.outputs if v not in seen]
                    seen.update(operation.outputs)

    def flops_until(self, index: int) -> float:
        """Share of the floating point operations done after operation `index`."""
        total = self._flops[-1] if self._flops else 0
        return self._flops[index] / total if total else 0.0

    @cached_property
    def _flops(self) -> list[int]:
        return list(accumulate(operation.flops for operation in self.operations))

    def parameters_until(self, index: int) -> int:
        """Trainable parameters read up to operation `index`."""
        return self._parameters[index]

    @cached_property
    def _parameters(self) -> list[int]:
        seen: set[str] = set()
        counts, count = [], 0
        for operation in self.operations:
            new = operation.parameters - seen
            seen |= new
            count += sum(self.recording.trainable.get(name, 0) for name in new)
            counts.append(count)
        return counts


def extent_of(axes: Axes) -> tuple[int, int, int]:
    """Channels, rows and columns behind axes, however they are split, folded or joined."""
    sizes = {"c": 1, "y": 1, "x": 1}
    for dim in axes:
        folded = role_of(dim) == "c"
        for atom in dim:
            parts = [inner for part in atom.parts for inner in part] or [atom]
            for inner in parts:
                role = "c" if folded else inner.role
                if role in sizes:
                    sizes[role] *= inner.size
    return sizes["c"], sizes["y"], sizes["x"]
