"""Fused losses as torch operators, which autocast, torch.compile and profilers treat as one node.

The forward operator returns (loss, gradient); backward scales the gradient by what arrives from above. The gradient
at the logits is linear in that, so nothing else needs keeping. Negative entropy keeps its features instead, which the
network keeps anyway, and computes the gradient in backward.

A kernel becomes the twin of a reference, with the reference's arguments, by one of three decorators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .._common import working_dtype

SECOND = (
    "got a second derivative (create_graph=True, then backward) through a fused loss; it computes only its value and "
    "first derivative; pass impl='reference' to the loss"
)


def refuse_second(ctx: Any, *upstream: Tensor) -> Tensor:
    """The backward of every backward operator."""
    raise RuntimeError(SECOND)


@torch.library.custom_op("imachsr::scale_gradient", mutates_args=())
def scale_gradient(logits: Tensor, gradient: Tensor, upstream: Tensor) -> Tensor:
    """upstream * gradient in the dtype of the logits; they take part so that a second derivative finds its refusal."""
    return (gradient * upstream).to(logits.dtype)


@scale_gradient.register_fake
def _(logits: Tensor, gradient: Tensor, upstream: Tensor) -> Tensor:
    return torch.empty_like(gradient, dtype=logits.dtype)


scale_gradient.register_autograd(refuse_second)


def cross_entropy_twin(impl: str) -> Callable[[Callable[..., tuple[Tensor, Tensor]]], Callable[..., Tensor]]:
    """Make a kernel the twin of `imachsr.losses.cross_entropy`'s reference.

    The kernel takes logits (B, K, h, w), labels (B, H, W), weight, label_smoothing, align_corners, ignore_index, mean
    and wanted; it returns the loss and, where wanted, its gradient at the logits.
    """

    def decorate(kernel: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., Tensor]:
        operator = _loss_operator(
            f"cross_entropy_{impl}",
            "Tensor targets, Tensor? weight, float label_smoothing, bool align_corners, int ignore_index, bool mean",
            kernel,
        )

        def twin(
            logits: Tensor,
            targets: Tensor,
            weight: Tensor | None,
            label_smoothing: float,
            align_corners: bool,
            ignore_index: int,
            reduction: str,
        ) -> Tensor:
            if logits.ndim == 2:
                logits, targets = logits[:, :, None, None], targets[:, None, None]
            mean = reduction == "mean"
            return operator(logits, targets, weight, label_smoothing, align_corners, ignore_index, mean)

        return _named(twin, "cross_entropy")

    return decorate


def mutual_information_twin(impl: str) -> Callable[[Callable[..., tuple[Tensor, Tensor]]], Callable[..., Tensor]]:
    """Make a kernel the twin of the plug-in reference of `imachsr.losses.mutual_information`.

    The kernel takes logits (B, K, h, w), labels (B, H, W), align_corners, ignore_index, mean and wanted; it returns the
    loss and, where wanted, its gradient at the logits.
    """

    def decorate(kernel: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., Tensor]:
        operator = _loss_operator(
            f"mutual_information_{impl}", "Tensor targets, bool align_corners, int ignore_index, bool mean", kernel
        )

        def twin(logits: Tensor, targets: Tensor, align_corners: bool, ignore_index: int, reduction: str) -> Tensor:
            if logits.ndim == 2:  # one joint over the batch: a single image, as wide as the batch
                logits, targets = logits.T[None, :, None, :], targets[None, None]
            return operator(logits, targets, align_corners, ignore_index, reduction == "mean")

        return _named(twin, "mutual_information")

    return decorate


def negative_entropy_twin(
    impl: str, gradient: Callable[..., Tensor]
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Make a kernel the twin of `imachsr.losses.negative_entropy`'s reference.

    The kernel takes features, the non-negative dimension of their channels and mean, and returns the loss; `gradient`
    takes features, upstream, dimension and mean.
    """

    def decorate(kernel: Callable[..., Tensor]) -> Callable[..., Tensor]:
        forward = torch.library.custom_op(
            f"imachsr::negative_entropy_{impl}", mutates_args=(),
            schema="(Tensor features, int dim, bool mean) -> Tensor",
        )(kernel)  # fmt: skip
        backward = torch.library.custom_op(
            f"imachsr::negative_entropy_gradient_{impl}", mutates_args=(),
            schema="(Tensor features, Tensor upstream, int dim, bool mean) -> Tensor",
        )(gradient)  # fmt: skip
        forward.register_fake(lambda features, *_: features.new_empty((), dtype=working_dtype(features)))
        backward.register_fake(lambda features, *_: torch.empty_like(features))

        def keep(ctx: Any, inputs: tuple[Tensor, int, bool], output: Tensor) -> None:
            ctx.save_for_backward(inputs[0])
            ctx.options = inputs[1:]

        def at_features(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
            return backward(ctx.saved_tensors[0], upstream, *ctx.options), None, None

        forward.register_autograd(at_features, setup_context=keep)
        backward.register_autograd(refuse_second)

        def twin(features: Tensor, dim: int, reduction: str) -> Tensor:
            return forward(features, dim % features.ndim, reduction == "mean")

        return _named(twin, "negative_entropy")

    return decorate


def _named(twin: Callable[..., Tensor], loss: str) -> Callable[..., Tensor]:
    twin.__name__ = twin.__qualname__ = loss
    twin.__doc__ = f"Twin of `imachsr.losses.{loss}`'s reference, with its arguments."
    return twin


def _loss_operator(name: str, schema: str, kernel: Callable[..., tuple[Tensor, Tensor]]) -> Callable[..., Tensor]:
    """The differentiable operator imachsr::name of a kernel.

    Args:
        name: of the operator.
        schema: its arguments between logits and wanted, in torch's schema language.
        kernel: (logits, ..., wanted) -> (loss, gradient).

    Returns:
        A function of all arguments but the last, which returns the loss.
    """
    signature = f"(Tensor logits, {schema}, bool wanted) -> (Tensor, Tensor)"
    operator = torch.library.custom_op(f"imachsr::{name}", mutates_args=(), schema=signature)(kernel)

    @operator.register_fake
    def _(logits: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
        dtype, shape = working_dtype(logits), logits.shape if others[-1] else (0,)
        return logits.new_empty((), dtype=dtype), logits.new_empty(shape, dtype=dtype)

    def keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(inputs[0], output[1])
        ctx.others = len(inputs) - 1

    def backward(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        return scale_gradient(*ctx.saved_tensors, upstream), *[None] * ctx.others

    operator.register_autograd(backward, setup_context=keep)

    def apply(logits: Tensor, *others: Any) -> Tensor:
        return operator(logits, *others, torch.is_grad_enabled() and logits.requires_grad)[0]

    return apply
