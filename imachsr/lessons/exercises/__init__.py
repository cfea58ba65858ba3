"""The exercises of the notebooks, one module per notebook: functions to write, with the ways they go wrong."""

from difflib import get_close_matches

from ..exercise import Exercise
from . import (
    bounds,
    claims,
    clusters,
    cost,
    distance,
    helps,
    losses,
    number,
    points,
    position,
    quickstart,
    results,
    scores,
    training,
)

MODULES = (
    quickstart, points, losses, scores, bounds, cost, training, results, number, distance, position, helps, clusters,
    claims,
)  # fmt: skip
EXERCISES: dict[str, Exercise] = {one.id: one for module in MODULES for one in module.EXERCISES}


def exercise(id: str) -> Exercise:
    """An exercise by its id; it prints as task and stub.

    Raises:
        ValueError: no exercise of that id.

    >>> exercise("03.entropy").name
    'negative_entropy'
    """
    if id not in EXERCISES:
        close = get_close_matches(id, EXERCISES, 3, 0.4) or [*EXERCISES]
        raise ValueError(f"got exercise {id!r}; there is none of that id; did you mean one of {close}?")
    return EXERCISES[id]


__all__ = ["EXERCISES", "exercise"]
