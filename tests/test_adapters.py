"""Adapters: a projection per position, or of the mean over positions, and nothing else."""

import pytest
import torch

from imachsr import DimensionAdapter

FEATURES = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))


def test_every_position_is_projected_by_itself():
    adapter = DimensionAdapter(5, 3)
    logits = adapter(FEATURES)
    weight, bias = adapter.project.weight[:, :, 0, 0], adapter.project.bias
    for b in range(2):
        for y in range(3):
            for x in range(4):
                torch.testing.assert_close(logits[b, :, y, x], weight @ FEATURES[b, :, y, x] + bias)


def test_pooled_logits_are_those_of_the_mean_feature():
    adapter = DimensionAdapter(5, 3)
    pooled = adapter(FEATURES, pool=True)
    assert pooled.shape == (2, 3)
    torch.testing.assert_close(pooled, adapter(FEATURES).mean((2, 3)))


@pytest.mark.parametrize("pool", [False, True])
def test_gradient_reaches_features_and_parameters(pool):
    adapter, features = DimensionAdapter(5, 3), FEATURES.clone().requires_grad_()
    adapter(features, pool=pool).square().sum().backward()
    assert all(tensor.grad.abs().sum() > 0 for tensor in (features, *adapter.parameters()))


def test_it_is_light():
    assert sum(parameter.numel() for parameter in DimensionAdapter(64, 11).parameters()) == 64 * 11 + 11


def test_any_size_any_memory_format():
    adapter = DimensionAdapter(5, 3)
    torch.testing.assert_close(adapter(FEATURES.contiguous(memory_format=torch.channels_last)), adapter(FEATURES))
    assert adapter(FEATURES[:1, :, :1, :1]).shape == (1, 3, 1, 1)
