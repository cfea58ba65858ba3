"""How much time and memory M points will take, and what M a budget allows.

Operations alone do not tell time: a convolution does a hundred of them while a loss at label size waits for memory. So
one conventional step is measured in its two parts, network and output loss, and gives two prices: seconds per
operation of the network, and seconds per unit of a loss. The unit is an operation where losses are fused, and a byte
kept where they are written out, since those mostly move tensors of label size through memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor, nn

from ..objective import Scheme, scheme
from ..points import Point, choose_points, logits_of
from .cost import Cost, cost
from .measure import waited
from .network import Counted, count
from .terms import Term, implemented


@dataclass(frozen=True)
class Prices:
    """What a conventional step cost on this machine.

    Args:
        network: seconds per operation of the network, adapters and gradients added at points.
        loss: seconds per unit of a loss: an operation if fused, a byte kept if eager.
        implementation: "eager" or "fused".
        step: seconds of the step measured.
    """

    network: float
    loss: float
    implementation: str
    step: float

    def seconds(self, term: Term) -> float:
        """Of one term, forward and backward."""
        if term.name in ("network", "features", "adapter"):
            return self.network * term.operations
        return self.loss * (term.operations if self.implementation == "fused" else term.kept)

    def ratio(self, cost: Cost) -> float:
        """Time of the step by the time of the same step without its points."""
        base = sum(self.seconds(term) for term in cost.terms if not term.point)
        return 1 + sum(self.seconds(term) for term in cost.extra) / base


def calibrate(
    network: nn.Module, *images: Tensor, classes: int, implementation: str = "fused", rounds: int = 3
) -> Prices:
    """Prices from conventional steps on random labels, the fastest of each part; weights and buffers stay as they were.

    Args:
        network: on the device it will train on, in train mode.
        images: (B, 3, H, W) there, or several inputs; a small B will do.
        classes: K.
        implementation: of the output loss.
        rounds: steps measured, after one to warm up.

    Raises:
        ValueError: no rounds.
    """
    if rounds < 1:
        raise ValueError(f"got rounds={rounds}; prices come from one measured step at least; pass 1 or more")
    device = str(images[0].device.type)
    own = torch.Generator().manual_seed(0)
    targets = torch.randint(0, classes, (len(images[0]), *images[0].shape[-2:]), generator=own).to(device)
    counted = count(network, *images)
    plain = cost(counted, (), classes=classes, scheme="conventional", implementation=implementation)
    loss = implemented(scheme("conventional"), implementation, device).output
    state = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.random.fork_rng():
        times = [_step(network, loss, images, targets, device) for _ in range(rounds + 1)][1:]
    network.load_state_dict(state)
    network.zero_grad(set_to_none=True)
    of_network, of_loss = (min(column) for column in zip(*times, strict=True))
    base, output = plain.terms
    unit = output.operations if implementation == "fused" else output.kept
    return Prices(of_network / base.operations, of_loss / unit, implementation, of_network + of_loss)


def _step(network: nn.Module, loss: Any, images: Sequence[Tensor], targets: Tensor, device: str) -> tuple[float, float]:
    """Seconds of the network, and of the output loss, forward and backward."""
    network.zero_grad(set_to_none=True)
    started = waited(device)
    logits = logits_of(network(*images))
    scores = logits.detach().requires_grad_()
    reached = waited(device)
    loss(scores, targets).backward()
    judged = waited(device)
    logits.backward(scores.grad)
    return waited(device) - started - (judged - reached), judged - reached


@dataclass(frozen=True)
class Offer:
    """What M points would take.

    Args:
        cost: in its terms.
        bytes: kept, by those of the conventional step; exact.
        time: by that of the conventional step; predicted, None without prices.
    """

    cost: Cost
    bytes: float
    time: float | None


def offers(
    counted: Counted,
    points: Sequence[Point],
    *,
    classes: int,
    scheme: str | Scheme = "imachsr",
    implementation: str = "fused",
    near: str = "spread",
    most: int = 8,
    prices: Prices | None = None,
) -> list[Offer]:
    """What M = 1, 2, ... points would take, up to `most` or to what the network has.

    Args:
        counted: what `count` said of the network with these points.
        points: all of its points, from `find_points`.
        classes: K.
        scheme: by name, or a Scheme.
        implementation: "eager" or "fused".
        near: which row of points, see `choose_points`.
        most: the largest M asked for.
        prices: from `calibrate`, for the time.

    Raises:
        ValueError: no points asked for, or none to be had.
    """
    if most < 1 or not len(points):
        raise ValueError(
            f"got most={most} and {len(points)} points; there is something to offer from one point on; pass most >= 1 "
            "and the points of find_points"
        )
    found = []
    for M in range(1, min(most, len(points)) + 1):
        chosen = choose_points(points, M, near=near)
        whole = cost(counted, chosen, classes=classes, scheme=scheme, implementation=implementation)
        base = sum(term.kept for term in whole.terms if not term.point)
        found.append(Offer(whole, whole.kept / base, prices.ratio(whole) if prices else None))
    return found


def affordable(offers: Sequence[Offer], *, time: float | None = None, memory: float | None = None) -> int:
    """The largest M for which it and every smaller M stay within the budgets, 0 if even one point is too much.

    Args:
        offers: from `offers`.
        time: share more than the conventional step, such as 0.05.
        memory: share more bytes kept.

    Raises:
        ValueError: a negative budget, or a budget of time without prices.
    """
    for name, budget in {"time": time, "memory": memory}.items():
        if budget is not None and not budget >= 0:
            raise ValueError(
                f"got {name}={budget}; a budget is a share more than the conventional step; pass 0 or more"
            )
    if time is not None and any(offer.time is None for offer in offers):
        raise ValueError(
            f"got time={time} and offers without prices; seconds follow from one measured step; "
            "pass prices=calibrate(...) to offers"
        )
    for M, offer in enumerate(offers):
        if (offer.time or 1) > 1 + (inf if time is None else time):
            return M
        if offer.bytes > 1 + (inf if memory is None else memory):
            return M
    return len(offers)
