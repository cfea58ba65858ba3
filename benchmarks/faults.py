"""Every fault a training must survive, done to it: kills, signals, damage, bad numbers, bad data, no room, no memory.

    python benchmarks/faults.py [--kills N] [--only GROUP ...] [--schemes NAME ...] [--out FILE] [--again]

Each trial is one row: what was done, whether training survived it as promised, and what it said. Groups done before
with the same code are kept, so that it can be stopped and taken up again. The table goes to
data/results/faults.json.
"""

from __future__ import annotations

import argparse
import errno
import gc
import hashlib
import itertools
import json
import math
import mmap
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

import imachsr
from imachsr.experiment import provenance, write_atomically
from imachsr.objective import SCHEMES
from imachsr.training import Stopped, adam, batches, evaluate, fit
from imachsr.training.checkpoint import Checkpoints

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "data" / "results" / "faults.json"
SIZE, CLASSES, VOID = 16, 3, 255
STOP_WITHIN = 5.0  # seconds from the signal to the exit
CLUSTERS = {"hs3": ((0, 0, 1), (0, 1, 2))}
KINDS = [name for name in SCHEMES if name != "hs3_fuse"]  # hs3 on another network
PHASES = ("starting", "training", "saving", "evaluating")

Row = dict[str, Any]


# --- a small training with everything in it that could go wrong ------------------------------------------------------


class Small(nn.Module):
    """Batch statistics and dropout, features at 1/2 and 1/4."""

    def __init__(self, *, norm: bool = True, drop: float = 0.2) -> None:
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8) if norm else nn.Identity(), nn.ReLU())
        self.coarse = nn.Sequential(nn.Conv2d(8, 12, 3, 2, 1), nn.GELU(), nn.Dropout2d(drop))
        self.head = nn.Conv2d(12, CLASSES, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.coarse(self.fine(images)))


class Scenes(Dataset):
    """Images with labels to learn; augmented from the global generators of torch, numpy and Python, as people do."""

    def __init__(self, length: int = 24, *, augment: bool = True, dtype: torch.dtype = torch.float32) -> None:
        generator = torch.Generator().manual_seed(1)
        self.images = torch.randn(length, 3, SIZE, SIZE, generator=generator, dtype=dtype)
        self.targets = self.images.argmax(1)
        self.targets[:, :2] = VOID
        self.targets[::3, 8:] = VOID  # images differ in how much of them is labelled
        self.augment = augment

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, target = self.images[index], self.targets[index]
        if self.augment:
            image = image * (0.5 + torch.rand(())) + 0.1 * np.random.randn()  # noqa: NPY002
            if random.random() < 0.5:
                image, target = image.flip(-1), target.flip(-1)
        return image.to(self.images.dtype), target


def supervised(name: str = "imachsr", network: nn.Module | None = None, **changes: Any) -> imachsr.Supervised:
    """The small network under a scheme, always the same."""
    torch.manual_seed(0)
    network = network or Small()
    points = imachsr.choose_points(
        imachsr.find_points(network, torch.zeros(2, 3, SIZE, SIZE)), 2, names=["fine", "coarse"]
    )
    if name in CLUSTERS:
        changes.setdefault("clusters", CLUSTERS[name])
    return imachsr.Supervised(network, points, imachsr.scheme(name, **changes), classes=CLASSES)


def digest(module: nn.Module) -> str:
    """sha256 of every weight and buffer, bit by bit."""
    state = (value.detach().contiguous().view(-1).numpy().tobytes() for value in module.state_dict().values())
    return hashlib.sha256(b"".join(state)).hexdigest()


