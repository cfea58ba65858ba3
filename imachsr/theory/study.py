"""Ten thousand random instances: how often the stated bound fails, and whether the corrected one ever does.

An instance is a sum of Huber and logistic components (`Ridges`) with weights, directions, a start and a step length at
random, drawn in blocks of `SIZE` from a generator fixed here. Axes: I instances, N components, d parameters.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .bounds import corrected_bound, stated_bound
from .descent import Estimate, expected, replicated
from .problems import Ridges

SEED = 20_250_514
SIZE = 50  # instances in a block
BLOCKS = 200
MOST = 8  # intermediate points
RUNS = (64, 1024, 8192)  # replicates: more of them only where fewer do not decide
SLACK = 1e-9  # relative rounding allowed before a bound counts as exceeded

# noise, steps T, and how the expectation is found; every block takes the next one, on a line and in space by turns
KINDS = (
    ("exact", 10, "expected"),
    ("shared", 2, "expected"),
    ("shared", 8, "expected"),
    ("independent", 30, "replicated"),
    ("exact", 100, "expected"),
    ("shared", 100, "replicated"),
    ("exact", 1000, "expected"),
    ("shared", 1000, "replicated"),
    ("independent", 300, "replicated"),
)


def study(blocks: Iterable[int] = range(BLOCKS)) -> dict[str, list[Any]]:
    """Instances by column: points M, noise, steps, line, `step` = eta_t L_S, delta, measured, low, high, both bounds.

    Args:
        blocks: which of the `BLOCKS` blocks of `SIZE` instances to compute.

    Raises:
        ValueError: a block that is not part of the study.
    """
    table: dict[str, list[Any]] = {}
    for block in blocks:
        if not 0 <= block < BLOCKS:
            raise ValueError(f"got block {block}; the study has blocks 0 to {BLOCKS - 1}; take one of them")
        for name, values in _block(block).items():
            table.setdefault(name, []).extend(values)
    return table


def _block(block: int) -> dict[str, list[Any]]:
    generator = np.random.Generator(np.random.PCG64([SEED, block]))
    noise, steps, how = KINDS[block % len(KINDS)]
    line = block // len(KINDS) % 2 == 0
    points = generator.integers(1, MOST + 1, SIZE)
    problem = _problem(generator, points, noise=noise, line=line)
    theta = _start(generator, problem, noise=noise)
    constants = problem.constants
    total = (constants["weights"] * constants["smoothness"]).sum(-1)
    step = 10 ** generator.uniform(-3, 1, SIZE)  # eta_t L_S over four decades
    eta = step * np.sqrt(steps) / total
    delta = np.maximum(problem.value(theta[:, None])[:, 0] - problem.least(), 0.0)
    bounds = _bounds(constants, delta, eta, steps)
    if how == "expected":
        found = expected(problem, theta, eta=eta, steps=steps)
    else:
        found = _decided(generator, problem, theta, eta, steps, np.array([*bounds.values()]))
    return {
        "points": points.tolist(), "noise": [noise] * SIZE, "steps": [steps] * SIZE, "line": [line] * SIZE,
        "step": step.tolist(), "delta": delta.tolist(), **_columns(found), **bounds,
    }  # fmt: skip


def _decided(
    generator: np.random.Generator, problem: Ridges, theta: np.ndarray, eta: np.ndarray, steps: int, bounds: np.ndarray
) -> Estimate:
    """Over `RUNS[0]` runs; instances with a bound (4, I) inside their interval again, over more and more runs."""
    found = np.empty((3, SIZE))
    open_ = np.arange(SIZE)
    for runs in RUNS:
        part = problem.take(open_)
        found[:, open_] = replicated(
            part, theta[open_], eta=eta[open_], steps=steps, generator=generator, replicates=runs
        )  # fmt: skip
        open_ = np.flatnonzero(((found[1] <= bounds) & (bounds < found[2])).any(0))
        if not len(open_):
            break
    return Estimate(*found)


def _problem(generator: np.random.Generator, points: np.ndarray, *, noise: str, line: bool) -> Ridges:
    """SIZE instances of 2M + 1 components each, filled up to the most with components of weight 0."""
    shape = (SIZE, 2 * MOST + 1)
    lengths = 10 ** _some(generator, 0.0, generator.uniform(-0.5, 0.5, shape))
    thresholds = 10 ** _some(generator, 0.0, generator.uniform(-1, 1, shape))
    logistic = _some(generator, 0.0, generator.random(shape)) > 0.5
    directions = lengths[..., None] * (_line(generator, shape) if line else _space(generator, shape))
    centres = _some(generator, 0.0, generator.normal(0, 1, shape)) if line else np.zeros(shape)
    sigma = 10 ** _some(generator, 0.0, generator.uniform(-1, 0.5, shape)) * (noise != "exact")
    gradients = np.where(logistic, 0.5, thresholds)  # noise as large as the component's own gradient, times sigma
    return Ridges(
        directions=directions,
        centres=centres,
        thresholds=thresholds,
        logistic=logistic,
        weights=_weights(generator, points),
        noise=(gradients * sigma)[..., None] * directions,
        shared=noise != "independent",
    )


def _some(generator: np.random.Generator, plain: float, drawn: np.ndarray) -> np.ndarray:
    """In every second instance the drawn values, in the others the plain one."""
    return np.where(generator.random((len(drawn), 1)) < 0.5, plain, drawn)


def _weights(generator: np.random.Generator, points: np.ndarray) -> np.ndarray:
    """Output loss 1; the others all 1, or 0.4 / M and 0.01 / M by turns, or random over two decades."""
    M, s = points[:, None], np.arange(2 * MOST + 1)[None]
    published = np.where(s % 2 == 1, 0.4, 0.01) / M
    drawn = 10 ** generator.uniform(-2, 0, (len(points), s.size))
    style = generator.integers(0, 3, (len(points), 1))
    weights = np.where(style == 0, 1.0, np.where(style == 1, published, drawn))
    weights[:, 0] = 1.0
    return np.where(s <= 2 * M, weights, 0.0)


def _line(generator: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """One parameter: all components the same way round, or some the other way."""
    opposed = generator.random(shape) < generator.choice([0.0, 0.25, 0.5], (shape[0], 1))
    return np.where(opposed, -1.0, 1.0)[..., None]


def _space(generator: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Four parameters: unit vectors that keep a cosine from 0 to 1, one per instance, with the first axis."""
    cosine = generator.random((shape[0], 1))
    rest = generator.normal(0, 1, (*shape, 3))
    rest /= np.linalg.norm(rest, axis=-1, keepdims=True)
    along = np.broadcast_to(cosine, shape)[..., None]
    return np.concatenate([along, np.sqrt(1 - along**2) * rest], axis=-1)


