"""HS3-Fuse: what the points see joins the head's input, is supervised where it is, and is counted."""

import copy
import io

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import imachsr
from imachsr.hierarchy import FusedHead, fuse, lighter, operations
from imachsr.hierarchy.fuse import _logits_convolution

CLASSES, CLUSTERS = 4, [[0, 0, 1, 1], [0, 1, 2, 2]]


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 12, 3, 2, 1)
        self.classify = nn.Sequential(nn.Conv2d(12, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, CLASSES, 1))

    def forward(self, images):
        return {"out": F.interpolate(self.classify(self.coarse(self.fine(images).relu()).relu()), scale_factor=2)}


def small():
    torch.manual_seed(0)
    return Small()


def batch():
    draw = torch.Generator().manual_seed(1)
    return torch.rand(2, 3, 16, 24, generator=draw), torch.randint(0, CLASSES, (2, 16, 24), generator=draw)


def fused(**options):
    network = small()
    images, _ = batch()
    points = imachsr.choose_points(imachsr.find_points(network, images), 2, names=["fine", "coarse"])
    return fuse(network, points, CLUSTERS, images, **options), points


def test_the_last_convolution_is_widened_and_keeps_its_weights():
    network, _ = fused()
    head = network.classify[2]
    assert isinstance(head, FusedHead)
    assert [context.conv_bn_dropout[0].out_channels for context in head.contexts] == [4, 8], "each half of the next"
    assert head.head.in_channels == 16 + 4 + 8
    assert torch.equal(head.head.weight[:, :16], small().classify[2].weight)


def test_without_the_new_inputs_it_is_the_old_network():
    network, _ = fused()
    with torch.no_grad():
        network.classify[2].head.weight[:, 16:] = 0
    images, _ = batch()
    torch.testing.assert_close(network.eval()(images)["out"], small().eval()(images)["out"])


def test_the_head_by_hand():
    network, _ = fused()
    network.eval()
    images, _ = batch()
    head = network.classify[2]
    fine = network.fine(images)
    coarse = network.coarse(fine.relu())
    last = network.classify[1](network.classify[0](coarse.relu()))
    seen = [last]
    for m, z in enumerate((fine, coarse)):
        regions, pixels = head.supervised_adapters[m](z), head.pixels[m](z)
        seen.append(F.interpolate(head.contexts[m](pixels, regions), last.shape[-2:], mode="bilinear"))
    expected = F.interpolate(head.head(torch.cat(seen, 1)), scale_factor=2)
    torch.testing.assert_close(network(images)["out"], expected)


def test_its_own_adapters_are_supervised_with_merged_labels():
    network, points = fused()
    scheme = imachsr.scheme("hs3_fuse", clusters=CLUSTERS)
    trainee = imachsr.Supervised(network, points, scheme, classes=CLASSES)
    assert [*trainee.adapters] == [*network.classify[2].supervised_adapters]
    images, targets = batch()
    losses = trainee(images, targets)
    with torch.no_grad():
        logits = F.interpolate(trainee.adapters[0](network.fine(images)), (16, 24), mode="bilinear")
        expected = F.cross_entropy(logits, torch.tensor(CLUSTERS[0])[targets])
    torch.testing.assert_close(losses.terms["fine/supervision"], expected)
    losses.total.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in trainee.parameters())
    assert sum(p.numel() for p in trainee.parameters()) == sum(p.numel() for p in network.parameters())
    released = trainee.release().eval()
    assert released is network
    assert torch.isfinite(released(images)["out"]).all(), "the fused network runs on its own"


def test_copies_and_state_stand_alone():
    network, _ = fused()
    images, _ = batch()
    network.eval()
    twin = copy.deepcopy(network)
    with torch.no_grad():
        twin.fine.weight.zero_()
    assert not torch.equal(network(images)["out"], twin(images)["out"])
    buffer = io.BytesIO()
    torch.save(network.state_dict(), buffer)
    buffer.seek(0)
    other, _ = fused()
    other.load_state_dict(torch.load(buffer, weights_only=True))
    torch.testing.assert_close(other.eval()(images)["out"], network(images)["out"], rtol=0, atol=0)


