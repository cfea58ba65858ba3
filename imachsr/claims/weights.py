"""What a recorded sweep of alpha and lambda supports, judged on part of the training images, never on test images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..experiment import Result, Settings, results, tuning_folder
from ..experiment.settings import OF_POINTS
from ..experiment.tables import footing
from .judge import SEEDS
from .pairing import pairs, scored
from .statistics import LEVEL, Paired, holm, paired

DEFAULTS = Settings.alpha, Settings.lambda_


@dataclass(frozen=True)
class Cell:
    """One pair of weights against the defaults.

    Args:
        alpha: weight of the supervision.
        lambda_: weight of the regularizer; both 0: conventional training.
        found: cell minus defaults, over the seeds both were run with, in points.
        adjusted: p after Holm's correction over all cells that have the seeds a verdict takes; nan for others.
    """

    alpha: float
    lambda_: float
    found: Paired
    adjusted: float = float("nan")

    @property
    def whole(self) -> bool:
        """Whether there are the seeds a verdict takes."""
        return len(self.found.differences) >= SEEDS

    @property
    def clear(self) -> bool:
        """Whether the difference is no chance."""
        return self.adjusted < LEVEL


@dataclass(frozen=True)
class Support:
    """What the sweep says.

    Args:
        where: it was run, in words; empty without runs.
        cells: all but the defaults', best first.
    """

    where: str
    cells: tuple[Cell, ...]

    @property
    def weights(self) -> tuple[float, float]:
        """alpha and lambda that the sweep supports: the defaults, unless another pair is clearly better."""
        better = [cell for cell in self.cells if cell.clear and cell.found.mean > 0]
        return (better[0].alpha, better[0].lambda_) if better else DEFAULTS

    @property
    def says(self) -> str:
        """The same in two sentences."""
        kept = f"alpha = {DEFAULTS[0]:g} and lambda = {DEFAULTS[1]:g}"
        if not self.cells:
            return f"No sweep of alpha and lambda has been published: {kept} are our guess."
        best = next((cell for cell in self.cells if (cell.alpha, cell.lambda_) == self.weights), self.cells[0])
        seeds = len(best.found.differences)
        rank = "the best" if best is self.cells[0] else "the best that is clear"
        swept = (
            f"Sweep of {len(self.cells)} other pairs on part of the training images ({self.where}): {rank}, alpha = "
            f"{best.alpha:g} with lambda = {best.lambda_:g}, is {best.found.mean:+.2f} points of mIoU from "
            f"{kept} over {seeds} seed{'s' * (seeds > 1)}."
        )
        if self.weights != DEFAULTS:
            return f"{swept} That is no chance: the sweep supports it."
        why = f"fewer than {SEEDS} seeds do not distinguish" if seeds < SEEDS else "no difference upwards is clear"
        return f"{swept} The sweep gives no reason to leave the defaults: {why}."


def supported(runs: Sequence[Result] | None = None) -> Support:
    """Compare every pair of weights with the defaults in mIoU, seed by seed, where nothing else differs.

    Seeds 0 to `SEEDS` - 1 count, as for a verdict: neither chosen seeds nor a look after each new one decides.
    Of several sweeps the one with the most runs is told.

    Args:
        runs: from a ledger; those of split `tune` count. By default the published ones.
    """
    cells: dict[tuple[float, float], list[Result]] = {}
    for run in results(tuning_folder()) if runs is None else runs:
        if run.setting("split") == "tune" and (pair := _weights(run)):
            cells.setdefault(pair, []).append(run)
    plain = cells.pop(DEFAULTS, [])
    grounds: dict[str, list[Cell]] = {}
    words: dict[str, str] = {}
    for (alpha, lambda_), ours in cells.items():
        for ground, both in pairs(ours, plain, {"scheme", *OF_POINTS}).items():
            judged = [pair for pair in both if pair[0].settings["seed"] in range(SEEDS)]
            if differences := [ours - theirs for ours, theirs in scored(judged, "mIoU", "dataset")]:
                grounds.setdefault(ground, []).append(Cell(alpha, lambda_, paired(differences)))
                words[ground] = footing(both[0][0])
    if not grounds:
        return Support("", ())
    most = max(grounds, key=lambda ground: sum(len(cell.found.differences) for cell in grounds[ground]))
    adjusted = holm([cell.found.p if cell.whole else float("nan") for cell in grounds[most]])
    found = [replace(cell, adjusted=p) for cell, p in zip(grounds[most], adjusted, strict=True)]
    return Support(words[most], tuple(sorted(found, key=lambda cell: -cell.found.mean)))


def _weights(run: Result) -> tuple[float, float] | None:
    """alpha and lambda of a run that departs from a plain one in nothing else about its points."""
    if run.settings["scheme"] == "conventional":
        return 0.0, 0.0
    others = {*OF_POINTS} - {"alpha", "lambda_"}
    plain = run.settings["scheme"] == Settings.scheme and all(run.setting(n) == getattr(Settings, n) for n in others)
    pair = run.setting("alpha"), run.setting("lambda_")
    return pair if plain and any(pair) else None  # with no weight at all it is conventional training, slower
