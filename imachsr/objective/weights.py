"""How much each term counts: what the scheme says, times what is measured, learned or scheduled."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .. import losses
from .scheme import SCHEDULES, Loss, Scheme, set_as
from .shares import Shares, share_of

SCALE = 2.0**16  # of losses whose gradients are compared; a power of two changes no digit
OWN = ("output", "auxiliary")  # losses of the network's own logits: no schedule lets them fade


class Term(NamedTuple):
    """One loss; the least it can be, taken off where its weight is learned; its share in the whole batch's value."""

    value: Tensor
    least: Tensor | float = 0.0
    share: Tensor | float = 1.0

    @property
    def part(self) -> Tensor:
        """What it adds to the term's value over the whole batch."""
        return self.value if isinstance(self.share, float) else self.value * self.share


class Weights(nn.Module):
    """The weights of a scheme's terms, and their sum.

    With w the term's alpha_m or lambda_m (1 for the output), s what is left of it by the schedule (1 for the output):

        fixed           sum of s w L
        gradient_norm   the same, each supervision times the factor |grad L_output| / |grad L|
        uncertainty     sum of s w (exp(-v) (L - least) + v / 2),  v = log sigma^2 learned

    `gradient_norm` takes norms over the network's parameters that both losses reach, sums them over the first
    batches (`measured_batches`, of those in which the point fired) and keeps the ratio: a buffer, `factors`. Across
    processes, DistributedDataParallel spreads its first process's.

    `uncertainty` is Kendall et al. (CVPR 2018, Eq. 10). Its optimum v = log 2(L - least) exists for positive terms
    only, hence `least`: -H(Y) for mutual information, -log C for negative entropy. With alpha = lambda_ = 1 and
    divide=False it is the published form.

    Args:
        scheme: what is asked.
        points: names of the points.
    """

    factors: Tensor
    norms: Tensor
    batches: Tensor
    left: Tensor

    def __init__(self, scheme: Scheme, points: Sequence[str]) -> None:
        super().__init__()
        self.scheme = scheme
        self.base = {"output": 1.0}
        for point, (alpha, lambda_) in zip(points, scheme.weights(len(points)), strict=True):
            if scheme.supervision is not None:
                self.base[f"{point}/supervision"] = alpha
            if scheme.regularizer is not None:
                self.base[f"{point}/regularizer"] = lambda_
        asked = [name for name, weight in self.base.items() if weight and name != "output"]
        self.matched = [n for n in asked if n.endswith("/supervision")] if scheme.weighting == "gradient_norm" else []
        self.learned = ["output", *asked] if scheme.weighting == "uncertainty" and asked else []
        if self.matched:
            self.register_buffer("factors", torch.ones(len(self.matched)))
            self.register_buffer("norms", torch.zeros(2, len(self.matched)))  # of output and supervision, summed
            self.register_buffer("batches", torch.zeros(len(self.matched), dtype=torch.int64))
        if self.learned:
            self.log_variances = nn.Parameter(torch.zeros(len(self.learned)))
        if scheme.schedule != "constant":
            self.register_buffer("left", torch.ones(()), persistent=False)
        self.measuring, self.over, self._progress = bool(self.matched), False, 0.0

    @property
    def progress(self) -> float:
        """Share of the training done, from 0 to 1; a schedule follows it."""
        return self._progress

    @progress.setter
    def progress(self, value: float) -> None:
        if not 0 <= value <= 1:
            raise ValueError(f"got progress={value}; it is the share of training done, 0 to 1; pass step / steps")
        self._progress = float(value)
        if self.scheme.schedule != "constant":
            left = SCHEDULES[self.scheme.schedule](self._progress)
            self.left.fill_(left)  # a tensor, so that a compiled step stays compiled
            self.over = left == 0

    def counts(self, name: str) -> bool:
        """Whether the term has any weight now."""
        return self.base[name] != 0 and not (self.over and name not in OWN)

    @contextmanager
    def only(self, name: str) -> Iterator[None]:
        """Inside, no other term counts: to find out which one a fault comes from."""
        base, self.base = self.base, {other: weight * (other == name) for other, weight in self.base.items()}
        try:
            yield
        finally:
            self.base = base

    def ask(self, name: str, loss: Loss, scores: Tensor, *targets: Tensor, shares: Shares | None = None) -> Term:
        """The term; where it does not count its value is shown only, and no graph is kept for it."""
        share = 1.0 if shares is None else share_of(loss, shares, *targets)
        if targets:  # features alone always count
            scores = _counted(scores, share)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.counts(name)):
            value = _value(name, loss, scores, *targets)
        if not isinstance(value, Tensor) or value.ndim:
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"type {type(value).__name__}"
            raise ValueError(f"got {got} for the term {name!r}; a loss is one number; average it, as reduction='mean'")
        value = _counted(value, share)
        if name not in self.learned:
            return Term(value, share=share)
        term = Term(value, least_of(loss, scores, *targets), share)
        _check_positive(name, term)
        return term

    def total(self, terms: dict[str, Term]) -> Tensor:
        """L_T of the terms present; one that does not count has no part in it."""
        parts = [self._weighted(name, term) for name, term in terms.items() if self.counts(name)]
        return sum(parts[1:], parts[0]) if parts else 0.0 * terms["output"].value

    def _weighted(self, name: str, term: Term) -> Tensor:
        weighted = self._weight(name) * self._balanced(name, term)
        return weighted if isinstance(term.share, float) else weighted * term.share

    def _weight(self, name: str) -> Tensor | float:
        weight: Tensor | float = self.base[name]
        if name in self.matched:
            weight = weight * self.factors[self.matched.index(name)]
        if self.scheme.schedule != "constant" and name not in OWN:
            weight = weight * self.left
        return weight

    def _balanced(self, name: str, term: Term) -> Tensor:
        if name not in self.learned:
            return term.value
        return balanced(term.value - term.least, self.log_variances[self.learned.index(name)])

    def now(self) -> dict[str, float]:
        """What each term is multiplied by at this moment, for reports."""
        return {name: self._now(name) for name in self.base}

    def _now(self, name: str) -> float:
        learned = math.exp(-self.log_variances[self.learned.index(name)].item()) if name in self.learned else 1.0
        return float(self._weight(name)) * learned

    def measure(self, terms: dict[str, Term], parameters: Sequence[nn.Parameter]) -> None:
        """Compare gradients on this batch ("gradient_norm"): one more backward pass per term, kept to few batches."""
        if torch.compiler.is_compiling():
            raise RuntimeError(
                "got a compiled step while weighting='gradient_norm' still measures; gradients are compared outside of "
                f"the graph; run {self.scheme.measured_batches} batches first, then compile"
            )
        enough = self.scheme.measured_batches
        seen = [name in terms and self.counts(name) for name in self.matched]
        due = [m for m, batches in enumerate(self.batches.tolist()) if seen[m] and batches < enough]
        if not due:
            return
        if not parameters:
            raise ValueError(
                "got weighting='gradient_norm' and a network none of whose parameters requires a gradient; gradients "
                "are compared over those that do; call requires_grad_(True) on the layers to train, or use "
                "weighting='fixed'"
            )
        output = _gradients(terms["output"].value, parameters)
        for m in due:
            own = _gradients(terms[self.matched[m]].value, parameters)
            pairs = [(a, b) for a, b in zip(output, own, strict=True) if a is not None and b is not None]
            for row, gradients in enumerate(zip(*pairs, strict=True)):
                self.norms[row, m] += nn.utils.get_total_norm(gradients)
            self.batches[m] += 1
            if self.norms[1, m] > 0:
                self.factors[m] = self.norms[0, m] / self.norms[1, m]
            if self.batches[m] == enough:
                self._check_factor(m)
        self.measuring = self._short()

    def _check_factor(self, m: int) -> None:
        output, own = self.norms[:, m].tolist()
        if not (own > 0 and math.isfinite(output / own)):
            raise RuntimeError(
                f"got gradients of norm {output:.3g} (output) and {own:.3g} ({self.matched[m]}) over "
                f"{self.scheme.measured_batches} batches; matching divides one by the other; choose a point after "
                "trainable parameters and batches with labels, or weighting='fixed'"
            )

    def _short(self) -> bool:
        return bool(self.matched) and bool((self.batches < self.scheme.measured_batches).any())

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self.measuring = self._short()


