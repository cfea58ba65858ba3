"""Many settings at once: what the ledger already has, what the rest will take, and running it side by side."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import Any

from ..experiment import Result, Settings, ledger_folder, published_folder, results
from ..experiment.study import data_of


@dataclass(frozen=True)
class Plan:
    """What a list of settings comes to.

    Args:
        filed: settings the ledger has a Result of.
        missing: settings to run, each once.
        seconds: to expect for the missing, one after another, from the speed of filed runs of the same network; nan
            where a network was never run.
    """

    filed: tuple[Settings, ...]
    missing: tuple[Settings, ...]
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """How one run ended: where its log is, and the last line of its error, or nothing."""

    settings: Settings
    log: Path
    error: str = ""


def plan(settings: Sequence[Settings], *, ledger: str | Path | None = None) -> Plan:
    """Sort settings into what is filed and what is missing; one named twice is run once."""
    ledger = Path(ledger or ledger_folder())
    distinct = {key_of(setting): setting for setting in reversed(settings)}
    named = list(reversed(distinct.items()))
    filed = [setting for key, setting in named if (ledger / f"{key}.json").is_file()]
    missing = [setting for key, setting in named if not (ledger / f"{key}.json").is_file()]
    speeds = _speeds(results(ledger, published_folder()))
    return Plan(tuple(filed), tuple(missing), sum(_work(s) * speeds.get(s.model, float("nan")) for s in missing))


def run_all(
    settings: Sequence[Settings],
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    ledger: str | Path | None = None,
    progress: bool | None = None,
) -> list[Outcome]:
    """Run settings side by side, each in a process that files its own Result; a failure stops nobody else.

    Killed at any point, the same call goes on: filed runs are not repeated, a half-done one resumes from its
    checkpoint, and no run is ever written by two at once.

    Args:
        settings: what to run.
        jobs: how many at once on this machine.
        scheduler: address of a dask.distributed scheduler instead, whose workers see the ledger's folder under the same
            path; workers that announce a resource "GPU" are given one run per GPU.
        ledger: folder of results, shared by all; logs go to `logs` in it.
        progress: a bar with a line per run; by default where output is a terminal.

    Returns:
        One Outcome per run, in the order they ended.
    """
    if jobs < 1:
        raise ValueError(f"got jobs={jobs}; at least one run is under way; pass jobs >= 1")
    ledger = Path(ledger or ledger_folder()).absolute()
    outcomes: list[Outcome] = []
    with _submitting(jobs, scheduler) as submit:
        running = {submit(run_one, asdict(each), str(ledger), 0 if scheduler else jobs): each for each in settings}
        with _progress_bar(len(running), progress) as bar:
            for future, setting in _as_they_end(running, lambda: bar(len(outcomes), _states(running, ledger))):
                log, error = future.result()
                outcomes.append(Outcome(setting, Path(log), error))
                state = f"failed: {error}; its log is {log}" if error else "done"
                print(f"[{len(outcomes)}/{len(running)}] {words(setting)} {state}", file=sys.stderr, flush=True)
    return outcomes


def run_one(fields: dict[str, Any], ledger: str, jobs: int) -> tuple[str, str]:
    """Run one setting in a process of its own; its log, and the last line of its error or nothing.

    Args:
        fields: of Settings.
        ledger: folder of results.
        jobs: how many runs share this machine's cores; 0 leaves threads as they are.
    """
    from ..experiment import home

    settings = Settings(**fields)
    log = _log(ledger, settings)
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "TQDM_DISABLE": "1"}
    if jobs:
        environment["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // jobs))
    command, told = [sys.executable, "-m", "imachsr.reproduce.one", ledger], json.dumps(fields)
    with log.open("w") as file:
        ended = subprocess.run(
            command, input=told, text=True, stdout=file, stderr=file, env=environment, cwd=home(), check=False
        )
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    if ended.returncode == 0:
        return str(log), ""
    return str(log), (lines[-1] if lines else f"it ended with status {ended.returncode} and no word")


def words(settings: Settings) -> str:
    """A run in one short line."""
    size = "x".join(map(str, settings.size)) if settings.size else "native"
    inside = "" if settings.scheme == "conventional" else f" M={settings.points}"
    where = f"{settings.data} {size}, {settings.epochs} epochs"
    return f"{settings.model} {settings.scheme}{inside}, {where}, seed {settings.seed}"


def key_of(settings: Settings) -> str:
    """The key a setting's Result is filed under."""
    return settings.key(_data(settings.data, settings.split, settings.root, settings.size, settings.length)[0])


@lru_cache(maxsize=256)
def _data(data: str, split: str, root: str | None, size: tuple[int, int] | None, length: int | None) -> tuple[str, int]:
    """Fingerprint of the data and number of training images: the same for many settings."""
    train, test = data_of(Settings(data=data, split=split, root=root, size=size, length=length))
    return f"{train.fingerprint} {test.fingerprint}", len(train)


def _work(settings: Settings) -> float:
    """Images seen times their pixels: what a run's time grows with."""
    _, images = _data(settings.data, settings.split, settings.root, settings.size, settings.length)
    height, width = settings.size or (1024, 2048)
    return float(settings.epochs * images * height * width)


def _speeds(filed: Sequence[Result]) -> dict[str, float]:
    """Network -> seconds per unit of work, the median over filed runs."""
    seconds: dict[str, list[float]] = {}
    for result in filed:
        height, width = result.settings["size"] or (1024, 2048)
        work = result.settings["epochs"] * result.provenance["images"]["train"] * height * width
        seconds.setdefault(result.settings["model"], []).append(result.provenance["seconds"] / work)
    return {model: median(values) for model, values in seconds.items()}


@contextmanager
def _submitting(jobs: int, scheduler: str | None) -> Iterator[Callable[..., Future]]:
    if scheduler is None:
        with ThreadPoolExecutor(jobs) as pool:
            try:
                yield pool.submit
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return
    from distributed import Client

    with Client(scheduler) as client:
        workers = client.scheduler_info()["workers"].values()
        needs = {"GPU": 1} if any("GPU" in worker["resources"] for worker in workers) else None
        executor = client.get_executor(resources=needs, retries=3, pure=False)  # a killed worker's runs go elsewhere
        yield executor.submit


def _as_they_end(
    running: dict[Future, Settings], meanwhile: Callable[[], None], every: float = 2.0
) -> Iterator[tuple[Future, Settings]]:
    pending = set(running)
    while pending:
        ended, pending = wait(pending, timeout=every, return_when=FIRST_COMPLETED)
        for future in ended:
            yield future, running[future]
        meanwhile()


def _states(running: dict[Future, Settings], ledger: Path) -> list[str]:
    """Where each run under way is: the last epoch its log tells of."""
    states = []
    for future, setting in running.items():
        log = _log(ledger, setting)
        if not future.done() and log.is_file():
            told = re.findall(r"epoch (\d+/\d+)", log.read_text(errors="replace"))
            states.append(f"{setting.scheme} {setting.seed}: {told[-1] if told else 'starting'}")
    return states


@contextmanager
def _progress_bar(total: int, progress: bool | None) -> Iterator[Callable[[int, list[str]], None]]:
    from tqdm.auto import tqdm

    show = sys.stderr.isatty() if progress is None else progress
    with tqdm(total=total, desc="runs", unit="run", disable=not show) as bar:

        def draw(done: int, states: list[str]) -> None:
            bar.n = done
            bar.set_postfix_str("; ".join(states))

        yield draw


def _log(ledger: str | Path, settings: Settings) -> Path:
    return Path(ledger) / "logs" / f"{key_of(settings)}.log"
