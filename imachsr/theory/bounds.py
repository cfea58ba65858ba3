"""Two right sides for Theorem 1 (iMacHSR Eq. 5, iMacSR Eq. 6): as the papers state it, and as it can be proved.

The total is L_T = sum_s w_s L_s over N = 2M + 1 components, the output loss first; SGD takes T steps of eta / sqrt(T).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Values = Sequence[float] | np.ndarray


def stated_bound(
    *,
    delta: float,
    eta: float,
    steps: int,
    smoothness: Values,
    gradients: Values,
    noise: Values,
    weights: Values,
) -> float:
    """The papers' bound on the mean squared gradient norm, to the letter; SGD can exceed it, see `corrected_bound`.

    2 Delta / (eta sqrt(T)) + L_max eta / sqrt(T) (G_T^2 + sigma_T^2) with L_max = max_s w_s L_s,
    G_T^2 = sum_s w_s^2 G_s^2 and sigma_T^2 = sum_s w_s^2 sigma_s^2 (iMacHSR Eq. 5, iMacSR Eq. 6).

    Args:
        delta: L_T(theta_0) - L_T*, in units of the loss.
        eta: every step is eta / sqrt(steps) long.
        steps: T, iterations (not epochs).
        smoothness: L_s per component, output loss first.
        gradients: G_s per component: the full gradient's norm is at most this, everywhere.
        noise: sigma_s per component: root of the minibatch gradient's variance.
        weights: w_s per component.

    Raises:
        ValueError, TypeError: values out of range, or not one per component.

    >>> stated_bound(delta=0.5, eta=0.1, steps=100, smoothness=[1], gradients=[1], noise=[1], weights=[1])
    1.02
    """
    L, G, sigma, w = checked(delta, eta, steps, smoothness, gradients, noise, weights)
    root = math.sqrt(steps)
    largest, spread = float((w * L).max()), float(((w * G) ** 2 + (w * sigma) ** 2).sum())
    return 2 * delta / (eta * root) + largest * eta / root * spread


def corrected_bound(
    *,
    delta: float,
    eta: float,
    steps: int,
    smoothness: Values,
    gradients: Values,
    noise: Values,
    weights: Values,
    gradients_include_noise: bool = False,
) -> float:
    """A bound on the mean squared gradient norm that SGD keeps, for any eta and however the components agree.

    Each step's minibatch is drawn anew, so that its gradient's mean is the full one (assumed by the proofs, printed in
    neither paper).

    Delta / (eta sqrt(T)) + L_S eta / (2 sqrt(T)) ((sum_s w_s G_s)^2 + (sum_s w_s sigma_s)^2), L_S = sum_s w_s L_s:
    smoothness, gradients and noise of a sum are bounded by sums, because the components share parameters and minibatch.

    Args:
        delta: L_T(theta_0) - L_T*, in units of the loss.
        eta: every step is eta / sqrt(steps) long.
        steps: T, iterations (not epochs).
        smoothness: L_s per component, output loss first.
        gradients: G_s per component: the full gradient's norm is at most this, everywhere.
        noise: sigma_s per component: root of the minibatch gradient's variance.
        weights: w_s per component.
        gradients_include_noise: G_s^2 bounds the mean square of the *minibatch* gradient (iMacSR); the noise is then
            in G_s already and its own term drops.

    Raises:
        ValueError, TypeError: values out of range, or not one per component.

    >>> corrected_bound(delta=0.5, eta=0.1, steps=100, smoothness=[1], gradients=[1], noise=[1], weights=[1])
    0.51
    """
    L, G, sigma, w = checked(delta, eta, steps, smoothness, gradients, noise, weights)
    root = math.sqrt(steps)
    square = float((w * G).sum()) ** 2
    if not gradients_include_noise:
        square += float((w * sigma).sum()) ** 2
    return delta / (eta * root) + float((w * L).sum()) * eta / (2 * root) * square


def checked(
    delta: float, eta: float, steps: int, smoothness: Values, gradients: Values, noise: Values, weights: Values
) -> tuple[np.ndarray, ...]:
    """The four lists as arrays of one length; the rest in range."""
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)):
        raise TypeError(f"got steps={steps!r}; T counts iterations; pass a whole number")
    if steps < 1:
        raise ValueError(f"got steps={steps}; a run has one iteration at least; pass steps >= 1")
    for name, value in {"delta": delta, "eta": eta}.items():
        try:
            math.isfinite(value)
        except TypeError as error:
            raise TypeError(f"got {name}={value!r}; it is one real number; pass a float") from error
    if not (math.isfinite(delta) and delta >= 0):
        raise ValueError(
            f"got delta={delta}; it is the first loss minus the least possible one, so zero or more; "
            "check which of the two is subtracted"
        )
    if not (math.isfinite(eta) and eta > 0):
        raise ValueError(f"got eta={eta}; a step length is a positive number; pass eta > 0")
    lists = {"smoothness": smoothness, "gradients": gradients, "noise": noise, "weights": weights}
    arrays = {name: _numbers(name, values) for name, values in lists.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"got {lengths} values; each list has one per component, output loss first; give all four one length"
        )
    return tuple(arrays.values())


def _numbers(name: str, values: Values) -> np.ndarray:
    try:
        array = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"got {name}={values!r}; it is a list with one real number per component, output loss first; "
            "pass such a list"
        ) from error
    if array.ndim != 1 or not len(array):
        raise ValueError(
            f"got {name} of shape {array.shape}; it is a list with one number per component, output loss first; "
            "pass such a list"
        )
    if not np.isfinite(array).all() or (array < 0).any():
        remedy = "a maximized term is the minimized negative: pass its absolute weight" if name == "weights" else "pass"
        remedy += "" if name == "weights" else " the constant itself, not a signed change"
        raise ValueError(f"got {name}={array.tolist()}; bounds and weights are finite and not negative; {remedy}")
    return array
