"""Always finite, value and gradient: public codes of mutual information each have an open thread on NaN."""

import pytest
import torch

from imachsr import losses

B, K, H, W = 2, 5, 24, 20
BLOCKS = torch.arange(B * 4 * 5).view(B, 4, 5).repeat_interleave(6, 1).repeat_interleave(4, 2) % K
ONE_HOT = torch.nn.functional.one_hot(BLOCKS, K).movedim(-1, 1).float()
LOGITS = {
    "zero": torch.zeros(B, K, 6, 5),
    "constant": torch.ones(B, K, 6, 5) * torch.arange(K).view(1, K, 1, 1),
    "one_hot": ONE_HOT,
    "certain_and_right": ONE_HOT * 1e4,
    "certain_and_wrong": ONE_HOT.roll(1, 1) * 1e4,
    "duplicated_channels": torch.randn(B, 1, 6, 5, generator=torch.Generator().manual_seed(0)).expand(B, K, 6, 5),
    "large": torch.randn(B, K, 6, 5, generator=torch.Generator().manual_seed(0)) * 1e4,
    "tiny": torch.randn(B, K, 6, 5, generator=torch.Generator().manual_seed(0)) * 1e-4,
}
TARGETS = {
    "all_classes": BLOCKS,
    "all_ignored": torch.full_like(BLOCKS, 255),
    "one_image_ignored": torch.stack([BLOCKS[0], torch.full_like(BLOCKS[1], 255)]),
    "class_absent": BLOCKS.where(BLOCKS != 2, 3),
    "single_class": torch.full_like(BLOCKS, 1),
    "one_pixel": torch.full_like(BLOCKS, 255).index_put(
        (torch.tensor(0), torch.tensor(3), torch.tensor(4)), torch.tensor(2)
    ),
}
TERMS = {name: name for name in losses.ESTIMATORS} | {"cross_entropy": None}


def term(name, logits, targets, impl):
    if name == "cross_entropy":
        return losses.cross_entropy(logits, targets, label_smoothing=0.1, impl=impl)
    return losses.mutual_information(logits, targets, estimator=name, impl=impl)


@pytest.mark.parametrize("impl", ["reference", "chunked", "numba"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", TERMS)
def test_losses_are_finite(name, dtype, impl):
    if name == "region" and impl != "reference":
        pytest.skip("region has a reference only")
    for kind, logits in LOGITS.items():
        for labels, targets in TARGETS.items():
            for batch in (slice(0, B), slice(0, 1)) if labels == "all_classes" else (slice(0, B),):
                x = logits[batch].to(dtype).clone().requires_grad_()
                loss = term(name, x, targets[batch], impl)
                loss.backward()
                assert torch.isfinite(loss), (kind, labels)
                assert torch.isfinite(x.grad).all(), (kind, labels)
                if labels == "all_ignored":
                    assert loss == 0
                    assert x.grad.abs().max() == 0, kind


@pytest.mark.parametrize("impl", ["reference", "chunked", "numba"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_negative_entropy_is_finite(dtype, impl):
    for kind, features in LOGITS.items():
        x = features.to(dtype).clone().requires_grad_()
        loss = losses.negative_entropy(x, impl=impl)
        loss.backward()
        assert torch.isfinite(loss), kind
        assert torch.isfinite(x.grad).all(), kind


@pytest.mark.parametrize("impl", ["reference", "chunked", "numba"])
def test_one_class_has_nothing_to_say(impl):
    targets = torch.zeros(2, 6, 6, dtype=torch.int64)
    for name in TERMS:
        if name == "region" and impl != "reference":
            continue
        x = torch.randn(2, 1, 3, 3, requires_grad=True)
        loss = term(name, x, targets, impl)
        loss.backward()
        assert loss.item() == pytest.approx(0, abs=1e-6)
        assert x.grad.abs().max() <= 1e-7


@pytest.mark.parametrize("impl", ["reference", "chunked", "numba"])
def test_classification_is_finite(impl):
    for targets in (torch.tensor([0, 1, 2, 255]), torch.full((4,), 255), torch.zeros(4, dtype=torch.int64)):
        for name in ("plug_in", "variational", "infonce", "cross_entropy"):
            x = (torch.randn(4, 3) * 1e4).requires_grad_()
            loss = term(name, x, targets, impl)
            loss.backward()
            assert torch.isfinite(loss)
            assert torch.isfinite(x.grad).all()
