"""Confusion: golden numbers of the official tools, a slow loop for Eq. 13, someone else's code, properties."""

import json

import numpy as np
import pytest
import torch

from imachsr.metrics import PROTOCOLS, Confusion
from imachsr.metrics.protocols import means_of


def counted(predictions, targets, classes, ignore_index=255):
    confusion = Confusion(classes, ignore_index=ignore_index)
    confusion.update(torch.as_tensor(predictions), torch.as_tensor(targets))
    return confusion


@pytest.fixture
def random_pair():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 5, (6, 17, 13))
    targets[targets == 3] = 2  # class 3 nowhere in the truth
    targets[rng.random(targets.shape) < 0.1] = 255
    targets[5] = 255  # an image without a scored pixel
    predictions = np.where(rng.random(targets.shape) < 0.6, targets % 5, rng.integers(0, 5, targets.shape))
    return predictions, targets


GOLDEN = {"dataset": "dataset_level", "image": "per_image_skip_absent", "image_zero": "per_image_absent_zero"}


@pytest.mark.parametrize("case", ["case1_k5", "case2_k11_camvid"])
@pytest.mark.parametrize("protocol", GOLDEN)
def test_golden(shared, case, protocol):
    expected = json.loads((shared / "parity/metrics/expected.json").read_text())["cases"][case]
    arrays = np.load(shared / "parity/metrics" / f"{case}.npz")
    confusion = counted(
        arrays["preds"].astype(np.int64), arrays["labels"].astype(np.int64), expected["num_classes"],
        expected["ignore_index"],
    )  # fmt: skip
    wanted, scores = expected[GOLDEN[protocol]], confusion.scores(protocol)
    for ours, theirs in {"mIoU": "miou", "mPrecision": "mprecision", "mRecall": "mrecall", "mF1": "mf1"}.items():
        assert scores[ours] == pytest.approx(wanted[theirs], abs=1e-12)
    assert scores["pixel_accuracy"] == pytest.approx(wanted["pixel_accuracy"], abs=1e-12)
    if protocol == "dataset":
        np.testing.assert_array_equal(confusion.matrix, expected["confusion_dataset"])
        iou = [np.nan if value is None else value for value in wanted["per_class"]["iou"]]
        np.testing.assert_allclose(scores["per_class"]["iou"], iou, atol=1e-12)


@pytest.mark.parametrize("zero", [False, True])
def test_paper_protocol_is_eq_13(random_pair, zero):
    """A loop nobody could get wrong: per class, mean over images; then over classes; F1 from the means."""
    predictions, targets = random_pair
    means = {"iou": [], "precision": [], "recall": [], "f1": []}
    for k in range(5):
        collected = {"iou": [], "precision": [], "recall": []}
        for guess, truth in zip(predictions, targets, strict=True):
            scored = truth != 255
            tp = int(((guess == k) & (truth == k) & scored).sum())
            fp = int(((guess == k) & (truth != k) & scored).sum())
            fn = int(((guess != k) & (truth == k) & scored).sum())
            for name, below in (("iou", tp + fp + fn), ("precision", tp + fp), ("recall", tp + fn)):
                if below or zero:
                    collected[name].append(tp / below if below else 0.0)
        for name, values in collected.items():
            means[name].append(np.mean(values) if values else np.nan)
        precision, recall = means["precision"][-1], means["recall"][-1]
        total = precision + recall
        means["f1"].append(0.0 if total == 0 else 2 * precision * recall / total)
    scores = counted(predictions, targets, 5).scores("paper_zero" if zero else "paper")
    for ours, name in {"mIoU": "iou", "mPrecision": "precision", "mRecall": "recall", "mF1": "f1"}.items():
        assert scores[ours] == pytest.approx(np.nanmean(means[name]), abs=1e-12)


def test_agrees_with_torchmetrics(random_pair):
    from torchmetrics.functional.classification import multiclass_confusion_matrix, multiclass_jaccard_index

    predictions, targets = map(torch.as_tensor, random_pair)
    confusion = counted(predictions, targets, 5)
    theirs = multiclass_confusion_matrix(predictions, targets, 5, ignore_index=255)
    np.testing.assert_array_equal(confusion.matrix, theirs.numpy())
    jaccard = multiclass_jaccard_index(predictions, targets, 5, ignore_index=255)
    assert confusion.scores()["mIoU"] == pytest.approx(float(jaccard), abs=1e-6)


