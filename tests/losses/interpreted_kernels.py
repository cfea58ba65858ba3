"""Run in a process of its own by test_triton.py: TRITON_INTERPRET=1 must be set before kernels are imported."""

from functools import partial

import pytest
import torch

from imachsr import losses

SHAPES = [(2, 11, 3, 4, 13, 18), (1, 3, 5, 7, 5, 7), (1, 19, 9, 8, 7, 5), (1, 70, 2, 37, 3, 50), (1, 2, 1, 1, 3, 5)]


def measure(loss, tensor):
    tensor = tensor.detach().clone().requires_grad_()
    value = loss(tensor)
    (gradient,) = torch.autograd.grad(value * 1.7, tensor)
    return value.detach().double(), gradient.double()


def check(loss, tensor, slack=1e-5):
    truth, slope = measure(lambda x: loss(x, "reference"), tensor.double())
    value, gradient = measure(lambda x: loss(x, "triton"), tensor)
    assert abs(value - truth) <= 1e-6 * max(1, abs(truth)), (value, truth)
    assert (gradient - slope).abs().max() <= slack * slope.abs().max() + 1e-10


def pixel_losses():
    for number, shape in enumerate(SHAPES):
        B, K, h, w, H, W = shape
        logits, targets = torch.randn(B, K, h, w) * 2, torch.randint(0, K, (B, H, W))
        targets[0, :2] = 255
        weight, corners = torch.linspace(0.1, 2, K), number % 2 == 0
        plain = partial(losses.cross_entropy, targets=targets, align_corners=corners)
        check(lambda x, i, f=plain: f(x, impl=i), logits)
        check(lambda x, i, f=plain, w=weight: f(x, weight=w.to(x), label_smoothing=0.1, impl=i), logits)
        information = partial(losses.mutual_information, targets=targets, align_corners=not corners)
        check(lambda x, i, f=information: f(x, impl=i), logits)
        check(lambda x, i, f=information, n=B * H * W: f(x, reduction="sum", impl=i) / n, logits)


def half_precision():
    targets = torch.randint(0, 5, (2, 9, 11))
    for dtype in (torch.float16, torch.bfloat16):
        logits, eps = torch.randn(2, 5, 3, 4).to(dtype), torch.finfo(dtype).eps
        check(lambda x, i: losses.cross_entropy(x, targets, impl=i), logits, eps)
        check(lambda x, i: losses.mutual_information(x, targets, impl=i), logits, eps)
        check(lambda x, i: losses.negative_entropy(x, impl=i), logits, eps)


def layouts():
    features = torch.randn(2, 13, 3, 6) * 3
    for view in (features, features.to(memory_format=torch.channels_last), features[:, ::2, 1:]):
        for dim in (0, 1, -1):
            check(lambda x, i, d=dim: losses.negative_entropy(x, dim=d, impl=i), view)


def finite():
    targets = torch.randint(0, 4, (2, 9, 8))
    for logits in (torch.zeros(2, 4, 3, 2), torch.randn(2, 4, 3, 2) * 1e4, torch.randn(2, 1, 3, 2).expand(2, 4, 3, 2)):
        for labels in (targets, torch.full_like(targets, 255), torch.ones_like(targets)):
            for loss in (losses.cross_entropy, losses.mutual_information):
                value, gradient = measure(lambda x, f=loss, t=labels: f(x, t, impl="triton"), logits)
                assert torch.isfinite(value)
                assert torch.isfinite(gradient).all()
                if labels[0, 0, 0] == 255:
                    assert value == 0
                    assert gradient.abs().max() == 0

    logits = torch.randn(2, 4, 9, 8)
    logits[:, 2] = -torch.inf  # at label size a class may be excluded
    for loss in (losses.cross_entropy, losses.mutual_information):
        check(lambda x, i, f=loss: f(x, targets.where(targets != 2, 255), impl=i), logits)


def refusals():
    wide, targets = torch.zeros(1, 257, 2, 2), torch.full((1, 4, 4), 9)
    for logits, words in ((wide, "up to 256 classes"), (wide[:, :3], "got label 9 with 3 classes")):
        with pytest.raises(ValueError, match=words):
            losses.cross_entropy(logits, targets, impl="triton")


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for part in (pixel_losses, half_precision, layouts, finite, refusals):
        part()
        print(part.__name__, "ok")
