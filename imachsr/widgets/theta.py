"""The theta explorer: how much of the task each point is given, from all classes to few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..hierarchy import RATIO_DEGREES, Tradeoff, class_count
from .explorer import Explorer, dropdown, explorer, numbers, picture, table

DEGREES = (0.0, 30.0, 50.0, 60.0, 70.0, 75.0, 76.0, 80.0, 85.0, 90.0)


@dataclass(frozen=True)
class ThetaEffect:
    """What an angle asks of each point.

    Args:
        theta: degrees.
        counts: point -> classes left.
        clusters: point -> the cluster of each class, (K,).
        miou: point -> mIoU over the classes left, a share of one.
    """

    theta: float
    counts: dict[str, int]
    clusters: dict[str, np.ndarray]
    miou: dict[str, float]


def compute_theta(curves: Mapping[str, Tradeoff], final: float, *, theta: float = RATIO_DEGREES) -> ThetaEffect:
    """What the theta explorer shows: `hierarchy.class_count` of every point.

    Args:
        curves: point -> its trade-off.
        final: the output's mIoU over all classes.
        theta: degrees.

    Raises:
        ValueError: an angle beyond 0 to 90 degrees.
    """
    counts = {name: class_count(curve, final, theta=theta) for name, curve in curves.items()}
    return ThetaEffect(
        theta,
        counts,
        {name: curves[name].groupings[count] for name, count in counts.items()},
        {name: curves[name].miou[count] for name, count in counts.items()},
    )


def theta_explorer(
    curves: Mapping[str, Mapping[str, Tradeoff]],
    final: float,
    *,
    classes: Sequence[str],
    reported: Mapping[float, str] | None = None,
) -> Explorer:
    """Picks an angle and a grouping, and redraws which classes each point is left with.

    Args:
        curves: grouping -> point -> trade-off.
        final: the output's mIoU over all classes, a share of one.
        classes: names, K.
        reported: theta -> what the paper has at that angle, in words.

    Raises:
        ValueError: no trade-offs.
    """
    if not curves:
        raise ValueError(
            "got no trade-offs; the explorer draws one grouping at least; "
            "pass {'spectral': {point: tradeoff(confusion)}}"
        )

    def render(theta: float, grouping: str) -> str:
        return _theta_html(curves[grouping], final, theta, classes, (reported or {}).get(theta, ""))

    controls = {
        "theta": numbers("Theta, degrees", DEGREES, RATIO_DEGREES),
        "grouping": dropdown("Grouping", [*curves], next(iter(curves))),
    }
    return explorer(controls, render)


def _theta_html(
    curves: Mapping[str, Tradeoff], final: float, theta: float, classes: Sequence[str], reported: str
) -> str:
    from ..figures.hierarchy import tradeoffs, tradeoffs_alt, words_of

    effect = compute_theta(curves, final, theta=theta)
    rows = [
        {
            "point": name,
            "classes left": effect.counts[name],
            "mIoU over them (%)": f"{100 * effect.miou[name]:.1f}",
            "clusters": ", ".join(words_of(effect.clusters[name].tolist(), classes)),
        }
        for name in curves
    ]
    counts = ", ".join(str(count) for count in effect.counts.values())
    words = f"{theta:g} degrees: {counts} of {len(classes)} classes. {reported}".strip()
    return picture(tradeoffs(curves, final, theta=theta), tradeoffs_alt(curves, final, theta=theta), words) + table(
        rows
    )