def training(folder: Path | None, name: str, *, mark: Callable[[str], None] = lambda phase: None) -> Row:
    """Three epochs of six steps in two parts each, two loader workers, a checkpoint before every step."""
    trainee = supervised(name)
    scored = batches(Scenes(8, augment=False), 4, shuffle=False)

    def evaluation(network: nn.Module, number: int) -> dict[str, Any]:
        mark("evaluating")
        scores = evaluate(network, scored, classes=CLASSES, progress=False).scores()
        mark("training")
        return {"mIoU": scores["mIoU"]}

    save = Checkpoints.save

    def marked(*words: Any) -> Path:
        mark("saving")
        path = save(*words)
        mark("training")
        return path

    Checkpoints.save = marked  # type: ignore[method-assign]
    mark("training")
    try:
        history = fit(
            trainee,
            batches(Scenes(), 4, seed=3, workers=2),
            epochs=3,
            accumulate=2,
            ema=0.9,
            warmup=2,
            clip_norm=5.0,
            evaluation=evaluation,
            checkpoints=folder,
            save_every=0.0,
            log=folder,
            progress=False,
        )
    finally:
        Checkpoints.save = save  # type: ignore[method-assign]
    return {"weights": digest(trainee), "losses": [epoch.losses for epoch in history],
            "scores": [epoch.scores for epoch in history]}  # fmt: skip


class Child:
    """`training` in a process of its own, forked from this one so that nothing is imported again."""

    def __init__(self, folder: Path, name: str, hold: str = "") -> None:
        self.answer, self.words = folder / "answer.json", folder / "stderr.txt"
        self.phase, self.held = mmap.mmap(-1, 1), mmap.mmap(-1, 1)
        self.held[0] = PHASES.index(hold or PHASES[0])  # where it waits to be let go
        self.born = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            self._live(folder, name)

    def _live(self, folder: Path, name: str) -> None:
        status = 1
        os.setsid()  # a process group of its own
        torch.set_num_threads(1)  # torch renews its thread pool after a fork; two threads doing that at once abort
        try:
            with self.words.open("a") as words:
                for stream in (1, 2):  # whoever reads this program's output waits for no child
                    os.dup2(words.fileno(), stream)
                answer = training(folder, name, mark=self.mark)
                write_atomically(self.answer, json.dumps(answer))
                status = 0
        except Stopped as stopped:
            self.words.write_text(str(stopped))
            status = stopped.status
        except BaseException as error:
            self.words.write_text(f"{type(error).__name__}: {error}")
        finally:
            os._exit(status)

    def mark(self, phase: str) -> None:
        """Say in memory that the parent shares what is being done; where it is held, wait."""
        self.phase[0] = PHASES.index(phase)
        while self.held[0] == self.phase[0]:
            time.sleep(0.001)

    def let_go(self) -> None:
        """On from where it is held, and nowhere else."""
        self.held[0] = 0

    def doing(self) -> str:
        """What the child was last heard to do."""
        return PHASES[self.phase[0]]

    def wait(self, seconds: float = 120.0) -> int | None:
        """The exit status, negative for a signal; None if it still lives."""
        deadline = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.002)

    def await_phase(self, phase: str, seconds: float = 120.0) -> None:
        """Until the child says it."""
        deadline = time.monotonic() + seconds
        while self.doing() != phase:
            if self.wait(0) is not None or time.monotonic() >= deadline:
                raise RuntimeError(f"no {phase} in {self.doing()}: {self.words.read_text()[-2000:]}")
            time.sleep(0.001)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for one trial."""
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def undisturbed(name: str) -> tuple[Row, float]:
    """What a training ends with that nobody disturbs, and its seconds from the first step on."""
    with scratch() as folder:
        child = Child(folder, name)
        child.await_phase("training")
        began = time.monotonic()
        if child.wait() != 0:
            raise RuntimeError(f"the undisturbed training failed: {child.words.read_text()}")
        return json.loads(child.answer.read_text()), time.monotonic() - began


# --- killed and stopped ----------------------------------------------------------------------------------------------


def kills(schemes: list[str], count: int) -> Iterator[Row]:
    """`kill -9` at a random moment, then the same again: the end must be the same to the last bit."""
    draw = random.Random(0)
    for name in schemes:
        want, seconds = undisturbed(name)
        for number in range(count):
            yield {"what": f"kill -9, {name}, {number + 1}", **_killed(name, want, seconds, draw)}


def _killed(name: str, want: Row, seconds: float, draw: random.Random) -> Row:
    with scratch() as folder:
        while True:
            child = Child(folder, name)
            child.await_phase("training")
            time.sleep(draw.uniform(0, 0.95 * seconds))
            if child.wait(0) is None and not child.answer.exists():
                break
            shutil.rmtree(folder)  # done before the kill: that was none
            folder.mkdir()
        phase = child.doing()
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        at = max((int(path.stem[5:]) for path in folder.glob("step-*.ckpt")), default=0)
        again = Child(folder, name)
        status = again.wait()
        same = status == 0 and json.loads(again.answer.read_text()) == want
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        steps = [line["step"] for line in lines if "number" not in line]
        told_once = steps == [*range(1, 19)]
        row = {"survived": same and told_once, "while": phase, "checkpoint": at}
        return (
            row
            if row["survived"]
            else {**row, "status": status, "steps": steps, "said": again.words.read_text()[-2000:]}
        )


def signals(schemes: list[str], count: int) -> Iterator[Row]:
    """SIGTERM and Ctrl-C, in a step and in an evaluation: a checkpoint, an exit within 5 s, a line on how to go on."""
    name = schemes[-1]
    want, _ = undisturbed(name)
    for asked in (signal.SIGTERM, signal.SIGINT):
        for phase, send in (("training", os.kill), ("evaluating", os.kill), ("training", os.killpg)):
            with scratch() as folder:
                met = "saving" if phase == "training" else phase
                child = Child(folder, name, hold=met)
                child.await_phase(met)
                if phase == "training":
                    child.let_go()
                    child.await_phase("training")
                send(child.pid, asked)
                began = time.monotonic()
                child.let_go()
                status, seconds = child.wait(), time.monotonic() - began
                words = child.words.read_text()
                again = Child(folder, name)
                same = again.wait() == 0 and json.loads(again.answer.read_text()) == want
                good = status == 128 + asked and seconds < STOP_WITHIN and "run the same again" in words and same
                yield {
                    "what": f"{asked.name} while {phase}{', workers too' * (send is os.killpg)}",
                    "survived": good,
                    "seconds": round(seconds, 2),
                    "said": words,
                }


# --- damage ----------------------------------------------------------------------------------------------------------


def short(folder: Path, trainee: imachsr.Supervised, **changes: Any) -> None:
    """One epoch of six steps with a checkpoint before each."""
    options: dict[str, Any] = {"epochs": 1, "checkpoints": folder, "save_every": 0.0, "progress": False}
    fit(trainee, batches(Scenes(), 4), **{**options, **changes})


@cache
def unbroken() -> str:
    """What `short` ends with."""
    reference = supervised()
    with scratch() as folder:
        short(folder, reference)
    return digest(reference)


def damage(schemes: list[str], count: int) -> Iterator[Row]:
    """24 ways to damage the newest checkpoint: refused with a reason, and the one before it used."""
    with scratch() as folder:
        good, others = folder / "good", {}
        short(good, supervised())
        newest = sorted(good.glob("step-*"))[-1]
        content = newest.read_bytes()
        draw = random.Random(0)
        for place in (0, 1, 40, *sorted(draw.randrange(90, len(content)) for _ in range(7))):
            others[f"cut after {place} bytes"] = content[:place] or b" "
        for place in sorted(draw.randrange(len(content)) for _ in range(10)):
            others[f"byte {place} flipped"] = content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]
        others["empty"] = b""
        for wrong, trainee in _strangers().items():
            short(folder / wrong, trainee)
            others[f"wrong {wrong}"] = sorted((folder / wrong).glob("step-*"))[-1].read_bytes()
        for what, damaged in others.items():
            here = folder / "here"
            shutil.copytree(good, here)
            (here / newest.name).write_bytes(damaged)
            yield {"what": f"checkpoint {what}", **_refused(here)}
            shutil.rmtree(here)


def _strangers() -> dict[str, imachsr.Supervised]:
    wide, more = Small(), Small()
    wide.head, more.head = nn.Conv2d(12, CLASSES, 3, padding=1), nn.Conv2d(12, CLASSES + 1, 1)
    trainee = supervised()
    classes = imachsr.Supervised(more, trainee.points, imachsr.scheme("imachsr"), classes=CLASSES + 1)
    return {
        "network": supervised(network=wide),
        "points": imachsr.Supervised(Small(), trainee.points[::-1], imachsr.scheme("imachsr"), classes=CLASSES),
        "classes": classes,
    }


def _refused(folder: Path) -> Row:
    """A training that goes on in the folder: what it warned of, and whether it ends as the undamaged one."""
    trainee = supervised()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        short(folder, trainee)
    words = " ".join(str(warning.message) for warning in said)
    survived = digest(trainee) == unbroken() and "going on from" in words
    return {"survived": survived, "said": words.replace(str(folder), "FOLDER")}


def saving(schemes: list[str], count: int) -> Iterator[Row]:
    """No room, and no right to write, while saving: an error that says so, and the previous checkpoint as it was."""
    for what, trouble in {"disk full": _full, "file size limited": _limited, "read-only folder": _read_only}.items():
        with scratch() as folder:
            short(folder, supervised())
            for newest in sorted(folder.glob("step-*"))[1:]:
                newest.unlink()  # so that there are steps left to take
            before = {path.name: path.read_bytes() for path in folder.glob("step-*")}
            said = ""
            with trouble():
                try:
                    short(folder, supervised())
                except OSError as error:
                    said = str(error)
            after = {path.name: path.read_bytes() for path in folder.glob("step-*")}
            left = [path.name for path in folder.glob(".*")]
            trainee = supervised()
            short(folder, trainee)
            good = before == after and not left and "previous one stays" in said and digest(trainee) == unbroken()
            yield {"what": what, "survived": good, "said": said.replace(str(folder), "FOLDER")}


@contextmanager
def _patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _raises(number: int) -> Callable[..., None]:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@contextmanager
def _full() -> Iterator[None]:
    with _patched(os, "fsync", _raises(errno.ENOSPC)):
        yield


@contextmanager
def _read_only() -> Iterator[None]:
    with _patched(tempfile, "mkstemp", _raises(errno.EROFS)):
        yield


@contextmanager
def _limited() -> Iterator[None]:
    """The system itself refuses to write more than 4 kB to a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


# --- bad numbers -----------------------------------------------------------------------------------------------------


class Poison(torch.autograd.Function):
    """Harmless forward; backward it hands out one value that is not finite."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, value: float) -> Tensor:
        ctx.value = value
        return tensor.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return torch.full_like(gradient, ctx.value), None


def poisoned(place: str, value: float) -> tuple[imachsr.Supervised, Scenes, tuple[str, ...]]:
    """A training with a value that is not finite at a place, and what the error must name."""
    scenes, plain = Scenes(8, augment=False), imachsr.losses.cross_entropy
    if place == "input":
        scenes.images[5, 1, 2, 3] = value
        return supervised(), scenes, ("input image", "sample 5")
    if place == "term":
        wrong = lambda logits, targets: plain(logits, targets) + (value if logits.shape[2] == 4 else 0.0)  # noqa: E731
        return supervised("deep_supervision", supervision=wrong), scenes, ("'coarse/supervision'", "point 'coarse'")
    if place == "network's gradient":
        entropy = lambda features: imachsr.losses.negative_entropy(  # noqa: E731
            Poison.apply(features, value) if features.shape[1] == 12 else features
        )
        return supervised(regularizer=entropy), scenes, ("the network's", "'coarse/regularizer'")
    trainee = supervised()
    trainee.adapters[0].project.weight.register_hook(lambda gradient: torch.full_like(gradient, value))
    return trainee, scenes, ("adapter at point 'fine'", "'fine/supervision'")


def non_finite(schemes: list[str], count: int) -> Iterator[Row]:
    """NaN and both infinities at four places: caught before a weight changes, naming the point and the term."""
    for place in ("input", "term", "adapter's gradient", "network's gradient"):
        for value in (math.nan, math.inf, -math.inf):
            trainee, scenes, names = poisoned(place, value)
            before, said = [p.detach().clone() for p in trainee.parameters()], ""
            try:
                fit(trainee, batches(scenes, 8), epochs=1, progress=False)
            except FloatingPointError as error:
                said = str(error)
            untouched = all(torch.equal(a, b) for a, b in zip(before, trainee.parameters(), strict=True))
            good = untouched and all(name in said for name in names)
            yield {"what": f"{value} in the {place}", "survived": good, "said": said}


def overflow(schemes: list[str], count: int) -> Iterator[Row]:
    """fp16: steps left out because the scale was too large are counted, and training goes on."""
    trainee = supervised(network=Small(norm=False))
    (epoch,) = fit(trainee, batches(Scenes(augment=False), 4), epochs=1, precision="fp16", progress=False)
    finite = all(bool(p.isfinite().all()) for p in trainee.parameters())
    counted = finite and 0 <= epoch.overflows < 6
    hook = trainee.network.head.weight.register_hook(lambda gradient: gradient * math.inf)
    said = ""
    try:
        fit(trainee, batches(Scenes(augment=False), 4), epochs=10, precision="fp16", progress=False)
    except FloatingPointError as error:
        said = str(error)
    hook.remove()
    yield {"what": "fp16 overflow", "survived": counted and "gradient" in said, "said": said}


# --- bad data --------------------------------------------------------------------------------------------------------


class Files(Dataset):
    """Pictures and masks read from disk, as a dataset of one's own would."""

    def __init__(self, folder: Path) -> None:
        from PIL import Image

        self.folder = folder
        draw = np.random.default_rng(0)
        for index in range(12):
            for path, shape, top in zip(
                self.paths(index), ((SIZE, SIZE, 3), (SIZE, SIZE)), (256, CLASSES), strict=True
            ):
                Image.fromarray(draw.integers(0, top, shape, dtype=np.uint8)).save(path)

    def paths(self, index: int) -> tuple[Path, Path]:
        return self.folder / f"image{index}.png", self.folder / f"mask{index}.png"

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        from PIL import Image

        image, mask = (np.array(Image.open(path)) for path in self.paths(index))
        return torch.from_numpy(image).permute(2, 0, 1) / 255, torch.from_numpy(mask).long()


def bad_data(schemes: list[str], count: int) -> Iterator[Row]:
    """Files that are cut, gone, of another size or with unknown labels: named; images without labels: counted."""
    from PIL import Image

    blank, large = np.full((SIZE, SIZE), VOID, np.uint8), np.zeros((SIZE, SIZE + 4), np.uint8)
    faults: dict[str, Callable[[Path, Path], Any]] = {
        "truncated image": lambda image, mask: image.write_bytes(image.read_bytes()[:60]),
        "missing file": lambda image, mask: mask.unlink(),
        "wrong size": lambda image, mask: Image.fromarray(large).save(mask),
        "label outside the classes": lambda image, mask: Image.fromarray(blank * 0 + 7).save(mask),
        "nothing labelled": lambda image, mask: Image.fromarray(blank).save(mask),
    }
    for what, spoil in faults.items():
        for workers in (0, 2):
            with scratch() as folder:
                files = Files(folder)
                spoil(*files.paths(7))
                said, counted = "", 0
                try:
                    history = fit(supervised(), batches(files, 4, workers=workers), epochs=2, progress=False)
                    counted = sum(epoch.unlabelled for epoch in history)
                except ValueError as error:
                    said = str(error)
                named = all(str(path) in said for path in files.paths(7))
                good = counted == 2 if what == "nothing labelled" else named
                row = {"survived": good, "said": said.replace(str(folder), "FOLDER") or f"{counted} counted"}
                yield {"what": f"{what}, {workers} workers", **row}


# --- the same numbers, whatever it runs on ---------------------------------------------------------------------------


def steps_taken(**options: Any) -> tuple[list[dict[str, float]], imachsr.Supervised, list[str]]:
    """20 steps on a network without batch statistics: losses of each epoch, the trainee, a digest of each gradient."""
    torch.manual_seed(0)
    trainee, seen = supervised(options.pop("name"), network=Small(norm=False, drop=0.0)), []
    optimizer = adam(trainee, learning_rate=1e-2)

    def note(*_: Any) -> None:
        gradients = b"".join(p.grad.numpy().tobytes() for p in trainee.parameters() if p.grad is not None)
        seen.append(hashlib.sha256(gradients).hexdigest())

    optimizer.register_step_pre_hook(note)
    history = fit(trainee, batches(Scenes(40), 8, seed=1), epochs=4, optimizer=optimizer, progress=False, **options)
    return [epoch.losses for epoch in history], trainee, seen


def agreement(schemes: list[str], count: int) -> Iterator[Row]:
    """One process, two parts, two processes under torchrun: the same weights to 1e-5 after 20 steps."""
    for name in schemes:
        losses, one, _ = steps_taken(name=name)
        halves, two, _ = steps_taken(name=name, accumulate=2)
        yield {"what": f"two parts, {name}", **_compared(name, one, two.state_dict(), losses, halves)}
        yield from _two_processes(name, one, losses, stopped=count > 1 and name == schemes[-1])


def _two_processes(name: str, one: imachsr.Supervised, losses: Any, *, stopped: bool) -> Iterator[Row]:
    with scratch() as folder:
        problem = _torchrun(folder / "whole", name)
        if problem:
            yield {"what": f"two processes, {name}", "survived": False, "said": problem}
            return
        whole = [torch.load(folder / f"whole/rank{rank}.pt", weights_only=True) for rank in range(2)]
        row = _compared(name, one, whole[0]["state"], losses, whole[0]["losses"])
        row["survived"] &= whole[0]["gradients"] == whole[1]["gradients"] and len(whole[0]["gradients"]) == 20
        yield {"what": f"two processes, {name}", **row}
        if stopped:
            problem = _torchrun(folder / "stopped", name, "--stop") or _torchrun(folder / "stopped", name)
            found = [] if problem else [torch.load(folder / "stopped/rank0.pt", weights_only=True)]
            same = bool(found) and all(
                torch.equal(value, whole[0]["state"][key]) for key, value in found[0]["state"].items()
            )
            same = same and found[0]["losses"] == whole[0]["losses"] and 0 < len(found[0]["gradients"]) < 20
            yield {"what": f"two processes, one told to stop, {name}", "survived": same, "said": problem}


def _torchrun(folder: Path, name: str, *words: str) -> str:
    """Two processes of `as_rank`; what went wrong, if anything."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", _port()]
    done = subprocess.run(
        [*command, str(Path(__file__)), "--as-rank", str(folder), "--schemes", name, *words],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False, timeout=600,
    )  # fmt: skip
    return done.stderr[-600:] if done.returncode else ""


def _port() -> str:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def _compared(name: str, one: imachsr.Supervised, other: dict[str, Tensor], losses: Any, others: Any) -> Row:
    weights = max(float((value - other[key]).abs().max()) for key, value in one.state_dict().items())
    own = "variational" in str(SCHEMES[name].supervision)  # each part's H(Y), a constant, is its own
    pairs = [
        abs(value - there[term])
        for here, there in zip(losses, others, strict=True)
        for term, value in here.items()
        if not (own and term.endswith("supervision"))
    ]
    return {"survived": max(weights, *pairs) < 1e-5, "weights": f"{weights:.1e}", "losses": f"{max(pairs):.1e}"}


def as_rank(folder: Path, name: str, stop: bool) -> None:
    """One of two processes of `agreement`, started by torchrun; the second one is told to stop in its fifth step."""
    if stop and os.environ["RANK"] == "1":
        calls = itertools.count(1)
        nn.modules.module.register_module_forward_pre_hook(
            lambda module, _: (
                signal.raise_signal(signal.SIGTERM) if type(module) is Small and next(calls) == 5 else None
            )
        )
    try:
        losses, trainee, gradients = steps_taken(name=name, processes=2, checkpoints=folder, save_every=math.inf)
        answer = {"losses": losses, "state": trainee.state_dict(), "gradients": gradients}
        torch.save(answer, folder / f"rank{os.environ['RANK']}.pt")
    except Stopped:
        assert stop
    torch.distributed.destroy_process_group()


def determinism(schemes: list[str], count: int) -> Iterator[Row]:
    """The same seed twice: identical losses and weights over 200 steps, with augmentation and dropout."""
    for name in schemes:
        ends = []
        for workers in (0, 2):
            trainee = supervised(name)
            history = fit(trainee, batches(Scenes(40), 4, workers=workers), epochs=20, progress=False)
            ends.append(([epoch.losses for epoch in history], digest(trainee)))
        yield {"what": f"same seed twice, {name}", "survived": ends[0] == ends[1]}


# --- memory ----------------------------------------------------------------------------------------------------------


def memory(schemes: list[str], count: int) -> Iterator[Row]:
    """1,000 steps: as many tensors alive at the end as near the beginning, and no more memory."""
    alive, resident = [], []

    def look(network: nn.Module, number: int) -> dict[str, Any]:
        if number not in (20, 100):
            return {}
        gc.collect()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alive.append(sum(isinstance(entry, Tensor) for entry in gc.get_objects()))
        resident.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20)
        return {}

    gc.collect()
    gc.freeze()  # get_objects leaves out what lived before: others' tensors may go meanwhile
    try:
        trainee = supervised()
        fit(trainee, batches(Scenes(40), 4), epochs=100, evaluation=look, progress=False)
    finally:
        gc.unfreeze()
    grown = resident[1] - resident[0]
    still = alive[0] == alive[1] and not trainee.capture.store.tensors
    yield {"what": "1,000 steps", "survived": still and grown < 4, "tensors": alive,
           "grown_MiB": round(grown, 2)}  # fmt: skip


def out_of_memory(schemes: list[str], count: int) -> Iterator[Row]:
    """No memory in a step: an error that says what to lower."""
    for error in (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError()):
        network = Small()
        trainee = supervised(network=network)
        network.coarse.register_forward_hook(partial(_raise, error))
        said = ""
        try:
            fit(trainee, batches(Scenes(), 4), epochs=1, progress=False)
        except torch.OutOfMemoryError as refused:
            said = str(refused)
        good = all(word in said for word in ("step 1", "accumulate", "batch_size", "bf16"))
        yield {"what": f"no memory ({type(error).__name__})", "survived": good, "said": said}


def _raise(error: Exception, *_: Any) -> None:
    raise error


TRIALS = (
    kills, signals, damage, saving, non_finite, overflow, bad_data, agreement, determinism, memory, out_of_memory,
)  # fmt: skip
GROUPS = {group.__name__: group for group in TRIALS}


def main() -> int:
    """Do what is asked for and file the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="per scheme")
    parser.add_argument("--only", nargs="+", choices=[*GROUPS], default=[*GROUPS])
    parser.add_argument("--schemes", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--out", type=Path, default=TABLE)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--as-rank", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--stop", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.as_rank:
        as_rank(given.as_rank, given.schemes[0], given.stop)
        return 0
    supervised()  # imports what every child would have to import again
    origin = provenance()
    kept = json.loads(given.out.read_text()) if given.out.exists() and not given.again else {}
    origin["code"] = code()
    same = kept.get("provenance", {}).get("code") == origin["code"]
    done: dict[str, list[Row]] = kept["groups"] if same else {}
    for name in given.only:
        if name in done:
            continue
        began, rows = time.monotonic(), []
        for row in GROUPS[name](given.schemes, given.kills):
            rows.append(row)
            print(f"{'survived' if row['survived'] else 'LOST    '}  {row['what']}", flush=True)
            if not row["survived"]:
                print(f"          {row}", flush=True)
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
        done[name] = rows
        write_atomically(given.out, json.dumps(table(done, origin), indent=1) + "\n")
    print(f"faults {table(done, origin)['summary']}")
    return 0 if all(row["survived"] for rows in done.values() for row in rows) else 1


def code() -> str:
    """A digest of what is on trial."""
    files = [Path(__file__), *sorted(ROOT.glob("imachsr/training/*.py")), *sorted(ROOT.glob("imachsr/objective/*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def table(done: dict[str, list[Row]], origin: dict[str, Any]) -> dict[str, Any]:
    """All rows and their summary."""
    rows = [row for group in done.values() for row in group]
    counts = {name: f"{sum(row['survived'] for row in group)}/{len(group)}" for name, group in done.items()}
    summary = f"survived {sum(row['survived'] for row in rows)}/{len(rows)}"
    return {"summary": summary, "counts": counts, "provenance": origin, "groups": done}


if __name__ == "__main__":
    sys.exit(main())
