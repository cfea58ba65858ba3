"""The main job: the runs of the chosen studies, then the notebooks that show them, then the report."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..experiment import Settings, comparison, published_folder, results
from ..experiment.ledger import try_writing
from ..experiment.tables import said_once
from ..training.progress import clock
from .batch import Plan, is_filed, plan, run_all, verify_data, words
from .execution import checked, execute, notebooks, parameters, store
from .minutes import Minutes, Stopwatch
from .report import remove_figures, write_report
from .studies import STUDIES, Study


def reproduce(
    chosen: Sequence[str] = (),
    *,
    tier: str = "smoke",
    data: str = "streets",
    root: str | None = None,
    seeds: int = 1,
    given: Mapping[str, Any] | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    launch: str = "",
    size: tuple[int, int] | None = None,
    epochs: int | None = None,
    dry_run: bool = False,
    out: str | Path = "figures",
    store_outputs: bool = False,
    progress: bool | None = None,
) -> int:
    """Run what the chosen studies need, execute their notebooks in order, write figures and `report.html` to `out`.

    Killed at any point, the same call goes on: filed runs are not repeated, a half-done run resumes.

    Args:
        chosen: studies (such as "table2"), or numbers or names of notebooks; all by default.
        tier: where it runs, on what, within which time; see `TIERS`.
        data: streets, or a dataset with a root.
        root: folder of the data.
        seeds: runs per setting, from seed 0.
        given: other parameters of notebooks, name -> value, for those that declare them.
        jobs: runs at once on this machine.
        scheduler: address of a dask.distributed scheduler to run on instead.
        launch: a command that starts the processes of one run, such as "torchrun --standalone --nproc-per-node 4".
        size: (height, width) of the runs, in place of the tier's. Notebooks show tiers, so none is executed where it
            is another than the tier's.
        epochs: of the runs, likewise.
        dry_run: only say what would run, what is filed and how long it should take.
        out: folder of figures, executed notebooks and the report.
        store_outputs: let the notebooks of the checkout keep the outputs they gave.
        progress: bars; by default on a terminal, or in a notebook somebody looks at.

    Returns:
        0, or 1 where a run or a notebook failed (the others still ran).

    Raises:
        ValueError: unknown study, notebook or parameter, data that cannot be read, or a package that is not installed,
            before anything runs.
    """
    for name, count in (("seeds", seeds), ("jobs", jobs)):
        if count < 1:
            raise ValueError(f"got {name}={count}; it is 1 at least; pass {name} >= 1")
    if dry_run and store_outputs:
        raise ValueError("got a dry run that stores outputs; a dry run gives none; leave one of them out")
    paths, studies, out = *_asked_for(chosen), Path(out).absolute()
    root = str(Path(root).absolute()) if root else None
    plain = Settings.at(tier, data=data, root=root)  # what notebooks without runs read
    wishes = (("size", size), ("epochs", epochs))
    changes: dict[str, Any] = {name: wish for name, wish in wishes if wish not in (None, getattr(plain, name))}
    paths = [] if changes else paths
    settings = _settings_of(studies, plain, seeds, changes)
    if changes and not settings:
        raise ValueError(f"got {', '.join(changes)} for {[*chosen]}, which has no runs; name a study: {[*STUDIES]}")
    verify_data([_changed(plain, changes), *settings])
    asked = _parameters_of(
        paths, {"tier": tier, "data": data, "root": root or "", "folder": str(out), "seeds": seeds}, given or {}
    )
    due = plan(settings)
    _say_plan(due)
    if dry_run:
        return 0
    if paths:
        _check_out(out)
    _check_packages(paths, scheduler)
    one = jobs == seeds == 1 and not (scheduler or launch or given)  # else its time says little to a reader
    minutes = Minutes({path.stem: _settings_shown(path, tier, data, root) for path in paths}) if one else None
    started = time.perf_counter()
    failures = [
        f"{words(outcome.settings)}: {outcome.error} (log: {outcome.log})"
        for outcome in run_all(due.missing, jobs=jobs, scheduler=scheduler, launch=launch, progress=progress)
        if outcome.error
    ]
    if minutes:
        minutes.runs_ended()
    failures += _execute_all(asked, out, store_outputs, progress, minutes)
    if paths:
        _say_where(out, write_report(out, tier=tier, data=data, failures=failures), tier, data)
    print(f"done in {(time.perf_counter() - started) / 60:.1f} min")
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _settings_of(studies: Sequence[Study], plain: Settings, seeds: int, changes: Mapping[str, Any]) -> list[Settings]:
    """Of the runs of the studies: on the ground of `plain`, with the changes."""
    every = (study.settings(plain.tier, plain.data, plain.root, seeds) for study in studies)
    return [_changed(setting, changes) for settings in every for setting in settings]


def _changed(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """With changes they are no tier's any more."""
    return replace(settings, tier="custom", **changes) if changes else settings


