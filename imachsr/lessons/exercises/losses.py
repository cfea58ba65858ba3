"""Exercises of notebook 03: the joint of guess and label, information, entropy, cross-entropy.

Axes: B images, K classes, C channels, N pixels of one image, (h, w) features, (H, W) labels.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from ..exercise import Exercise
from .random import labels, rng, tensor


def joint(q: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """P[k, j] = mean over labelled pixels p of q_k(p) 1[y_p = j]; q (K, N), targets (N,) with 255 for void."""
    labelled = targets != 255
    hot = torch.nn.functional.one_hot(targets[labelled], len(q)).to(q)
    return q[:, labelled] @ hot / labelled.sum()


def information_of(P: torch.Tensor) -> torch.Tensor:
    """I = sum_kj P[k, j] log(P[k, j] / (P_Q[k] P_Y[j])) in nats; P (K, K) without zeros."""
    product = P.sum(1, keepdim=True) * P.sum(0, keepdim=True)
    return (P * (P / product).log()).sum()


def negative_entropy(features: torch.Tensor) -> torch.Tensor:
    """Mean over positions of sum_c p_c log p_c, with p the softmax over channels; features (B, C, h, w)."""
    log_p = features.log_softmax(1)
    return (log_p.exp() * log_p).sum(1).mean()


def cross_entropy_of(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean of -log q[y_p](p) over labelled pixels; logits (B, K, H, W), targets (B, H, W) with 255 for void."""
    log_q = logits.log_softmax(1)
    labelled = targets != 255
    chosen = log_q.gather(1, targets.where(labelled, 0)[:, None])[:, 0]
    return -chosen[labelled].mean()


