"""The block sequence of a network, read off its recorded calls."""

from __future__ import annotations

from .graph import Graph
from .record import Call

JOINS = ("add", "cat", "mul", "bmm", "baddbmm", "sub", "stack", "matmul")


def block_sequence(graph: Graph) -> dict[int, int]:
    """Value -> place in the sequence of major-block outputs, by depth."""
    return _Blocks(graph).sequence()


class _Blocks:
    def __init__(self, graph: Graph) -> None:
        self.graph, self.recording = graph, graph.recording
        self.children: dict[int, list[int]] = {}
        for index, call in enumerate(self.recording.calls):
            self.children.setdefault(call.parent, []).append(index)
        self.own: dict[int, list[int]] = {}
        for index, operation in enumerate(self.recording.operations):
            self.own.setdefault(operation.call, []).append(index)
        self.joining = {call: any(self._joins(index) for index in operations) for call, operations in self.own.items()}

    def _joins(self, index: int) -> bool:
        operation = self.recording.operations[index]
        return len(operation.inputs) > 1 and (operation.name in JOINS or "attention" in operation.name)

    def _composite(self, index: int) -> bool:
        """At least two operations with weights of their own."""
        operations = self.recording.operations
        return sum(bool(operations[i].flops and operations[i].parameters) for i in self._operations(index)) > 1

    def _operations(self, index: int) -> range:
        return self.recording.calls[index].operations

    def _shape(self, index: int) -> tuple[str, ...]:
        return tuple(self.recording.operations[i].name for i in self._operations(index))

    def _blocks(self, index: int) -> list[int]:
        """The blocks a call consists of: itself, or those of its parts."""
        parts = [child for child in self.children.get(index, []) if self._composite(child)]
        large = len(self._operations(index)) > len(self.recording.operations) / 4
        if not parts or (self.joining.get(index) and not large and index):
            return [index]
        if self.joining.get(index) and index and self._repeated(index):
            return [index]
        return [block for part in parts for block in self._blocks(part)]

    def _repeated(self, index: int) -> bool:
        siblings = self.children[self.recording.calls[index].parent]
        return any(self._shape(sibling) == self._shape(index) for sibling in siblings if sibling != index)

    def sequence(self) -> dict[int, int]:
        values: dict[int, None] = {}
        for index in self._blocks(0):
            value = self._output(self.recording.calls[index])
            if value is not None:
                values[value] = None
        ordered = sorted(values, key=lambda value: self.recording.values[value].maker)
        return {value: place for place, value in enumerate(ordered)}

    def _output(self, call: Call) -> int | None:
        ends = {*self.recording.inputs, *self.recording.outputs}
        found = [value for value in call.outputs.values() if value in self.graph.on_the_way and value not in ends]
        return found[0] if found else None