def test_refused_batch_leaves_nothing_behind(random_pair):
    predictions, targets = map(torch.as_tensor, random_pair)
    confusion = Confusion(5)
    bad = predictions.clone()
    bad[4, 0, 0], targets[4, 0, 0] = 2**32 + 1, 1  # the fifth image; as a narrower integer it would be class 1
    with pytest.raises(ValueError, match="class id 4294967297 in predictions"):
        confusion.update(bad, targets)
    assert confusion.matrix.sum() == 0
    assert len(confusion.per_image) == 0


def test_predictions_on_void_are_free_and_layout_does_not_matter(random_pair):
    predictions, targets = map(torch.as_tensor, random_pair)
    wild = torch.where(targets == 255, -7, predictions)
    turned = [ids.mT.contiguous().mT for ids in (wild, targets)]
    assert not turned[0].is_contiguous()
    expected = counted(predictions, targets, 5)
    for pair in ((wild, targets), turned, (predictions.byte(), targets.byte()), (predictions.int(), targets)):
        np.testing.assert_array_equal(counted(*pair, 5).per_image, expected.per_image)


def test_merge_equals_counting_together(random_pair):
    predictions, targets = random_pair
    together = counted(predictions, targets, 5)
    apart = counted(predictions[:2], targets[:2], 5).merge(counted(predictions[2:], targets[2:], 5))
    np.testing.assert_array_equal(together.per_image, apart.per_image)
    for protocol in PROTOCOLS:
        assert together.scores(protocol)["mIoU"] == apart.scores(protocol)["mIoU"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_images_counted_several_times_are_as_if_repeated(random_pair, protocol):
    counts = counted(*random_pair, 5).per_image
    times = np.array([[1, 0, 2, 3, 0, 1], [0, 1, 0, 0, 4, 0]])
    means, per_class = means_of(counts, protocol, times)
    for draw, row in enumerate(times):
        repeated, of_classes = means_of(counts.repeat(row, axis=0), protocol)
        assert {metric: values[draw] for metric, values in means.items()} == pytest.approx(repeated, nan_ok=True)
        for key, values in per_class.items():
            np.testing.assert_allclose(values[draw], of_classes[key])


def test_absent_class_is_skipped_or_counts_as_zero():
    perfect = torch.tensor([[[0, 0]], [[0, 1]]])
    confusion = counted(perfect, perfect, 2)
    assert confusion.scores("image")["mIoU"] == 1.0
    assert confusion.scores("image_zero")["mIoU"] == 0.75  # a perfect prediction, punished for an absent class
    assert confusion.scores("paper_zero")["mIoU"] == 0.75


def test_works_for_classification():
    confusion = counted(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), 2)
    assert confusion.scores()["pixel_accuracy"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: counted(torch.zeros(1, 2, 2).long(), torch.zeros(1, 2, 3).long(), 2), "upsample the logits"),
        (lambda: counted(torch.tensor([[7]]), torch.tensor([[0]]), 2), "class id 7 in predictions"),
        (lambda: counted(torch.tensor([[0]]), torch.tensor([[9]]), 2), "class id 9 in targets"),
        (lambda: counted(torch.tensor(1), torch.tensor(1), 2), r"targets \(\); .* \(B, H, W\) or \(B,\)"),
        (lambda: Confusion(0), "there must be a class"),
        (lambda: Confusion(3, ignore_index=2), "ignore_index must not be one"),
        (lambda: Confusion(3).scores(), "at least one update"),
        (lambda: counted([[0]], [[0]], 2).scores("mean"), "use one of"),
        (lambda: Confusion(3).merge(Confusion(4)), "made alike"),
        (lambda: Confusion(3).merge(Confusion(3).matrix), "got a ndarray .*made alike"),
    ],
)
def test_bad_input_says_what_to_do(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_class_ids_are_whole_numbers():
    with pytest.raises(TypeError, match="argmax"):
        counted(torch.tensor([[0.9]]), torch.tensor([[0]]), 2)


def test_class_ids_are_tensors():
    ids = np.zeros((1, 2, 2), np.int64)
    with pytest.raises(TypeError, match=r"got ndarray and ndarray; .* wrap arrays with torch.as_tensor"):
        Confusion(2).update(ids, ids)
