"""TopFormer and SeaFormer at work: any size, training in two precisions, their oddities, supervision inside."""

import math

import pytest
import torch
from torch.nn import functional as F

import imachsr
from imachsr import models
from imachsr.models import seaformer, topformer
from imachsr.models._blocks import HardSigmoid

pytestmark = pytest.mark.usefixtures("one_seed_one_thread")
TINY = ["topformer_tiny", "seaformer_tiny"]


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("size", [(64, 128), (45, 33), (90, 120), (8, 200)])
def test_logits_at_an_eighth_rounded_up(name, size):
    network = models.create(name, 7).eval()
    with torch.no_grad():
        logits = network(torch.randn(2, 3, *size))
    assert logits.shape == (2, 7, *(-(-side // 8) for side in size))


@pytest.mark.parametrize("name", TINY)
def test_a_fresh_network_knows_nothing(name):
    """Its loss is that of the uniform guess, log K, so training does not start by unlearning."""
    logits = models.create(name, 7)(torch.randn(2, 3, 90, 120))
    loss = F.cross_entropy(logits, torch.randint(0, 7, (2, *logits.shape[-2:])))
    assert abs(loss.item() - math.log(7)) < 0.1


@pytest.mark.parametrize("precision", ["float32", "autocast", "bfloat16"])
@pytest.mark.parametrize("name", TINY)
def test_trains_at_sizes_that_are_no_multiple_of_64(name, precision):
    network = models.create(name, 4).train()
    images, targets = torch.randn(2, 3, 70, 90), torch.arange(12).div(3).long().expand(2, 9, 12)  # four stripes
    if precision == "bfloat16":
        network, images = network.bfloat16(), images.bfloat16()
    optimizer, losses = torch.optim.Adam(network.parameters(), lr=3e-3), []
    for _ in range(5):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "autocast"):
            logits = network(images)
        loss = F.cross_entropy(logits.float(), targets)
        optimizer.zero_grad()
        loss.backward()
        assert all(parameter.grad.isfinite().all() for parameter in network.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert logits.dtype == (torch.float32 if precision == "float32" else torch.bfloat16)
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("name", TINY)
def test_supervised(name):
    network, images = models.create(name, 4).train(), torch.randn(2, 3, 70, 90)
    chosen = imachsr.choose_points(imachsr.find_points(network, images), 3)
    assert any(".transformer_blocks." in point.name for point in chosen)
    trainee = imachsr.Supervised(network, chosen, imachsr.scheme("imachsr"), classes=4)
    losses = trainee(images, torch.randint(0, 4, (2, 70, 90)))
    losses.total.backward()
    assert len(losses.terms) == 1 + 2 * 3
    assert all(parameter.grad.isfinite().all() for parameter in trainee.parameters())
    assert trainee.release() is network


@pytest.mark.parametrize("name", TINY)
def test_starts_as_the_official_training_does(name):
    """N(0, 2 / fan-out) of one group in the backbone; position embeddings N(0, 1); the classifier N(0, 0.01^2)."""
    torch.manual_seed(0)
    network = models.create(name, 11)
    convs = {k: m for k, m in network.named_modules() if isinstance(m, torch.nn.Conv2d)}
    kernels = {k: m for k, m in convs.items() if m.weight.numel() > 500}  # enough to measure
    wide = [m for k, m in kernels.items() if k.startswith("backbone.") and m.groups > 1]
    assert len(wide) > 5
    for kernel in wide:  # 3x3 or 5x5, each channel its own
        assert float(kernel.weight.detach().std()) == pytest.approx((2 / kernel.kernel_size[0] ** 2) ** 0.5, rel=0.2)
    plain = next(m for k, m in kernels.items() if k.startswith("backbone.") and m.groups == 1)
    out, _, height, width = plain.weight.shape
    assert float(plain.weight.detach().std()) == pytest.approx((2 / (out * height * width)) ** 0.5, rel=0.2)
    assert float(kernels["decode_head.conv_seg"].weight.detach().std()) == pytest.approx(0.01, rel=0.2)
    places = [p for k, p in network.named_parameters() if k.endswith("pos_embed")]
    assert len(places) == (0 if name.startswith("topformer") else 16)
    assert all(float(p.detach().std()) == pytest.approx(1, rel=0.2) for p in places)


def test_topformer_attends_without_a_scale():
    """By a slow loop over heads and positions."""
    attention = topformer.Attention(8, heads=2).eval().double()
    features = torch.randn(1, 8, 2, 3).double()
    q, k, v = (part(features)[0].flatten(1) for part in (attention.to_q, attention.to_k, attention.to_v))
    mixed = torch.zeros_like(v)
    for head in range(2):
        keys, values = slice(head * 16, head * 16 + 16), slice(head * 32, head * 32 + 32)
        for place in range(6):
            shares = torch.stack([q[keys, place] @ k[keys, other] for other in range(6)]).softmax(0)
            mixed[values, place] = sum(shares[other] * v[values, other] for other in range(6))
    torch.testing.assert_close(attention(features), attention.proj(mixed.view(1, 64, 2, 3)))


def test_seaformer_attends_along_rows_with_positions_and_a_scale():
    """By a slow loop; only queries and keys know their place, the values do not."""
    attention = seaformer.SeaAttention(8, heads=2, keys=4).eval().double()
    q, k, v = (torch.randn(1, channels, 5, 3).double() for channels in (8, 8, 16))
    lines = [x.mean(3)[0] for x in (q, k, v)]
    for line, which in zip(lines[:2], "qk", strict=True):
        embedding = attention.get_submodule(f"pos_emb_row{which}").pos_embed
        line += F.interpolate(embedding, 5, mode="linear")[0]
    mixed = torch.zeros(16, 5).double()
    for head in range(2):
        keys, values = slice(head * 4, head * 4 + 4), slice(head * 8, head * 8 + 8)
        for row in range(5):
            shares = (lines[0][keys, row] @ lines[1][keys] * 4**-0.5).softmax(0)
            mixed[values, row] = lines[2][values] @ shares
    found = attention._along("row", q, k, v)
    assert found.shape == (1, 16, 5, 1)
    torch.testing.assert_close(found, attention.proj_encode_row(mixed.view(1, 16, 5, 1)))


def test_seaformer_columns_are_rows_of_the_turned_map():
    attention = seaformer.SeaAttention(8, heads=2, keys=4).eval()
    rows, columns = (dict(attention.named_modules())[f"proj_encode_{axis}"] for axis in ("row", "column"))
    columns.load_state_dict(rows.state_dict())
    for which in "qk":
        row, column = (attention.get_submodule(f"pos_emb_{axis}{which}") for axis in ("row", "column"))
        column.load_state_dict(row.state_dict())
    q, k, v = (torch.randn(1, channels, 5, 3) for channels in (8, 8, 16))
    turned = (x.transpose(2, 3) for x in (q, k, v))
    torch.testing.assert_close(attention._along("column", *turned), attention._along("row", q, k, v).transpose(2, 3))


def test_hard_sigmoid():
    x = torch.linspace(-4, 4, 9).double().requires_grad_()
    HardSigmoid()(x).sum().backward()
    torch.testing.assert_close(HardSigmoid()(x), F.hardsigmoid(x))
    assert x.grad[4].item() == 1 / 6
