"""How much the fused losses save: against what one writes otherwise, in one run, results kept as data.

    python benchmarks/losses.py                       # everything this machine can run (minutes)
    python benchmarks/losses.py --skip step           # kernels alone
    python benchmarks/losses.py --threads 2 --rounds 9

Correctness comes first: nothing is timed that does not agree with float64. Times of one case are taken turn by turn,
there and back, so that a busy neighbour hits all alike; ratios are medians over rounds. Memory is the peak beyond what
was there before.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib.metadata
import json
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import imachsr
from imachsr import complexity, losses
from imachsr.experiment import provenance, write_atomically

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "benchmarks" / "losses.json"
Run = Callable[[], Tensor]


def eager_cross_entropy(logits: Tensor, targets: Tensor, ignore_index: int = 255) -> Tensor:
    """What one writes otherwise."""
    logits = F.interpolate(logits, targets.shape[-2:], mode="bilinear")
    return F.cross_entropy(logits, targets, ignore_index=ignore_index)


def eager_negative_entropy(features: Tensor) -> Tensor:
    """What one writes otherwise."""
    log_p = features.log_softmax(1)
    return (log_p.exp() * log_p).sum(1).mean()


def pixel_case(shape: tuple[int, ...], size: tuple[int, int], device: str) -> tuple[Tensor, Tensor]:
    """Random logits and labels of street-like blocks, 5 % of them void."""
    generator = torch.Generator().manual_seed(0)
    B, K, h, w = shape
    blocks = torch.randint(0, K, (B, 1, h // 2, w // 2), generator=generator).float()
    targets = F.interpolate(blocks, size)[:, 0].long()
    targets[torch.rand(targets.shape, generator=generator) < 0.05] = 255
    return torch.randn(shape, generator=generator).to(device), targets.to(device)


def cases(device: str) -> Iterator[dict[str, Any]]:
    """Name, tensor, losses by implementation, the yardstick, and what is asked for."""
    fast = "numba" if device == "cpu" else "triton"
    shapes = [((8, 11, 45, 60), (360, 480)), ((4, 19, 64, 128), (512, 1024))]
    for shape, size in shapes if device == "cpu" else [((8, 19, 64, 128), (512, 1024))]:
        tensor, targets = pixel_case(shape, size, device)
        label = f"{shape} -> {size}"
        runs = {"eager": partial(eager_cross_entropy, targets=targets)}
        runs |= {impl: partial(losses.cross_entropy, targets=targets, impl=impl) for impl in (fast, "chunked")}
        if device == "cuda":
            runs["compile"] = torch.compile(runs["eager"])
        asked = {"speedup": 8, "memory": 0.10} if device == "cpu" else {"speedup": 10, "memory": 0.02}
        yield {"name": "cross_entropy", "shape": label, "tensor": tensor, "runs": runs, "base": "eager", "asked": asked}
        runs = {
            impl: partial(losses.mutual_information, targets=targets, impl=impl)
            for impl in ("reference", fast, "chunked")
        }
        yield {
            "name": "mutual_information", "shape": label, "tensor": tensor, "runs": runs, "base": "reference",
            "asked": {"speedup": 4},
        }  # fmt: skip
    shape = (8, 64, 90, 120)
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    runs = {"eager": eager_negative_entropy}
    runs |= {impl: partial(losses.negative_entropy, impl=impl) for impl in (fast, "chunked")}
    yield {
        "name": "negative_entropy", "shape": str(shape), "tensor": tensor, "runs": runs, "base": "eager",
        "asked": {"speedup": 2},
    }  # fmt: skip


def check(case: dict[str, Any]) -> dict[str, float]:
    """Largest difference to the yardstick in float64, on the first image. Ends the program where it is too large."""
    tensor, worst = case["tensor"][:1], {"value": 0.0, "gradient": 0.0}

    def measure(loss: Callable[..., Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.detach().clone().requires_grad_()
        if isinstance(loss, partial) and "targets" in loss.keywords:
            loss = partial(loss.func, **{**loss.keywords, "targets": loss.keywords["targets"][:1]})
        value = loss(x)
        return value.detach().double(), torch.autograd.grad(value, x)[0].double()

    truth, slope = measure(case["runs"][case["base"]], tensor.double())
    for impl, loss in case["runs"].items():
        if impl in (case["base"], "compile"):
            continue
        value, gradient = measure(loss, tensor)
        off = {
            "value": float(abs(value - truth)),
            "gradient": float((gradient - slope).abs().max() / slope.abs().max()),
        }
        if off["value"] > 1e-6 or off["gradient"] > 1e-5:
            sys.exit(f"{case['name']} {case['shape']} by {impl} is off by {off}; nothing is timed on wrong results")
        worst = {key: max(worst[key], off[key]) for key in worst}
    return worst


def step_of(loss: Callable[..., Tensor], tensor: Tensor) -> Run:
    """Forward and backward of one loss."""

    def run() -> Tensor:
        x = tensor.detach().requires_grad_()
        value = loss(x)
        value.backward()
        return value

    return run


def peak_bytes(run: Run, device: str) -> int | None:
    """`complexity.peak_bytes`; on a CPU, of which it knows nothing, from Linux's high-water mark."""
    if device == "cuda":
        return complexity.peak_bytes(run, device)
    try:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # freed memory that the allocator kept would hide what the run takes
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        run()
        return _status("VmHWM") - before
    except (OSError, AttributeError):
        return None