def _start(generator: np.random.Generator, problem: Ridges, *, noise: str) -> np.ndarray:
    """theta_0 at a random distance; with noise, in every fourth instance at 0."""
    size = problem.directions.shape[-1]
    theta = generator.normal(0, 1, (SIZE, size)) * 10 ** generator.uniform(-1, 1, (SIZE, 1))
    still = (generator.random((SIZE, 1)) < 0.25) & (noise != "exact")
    return np.where(still, 0.0, theta)


def _columns(found: Estimate) -> dict[str, list[float]]:
    return {"measured": found.mean.tolist(), "low": found.low.tolist(), "high": found.high.tolist()}


def _bounds(constants: dict[str, np.ndarray], delta: np.ndarray, eta: np.ndarray, steps: int) -> dict[str, list[float]]:
    """Both bounds for G of the full gradient; and both where G bounds the minibatch gradient (`_minibatch`)."""
    columns: dict[str, list[float]] = {}
    for i in range(len(delta)):
        given = {name: values[i] for name, values in constants.items()}
        given |= {"delta": float(delta[i]), "eta": float(eta[i]), "steps": steps}
        wide = given | {"gradients": np.hypot(given["gradients"], given["noise"])}
        row = {
            "stated": stated_bound(**given), "corrected": corrected_bound(**given),
            "stated_minibatch": stated_bound(**wide),
            "corrected_minibatch": corrected_bound(**wide, gradients_include_noise=True),
        }  # fmt: skip
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return columns


def summary(table: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Shares of failing bounds by noise and step length (eta_t <= 1 / L_S, or longer).

    A bound fails where even the low end of the interval exceeds it, holds where even the high end does not, and is
    undecided otherwise. `worst_*` is the largest mean over its bound.
    """
    array = {name: np.asarray(values) for name, values in table.items()}
    rows = []
    for noise in ("exact", "shared", "independent"):
        for short in (True, False):
            chosen = (array["noise"] == noise) & ((array["step"] <= 1) == short)
            if chosen.any():
                part = {name: values[chosen] for name, values in array.items()}
                rows.append({"noise": noise, "short_steps": short, "instances": int(chosen.sum()), **_verdicts(part)})
    return rows


def _verdicts(part: dict[str, np.ndarray]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in ("stated", "corrected", "stated_minibatch", "corrected_minibatch"):
        fails = part["low"] > part[name] * (1 + SLACK)
        holds = part["high"] <= part[name] * (1 + SLACK)
        found[f"{name}_fails"] = int(fails.sum())
        found[f"{name}_undecided"] = int((~fails & ~holds).sum())
        found[f"worst_{name}"] = float((part["measured"] / part[name]).max())
    return found