def test_a_padded_network_from_the_registry_learns_when_fused():
    torch.manual_seed(0)
    network = imachsr.models.create("deeplabv3plus_resnet18", CLASSES)
    images, targets = torch.rand(2, 3, 40, 48), torch.randint(0, CLASSES, (2, 40, 48))
    points = imachsr.choose_points(imachsr.find_points(network, images), 2)
    fuse(network, points, CLUSTERS, images)
    trainee = imachsr.Supervised(network, points, imachsr.scheme("hs3_fuse", clusters=CLUSTERS), classes=CLASSES)
    optimizer = torch.optim.Adam(trainee.parameters(), 1e-3)
    values = []
    for _ in range(4):
        losses = trainee(images, targets)
        optimizer.zero_grad()
        losses.total.backward()
        optimizer.step()
        values.append(float(losses.total.detach()))
    assert values[-1] < values[0]


def test_lighter_meets_the_budget_with_the_most_channels():
    images = torch.zeros(1, 3, 16, 24)
    clusters = CLUSTERS

    def build(share):
        network, points = small(), None
        points = imachsr.choose_points(imachsr.find_points(network, images), 2, names=["fine", "coarse"])
        return fuse(network, points, clusters, images, channels=[max(2, round(share * 16)), max(2, round(share * 32))])

    whole = operations(build(1.0), images)
    share = lighter(build, images, flops=0.5 * whole)
    assert operations(build(share), images) <= 0.5 * whole < operations(build(share + 1 / 16), images)
    assert lighter(build, images, flops=whole) == 1
    with pytest.raises(ValueError, match="even the smallest blocks cost"):
        lighter(build, images, flops=10)


class Auxiliary(Small):
    """Its own second prediction comes last, as SA-Gate's does."""

    def __init__(self):
        super().__init__()
        self.auxiliary = nn.Conv2d(8, CLASSES, 1)

    def forward(self, images):
        return {**super().forward(images), "aux": self.auxiliary(self.fine(images).relu())}


class TwoHeads(Auxiliary):
    """The logits are a sum: the last convolution makes half of them."""

    def forward(self, images):
        both = super().forward(images)
        return both["out"] + F.interpolate(both["aux"], both["out"].shape[-2:])


class PastTheHead(Small):
    """The pixels reach the logits once more."""

    def forward(self, images):
        return super().forward(images)["out"] + images.mean()


class Scaled(Small):
    """Something is learned after the head."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images):
        return super().forward(images)["out"] * self.scale


def fused_kind(kind, *, device="cpu", frozen=False):
    torch.manual_seed(0)
    network, images = kind(), batch()[0]
    points = imachsr.choose_points(imachsr.find_points(network, images), 1, names=["coarse"])
    network = network.requires_grad_(not frozen).to(device)
    return network, fuse(network, points, CLUSTERS[:1], images.to(device))


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_head_of_the_logits_is_fused_not_an_auxiliary_one(device):
    network, _ = fused_kind(Auxiliary, device=device)
    assert isinstance(network.classify[2], FusedHead)
    assert isinstance(network.auxiliary, nn.Conv2d)


def test_of_the_papers_rgbd_network_too():
    with torch.device("meta"):
        network = imachsr.models.create("sagate_resnet101", CLASSES)
    name, _ = _logits_convolution(network, [torch.zeros(2, 3, 64, 64, device="meta")] * 2)
    assert name == "head.classify", "not the auxiliary head, which runs after it"


@pytest.mark.parametrize("kind", [TwoHeads, PastTheHead, Scaled])
@pytest.mark.parametrize("where", [{}, {"device": "meta"}, {"frozen": True}])
def test_logits_that_no_convolution_makes_alone_are_refused(kind, where):
    with pytest.raises(ValueError, match=r"whose 4 logits no convolution makes alone, .* use scheme 'hs3' instead"):
        fused_kind(kind, **where)


def test_refusals():
    images, _ = batch()
    mean = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, CLASSES, 1), nn.BatchNorm2d(CLASSES))
    points = imachsr.find_points(mean, images)[:1]
    with pytest.raises(ValueError, match=r"no convolution makes alone, looked at \['1'\]; .* use scheme 'hs3' instead"):
        fuse(mean, points, CLUSTERS[:1], images)
    network = small()
    points = imachsr.choose_points(imachsr.find_points(network, images), 2)
    with pytest.raises(ValueError, match="got clusters for 1 points and 2 points"):
        fuse(network, points, CLUSTERS[:1], images)
    with pytest.raises(ValueError, match=r"each point needs two or more; give as many"):
        fuse(network, points, CLUSTERS, images, channels=[1, 4])
    network, points = fused()
    wrong = imachsr.scheme("hs3_fuse", clusters=[CLUSTERS[1], CLUSTERS[0]])
    with pytest.raises(ValueError, match="pass those it was fused with"):
        imachsr.Supervised(network, points, wrong, classes=CLASSES)
