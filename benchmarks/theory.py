"""Theorem 1 beside what happens: ten thousand random instances, and a network measured along its training.

    python benchmarks/theory.py                        # both parts (about 10 minutes on two quiet cores)
    python benchmarks/theory.py --skip network         # the random study alone

Results are kept as data in data/results/theory; notebook 05 reads them and recomputes a share.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import imachsr
from imachsr import losses
from imachsr.experiment import provenance, write_atomically
from imachsr.theory import study, summary
from imachsr.theory.measure import Minibatch, Slopes, local_smoothness, slopes

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "theory"
SETTINGS: dict[str, Any] = {
    "model": "deeplabv3plus_resnet18", "data": "streets", "size": [32, 48], "points": 2, "scheme": "imachsr",
    "batch": 4, "minibatches": 3, "seed": 0, "steps": [4, 16, 64, 256], "eta": {"sgd": 0.16, "adam": 0.0048},
    "slopes_per_run": 6, "smoothness_per_run": 1, "iterations": 5,
}  # fmt: skip


def measure_study() -> dict[str, Any]:
    """All instances as columns of four digits, and the summary of the full table."""
    started, table = time.perf_counter(), study()
    worst = {
        "over_stated": np.divide(table["measured"], table["stated"]),
        "over_corrected": np.divide(table["measured"], table["corrected"]),
        "step": np.asarray(table["step"]),
    }
    columns: dict[str, list[Any]] = {name: table[name] for name in ("points", "noise", "steps", "line")}
    columns |= {name: [float(f"{value:.4g}") for value in values] for name, values in worst.items()}
    return {
        "provenance": provenance(), "seconds": round(time.perf_counter() - started), "instances": len(table["noise"]),
        "summary": summary(table), "columns": columns,
    }  # fmt: skip


def build(settings: Mapping[str, Any]) -> tuple[imachsr.Supervised, list[Minibatch]]:
    """The trainee at its start, and its minibatches: fixed ones, so that the full loss is their mean."""
    torch.manual_seed(settings["seed"])
    count = settings["batch"] * settings["minibatches"]
    data = imachsr.datasets.create(settings["data"], size=tuple(settings["size"]), length=count)
    network = imachsr.models.create(settings["model"], len(data.classes)).train()
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # the full loss must be one function of the parameters
    images, targets = (torch.stack(part) for part in zip(*(data[i] for i in range(count)), strict=True))
    points = imachsr.choose_points(imachsr.find_points(network, images[: settings["batch"]]), settings["points"])
    scheme = imachsr.scheme(  # reference losses: they can be differentiated twice
        settings["scheme"],
        output=partial(losses.cross_entropy, impl="reference"),
        supervision=partial(losses.mutual_information, impl="reference"),
        regularizer=partial(losses.negative_entropy, impl="reference"),
    )
    trainee = imachsr.Supervised(network, points, scheme, classes=len(data.classes)).train()
    batches = zip(images.split(settings["batch"]), targets.split(settings["batch"]), strict=True)
    return trainee, [partial(terms_of, trainee, *batch) for batch in batches]


def terms_of(trainee: imachsr.Supervised, images: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Every term of one minibatch before weighting, with its graph."""
    scheme = trainee.scheme
    assert scheme.supervision is not None
    assert scheme.regularizer is not None
    terms = {"output": scheme.output(trainee.network(images), targets)}
    for m, features in enumerate(trainee.capture.read()):
        assert features is not None
        terms[f"{trainee.points[m].name}/supervision"] = scheme.supervision(trainee.adapters[m](features), targets)
        terms[f"{trainee.points[m].name}/regularizer"] = scheme.regularizer(features)
    return terms


def weights_of(trainee: imachsr.Supervised) -> np.ndarray:
    """w_s in the order of the terms: 1, alpha_1, lambda_1, alpha_2, ..."""
    return np.array([1.0, *(w for pair in trainee.scheme.weights(len(trainee.points)) for w in pair)])


def least_total(trainee: imachsr.Supervised, classes: int) -> float:
    """A total no network can go below: CE >= 0, mutual information <= log K, entropy <= log C."""
    pairs = zip(trainee.scheme.weights(len(trainee.points)), trainee.points, strict=True)
    return -sum(alpha * math.log(classes) + lambda_ * math.log(point.channels) for (alpha, lambda_), point in pairs)


