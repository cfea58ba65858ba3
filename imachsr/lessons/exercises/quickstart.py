"""Exercises of notebook 01: the total, what an adapter adds, how long a gradient is."""

from __future__ import annotations

from typing import Any

import torch

from ..exercise import Exercise
from .random import rng


def total_loss(
    output: float, supervisions: list[float], regularizers: list[float], alphas: list[float], lambdas: list[float]
) -> float:
    """L_T = L_CE + sum_m (alpha_m L_MI^m + lambda_m L_NE^m), iMacHSR Eq. 3."""
    terms = zip(supervisions, regularizers, alphas, lambdas, strict=True)
    return output + sum(alpha * mi + lambda_ * ne for mi, ne, alpha, lambda_ in terms)


def adapter_parameters(channels: int, classes: int) -> int:
    """How many numbers a 1x1 projection from C channels to K classes learns."""
    return (channels + 1) * classes


def gradient_norm(gradients: list[torch.Tensor]) -> float:
    """Euclidean norm of all gradients together, as if they were one long vector."""
    return sum(float(gradient.square().sum()) for gradient in gradients) ** 0.5


def _terms(seed: int) -> tuple[Any, ...]:
    random, M = rng(seed), 2 + seed % 3
    draw = [random.uniform(low, high, M).tolist() for low, high in ((-1, 0), (-5, -1), (0.1, 1), (0.01, 0.2))]
    return (float(random.uniform(1, 3)), *draw)


def _sizes(seed: int) -> tuple[int, int]:
    random = rng(seed)
    return int(random.integers(8, 300)), int(random.integers(2, 24))


def _gradients(seed: int) -> tuple[list[torch.Tensor]]:
    random = rng(seed)
    return ([torch.from_numpy(random.normal(size=size)) for size in ((4, 3), (7,), (2, 2, 3))],)


def _sum(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


EXERCISES = (
    Exercise(
        id="01.total",
        task="Put the total of Eq. 3 together from its parts: the output's loss, and at each point m a supervision "
        "and a regularizer with weights of their own. All parts are losses already: smaller is better.",
        solution=total_loss,
        instance=_terms,
        wrong={
            "left out the loss of the output": lambda out, mi, ne, a, b: _sum(a, mi) + _sum(b, ne),
            "averaged over the points instead of summing": lambda out, mi, ne, a, b: (
                out + (_sum(a, mi) + _sum(b, ne)) / len(mi)
            ),
            "subtracted the regularizer: it is the negative entropy already": lambda out, mi, ne, a, b: (
                out + _sum(a, mi) - _sum(b, ne)
            ),
            "subtracted the supervision: the loss is minus the information already": lambda out, mi, ne, a, b: (
                out - _sum(a, mi) + _sum(b, ne)
            ),
            "gave every point the weights of the first": lambda out, mi, ne, a, b: (
                out + a[0] * sum(mi) + b[0] * sum(ne)
            ),
            "left out the weights": lambda out, mi, ne, a, b: out + sum(mi) + sum(ne),
        },
    ),
    Exercise(
        id="01.adapter",
        task="A dimension adapter is a 1x1 convolution with bias from C channels to K classes. How many numbers does "
        "it learn?",
        solution=adapter_parameters,
        instance=_sizes,
        wrong={
            "forgot the bias": lambda C, K: C * K,
            "counted one bias per channel instead of one per class": lambda C, K: C * K + C,
            "counted a 3x3 kernel: the adapter looks at one position only": lambda C, K: (9 * C + 1) * K,
            "counted the biases alone": lambda C, K: K,
        },
    ),
    Exercise(
        id="01.norm",
        task="Section 3 compares how long the gradient of a part of the network is. Given the gradients of its "
        "parameters, tensors of any shapes, return the length of the one vector they make together.",
        solution=gradient_norm,
        instance=_gradients,
        wrong={
            "added the norms of the tensors: squares add up, lengths do not": lambda g: sum(float(x.norm()) for x in g),
            "forgot the root: this is the square of the norm": lambda g: sum(float(x.square().sum()) for x in g),
            "added the entries instead of their squares": lambda g: sum(float(x.sum()) for x in g),
            "averaged over the entries: a part with many parameters is longer, not the same": lambda g: (
                (sum(float(x.square().sum()) for x in g) / sum(x.numel() for x in g)) ** 0.5
            ),
            "took the largest tensor alone": lambda g: max(float(x.norm()) for x in g),
        },
        properties={
            "a gradient twice as large is twice as long": lambda f, a: (
                abs(f([2 * g for g in a[0]]) - 2 * f(a[0])) < 1e-6
            )
        },
    ),
)
