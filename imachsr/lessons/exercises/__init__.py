"""The exercises of the notebooks, one module per notebook: functions to write, with the ways they go wrong."""

from difflib import get_close_matches

from ..exercise import Exercise
from . import bounds, clusters, cost, losses, points, quickstart, results, scores, training

EXERCISES: dict[str, Exercise] = {
    one.id: one
    for module in (quickstart, points, losses, scores, bounds, cost, training, results, clusters)
    for one in module.EXERCISES
}


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
