"""Evaluation: several scales, mirrored views, several inputs, measures in the same pass, refusals."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from imachsr.metrics import Calibration, Confusion, PredictiveEntropy
from imachsr.training import evaluate, predict
from imachsr.training.evaluation import class_ids, probabilities

SCALES = (0.5, 1.0, 1.5)


class TwoInputs(nn.Module):
    """RGB and HHA to logits at half resolution; the second input matters."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, rgb, hha):
        return {"out": self.first(rgb) * self.second(hha)}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1))


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    images, targets = (
        torch.rand(2, 3, 12, 20, generator=generator),
        torch.randint(0, 4, (2, 24, 40), generator=generator),
    )
    targets[0, :5] = 255
    return images, targets


def mean_of_views(network, inputs, size, scales, flip):
    """Every view written out."""
    network.eval()
    softmax = []
    with torch.no_grad():
        for scale in scales:
            side = [round(s * scale) for s in inputs[0].shape[-2:]]
            scaled = [F.interpolate(x, side, mode="bilinear", align_corners=False) for x in inputs]
            for mirrored in [False, True][: 1 + flip]:
                output = network(*[torch.flip(x, [3]) for x in scaled] if mirrored else scaled)
                output = output["out"] if isinstance(output, dict) else output
                output = torch.flip(output, [3]) if mirrored else output
                softmax.append(F.interpolate(output, size, mode="bilinear", align_corners=False).softmax(1))
    return torch.stack(softmax).mean(0)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scales", [(1.0,), SCALES])
@pytest.mark.parametrize("several", [False, True])
def test_views_are_averaged_at_label_size(network, batch, scales, flip, several):
    images, targets = batch
    inputs = (images, images.flip(1)) if several else (images,)
    network = TwoInputs() if several else network
    wanted = mean_of_views(network, inputs, (24, 40), scales, flip)
    given = inputs if several else images
    found = probabilities(network, given, size=(24, 40), scales=scales, flip=flip)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)
    if scales == (1.0,) and not flip:
        assert torch.equal(predict(network, given, size=(24, 40)), found.argmax(1))
    confusion = evaluate(network, [(given, targets)], classes=4, scales=scales, flip=flip, progress=False)
    counted = Confusion(4)
    counted.update(wanted.argmax(1), targets)
    assert (confusion.matrix == counted.matrix).all()


def test_depth_is_taken_from_the_nearest_pixel():
    seen = []

    class Looks(nn.Module):
        def forward(self, rgb, depth):
            seen.append(depth)
            return rgb[:, :2]

    torch.manual_seed(0)
    rgb, depth = torch.rand(1, 3, 5, 7), torch.tensor([0.0, 9.0])[torch.randint(0, 2, (1, 1, 5, 7))]
    probabilities(Looks(), (rgb, depth), scales=(0.6, 1.7), depth=(1,))
    assert [one.shape[-2:] for one in seen] == [(3, 4), (8, 12)]
    assert all(set(one.unique().tolist()) <= {0.0, 9.0} for one in seen), "no surface in between"
    probabilities(Looks(), (rgb, depth), scales=(1.7,))
    assert len(seen[-1].unique()) > 2


def test_views_matter(network, batch):
    """A network blind to scale and mirroring would hide a fault in them."""
    found = [
        probabilities(network.eval(), batch[0], scales=scales, flip=flip)
        for scales, flip in (((1.0,), False), ((1.0,), True), (SCALES, False))
    ]
    assert all(not torch.allclose(found[0], other, atol=1e-3) for other in found[1:])


def test_mirroring_makes_predictions_mirror(network, batch):
    """With flip, the mirrored image gives the mirrored probabilities."""
    straight = probabilities(network.eval(), batch[0], flip=True)
    mirrored = probabilities(network.eval(), batch[0].flip(-1), flip=True)
    torch.testing.assert_close(straight, mirrored.flip(-1), atol=1e-6, rtol=0)
    assert straight.shape[-2:] == batch[0].shape[-2:]


