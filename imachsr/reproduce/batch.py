"""Many settings at once: what the ledger already has, what the rest will take, and running it side by side."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock
from typing import Any

from .. import datasets
from ..experiment import (
    Places,
    Result,
    Settings,
    data_of,
    first_phase,
    ledger_folder,
    provenance,
    published_folder,
    results,
)
from .live import live_lines

OF_DATA = ("data", "split", "root", "size", "length", "classes", "inputs")  # settings that say which images are read
SAID = ("model", "scheme", "points", "data", "size", "epochs", "seed", "tier", "length", "batch_size", "memory_format")
FAILED = "run failed: "  # begins the line of a run that says why, whatever a launcher prints around it
LAUNCHERS = ("accelerate", "torchrun", "python")  # of this environment, whichever is active


@dataclass(frozen=True)
class Plan:
    """What a list of settings comes to.

    Args:
        filed: settings the ledger has a Result of.
        missing: settings to run, each once.
        seconds: to expect for the missing on all cores, from filed and published runs of the same network: on this
            machine's device where there are any, else on all devices.
        untimed: networks of which there are none; `seconds` is without their runs.
    """

    filed: tuple[Settings, ...]
    missing: tuple[Settings, ...]
    seconds: float
    untimed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How one run ended: where its log is, and its error in a line, or nothing."""

    settings: Settings
    log: Path
    error: str = ""


def plan(settings: Sequence[Settings], *, ledger: str | Path | None = None) -> Plan:
    """Sort settings into what is filed and what is missing, in their order; one named twice is run once.

    The first phase of a missing run of HS3 is a run of its own, before it.
    """
    ledger = Path(ledger or ledger_folder())
    filed: dict[str, Settings] = {}
    missing: dict[str, Settings] = {}
    for setting in settings:
        if is_filed(setting, ledger):
            filed[key_of(setting)] = setting
            continue
        first = first_phase(setting)
        if first and not is_filed(first, ledger):
            missing.setdefault(key_of(first), first)
        missing.setdefault(key_of(setting), setting)
    every, device = results(ledger, published_folder()), provenance_here()["device"]
    speeds = {**_speeds(every), **_speeds([result for result in every if result.provenance.get("device") == device])}
    seconds = sum(_work(setting) * speeds.get(setting.model, 0.0) for setting in missing.values())
    untimed = dict.fromkeys(setting.model for setting in missing.values() if setting.model not in speeds)
    return Plan(tuple(filed.values()), tuple(missing.values()), seconds, tuple(untimed))


def run_all(
    settings: Sequence[Settings],
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    launch: str = "",
    ledger: str | Path | None = None,
    progress: bool | None = None,
) -> list[Outcome]:
    """Run settings side by side, each in a process that files its own Result; a failure stops nobody else.

    Killed at any point, the same call goes on: filed runs are not repeated, a half-done one resumes from its
    checkpoint, and no run is ever written by two at once. The runs under way end with this process; on a scheduler's
    workers they go on, and are filed.

    Args:
        settings: what to run.
        jobs: how many at once on this machine; its GPUs are dealt out among them.
        scheduler: address of a dask.distributed scheduler instead, whose workers see the ledger's folder under the same
            path; workers that announce a resource "GPU" are given one run per GPU.
        launch: a command that starts the processes that train one run together, such as "torchrun --standalone
            --nproc-per-node 4" or "accelerate launch --multi_gpu --num_processes 4"; `-m imachsr...` is added to it.
        ledger: folder of results, shared by all; logs go to `logs` in it.
        progress: a bar with a line per run; by default on a terminal, or in a notebook somebody looks at.

    Returns:
        One Outcome per run, in the order they ended.
    """
    if jobs < 1:
        raise ValueError(f"got jobs={jobs}; at least one run is under way; pass jobs >= 1")
    if scheduler and jobs > 1:
        raise ValueError(f"got jobs={jobs} and a scheduler; a cluster's workers set how many run; leave one out")
    ledger = Path(ledger or ledger_folder()).absolute()
    outcomes: list[Outcome] = []
    own_gpus = () if launch else gpus()
    with _on_this_machine(jobs, own_gpus) if scheduler is None else _on_cluster(scheduler) as submit:
        running = {
            submit(run_one, asdict(each), str(ledger), 0 if scheduler or launch else jobs, launch): each
            for each in settings
        }
        with live_lines(len(running), progress) as (show, say):
            for future, setting in _as_they_end(running, lambda: show(len(outcomes), _states(running, ledger))):
                try:
                    log, error = future.result()
                except Exception as lost:  # the process or worker itself, not the training in it: the others go on
                    log, error = str(_log(ledger, setting)), f"{type(lost).__name__}: {lost}"
                outcomes.append(Outcome(setting, Path(log), error))
                state = f"failed: {error}; its log is {log}" if error else "done"
                say(f"[{len(outcomes)}/{len(running)}] {words(setting)} {state}")
    return outcomes