def _check_packages(paths: Sequence[Path], scheduler: str | None) -> None:
    for package, extra, needed in (("papermill", "notebooks", paths), ("distributed", "cluster", scheduler)):
        if needed and importlib.util.find_spec(package) is None:
            raise ValueError(f"got no package {package}; this needs it; pip install 'imachsr[{extra}]'")


def _check_out(out: Path) -> None:
    """Hours of training come before the first figure is written."""
    try:
        try_writing(out)
    except OSError as error:
        raise ValueError(
            f"got out={out}, where nothing can be written ({error.strerror}); figures and the report go there; name a "
            "folder that can be written"
        ) from error


def _asked_for(chosen: Sequence[str]) -> tuple[list[Path], list[Study]]:
    """Notebooks by study, number or name, and the studies they show; "all" and nothing mean all notebooks."""
    wishes = [] if "all" in chosen else [STUDIES[wish].notebook if wish in STUDIES else wish for wish in chosen]
    try:
        paths = sorted(set(notebooks([wish for wish in wishes if wish]))) if any(wishes) or not wishes else []
    except ValueError as error:
        raise ValueError(f"{error}; or a study: {[*STUDIES]}") from error
    numbers = {path.name[:2] for path in paths}
    return paths, [study for study in STUDIES.values() if study.notebook[:2] in numbers or study.name in chosen]


def _parameters_of(
    paths: Sequence[Path], own: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[Path, dict[str, Any]]:
    """What each notebook is passed: of the runs' own parameters and those given, the ones it declares."""
    if taken := sorted({*own} & {*given}):
        raise ValueError(
            f"got parameter {taken[0]!r}, which the runs go by too; runs and notebooks must agree; "
            f"use the option --{taken[0].replace('folder', 'out')}"
        )
    asked = {path: _declared(path, {**own, **given}) for path in paths}
    if unknown := sorted({*given} - {name for names in asked.values() for name in names}):
        known = sorted({name for path in paths for name in parameters(path)} - {*own})
        raise ValueError(
            f"got parameter {unknown[0]!r}, which none of {[path.stem for path in paths]} declares; "
            f"beside the runs' own there are {known or 'none'}; see the second cell of a notebook"
        )
    return asked


def _declared(path: Path, every: Mapping[str, Any]) -> dict[str, Any]:
    names = parameters(path)
    return checked(path, {name: value for name, value in every.items() if name in names})


def _settings_shown(path: Path, tier: str, data: str, root: str | None) -> list[Settings]:
    """Of the runs that a notebook shows, one seed."""
    shown = [study for study in STUDIES.values() if study.notebook == path.stem]
    return [setting for study in shown for setting in study.settings(tier, data, root, 1)]


def _say_plan(due: Plan) -> None:
    there = sum(is_filed(setting, published_folder()) for setting in due.missing)
    expected = f", {clock(due.seconds)} of training expected" if due.seconds else ""
    unknown = f", time unknown of {', '.join(due.untimed)} (never run)" if due.untimed else ""
    again = f" ({there} of them published, run anew here)" if there else ""
    print(f"{len(due.filed)} runs filed, {len(due.missing)} to run{again}{expected}{unknown}", file=sys.stderr)
    for state, settings in (("filed ", due.filed), ("to run", due.missing)):
        for setting in settings:
            print(f"  {state}  {words(setting)}", file=sys.stderr)


def _execute_all(
    asked: Mapping[Path, dict[str, Any]], out: Path, store_outputs: bool, progress: bool | None, minutes: Minutes | None
) -> list[str]:
    failures = []
    for number, (path, given) in enumerate(asked.items(), 1):
        print(f"[{number}/{len(asked)}] {path.stem} ...", file=sys.stderr, flush=True)
        stopwatch = Stopwatch()
        remove_figures(out, path.name[:3])
        try:
            execute(path, out / "executed" / path.name, given, progress=progress)
            stopwatch.stop()
            if minutes:
                minutes.note(path.stem, stopwatch, **{name: given[name] for name in ("tier", "data") if name in given})
            if store_outputs:
                store(out / "executed" / path.name, path)
            print(f"[{number}/{len(asked)}] {path.stem} done in {stopwatch.seconds:.0f} s", file=sys.stderr)
        except RuntimeError as error:
            failures.append(f"{path.stem}: {error}")
            print(f"[{number}/{len(asked)}] {error}", file=sys.stderr)
    return failures


def _say_where(out: Path, report: Path, tier: str, data: str) -> None:
    ran = [result for result in results() if (result.settings["tier"], result.settings["data"]) == (tier, data)]
    words, table = said_once(comparison(ran))
    print(f"\nMeans over seeds, per cent, protocol dataset; {words or f'tier {tier}, data {data}'}:\n")
    print(table.to_string(index=False, float_format="{:.2f}".format) if len(table) else "no run of these is filed")
    print(f"\nexecuted notebooks  {out / 'executed'}\nfigures             {out}\nreport              {report}")
