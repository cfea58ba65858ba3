"""The optimizer, the learning rate over the steps, and the weights averaged over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

# what is left of the learning rate when a share of the training is done
LEARNING_RATES: dict[str, Callable[[float], float]] = {
    "poly": lambda done: (1 - done) ** 0.9,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "constant": lambda done: 1.0,
}


def adam(trainee: nn.Module, *, learning_rate: float = 3e-4, weight_decay: float = 1e-4) -> torch.optim.Optimizer:
    """The papers' optimizer (iMacSR Table III): Adam, betas (0.9, 0.999), over network and adapters alike."""
    named = dict(trainee.named_parameters())
    learned = [parameter for name, parameter in named.items() if name.endswith("log_variances")]
    others = [parameter for name, parameter in named.items() if not name.endswith("log_variances")]
    groups: list[dict[str, Any]] = [{"params": others}]
    if learned:
        groups.append({"params": learned, "weight_decay": 0.0})  # decay would pull every learned weight to one
    return torch.optim.Adam(groups, lr=learning_rate, betas=(0.9, 0.999), weight_decay=weight_decay)


def learning_rates(
    optimizer: torch.optim.Optimizer, name: str, *, steps: int, warmup: int = 0
) -> torch.optim.lr_scheduler.LambdaLR:
    """The schedule as a factor on each group's rate: `name` over all steps, times a straight rise over the first."""
    if name not in LEARNING_RATES:
        raise ValueError(f"got schedule {name!r}; the schedules known are {[*LEARNING_RATES]}; use one of them")
    if not 0 <= warmup < steps:
        raise ValueError(
            f"got warmup={warmup} with {steps} steps in all; the rise must end before the training; "
            f"pass 0 to {steps - 1}, or train longer"
        )

    def factor(step: int) -> float:
        rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
        return LEARNING_RATES[name](min(step, steps - 1) / steps) * rise

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


@contextmanager
def rates_put_back(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Afterwards each group has the rate its schedule began from; a later one begins from what stands there then."""
    try:
        yield
    finally:  # a mark left in the group would count for more than a rate set by hand
        for group in optimizer.param_groups:
            group["lr"] = group.pop("initial_lr", group["lr"])


class Average:
    """Exponential moving average of a network's state: a <- d a + (1 - d) w after each step; nothing where d is None.

    Buffers in floating point (running statistics) are averaged like weights; counters are copied.

    >>> network = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.zeros_(network.weight)
    >>> average = Average(network, 0.9)
    >>> _ = nn.init.ones_(network.weight)
    >>> average.update()
    >>> f"{average.state['weight'].item():.1f}"
    '0.1'
    """

    def __init__(self, network: nn.Module, decay: float | None) -> None:
        if decay is not None and not 0 < decay < 1:
            raise ValueError(
                f"got ema={decay}; it is what stays of the average in a step, above 0 and below 1; try 0.999"
            )
        self.network, self.decay = network, decay
        self.state: dict[str, Tensor] = {}
        if decay is not None:
            self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take the network's present weights in."""
        if self.decay is None:
            return
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - self.decay)
            else:
                self.state[name].copy_(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the network carries the average."""
        if self.decay is None:
            yield
            return
        own = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        try:
            self.network.load_state_dict(self.state)
            yield
        finally:
            try:
                self.network.load_state_dict(own)
            except KeyboardInterrupt:  # stopped halfway
                self.network.load_state_dict(own)
                raise

    def keep(self) -> None:
        """The network carries the average from now on."""
        if self.decay is not None:
            self.network.load_state_dict(self.state)