def run_one(
    fields: dict[str, Any],
    ledger: str,
    jobs: int,
    launch: str = "",
    began: Callable[[subprocess.Popen], object] = lambda child: None,
    gpu: str = "",
) -> tuple[str, str]:
    """Run one setting in a process of its own; its log, and its error in a line (of several processes, the first).

    Args:
        fields: of Settings.
        ledger: folder of results.
        jobs: how many runs share this process's cores, where no OMP_NUM_THREADS says what each takes; 0 leaves threads
            as they are.
        launch: see `run_all`.
        began: told of the process.
        gpu: the only one it sees, as CUDA_VISIBLE_DEVICES names it; empty: all.
    """
    from ..experiment import home

    settings = Settings(**fields)
    log = _log(ledger, settings)
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "TQDM_DISABLE": "1"}
    if jobs:
        environment.setdefault("OMP_NUM_THREADS", str(max(1, cores() // jobs)))
    if gpu:
        environment["CUDA_VISIBLE_DEVICES"] = gpu
    start = [str(Path(sys.executable).with_name(word)) if word in LAUNCHERS else word for word in shlex.split(launch)]
    command = [*(start or [sys.executable]), "-m", "imachsr.reproduce.one", ledger, json.dumps(fields)]
    log.unlink(missing_ok=True)  # a process of an earlier start may still write to the old one
    with (
        log.open("w+", errors="replace") as file,
        # its end tells every process of the run, through any launcher, that this one has ended
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=file, stderr=file, env=environment, cwd=home()
        ) as child,
    ):
        began(child)
        status = child.wait()
        file.seek(0)  # not by its path, where another batch may have begun the same run since
        lines = [line for line in file.read().splitlines() if line.strip()]
    if status == 0:
        return str(log), ""
    # of several processes the first to fail upsets the others
    errors = [line.removeprefix(FAILED) for line in lines if line.startswith(FAILED)]
    last = f"it said last: {lines[-1]}" if lines else "it said nothing"
    return str(log), (errors or [f"it ended with status {status}; {last}"])[0]


def words(settings: Settings) -> str:
    """A run in one short line."""
    size = "x".join(map(str, settings.size)) if settings.size else "native"
    inside = "" if settings.scheme == "conventional" else f" M={settings.points}"
    unusual = [
        f", {name.strip('_').replace('_', ' ')} {value:g}" if isinstance(value, float) else f", {name} {value}"
        for name, value in settings.decisive().items()
        if name not in SAID and value != getattr(Settings, name)
    ]
    where = f"{settings.data} {size}{''.join(unusual)}, {settings.epochs} epochs"
    return f"{settings.model} {settings.scheme}{inside}, {where}, seed {settings.seed}"


def cores() -> int:
    """That this process may use: a job of a cluster may have few of a machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def key_of(settings: Settings) -> str:
    """The key a setting's Result is filed under."""
    return settings.key(_data_of(settings)[0])


def verify_data(settings: Iterable[Settings]) -> None:
    """Refuse missing or damaged data of any of them; what several read is looked at once.

    Raises:
        ValueError: data that cannot be read.
    """
    for reading in dict.fromkeys(map(_only_data, settings)):
        for part in data_of(reading):
            datasets.verify(part)


def is_filed(settings: Settings, ledger: Path) -> bool:
    """Whether a ledger, or another folder of results, has their Result."""
    return Places(ledger, key_of(settings)).result.is_file()


def _data_of(settings: Settings) -> tuple[str, int]:
    """Fingerprint of the data and number of training images: the same for many settings."""
    return _data(_only_data(settings))


def _only_data(settings: Settings) -> Settings:
    return Settings(**{name: getattr(settings, name) for name in OF_DATA})


@lru_cache(maxsize=256)
def _data(settings: Settings) -> tuple[str, int]:
    train, test = data_of(settings)
    return f"{train.fingerprint} {test.fingerprint}", len(train)


@lru_cache(maxsize=256)
def _native_size(settings: Settings) -> tuple[int, int]:
    """(height, width) of the first training image."""
    image = data_of(settings)[0][0][0]
    height, width = image[0].shape[-2:]  # the first of several inputs, or the first channel of one
    return height, width


def _work(settings: Settings) -> float:
    """Images seen times their pixels: what a run's time grows with."""
    _, images = _data_of(settings)
    height, width = settings.size or _native_size(_only_data(settings))
    return float(settings.epochs * images * height * width)


def _speeds(filed: Sequence[Result]) -> dict[str, float]:
    """Network -> seconds per unit of work on all cores, over all filed runs: large ones count most.

    A run that left cores to others beside it took that share of the machine.
    """
    totals: dict[str, tuple[float, float]] = {}
    for result in filed:
        height, width = result.settings["size"] or result.provenance["input_shapes"][0][1:]
        share = min(1.0, result.provenance["threads"] / cores())
        model, (seconds, work) = result.settings["model"], totals.get(result.settings["model"], (0.0, 0.0))
        totals[model] = (
            seconds + result.provenance["seconds"] * share,
            work + result.settings["epochs"] * result.provenance["images"]["train"] * height * width,
        )
    return {model: seconds / work for model, (seconds, work) in totals.items()}


def provenance_here() -> dict[str, Any]:
    """Of what runs now on this machine: on its GPU where it has one."""
    import torch

    return provenance(torch.device("cuda") if torch.cuda.is_available() else None)


def gpus() -> list[str]:
    """That this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return named.split(",") if named else [str(number) for number in range(torch.cuda.device_count())]


@contextmanager
def _on_this_machine(jobs: int, gpus: Sequence[str]) -> Iterator[Callable[..., Future]]:
    """How to submit a run: a thread for each one under way, GPUs dealt out among them; an error here ends them all."""
    children: list[subprocess.Popen] = []
    stopping, lock = Event(), Lock()
    free: SimpleQueue[str] = SimpleQueue()
    for job in range(jobs):
        free.put(gpus[job % len(gpus)] if jobs > 1 and gpus else "")

    def began(child: subprocess.Popen) -> None:
        with lock:
            children.append(child)
            if stopping.is_set():
                child.terminate()

    def on_one(work: Callable, *given: Any) -> Any:
        gpu = free.get()
        try:
            return work(*given, began=began, gpu=gpu)
        finally:
            free.put(gpu)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            yield lambda work, *given: pool.submit(on_one, work, *given)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            with lock:
                stopping.set()
                for child in children:
                    child.terminate()  # it keeps its step and ends; one that has ended hears nothing
            raise


@contextmanager
def _on_cluster(scheduler: str) -> Iterator[Callable[..., Future]]:
    """How to submit a run to a scheduler of dask.distributed, whose workers finish what they have begun."""
    from distributed import Client

    with Client(scheduler) as client:
        workers = client.scheduler_info()["workers"].values()
        needs = {"GPU": 1} if any("GPU" in worker["resources"] for worker in workers) else None
        executor = client.get_executor(resources=needs, retries=3, pure=False)  # a killed worker's runs go elsewhere
        try:
            yield executor.submit
        except BaseException:
            print("runs that workers have begun go on there and are filed; the others are called off", file=sys.stderr)
            raise


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
    """What each run under way said last of its epochs."""
    states = []
    for future, setting in running.items():
        log = _log(ledger, setting)
        if not future.done() and log.is_file():
            told = [line for line in log.read_text(errors="replace").splitlines() if " epoch " in line]
            states.append(told[-1] if told else f"{words(setting)} starting")
    return states


def _log(ledger: str | Path, settings: Settings) -> Path:
    return Places(Path(ledger), key_of(settings)).log
