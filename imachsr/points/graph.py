"""Questions about a recorded forward pass: what flows from where to where."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate

from .record import Recording


class Graph:
    """A recording with its edges: operations between values.

    Args:
        recording: of one forward pass.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.readers: list[list[int]] = [[] for _ in recording.values]
        for index, operation in enumerate(recording.operations):
            for value in operation.inputs:
                self.readers[value].append(index)

    @cached_property
    def on_the_way(self) -> frozenset[int]:
        """Values from which the output is made."""
        reached = set(self.recording.outputs)
        for operation in reversed(self.recording.operations):
            if reached.intersection(operation.outputs):
                reached.update(operation.inputs)
        return frozenset(reached)

    @cached_property
    def _flops(self) -> list[int]:
        return list(accumulate(operation.flops for operation in self.recording.operations))

    def flops_until(self, index: int) -> float:
        """Share of the floating point operations done after operation `index`."""
        total = self._flops[-1] if self._flops else 0
        return self._flops[index] / total if total else 0.0

    @cached_property
    def _parameters(self) -> list[int]:
        seen: set[str] = set()
        counts, count = [], 0
        for operation in self.recording.operations:
            new = operation.parameters - seen
            seen |= new
            count += sum(self.recording.sizes[name] for name in new)
            counts.append(count)
        return counts

    def parameters_until(self, index: int) -> int:
        """Parameters read up to operation `index`."""
        return self._parameters[index]