def _gradients(loss: Tensor, parameters: Sequence[nn.Parameter]) -> list[Tensor | None]:
    """Of the loss, by way of the largest scale that lets none overflow: fp16 would make small ones zero."""
    scale = SCALE
    while True:
        found = torch.autograd.grad(scale * loss, parameters, retain_graph=True, allow_unused=True)
        if scale == 1 or all(gradient.isfinite().all() for gradient in found if gradient is not None):
            return [None if g is None else g.to(torch.promote_types(g.dtype, torch.float32)) / scale for g in found]
        scale /= 2


def _counted(tensor: Tensor, share: Tensor | float) -> Tensor:
    """The tensor, or a choice of 0 where its share is 0: a mean over nothing may be nan, and so would 0 times it be."""
    return tensor if isinstance(share, float) else torch.where(share > 0, tensor, 0)


def _value(name: str, loss: Loss, scores: Tensor, *targets: Tensor) -> Any:
    """The loss; where it takes labels at their own size only, an error that says so."""
    sizes = [tuple(scores.shape[2:]), *(tuple(labels.shape[1:]) for labels in targets)]
    if torch.compiler.is_compiling() or len({*sizes}) == 1:
        return loss(scores, *targets)
    try:
        return loss(scores, *targets)
    except (RuntimeError, IndexError) as error:
        upsamples = hasattr(getattr(loss, "func", loss), "__wrapped__")  # at_label_size, bound or not
        if upsamples or "memory" in str(error) or not any(word in str(error) for word in ("size", "shape")):
            raise
        raise ValueError(
            f"got logits {tuple(scores.shape)} and targets {tuple(targets[0].shape)} for the term {name!r}, whose loss "
            f"fails on them ({error}); logits may be of any resolution, and many losses meet labels at their own size "
            "only; pass imachsr.at_label_size(loss)"
        ) from error


