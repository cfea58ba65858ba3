"""Problems whose smoothness, gradient and noise constants are known, not fitted.

Axes: I instances (any number of leading axes, or none), R runs side by side, N components, Z minibatches, d parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

BISECTIONS = 200  # halvings until the bracket is one float wide


class Problem(Protocol):
    """What descent needs to know."""

    @property
    def outcomes(self) -> int:
        """Z, how many equally likely minibatches there are; 0 where they are too many to list."""

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """Full gradient of the total, (..., R, d), at theta (..., R, d)."""

    def minibatches(self, theta: np.ndarray) -> np.ndarray:
        """Gradients of the total on every minibatch, (..., R, Z, d)."""

    def drawn(self, theta: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Gradient of the total on a minibatch drawn for each run, (..., R, d); the second half draws the opposite."""


@dataclass(frozen=True)
class Ridges:
    """L_T(theta) = sum_s w_s f_s(a_s . theta - c_s), with f_s Huber or logistic, and noise of known size.

    Huber with threshold t: u^2/2 up to |u| = t, straight beyond: L_s = |a_s|^2, G_s = t |a_s|, least value 0.
    Logistic: the mean logistic loss of two examples with opposite labels, log(2 cosh(u/2)): L_s = |a_s|^2 / 4,
    G_s = |a_s| / 2, least value log 2. A minibatch adds +-1 times `noise` to each component's gradient, so
    sigma_s is that vector's length; `shared` gives all components the same sign, as one minibatch does.

    Args:
        directions: a_s, (..., N, d).
        centres: c_s, (..., N).
        thresholds: t, (..., N).
        logistic: which components are logistic, bool (..., N).
        weights: w_s, (..., N).
        noise: (..., N, d); zero for exact gradients.
        shared: one sign for all components, or independent ones.
    """

    directions: np.ndarray
    centres: np.ndarray
    thresholds: np.ndarray
    logistic: np.ndarray
    weights: np.ndarray
    noise: np.ndarray
    shared: bool = True

    def take(self, chosen: np.ndarray) -> Ridges:
        """Some of the instances, by their number on the first axis."""
        arrays = {name: value[chosen] for name, value in vars(self).items() if name != "shared"}
        return Ridges(**arrays, shared=self.shared)

    @property
    def outcomes(self) -> int:
        """Two minibatches where the sign is shared, one where there is no noise, too many to list otherwise."""
        if not self.noise.any():
            return 1
        return 2 if self.shared else 0

    @property
    def constants(self) -> dict[str, np.ndarray]:
        """`smoothness`, `gradients`, `noise` and `weights`, (..., N) each: what the bounds take."""
        length = np.linalg.norm(self.directions, axis=-1)
        return {
            "smoothness": length**2 * np.where(self.logistic, 0.25, 1.0),
            "gradients": length * np.where(self.logistic, 0.5, self.thresholds),
            "noise": np.linalg.norm(self.noise, axis=-1),
            "weights": self.weights,
        }

    def _residuals(self, theta: np.ndarray) -> np.ndarray:
        return theta @ np.swapaxes(self.directions, -1, -2) - self.centres[..., None, :]

    def value(self, theta: np.ndarray) -> np.ndarray:
        """The total, (..., R), at theta (..., R, d)."""
        u, t = self._residuals(theta), self.thresholds[..., None, :]
        size = np.abs(u)
        huber = np.where(size <= t, 0.5 * u**2, t * size - 0.5 * t**2)
        logistic = 0.5 * size + np.log1p(np.exp(-size))
        return (self.weights[..., None, :] * np.where(self.logistic[..., None, :], logistic, huber)).sum(-1)

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """Full gradient of the total, (..., R, d)."""
        u, t = self._residuals(theta), self.thresholds[..., None, :]
        slope = np.where(self.logistic[..., None, :], 0.5 * np.tanh(0.5 * u), np.clip(u, -t, t))
        return (self.weights[..., None, :] * slope) @ self.directions

    def minibatches(self, theta: np.ndarray) -> np.ndarray:
        """Gradients on the two minibatches, (..., R, 2, d); or on the only one, (..., R, 1, d)."""
        gradient = self.gradient(theta)[..., None, :]
        if self.outcomes == 1:
            return gradient
        push = (self.weights[..., None] * self.noise).sum(-2)[..., None, None, :]
        return np.concatenate([gradient + push, gradient - push], axis=-2)

    def drawn(self, theta: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Gradient on a minibatch drawn for each run; the second half of the runs has the first half's signs turned."""
        many, runs = 1 if self.shared else self.noise.shape[-2], theta.shape[-2]
        signs = generator.integers(0, 2, (*theta.shape[:-2], (runs + 1) // 2, many)) * 2.0 - 1.0
        signs = np.concatenate([signs, -signs], axis=-2)[..., :runs, :]
        return self.gradient(theta) + (signs * self.weights[..., None, :]) @ self.noise

    def least(self) -> np.ndarray:
        """The least total, (...): known where every centre is 0, found by bisection on a line (d = 1).

        Raises:
            ValueError: scattered centres in more than one dimension.
        """
        if not self.centres.any():
            return self.value(np.zeros((*self.directions.shape[:-2], 1, self.directions.shape[-1])))[..., 0]
        if self.directions.shape[-1] > 1:
            raise ValueError(
                f"got scattered centres in {self.directions.shape[-1]} dimensions; the least total is known on a line "
                "or with every centre at 0; use one of these"
            )
        return self.value(self._lowest_on_the_line())[..., 0]

    def _lowest_on_the_line(self) -> np.ndarray:
        scale = np.abs(self.directions[..., 0])
        ends = np.abs(self.centres) / np.where(scale > 0, scale, 1.0)
        high = ends.max(-1)[..., None, None] + 1.0  # beyond every kink the total only rises
        low = -high
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            right = self.gradient(middle) > 0
            low, high = np.where(right, low, middle), np.where(right, middle, high)
        return 0.5 * (low + high)


def huber(
    count: int,
    *,
    weights: np.ndarray | float = 1.0,
    noise: float = 0.0,
    alignment: float = 1.0,
    shared: bool = True,
) -> Ridges:
    """`count` Huber components with L = G = 1 and centre 0, whose directions agree as wished.

    Args:
        count: N.
        weights: one for all, or one each.
        noise: sigma of each component, along its own direction.
        alignment: cosine of each direction with the common one: 1 all the same (one parameter), 0 all at right angles.
        shared: one sign of the noise for all, or one each.

    Raises:
        ValueError: no components, weights of another number, or an alignment that is no cosine from 0 to 1.
    """
    if count < 1 or not 0 <= alignment <= 1:
        raise ValueError(
            f"got count={count}, alignment={alignment}; there is one component at least, and alignment is a cosine "
            "from 0 (right angles) to 1 (all the same); pass such values"
        )
    if np.shape(weights) not in ((), (count,)):
        raise ValueError(
            f"got weights of shape {np.shape(weights)} for {count} components; each has one; pass one number for all, "
            "or one each"
        )
    own = np.sqrt(1 - alignment**2) * np.eye(count)
    directions = np.column_stack([np.full(count, alignment), own]) if alignment < 1 else np.ones((count, 1))
    return Ridges(
        directions=directions,
        centres=np.zeros(count),
        thresholds=np.ones(count),
        logistic=np.zeros(count, dtype=bool),
        weights=np.broadcast_to(np.asarray(weights, dtype=float), count),
        noise=noise * directions,
        shared=shared,
    )


@dataclass(frozen=True)
class Softmax:
    """Softmax regressions on bounded data that share their parameters: L_T = sum_s w_s mean_i CE(theta x_i^s, y_i^s).

    With |x| <= R: L_s = R^2 / 2 (the Hessian of log-sum-exp is at most 1/2), G_s = sqrt(2) R, and sigma_s^2 = 2 R^2,
    since a variance is at most a mean square. The data of every component are split into the same Z minibatches.

    Args:
        features: x, (N, n, D); n is a multiple of `batches`.
        targets: y, int (N, n).
        classes: K.
        weights: w_s, (N,).
        batches: Z.

    Raises:
        ValueError: data that the minibatches do not divide.
    """

    features: np.ndarray
    targets: np.ndarray
    classes: int
    weights: np.ndarray
    batches: int

    def __post_init__(self) -> None:
        examples = self.features.shape[1]
        if self.batches < 1 or examples % self.batches:
            raise ValueError(
                f"got {examples} examples and batches={self.batches}; every minibatch has the same number of examples; "
                "choose a divisor"
            )

    @property
    def outcomes(self) -> int:
        """Z."""
        return self.batches

    @property
    def constants(self) -> dict[str, np.ndarray]:
        """`smoothness`, `gradients`, `noise` and `weights`, (N,) each: what the bounds take."""
        radius = np.linalg.norm(self.features, axis=-1).max(-1)
        return {
            "smoothness": 0.5 * radius**2,
            "gradients": np.sqrt(2) * radius,
            "noise": np.sqrt(2) * radius,
            "weights": self.weights,
        }

    def _log_p(self, theta: np.ndarray) -> np.ndarray:
        logits = np.einsum("rkd,sid->rsik", self._matrices(theta), self.features)
        logits = logits - logits.max(-1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(-1, keepdims=True))

    def _matrices(self, theta: np.ndarray) -> np.ndarray:
        return theta.reshape(*theta.shape[:-1], self.classes, self.features.shape[-1])

    def value(self, theta: np.ndarray) -> np.ndarray:
        """The total, (R,), at theta (R, K * D)."""
        picked = np.take_along_axis(self._log_p(theta), self.targets[None, ..., None], -1)[..., 0]
        return -(self.weights * picked.mean(-1)).sum(-1)

    def minibatches(self, theta: np.ndarray) -> np.ndarray:
        """Gradients on every minibatch, (R, Z, K * D)."""
        error = np.exp(self._log_p(theta)) - np.eye(self.classes)[self.targets]  # (R, N, n, K)
        components, count, width = self.features.shape
        error = error.reshape(len(theta), components, self.batches, -1, self.classes)
        features = self.features.reshape(components, self.batches, -1, width)
        sums = np.einsum("s,rsbik,sbid->rbkd", self.weights, error, features)
        return sums.reshape(len(theta), self.batches, -1) * self.batches / count

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """Full gradient of the total, (R, K * D)."""
        return self.minibatches(theta).mean(-2)

    def drawn(self, theta: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Gradient on a minibatch drawn for each run; the second half counts the minibatches from the end."""
        chosen = generator.integers(0, self.batches, (len(theta) + 1) // 2)
        chosen = np.concatenate([chosen, self.batches - 1 - chosen])[: len(theta)]
        return self.minibatches(theta)[np.arange(len(theta)), chosen]
