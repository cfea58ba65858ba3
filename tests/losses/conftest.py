"""Inputs and comparisons shared by the tests of losses."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

Loss = Callable[..., Tensor]


@pytest.fixture(autouse=True)
def _everywhere(one_seed_one_thread: None) -> None:
    """Here every test asks for it."""


@pytest.fixture
def pair() -> Callable[..., tuple[Tensor, Tensor]]:
    """Random logits (B, K, h, w) and labels (B, H, W) with some void."""

    def make(B: int = 2, K: int = 5, h: int = 4, w: int = 6, H: int = 11, W: int = 13) -> tuple[Tensor, Tensor]:
        targets = torch.randint(0, K, (B, H, W))
        targets[torch.rand(B, H, W) < 0.2] = 255
        return torch.randn(B, K, h, w) * 2, targets

    return make


@pytest.fixture
def value_and_gradient() -> Callable[[Loss, Tensor], tuple[Tensor, Tensor]]:
    """loss(tensor) and its gradient there, for an upstream gradient of 1.7, in float64."""

    def measure(loss: Loss, tensor: Tensor) -> tuple[Tensor, Tensor]:
        tensor = tensor.detach().clone().requires_grad_()
        value = loss(tensor)
        (gradient,) = torch.autograd.grad(value * 1.7, tensor)
        return value.detach().double(), gradient.double()

    return measure