@pytest.mark.parametrize(("scales", "flip"), [((1.0,), False), (SCALES, True)])
def test_measures_of_the_same_pass(network, batch, scales, flip):
    images, targets = batch
    calibration, entropy = Calibration(4), PredictiveEntropy(4)
    seen = []
    network.register_forward_pre_hook(lambda module, inputs: seen.append(1))
    confusion = evaluate(
        network, [batch], classes=4, scales=scales, flip=flip, measures=(calibration, entropy), progress=False
    )
    assert len(seen) == len(scales) * (1 + flip), "one pass"
    assert calibration.scores()["accuracy"] == confusion.scores()["pixel_accuracy"]
    alone = Calibration(4), PredictiveEntropy(4)
    for measure in alone:
        measure.update(probabilities(network.eval(), images, size=(24, 40), scales=scales, flip=flip), targets)
    assert repr(alone[0].scores()) == repr(calibration.scores())
    assert alone[1].scores() == entropy.scores()
    assert 0 < entropy.scores()["entropy_share"] < 1


def test_measures_do_not_change_the_confusion(network, batch):
    plain = evaluate(network, [batch], classes=4, progress=False)
    measured = evaluate(network, [batch], classes=4, measures=(Calibration(4),), progress=False)
    assert (plain.per_image == measured.per_image).all()


def test_classifiers_are_mirrored_and_measured():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images, labels = torch.rand(5, 3, 8, 8), torch.tensor([0, 1, 2, 3, 0])
    calibration = Calibration(4)
    confusion = evaluate(
        network, [(images, labels)], classes=4, scales=SCALES, flip=True, measures=(calibration,), progress=False
    )
    assert confusion.matrix.sum() == calibration.counts[0].sum() == 5


def test_a_network_without_parameters_is_judged():
    images = torch.rand(1, 3, 4, 4)
    confusion = evaluate(nn.Identity(), [(images, images.argmax(1))], classes=3, progress=False)
    assert confusion.scores()["pixel_accuracy"] == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scales": ()}, "at least one factor"),
        ({"scales": (1.0, 0.0)}, "all positive"),
        ({"scales": (float("nan"),)}, "all positive"),
        ({"classes": 5}, "pass classes=4"),
        ({"classes": 5, "measures": (Calibration(5),)}, "pass classes=4"),
    ],
)
def test_bad_wishes_say_what_to_do(network, batch, options, words):
    with pytest.raises(ValueError, match=words):
        evaluate(network.train(), [batch], progress=False, **{"classes": 4, **options})
    assert network.training, "the mode is given back"


@pytest.mark.parametrize("options", [{"classes": 4.0}, {"classes": 4, "ignore_index": None}])
def test_classes_and_labels_are_whole_numbers(network, batch, options):
    with pytest.raises(
        TypeError, match=r"got classes=4.* and ignore_index=.*; both are whole numbers; pass the number"
    ):
        evaluate(network, [batch], progress=False, **options)
    whole = evaluate(network, [batch], classes=np.int64(4), ignore_index=np.int64(255), progress=False)
    assert (whole.matrix == evaluate(network, [batch], classes=4, progress=False).matrix).all()


def test_what_is_judged_is_a_network(batch):
    with pytest.raises(TypeError, match=r"got a function for a network; .*; pass an nn.Module"):
        evaluate(lambda images: images, [batch], classes=4, progress=False)


@pytest.mark.parametrize("options", [{"flip": True}, {"scales": (0.5,)}])
def test_only_maps_are_resized_and_mirrored(options):
    network = nn.Linear(6, 4)
    with pytest.raises(ValueError, match="leave scales"):
        evaluate(network, [(torch.rand(2, 6), torch.tensor([0, 1]))], classes=4, progress=False, **options)


@pytest.mark.parametrize("shape", [(2, 11, 36, 48), (3, 19, 7, 5), (4, 2)])
def test_of_equal_scores_the_first_class_is_taken(shape):
    scores = torch.randint(-2, 3, shape, generator=torch.Generator().manual_seed(0)).float()
    layouts = [scores, scores.to(memory_format=torch.channels_last)] if scores.ndim == 4 else [scores]
    for each in layouts:
        assert np.array_equal(class_ids(each), each.numpy().argmax(1))
    scores[0, 1], scores[-1, -1] = float("nan"), float("inf")
    assert np.array_equal(class_ids(scores), scores.numpy().argmax(1))