def balanced(value: Tensor, log_variance: Tensor) -> Tensor:
    """exp(-v) L + v / 2: a term weighted by its own uncertainty (Kendall et al. 2018); v -> -inf where L < 0."""
    return torch.exp(-log_variance) * value + 0.5 * log_variance


def least_of(loss: Loss, scores: Tensor, *targets: Tensor) -> Tensor | float:
    """The least a mean loss can be: -H(Y) for mutual information, -log C for negative entropy, taken as 0 otherwise."""
    function, settings = set_as(loss)
    if settings.get("reduction", "mean") != "mean":
        return 0.0
    if function is losses.negative_entropy:
        return -math.log(scores.shape[settings.get("dim", 1)])
    estimator = "infonce" if function is losses.infonce else settings.get("estimator", "plug_in")
    if function not in (losses.mutual_information, losses.infonce) or estimator == "region":
        return 0.0
    ignored = settings.get("ignore_index", 255)
    classes = scores.shape[1]
    entropy = losses.label_entropy(*targets, classes=classes, ignore_index=ignored, estimator=estimator)
    return -entropy.to(torch.promote_types(scores.dtype, torch.float32))


def _check_positive(name: str, term: Term) -> None:
    if torch.compiler.is_compiling():  # values cannot be looked at
        return
    value = float(term.value.detach() - term.least)
    if value < -1e-5:  # beyond what rounding leaves of a zero
        raise ValueError(
            f"got {value:.4g} for the term {name!r} with weighting='uncertainty'; its learned weight runs away where "
            "the term can be negative; add to the loss what it lacks to zero, or use another weighting"
        )