def _pixels(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random, K = rng(seed), 3 + seed % 3
    return tensor(random, K, 40).softmax(0), labels(random, K, 40)


def _table(seed: int) -> tuple[torch.Tensor]:
    random, K = rng(seed), 3 + seed % 3
    return (torch.from_numpy(random.dirichlet([1.5] * (K * K)).reshape(K, K)),)


def _features(seed: int) -> tuple[torch.Tensor]:
    return (tensor(rng(seed), 2 + seed % 2, 5 + seed % 3, 3, 4),)


def _images(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = rng(seed)
    targets = labels(random, 4, 3, 5, 6)
    targets[1, 2:] = 255  # images differ in labelled pixels
    return tensor(random, 3, 4, 5, 6), targets


def _sum_p_log_p(features: torch.Tensor, dim: int = 1) -> torch.Tensor:
    return features.softmax(dim) * features.log_softmax(dim)


def _shares(features: torch.Tensor) -> torch.Tensor:
    return features.abs() / features.abs().sum(1, keepdim=True).clamp_min(1e-12)


def _ce(logits: torch.Tensor, targets: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    return F.cross_entropy(logits, targets, ignore_index=255, reduction=reduction)


def _joint_sums(q: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return joint(q, targets) * (targets != 255).sum()


def _hard_joint(q: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return joint(F.one_hot(q.argmax(0), len(q)).T.to(q), targets)


EXERCISES = (
    Exercise(
        id="03.joint",
        task="Write eq. 1 for one image: from probabilities q (K, N) of N pixels and their labels (N,), the K x K "
        "joint of the guess (rows) and the label (columns). Pixels labelled 255 count nowhere.",
        solution=joint,
        instance=_pixels,
        wrong={
            "void pixels counted in N, so that the table does not add up to one": lambda q, y: (
                _joint_sums(q, y) / len(y)
            ),
            "not divided by the number of labelled pixels": _joint_sums,
            "rows and columns swapped: rows are the guess": lambda q, y: joint(q, y).T,
            "counted the most likely class instead of its probability": _hard_joint,
            "every column divided by its own sum: this is P(Q | Y), not the joint": lambda q, y: (
                joint(q, y) / joint(q, y).sum(0, keepdim=True).clamp_min(1e-12)
            ),
            "void pixels taken for class 0": lambda q, y: joint(q, y.where(y != 255, 0)),
        },
        properties={
            "the table adds up to one": lambda f, a: abs(float(f(*a).sum()) - 1) < 1e-6,
            "each column adds up to its class's share of the labelled pixels": lambda f, a: bool(
                torch.allclose(f(*a).sum(0), joint(*a).sum(0))
            ),
        },
    ),
    Exercise(
        id="03.information",
        task="Write eq. 2: from the joint P (K, K), the mutual information of rows and columns, in nats.",
        solution=information_of,
        instance=_table,
        wrong={
            "returned minus the information: that is the loss, not I": lambda P: -information_of(P),
            "forgot the margins: this is minus the joint entropy": lambda P: (P * P.log()).sum(),
            "logarithm to the base 2: these are bits, not nats": lambda P: information_of(P) / math.log(2),
            "summed over the diagonal only: any dependence is information, not only agreement": lambda P: (
                (P * (P / (P.sum(1, keepdim=True) * P.sum(0))).log()).diagonal().sum()
            ),
            "averaged over the cells of the table instead of summing": lambda P: information_of(P) / P.numel(),
            "left out the factor P before the logarithm": lambda P: (
                (P / (P.sum(1, keepdim=True) * P.sum(0))).log().sum()
            ),
            "took the divergence the other way round, KL(product || joint)": lambda P: (
                P.sum(1, keepdim=True) * P.sum(0) * (P.sum(1, keepdim=True) * P.sum(0) / P).log()
            ).sum(),
        },
        properties={
            "information is never below zero": lambda f, a: float(f(*a)) > -1e-9,
            "a table of independent rows and columns holds none": lambda f, a: (
                abs(float(f(a[0].sum(1, keepdim=True) * a[0].sum(0)))) < 1e-9
            ),
        },
    ),
    Exercise(
        id="03.entropy",
        task="Write eq. 6: read the C channels at each position as a distribution p by a softmax, and return the mean "
        "over all positions of sum_c p_c log p_c. It is minimized, and lies between -log C and 0.",
        solution=negative_entropy,
        instance=_features,
        wrong={
            "summed over pixels instead of averaged": lambda z: _sum_p_log_p(z).sum(),
            "summed over pixels and averaged over images only": lambda z: _sum_p_log_p(z).sum() / len(z),
            "softmax over the wrong axis: over the images of the batch": lambda z: _sum_p_log_p(z, 0).sum(1).mean(),
            "softmax over the wrong axis: over rows of the map, not channels": lambda z: (
                _sum_p_log_p(z, 2).sum(2).mean()
            ),
            "softmax over the wrong axis: over all positions, not channels": lambda z: (
                _sum_p_log_p(z.flatten(2), 2).sum(2).mean()
            ),
            "maximized the negative entropy: the sign is turned around": lambda z: -_sum_p_log_p(z).sum(1).mean(),
            "averaged over the channels: each position's distribution is summed over c": lambda z: _sum_p_log_p(
                z
            ).mean(),
            "logarithm to the base 2: these are bits, not nats": lambda z: _sum_p_log_p(z).sum(1).mean() / math.log(2),
            "divided by log C: the paper's term is in nats, not a share": lambda z: (
                _sum_p_log_p(z).sum(1).mean() / math.log(z.shape[1])
            ),
            "divided by the sum over channels instead of a softmax": lambda z: (
                torch.special.xlogy(_shares(z), _shares(z)).sum(1).mean()
            ),
            "left out the factor p before the logarithm": lambda z: z.log_softmax(1).sum(1).mean(),
        },
        properties={
            "one number added to all channels changes nothing": lambda f, a: abs(float(f(a[0] + 3) - f(*a))) < 1e-6,
            "equal channels give -log C": lambda f, a: (
                abs(float(f(torch.zeros_like(a[0]))) + math.log(a[0].shape[1])) < 1e-6
            ),
            "it lies between -log C and 0": lambda f, a: -math.log(a[0].shape[1]) - 1e-6 <= float(f(*a)) <= 1e-6,
        },
    ),
    Exercise(
        id="03.cross_entropy",
        task="Write the cross-entropy of logits (B, K, H, W) against labels (B, H, W): the mean over the "
        "labelled pixels "
        "of the whole batch, 255 being void.",
        solution=cross_entropy_of,
        instance=_images,
        wrong={
            "averaged over all pixels, void ones included": lambda z, y: _ce(z, y, "sum") / y.numel(),
            "summed over pixels instead of averaged": lambda z, y: _ce(z, y, "sum"),
            "softmax taken twice": lambda z, y: _ce(z.softmax(1), y),
            "softmax over the wrong axis: over rows, not classes": lambda z, y: F.nll_loss(
                z.log_softmax(2), y, ignore_index=255
            ),
            "averaged within each image first: images with few labels weigh too much": lambda z, y: torch.stack(
                [_ce(z[i : i + 1], y[i : i + 1]) for i in range(len(z))]
            ).mean(),
            "void pixels taken for class 0": lambda z, y: F.cross_entropy(z, y.where(y != 255, 0)),
            "the sign is turned around: this is the log-likelihood": lambda z, y: -_ce(z, y),
            "forgot the logarithm": lambda z, y: (
                -z.softmax(1).gather(1, y.where(y != 255, 0)[:, None])[:, 0][y != 255].mean()
            ),
        },
        properties={
            "equal logits give log K": lambda f, a: (
                abs(float(f(torch.zeros_like(a[0]), a[1])) - math.log(a[0].shape[1])) < 1e-6
            ),
            "it is never below zero": lambda f, a: float(f(*a)) >= 0,
            "what the network says at void pixels changes nothing": lambda f, a: (
                abs(float(f(a[0] + 9 * torch.randn_like(a[0]) * (a[1] == 255)[:, None], a[1]) - f(*a))) < 1e-6
            ),
        },
    ),
)
