"""From claims and results to verdicts. Nothing here is typed by hand but the rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..experiment import Result, Settings
from ..experiment.settings import OF_CLUSTERS, OF_POINTS
from ..experiment.tables import footing
from ..metrics import PROTOCOLS
from .arithmetic import check
from .pairing import pairs, scored
from .sources import Claim, papers_folder
from .statistics import LEVEL, Paired, block_bootstrap, holm, paired

SEEDS = 5  # fewer can only say "not distinguishable"
REPRODUCED, CONTRADICTED, UNCLEAR, UNTESTED, BY_OWN_NUMBERS, BORNE_OUT = VERDICTS = (
    "reproduced",
    "contradicted",
    "not distinguishable",
    "not testable here",
    "contradicted by the paper's own numbers",
    "borne out by the paper's own numbers",
)
LEAST = 180 * 240, 20  # pixels and epochs of a run that is evidence: those of the cheapest published runs


@dataclass(frozen=True)
class Contrast:
    """One comparison of a claim, measured.

    Args:
        better: settings of the side said to be better.
        worse: settings of the other.
        metric: compared, in points.
        footing: what both sides share, in words; empty without runs.
        found: differences over the seeds both sides were run with, or None without any.
        frames: 95 % interval over test frames (block bootstrap), or None.
        adjusted: p after Holm's correction within the claim's table: of no difference, or for an equivalence of one
            beyond its margin.
        family: how many p values that table has.
    """

    better: Mapping[str, Any]
    worse: Mapping[str, Any]
    metric: str
    footing: str = ""
    found: Paired | None = None
    frames: tuple[float, float] | None = None
    adjusted: float = float("nan")
    family: int = 1

    @property
    def visible(self) -> float:
        """The smallest true difference that this comparison alone of its table would show after Holm, in points."""
        return self.found.visible(LEVEL / self.family) if self.found else float("nan")


@dataclass(frozen=True)
class Judgement:
    """A claim, what was measured for it, the verdict and the reason."""

    claim: Claim
    verdict: str
    why: str
    contrasts: tuple[Contrast, ...] = ()


def judge(
    claims: Sequence[Claim], results: Sequence[Result], *, protocol: str = "dataset", folder: str | Path | None = None
) -> list[Judgement]:
    """Set every claim beside the results.

    Two results are compared where nothing decisive differs but what the claim names. All comparisons of a claim stand
    on one footing: the one with the most seeds in each of them, then the standard split, then the largest images.
    Drawn scenes, runs judged on training images (split `tune`), small images and short runs (`LEAST`) are no evidence.

    Args:
        claims: from `claims()`.
        results: from a ledger.
        protocol: of the scores that are compared.
        folder: of the papers' data, for arithmetic.

    Raises:
        ValueError: unknown protocol.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"got protocol={protocol!r}; scores are filed under {[*PROTOCOLS]}; use one of them")
    runs = [result for result in results if _is_evidence(result)]
    measured = {claim.id: _measure(claim, runs, protocol) for claim in claims}
    for table in dict.fromkeys(claim.table for claim in claims):
        _correct([(claim, measured[claim.id]) for claim in claims if claim.table == table])
    judges: dict[str, Callable[[Claim, list[Contrast]], tuple[str, str]]] = {
        "comparison": _compared,
        "equivalence": _equivalent,
        "arithmetic": lambda claim, _: _arithmetic(claim, Path(folder or papers_folder())),
        "elsewhere": lambda claim, _: (UNTESTED, claim.needs),
    }
    return [Judgement(c, *judges[c.kind](c, measured[c.id]), tuple(measured[c.id])) for c in claims]


def _is_evidence(run: Result) -> bool:
    """Real images, judged apart from those trained on, no smaller and no shorter than `LEAST`."""
    apart = run.settings["data"] != "streets" and run.setting("split") != "tune"
    return apart and _pixels(run) >= LEAST[0] and run.settings["epochs"] >= LEAST[1]


def _pixels(run: Result) -> int:
    """Of an image; those of native size are larger than any other."""
    return math.prod(run.settings["size"] or (10**9,))


def _measure(claim: Claim, runs: Sequence[Result], protocol: str) -> list[Contrast]:
    """Every contrast in every metric, all on the footing that serves the claim best."""
    named = _named(claim)

    def of(side: Mapping[str, Any]) -> list[Result]:
        return [run for run in runs if matches(run, wanted(claim, side))]

    shared = [pairs(of(better), of(worse), named) for better, worse in claim.contrasts]

    def serves(ground: str) -> tuple[Any, ...]:
        found = [each.get(ground, []) for each in shared]
        seeds, run = [min(len(both), SEEDS) for both in found], next(both[0][0] for both in found if both)
        return min(seeds), sum(seeds), run.setting("split") == "standard", _pixels(run), run.settings["epochs"], ground

    best = max({ground for each in shared for ground in each}, key=serves, default="")
    return [
        _contrast(pair, metric, each.get(best, []), protocol)
        for pair, each in zip(claim.contrasts, shared, strict=True)
        for metric in claim.metrics
    ]


