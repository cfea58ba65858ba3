"""How fast predictions are counted: `Confusion` against torchmetrics, in one run, results kept as data.

    python benchmarks/metrics.py
    python benchmarks/metrics.py --threads 1 --rounds 9

Correctness comes first: nothing is timed whose counts differ. Both are timed turn by turn, so that a busy neighbour
hits both alike; the ratio is the median over rounds. Also on file: what calibration takes against its softmax.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from losses import machine, ratio, walls
from torch import Tensor

from imachsr.experiment import write_atomically
from imachsr.metrics import Calibration, Confusion, PredictiveEntropy

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "benchmarks" / "metrics.json"
SHAPE, CLASSES = (8, 512, 1024), 19
ASKED = 5.0  # times torchmetrics


def labels(device: str) -> tuple[Tensor, Tensor]:
    """Predictions and targets of Cityscapes' kind: 5 % void, three of four pixels right."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(0, CLASSES, SHAPE, generator=generator)
    guess = torch.randint(0, CLASSES, SHAPE, generator=generator)
    predictions = torch.where(torch.rand(SHAPE, generator=generator) < 0.75, targets, guess)
    targets[torch.rand(SHAPE, generator=generator) < 0.05] = 255
    return predictions.to(device), targets.to(device)


def ours(predictions: Tensor, targets: Tensor) -> Tensor:
    """The matrix, with the counts of each image beside it."""
    confusion = Confusion(CLASSES)
    confusion.update(predictions, targets)
    return torch.as_tensor(confusion.matrix)


def theirs(predictions: Tensor, targets: Tensor) -> Tensor:
    """The matrix over all images."""
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    return multiclass_confusion_matrix(predictions, targets, CLASSES, ignore_index=255).cpu()


def counting(device: str, rounds: int) -> dict[str, Any]:
    predictions, targets = labels(device)
    runs: dict[str, Callable[[], Tensor]] = {
        "torchmetrics": partial(theirs, predictions, targets),
        "imachsr": partial(ours, predictions, targets),
    }
    if not torch.equal(runs["imachsr"](), runs["torchmetrics"]()):
        sys.exit("the two confusion matrices differ; nothing is timed on wrong results")
    times = walls(runs, device, rounds)
    speedup = ratio(times, "torchmetrics", "imachsr")
    return {
        "name": "confusion", "shape": SHAPE, "classes": CLASSES, "device": device,
        "median_ms": {name: statistics.median(t) * 1e3 for name, t in times.items()},
        "speedup": speedup, "asked": ASKED, "met": speedup >= ASKED,
    }  # fmt: skip


def measuring(device: str, rounds: int) -> dict[str, Any]:
    """One Cityscapes image of probabilities: what each measure takes against the softmax that feeds it."""
    targets = labels(device)[1].reshape(1, 2 * SHAPE[1], -1)[..., : 2 * SHAPE[2]].contiguous()
    logits = torch.randn(1, CLASSES, *targets.shape[1:], generator=torch.Generator().manual_seed(0)).to(device)
    softmax = logits.softmax(1)
    measures = {"calibration": Calibration, "entropy": PredictiveEntropy}
    runs: dict[str, Callable[[], Any]] = {"softmax": partial(logits.softmax, 1)}
    runs |= {
        name: partial(lambda make: make(CLASSES).update(softmax, targets), make) for name, make in measures.items()
    }
    times = walls(runs, device, rounds)
    return {
        "name": "calibration", "shape": tuple(targets.shape), "classes": CLASSES, "device": device,
        "median_ms": {name: statistics.median(t) * 1e3 for name, t in times.items()},
        "time_against_softmax": {name: ratio(times, name, "softmax") for name in measures},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT, help="where the results go (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of timing")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="CPU threads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    devices = ["cpu"] + ["cuda"] * torch.cuda.is_available()
    rows = [measure(device, arguments.rounds) for device in devices for measure in (counting, measuring)]
    for row in rows:
        print(json.dumps(row))
    results = {"machine": machine(), "rounds": arguments.rounds, "rows": rows}
    write_atomically(arguments.out, json.dumps(results, indent=1) + "\n")
    print(f"written to {arguments.out}")


if __name__ == "__main__":
    main()