def total_of(weights: np.ndarray) -> Callable[[Mapping[str, Tensor]], Tensor]:
    """The weighted sum of the terms."""
    return lambda terms: torch.stack([w * term for w, term in zip(weights, terms.values(), strict=True)]).sum()


def train(settings: Mapping[str, Any], optimizer: str, steps: int, *, smoothness: bool) -> dict[str, Any]:
    """One run of `steps` steps of eta / sqrt(steps), measured at evenly spaced steps."""
    trainee, minibatches = build(settings)
    parameters, weights = list(trainee.parameters()), weights_of(trainee)
    kind = torch.optim.SGD if optimizer == "sgd" else torch.optim.Adam
    stepper = kind(parameters, lr=settings["eta"][optimizer] / math.sqrt(steps))
    draws = np.random.default_rng(settings["seed"])
    total, measured = total_of(weights), []
    looks = evenly(steps, settings["slopes_per_run"])
    curved = evenly(steps, settings["smoothness_per_run"]) if smoothness else []
    for step in range(steps):
        if step in looks or step in curved:
            measured.append({"step": step, **look(minibatches, parameters, weights)})
        if step in curved:
            measured[-1]["smoothness"] = curvatures(minibatches, parameters, weights, settings["iterations"])
        stepper.zero_grad(set_to_none=True)
        total(minibatches[int(draws.integers(len(minibatches)))]()).backward()
        stepper.step()
    print(f"{optimizer} T={steps}: last |grad|^2 {measured[-1]['squared']:.3g}", flush=True)
    return {
        "optimizer": optimizer, "steps": steps, "eta": settings["eta"][optimizer], "weights": weights.tolist(),
        "least": least_total(trainee, trainee.classes), "looks": looks, "measured": measured,
    }  # fmt: skip


def evenly(steps: int, count: int) -> list[int]:
    """At most `count` of the steps 0 .. steps - 1, evenly spaced: the middle of each share of the run, and step 0."""
    return sorted({0, *(int((i + 0.5) * steps / count) for i in range(count))})


def look(minibatches: Sequence[Minibatch], parameters: Sequence[Tensor], weights: np.ndarray) -> dict[str, Any]:
    found: Slopes = slopes(minibatches, parameters)
    return {
        "terms": list(found.names), "values": found.values.tolist(), "gradients": found.gradients.tolist(),
        "noise": found.deviations.tolist(), "squared": found.squared(weights), "variance": found.variance(weights),
        "alignment": found.alignment().round(4).tolist(), "noise_alignment": found.alignment("noise").round(4).tolist(),
    }  # fmt: skip


def curvatures(
    minibatches: Sequence[Minibatch], parameters: Sequence[Tensor], weights: np.ndarray, iterations: int
) -> dict[str, float]:
    """Local smoothness of every term and of the total."""
    picks: dict[str, Callable[[Mapping[str, Tensor]], Tensor]] = {name: itemgetter(name) for name in minibatches[0]()}
    picks["total"] = total_of(weights)
    return {
        name: local_smoothness(minibatches, parameters, pick, iterations=iterations) for name, pick in picks.items()
    }


def measure_network(settings: Mapping[str, Any]) -> dict[str, Any]:
    started = time.perf_counter()
    runs = [
        train(settings, optimizer, steps, smoothness=steps == max(settings["steps"]))
        for optimizer in ("sgd", "adam")
        for steps in settings["steps"]
    ]
    return {
        "provenance": provenance(), "seconds": round(time.perf_counter() - started), "settings": dict(settings),
        "runs": runs,
    }  # fmt: skip


def compact(value: Any) -> str:
    """JSON with one line per entry of the two outer levels."""
    inner = {
        key: json.dumps(entry, separators=(",", ":"), allow_nan=False)
        if not isinstance(entry, dict)
        else "{\n  " + ",\n  ".join(f'"{k}":{json.dumps(v, separators=(",", ":"))}' for k, v in entry.items()) + "\n }"
        for key, entry in value.items()
    }
    return "{\n " + ",\n ".join(f'"{key}":{entry}' for key, entry in inner.items()) + "\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the results (%(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--skip", nargs="*", choices=["study", "network"], default=[], help="parts to leave out")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    parts = {"study": measure_study, "network": partial(measure_network, SETTINGS)}
    for name, part in parts.items():
        if name not in arguments.skip:
            write_atomically(arguments.out / f"{name}.json", compact(part()))
            print(f"written to {arguments.out / name}.json")


if __name__ == "__main__":
    main()
