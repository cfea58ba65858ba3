"""The block sequence of a network, read off its recorded calls.

A call is a block when it joins branches itself (a residual sum, a concatenation, attention), or when its parts are no
longer composite (two weighted operations at least). What merely chains its parts is a stage, and is divided into them.
A block may hand on several maps, one per branch: each has a place in the sequence.
"""

from __future__ import annotations

from functools import cached_property

from .graph import Graph
from .operations import attends, joins, relates, weighted
from .recording import Call

LARGE = 4  # a call with more than 1/4 of all operations is divided although it joins branches, unless it is repeated


def block_sequence(graph: Graph) -> list[int]:
    """Values that major blocks hand on, by depth."""
    return _Blocks(graph).sequence()


class _Blocks:
    def __init__(self, graph: Graph) -> None:
        self.graph, self.calls, self.operations = graph, graph.recording.calls, graph.operations
        self.children: dict[int, list[int]] = {}
        for index, call in enumerate(self.calls):
            self.children.setdefault(call.parent, []).append(index)
        self.weighted = [weighted(operation) for operation in self.operations]

    def sequence(self) -> list[int]:
        values = {value for index in self._divided(0) for value in self._outputs(self.calls[index])}
        return sorted(values, key=lambda value: self.graph.recording.values[value].maker)

    def _divided(self, index: int) -> list[int]:
        """The blocks a call consists of: itself, or those of its parts."""
        parts = [child for child in self.children.get(index, []) if self._composite(child)]
        whole = index and (not self._large(index) or self._repeated(index))
        if not parts or (whole and index in self._joining):
            return [index]
        inner = [block for part in parts for block in self._divided(part)]
        return [index] if whole and len(inner) == 1 else inner

    def _large(self, index: int) -> bool:
        return len(self.calls[index].operations) * LARGE > len(self.operations)

    def _composite(self, index: int) -> bool:
        inside = self.calls[index].operations
        return sum(self.weighted[inside.start : inside.stop]) > 1

    @cached_property
    def _joining(self) -> set[int]:
        """Calls that join branches in an operation of their own, outside their parts."""
        return {o.call for o in self.operations if joins(o) or relates(o) or attends(o)}

    def _repeated(self, index: int) -> bool:
        """Whether a sibling does the same operations."""
        siblings = self.children[self.calls[index].parent]
        return any(self._work(sibling) == self._work(index) for sibling in siblings if sibling != index)

    def _work(self, index: int) -> list[str]:
        inside = self.calls[index].operations
        return [operation.name for operation in self.operations[inside.start : inside.stop]]

    def _outputs(self, call: Call) -> list[int]:
        """What a block hands on, one value or several (a map per branch): not what it makes another of them from."""
        ends = {*self.graph.recording.inputs, *self.graph.recording.outputs} | self.graph.tail
        made = [v for v in call.outputs.values() if self.graph.recording.values[v].maker in call.operations]
        inside = [v for v in made if v in self.graph.on_the_way - ends]
        last = [v for v in inside if not any(self.graph.comes_from(other, v) for other in inside if other != v)]
        return last if call.differentiable else []
