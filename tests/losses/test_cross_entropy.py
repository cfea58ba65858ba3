"""Cross-entropy against a loop nobody could get wrong and against torch's own."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from imachsr.losses import cross_entropy


def slow_upsample(image: list[list[float]], H: int, W: int, align_corners: bool) -> list[list[float]]:
    h, w = len(image), len(image[0])

    def at(i: int, n: int, N: int) -> tuple[int, int, float]:
        position = i * (n - 1) / max(N - 1, 1) if align_corners else max(0.0, (i + 0.5) * n / N - 0.5)
        low = min(int(position), n - 1)
        return low, min(low + 1, n - 1), position - low

    out = []
    for Y in range(H):
        y0, y1, fy = at(Y, h, H)
        row = []
        for X in range(W):
            x0, x1, fx = at(X, w, W)
            top = image[y0][x0] * (1 - fx) + image[y0][x1] * fx
            bottom = image[y1][x0] * (1 - fx) + image[y1][x1] * fx
            row.append(top * (1 - fy) + bottom * fy)
        out.append(row)
    return out


def slow_softmax(logits: Tensor, H: int, W: int, align_corners: bool) -> list:
    """q[b][Y][X][k]."""
    out = []
    for image in logits.tolist():
        maps = [slow_upsample(channel, H, W, align_corners) for channel in image]
        rows = []
        for Y in range(H):
            row = []
            for X in range(W):
                e = [math.exp(m[Y][X]) for m in maps]
                row.append([v / sum(e) for v in e])
            rows.append(row)
        out.append(rows)
    return out


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_slow_loop(pair, align_corners, reduction):
    logits, targets = pair(B=2, K=3, h=3, w=4, H=5, W=7)
    logits = logits.double()
    weight, e, K = [0.5, 2.0, 1.0], 0.1, 3
    q = slow_softmax(logits, 5, 7, align_corners)
    total = mass = 0.0
    for b in range(2):
        for Y in range(5):
            for X in range(7):
                y = int(targets[b, Y, X])
                if y == 255:
                    continue
                total -= (1 - e) * weight[y] * math.log(q[b][Y][X][y])
                total -= e / K * sum(weight[k] * math.log(q[b][Y][X][k]) for k in range(K))
                mass += weight[y]
    expected = total / mass if reduction == "mean" else total
    loss = cross_entropy(
        logits,
        targets,
        weight=torch.tensor(weight),
        label_smoothing=e,
        align_corners=align_corners,
        reduction=reduction,
    )
    assert loss.item() == pytest.approx(expected, abs=1e-12, rel=1e-12)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"label_smoothing": 0.2}, {"weight": torch.tensor([1.0, 2, 0, 4, 5]).double()}]
)
def test_torch_interpolate_and_cross_entropy(pair, value_and_gradient, align_corners, options):
    logits, targets = pair()

    def theirs(x: Tensor) -> Tensor:
        x = F.interpolate(x, targets.shape[1:], mode="bilinear", align_corners=align_corners)
        return F.cross_entropy(x, targets, ignore_index=255, **options)

    ours = value_and_gradient(
        lambda x: cross_entropy(x, targets, align_corners=align_corners, **options), logits.double()
    )
    for mine, other in zip(ours, value_and_gradient(theirs, logits.double()), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-14)


def test_classification_equals_torch():
    logits, targets = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 255, 1])
    torch.testing.assert_close(cross_entropy(logits, targets), F.cross_entropy(logits, targets, ignore_index=255))


def test_weights_that_leave_no_class_give_zero():
    targets = torch.zeros(1, 4, 4, dtype=torch.int64)
    logits = torch.randn(1, 2, 2, 2, requires_grad=True)
    loss = cross_entropy(logits, targets, weight=torch.tensor([0.0, 1.0]))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().max() == 0


def test_labels_may_be_a_class_that_is_ignored(pair):
    logits, targets = pair(K=3)
    targets = targets.where(targets != 255, 0)
    expected = F.cross_entropy(F.interpolate(logits, (11, 13), mode="bilinear"), targets, ignore_index=0)
    torch.testing.assert_close(cross_entropy(logits, targets, ignore_index=0), expected)
