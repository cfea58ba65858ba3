"""What the network itself costs, layer by layer, counted on its recorded operations without any arithmetic.

Axes: B images, K classes, C channels at a point, (h, w) features or logits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves, tree_map

from ..objective import brought_adapters
from ..points import RESHAPES, Capture, Graph, Operation, Point, logits_of, record, tried, unchanged


@dataclass(frozen=True)
class Layer:
    """One innermost module call with arithmetic in it.

    Args:
        path: of the module, "" for arithmetic of the network itself.
        weighted: whether it reads parameters.
        forward: operations of the forward pass; a multiplication and an addition count two.
        backward: operations of the backward pass.
        products: those of convolutions and matrix products, (forward, backward).
    """

    path: str
    weighted: bool
    forward: int
    backward: int
    products: tuple[int, int]


@dataclass(frozen=True)
class Counted:
    """A network's own cost on one batch.

    Args:
        layers: in the order they run.
        kept: bytes kept from forward to backward, beyond parameters and buffers; each storage once, the images too.
        features: point -> whether the network keeps that very tensor anyway.
        logits: shape (B, K, h, w) of its output.
        logits_kept: bytes more if the loss keeps the logits.
        parameters: how many numbers it learns.
        brings_adapters: whether the adapters of its points are its own (HS3-Fuse), among its parameters.
        batch: B.
        images: (H, W) of the images.
        covered: (H, W) that features cover, larger where the network pads.
        how: it was recorded.
    """

    layers: tuple[Layer, ...]
    kept: int
    features: Mapping[str, bool]
    logits: tuple[int, ...]
    logits_kept: int
    parameters: int
    brings_adapters: bool
    batch: int
    images: tuple[int, int]
    covered: tuple[int, int]
    how: str

    @property
    def depth(self) -> int:
        """The papers' D: layers that read parameters."""
        return sum(layer.weighted for layer in self.layers)

    @property
    def forward(self) -> int:
        """Operations of the forward pass."""
        return sum(layer.forward for layer in self.layers)

    @property
    def backward(self) -> int:
        """Operations of the backward pass."""
        return sum(layer.backward for layer in self.layers)

    @property
    def products(self) -> tuple[int, int]:
        """Of those, convolutions and matrix products: (forward, backward)."""
        return sum(layer.products[0] for layer in self.layers), sum(layer.products[1] for layer in self.layers)


def count(network: nn.Module, *inputs: Any, points: Sequence[Point] = ()) -> Counted:
    """The network's own cost on one batch, in the mode (train or eval) it is in; the network is left as it is.

    Products are counted by PyTorch's formulas, backward once for every operand that needs a gradient (so a first layer
    costs less on the way back); everything else as one operation per number made, and one per number's gradient.

    Args:
        network: any module.
        inputs: what it is called with: images (B, 3, H, W), or several tensors.
        points: of this network, to learn whether their tensors are kept anyway.

    Raises:
        ValueError: no input with four dimensions, or a batch without images.

    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 2, 1))
    >>> counted = count(network, torch.zeros(2, 3, 4, 4))
    >>> counted.depth, counted.products  # 2 B h w (27 * 8 + 8 * 2) forward; no gradient of the images is asked for
    (2, (14848, 15872))
    """
    images = next((leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor) and leaf.ndim == 4), None)
    if images is None or not len(images):
        came = "no input of shape (B, C, H, W)" if images is None else f"images of shape {tuple(images.shape)}"
        raise ValueError(
            f"got {came}; costs are counted on a batch of one image or more; pass what the network is called with"
        )
    recording = record(network, inputs, {})
    graph, layers = Graph(recording), []
    for call, operations in _by_call(recording.operations):
        numbers = [_operations(operation, graph) for operation in operations]
        forward, backward, *products = (sum(column) for column in zip(*numbers, strict=True))
        if forward:
            path = recording.calls[call].path if call >= 0 else ""
            weighted = any(operation.parameters for operation in operations)
            layers.append(Layer(path, weighted, forward, backward, (products[0], products[1])))
    kept, features, logits, logits_kept = tried(lambda fake: _kept(network, inputs, points, fake))[0]
    size = (int(images.shape[-2]), int(images.shape[-1]))
    return Counted(
        layers=tuple(layers),
        kept=kept,
        features=features,
        logits=logits,
        logits_kept=logits_kept,
        parameters=sum(p.numel() for p in network.parameters() if p.requires_grad),
        brings_adapters=brought_adapters(network) is not None,
        batch=len(images),
        images=size,
        covered=network.padded_size(*size) if hasattr(network, "padded_size") else size,  # type: ignore[operator]
        how=recording.how,
    )


def _by_call(operations: Sequence[Operation]) -> list[tuple[int, list[Operation]]]:
    found: dict[int, list[Operation]] = {}
    for operation in operations:
        found.setdefault(operation.call, []).append(operation)
    return [*found.items()]


def _operations(operation: Operation, graph: Graph) -> tuple[int, int, int, int]:
    """Forward, backward, and the products among them."""
    gradients = sum(value in graph.taught for value in operation.inputs)
    if operation.flops:
        factor = 2.5 if "attention" in operation.name else gradients + bool(operation.parameters)
        back = int(factor * operation.flops)  # fused attention computes its first product again: 5 for 2
        return operation.flops, back, operation.flops, back
    if operation.name in RESHAPES:
        return 0, 0, 0, 0
    made = sum(_size(graph, value) for value in operation.outputs)
    back = sum(_size(graph, value) for value in operation.inputs if value in graph.taught)
    return made, back, 0, 0


def _size(graph: Graph, value: int) -> int:
    return prod(graph.recording.values[value].shape)


Kept = tuple[int, dict[str, bool], tuple[int, ...], int]


def _kept(network: nn.Module, inputs: tuple[Any, ...], points: Sequence[Point], fake: FakeTensorMode | None) -> Kept:
    def stand_in(tensor: Any) -> Any:
        if not isinstance(tensor, Tensor):
            return tensor
        new = fake.from_tensor(tensor) if fake else tensor.detach().clone()
        return new.detach().requires_grad_(tensor.requires_grad) if tensor.is_floating_point() else new

    with unchanged(network), fake or nullcontext(), torch.enable_grad():
        state = {name: stand_in(t) for name, t in (*network.named_parameters(), *network.named_buffers())}
        kept: dict[int, int] = {}
        capture = Capture(network, points)
        try:
            with storages_kept(kept, state.values()):
                logits = logits_of(torch.func.functional_call(network, state, tree_map(stand_in, inputs)))
            tensors = capture.read(skipped=True)
        finally:
            capture.remove()
        features = {
            point.name: tensor is not None and _key(tensor) in kept
            for point, tensor in zip(points, tensors, strict=True)
        }
        logits_kept = 0 if _key(logits) in kept else logits.untyped_storage().nbytes()
        return sum(kept.values()), features, tuple(logits.shape), logits_kept


def _key(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


@contextmanager
def storages_kept(kept: dict[int, int], but: Any = ()) -> Iterator[None]:
    """Meanwhile, notes storage -> bytes of all that autograd keeps for backward.

    Args:
        kept: written to.
        but: tensors that are there anyway, such as parameters.
    """
    own = {_key(tensor) for tensor in but}
    held: list[Any] = []  # so that no storage's identity is used twice

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        held.append(storage)
        if storage._cdata not in own:
            kept[storage._cdata] = storage.nbytes()
        return tensor.detach()  # a result that its own node keeps would otherwise never be freed

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield
