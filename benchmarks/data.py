"""How fast images come, against how fast the training step on this CPU takes them, in one run, results kept as data.

    python benchmarks/data.py                        # a drawn copy in CamVid's layout
    python benchmarks/data.py --root data/camvid     # the real one

Correctness comes first: nothing is timed before the packed copy gives the very tensors the files give. Loaders and the
step are timed turn by turn, so that a busy neighbour hits all alike; ratios are medians over rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader

import imachsr
from imachsr import datasets, models
from imachsr.experiment import provenance, write_atomically
from imachsr.training import batches

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "benchmarks" / "data.json"
SIZE, BATCH = (180, 240), 8
ASKED = 5  # times what the step takes


def drawn_copy(root: Path, frames: int = 48) -> Path:
    """Street scenes of 480x360 in CamVid's SegNet layout."""
    from imachsr.datasets.streets import Streets

    for part in ("train", "val", "test"):
        scenes, lines = Streets(part, size=(360, 480), length=frames if part == "train" else 4), []
        for folder in (part, f"{part}annot"):
            (root / folder).mkdir(parents=True)
        for i in range(len(scenes)):
            image, mask = scenes.raw(i)
            mask[mask == 255] = 11
            name = f"{part}_{i:05d}.png"
            Image.fromarray(image).save(root / part / name)
            Image.fromarray(mask).save(root / f"{part}annot" / name)
            lines.append(f"{part}/{name} {part}annot/{name}\n")
        (root / f"{part}.txt").write_text("".join(lines))
    return root


def check(files: Path, packed: Path) -> None:
    """Ends the program where the packed copy gives other tensors than the files."""
    for part in ("train", "test"):
        one, other = (datasets.create("camvid", part=part, root=root, size=SIZE) for root in (files, packed))
        for i in range(0, len(one), max(1, len(one) // 20)):
            if not all(map(torch.equal, one[i], other[i])):
                sys.exit(f"{part} item {i} differs between files and packed copy; nothing is timed on wrong results")


def loaders(files: Path, packed: Path) -> dict[str, DataLoader]:
    """Training loaders by name, in this process unless told otherwise."""
    kinds = {
        "files": (files, False, 0),
        "packed": (packed, False, 0),
        "files_augmented": (files, True, 0),
        "packed_augmented": (packed, True, 0),
        "packed_augmented_1_worker": (packed, True, 1),
    }
    return {
        name: batches(
            datasets.create("camvid", root=root, size=SIZE, augment=augment, length=48), BATCH, workers=workers
        )
        for name, (root, augment, workers) in kinds.items()
    }


def train_step(scheme: str) -> Callable[[], None]:
    """One forward and backward pass with its optimizer step, DeepLabv3+ ResNet18."""
    torch.manual_seed(0)
    network = models.create("deeplabv3plus_resnet18", 11).train()
    images, targets = torch.randn(BATCH, 3, *SIZE), torch.randint(0, 11, (BATCH, *SIZE))
    points: Any = ()
    if scheme != "conventional":
        points = imachsr.choose_points(imachsr.find_points(network, images[:2]), 3)
    trainee = imachsr.Supervised(network, points, imachsr.scheme(scheme), classes=11)
    optimizer = torch.optim.Adam(trainee.parameters(), lr=3e-4)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        trainee(images, targets).total.backward()
        optimizer.step()

    return step


def one_epoch(loader: DataLoader) -> int:
    """Images read in one pass."""
    return sum(len(targets) for _, targets in loader)


def several_steps(step: Callable[[], None], count: int = 3) -> int:
    """Images trained on."""
    for _ in range(count):
        step()
    return count * BATCH


def rate(run: Callable[[], int]) -> float:
    """Images per second."""
    start = time.perf_counter()
    images = run()
    return images / (time.perf_counter() - start)


def race(runs: dict[str, Callable[[], int]], rounds: int) -> dict[str, list[float]]:
    """Images per second of every run, turn by turn, after one round to warm up."""
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            value = rate(run)
            if number:
                rates[name].append(value)
    return rates


def measure(root: Path | None, rounds: int) -> list[dict[str, Any]]:
    """A row per loader and step: images per second, and how many times what the step takes."""
    with tempfile.TemporaryDirectory() as room:
        files = root or drawn_copy(Path(room) / "files")
        packed = Path(room) / "packed"
        print(datasets.pack("camvid", files, SIZE, packed).replace(str(packed), "packed"))
        check(files, packed)
        runs: dict[str, Callable[[], int]] = {
            f"step_{scheme}": partial(several_steps, train_step(scheme)) for scheme in ("conventional", "imachsr")
        }
        runs |= {name: partial(one_epoch, loader) for name, loader in loaders(files, packed).items()}
        rates = race(runs, rounds)
    base = rates["step_conventional"]  # the faster step: it takes more
    return [
        {
            "name": name,
            "images_per_second": statistics.median(values),
            "times_the_step": statistics.median(v / b for v, b in zip(values, base, strict=True)),
            **({"asked": ASKED} if name.startswith("packed") else {}),
        }
        for name, values in rates.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a copy of CamVid (default: one drawn for this)")
    parser.add_argument("--out", type=Path, default=OUT, help="where the results go (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of timing")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="CPU threads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    rows = measure(arguments.root, arguments.rounds)
    machine = {**provenance(), "cores": os.cpu_count(), "load_at_start": load}
    busy = load is not None and load > 1
    if busy:
        print("the machine is busy: the step, on all threads, suffers more than a loader on one; ratios are too high")
    results = {
        "machine": machine, "rounds": arguments.rounds, "network": "deeplabv3plus_resnet18", "batch": BATCH,
        "size": SIZE, "data": "camvid" if arguments.root else "streets in camvid's layout", "busy": busy, "rows": rows,
    }  # fmt: skip
    for row in rows:
        met = "" if "asked" not in row else f"   asked {ASKED}: {'met' if row['times_the_step'] >= ASKED else 'missed'}"
        print(f"{row['name']:28s} {row['images_per_second']:8.1f} images/s {row['times_the_step']:7.2f} steps{met}")
    write_atomically(arguments.out, json.dumps(results, indent=1) + "\n")
    print(f"written to {arguments.out}")


if __name__ == "__main__":
    main()
