"""From claims and results to verdicts. Nothing here is typed by hand but the rules."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from ..experiment import Result
from ..experiment.ledger import CALIBRATION
from ..metrics import PROTOCOLS
from .arithmetic import check
from .contrasts import Contrast, is_evidence, measure
from .sources import Claim, papers_folder
from .statistics import LEVEL, holm

SEEDS = 5  # seeds 0 to 4 are judged, a number fixed before any run; fewer can only say "not distinguishable"
REPRODUCED, CONTRADICTED, UNCLEAR, UNTESTED, BY_OWN_NUMBERS, BORNE_OUT = VERDICTS = (
    "reproduced",
    "contradicted",
    "not distinguishable",
    "not testable here",
    "contradicted by the paper's own numbers",
    "borne out by the paper's own numbers",
)


@dataclass(frozen=True)
class Judgement:
    """A claim, what was measured for it, the verdict and the reason."""

    claim: Claim
    verdict: str
    why: str
    contrasts: tuple[Contrast, ...] = ()


def judge(
    claims: Sequence[Claim], results: Sequence[Result], *, protocol: str = "dataset", folder: str | Path | None = None,
    seeds: int = SEEDS,
) -> list[Judgement]:  # fmt: skip
    """Set every claim beside the results.

    Two results are compared where nothing decisive differs but what the claim names. All comparisons of a claim stand
    on one footing: the one with the most seeds in each of them, then the standard split, then the largest images.
    Drawn scenes, runs judged on training images (split `tune`), small images and short runs (`contrasts.LEAST`) are no
    evidence. Only seeds 0 to `seeds` - 1 are judged: neither chosen seeds nor a look after each new one can bring a
    verdict.

    Args:
        claims: from `claims()`.
        results: from a ledger.
        protocol: of the scores that are compared.
        folder: of the papers' data, for arithmetic.
        seeds: that a verdict takes, from 0 on; to be fixed before the runs.

    Raises:
        ValueError: unknown protocol, or fewer than `SEEDS` seeds.
    """
    if seeds < SEEDS:
        raise ValueError(f"got seeds={seeds}; a verdict takes {SEEDS} at least; pass seeds >= {SEEDS}")
    if protocol not in PROTOCOLS:
        raise ValueError(f"got protocol={protocol!r}; scores are filed under {[*PROTOCOLS]}; use one of them")
    runs = [result for result in results if is_evidence(result)]
    measured = {claim.id: measure(claim, runs, protocol, seeds) for claim in claims}
    for table, planned in _planned(claims).items():
        _correct([measured[claim.id] for claim in claims if claim.table == table], seeds, planned)
    judges: dict[str, Callable[[Claim, list[Contrast], int], tuple[str, str]]] = {
        "comparison": _compared,
        "equivalence": _equivalent,
        "arithmetic": lambda claim, *_: _arithmetic(claim, Path(folder or papers_folder())),
        "elsewhere": lambda claim, *_: (UNTESTED, claim.needs),
    }
    found = []
    for claim in claims:
        contrasts = tuple(measured[claim.id])
        verdict, why = judges[claim.kind](claim, measured[claim.id], seeds)
        if others := max((len(contrast.aside) for contrast in contrasts), default=0):
            why += f"; {others} other seed{'s' * (others > 1)} not judged"
        if "model" not in claim.only and (grounds := {c.footing for c in contrasts if c.footing}):
            why += f"; on {', '.join(grounds)}"
        found.append(Judgement(claim, verdict, why, contrasts))
    return found


def _planned(claims: Sequence[Claim]) -> Counter[str]:
    """How many comparisons each table has, run or not; what its claims share counts once."""
    every = {
        json.dumps([claim.table, pair, metric, claim.margin, claim.only], sort_keys=True): claim.table
        for claim in claims
        for pair, metric in product(claim.contrasts, claim.metrics)
    }
    return Counter(every.values())


def _correct(rows: list[list[Contrast]], seeds: int, planned: int) -> None:
    """Holm over all comparisons of one table, in place; what claims share enters once.

    One that is not run, or with fewer seeds than a verdict takes, enters with p = 1: its place is kept, so that no
    verdict lapses as more is run.
    """
    ps = {_same(c): _p(c) for row in rows for c in row if c.found and len(c.found.differences) >= seeds}
    adjusted = dict(zip(ps, holm([*ps.values(), *[1.0] * (planned - len(ps))]), strict=False))
    for row in rows:
        row[:] = [replace(c, adjusted=adjusted.get(_same(c), float("nan")), family=planned) for c in row]


def _same(contrast: Contrast) -> str:
    """Equal for one hypothesis tested on the same runs."""
    c, differences = contrast, contrast.found.differences if contrast.found else ()
    return json.dumps([c.better, c.worse, c.metric, c.margin, c.footing, differences], sort_keys=True)


def _p(contrast: Contrast) -> float:
    assert contrast.found is not None  # only what was measured is corrected
    return contrast.found.within(contrast.margin) if contrast.margin else contrast.found.p


def _compared(claim: Claim, contrasts: list[Contrast], seeds: int) -> tuple[str, str]:
    missing = _missing(claim, contrasts)
    enough = [contrast for contrast in contrasts if contrast.found and len(contrast.found.differences) >= seeds]
    clear = [contrast for contrast in enough if contrast.adjusted < LEVEL]
    wrong = [c for c in clear if c.found and (c.found.mean < 0) != _falls(claim, c.metric)]
    if wrong:
        return CONTRADICTED, f"{len(wrong)} of {len(contrasts)} differences are clearly the other way round"
    if missing:
        return UNTESTED, missing
    if len(enough) < len(contrasts):
        return UNCLEAR, _few(contrasts, seeds)
    if len(clear) == len(contrasts):
        direction = " in direction" if claim.reported else ""
        return REPRODUCED, f"every difference is clearly as claimed{direction}{_sizes(claim, contrasts)}"
    count = len(contrasts)
    missed = "the difference" if count == 1 else f"{count - len(clear)} of {count} differences"
    return UNCLEAR, f"{missed} from zero could be chance{_sizes(claim, contrasts)}"


def _falls(claim: Claim, metric: str) -> bool:
    """Whether the better side is said to be the lower one: by the numbers printed, else by the metric."""
    return claim.reported[metric] < 0 if metric in claim.reported else metric in CALIBRATION


def _sizes(claim: Claim, contrasts: Sequence[Contrast]) -> str:
    """A verdict is about the direction; where the interval lies to the printed size is said beside it."""
    printed = [
        (c.metric, c.found, claim.reported[c.metric]) for c in contrasts if c.found and c.metric in claim.reported
    ]
    places = {
        metric: "holds" if found.low <= size <= found.high else f"lies {'above' if found.low > size else 'below'}"
        for metric, found, size in printed
    }
    if len({*places.values()}) < 2:
        return "".join(f"; the interval {place} the printed size" for place in {*places.values()})
    return (
        "; the interval " + ", ".join(f"of {metric} {place}" for metric, place in places.items()) + " the printed size"
    )


def _equivalent(claim: Claim, contrasts: list[Contrast], seeds: int) -> tuple[str, str]:
    missing = _missing(claim, contrasts)
    if missing:
        return UNTESTED, missing
    found = [contrast.found for contrast in contrasts if contrast.found]
    if min(len(one.differences) for one in found) < seeds:
        return UNCLEAR, _few(contrasts, seeds)
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
    said = f"{count} of {len(contrasts)} comparisons have no runs to judge; a verdict takes at least {claim.needs}"
    return said if count else ""


def _few(contrasts: list[Contrast], seeds: int) -> str:
    fewest = min(len(contrast.found.differences) for contrast in contrasts if contrast.found)
    return f"seeds: {fewest}; a verdict needs {seeds} (0 to {seeds - 1})"
