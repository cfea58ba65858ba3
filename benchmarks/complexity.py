"""What M points cost, measured beside what the formulas predict: bytes, products, time, and memory on a GPU.

    python benchmarks/complexity.py                              # three networks, M = 0..5 (minutes)
    python benchmarks/complexity.py --networks topformer_tiny --rounds 5

Bytes and products are exact and must agree with the prediction to the last one. Times of one network are taken turn by
turn, there and back, and compared with the conventional step of the same round; the spread over rounds is filed too.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from losses import machine
from torch import Tensor, nn

import imachsr
from imachsr import complexity, models
from imachsr.complexity import Cost, Prices, Seconds
from imachsr.experiment import write_atomically

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "benchmarks" / "complexity.json"
NETWORKS = ("deeplabv3plus_resnet18", "topformer_tiny", "seaformer_tiny")
MOST, CLASSES = 5, 11


def step(trainee: nn.Module, images: Tensor, targets: Tensor) -> None:
    """Forward and backward; gradients are dropped, so that trainees beside it have room."""
    trainee(images, targets).total.backward()
    trainee.zero_grad(set_to_none=True)


def costs(network: nn.Module, images: Tensor) -> dict[str, Cost]:
    """What is predicted, by "implementation M"."""
    points = imachsr.find_points(network, images)
    counted = complexity.count(network, images, points=points)
    return {
        f"{implementation} {M}": complexity.cost(
            counted, imachsr.choose_points(points, M) if M else (), classes=CLASSES,
            scheme="imachsr" if M else "conventional", implementation=implementation,
        )
        for implementation in complexity.IMPLEMENTATIONS
        for M in range(MOST + 1)
    }  # fmt: skip


def trainee_of(network: nn.Module, cost: Cost, device: str) -> nn.Module:
    """A copy of the network with the losses that the cost speaks of."""
    scheme = complexity.implemented(imachsr.scheme(cost.scheme), cost.implementation, device)
    return imachsr.Supervised(deepcopy(network), cost.points, scheme, classes=CLASSES).to(device)


def exact(trainee: nn.Module, images: Tensor, targets: Tensor) -> dict[str, Any]:
    """Bytes kept, and products forward and backward: the same every time."""
    state = [*chain(trainee.parameters(), trainee.buffers())]
    kept = complexity.kept_bytes(partial(trainee, images, targets), but=state)
    with complexity.products() as forward:
        total = trainee(images, targets).total
    with complexity.products() as backward:
        total.backward()
    trainee.zero_grad(set_to_none=True)
    return {
        "kept": kept, "products": [forward.corrected, backward.corrected],
        "counter": [forward.counted, backward.counted],
    }  # fmt: skip


def against(times: Sequence[Seconds], base: Sequence[Seconds], clock: str) -> dict[str, Any]:
    """One step's time by the conventional step's of the same round, over rounds."""
    ratios = [getattr(a, clock) / getattr(b, clock) for a, b in zip(times, base, strict=True)]
    low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75]).tolist()
    return {"median": median, "quartiles": [low, high], "rounds": ratios}


def fits(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Lines in M through what points add, as shares of the conventional step; the line of time is drawn on medians."""
    M = [row["M"] for row in rows]
    found = {
        "bytes": complexity.line(M, [row["measured"]["kept"] / rows[0]["measured"]["kept"] for row in rows]),
        "products": complexity.line(M, [_share(row, rows[0]) for row in rows]),
        "wall": complexity.line(M, [row["wall"]["median"] for row in rows]),
        "processor": complexity.line(M, [row["processor"]["median"] for row in rows]),
    }
    return {
        name: {
            "slope": fit.slope, "interval": fit.interval, "intercept": fit.intercept,
            "explained": fit.explained, "farthest": fit.farthest,
        }
        for name, fit in found.items()
    }  # fmt: skip


def _share(row: dict[str, Any], base: dict[str, Any]) -> float:
    return sum(row["measured"]["products"]) / sum(base["measured"]["products"])


def row_of(cost: Cost, prices: Prices, measured: dict[str, Any]) -> dict[str, Any]:
    """Predicted beside measured."""
    return {
        "M": len(cost.points), "implementation": cost.implementation, "points": [p.name for p in cost.points],
        "predicted": {
            "kept": cost.kept, "products": cost.products, "operations": cost.operations, "time": prices.ratio(cost),
        },
        "measured": measured,
        "exact": cost.kept == measured["kept"] and [*cost.products] == measured["products"],
    }  # fmt: skip


