"""Which runs may be compared: those that differ in nothing but what a comparison names, seed by seed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from ..experiment import Result, Settings

Pairs = dict[str, list[tuple[Result, Result]]]


def pairs(ours: Sequence[Result], theirs: Sequence[Result], named: AbstractSet[str]) -> Pairs:
    """Runs of two sides that may be compared: common ground -> one pair for each seed both have, in their order.

    Args:
        ours: runs of one side.
        theirs: of the other.
        named: settings in which the sides may differ.
    """
    grounds: dict[str, tuple[dict[int, Result], dict[int, Result]]] = {}
    for i, side in enumerate((ours, theirs)):
        for run in side:
            grounds.setdefault(_ground(run, named), ({}, {}))[i][run.settings["seed"]] = run
    shared = {ground: [(a[seed], b[seed]) for seed in sorted({*a} & {*b})] for ground, (a, b) in grounds.items()}
    return {ground: both for ground, both in shared.items() if both}


def _ground(run: Result, named: AbstractSet[str]) -> str:
    """Equal for runs that may be compared: settings not named by the contrast, data and numerics."""
    known = {name: value for name, value in run.settings.items() if name in Settings.__dataclass_fields__}
    known["tier"] = "custom"  # a name for cost; what was run is in the other fields
    shared = {k: v for k, v in Settings(**known).decisive().items() if k not in named and k != "seed"}
    shared["memory_format"] = None  # chosen by speed; the same sums in another order
    return json.dumps([shared, run.provenance.get("fingerprint"), run.provenance.get("numerics", 1)], sort_keys=True)
