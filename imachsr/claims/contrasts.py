"""What a claim compares, measured: which runs, on which footing, over which seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..experiment import Result, Settings
from ..experiment.ledger import CALIBRATION
from ..experiment.settings import OF_SCHEME
from ..experiment.tables import footing
from .pairing import pairs, scored
from .sources import Claim
from .statistics import LEVEL, Paired, block_bootstrap, paired

Both = Sequence[tuple[Result, Result]]  # a pair for each seed
LEAST = 180 * 240, 20  # pixels and epochs of a run that is evidence: those of the cheapest published runs


@dataclass(frozen=True)
class Contrast:
    """One comparison of a claim, measured.

    Args:
        better: settings of the side said to be better.
        worse: settings of the other.
        metric: compared, in points.
        footing: what both sides share, in words; empty without runs.
        found: differences over the judged seeds both sides were run with, or None without any.
        frames: 95 % interval over test frames (block bootstrap); None where the counts of each image do not tell it.
        adjusted: p after Holm's correction within the claim's table: of no difference, or for an equivalence of one
            beyond its margin; nan with fewer seeds than a verdict takes.
        family: how many comparisons that table has, run or not.
        margin: of an equivalence, in points; 0 for a comparison.
        baseline: mean of the worse side over those seeds, in per cent.
        aside: differences of other seeds, which are not judged.
    """

    better: Mapping[str, Any]
    worse: Mapping[str, Any]
    metric: str
    footing: str = ""
    found: Paired | None = None
    frames: tuple[float, float] | None = None
    adjusted: float = float("nan")
    family: int = 1
    margin: float = 0.0
    baseline: float = float("nan")
    aside: tuple[float, ...] = ()

    @property
    def visible(self) -> float:
        """The smallest true difference that this comparison alone of its table would show after Holm, in points.

        For an equivalence: that it would show to lie beyond the margin.
        """
        return self.margin + self.found.visible(LEVEL / self.family) if self.found else float("nan")

    def needed(self, size: float = 0.0) -> int | None:
        """Seeds that show a true difference of `size` points after Holm; for an equivalence, that there is none."""
        level, equal = LEVEL / self.family, self.margin > 0
        return self.found.needed(self.margin or abs(size), level, equal=equal) if self.found else None


def is_evidence(run: Result) -> bool:
    """Real images, judged apart from those trained on, no smaller and no shorter than `LEAST`."""
    apart = run.settings["data"] != "streets" and run.setting("split") != "tune"
    return apart and _pixels(run) >= LEAST[0] and run.settings["epochs"] >= LEAST[1]


def _pixels(run: Result) -> int:
    """Of an image; those of native size are larger than any other."""
    return math.prod(run.settings["size"] or (10**9,))


def measure(claim: Claim, runs: Sequence[Result], protocol: str, seeds: int) -> list[Contrast]:
    """Every contrast of a claim in every metric, all on the footing that serves it best; seeds from 0 on are judged."""
    named = _named(claim)

    def of(side: Mapping[str, Any]) -> list[Result]:
        asked = wanted(claim, side)
        return [run for run in runs if matches(run, asked)]

    shared = [pairs(of(better), of(worse), named) for better, worse in claim.contrasts]

    def serves(ground: str) -> tuple[Any, ...]:
        found = [each.get(ground, []) for each in shared]
        counts = [len(scored(_judged(both, seeds)[0], m, protocol)) for both in found for m in claim.metrics]
        run = next(both[0][0] for both in found if both)
        standard = run.setting("split") == "standard"
        return min(counts), sum(counts), standard, _pixels(run), run.settings["epochs"], ground

    best = max({ground for each in shared for ground in each}, key=serves, default="")
    return [
        _measured(Contrast(*pair, metric, margin=claim.margin), _judged(each.get(best, []), seeds), protocol)
        for pair, each in zip(claim.contrasts, shared, strict=True)
        for metric in claim.metrics
    ]


def _judged(both: Both, seeds: int) -> tuple[Both, Both]:
    """Pairs of the seeds that are judged, and of the others."""
    first = [pair for pair in both if pair[0].settings["seed"] in range(seeds)]
    return first, [pair for pair in both if pair[0].settings["seed"] not in range(seeds)]


def _measured(contrast: Contrast, parts: tuple[Both, Both], protocol: str) -> Contrast:
    both, others = ([pair for pair in part if scored([pair], contrast.metric, protocol)] for part in parts)
    aside = tuple(ours - theirs for ours, theirs in scored(others, contrast.metric, protocol))
    if not both:
        return replace(contrast, aside=aside)
    scores = scored(both, contrast.metric, protocol)
    better, worse = ([np.asarray(run.per_image) for run in side] for side in zip(*both, strict=True))
    return replace(
        contrast,
        footing=footing(both[0][0]),
        found=paired([ours - theirs for ours, theirs in scores]),
        frames=None if contrast.metric in CALIBRATION else block_bootstrap(better, worse, contrast.metric, protocol),
        baseline=sum(theirs for _, theirs in scores) / len(scores),
        aside=aside,
    )


def _named(claim: Claim) -> set[str]:
    """Settings in which sides of a claim may differ."""
    return {*OF_SCHEME, *(name for pair in claim.contrasts for side in pair for name in side)}


def wanted(claim: Claim, side: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a side's runs; what the claim names elsewhere, and what is about points, is as in a plain run."""
    plain = {name: getattr(Settings, name) for name in _named(claim) - {"scheme"}}
    return {**plain, **side, **claim.only}


def matches(run: Result, wanted: Mapping[str, Any]) -> bool:
    """Whether a run has these settings; those that its scheme does not use are not asked."""
    return all(
        run.idle(name) or (run.setting(name) in value if isinstance(value, list) else run.setting(name) == value)
        for name, value in wanted.items()
    )
