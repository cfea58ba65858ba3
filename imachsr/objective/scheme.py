"""Schemes: what is asked of a network at its points, as data.

Axes: B images, K classes, C channels at a point, (h, w) features, (H, W) labels, M points.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, wraps
from numbers import Real
from typing import Any

from torch import Tensor

from .. import losses

Loss = Callable[..., Tensor]

WEIGHTINGS = ("fixed", "gradient_norm", "uncertainty")

# share of alpha and lambda that is left at a progress from 0 to 1
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: 1.0 - progress,
    "cosine": lambda progress: 0.5 * (1.0 + math.cos(math.pi * progress)),
}


@dataclass(frozen=True)
class Scheme:
    """What is asked of the network at its points; the schemes compared differ in this data only.

    Args:
        name: shown in results.
        supervision: any loss(logits, targets) -> scalar, of the adapter's logits at each point, or None; one that has
            a keyword `ignore_index` is given it; see `at_label_size` for losses that do not upsample.
        regularizer: loss(features) of the features (B, C, h, w) at each point, or None.
        alpha: weight of the supervision; a sequence gives one per point.
        lambda_: weight of the regularizer; a sequence gives one per point.
        divide: share alpha and lambda_ among the M points (alpha/M each); else every point gets all of it.
        output: loss(logits, targets) of the network's own logits, likewise.
        weighting: "fixed"; "gradient_norm" scales each supervision until its gradient is as long as the output
            loss's, times alpha; "uncertainty" learns how much each term counts. See `Weights`.
        schedule: what becomes of alpha and lambda_ during training: "constant", or to zero by "linear" or "cosine".
        clusters: for HS3, the cluster of each class (K,) for each of the M points, numbered from 0; the supervision
            then meets labels merged so. See `imachsr.hierarchy`.
        measured_batches: how many batches "gradient_norm" measures before it fixes its factors.

    Raises:
        TypeError: a loss that is no function.
        ValueError: an unknown weighting or schedule, or a weight that is none.
    """

    name: str
    supervision: Loss | None = None
    regularizer: Loss | None = None
    alpha: float | Sequence[float] = 0.4  # PSPNet's auxiliary weight; the papers give none
    lambda_: float | Sequence[float] = 0.01  # small beside the supervision; the papers give none
    divide: bool = True
    output: Loss = losses.cross_entropy
    weighting: str = "fixed"
    schedule: str = "constant"
    clusters: Sequence[Sequence[int]] | None = None
    measured_batches: int = 4  # enough to average out one odd batch

    def __post_init__(self) -> None:
        for name, known in {"weighting": WEIGHTINGS, "schedule": tuple(SCHEDULES)}.items():
            if getattr(self, name) not in known:
                raise ValueError(
                    f"got {name}={getattr(self, name)!r} for scheme {self.name!r}; the {name}s known are {known}; "
                    "use one of them"
                )
        if self.measured_batches < 1:
            raise ValueError(
                f"got measured_batches={self.measured_batches}; a gradient is measured on one batch at least; raise it"
            )
        for name in ("output", "supervision", "regularizer"):
            loss = getattr(self, name)
            if isinstance(loss, type):
                raise TypeError(
                    f"got {name}={loss.__name__}, a class, for scheme {self.name!r}; a loss is a function of logits or "
                    f"features; pass an instance, as {loss.__name__}(...)"
                )
            if not callable(loss) and (loss is not None or name == "output"):
                raise TypeError(
                    f"got {name}={loss!r} for scheme {self.name!r}; a loss is a function of logits or features; pass "
                    "one, such as imachsr.losses.mutual_information"
                )
        for name in ("alpha", "lambda_"):
            given = getattr(self, name)
            for value in given if isinstance(given, Sequence) and not isinstance(given, str) else [given]:
                self._check_weight(name, value)

    def _check_weight(self, name: str, value: float) -> None:
        if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
            raise ValueError(f"got {name}={value!r}; a weight is a finite number; pass one, or 0 to leave the term out")
        if value < 0:
            raise ValueError(
                f"got {name}={value}; below 0 a loss would be maximized; pass 0 or more, and a loss to be minimized"
            )

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
    "hs3": Scheme("hs3", supervision=losses.cross_entropy, clusters=()),  # which classes to merge must be derived first
    "hs3_fuse": Scheme("hs3_fuse", supervision=losses.cross_entropy, clusters=()),  # on a network changed by fuse
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


def at_label_size(loss: Loss, *, align_corners: bool = False) -> Loss:
    """A loss that meets labels at their own size only, made to take logits of any resolution.

    Args:
        loss: (logits (B, K, H, W), targets (B, H, W)) -> scalar: a function or module of any library.
        align_corners: which grid the bilinear upsampling uses.

    Returns:
        loss(logits (B, K, h, w), targets (B, H, W)), in float32 at least; (B, K) with (B,) goes through as it is.

    >>> import torch
    >>> dice = at_label_size(lambda logits, targets: 1 - logits.softmax(1).gather(1, targets[:, None]).mean())
    >>> float(dice(torch.zeros(2, 4, 3, 3), torch.zeros(2, 8, 8, dtype=torch.int64)))
    0.75
    """

    @wraps(loss, updated=())  # shows the keywords of the loss, `ignore_index` among them
    def upsampled(logits: Tensor, targets: Tensor, **settings: Any) -> Tensor:
        return loss(losses.upsample(logits, targets.shape[1:], align_corners), targets, **settings)

    return upsampled


def set_as(loss: Loss) -> tuple[Loss, dict[str, Any]]:
    """The function or module within a loss, bound by `partial` or wrapped by `at_label_size`, and what is bound."""
    settings: dict[str, Any] = {}
    while isinstance(loss, partial) or hasattr(loss, "__wrapped__"):
        if isinstance(loss, partial):
            settings = {**loss.keywords, **settings}
            loss = loss.func
        else:
            loss = loss.__wrapped__
    return loss, settings
