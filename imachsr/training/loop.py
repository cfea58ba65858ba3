"""The loop: Algorithm 1 of both papers on one screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from ..objective import Supervised
from .options import adam
from .run import Run
from .state import Epoch


def fit(
    trainee: Supervised,
    loader: DataLoader,
    *,
    epochs: int,
    optimizer: torch.optim.Optimizer | None = None,
    schedule: str = "poly",
    warmup: int = 0,
    clip_norm: float | None = None,
    accumulate: int = 1,
    precision: str = "fp32",
    ema: float | None = None,
    memory_format: str | None = None,
    compile: bool | str = False,
    evaluation: Callable[[nn.Module, int], dict[str, Any]] | None = None,
    checkpoints: str | Path | None = None,
    save_every: float = 300.0,
    log: str | Path | None = None,
    processes: int | None = None,
    progress: bool | None = None,
    label: str = "",
) -> list[Epoch]:
    """Train network and adapters together (Algorithm 1).

    Means are means over the labelled pixels of the whole batch, over however many processes and parts it is spread.
    With batch norms these differ all the same: each part takes its statistics over its own images (on several GPUs,
    each part over those of all processes). So do losses of a batch as a whole (InfoNCE, Dice, Lovasz), which see a part
    alone; class weights are refused in parts. Layers of a network in train mode that were put to evaluation before,
    such as frozen batch norms, stay so.

    Args:
        trainee: the network with its scheme.
        loader: batches of (images, targets), see `batches`; a batch is one step's, over all processes and parts.
        epochs: passes over the loader.
        optimizer: the papers' Adam by default. The schedule begins from the learning rates that stand in it; however
            training ends, they stand there again, and the log has those between.
        schedule: "constant", "poly": learning rate times (1 - step/steps)^0.9, the field's habit, or "cosine".
        warmup: steps over which the learning rate rises to what the schedule says.
        clip_norm: the longest the gradient over all parameters may be.
        accumulate: parts a batch is cut into and computed one after the other, to save memory.
        precision: "fp32", "bf16" or "fp16", see `Precision`.
        ema: what the average of the weights keeps of itself in each step, such as 0.999; evaluation sees the average,
            and the network carries it in the end.
        memory_format: "contiguous", "channels_last", "auto" (measured), or None: as the network is.
        compile: run the step through torch.compile, with its default backend or the one named.
        evaluation: called with the network and the epoch's number after each; what it returns becomes `Epoch.scores`.
        checkpoints: folder of this run's checkpoints; where it holds some, training goes on from the newest, exactly.
        save_every: seconds between two checkpoints; 0 saves before every step.
        log: folder for `metrics.jsonl` and TensorBoard events.
        processes: how many must be training together, started by torchrun or accelerate; None: as many as there are.
        progress: bars, or one line per epoch; by default bars on a terminal or in a live notebook.
        label: shown before the progress.

    Returns:
        One `Epoch` per pass.

    Raises:
        TypeError: a trainee that is no `Supervised`; a loader, a batch, images, an optimizer or scores of another kind.
        FloatingPointError: an input, a loss term or a gradient is not finite; named before any weight changes.
        ValueError: options or data that are not what they should be; a sample is named with its files.
        OSError: a checkpoint could not be written; the previous one stays.
        Stopped: asked to by SIGTERM or Ctrl-C, after a checkpoint.
    """
    optimizer = adam(trainee) if optimizer is None else optimizer
    run = Run(
        trainee, loader, optimizer, epochs=epochs, schedule=schedule, warmup=warmup, clip_norm=clip_norm,
        accumulate=accumulate, precision=precision, ema=ema, memory_format=memory_format, compile=compile,
        checkpoints=checkpoints, save_every=save_every, log=log, processes=processes, progress=progress, label=label,
    )  # fmt: skip
    with run.under_way() as module:
        while run.epoch < epochs:
            for images, targets in run.batches():
                optimizer.zero_grad(set_to_none=True)
                for part in run.parts(images, targets):
                    with run.autocast():
                        losses = module(*part)  # forward pass and loss computation
                    run.scaled(losses).backward()  # back propagation
                run.update()  # parameter update
            run.close_epoch(evaluation)
    return run.history
