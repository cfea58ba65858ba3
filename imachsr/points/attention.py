"""Where attention is in a recorded forward pass, by what the operations do.

Written out, it is two products of values that both depend on the input: the first compares or gathers positions, the
second hands the result back to positions. Fused, it is one operation.
"""

from __future__ import annotations

from collections.abc import Iterator

from .graph import Graph
from .operations import attends, relates, reshapes, weighted
from .recording import Operation


def attention_cores(graph: Graph) -> tuple[set[int], set[int]]:
    """What attention reads (queries, keys, values) and what it makes: fused, written out, linear or additive."""
    reads: set[int] = set()
    makes: set[int] = set()
    for operation in graph.operations:
        if attends(operation):
            reads.update(operation.inputs)
            makes.update(operation.outputs[:1])
        for first, middle in _first_products(graph, operation):
            for second in _second_products(graph, middle, additive=operation is not first):
                reads.update(first.inputs, (v for v in second.inputs if not graph.comes_from(v, middle)))
                makes.update(second.outputs)
    return reads, makes


def _first_products(graph: Graph, operation: Operation) -> Iterator[tuple[Operation, int]]:
    """(The product, its result): of matrices, or of values by scores that the channels share, summed over positions."""
    if relates(operation):
        yield operation, operation.outputs[0]
    if operation.name != "sum" or len(operation.inputs) != 1:
        return
    (read,), (made,) = operation.inputs, operation.outputs
    if graph.extent(read)[0] != graph.extent(made)[0] or graph.places(read) <= graph.places(made):
        return
    for _, maker in graph.upstream(read, reshapes):
        if maker.name == "mul" and len(maker.inputs) == 2:
            (channels, *places), (others, *elsewhere) = map(graph.extent, maker.inputs)
            if channels != others and places == elsewhere:
                yield maker, made


def _second_products(graph: Graph, middle: int, *, additive: bool) -> list[Operation]:
    def inside(operation: Operation) -> bool:
        """Anything without weights, and weights that mix attention maps."""
        mixes = weighted(operation) and all(map(graph.paired, operation.inputs))
        return not second(operation) and not attends(operation) and (mixes or not weighted(operation))

    def second(operation: Operation) -> bool:
        if not additive:
            return relates(operation)
        spread = any(graph.places(value) > graph.places(middle) for value in operation.inputs)
        return operation.name == "mul" and len(operation.inputs) == 2 and spread

    return [operation for _, operation in graph.downstream(middle, inside) if second(operation)]
