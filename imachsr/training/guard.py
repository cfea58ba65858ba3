"""What stops a run before a weight changes: values that are not finite, data that is not what it should be, no memory.

Axes: B images, K classes, (H, W) labels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from ..objective import Supervised
from ..points import is_whole, several
from .loader import EpochBatches
from .state import State, plain

Origin = Callable[[int], str]
Part = tuple[Any, ...]
NOT_TAKEN = "this step was not taken"


def check_run(
    trainee: Supervised,
    loader: DataLoader,
    *,
    epochs: int,
    accumulate: int,
    clip_norm: float | None,
    checkpoints: str | Path | None,
    save_every: float,
    processes: int,
) -> None:
    """Refuse what a run cannot begin with; the arguments are those of `fit`, `processes` how many there are.

    Raises:
        TypeError: a trainee or a loader of another kind.
        ValueError: no batches, numbers out of range, parts without an image, or an order that is not known beforehand
            where it must be.
    """
    if not isinstance(trainee, Supervised):
        raise TypeError(
            f"got a {type(trainee).__name__}; what is trained holds a network, its points and a scheme; pass "
            "imachsr.Supervised(network, points, scheme, classes=K)"
        )
    dataset = getattr(loader, "dataset", None)
    endless = isinstance(dataset, IterableDataset) and not hasattr(dataset, "__len__")
    if endless or not isinstance(loader, DataLoader):
        raise TypeError(
            f"got a {type(loader).__name__}{' of an IterableDataset without __len__' * endless} for a loader; "
            "training goes over a known number of batches in each epoch; pass imachsr.training.batches(dataset, "
            "batch_size), or a DataLoader of numbered samples"
        )
    if not len(loader):
        raise ValueError(
            "got a loader without a single batch; training takes at least one; give it more images, or a smaller "
            "batch size where incomplete batches are dropped"
        )
    for name, count in {"epochs": epochs, "accumulate": accumulate}.items():
        if not is_whole(count, least=1):
            raise ValueError(
                f"got {name}={count!r}; training needs at least one pass over the data, and a batch "
                f"one part; pass {name} >= 1, a whole number"
            )
    if not save_every >= 0:
        raise ValueError(f"got save_every={save_every}; it is seconds between two checkpoints; pass 0 or more")
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"got clip_norm={clip_norm}; a gradient's longest norm is above 0; pass None for no limit")
    sampler = loader.batch_sampler
    batch_size = getattr(sampler, "batch_size", None)
    if batch_size and accumulate > max(1, batch_size // processes):
        raise ValueError(
            f"got accumulate={accumulate} for batches of {batch_size} over {processes} "
            "processes; each part needs an image, and with BatchNorm two; lower accumulate or raise the batch size"
        )
    if not isinstance(sampler, EpochBatches) and (checkpoints is not None or processes > 1):
        raise ValueError(
            f"got a loader whose batch sampler is {type(sampler).__name__}; going on in mid-epoch and sharing "
            "batches among processes need an order known beforehand; build the loader with imachsr.training.batches"
        )


def check_batch(images: Tensor | tuple[Tensor, ...], targets: Tensor, trainee: Supervised, origin: Origin) -> None:
    """Refuse images that are not finite and labels outside the classes, by the name of their sample.

    Args:
        images: (B, 3, H, W), or a tuple of inputs, as they come from the loader.
        targets: (B, H, W) or (B,).
        trainee: knows the classes and the ignored label.
        origin: place in the batch -> name of the sample.
    """
    for tensor in several(images):
        good = torch.isfinite(tensor)
        if not good.all():
            place = int((~good.flatten(1).all(1)).nonzero()[0])
            value = float(tensor[place][~good[place]][0])
            raise FloatingPointError(
                f"got {value} in the input image of {origin(place)}; every pixel must be finite; {NOT_TAKEN}: mend or "
                "remove the sample"
            )
    wrong = ((targets < 0) | (targets >= trainee.classes)) & (targets != trainee.ignore_index)
    if wrong.any():
        place = int(wrong.flatten(1).any(1).nonzero()[0]) if targets.ndim > 1 else int(wrong.nonzero()[0])
        label = int(targets[place][wrong[place]].flatten()[0])
        raise ValueError(
            f"got label {label} in {origin(place)}; labels run from 0 to {trainee.classes - 1}, or are "
            f"ignore_index={trainee.ignore_index}; map it to a class or to ignore_index"
        )


def check_terms(terms: dict[str, Tensor], origins: Callable[[], str]) -> dict[str, float]:
    """The terms as numbers; refuse one that is not finite, by its name and the samples it is a mean over."""
    values = dict(zip(terms, torch.stack([*terms.values()]).tolist(), strict=True))
    for name, value in values.items():
        if not math.isfinite(value):
            raise FloatingPointError(
                f"got {value} for the loss term {name!r}{_at(name)}; every term must be finite; {NOT_TAKEN}: check "
                f"{origins()}; or lower the learning rate"
            )
    return values


def check_optimizer(optimizer: torch.optim.Optimizer, trainee: Supervised) -> None:
    """Refuse an optimizer that would leave the adapters, or the network, or everything as it is."""
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(
            f"got optimizer {optimizer!r}; it is an Optimizer made over what it steps; pass such as "
            "torch.optim.SGD(trainee.parameters(), lr=0.1), or imachsr.training.adam(trainee)"
        )
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    named = [(name, id(p) in held) for name, p in trainee.named_parameters() if p.requires_grad]
    if not named:
        raise ValueError(
            "got a trainee none of whose parameters requires a gradient; training changes some; call "
            "requires_grad_(True) on the layers to train"
        )
    ours = [name for name, has in named if not has and not name.startswith("network.")]
    theirs = [has for name, has in named if name.startswith("network.")]
    if ours or (theirs and not any(theirs)):
        raise ValueError(
            f"got an optimizer without {ours[0] if ours else 'any parameter of the network'}; adapters learn "
            "with the network, in one step; make it over trainee.parameters(), or with imachsr.training.adam"
        )


def check_scores(scores: Any) -> None:
    """Refuse what an evaluation returned where a checkpoint that held it could not be read again."""
    odd = [value for value in scores.values() if not _is_plain(value)] if isinstance(scores, dict) else [scores]
    if odd:
        raise TypeError(
            f"got a {type(odd[0]).__name__} from evaluation; what it returns is filed as scores, name -> number; "
            "return evaluate(...).scores()"
        )


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(plain(value))
    except (TypeError, ValueError):
        return False
    return True


def gradient_norms(trainee: Supervised) -> dict[str, float]:
    """Norm of the gradient over the network, the adapter at each point, and everything ("all")."""
    groups = {"network": trainee.network.parameters()}
    for point, adapter in zip(trainee.points, trainee.adapters, strict=False):
        groups[point.name] = adapter.parameters()
    groups["all"] = trainee.parameters()
    found = {name: [p.grad for p in group if p.grad is not None] for name, group in groups.items()}
    norms = {name: nn.utils.get_total_norm(gradients) for name, gradients in found.items() if gradients}
    return dict(zip(norms, torch.stack([*norms.values()]).tolist(), strict=True))  # waits for the device once


def check_gradients(trainee: Supervised, parts: Sequence[Part]) -> None:
    """Refuse gradients that are not finite, by parameter, point and term; called where their norm is not finite."""
    gradients = [(name, p.grad) for name, p in trainee.named_parameters() if p.grad is not None]
    bad = [(name, gradient) for name, gradient in gradients if not gradient.isfinite().all()]
    if not bad:  # finite, only too large to be squared
        return
    name, gradient = bad[0]
    value, where = float(gradient[~gradient.isfinite()][0]), _parameter(trainee, name)
    terms = culprits(trainee, parts)
    blame = f"it comes from the term {', '.join(map(repr, terms))}" if terms else "no term alone gives it again"
    raise FloatingPointError(
        f"got {value} in the gradient of {where}; {blame}; every gradient must be finite; {NOT_TAKEN}: lower the "
        "learning rate or the term's weight, set clip_norm, or look at this batch"
    )


def _parameter(trainee: Supervised, name: str) -> str:
    if name.startswith("adapters."):
        point = trainee.points[int(name.split(".")[1])].name
        return f"the adapter at point {point!r}"
    return f"the network's {name.removeprefix('network.')!r}"


def culprits(trainee: Supervised, parts: Sequence[Part]) -> list[str]:
    """The terms whose own gradient on these parts of a batch is not finite, each found by a pass of its own."""
    found, parameters = [], [p for p in trainee.parameters() if p.requires_grad]
    weights = trainee.weights
    weights.measuring = False
    for name in [name for name in weights.base if weights.counts(name)]:
        with weights.only(name):
            totals = (trainee.forward(*part).total for part in parts)  # in full precision, not compiled
            gradients = [g for total in totals for g in torch.autograd.grad(total, parameters, allow_unused=True)]
        if any(g is not None and not g.isfinite().all() for g in gradients):
            found.append(name)
    return found


def _at(name: str) -> str:
    point, _, kind = name.rpartition("/")
    return f" (the {kind} at point {point!r})" if point else ""


@contextmanager
def memory_advice(state: State | None = None) -> Iterator[None]:
    """Say what to lower where memory does not suffice."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        known = isinstance(error, (MemoryError, torch.OutOfMemoryError))
        if not known and "can't allocate memory" not in str(error):  # how the CPU's allocator says it
            raise
        raise torch.OutOfMemoryError(_advice(error, state)) from error


def _advice(error: BaseException, state: State | None) -> str:
    step = state.taken + 1 if state else 1
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return (
        f"got no memory in step {step} ({first}); the batch, its features and their gradients must fit; raise "
        "accumulate (the same batch in smaller parts), or lower batch_size, the image size or the number of points, or "
        "use precision='bf16'"
    )
