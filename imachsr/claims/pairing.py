"""Which runs may be compared: those that differ in nothing but what a comparison names, seed by seed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from ..experiment import Result
from ..experiment.settings import ASIDE

Pairs = dict[str, list[tuple[Result, Result]]]


def pairs(ours: Sequence[Result], theirs: Sequence[Result], named: AbstractSet[str]) -> Pairs:
    """Runs of two sides that may be compared: common ground -> one pair for each seed both have, in their order.

    Args:
        ours: runs of one side.
        theirs: of the other.
        named: settings in which the sides may differ.

    Raises:
        ValueError: one side has two runs of a seed that differ in those settings: a pair takes one.
    """
    grounds: dict[str, tuple[dict[int, Result], dict[int, Result]]] = {}
    for i, side in enumerate((ours, theirs)):
        for run in side:
            seed = run.settings["seed"]
            before = grounds.setdefault(_ground(run, named), ({}, {}))[i].setdefault(seed, run)
            if differ := [name for name in sorted(named) if _decisive(run).get(name) != _decisive(before).get(name)]:
                raise ValueError(
                    f"got runs of {run.settings['scheme']} with seed {seed} that differ in {', '.join(differ)}; a pair "
                    f"takes one run of a side; choose, as in {differ[0]}={before.setting(differ[0])}"
                )
    shared = {ground: [(a[seed], b[seed]) for seed in sorted({*a} & {*b})] for ground, (a, b) in grounds.items()}
    return {ground: both for ground, both in shared.items() if both}


def scored(both: Sequence[tuple[Result, Result]], metric: str, protocol: str) -> list[tuple[float, float]]:
    """Scores of each pair in per cent; a pair with an undefined one says nothing and is left out."""
    scores = [(100 * ours.score(metric, protocol), 100 * theirs.score(metric, protocol)) for ours, theirs in both]
    return [pair for pair in scores if pair[0] == pair[0] and pair[1] == pair[1]]


def _ground(run: Result, named: AbstractSet[str]) -> str:
    """Equal for runs that may be compared: settings not named by the contrast, data, processes, and both of today."""
    shared = {k: v for k, v in _decisive(run).items() if k not in named and k not in ASIDE}
    fingerprint, numerics, processes = run.origin
    return json.dumps([shared, fingerprint, processes, numerics == run.as_settings.numerics], sort_keys=True)


def _decisive(run: Result) -> dict[str, Any]:
    return run.as_settings.decisive()
