"""The bound explorer: both right sides of Theorem 1 beside a simulated run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..theory import corrected_bound, huber, replicated, stated_bound, trace
from .explorer import Explorer, dropdown, explorer, numbers, picture, table

NOISES = {"none": "none", "one sign for all": "shared", "independent signs": "apart"}
LENGTHS = (10, 30, 100, 300, 1000, 3000)
REPLICATES = 32


@dataclass(frozen=True)
class BoundEffect:
    """Runs of several lengths T beside both bounds, and the longest of them step by step.

    Args:
        steps: T of each run, (S,).
        measured: mean squared gradient norm of each, (S,).
        low: end of its interval, (S,).
        high: the other end, (S,).
        stated: the papers' bound, (S,).
        corrected: the bound that can be proved, (S,).
        squares: squared gradient norms of the longest run, (T, R), R replicates.
    """

    steps: np.ndarray
    measured: np.ndarray
    low: np.ndarray
    high: np.ndarray
    stated: np.ndarray
    corrected: np.ndarray
    squares: np.ndarray


def compute_bound(
    *,
    points: int,
    weight: float,
    eta: float,
    steps: int,
    alignment: float,
    noise: str,
    start: float = 0.0,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> BoundEffect:
    """SGD on 2M + 1 Huber components with L = G = 1, run with steps of eta / sqrt(T) for each T up to `steps`.

    Args:
        points: M.
        weight: of each of the 2M inner components; the output loss weighs 1.
        eta: step length times sqrt(T).
        steps: the longest T.
        alignment: cosine of each component's direction with the common one, from 0 to 1.
        noise: "none", "shared" (one sign of size 1 for all components) or "apart" (one sign each).
        start: how far from its minimum each component starts.
        replicates: runs side by side.
        seed: of the noise.

    Raises:
        ValueError: no points, an unknown noise, or what the bounds refuse.

    >>> found = compute_bound(points=5, weight=1, eta=0.1, steps=300, alignment=1, noise="shared")
    >>> bool(found.low[-1] > found.stated[-1]), bool(found.high[-1] < found.corrected[-1])
    (True, True)
    """
    if points < 1 or noise not in NOISES.values():
        raise ValueError(
            f"got points={points}, noise={noise!r}; there is one point at least, and noise is one of "
            f"{[*NOISES.values()]}; pass such values"
        )
    weights = np.array([1.0] + [weight] * (2 * points))
    size = 0.0 if noise == "none" else 1.0
    problem = huber(len(weights), weights=weights, noise=size, alignment=alignment, shared=noise != "apart")
    theta = np.linalg.lstsq(problem.directions, np.full(len(weights), start), rcond=None)[0]
    delta = float(problem.value(theta[None])[0] - problem.least())
    rows = []
    lengths = [length for length in LENGTHS if length < steps] + [steps]
    for length in lengths:
        given: dict[str, Any] = {"delta": delta, "eta": eta, "steps": length, **problem.constants}
        found = replicated(
            problem, theta, eta=eta, steps=length, generator=np.random.default_rng(seed), replicates=replicates
        )
        rows.append([*map(float, found), stated_bound(**given), corrected_bound(**given)])
    squares = trace(
        problem, theta, eta=eta, steps=steps, generator=np.random.default_rng(seed), replicates=replicates
    )  # fmt: skip
    measured, low, high, stated, corrected = np.array(rows).T
    return BoundEffect(np.array(lengths), measured, low, high, stated, corrected, squares)


def bound_explorer(*, steps: int = 1000) -> Explorer:
    """Picks M, weights, eta, T, alignment, noise and start, and redraws both bounds and a simulated run.

    Args:
        steps: the longest T offered.
    """

    def render(**values: Any) -> str:
        return _bound_html(compute_bound(**values), **values)

    controls = {
        "points": numbers("Points M", [1, 2, 3, 4, 5, 6, 7, 8], 5),
        "weight": numbers("Weight of inner terms", [0.01, 0.03, 0.1, 0.2, 0.4, 0.7, 1.0], 1.0),
        "eta": numbers("eta", [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0], 0.1),
        "steps": numbers("Steps T", [length for length in LENGTHS if length <= steps], 1000),
        "alignment": numbers("Alignment", [0.0, 0.25, 0.5, 0.75, 0.9, 1.0], 1.0),
        "noise": dropdown("Noise", [*NOISES.items()], "shared"),
        "start": numbers("Start", [0.0, 0.1, 0.3, 1.0, 3.0], 0.0),
    }
    return explorer(controls, render)


def _bound_html(effect: BoundEffect, *, points: int, eta: float, steps: int, **rest: Any) -> str:
    from ..figures.theory import runs_figure

    measured, stated, corrected = (x[-1] for x in (effect.measured, effect.stated, effect.corrected))
    low, high = effect.low[-1], effect.high[-1]
    verdict = "exceeds" if low > stated else "keeps below" if high <= stated else "cannot be told from"
    caption = (
        f"M = {points}, eta = {eta:g}, T = {steps}: the mean squared gradient norm {measured:.3g} {verdict} the stated "
        f"bound {stated:.3g}; the corrected bound is {corrected:.3g}."
    )
    alt = (
        f"Left: squared gradient norm over the {steps} steps of a run, and its mean over {effect.squares.shape[1]} "
        f"runs, with lines at the stated bound ({stated:.3g}) and the corrected bound ({corrected:.3g}); the mean over "
        f"all steps is {measured:.3g}. Right: that mean and both bounds against T, on logarithmic "
        f"axes; {_counted(effect)}."
    )
    lines = {"measured": effect.measured, "stated": effect.stated, "corrected": effect.corrected}
    return picture(runs_figure(effect.squares, effect.steps, lines), alt, caption) + table(_rows(effect))


def _counted(effect: BoundEffect) -> str:
    over = int((effect.low > effect.stated).sum())
    under = int((effect.high <= effect.corrected).sum())
    return f"of {len(effect.steps)} lengths, {over} exceed the stated bound and {under} keep the corrected one"


def _rows(effect: BoundEffect) -> list[dict[str, str]]:
    return [
        {
            "steps T": f"{effect.steps[i]}",
            "mean squared gradient norm": f"{effect.measured[i]:.4g}",
            "interval, 4 standard errors": f"{max(effect.low[i], 0):.4g} to {effect.high[i]:.4g}",
            "stated bound": f"{effect.stated[i]:.4g}",
            "corrected bound": f"{effect.corrected[i]:.4g}",
            "measured / stated": _share(effect.measured[i], effect.stated[i]),
            "measured / corrected": _share(effect.measured[i], effect.corrected[i]),
        }
        for i in range(len(effect.steps))
    ]


def _share(value: float, bound: float) -> str:
    return f"{value / bound:.2f}"
