"""From claims and results to verdicts. Nothing here is typed by hand but the rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..experiment import Result, Settings
from ..experiment.settings import OF_POINTS
from ..experiment.tables import footing
from .arithmetic import check
from .pairing import pairs
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
EVIDENCE = ("smoke", "lesson")  # tiers whose results are none


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
        adjusted: p after Holm's correction within the claim's table.
    """

    better: Mapping[str, Any]
    worse: Mapping[str, Any]
    metric: str
    footing: str = ""
    found: Paired | None = None
    frames: tuple[float, float] | None = None
    adjusted: float = float("nan")


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

    Two results are compared where nothing decisive differs but what the claim names; a claim is judged on the footing
    with the most seeds, then the largest images. Results of tiers smoke and lesson are no evidence.

    Args:
        claims: from `claims()`.
        results: from a ledger.
        protocol: of the scores that are compared.
        folder: of the papers' data, for arithmetic.
    """
    runs = [
        result for result in results if result.settings["tier"] not in EVIDENCE and result.settings["data"] != "streets"
    ]
    measured = {
        claim.id: [
            _measure(claim, pair, metric, runs, protocol) for pair in claim.contrasts for metric in claim.metrics
        ]
        for claim in claims
    }
    for table in dict.fromkeys(claim.table for claim in claims):
        _correct([measured[claim.id] for claim in claims if claim.table == table])
    judges: dict[str, Callable[[Claim, list[Contrast]], tuple[str, str]]] = {
        "comparison": _compared,
        "equivalence": _equivalent,
        "arithmetic": lambda claim, _: _arithmetic(claim, Path(folder or papers_folder())),
        "elsewhere": lambda claim, _: (UNTESTED, claim.needs),
    }
    return [Judgement(c, *judges[c.kind](c, measured[c.id]), tuple(measured[c.id])) for c in claims]


def _measure(
    claim: Claim, pair: tuple[Mapping[str, Any], Mapping[str, Any]], metric: str, runs: Sequence[Result], protocol: str
) -> Contrast:
    ours, theirs = ([run for run in runs if _matches(run, {**_plain_points(wanted), **claim.only})] for wanted in pair)
    shared = pairs(ours, theirs, {*pair[0], *pair[1], *OF_POINTS, "scheme"})
    if not shared:
        return Contrast(*pair, metric)
    both = max(shared.values(), key=lambda both: (len(both), math.prod(both[0][0].settings["size"] or (10**9,))))
    scores = [[100 * run.scores[protocol][metric] for run in side] for side in zip(*both, strict=True)]
    differences = [a - b for a, b in zip(*scores, strict=True)]
    better, worse = ([np.asarray(run.per_image) for run in side] for side in zip(*both, strict=True))
    frames = block_bootstrap(better, worse, metric, protocol)
    return Contrast(*pair, metric, footing(both[0][0]), paired(differences), frames)


def _plain_points(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A side's settings; what it does not name about points is as a plain run has it."""
    if wanted["scheme"] == "conventional":
        return dict(wanted)
    plain = {name: getattr(Settings(), name) for name in OF_POINTS}
    return {**plain, **wanted}


def _matches(run: Result, wanted: Mapping[str, Any]) -> bool:
    return all(
        run.setting(name) in value if isinstance(value, list) else run.setting(name) == value
        for name, value in wanted.items()
    )


def _correct(contrasts: list[list[Contrast]]) -> None:
    """Holm over everything that was measured in one table, in place."""
    flat = [(row, i) for row in contrasts for i in range(len(row))]
    ps = [row[i].found.p if row[i].found else float("nan") for row, i in flat]  # type: ignore[union-attr]
    for (row, i), p in zip(flat, holm(ps), strict=True):
        row[i] = replace(row[i], adjusted=p)


def _compared(claim: Claim, contrasts: list[Contrast]) -> tuple[str, str]:
    missing = _missing(claim, contrasts)
    enough = [contrast for contrast in contrasts if contrast.found and len(contrast.found.differences) >= SEEDS]
    clear = [contrast for contrast in enough if contrast.adjusted < LEVEL]
    wrong = [contrast for contrast in clear if contrast.found and contrast.found.mean < 0]
    if wrong:
        return CONTRADICTED, f"{len(wrong)} of {len(contrasts)} differences are clearly the other way round"
    if missing:
        return UNTESTED, missing
    if len(enough) < len(contrasts):
        return UNCLEAR, f"seeds: {min(len(c.found.differences) for c in contrasts if c.found)}; a verdict needs {SEEDS}"
    if len(clear) == len(contrasts):
        return REPRODUCED, "every difference is clearly as claimed"
    return UNCLEAR, f"{len(contrasts) - len(clear)} of {len(contrasts)} differences could be chance"


def _equivalent(claim: Claim, contrasts: list[Contrast]) -> tuple[str, str]:
    missing = _missing(claim, contrasts)
    if missing:
        return UNTESTED, missing
    found = [contrast.found for contrast in contrasts if contrast.found]
    if min(len(one.differences) for one in found) < SEEDS:
        return UNCLEAR, f"seeds: {min(len(one.differences) for one in found)}; a verdict needs {SEEDS}"
    if any(one.low > claim.margin or one.high < -claim.margin for one in found):
        return CONTRADICTED, f"a difference lies beyond {claim.margin} points"
    if all(one.within(claim.margin) < LEVEL for one in found):
        return REPRODUCED, f"every difference lies within {claim.margin} points"
    return UNCLEAR, f"a difference of {claim.margin} points cannot be ruled out"


def _arithmetic(claim: Claim, folder: Path) -> tuple[str, str]:
    holds, why = check(claim.check, folder, claim.quoted)
    return (BORNE_OUT if holds else BY_OWN_NUMBERS), why


def _missing(claim: Claim, contrasts: list[Contrast]) -> str:
    count = sum(contrast.found is None for contrast in contrasts)
    return f"{count} of {len(contrasts)} comparisons have no runs; it takes {claim.needs}" if count else ""
