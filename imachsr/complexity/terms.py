"""What each loss term and adapter costs: operations, and bytes kept from forward to backward, for float32.

Axes: B images, K classes, C channels at a point, (h, w) features or logits, (H, W) labels, M points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import Any

from .. import losses
from ..objective import Loss, Scheme
from ..points import Point

IMPLEMENTATIONS = ("eager", "fused")
FLOAT = 4  # bytes of a float32; a float64 and an int64 take two of them

UP, DOWN = 7, 8  # bilinear, per value at label size: 4 products and 3 sums; on the way back 4 and 4
SOFTMAX = 5  # largest, difference, exponential, sum, quotient (or, of its logarithm, difference)

# (forward, backward) operations per value, elementwise; each is explained where it is used
CROSS_ENTROPY = (UP + SOFTMAX, 3 + DOWN)
INFORMATION = {"eager": (UP + SOFTMAX + 1, 4 + DOWN), "fused": (UP + SOFTMAX + 1, UP + SOFTMAX + 4 + DOWN)}
ENTROPY = {"eager": (SOFTMAX + 3, 6), "fused": (SOFTMAX + 3, SOFTMAX + 4)}


@dataclass(frozen=True)
class Term:
    """One part of a training step.

    Args:
        name: "network", "output", "features", "adapter", "supervision" or "regularizer".
        point: name of the point, "" for the network and its output.
        forward: operations of the forward pass.
        backward: operations of the backward pass.
        products: those of convolutions and matrix products: (forward, backward), what PyTorch's counter counts.
        kept: bytes kept from forward to backward.
        parameters: how many numbers it learns.
        formula: of what it keeps.
    """

    name: str
    point: str
    forward: int
    backward: int
    products: tuple[int, int] = (0, 0)
    kept: int = 0
    parameters: int = 0
    formula: str = ""

    @property
    def operations(self) -> int:
        """Forward and backward."""
        return self.forward + self.backward


@dataclass(frozen=True)
class Place:
    """Sizes at one place of the network: B images, K classes, C channels of (h, w), labels (H, W)."""

    B: int
    K: int
    C: int
    h: int
    w: int
    H: int
    W: int

    @property
    def labels(self) -> int:
        """B H W K: values of the logits at label size."""
        return self.B * self.H * self.W * self.K

    @property
    def logits(self) -> int:
        """B h w K: values of the logits where they are made."""
        return self.B * self.h * self.w * self.K

    @property
    def features(self) -> int:
        """B h w C."""
        return self.B * self.h * self.w * self.C


def at(point: Point, *, batch: int, classes: int, labels: tuple[int, int]) -> Place:
    """The sizes at a point."""
    return Place(batch, classes, point.channels, *point.size, *labels)


def features(place: Place, *, point: Point, kept_anyway: bool, readers: int) -> Term:
    """Capture: a copy where the network writes over the tensor later; each reader's gradient is added to the network's.

    Keeps B w h C values (the papers' first term of storage), or nothing where the network keeps that very tensor.
    """
    copied = place.features if point.overwritten else 0
    kept = 0 if kept_anyway and not point.overwritten else FLOAT * place.features
    return Term("features", point.name, copied, readers * place.features, kept=kept, formula="4 B w h C, or 0")


def adapter(place: Place, *, point: Point, brought: bool = False) -> Term:
    """The 1x1 projection: one product forward, two on the way back; its bias is added, and summed over.

    Where the network brings it, it runs once more for the supervision, and its numbers are among the network's.
    """
    product = 2 * place.features * place.K
    return Term(
        "adapter", point.name, product + place.logits, 2 * product + place.logits, (product, 2 * product),
        parameters=0 if brought else (place.C + 1) * place.K, formula="0",
    )  # fmt: skip


def cross_entropy(name: str, place: Place, implementation: str, *, point: str = "", logits: int | None = None) -> Term:
    """Upsample, log-softmax, pick; on the way back exp, subtract the label, scale, and down again.

    Eager keeps the log-softmax at label size, and an index, a weight and a mark per pixel: B H W (4 K + 13) bytes (and
    8, the number of labelled pixels).
    Fused keeps the logits where they are made, and their gradient: 8 B h w K.

    Args:
        name: of the term.
        place: the sizes.
        implementation: "eager" or "fused".
        point: its name.
        logits: bytes of the logits if kept, where they are not 4 B h w K.
    """
    forward, backward = (each * place.labels for each in CROSS_ENTROPY)
    if implementation == "fused":
        return _term_fused(name, place, forward, backward, point, logits)
    kept = FLOAT * place.labels + 13 * place.labels // place.K + 8
    return Term(name, point, forward, backward, kept=kept, formula="4 B W H K + 13 B W H")


def plug_in(name: str, place: Place, implementation: str, *, point: str = "", logits: int | None = None) -> Term:
    """Upsample, softmax, the joint of classes and labels; on the way back the joint's slope at each pixel.

    Eager makes the joint by a matrix product in float64 with the labels as one-hot columns, 2 K operations per value,
    and keeps the softmax and those columns: 12 B H W K bytes, beside three K x K tables per image. Fused adds each
    pixel to one column, goes over the labels twice, and keeps 8 B h w K.
    """
    forward, backward = (each * place.labels for each in INFORMATION[implementation])
    if implementation == "fused":
        return _term_fused(name, place, forward, backward, point, logits)
    product = 2 * place.K * place.labels
    tables = place.B * (24 * place.K**2 + 16 * place.K + 8) + 8
    return Term(
        name, point, forward + product, backward + product, (product, product), 12 * place.labels + tables,
        formula="12 B W H K",
    )  # fmt: skip


def _term_fused(name: str, place: Place, forward: int, backward: int, point: str, logits: int | None) -> Term:
    kept = FLOAT * place.logits + (FLOAT * place.logits if logits is None else logits)
    return Term(name, point, forward, backward, kept=kept, formula="8 B w h K")


def negative_entropy(place: Place, implementation: str, *, point: str) -> Term:
    """Log-softmax over channels, exp, multiply, add; on the way back the same again where it is fused.

    Eager keeps the log-softmax and the softmax: 8 B h w C bytes. Fused keeps the features alone.
    """
    forward, backward = (each * place.features for each in ENTROPY[implementation])
    if implementation == "eager":
        return Term("regularizer", point, forward, backward, kept=8 * place.features, formula="8 B w h C")
    return Term("regularizer", point, forward, backward, formula="0")


def pixel_loss(loss: Loss) -> Callable[..., Term]:
    """The function above that counts a loss of (logits, targets).

    Raises:
        ValueError: a loss whose operations are not known here.
    """
    function = loss.func if isinstance(loss, partial) else loss
    settings = loss.keywords if isinstance(loss, partial) else {}
    if function is losses.cross_entropy:
        return cross_entropy
    estimator = settings.get("estimator", "plug_in")
    if function is losses.mutual_information and estimator in ("plug_in", "variational"):
        return plug_in if estimator == "plug_in" else cross_entropy
    raise ValueError(
        f"got the loss {getattr(function, '__name__', function)!r}{f' ({estimator})' if settings else ''}; operations "
        "are known for cross_entropy and for mutual_information by plug_in or variational; "
        "measure it instead, with complexity.kept_bytes and complexity.race"
    )


def implemented(scheme: Scheme, implementation: str, device: str = "cpu") -> Scheme:
    """The scheme with its losses bound to one implementation.

    Args:
        scheme: with losses of `imachsr.losses`.
        implementation: "eager": the references, everything at label size; "fused": the fast twins of the device.
        device: "cpu" or "cuda".
    """
    check_implementation(implementation)
    impl = "reference" if implementation == "eager" else _fused(device)
    changes: dict[str, Any] = {
        name: partial(loss, impl=impl)
        for name in ("output", "supervision", "regularizer")
        if (loss := getattr(scheme, name)) is not None
    }
    return replace(scheme, **changes)


def _fused(device: str) -> str:
    fast = "triton" if device == "cuda" else "numba"
    return fast if find_spec(fast) else "chunked"


def check_implementation(implementation: str) -> None:
    """Refuse anything but "eager" and "fused"."""
    if implementation not in IMPLEMENTATIONS:
        raise ValueError(
            f"got implementation={implementation!r}; losses are written out at label size or fused with the "
            f"upsampling; use one of {IMPLEMENTATIONS}"
        )