def at_inference(name: str, trainee: Any, images: Tensor) -> dict[str, Any]:
    """A released network beside one built anew."""
    plain = models.create(name, CLASSES).to(images.device)
    found = complexity.inference(trainee.release(), plain, images)
    return {
        "parameters": found.parameters, "operations": found.operations, "hooks": found.hooks,
        "difference": found.difference, "equal": found.equal,
    }  # fmt: skip


def measure(name: str, shape: tuple[int, int, int], rounds: int, device: str) -> dict[str, Any]:
    """One network, M = 0 to 5, eager and fused."""
    torch.manual_seed(0)
    B, H, W = shape
    images = torch.randn(B, 3, H, W, device=device)
    targets = torch.randint(0, CLASSES, (B, H, W), device=device)
    network = models.create(name, CLASSES).to(device).train()
    predicted = costs(network, images)
    trainees = {key: trainee_of(network, cost, device) for key, cost in predicted.items()}
    prices = {
        implementation: complexity.calibrate(network, images, classes=CLASSES, implementation=implementation, rounds=7)
        for implementation in complexity.IMPLEMENTATIONS
    }
    rows = {
        key: row_of(cost, prices[cost.implementation], exact(trainees[key], images, targets))
        for key, cost in predicted.items()
    }
    runs = {key: partial(step, trainee, images, targets) for key, trainee in trainees.items()}
    times = complexity.race(runs, rounds, device)
    for key, row in rows.items():
        base = times[f"{row['implementation']} 0"]
        row |= {clock: against(times[key], base, clock) for clock in ("wall", "processor")}
        row["fastest_ms"] = 1e3 * min(taken.wall for taken in times[key])
        row["peak_bytes"] = complexity.peak_bytes(runs[key], device)
    counted = predicted["fused 0"].counted
    return {
        "network": name, "shape": shape, "device": device, "depth": counted.depth, "layers": len(counted.layers),
        "parameters": counted.parameters, "rows": [*rows.values()],
        "fits": {i: fits([r for r in rows.values() if r["implementation"] == i]) for i in complexity.IMPLEMENTATIONS},
        "inference": at_inference(name, trainees[f"fused {MOST}"], images),
    }  # fmt: skip


def show(found: dict[str, Any]) -> None:
    """A few lines for whoever waits."""
    print(f"{found['network']} {found['shape']} on {found['device']}, D = {found['depth']}", flush=True)
    for row in found["rows"]:
        wall, quartiles = row["wall"]["median"], row["wall"]["quartiles"]
        print(
            f"  {row['implementation']:5s} M={row['M']}  kept {row['measured']['kept'] / 2**20:7.1f} MiB  "
            f"{'exact' if row['exact'] else 'NOT AS PREDICTED'}  {row['fastest_ms']:7.1f} ms  time x{wall:.3f} "
            f"({quartiles[0]:.3f} to {quartiles[1]:.3f}; processor x{row['processor']['median']:.3f}; "
            f"predicted x{row['predicted']['time']:.3f})"
        )
    for implementation, lines in found["fits"].items():
        text = "; ".join(f"{name} {100 * fit['slope']:+.2f} % a point" for name, fit in lines.items())
        print(f"  {implementation}: {text}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT, help="where the results go (%(default)s)")
    parser.add_argument("--networks", nargs="*", default=[*NETWORKS], help="by name (%(default)s)")
    parser.add_argument("--shape", nargs=3, type=int, metavar=("B", "H", "W"), help="2 240 320; on a GPU 8 512 1024")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of timing (%(default)s)")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="CPU threads (%(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shape = tuple(arguments.shape or ((8, 512, 1024) if device == "cuda" else (2, 240, 320)))
    results: dict[str, Any] = {
        "machine": machine(), "classes": CLASSES, "rounds": arguments.rounds, "networks": [],
    }  # fmt: skip
    for name in arguments.networks:
        results["networks"].append(measure(name, shape, arguments.rounds, device))  # type: ignore[arg-type]
        show(results["networks"][-1])
        write_atomically(arguments.out, json.dumps(results, indent=1) + "\n")
    print(f"written to {arguments.out}; load now {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "written")


if __name__ == "__main__":
    main()
