"""Every scheme against one of them, over the seeds both were run with."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from ..experiment import METRICS, Result
from ..experiment.ledger import CALIBRATION
from ..experiment.settings import CHOICES, OF_CLUSTERS, OF_POINTS, OF_SCHEME
from ..experiment.tables import footing, told, varied
from .judge import SEEDS, UNCLEAR
from .pairing import pairs, scored
from .statistics import LEVEL, holm, paired

if TYPE_CHECKING:
    import pandas as pd

FAMILIES = ((*METRICS, "pixel_accuracy"), CALIBRATION)  # corrected together, whichever are asked for
EVERY = tuple(metric for family in FAMILIES for metric in family)


def compare(
    results: Sequence[Result],
    baseline: str = "conventional",
    metrics: Sequence[str] = METRICS,
    protocol: str = "dataset",
    schemes: Collection[str] | None = None,
) -> pd.DataFrame:
    """Each scheme minus the baseline, seed by seed, where nothing decisive differs but the scheme and its own settings.

    Args:
        results: from a ledger.
        baseline: scheme that is taken off.
        metrics: of `EVERY`, in this order; runs filed without one are not paired in it.
        protocol: of the scores.
        schemes: of the results, whose rows are returned; None: all. p does not depend on it, nor on the metrics.

    Returns:
        Columns: where; scheme, and settings in which runs of one scheme differ; metric; `baseline` and mean, per cent;
        difference, its mean in points, with low and high of its Student interval at 95 % (nan for one seed); relative,
        in per cent of a baseline above 0; seeds; unlike, how many of the pairs ran on an unlike `machine`; p after
        Holm's correction over all schemes of the results on that ground, in every metric of its family, with the seeds
        that a verdict takes (nan with fewer); finding. Without a seed that both were run with: nan and 0 seeds.

    Raises:
        ValueError: no run of the baseline, or several of one seed that differ in what the other side does not have; a
            metric or scheme that is not there.
    """
    import pandas as pd

    schemes_there = sorted({result.settings["scheme"] for result in results}, key=CHOICES["scheme"].index)
    theirs = [result for result in results if result.settings["scheme"] == baseline]
    if not theirs:
        raise ValueError(
            f"got baseline {baseline!r}, of which there is no run; a difference has two sides; runs are of "
            f"{', '.join(schemes_there) or 'none'}"
        )
    for name, asked, known in (("metrics", metrics, EVERY), ("schemes", schemes or (), schemes_there)):
        if strange := [one for one in asked if one not in known]:
            raise ValueError(f"got {name} {strange}; what can be compared is {[*known]}; choose of these")
    shown = {baseline, *(schemes_there if schemes is None else schemes)}
    columns = varied([result for result in results if result.settings["scheme"] in shown])
    ordered = [*metrics, *(metric for metric in EVERY if metric not in metrics)]
    files = {one.provenance.get("image_format") for one in results}
    rows: list[dict[str, Any]] = []
    for ours in _arranged(results, baseline):
        same = {"scheme": ours[0].settings["scheme"], **{name: told(ours[0], name) for name in columns}}
        try:
            found = _differences(ours, theirs, ordered, protocol)
            rows += [{"where": _where(run, files), **same, **row} for run, row in found]
        except ValueError:  # of a scheme nobody asked for
            if same["scheme"] in shown:
                raise
    grounds = [*dict.fromkeys(row["where"] for row in rows)]
    for ground, family in product(grounds, FAMILIES):
        _find([row for row in rows if row["where"] == ground and row["metric"] in family])
    told_of = [row for row in rows if row["scheme"] in shown and row["metric"] in metrics]
    told_of.sort(key=lambda row: grounds.index(row["where"]))
    return pd.DataFrame(told_of)


def machine(run: Result) -> tuple[str | None, str | None]:
    """Processor and memory format of a run: where two differ, so do the last digits of every step."""
    return run.provenance.get("device"), run.provenance.get("memory_format")


def _where(run: Result, files: Collection[str | None]) -> str:
    """The run's footing; its image files, too, where they are not the same for all."""
    return f"{footing(run)}, {run.provenance.get('image_format')} images" if len(files) > 1 else footing(run)


def _arranged(results: Sequence[Result], baseline: str) -> list[list[Result]]:
    """Runs of one scheme with the same settings of points and clusters, scheme by scheme."""
    found: dict[tuple[Any, ...], list[Result]] = {}
    for result in sorted(results, key=lambda r: CHOICES["scheme"].index(r.settings["scheme"])):
        if result.settings["scheme"] != baseline:
            words = (result.settings["scheme"], *(told(result, name) for name in OF_SCHEME))
            found.setdefault(words, []).append(result)
    return [*found.values()]


def _find(rows: Sequence[dict[str, Any]]) -> None:
    """p after Holm, and what it finds, for all rows of one ground, in place."""
    corrected = holm([row["p"] if row["seeds"] >= SEEDS else float("nan") for row in rows])
    for row, p in zip(rows, corrected, strict=True):
        row["p"] = p
        found = ("higher" if row["difference"] > 0 else "lower") if p < LEVEL else UNCLEAR
        row["finding"] = found if row["seeds"] else "no pairs"


def _differences(
    ours: list[Result], theirs: list[Result], metrics: Sequence[str], protocol: str
) -> Iterator[tuple[Result, dict[str, Any]]]:
    """(one of the runs, row) for each ground that runs of one arrangement share with the baseline."""
    idle = [name for name in OF_POINTS if ours[0].idle(name) or theirs[0].idle(name)]
    shared = pairs(ours, theirs, {"scheme", *OF_CLUSTERS, *idle})
    for metric in metrics:
        for both in shared.values():
            yield both[0][0], _row(metric, both, protocol)
        if not shared:
            yield ours[0], _row(metric, [], protocol)


def _row(metric: str, both: Sequence[tuple[Result, Result]], protocol: str) -> dict[str, Any]:
    nan, counted = float("nan"), [pair for pair in both if scored([pair], metric, protocol)]
    if not counted:
        return {"metric": metric, "baseline": nan, "mean": nan, "difference": nan, "low": nan, "high": nan,
                "relative": nan, "seeds": 0, "unlike": 0, "p": nan}  # fmt: skip
    scores = scored(counted, metric, protocol)
    mean, base = (sum(side) / len(scores) for side in zip(*scores, strict=True))
    found = paired([a - b for a, b in scores])
    unlike = sum(machine(ours) != machine(theirs) for ours, theirs in counted)
    relative = 100 * found.mean / base if base > 0 else nan  # overconfidence may be below 0
    return {
        "metric": metric, "baseline": base, "mean": mean, "difference": found.mean, "low": found.low,
        "high": found.high, "relative": relative, "seeds": len(scores), "unlike": unlike, "p": found.p,
    }  # fmt: skip
