"""Every tensor that a hook can reach on the way from input to output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from .axes import role_of, size_of
from .blocks import block_sequence
from .given import check_plain, explain
from .graph import Graph, extent_of
from .layout import Layout, layout_of
from .point import Point, Points
from .record import record
from .recording import Call, Recording
from .rules import Judge


def find_points(network: nn.Module, *inputs: Any, **kwargs: Any) -> Points:
    """Records one forward pass and returns every intermediate point by depth, with the transition rules it meets.

    It is recorded in the mode the network is in: call it in train mode for training. The network is left as it is.
    Layers that this pass skips at random are no points: record such a network in eval mode, and train it as you like.

    Args:
        network: any module.
        inputs: what the network is called with: images (B, 3, H, W), or several tensors.
        kwargs: named inputs of the network.

    Returns:
        The points in order of depth; `print` shows the table, `to_dataframe()` gives it to pandas, and `left_out` says
        of every other tensor on the way to the logits (and a second prediction, `aux`) why it is no point.

    Raises:
        TypeError: no network, a wrapped one, or inputs of another kind, dtype or device than it takes.
        ValueError: an image without a batch, a compiled network, one that calls itself or keeps tensors of the pass, or
            one with weights yet to be shaped.

    >>> import torch
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(inplace=True), nn.Conv2d(8, 2, 1))
    >>> [point.name for point in find_points(network, torch.zeros(2, 3, 8, 8))]
    ['0', '1']
    """
    check_plain(network)
    shapeless = [name for name, weight in network.named_parameters() if nn.parameter.is_lazy(weight)]
    if shapeless:
        raise ValueError(
            f"got a network whose weight {shapeless[0]!r} has no shape yet; points are recorded by shapes; "
            "call the network once with real images before"
        )
    try:
        recording = record(network, inputs, kwargs)
    except (RuntimeError, TypeError) as error:
        explain(error, network, inputs)
        raise
    graph = Graph(recording)
    named = dict(sorted(_names(graph).items(), key=lambda item: recording.values[item[0]].maker))
    layouts = {value: _layout(graph, value) for value in named}
    useful = {value: layout for value, layout in layouts.items() if isinstance(layout, Layout)}
    if not useful:
        _refuse_unbatched(layouts, inputs)
    blocks = [value for value in block_sequence(graph) if value in useful]
    judge = Judge(graph, blocks, {value: names[0][0] for value, names in named.items()})
    given = _inputs(recording)
    points = [_point(graph, value, named[value], layout, judge, given) for value, layout in useful.items()]
    left_out = {named[value][0][0]: reason for value, reason in layouts.items() if isinstance(reason, str)}
    return Points(points, recording.how, left_out, graph.unused)


def _refuse_unbatched(layouts: Mapping[int, Layout | str], inputs: tuple[Any, ...]) -> None:
    alone = inputs and getattr(inputs[0], "ndim", 0) == 3
    if alone and "its batch is gone" in layouts.values():
        raise ValueError(
            f"got an input {tuple(inputs[0].shape)} that leaves no tensor with a batch; images come in batches "
            "(B, C, H, W); pass images[None]"
        )


def _layout(graph: Graph, value: int) -> Layout | str:
    """The layout, or why a loss there would teach nothing of its own or the tensor cannot be read as features."""
    if value not in graph.taught:
        return "no trainable parameter comes before it, so that a loss there reaches no weight"
    if value in graph.tail:
        return "it is the output in another size or layout, so that a loss there is the output loss again"
    made = graph.recording.values[value]
    if made.complex:
        return "its numbers are complex"
    layout = layout_of(made.axes, made.shape)
    if isinstance(layout, Layout) and _sizes(layout, made.shape)[0] not in graph.recording.batches:
        return "it holds another number of images than the input, so that the labels are not theirs"
    return layout


Name = tuple[str, Call, str]


def _names(graph: Graph) -> dict[int, list[Name]]:
    """Values on the way -> their names: lone outputs lead, of outer modules before inner; then one among several."""
    found: dict[int, list[Name]] = {}
    recording = graph.recording
    ends = {*recording.inputs, *recording.outputs}
    for call in recording.calls[1:]:
        for key, value in call.outputs.items():
            if value in graph.on_the_way and value not in ends and call.differentiable:
                number = f"#{call.number}" if call.number > 1 else ""
                found.setdefault(value, []).append((f"{call.path}{number}{key}", call, key))
    for names in found.values():
        names.sort(key=_rank)
    return found


def _rank(name: Name) -> tuple[int, int, int]:
    _, call, key = name
    depth = call.path.count(".")
    return key.count("["), -depth if key else depth, call.number


def _inputs(recording: Recording) -> tuple[tuple[int, ...], ...]:
    """Shapes of the inputs, -1 but for rows and columns."""
    given = [recording.values[value].axes or () for value in recording.inputs]
    return tuple(tuple(size_of(dim) if role_of(dim) in ("y", "x") else -1 for dim in axes) for axes in given)


def _point(
    graph: Graph, value: int, names: list[Name], layout: Layout, judge: Judge, inputs: tuple[tuple[int, ...], ...]
) -> Point:
    recording = graph.recording
    name, call, key = names[0]
    shape = recording.values[value].shape
    _, channels, height, width = _sizes(layout, shape)
    maker = recording.values[value].maker
    return Point(
        name=name,
        path=call.path,
        call=call.number,
        key=key,
        shape=shape,
        layout=layout,
        channels=channels,
        size=(height, width),
        depth=(maker + 1) / len(recording.operations),
        flops=graph.flops_until(maker),
        scale=_scale(recording, height, width),
        parameters=graph.parameters_until(maker),
        rules=judge(value),
        block=judge.blocks.get(value, -1),
        overwritten=key in call.overwritten,
        aliases=tuple(alias for alias, _, _ in names[1:]),
        inputs=inputs,
    )


def _sizes(layout: Layout, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    return tuple(layout.features(torch.empty(shape, device="meta")).shape)  # type: ignore[return-value]


def _scale(recording: Recording, height: int, width: int) -> float:
    """Size relative to the first input that has places: by rows, by columns where it has a single row."""
    extents = [extent_of(axes)[1:] for axes in (recording.values[value].axes for value in recording.inputs) if axes]
    rows, columns = next((extent for extent in extents if extent != (1, 1)), (1, 1))
    return height / rows if rows > 1 else width / columns
