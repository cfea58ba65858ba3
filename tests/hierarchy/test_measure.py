"""What the points confuse is counted at label size, and the analysis set is kept apart in stretches."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import imachsr
from imachsr.hierarchy import analysis_split, clusters, confusions, embeddings, operations
from imachsr.metrics import Confusion
from imachsr.models import Padded

CLASSES = 4


def small():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, CLASSES, 1)
    )


def supervised(scheme, network=None, size=(16, 24)):
    network = network or small()
    points = imachsr.choose_points(imachsr.find_points(network, torch.zeros(2, 3, *size)), 2)
    return imachsr.Supervised(network, points, scheme, classes=CLASSES)


def batch(size=(16, 24)):
    draw = torch.Generator().manual_seed(1)
    return torch.rand(2, 3, *size, generator=draw), torch.randint(0, CLASSES, (2, *size), generator=draw)


def test_the_parts_are_disjoint_contiguous_and_all():
    reduced, analysis = analysis_split(100, share=0.2, stretches=4, seed=3)
    assert sorted(reduced + analysis) == list(range(100))
    assert len(analysis) == 20
    breaks = sum(b != a + 1 for a, b in itertools.pairwise(analysis))
    assert breaks <= 3
    assert analysis_split(100, share=0.2, stretches=4, seed=3) == (reduced, analysis)
    assert analysis_split(100, share=0.2, stretches=4, seed=4) != (reduced, analysis)
    for wrong in ({"share": 0.0}, {"share": 0.01, "stretches": 2}, {"stretches": 0}):
        with pytest.raises(ValueError, match="both sets need images"):
            analysis_split(100, **wrong)


def test_confusions_are_what_adapters_and_output_predict():
    trainee, (images, targets) = supervised(imachsr.scheme("deep_supervision")), batch()
    counted = confusions(trainee, [(images, targets)])
    trainee.eval()
    z = images
    logits = []
    names = [point.name for point in trainee.points]
    for name, layer in trainee.network.named_children():
        z = layer(z)
        if name in names:
            logits.append(trainee.adapters[names.index(name)](z))
    for count, values in zip(counted, [*logits, z], strict=True):
        expected = Confusion(CLASSES)
        expected.update(F.interpolate(values, (16, 24), mode="bilinear").argmax(1), targets)
        assert count.matrix.tolist() == expected.matrix.tolist()


@pytest.mark.parametrize(
    "look",
    [
        lambda trainee, batch: confusions(trainee, [batch]),
        lambda trainee, batch: embeddings(trainee, [batch]),
        lambda trainee, batch: operations(trainee.network, batch[0]),
    ],
    ids=["confusions", "embeddings", "operations"],
)
def test_layers_put_to_evaluation_before_stay_so(look):
    network = small().train()
    network.insert(1, nn.BatchNorm2d(8).eval())
    trainee = supervised(imachsr.scheme("deep_supervision"), network)
    look(trainee, batch())
    assert [name for name, module in trainee.named_modules() if not module.training] == ["network.1"]


def test_padded_networks_are_counted_where_they_are():
    network = Padded(small(), multiple=16, stride=4)
    trainee, (images, targets) = supervised(imachsr.scheme("deep_supervision"), network, (16, 20)), batch((16, 20))
    first, *_ = confusions(trainee, [(images, targets)])
    assert first.matrix.sum() == targets.numel(), "padding is not scored"
    trainee.eval()
    name = trainee.points[0].name.removeprefix("network.")
    z = F.pad(images, (0, 12, 0, 0))
    for child, layer in trainee.network.network.named_children():
        z = layer(z)
        if child == name:
            break
    expected = Confusion(CLASSES)
    ids = F.interpolate(trainee.adapters[0](z), (16, 32), mode="bilinear").argmax(1)[:, :, :20]
    expected.update(ids, targets)
    assert first.matrix.tolist() == expected.matrix.tolist()


def test_only_adapters_of_all_classes_are_analysed():
    with pytest.raises(ValueError, match=r"got scheme 'conventional', which puts no adapter"):
        confusions(imachsr.Supervised(small(), (), imachsr.scheme("conventional"), classes=CLASSES), [])
    merged = imachsr.scheme("hs3", clusters=[[0, 0, 1, 1], [0, 1, 2, 2]])
    with pytest.raises(ValueError, match="got adapters of merged classes"):
        confusions(supervised(merged), [])


# --- the scheme ------------------------------------------------------------------------------------------------------


def slow_cross_entropy(logits, targets):
    """Pixel by pixel, void left out."""
    total, counted = 0.0, 0
    for b, i, j in torch.cartesian_prod(*(torch.arange(side) for side in targets.shape)).tolist():
        if targets[b, i, j] != 255:
            scores = logits[b, :, i, j].double()
            total -= float(scores[targets[b, i, j]] - scores.exp().sum().log())
            counted += 1
    return total / counted


def test_the_supervision_meets_merged_labels():
    ids = [[0, 0, 1, 1], [0, 1, 2, 2]]
    trainee, (images, targets) = supervised(imachsr.scheme("hs3", clusters=ids)), batch()
    targets[:, :3] = 255
    terms = trainee(images, targets).terms
    assert [adapter.project.out_channels for adapter in trainee.adapters] == [2, 3]
    z, names = images, [point.name for point in trainee.points]
    with torch.no_grad():
        for name, layer in trainee.network.named_children():
            z = layer(z)
            if name in names:
                m = names.index(name)
                logits = F.interpolate(trainee.adapters[m](z), (16, 24), mode="bilinear")
                merged = torch.where(targets == 255, 255, torch.tensor(ids[m])[targets.clamp(max=CLASSES - 1)])
                assert float(terms[f"{name}/supervision"]) == pytest.approx(
                    slow_cross_entropy(logits, merged), abs=1e-5
                )


def test_cluster_loss_is_cross_entropy_of_summed_probabilities():
    """On logits of all classes, log-sum-exp over the members gives the merged classes' logits."""
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(2, CLASSES, 5, 6, generator=draw)
    targets = torch.randint(0, CLASSES, (2, 5, 6), generator=draw)
    ids = torch.from_numpy(clusters([[9, 4, 0, 0], [4, 9, 0, 0], [0, 0, 9, 1], [0, 0, 1, 9]], 3))
    merged = torch.stack([logits[:, ids == s].logsumexp(1) for s in range(3)], dim=1)
    by_members = -torch.stack(
        [
            logits.softmax(1)[b, ids == ids[targets[b, i, j]], i, j].sum().log()
            for b in range(2) for i in range(5) for j in range(6)
        ]
    ).mean()  # fmt: skip
    found = imachsr.losses.cross_entropy(merged, ids[targets])
    assert float(found) == pytest.approx(float(by_members), abs=1e-6)
    assert float(found) == pytest.approx(slow_cross_entropy(merged, ids[targets]), abs=1e-6)


def test_clusters_must_fit():
    with pytest.raises(ValueError, match=r"each point needs the cluster of every class; derive them"):
        supervised(imachsr.scheme("hs3"))
    with pytest.raises(ValueError, match=r"got clusters of \[3, 3\] classes for 2 points and 4 classes"):
        supervised(imachsr.scheme("hs3", clusters=[[0, 0, 1], [0, 1, 2]]))
    for ids in ([0, 0, 1, 7], [0, 1, 1, 255], [-1, 0, 1, 2], [0, 0.5, 1, 2]):
        with pytest.raises(
            ValueError, match=r"got clusters \[.*\]; they are numbered 0, 1, ... without a gap.*; number"
        ):
            supervised(imachsr.scheme("hs3", clusters=[[0, 0, 1, 1], ids]))
    with pytest.raises(
        TypeError, match=r"got clusters \[0, 0, 1, 1\]; each point has its own, .*; pass a list of 2 such"
    ):
        supervised(imachsr.scheme("hs3", clusters=[0, 0, 1, 1]))
