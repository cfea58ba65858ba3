"""The papers' seven transition rules, judged on the recorded operations alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from .attention import attention_cores
from .graph import Graph
from .operations import activates, joins, normalizes, pointwise, reshapes, weighted
from .recording import Call, Operation
from .skips import Skips

Far = Callable[[Operation], tuple[int, ...]]
RULES = {
    "downsampling": "before or after the resolution falls",
    "blocks": "between major blocks: stages, transformer layers",
    "bottleneck": "where features are compressed: fewer channels than before and after",
    "attention": "before or after attention",
    "skip": "the start of a skip connection from encoder to decoder",
    "activation": "at activation changes and normalization",
    "fusion": "where branches have been fused",
}


class Judge:
    """Says which rules a value meets, and why.

    Args:
        graph: of the recording.
        blocks: values of the block sequence.
        names: value -> the name of the point.
    """

    def __init__(self, graph: Graph, blocks: Sequence[int], names: Mapping[int, str]) -> None:
        self.graph, self.names = graph, names
        self.blocks = {value: place for place, value in enumerate(blocks)}
        self.ways: dict[str, tuple[Callable, Far]] = {
            "after": (graph.upstream, lambda operation: operation.inputs),
            "before": (graph.downstream, lambda operation: operation.outputs),
        }  # where a value lies to what is looked for -> how to walk there, and what lies on the other side
        self.calls: dict[int, list[Call]] = {}
        for call in graph.recording.calls[1:]:
            for value in call.outputs.values():
                self.calls.setdefault(value, []).append(call)

    def __call__(self, value: int) -> dict[str, str]:
        """The rules a value meets -> why."""
        reasons = {rule: getattr(self, f"_{rule}")(value) for rule in RULES}
        return {rule: reason for rule, reason in reasons.items() if reason}

    def _downsampling(self, value: int) -> str:
        found = []
        for made, operation in self.graph.upstream(value, reshapes):
            before = max(operation.inputs, key=self.graph.places, default=made)
            if self._falls(before, made) and not self._crops(operation):
                found.append(f"after {operation.name} takes {self._size(before)} to {self._size(made)}")
                break
        for call in () if found else self.calls.get(value, ()):
            if len(call.inputs) == len(call.outputs) == 1 and self._falls(call.inputs[0], value):
                found.append(f"after {call.path} takes {self._size(call.inputs[0])} to {self._size(value)}")
                break
        for read, operation in self.graph.downstream(value, pointwise):
            after = max(operation.outputs, key=self.graph.places, default=read)
            if self._crops(operation):
                continue
            if self._falls(read, after) and self.graph.places(read) == self.graph.places(value):
                found.append(f"before {operation.name} takes {self._size(read)} to {self._size(after)}")
                break
        return "; ".join(found)

    def _falls(self, before: int, after: int) -> bool:
        return self.graph.places(before) > self.graph.places(after) > 1  # pooling to 1x1 is no map any more

    def _crops(self, operation: Operation) -> bool:
        """A slice that keeps more than every second row and column."""
        if operation.name != "slice":
            return False
        before, after = (self.graph.extent(values[0])[1:] for values in (operation.inputs, operation.outputs))
        return all(2 * new > old + 1 or new == old for old, new in zip(before, after, strict=True))

    def _size(self, value: int) -> str:
        return "{}x{}".format(*self.graph.extent(value)[1:])

    def _blocks(self, value: int) -> str:
        if value not in self.blocks:
            return ""
        return f"end of block {self.blocks[value] + 1} of {len(self.blocks)}"

    def _bottleneck(self, value: int) -> str:
        """By channels, at any resolution: the nearest weights before narrow them, the nearest after widen them."""
        width = self.graph.extent(value)[0]
        before, after = (self._other_width(value, width, *way) for way in self.ways.values())
        if before > width > 0 and after > width:
            return f"{before} channels compressed to {width}, expanded to {after} after"
        return ""

    def _other_width(self, value: int, width: int, walk: Callable, far: Far) -> int:
        """Channels on the other side of the nearest weights that change them, 0 if something else does."""

        def keeps(operation: Operation) -> bool:
            alone = len(operation.inputs) == 1 and (weighted(operation) or pointwise(operation))
            return alone and all(self.graph.extent(v)[0] == width for v in far(operation)[:1])

        for _, operation in walk(value, keeps):
            widths = [self.graph.extent(v)[0] for v in far(operation)[:1]]
            if weighted(operation) and widths and widths[0] != width:
                return widths[0]
        return 0

    @cached_property
    def _cores(self) -> tuple[set[int], set[int]]:
        return attention_cores(self.graph)

    def _attention(self, value: int) -> str:
        reads, makes = self._cores
        ends = {"after": makes, "before": reads}
        return "; ".join(
            f"{side} attention" for side, way in self.ways.items() if ends[side] and self._near(value, ends[side], *way)
        )

    def _near(self, value: int, ends: set[int], walk: Callable, far: Far) -> bool:
        """Whether one of `ends` lies within one projection."""
        reached = {value}
        for passes, again in ((self._alike, True), (weighted, False), (self._alike, True)):
            for start in tuple(reached):
                for _, operation in walk(start, passes if again else lambda _: False):
                    reached.update(far(operation) if passes(operation) else ())
        return bool(reached & ends)

    def _alike(self, operation: Operation) -> bool:
        """Pointwise, or divided by a norm of itself."""
        first, *rest = operation.inputs or (0,)
        normed = operation.name == "div" and all(self.graph.comes_from(other, first) for other in rest)
        return pointwise(operation) or normed

    @cached_property
    def _skips(self) -> Skips:
        return Skips(self.graph, tuple(self.blocks))

    def _skip(self, value: int) -> str:
        found = self._skips.join(value)
        return f"{found[0]} joins it to what came back from {self._size(found[1])}" if found else ""

    def _activation(self, value: int) -> str:
        nearest = {
            side: next((o.name for _, o in walk(value, reshapes) if activates(o) or normalizes(o)), "")
            for side, (walk, _) in self.ways.items()
        }
        return "; ".join(f"{side} {name}" for side, name in nearest.items() if name)

    def _fusion(self, value: int) -> str:
        maker = self.graph.maker(value)
        hidden = maker is not None and weighted(maker) and not set(maker.inputs) & self.names.keys()
        start = maker.inputs[0] if maker and hidden else value  # no hook reaches what was joined just before
        for made, operation in self.graph.upstream(start, lambda o: reshapes(o) or activates(o)):
            equal = [v for v in operation.inputs if self.graph.places(v) == self.graph.places(made)]
            if joins(operation) and len(equal) > 1:
                return f"{operation.name} of " + " and ".join(map(self._origin, equal[:3]))
        return ""

    def _origin(self, value: int) -> str:
        """The nearest name a value has or stems from."""
        if value in self.names:
            return self.names[value]
        for _, operation in self.graph.upstream(value, lambda operation: len(operation.inputs) == 1):
            for read in operation.inputs:
                if read in self.names:
                    return self.names[read]
        return "the input" if self.graph.maker(value) is None else "a branch"