def _status(field: str) -> int:
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(field))
    return int(line.split()[1]) * 1024


def walls(runs: Mapping[str, Callable[[], Any]], device: str, rounds: int) -> dict[str, list[float]]:
    """Seconds by the clock of every run in every round, see `complexity.race`."""
    return {name: [took.wall for took in times] for name, times in complexity.race(runs, rounds, device).items()}


def ratio(times: dict[str, list[float]], one: str, other: str) -> float:
    """Median over rounds of one's time by the other's."""
    return statistics.median(a / b for a, b in zip(times[one], times[other], strict=True))


def measure_case(case: dict[str, Any], device: str, rounds: int) -> dict[str, Any]:
    off = check(case)
    runs = {impl: step_of(loss, case["tensor"]) for impl, loss in case["runs"].items()}
    times, base, fast = walls(runs, device, rounds), case["base"], "numba" if device == "cpu" else "triton"
    memory = {impl: peak_bytes(run, device) for impl, run in runs.items()}
    row = {
        "name": case["name"], "shape": case["shape"], "device": device, "base": base, "off": off,
        "median_ms": {impl: statistics.median(t) * 1e3 for impl, t in times.items()},
        "speedup": {impl: ratio(times, base, impl) for impl in times if impl != base},
        "peak_bytes": memory, "asked": case["asked"],
    }  # fmt: skip
    row["met"] = {"speedup": row["speedup"][fast] >= case["asked"]["speedup"]}
    if "memory" in case["asked"] and memory[base]:
        row["met"]["memory"] = memory[fast] / memory[base] <= case["asked"]["memory"]
    if device == "cuda" and case["name"] == "cross_entropy":
        row |= floor(case, times[fast])
        row["met"]["compile"] = row["speedup"][fast] / row["speedup"]["compile"] >= 4
    return row


def floor(case: dict[str, Any], times: list[float]) -> dict[str, Any]:
    """The least time a GPU needs: bytes once through memory, or one exponential per pixel and class."""
    tensor, targets = case["tensor"], case["runs"]["eager"].keywords["targets"]
    traffic = 2 * tensor.nbytes + targets.nbytes
    exponentials = targets.numel() * tensor.shape[1]
    block = torch.empty(2**28, dtype=torch.uint8, device="cuda")
    copy = statistics.median(complexity.seconds(block.clone, "cuda").wall for _ in range(9))
    source = torch.zeros(2**26, device="cuda")
    properties = torch.cuda.get_device_properties(0)
    clock = getattr(properties, "clock_rate", 1.7e6) * 1e3  # Hz
    rate = properties.multi_processor_count * 16 * clock  # 16 exponentials per multiprocessor and cycle
    least = max(traffic * copy / (2 * block.nbytes), exponentials / rate)
    del source
    return {
        "bytes": traffic, "exponentials": exponentials, "floor_ms": least * 1e3,
        "times_floor": statistics.median(times) / least,
    }  # fmt: skip


