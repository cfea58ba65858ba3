"""What came, the rule, the remedy: the words of every refusal. And gradcheck, which needs the reference."""

import pytest
import torch

from imachsr import losses

MAPS, LABELS = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 8, 8))


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.mutual_information, losses.infonce, losses.region])
@pytest.mark.parametrize(
    ("logits", "targets", "error", "words"),
    [
        (
            MAPS,
            LABELS.float(),
            TypeError,
            r"targets \(2, 8, 8\) torch.float32; targets are class ids.*targets.long\(\)",
        ),
        (MAPS.long(), LABELS, TypeError, r"logits are scores in floating point.*\.float\(\)"),
        (MAPS, LABELS[:1], ValueError, r"logits \(2, 3, 4, 4\).*targets \(1, 8, 8\).*of one B; squeeze or index"),
        (MAPS, LABELS[:, None], ValueError, r"got labels \(2, 1, 8, 8\).*; call .squeeze\(1\)"),
        (MAPS[:, :, 0, 0], LABELS, ValueError, r"\(B, K\) with \(B,\)"),
        (
            MAPS,
            torch.zeros(2, 3, 4, 4),
            ValueError,
            r"got labels \(2, 3, 4, 4\); they are class ids, .*one-hot labels, call .argmax\(1\)",
        ),
        (
            MAPS,
            LABELS.numpy(),
            TypeError,
            r"targets of type ndarray; both are tensors; wrap arrays with torch.as_tensor",
        ),
        (MAPS, None, TypeError, r"targets of type NoneType; both are tensors"),
        (MAPS[:0], LABELS[:0], ValueError, r"no axis may be empty; drop"),
    ],
)
def test_shapes_and_dtypes(loss, logits, targets, error, words):
    with pytest.raises(error, match=words):
        loss(logits, targets)


@pytest.mark.parametrize("impl", ["reference", "chunked", "numba"])
@pytest.mark.parametrize("label", [3, -1, 254, 2**40])
def test_label_outside_the_classes(impl, label):
    targets = LABELS.clone()
    targets[1, 5, 2] = label
    words = f"got label {label} with 3 classes; labels run from 0 to 2, or are ignore_index=255; map it"
    with pytest.raises(ValueError, match=words):
        losses.cross_entropy(MAPS, targets, impl=impl)
    for estimator in ("plug_in", "variational", "infonce"):
        with pytest.raises(ValueError, match=words):
            losses.mutual_information(MAPS, targets, estimator=estimator, impl=impl)


def test_options():
    with pytest.raises(ValueError, match=r"estimator='magic'; the estimators are \('plug_in', .*use one"):
        losses.mutual_information(MAPS, LABELS, estimator="magic")
    with pytest.raises(ValueError, match=r"reduction='none'; a loss is one number; use 'mean' or 'sum'"):
        losses.cross_entropy(MAPS, LABELS, reduction="none")
    with pytest.raises(ValueError, match=r"weight \(2,\) for 3 classes; .*shape \(3,\)"):
        losses.cross_entropy(MAPS, LABELS, weight=torch.ones(2))
    with pytest.raises(ValueError, match=r"label_smoothing=1.5; it is a share of one; pass"):
        losses.cross_entropy(MAPS, LABELS, label_smoothing=1.5)
    with pytest.raises(ValueError, match=r"temperature=0; .*positive"):
        losses.infonce(MAPS, LABELS, temperature=0)
    with pytest.raises(ValueError, match=r"targets \(2,\); a region is 3 x 3 cells.*another estimator"):
        losses.region(MAPS[:, :, 0, 0], LABELS[:, 0, 0])
    with pytest.raises(TypeError, match=r"torch.int64; a softmax needs floating point"):
        losses.negative_entropy(LABELS)
    with pytest.raises(ValueError, match=r"dim=4; dim names the axis of the channels; use"):
        losses.negative_entropy(MAPS, dim=4)


def test_an_explicit_impl_is_honoured_or_refused():
    with pytest.raises(ValueError, match=r"impl='fast' for cross_entropy; the implementations are .*use one"):
        losses.cross_entropy(MAPS, LABELS, impl="fast")
    with pytest.raises(ValueError, match=r"impl='numba' for negative_entropy; numba works in float32"):
        losses.negative_entropy(MAPS.double(), impl="numba")
    with pytest.raises(ValueError, match=r"impl='triton' for mutual_information; .*; use impl='auto'"):
        losses.mutual_information(MAPS, LABELS, impl="triton")
    with pytest.raises(ValueError, match=r"region has a reference only"):
        losses.mutual_information(MAPS, LABELS, estimator="region", impl="numba")


@pytest.mark.parametrize("align_corners", [False, True])
def test_gradcheck_of_the_references(align_corners):
    logits = torch.randn(2, 3, 2, 3, dtype=torch.double, requires_grad=True)
    targets = torch.randint(0, 3, (2, 5, 6))
    targets[0, 0] = 255
    weight = torch.tensor([0.3, 1, 2]).double()
    for loss in (
        lambda x: losses.cross_entropy(x, targets, weight=weight, label_smoothing=0.1, align_corners=align_corners),
        *(
            lambda x, e=e: losses.mutual_information(x, targets, estimator=e, align_corners=align_corners)
            for e in losses.ESTIMATORS
        ),
        losses.negative_entropy,
    ):
        assert torch.autograd.gradcheck(loss, logits)
    assert torch.autograd.gradgradcheck(lambda x: losses.mutual_information(x, targets), logits)
    assert torch.autograd.gradgradcheck(losses.negative_entropy, logits)
