"""What is predicted is what is measured: bytes to the byte, products to the last one."""

from functools import partial
from itertools import chain

import pytest
import torch
from torch import nn

import imachsr
from imachsr import complexity, hierarchy, losses


class Branches(nn.Module):
    """Depthwise convolutions, a residual sum, an in-place activation after a point, and a padded head."""

    def __init__(self, classes=5):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8))
        self.act = nn.ReLU(inplace=True)
        self.left = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 12, 1))
        self.right = nn.Conv2d(8, 12, 1)
        self.head = nn.Conv2d(12, classes, 1)

    def forward(self, images):
        x = self.act(self.stem(images))
        return self.head(self.left(x) + self.right(x))


class Sums(nn.Module):
    """A point whose tensor nobody keeps: it is only added to."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 1), nn.Conv2d(3, 6, 1)

    def forward(self, images):
        return self.a(images) + self.b(images)


def images_and_targets(size=(24, 36), classes=5):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, *size, generator=generator)
    return images, torch.randint(0, classes, (2, *size), generator=generator)


def measured(network, points, scheme, implementation, images, targets, classes):
    """Bytes kept, and products forward and backward."""
    trainee = imachsr.Supervised(network, points, complexity.implemented(scheme, implementation), classes=classes)
    state = [*chain(trainee.parameters(), trainee.buffers())]
    kept = complexity.kept_bytes(lambda: trainee(images, targets), but=state)
    with complexity.products() as forward:
        total = trainee(images, targets).total
    with complexity.products() as backward:
        total.backward()
    trainee.release()
    return kept, (forward.corrected, backward.corrected)


def check(network, images, targets, *, M, scheme, implementation, classes, names=None):
    network.train()
    points = imachsr.choose_points(imachsr.find_points(network, images), M, names=names)
    scheme = imachsr.scheme(scheme)
    cost = complexity.cost(
        network, points, images, classes=classes, labels=targets.shape[1:], scheme=scheme, implementation=implementation
    )
    kept, products = measured(network, points, scheme, implementation, images, targets, classes)
    assert cost.kept == kept
    assert cost.products == products
    return cost


@pytest.mark.parametrize("implementation", complexity.IMPLEMENTATIONS)
@pytest.mark.parametrize("scheme", ["conventional", "deep_supervision", "imacsr", "imachsr"])
def test_bytes_and_products_are_those_measured(scheme, implementation):
    images, targets = images_and_targets()
    cost = check(Branches(), images, targets, M=2, scheme=scheme, implementation=implementation, classes=5)
    assert len(cost.points) == (0 if scheme == "conventional" else 2)


@pytest.mark.parametrize("implementation", complexity.IMPLEMENTATIONS)
@pytest.mark.parametrize("size", [(32, 48), (30, 42)], ids=["whole", "padded"])
def test_a_network_that_pads(size, implementation):
    images, targets = images_and_targets(size, classes=11)
    network = imachsr.models.create("deeplabv3plus_resnet18", 11)
    check(network, images, targets, M=3, scheme="imachsr", implementation=implementation, classes=11)


def test_features_that_the_network_would_not_keep_are_counted():
    images, targets = images_and_targets((8, 8), classes=6)
    cost = check(Sums(), images, targets, M=1, scheme="imachsr", implementation="fused", classes=6, names=["a"])
    assert cost.extra[0].kept == 4 * 2 * 6 * 8 * 8
    kept_anyway = complexity.cost(Branches().train(), imachsr.choose_points(
        imachsr.find_points(Branches().train(), images), 1, names=["act"]), images, classes=5)  # fmt: skip
    assert kept_anyway.extra[0].kept == 0


def test_features_written_over_are_copied():
    images, targets = images_and_targets()
    cost = check(Branches(), images, targets, M=1, scheme="imachsr", implementation="fused", classes=5, names=["stem"])
    assert cost.points[0].overwritten
    assert cost.extra[0].forward == 2 * 12 * 18 * 8
    assert cost.extra[0].kept == 4 * 2 * 12 * 18 * 8


def test_a_network_that_must_really_run_is_counted_too():
    class Decides(Branches):
        def forward(self, images):
            return super().forward(images) if float(images.sum()) < 1e9 else images

    images, _ = images_and_targets()
    counted = complexity.count(Decides().train(), images)
    assert counted.how.startswith("real tensors")
    assert counted.kept == complexity.count(Branches().train(), images).kept


def test_layers_are_counted_and_are_not_equal():
    images, _ = images_and_targets()
    counted = complexity.count(Branches().train(), images)
    assert counted.depth == 6
    paths = [layer.path for layer in counted.layers]
    assert paths[:3] == ["stem.0", "stem.1", "act"]
    stem = counted.layers[0]
    assert stem.products == (2 * 2 * 12 * 18 * 27 * 8,) * 2, "no gradient of the images is asked for"
    depthwise = counted.layers[paths.index("left.0")]
    assert depthwise.products == (2 * 2 * 12 * 18 * 9 * 8, 2 * 2 * 2 * 12 * 18 * 9 * 8)


def test_counting_leaves_the_network_as_it_was():
    images, _ = images_and_targets()
    network = Branches().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    drawn = torch.random.get_rng_state()
    points = imachsr.find_points(network, images)
    complexity.cost(network, points, images, classes=5)
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())
    assert torch.random.get_rng_state().equal(drawn)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_the_counter_takes_grouped_weight_gradients_g_times():
    layer, images = nn.Conv2d(6, 6, 3, padding=1, groups=3, bias=False), torch.randn(2, 6, 5, 7)
    one = 2 * 2 * 5 * 7 * layer.weight.numel()
    total = layer(images).sum()
    with complexity.products() as found:
        total.backward()
    assert found.corrected == one
    assert found.counted == 3 * one
    layer = nn.ConvTranspose2d(6, 6, 2, stride=2, groups=2, bias=False)
    total = layer(images).sum()
    with complexity.products() as found:
        total.backward()
    assert found.corrected == 2 * 2 * 5 * 7 * layer.weight.numel()


def test_hs3_counts_the_classes_that_are_left():
    images, _ = images_and_targets()
    network = Branches().train()
    points = imachsr.choose_points(imachsr.find_points(network, images), 2)
    deep = complexity.cost(network, points, images, classes=5, scheme="deep_supervision")
    scheme = imachsr.scheme("deep_supervision", clusters=((0, 0, 1, 1, 1), (0, 1, 2, 2, 2)))
    merged = complexity.cost(network, points, images, classes=5, scheme=scheme)
    first, second = (term for term in merged.extra if term.name == "supervision")
    whole = next(t for t in deep.extra if t.name == "supervision")
    assert (first.kept * 5, second.kept * 5) == (whole.kept * 2, whole.kept * 3)
    with pytest.raises(ValueError, match=r"clusters for 2 points and 1 points; .*; derive them"):
        complexity.cost(network, points[:1], images, classes=5, scheme=scheme)


@pytest.mark.parametrize("implementation", complexity.IMPLEMENTATIONS)
def test_a_fused_network_is_counted_with_its_own_adapters_once(implementation):
    images, targets = images_and_targets()
    network = Branches().train()
    clusters = ((0, 0, 1, 1, 1), (0, 1, 2, 2, 2))
    points = imachsr.choose_points(imachsr.find_points(network, images), 2)
    hierarchy.fuse(network, points, clusters, images)
    scheme = imachsr.scheme("hs3_fuse", clusters=clusters)
    cost = complexity.cost(network, points, images, classes=5, scheme=scheme, implementation=implementation)
    assert (cost.kept, cost.products) == measured(network, points, scheme, implementation, images, targets, 5)
    learnt = 0
    for parameter in imachsr.Supervised(network, points, scheme, classes=5).parameters():
        learnt += parameter.numel()
    assert cost.parameters == learnt


def test_the_table_adds_up_and_says_where_it_is():
    images, _ = images_and_targets()
    network = Branches().train()
    points = imachsr.choose_points(imachsr.find_points(network, images), 1)
    cost = complexity.cost(network, points, images, classes=5)
    text = str(cost)
    assert "B = 2, 24x36 images, 24x36 labels, K = 5, D = 6 layers with weights, M = 1, imachsr, fused losses" in text
    assert points[0].name in text
    total = cost.rows()[-1]
    assert total["kept"] == complexity.amount(sum(term.kept for term in cost.terms), "B")
    assert total["forward"] == complexity.amount(sum(term.forward for term in cost.terms))
    assert cost.parameters == sum(p.numel() for p in network.parameters()) + 5 * (points[0].channels + 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scheme": "magic"}, r"got scheme 'magic'; the schemes known are .*; use one"),
        ({"implementation": "quick"}, r"got implementation='quick'; .*; use one of \('eager', 'fused'\)"),
        ({"scheme": imachsr.scheme("imachsr", supervision=losses.region)}, r"got the loss 'region'; .*measure it"),
        (
            {"scheme": imachsr.scheme("imachsr", supervision=partial(losses.mutual_information, estimator="infonce"))},
            r"'mutual_information' \(infonce\); .*; measure it",
        ),
    ],
)
def test_what_it_does_not_know(changes, words):
    images, _ = images_and_targets()
    network = Branches().train()
    points = imachsr.choose_points(imachsr.find_points(network, images), 1)
    with pytest.raises(ValueError, match=words):
        complexity.cost(network, points, images, classes=5, **changes)


def test_points_and_images_must_be_counted():
    images, _ = images_and_targets()
    network = Branches().train()
    points = imachsr.choose_points(imachsr.find_points(network, images), 1)
    with pytest.raises(ValueError, match=r"which was not counted; .*; pass it to count"):
        complexity.cost(complexity.count(network, images), points, classes=5)
    with pytest.raises(ValueError, match=r"got no input of shape"):
        complexity.count(nn.Linear(3, 2), torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"got images of shape \(0, 3, 8, 8\); .* one image or more; pass what"):
        complexity.count(nn.Conv2d(3, 2, 1), torch.zeros(0, 3, 8, 8))
