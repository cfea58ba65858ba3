"""DeepLabv3+ on WideResNet-38: the official numbers, and what is odd about it."""

import torch
from models.golden import check_logits, check_structure, filled, image, on_meta, reference
from torch import nn

from imachsr import models
from imachsr.models.wide_resnet import WideBlock

BUILD = models.REGISTRY["deeplabv3plus_wrn38"]


def test_names_shapes_and_counts(shared):
    manifest, _ = reference(shared, "deeplabv3plus_wrn38_nvidia")
    check_structure(on_meta(BUILD, 19), manifest)


def test_logits(shared):
    """At 64x128: 1.1 GB of weights in float64."""
    manifest, arrays = reference(shared, "deeplabv3plus_wrn38_nvidia")
    check_logits(filled(BUILD, manifest), [image(0, 64, 128)], manifest, arrays)


def test_any_size_is_rounded_up():
    logits = on_meta(BUILD, 7)(torch.empty(2, 3, 45, 66, device="meta"))
    assert logits.shape == (2, 7, 23, 33)


def test_the_stride_is_eight():
    low, last = on_meta(BUILD, 7).backbone(torch.empty(1, 3, 64, 128, device="meta"))
    assert low.shape == (1, 128, 32, 64)
    assert last.shape == (1, 4096, 8, 16)


def test_dropout_drops_whole_channels_before_the_last_convolution():
    block = WideBlock(8, (4, 4, 8), stride=1, dilation=2, dropout=0.5)
    assert [*block.convs._modules] == ["conv1", "bn2", "conv2", "bn3", "dropout", "conv3"]
    assert isinstance(block.convs.dropout, nn.Dropout2d)


def test_shortcuts():
    """Raw where nothing changes, else a projection of the activated input."""
    x = torch.randn(2, 8, 6, 6)
    same = WideBlock(8, (8, 8), stride=1, dilation=1, dropout=0.0).eval()
    nn.init.zeros_(same.convs.conv2.weight)
    torch.testing.assert_close(same(x.clone()), x)
    wider = WideBlock(8, (8, 12), stride=2, dilation=1, dropout=0.0).eval()
    nn.init.zeros_(wider.convs.conv2.weight)
    torch.testing.assert_close(wider(x.clone()), wider.proj_conv(wider.bn1(x)))
    assert wider(x).shape == (2, 12, 3, 3)
