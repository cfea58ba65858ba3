"""Skip connections: what is joined, at its own resolution, to what came back from a coarser one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from .graph import Graph
from .operations import joins, raises, reshapes, weighted
from .recording import Operation


class Skips:
    """Finds the joins at the end of skip connections.

    Args:
        graph: of the recording.
        blocks: values of the block sequence. Where there are any, the way down and up again leads past one of them, so
            that a residual block that works at a coarser scale inside is none.
    """

    def __init__(self, graph: Graph, blocks: Sequence[int]) -> None:
        self.graph, self.blocks = graph, blocks

    def join(self, value: int) -> tuple[str, int] | None:
        """(Operation, coarsest map on the way back) if a skip connection starts at this value."""
        for carried, operation, aside in self._joins_after(value):
            for other in operation.inputs:
                ways = self._ways_back(value, other, aside) if other != carried else []
                if ways:
                    return operation.name, min(ways, key=self.graph.places)
        return None

    @cached_property
    def _upsampled(self) -> list[tuple[int, int]]:
        """(before, after) of every operation that raises the resolution of a map."""
        places = self.graph.places
        return [
            (operation.inputs[0], made)
            for operation in self.graph.operations
            for made in operation.outputs
            if len(operation.inputs) == 1 and places(made) > places(operation.inputs[0]) > 1
            if raises(operation) and made in self.graph.on_the_way
        ]

    def _joins_after(self, value: int) -> Iterator[tuple[int, Operation, int | None]]:
        """Joins at this resolution: what is joined, where, and the first that is made of the value on the way there."""
        if not self._upsampled:
            return
        rearranged = (v for _, o in self.graph.downstream(value, reshapes) if reshapes(o) for v in o.outputs)
        for same in dict.fromkeys((value, *rearranged)):
            for operation in map(self.graph.operations.__getitem__, self.graph.readers[same]):
                if joins(operation):
                    yield same, operation, None
                elif not reshapes(operation):
                    level = [v for v in operation.outputs if self.graph.places(v) == self.graph.places(value)]
                    yield from ((*join, v) for v in level for join in self._lateral(v, weighted(operation)))

    def _lateral(self, start: int, projected: bool) -> list[tuple[int, Operation]]:
        """Joins with what comes of a value by at most one projection, at one resolution."""
        ahead = list(self.graph.downstream(start, self._keeps_places))
        if not projected:
            made = [v for _, operation in ahead if weighted(operation) for v in operation.outputs]
            ahead += [pair for v in made for pair in self.graph.downstream(v, self._keeps_places)]
        return [(v, o) for v, o in ahead if joins(o) and self.graph.places(v) == self.graph.places(start)]

    def _keeps_places(self, operation: Operation) -> bool:
        """Without weights, and at one resolution."""
        alone = len(operation.inputs) == 1 and not weighted(operation) and operation.outputs
        return bool(alone) and self.graph.places(operation.inputs[0]) == self.graph.places(operation.outputs[0])

    def _ways_back(self, value: int, other: int, aside: int | None) -> list[int]:
        """Coarse maps between the two, on ways that lead past another block and part from the value before `aside`."""
        comes = self.graph.comes_from
        ways = [before for before, after in self._upsampled if comes(other, after) and comes(before, value)]
        ways = [before for before in ways if aside is None or not comes(before, aside)]
        blocks = [block for block in self.blocks if block != value and comes(block, value)]
        return [before for before in ways if not self.blocks or any(comes(before, block) for block in blocks)]
