"""Exercises of notebook 04: two kinds of mean IoU, and calibration. Confusion: rows truth, columns prediction."""

from __future__ import annotations

import warnings

import numpy as np

from ..exercise import Exercise
from .random import rng


def mean_iou(confusion: np.ndarray) -> float:
    """Mean over classes of TP / (TP + FP + FN); classes that occur nowhere are skipped; counts (K, K)."""
    hit = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - hit
    return float((hit[union > 0] / union[union > 0]).mean())


def image_iou(confusions: np.ndarray) -> float:
    """Mean IoU of every image over the classes it has, then the mean over images; counts (N, K, K)."""
    scores = []
    for confusion in confusions:
        hit = np.diag(confusion)
        union = confusion.sum(0) + confusion.sum(1) - hit
        scores.append((hit[union > 0] / union[union > 0]).mean())
    return float(np.mean(scores))


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int) -> float:
    """ECE: sum over bins ((j-1)/J, j/J] of its share of pixels times |accuracy - confidence|; both (N,)."""
    places = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    error = 0.0
    for j in range(bins):
        inside = places == j
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return float(error)


def _counts(seed: int, K: int = 5) -> np.ndarray:
    """One class is nowhere, another is predicted and never true."""
    random = rng(seed)
    counts = random.integers(0, 30, (K, K)) + np.diag(random.integers(20, 200, K))
    absent, imagined = random.permutation(K)[:2]
    counts[[absent, imagined]], counts[:, absent] = 0, 0
    return counts


def _confusion(seed: int) -> tuple[np.ndarray]:
    return (_counts(seed),)


def _confusions(seed: int) -> tuple[np.ndarray]:
    return (np.stack([_counts(10 * seed + i) * (1 + 4 * i) for i in range(3)]),)


def _guesses(seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    random = rng(seed)
    confidence = random.beta(3, 2, 60)
    right = (random.uniform(size=60) < confidence**1.5 + 0.15).astype(float)
    return confidence, right, 5


def _ious(confusion: np.ndarray) -> np.ndarray:
    hit, union = np.diag(confusion), confusion.sum(0) + confusion.sum(1) - np.diag(confusion)
    return np.where(union > 0, hit / np.maximum(union, 1), np.nan)


def _class_first(confusions: np.ndarray) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a class in no image
        return float(np.nanmean(np.nanmean([_ious(c) for c in confusions], axis=0)))


def _true_alone(confusion: np.ndarray) -> float:
    """Over the classes that truth has."""
    return float(_ious(confusion)[confusion.sum(1) > 0].mean())


def _over_present(hit: np.ndarray, of: np.ndarray) -> float:
    return float((hit[of > 0] / of[of > 0]).mean())


def _gaps(confidence: np.ndarray, right: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    places = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    members = [places == j for j in range(bins) if (places == j).any()]
    return np.array([i.mean() for i in members]), np.array([(right[i] - confidence[i]).mean() for i in members])


EXERCISES = (
    Exercise(
        id="04.miou",
        task="From a confusion matrix (rows truth, columns prediction), the mean over classes of the intersection over "
        "union, as the protocol `dataset` has it: a class that occurs neither in truth nor in prediction is skipped.",
        solution=mean_iou,
        instance=_confusion,
        wrong={
            "skipped a class that is predicted and never true: it scores 0": _true_alone,
            "absent classes counted as zero": lambda c: float(np.nan_to_num(_ious(c)).mean()),
            "divided by the truth alone: this is mean recall": lambda c: _over_present(np.diag(c), c.sum(1)),
            "divided by the prediction alone: this is mean precision": lambda c: _over_present(np.diag(c), c.sum(0)),
            "counted the hits twice in the union": lambda c: _over_present(np.diag(c), c.sum(0) + c.sum(1)),
            "pixel accuracy: large classes decide it": lambda c: float(np.diag(c).sum() / c.sum()),
            "added the classes up before dividing: a micro average": lambda c: float(
                np.diag(c).sum() / (2 * c.sum() - np.diag(c).sum())
            ),
        },
        properties={"a matrix without mistakes scores 1": lambda f, a: abs(f(np.diag(np.diag(a[0]))) - 1) < 1e-9},
    ),
    Exercise(
        id="04.image",
        task="The protocol `image`: mean IoU of each image over the classes it has (in truth or prediction), then the "
        "mean over images. Given one confusion matrix per image, (N, K, K).",
        solution=image_iou,
        instance=_confusions,
        wrong={
            "skipped a class that is predicted and never true: it scores 0": lambda c: float(
                np.mean([_true_alone(one) for one in c])
            ),
            "one matrix over all images: this is the protocol `dataset`": lambda c: mean_iou(c.sum(0)),
            "averaged over images first, then over classes: this is the order of Eq. 13": _class_first,
            "absent classes counted as zero: this is the protocol `image_zero`": lambda c: float(
                np.mean([np.nan_to_num(_ious(one)).mean() for one in c])
            ),
            "weighed images by their pixels": lambda c: float(
                np.average([mean_iou(one) for one in c], weights=c.sum((1, 2)))
            ),
        },
    ),
    Exercise(
        id="04.calibration",
        task="The expected calibration error of Guo et al.: put pixels into J equal bins by confidence; sum over the "
        "bins their share of the pixels times the distance between accuracy and mean confidence.",
        solution=calibration_error,
        instance=_guesses,
        wrong={
            "every bin counts the same, however few pixels it holds": lambda c, r, J: float(
                np.abs(_gaps(c, r, J)[1]).mean()
            ),
            "kept the sign, so that over- and underconfident bins cancel": lambda c, r, J: float(
                (_gaps(c, r, J)[0] * _gaps(c, r, J)[1]).sum()
            ),
            "no bins: a single pixel is right or wrong, never 70 % right": lambda c, r, J: float(np.abs(r - c).mean()),
            "took the largest gap: this is the maximum calibration error": lambda c, r, J: float(
                np.abs(_gaps(c, r, J)[1]).max()
            ),
            "squared the gaps": lambda c, r, J: float((_gaps(c, r, J)[0] * _gaps(c, r, J)[1] ** 2).sum()),
        },
    ),
)