def _contrast(
    pair: tuple[Mapping[str, Any], Mapping[str, Any]],
    metric: str,
    both: Sequence[tuple[Result, Result]],
    protocol: str,
) -> Contrast:
    both = [each for each in both if scored([each], metric, protocol)]
    if not both:
        return Contrast(*pair, metric)
    found = paired([ours - theirs for ours, theirs in scored(both, metric, protocol)])
    better, worse = ([np.asarray(run.per_image) for run in side] for side in zip(*both, strict=True))
    return Contrast(*pair, metric, footing(both[0][0]), found, block_bootstrap(better, worse, metric, protocol))


def _named(claim: Claim) -> set[str]:
    """Settings in which sides of a claim may differ."""
    return {*OF_POINTS, *OF_CLUSTERS, *(name for pair in claim.contrasts for side in pair for name in side)}


def wanted(claim: Claim, side: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a side's runs; what the claim names elsewhere, and what is about points, is as in a plain run."""
    plain = {name: getattr(Settings(), name) for name in _named(claim) - {"scheme"}}
    return {**plain, **side, **claim.only}


def matches(run: Result, wanted: Mapping[str, Any]) -> bool:
    """Whether a run has these settings; those that its scheme does not use are not asked."""
    return all(
        run.idle(name) or (run.setting(name) in value if isinstance(value, list) else run.setting(name) == value)
        for name, value in wanted.items()
    )


def _correct(claims: list[tuple[Claim, list[Contrast]]]) -> None:
    """Holm over everything that was measured in one table, in place."""
    flat = [(claim, row, i) for claim, row in claims for i in range(len(row))]
    ps = [_p(claim, row[i].found) for claim, row, i in flat]
    family = max(1, sum(p == p for p in ps))
    for (_, row, i), p in zip(flat, holm(ps), strict=True):
        row[i] = replace(row[i], adjusted=p, family=family)


def _p(claim: Claim, found: Paired | None) -> float:
    if found is None:
        return float("nan")
    return found.within(claim.margin) if claim.kind == "equivalence" else found.p


def _compared(claim: Claim, contrasts: list[Contrast]) -> tuple[str, str]:
    missing = _missing(claim, contrasts)
    enough = [contrast for contrast in contrasts if contrast.found and len(contrast.found.differences) >= SEEDS]
    clear = [contrast for contrast in enough if contrast.adjusted < LEVEL]
    wrong = [c for c in clear if c.found and (c.found.mean < 0) != (claim.reported.get(c.metric, 0.0) < 0)]
    if wrong:
        return CONTRADICTED, f"{len(wrong)} of {len(contrasts)} differences are clearly the other way round"
    if missing:
        return UNTESTED, missing
    if len(enough) < len(contrasts):
        return UNCLEAR, f"seeds: {min(len(c.found.differences) for c in contrasts if c.found)}; a verdict needs {SEEDS}"
    if len(clear) == len(contrasts):
        return REPRODUCED, f"every difference is clearly as claimed{_sizes(claim, contrasts)}"
    return UNCLEAR, f"{len(contrasts) - len(clear)} of {len(contrasts)} differences could be chance"


def _sizes(claim: Claim, contrasts: Sequence[Contrast]) -> str:
    """A verdict is about the direction; whether the interval holds the printed size is said beside it."""
    printed = [(c.found, claim.reported[c.metric]) for c in contrasts if c.found and c.metric in claim.reported]
    held = [found.low <= size <= found.high for found, size in printed]
    return f" in direction; the interval {'holds' if all(held) else 'does not hold'} the printed size" if held else ""


def _equivalent(claim: Claim, contrasts: list[Contrast]) -> tuple[str, str]:
    missing = _missing(claim, contrasts)
    if missing:
        return UNTESTED, missing
    found = [contrast.found for contrast in contrasts if contrast.found]
    if min(len(one.differences) for one in found) < SEEDS:
        return UNCLEAR, f"seeds: {min(len(one.differences) for one in found)}; a verdict needs {SEEDS}"
    if any(one.beyond(claim.margin) < LEVEL / contrasts[0].family for one in found):
        return CONTRADICTED, f"a difference lies beyond {claim.margin} points"
    if all(contrast.adjusted < LEVEL for contrast in contrasts):
        return REPRODUCED, f"every difference lies within {claim.margin} points"
    return UNCLEAR, f"a difference of {claim.margin} points cannot be ruled out"


def _arithmetic(claim: Claim, folder: Path) -> tuple[str, str]:
    holds, why = check(claim.check, folder, claim.quoted)
    return (BORNE_OUT if holds else BY_OWN_NUMBERS), why


def _missing(claim: Claim, contrasts: list[Contrast]) -> str:
    count = sum(contrast.found is None for contrast in contrasts)
    return f"{count} of {len(contrasts)} comparisons have no runs; it takes {claim.needs}" if count else ""
