"""What a training step costs with losses inside: every term in operations and bytes, before anybody trains.

Axes: B images, K classes, C channels at a point, (h, w) features or logits, (H, W) labels, M points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from ..objective import Scheme
from ..objective import scheme as scheme_named
from ..points import Point
from . import terms
from .network import Counted, count
from .table import amount, text_table
from .terms import Term


@dataclass(frozen=True)
class Cost:
    """A step of training in its terms; prints as a table.

    Args:
        counted: the network's own cost, layer by layer.
        points: the M points, in order of depth.
        terms: the network, the output loss, then features, adapter, supervision and regularizer of each point.
        classes: K.
        labels: (H, W) of the labels.
        scheme: its name.
        implementation: "eager" or "fused".
    """

    counted: Counted
    points: tuple[Point, ...]
    terms: tuple[Term, ...]
    classes: int
    labels: tuple[int, int]
    scheme: str
    implementation: str

    @property
    def operations(self) -> int:
        """Of the whole step."""
        return sum(term.operations for term in self.terms)

    @property
    def products(self) -> tuple[int, int]:
        """Of those, convolutions and matrix products: (forward, backward)."""
        return sum(term.products[0] for term in self.terms), sum(term.products[1] for term in self.terms)

    @property
    def kept(self) -> int:
        """Bytes kept from forward to backward."""
        return sum(term.kept for term in self.terms)

    @property
    def parameters(self) -> int:
        """How many numbers the step learns, adapters included."""
        return sum(term.parameters for term in self.terms)

    @property
    def extra(self) -> tuple[Term, ...]:
        """What the points add to the conventional step."""
        return tuple(term for term in self.terms if term.point)

    def rows(self) -> list[dict[str, str]]:
        """The table: terms of one kind at one point per row, and the total; shares are of the conventional step."""
        base = [term for term in self.terms if not term.point]
        whole = sum(term.operations for term in base), sum(term.kept for term in base)
        lines = [_row(term, whole) for term in self.terms]
        total = Term(
            "total", "", sum(t.forward for t in self.terms), sum(t.backward for t in self.terms), self.products,
            self.kept, self.parameters,
        )  # fmt: skip
        return [*lines, _row(total, whole)]

    def __str__(self) -> str:
        counted, (H, W) = self.counted, self.labels
        head = (
            f"one step: B = {counted.batch}, {counted.images[0]}x{counted.images[1]} images, {H}x{W} labels, "
            f"K = {self.classes}, D = {counted.depth} layers with weights, M = {len(self.points)}, "
            f"{self.scheme}, {self.implementation} losses"
        )
        return f"{head}\n{text_table(self.rows())}"


def _row(term: Term, whole: tuple[int, int]) -> dict[str, str]:
    return {
        "term": term.name,
        "point": term.point,
        "forward": amount(term.forward),
        "backward": amount(term.backward),
        "share of operations": f"{100 * term.operations / whole[0]:.2f} %",
        "kept": amount(term.kept, "B"),
        "share of bytes": f"{100 * term.kept / whole[1]:.2f} %",
        "parameters": f"{term.parameters:,}",
    }


def cost(
    network: nn.Module | Counted,
    points: Sequence[Point],
    *inputs: Any,
    classes: int,
    labels: tuple[int, int] | None = None,
    scheme: str | Scheme = "imachsr",
    implementation: str = "fused",
) -> Cost:
    """Each term of one training step in operations and bytes (iMacHSR, Complexity Analysis; iMacSR III-C).

    The papers' forward O(D + M), losses O((M + 1) B W H K + sum_m B w_m h_m C_m) and backward O(D), with every layer
    counted instead of assumed equal; and their storage sum_m B w_m h_m C_m + M B W H K + sum_m P_m, with the constants
    that `stated_space` leaves out, and sum_m B w_m h_m K in the place of M B W H K where losses are fused.

    Args:
        network: any module, in train mode; or what `count` said of it, the points included.
        points: from `choose_points`; none for the conventional step.
        inputs: what the network is called with: images (B, 3, H, W). Values do not matter.
        classes: K of the labels.
        labels: (H, W) of the labels; the images' by default.
        scheme: by name, or a Scheme of losses whose operations are known.
        implementation: "eager", or "fused" as `impl="auto"` takes for large labels.

    Raises:
        ValueError: an unknown scheme, implementation or loss; a point that was not counted.

    >>> import torch, imachsr
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 2, 1))
    >>> images = torch.zeros(2, 3, 8, 8)
    >>> points = imachsr.choose_points(imachsr.find_points(network, images), 1)
    >>> {term.name: term.kept for term in cost(network, points, images, classes=2).extra}
    {'features': 0, 'adapter': 0, 'supervision': 512, 'regularizer': 0}
    """
    terms.check_implementation(implementation)
    scheme = scheme if isinstance(scheme, Scheme) else scheme_named(scheme)
    points = tuple(points) if scheme.uses_points else ()
    counted = network if isinstance(network, Counted) else count(network, *inputs, points=points)
    H, W = labels or counted.images
    parts = [_network(counted), _output(counted, scheme, implementation, classes, (H, W))]
    covered = _covered(counted, (H, W))
    for point, K in zip(points, _classes_at(scheme, points, classes), strict=True):
        parts += _at_point(point, counted, scheme, implementation, K, covered)
    return Cost(counted, points, tuple(parts), classes, (H, W), scheme.name, implementation)


def _classes_at(scheme: Scheme, points: Sequence[Point], classes: int) -> list[int]:
    """K at each point: its clusters where classes are merged (HS3)."""
    clusters = scheme.clusters
    if clusters is None:
        return [classes] * len(points)
    if len(clusters) != len(points):
        raise ValueError(
            f"got clusters for {len(clusters)} points and {len(points)} points; the classes left at each point decide "
            "its cost; derive them with imachsr.hierarchy and pass the Scheme"
        )
    return [max(ids) + 1 for ids in clusters]


def _network(counted: Counted) -> Term:
    return Term(
        "network", "", counted.forward, counted.backward, counted.products, counted.kept, counted.parameters,
        "counted layer by layer",
    )  # fmt: skip


def _output(counted: Counted, scheme: Scheme, implementation: str, classes: int, labels: tuple[int, int]) -> Term:
    B, _, h, w = (*counted.logits, 1, 1)[:4]
    place = terms.Place(B, classes, classes, h, w, *labels)
    return terms.pixel_loss(scheme.output)("output", place, implementation, logits=counted.logits_kept)


def _covered(counted: Counted, labels: tuple[int, int]) -> tuple[int, int]:
    """Labels over the area that features cover, where the network pads its images."""
    return tuple(  # type: ignore[return-value]
        label + (covered - image) * label // image
        for label, covered, image in zip(labels, counted.covered, counted.images, strict=True)
    )


def _at_point(
    point: Point, counted: Counted, scheme: Scheme, implementation: str, classes: int, labels: tuple[int, int]
) -> list[Term]:
    if point.name not in counted.features:
        raise ValueError(
            f"got point {point.name!r}, which was not counted; what is kept of it is learnt with the network; "
            "pass it to count(..., points=...)"
        )
    place = terms.at(point, batch=counted.batch, classes=classes, labels=labels)
    readers = (scheme.supervision is not None) + (scheme.regularizer is not None)
    parts = [terms.features(place, point=point, kept_anyway=counted.features[point.name], readers=readers)]
    if scheme.supervision is not None:
        parts.append(terms.adapter(place, point=point, brought=counted.brings_adapters))
        loss = terms.pixel_loss(scheme.supervision)
        parts.append(loss("supervision", place, implementation, point=point.name))
    if scheme.regularizer is not None:
        parts.append(terms.negative_entropy(place, implementation, point=point.name))
    return parts