def steps(device: str, shape: tuple[int, int, int]) -> dict[str, Run]:
    """Whole training steps of DeepLabv3+ (ResNet18), M = 5, in four readings, of one network each."""
    from imachsr import models

    B, H, W = shape
    images, targets = torch.randn(B, 3, H, W, device=device), torch.randint(0, 11, (B, H, W), device=device)
    eager = {"output": eager_cross_entropy}
    information = partial(losses.mutual_information, impl="reference")
    readings = {
        "conventional_eager": ("conventional", eager),
        "conventional_fused": ("conventional", {}),
        "imachsr_fused": ("imachsr", {}),
        "imachsr_eager": ("imachsr", eager | {"supervision": information, "regularizer": eager_negative_entropy}),
    }
    runs = {}
    for name, (scheme, changes) in readings.items():
        torch.manual_seed(0)
        network: nn.Module = models.create("deeplabv3plus_resnet18", 11).to(device).train()
        points = imachsr.choose_points(imachsr.find_points(network, images[:2]), 5)
        trainee = imachsr.Supervised(network, points, imachsr.scheme(scheme, **changes), classes=11).to(device)
        runs[name] = partial(train_step, trainee, images, targets, device)
    return runs


def train_step(trainee: nn.Module, images: Tensor, targets: Tensor, device: str, backward: bool = True) -> Tensor:
    """Forward and backward; bf16 on GPU."""
    with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
        total = trainee(images, targets).total
    if backward:
        trainee.zero_grad(set_to_none=True)
        total.backward()
    return total


def measure_steps(device: str, shape: tuple[int, int, int], rounds: int) -> dict[str, Any]:
    runs = steps(device, shape)
    times = walls(runs, device, rounds)
    kept = {name: complexity.kept_bytes(partial(run, backward=False)) for name, run in runs.items()}
    memory = {name: peak_bytes(run, device) for name, run in runs.items()}
    scheme, others = "imachsr_fused", ("conventional_fused", "conventional_eager")
    return {
        "name": "step", "network": "deeplabv3plus_resnet18", "points": 5, "shape": shape, "device": device,
        "median_ms": {name: statistics.median(t) * 1e3 for name, t in times.items()},
        "time_against": {name: ratio(times, scheme, name) for name in others}
        | {"eager_scheme_against_conventional_eager": ratio(times, "imachsr_eager", "conventional_eager")},
        "kept_bytes": kept, "kept_against": {name: kept[scheme] / kept[name] for name in others},
        "peak_bytes": memory,
        "asked": {"conventional_fused": 1.08 if device == "cpu" else 1.05, "conventional_eager": 1.0,
                  "kept_or_peak": 0.97 if device == "cpu" else 0.9},
    }  # fmt: skip


def machine() -> dict[str, Any]:
    """What the numbers were taken on: `provenance`, and what else speed hangs on."""
    origin = provenance()
    processor = origin.pop("device")
    return {
        **origin, "processor": processor, "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else None,
        "versions": {name: _version(name) for name in ("torch", "numba", "triton")},
        "load_at_start": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }  # fmt: skip


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def show(row: dict[str, Any]) -> None:
    print(f"{row['name']} {row['shape']} on {row['device']}")
    for name, ms in row["median_ms"].items():
        peak = row["peak_bytes"][name]
        print(f"  {name:20s} {ms:9.1f} ms   peak {'?' if peak is None else f'{peak / 2**20:.1f} MiB'}")
    for key in ("speedup", "times_floor", "time_against", "kept_against", "asked", "met"):
        if key in row:
            print(f"  {key}: {row[key]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT, help="where the results go (%(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of timing")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="CPU threads")
    parser.add_argument("--skip", nargs="*", choices=["cpu", "cuda", "step"], default=[], help="parts to leave out")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results: dict[str, Any] = {"machine": machine(), "rounds": arguments.rounds, "rows": []}
    for device in ("cpu", "cuda"):
        if device in arguments.skip:
            continue
        if device == "cuda" and not torch.cuda.is_available():
            print("no GPU here: the GPU cases are not run")
            continue
        for case in cases(device):
            results["rows"].append(measure_case(case, device, arguments.rounds))
            show(results["rows"][-1])
        if "step" not in arguments.skip:
            shape = (8, 360, 480) if device == "cpu" else (8, 512, 1024)
            results["rows"].append(measure_steps(device, shape, arguments.rounds))
            show(results["rows"][-1])
    write_atomically(arguments.out, json.dumps(results, indent=1) + "\n")
    print(f"written to {arguments.out}")


if __name__ == "__main__":
    main()
