"""The total objective: which terms stand where, with what weight, and the module that trains them together.

    L_T = L_CE + sum_m (alpha_m * L_MI^m + lambda_m * L_NE^m)            (iMacHSR Eq. 3)

Axes: B images, K classes, C channels at a point, (h, w) features, (H, W) labels, M points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from inspect import signature
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import losses
from .adapters import DimensionAdapter
from .points import Capture, Point

Loss = Callable[..., Tensor]


@dataclass(frozen=True)
class Scheme:
    """What is asked of the network at its points; the schemes compared differ in this data only.

    Args:
        name: shown in results.
        supervision: any loss(logits, targets) -> scalar, of the adapter's logits at each point, or None; one that has
            a keyword `ignore_index` is given it.
        regularizer: loss(features) of the features (B, C, h, w) at each point, or None.
        alpha: weight of the supervision; a sequence gives one per point.
        lambda_: weight of the regularizer; a sequence gives one per point.
        divide: share alpha and lambda_ among the M points (alpha/M each); else every point gets all of it.
        output: loss(logits, targets) of the network's own logits, likewise.
    """

    name: str
    supervision: Loss | None = None
    regularizer: Loss | None = None
    alpha: float | Sequence[float] = 0.4  # PSPNet's auxiliary weight; the papers give none
    lambda_: float | Sequence[float] = 0.01  # small beside the supervision; the papers give none
    divide: bool = True
    output: Loss = losses.cross_entropy

    @property
    def uses_points(self) -> bool:
        """Whether anything at all is asked at intermediate points."""
        return self.supervision is not None or self.regularizer is not None

    def weights(self, count: int) -> list[tuple[float, float]]:
        """(alpha_m, lambda_m) for each of `count` points."""
        return list(zip(self._spread("alpha", count), self._spread("lambda_", count), strict=True))

    def _spread(self, name: str, count: int) -> list[float]:
        value = getattr(self, name)
        if isinstance(value, Sequence):
            if len(value) != count:
                raise ValueError(
                    f"got {len(value)} values of {name} for {count} points; a sequence needs one per point; "
                    "give as many as points, or one number for all"
                )
            return [float(entry) for entry in value]
        return [value / count if self.divide else value for _ in range(count)]


SCHEMES: dict[str, Scheme] = {
    "conventional": Scheme("conventional"),
    "deep_supervision": Scheme("deep_supervision", supervision=losses.cross_entropy),
    "imacsr": Scheme(
        "imacsr",
        supervision=partial(losses.mutual_information, estimator="variational"),
        regularizer=losses.negative_entropy,
    ),
    "imachsr": Scheme(
        "imachsr",
        supervision=partial(losses.mutual_information, estimator="plug_in"),
        regularizer=losses.negative_entropy,
    ),
}


def scheme(name: str, **changes: Any) -> Scheme:
    """A scheme by name, with fields changed at will.

    Args:
        name: one of `SCHEMES`.
        changes: fields of `Scheme` to replace, such as alpha=0.2.

    Raises:
        ValueError: unknown scheme or field.

    >>> scheme("imachsr", alpha=0.3).weights(3)[0][0]
    0.09999999999999999
    """
    if name not in SCHEMES:
        raise ValueError(f"got scheme {name!r}; the schemes known are {[*SCHEMES]}; use one, or build a Scheme")
    unknown = set(changes) - set(Scheme.__dataclass_fields__)
    if unknown:
        raise ValueError(
            f"got unknown field {sorted(unknown)[0]!r} of a scheme; its fields are {[*Scheme.__dataclass_fields__]}; "
            "correct the name"
        )
    return replace(SCHEMES[name], **changes)


class Losses(NamedTuple):
    """One step's losses.

    Attributes:
        total: L_T, a scalar to call backward() on.
        terms: name of each term ("output", "POINT/supervision", "POINT/regularizer") -> its value before weighting.
        logits: the network's own logits (B, K, h, w), detached.
    """

    total: Tensor
    terms: dict[str, Tensor]
    logits: Tensor


class Supervised(nn.Module):
    """A network with losses inside: one module that holds the network, the capture of its points and their adapters.

    Args:
        network: images to logits, or to a tuple, dict (`out`, `logits`) or object (`.logits`) of them.
        points: from `choose_points`; none for a scheme that asks nothing inside.
        scheme: what to ask there, see `scheme`.
        classes: K of the labels.
        ignore_index: label of pixels that count nowhere.

    Raises:
        ValueError: a scheme that needs points got none.

    >>> import imachsr
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 2, 1))
    >>> points = imachsr.choose_points(imachsr.find_points(network, torch.zeros(2, 3, 8, 8)), 1)
    >>> trainee = Supervised(network, points, imachsr.scheme("imachsr"), classes=2)
    >>> losses = trainee(torch.rand(2, 3, 8, 8), torch.randint(0, 2, (2, 8, 8)))
    >>> losses.total.backward()
    >>> trainee.release() is network
    True
    """

    def __init__(
        self, network: nn.Module, points: Sequence[Point], scheme: Scheme, *, classes: int, ignore_index: int = 255
    ) -> None:
        super().__init__()
        if scheme.uses_points and not points:
            raise ValueError(
                f"got no points for scheme {scheme.name!r}; it supervises inside the network; "
                "choose some with choose_points, or use scheme('conventional')"
            )
        if not scheme.uses_points:
            points = ()
        self.network, self.scheme, self.classes, self.ignore_index = network, scheme, classes, ignore_index
        self.points = tuple(points)
        self._output = _given(scheme.output, ignore_index)
        self._supervision = _given(scheme.supervision, ignore_index) if scheme.supervision else None
        self.capture = Capture(network, self.points)
        self.adapters = nn.ModuleList()
        if scheme.supervision is not None:
            device = next((parameter.device for parameter in network.parameters()), None)
            self.adapters.extend(DimensionAdapter(point.channels, classes).to(device) for point in self.points)

    def forward(self, images: Tensor | tuple[Tensor, ...], targets: Tensor) -> Losses:
        """The loss terms of one batch (Algorithm 1, lines 4 to 14).

        Args:
            images: (B, 3, H, W), or a tuple for networks of several inputs.
            targets: labels (B, H, W), or (B,) for classification; int64.
        """
        inputs = images if isinstance(images, tuple) else (images,)
        logits = logits_of(self.network(*inputs))
        terms = {"output": self._output(logits, targets)}
        total = terms["output"]
        covered = self._targets_covered(targets)
        weights = self.scheme.weights(len(self.points))
        for m, (point, features) in enumerate(zip(self.points, self.capture.read(), strict=True)):
            alpha, lambda_ = weights[m]
            if self._supervision is not None:
                adapted = self.adapters[m](features, pool=targets.ndim == 1)
                loss = self._supervision(adapted, covered)
                terms[f"{point.name}/supervision"] = loss
                total = total + alpha * loss
            if self.scheme.regularizer is not None:
                loss = self.scheme.regularizer(features)
                terms[f"{point.name}/regularizer"] = loss
                total = total + lambda_ * loss
        return Losses(total, {name: value.detach() for name, value in terms.items()}, logits.detach())

    def _targets_covered(self, targets: Tensor) -> Tensor:
        """Labels over the area the features cover: a network that pads its input says so by `padded_size`."""
        padded_size = getattr(self.network, "padded_size", None)
        if padded_size is None or targets.ndim == 1:
            return targets
        height, width = padded_size(*targets.shape[-2:])
        bottom, right = height - targets.shape[-2], width - targets.shape[-1]
        return F.pad(targets, (0, right, 0, bottom), value=self.ignore_index)

    def release(self) -> nn.Module:
        """The very network that came in, trained, with every hook gone."""
        self.capture.remove()
        return self.network


def _given(loss: Loss, ignore_index: int) -> Loss:
    return partial(loss, ignore_index=ignore_index) if "ignore_index" in signature(loss).parameters else loss


def logits_of(output: Any) -> Tensor:
    """The logits in what a network returned: a tensor, the first of a tuple, `out` or `logits` of a dict or object."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, (tuple, list)) and output:
        return logits_of(output[0])
    for key in ("out", "logits"):
        if isinstance(output, dict) and key in output:
            return logits_of(output[key])
        if hasattr(output, key):
            return logits_of(getattr(output, key))
    raise TypeError(
        f"got a network output of type {type(output).__name__}; logits must be a tensor, the first of a tuple, or "
        "'out' or 'logits' of a dict or object; wrap the network so that it returns them"
    )
