"""The entropy explorer: what the negative entropy does to a feature map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .explorer import Explorer, explorer, numbers, picture, table

STEPS = 200  # of gradient descent
LAMBDAS = np.linspace(0, 4, 9).tolist()
TEMPERATURES = np.geomspace(0.25, 4, 9).round(3).tolist()


@dataclass(frozen=True)
class EntropyEffect:
    """A feature map before and after the regularizer pulled at it.

    Args:
        before: entropy of the channel softmax at each position as a share of log C, (h, w).
        after: the same afterwards.
        ranked_before: mean probability of the largest channel, the second, ..., (C,).
        ranked_after: the same afterwards.
        moved: root mean square change of the features.
    """

    before: np.ndarray
    after: np.ndarray
    ranked_before: np.ndarray
    ranked_after: np.ndarray
    moved: float


def compute_entropy(features: np.ndarray, *, lambda_: float, temperature: float) -> EntropyEffect:
    """Where features settle between a pull back to what they were, f0, and the regularizer (iMacSR Eq. 3).

    At each position, gradient descent from f0 on

        1/2 |f - f0|^2 + lambda * sum_c p_c log p_c,   p = softmax(f / temperature)

    A toy: the first term stands for everything else the network wants. Temperature 1 is the loss itself.

    Args:
        features: f0, (C, h, w) with at least two channels.
        lambda_: weight of the negative entropy, not negative.
        temperature: divides the features before the softmax, positive.

    Raises:
        ValueError: features of another shape, a negative weight, a temperature that is not positive.

    >>> effect = compute_entropy(np.array([2.0, 0.0]).reshape(2, 1, 1), lambda_=1.0, temperature=1.0)
    >>> bool(effect.after.mean() > effect.before.mean())
    True
    """
    start = np.asarray(features, dtype=np.float64)
    _check_entropy(start, lambda_, temperature)
    f, step = start.copy(), 1 / (1 + lambda_ / temperature**2)
    for _ in range(STEPS):
        p, log_p = _channel_softmax(f / temperature)
        slope = p * (log_p - (p * log_p).sum(0)) / temperature
        f -= step * (f - start + lambda_ * slope)
    (before, ranked_before), (after, ranked_after) = (_spread(g / temperature) for g in (start, f))
    return EntropyEffect(before, after, ranked_before, ranked_after, float(np.sqrt(np.square(f - start).mean())))


def _check_entropy(features: np.ndarray, lambda_: float, temperature: float) -> None:
    if features.ndim != 3 or len(features) < 2 or 0 in features.shape:
        raise ValueError(
            f"got features {features.shape}; one map (C, h, w) of two channels or more is needed; index one image"
        )
    if lambda_ < 0 or not temperature > 0:
        raise ValueError(
            f"got lambda_={lambda_} and temperature={temperature}; a weight is not negative and a temperature is "
            "positive; raise it"
        )


def _channel_softmax(f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p and log p over the channels of (C, h, w)."""
    shifted = f - f.max(0)
    log_p = shifted - np.log(np.exp(shifted).sum(0))
    return np.exp(log_p), log_p


def _spread(f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Entropy as a share of log C (h, w), and mean probabilities by rank (C,)."""
    p, log_p = _channel_softmax(f)
    return -(p * log_p).sum(0) / np.log(len(f)), -np.sort(-p, axis=0).mean((1, 2))


def entropy_explorer(features: Any) -> Explorer:
    """Picks weight and temperature of the negative entropy and redraws what a feature map becomes.

    Args:
        features: one map (C, h, w), a tensor or an array.

    Raises:
        ValueError: features of another shape.
    """
    maps = np.asarray(features.detach().cpu() if hasattr(features, "detach") else features, dtype=np.float64)
    _check_entropy(maps, 0.0, 1.0)

    def render(lambda_: float, temperature: float) -> str:
        return _entropy_html(compute_entropy(maps, lambda_=lambda_, temperature=temperature), lambda_, temperature)

    controls = {
        "lambda_": numbers("Weight lambda", LAMBDAS, 1.0),
        "temperature": numbers("Temperature", TEMPERATURES, 1.0),
    }
    return explorer(controls, render)


def _entropy_html(effect: EntropyEffect, lambda_: float, temperature: float) -> str:
    from ..figures.entropy import entropies

    shares = 100 * effect.before.mean(), 100 * effect.after.mean()
    caption = (
        f"Weight {lambda_:g}, temperature {temperature:g}: entropy {shares[0]:.1f} % of its maximum before, "
        f"{shares[1]:.1f} % after."
    )
    alt = (
        f"Two maps of the channel entropy at each position, before (mean {shares[0]:.1f} % of its maximum, log C) and "
        f"after (mean {shares[1]:.1f} %), and bars of the mean probability of the channels from the largest down: the "
        f"largest falls from {effect.ranked_before[0]:.2f} to {effect.ranked_after[0]:.2f}."
    )
    rows = [
        {
            "features": name,
            "mean entropy / log C": f"{100 * share.mean():.1f} %",
            "positions below 5 %": f"{100 * (share < 0.05).mean():.1f} %",
            "largest probability": f"{ranked[0]:.3f}",
            "moved (root mean square)": f"{moved:.3f}",
        }
        for name, share, ranked, moved in (
            ("before", effect.before, effect.ranked_before, 0.0),
            ("after", effect.after, effect.ranked_after, effect.moved),
        )
    ]
    shares_of = {"before": effect.before, "after": effect.after}
    ranked_of = {"before": effect.ranked_before, "after": effect.ranked_after}
    return picture(entropies(shares_of, ranked_of), alt, caption) + table(rows)
