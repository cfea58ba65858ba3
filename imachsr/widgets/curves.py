"""The curve browser: what filed runs went through, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence

from ..experiment import METRICS, Result
from ..figures.results import Curve, by_footing, lines, named
from .explorer import Explorer, dropdown, explorer, picture, table

# what can be shown -> its words; a loss is the mean over the run's points
SCORES = {name: f"{name} (%)" for name in (*METRICS, "pixel_accuracy")}
TERMS = {
    "output": "loss at the output",
    "supervision": "loss at the points, mean",
    "regularizer": "negative entropy at the points, mean",
}
ALL = "all"
COLUMNS = 6  # epochs in the table


def compute_curves(
    results: Sequence[Result],
    *,
    runs: str = ALL,
    seed: int | str = ALL,
    show: str = "mIoU",
    protocol: str = "dataset",
) -> list[Curve]:
    """What the curve browser shows: a score of the test images or a term of the training loss, epoch by epoch.

    Epochs are scored under the protocol `dataset`; under another one, only the last epoch is.

    Args:
        results: filed runs.
        runs: the name of some, see `figures.results.named`, or "all".
        seed: of some, or "all".
        show: a metric, "pixel_accuracy", "output", "supervision" or "regularizer".
        protocol: of the scores.

    Raises:
        ValueError: an unknown score, term or protocol, or no run that has it.
    """
    if show not in (*SCORES, *TERMS):
        raise ValueError(f"got show={show!r}; there are {[*SCORES, *TERMS]}; use one of them")
    found = []
    for result in results:
        name, own = named(result), result.settings["seed"]
        if runs in (ALL, name) and seed in (ALL, own):
            values = _terms(result, show) if show in TERMS else _scores(result, show, protocol)
            if values:
                found.append(Curve(name, result.settings["scheme"], own, tuple(values), tuple(values.values())))
    if not found:
        raise ValueError(
            f"got runs={runs!r}, seed={seed!r} and {show!r}: none of {len(results)} runs has that; "
            "conventional training has no points, and not every seed was run; choose all"
        )
    return found


def _terms(result: Result, show: str) -> dict[int, float]:
    """Epoch -> the term, a mean over the points that have it."""
    found = {}
    for epoch in result.history:
        values = [value for name, value in epoch["losses"].items() if name.split("/")[-1] == show]
        if values:
            found[epoch["number"]] = sum(values) / len(values)
    return found


def _scores(result: Result, show: str, protocol: str) -> dict[int, float]:
    """Epoch -> the score in per cent."""
    if protocol not in result.scores:
        raise ValueError(f"got protocol={protocol!r}; the results have {[*result.scores]}; use one of them")
    if protocol == "dataset":
        scored = {epoch["number"]: epoch["scores"][show] for epoch in result.history if epoch["scores"]}
    else:
        scored = {result.history[-1]["number"]: result.scores[protocol][show]}
    return {epoch: float("nan") if value is None else 100 * value for epoch, value in scored.items()}


def curve_browser(results: Sequence[Result]) -> Explorer:
    """Picks what was run where, schemes, a seed, a score or loss term and a protocol, and redraws curves over epochs.

    Args:
        results: filed runs; those that may be compared stand together, the ground with the most of them first.

    Raises:
        ValueError: no results.
    """
    if not results:
        raise ValueError("got no results; the browser draws one at least; pass imachsr.results(), or run something")
    places = by_footing(results)

    def render(where: str, runs: str, seed: int | str, show: str, protocol: str) -> str:
        return _curves_html(compute_curves(places[where], runs=runs, seed=seed, show=show, protocol=protocol),
                            where, show, protocol)  # fmt: skip

    names = sorted({named(result) for result in results}, key=lambda name: name != "conventional")
    seeds = sorted({result.settings["seed"] for result in results})
    controls = {
        "where": dropdown("Run on", [*places], next(iter(places))),
        "runs": dropdown("Runs", [ALL, *names], ALL),
        "seed": dropdown("Seed", [ALL, *seeds], ALL),
        "show": dropdown("Show", [(words, name) for name, words in {**SCORES, **TERMS}.items()], "mIoU"),
        "protocol": dropdown("Protocol", [*results[0].scores], "dataset"),
    }
    return explorer(controls, render)


def _curves_html(curves: Sequence[Curve], where: str, show: str, protocol: str) -> str:
    words = {**SCORES, **TERMS}[show]
    last = _last(curves)
    ends = "; ".join(f"{name} {value}" for name, value in last.items())
    alt = (
        f"{words} over the epochs, {len(curves)} runs on {where}, a colour per scheme and a thin line per seed. "
        f"Last epoch: {ends}."
    )
    return picture(lines(curves, words), alt, f"{where}. {_note(show, protocol)} Last epoch: {ends}.") + table(
        _rows(curves)
    )


def _note(show: str, protocol: str) -> str:
    if show == "supervision":
        return "Training images, before weighting. Schemes have different losses here: compare courses, not heights."
    if show in TERMS:
        return "Training images, mean over an epoch, before weighting."
    if protocol != "dataset":
        return f"Test images, protocol {protocol}, under which only the last epoch is scored."
    return "Test images, protocol dataset."


def _last(curves: Sequence[Curve]) -> dict[str, str]:
    """Name -> mean over the seeds at each one's last epoch, and how many seeds."""
    ends: dict[str, list[float]] = {}
    for curve in curves:
        ends.setdefault(curve.name, []).append(curve.values[-1])
    return {name: f"{sum(v) / len(v):.2f} ({len(v)} seed{'s' * (len(v) > 1)})" for name, v in ends.items()}


def _rows(curves: Sequence[Curve]) -> list[dict[str, str]]:
    """A row per run, a column for each of some epochs."""
    from ..experiment.snapshots import evenly

    every = sorted({epoch for curve in curves for epoch in curve.epochs})
    chosen = [every[place] for place in evenly(len(every), COLUMNS)]
    return [
        {
            "run": curve.name,
            "seed": str(curve.seed),
            **{f"epoch {epoch}": _cell(dict(zip(curve.epochs, curve.values, strict=True)), epoch) for epoch in chosen},
        }
        for curve in sorted(curves, key=lambda one: (one.name, one.seed))
    ]


def _cell(values: dict[int, float], epoch: int) -> str:
    return f"{values[epoch]:.2f}" if epoch in values else ""
