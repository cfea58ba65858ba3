"""The studies: each a list of settings, and the notebook that shows what came of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from ..claims.sources import HS3_POINTS
from ..experiment import Result, Settings
from ..experiment.settings import OF_SCHEME

MOBILE = ("topformer_tiny", "seaformer_tiny")
REPORTED = ("conventional", "imacsr", "imachsr")  # off, and on: both papers print the same table
SHORT = ("smoke", "lesson")  # tiers that take part of a grid, for they have minutes
ALPHAS, LAMBDAS = (0.0, 0.1, 0.4, 1.6), (0.0, 0.01, 0.1)  # of the sweep that the defaults are chosen by
SPLITS = ("standard", "val101", "blocked600", "random600")  # of camvid: apart, then closer and closer in time


@dataclass(frozen=True)
class Study:
    """A table or figure of the papers, or a question of our own, as runs.

    Args:
        name: typed at the command line.
        notebook: shows it; begins with its number. Empty: runs alone, to choose settings by.
        says: what it compares, in words.
        settings: (tier, data, root, seeds) -> what to run, seed by seed, so that a batch cut short has whole seeds.
    """

    name: str
    notebook: str
    says: str
    settings: Callable[[str, str, str | None, int], list[Settings]]


def of_cells(results: Sequence[Result], settings: Sequence[Settings]) -> list[Result]:
    """Those of the results that are cells of a study, whatever data, size and epochs they were run with.

    Args:
        results: from a ledger.
        settings: the study's, at any tier.
    """
    wanted = {cell(setting) for setting in settings}
    return [result for result in results if cell(result.as_settings) in wanted]


def cell(settings: Settings) -> tuple[Any, ...]:
    """What a run is in a study: its scheme, what is asked of its points and where."""
    decisive = settings.decisive()
    asked = [name for name in (*OF_SCHEME, "analysis") if name in decisive]
    return (settings.scheme, *((name, decisive[name]) for name in asked))


def _all(tier: str, data: str, root: str | None, seeds: int, changes: Sequence[Mapping[str, Any]]) -> list[Settings]:
    return [Settings.at(tier, data=data, root=root, seed=seed, **change) for seed in range(seeds) for change in changes]


def _table2(tier: str, data: str, root: str | None, seeds: int) -> list[Settings]:
    models = ("deeplabv3plus_resnet18", *(() if tier in SHORT else MOBILE))
    changes = [{"model": model, "scheme": scheme, "points": 3} for model in models for scheme in REPORTED]
    return _all(tier, data, root, seeds, changes)


def _off_and_on(tier: str, data: str, root: str | None, seeds: int) -> list[Settings]:
    return _all(tier, data, root, seeds, [{"scheme": scheme, "points": 3} for scheme in REPORTED])


def _fig3(tier: str, data: str, root: str | None, seeds: int) -> list[Settings]:
    """One point has the same weight either way and is run once."""
    counts = (1, 3, 5) if tier in SHORT else (1, 2, 3, 4, 5)
    changes: list[dict[str, Any]] = [{"scheme": "conventional"}]
    changes += [{"points": M, "divide": divide} for divide in (True, False) for M in counts if M > 1 or divide]
    return _all(tier, data, root, seeds, changes)


def _fig4(tier: str, data: str, root: str | None, seeds: int) -> list[Settings]:
    changes: list[dict[str, Any]] = [{"scheme": "conventional"}]
    changes += [
        {"points": 3, "near": "center", "distance": distance, "divide": divide}
        for divide in _weights_per_point(tier)
        for distance in (1, 2, 3)
    ]
    return _all(tier, data, root, seeds, changes)


def _table4(tier: str, data: str, root: str | None, seeds: int) -> list[Settings]:
    counts = (1, 3) if tier in SHORT else (1, 2, 3)
    changes: list[dict[str, Any]] = [{"scheme": "conventional"}]
    changes += [
        {"points": M, "near": near, "distance": 1, "divide": divide}
        for divide in _weights_per_point(tier)
        for M in counts
        for near in ("input", "center", "output")
        if M > 1 or divide
    ]
    return _all(tier, data, root, seeds, changes)


def _weights_per_point(tier: str) -> tuple[bool, ...]:
    """Shared among the points, and the papers' constant weight per point; the first alone where time is short."""
    return (True,) if tier in SHORT else (True, False)


def terms_apart(tier: str, data: str, root: str | None, seeds: int) -> list[Settings]:
    """Mutual information alone, negative entropy alone, both, neither."""
    changes: list[dict[str, Any]] = [{"scheme": "conventional"}, {"lambda_": 0.0}, {"alpha": 0.0}, {}]
    return _all(tier, data, root, seeds, changes)


def other_losses(tier: str, data: str, root: str | None, seeds: int) -> list[Settings]:
    """The output's own loss at the points, or another, with gradients of one length and no regularizer."""
    matched = {"weighting": "gradient_norm", "lambda_": 0.0}
    others = ("dice",) if tier in SHORT else ("infonce", "region", "dice", "lovasz")
    changes: list[dict[str, Any]] = [
        {"scheme": "conventional"},
        {"scheme": "deep_supervision", "weighting": "gradient_norm"},
        *({"supervision": name, **matched} for name in ("plug_in", *others)),
    ]
    return _all(tier, data, root, seeds, changes)


def other_weights(tier: str, data: str, root: str | None, seeds: int) -> list[Settings]:
    """alpha four times and lambda ten times smaller and larger, one at a time, and weights that fade."""
    short = tier in SHORT
    changes: list[dict[str, Any]] = [{"scheme": "conventional"}, {}]
    changes += [{"alpha": alpha} for alpha in ((1.6,) if short else (0.1, 1.6))]
    changes += [{"lambda_": lambda_} for lambda_ in (() if short else (0.001, 0.1))]
    changes += [{"weight_schedule": schedule} for schedule in (() if short else ("linear", "cosine"))]
    return _all(tier, data, root, seeds, changes)


def splits(tier: str, data: str, root: str | None, seeds: int) -> list[Settings]:
    """The scheme off and on under every split of CamVid; other data has one split."""
    changes = [{"split": split, "scheme": scheme} for split in SPLITS for scheme in ("conventional", "imachsr")]
    return _all(tier, data, root, seeds, changes) if data == "camvid" else []


def _help(tier: str, data: str, root: str | None, seeds: int) -> list[Settings]:
    every = [part(tier, data, root, seeds) for part in (terms_apart, other_losses, other_weights, splits)]
    return sorted(dict.fromkeys(setting for settings in every for setting in settings), key=lambda one: one.seed)


def weights(tier: str, data: str, root: str | None, seeds: int) -> list[Settings]:
    """alpha by lambda, judged on part of the training images; both at zero are conventional training, run once."""
    plain = Settings.alpha, Settings.lambda_
    pairs = product(ALPHAS, (Settings.lambda_,) if tier in SHORT else LAMBDAS)
    near_first = sorted(pairs, key=lambda pair: sum(one != other for one, other in zip(pair, plain, strict=True)))
    changes: list[dict[str, Any]] = [{"scheme": "conventional"}]
    changes += [{"alpha": alpha, "lambda_": lambda_} for alpha, lambda_ in near_first if alpha or lambda_]
    return _all(tier, data, root, seeds, [{"split": "tune", **change} for change in changes])


HS3_MODELS = {
    "nyudv2": ("hrnet_w18_small_v2_ocr", "hrnet_w48"),
    "cityscapes": ("hrnet_w18_small_v2", "hrnet_w18_small_v2_ocr", "deeplabv3plus_wrn38"),
}  # of its Tables 1 and 3
HS3_OWN: dict[str, dict[str, Any]] = {
    model: {"model": model, "points": 2, "names": HS3_POINTS.get(model)}
    for model in sorted({model for models in HS3_MODELS.values() for model in models})
}
HS3_RGBD = {"model": "sagate_resnet101", "inputs": "rgb+hha", "points": 2}
MULTI_SCALE = {"test_scales": (0.5, 0.75, 1.0, 1.25, 1.5, 1.75), "test_flip": True}  # its Table 2 prints no scales
HS3_MORE: dict[str, list[dict[str, Any]]] = {
    "nyudv2": [
        *(
            {**HS3_OWN["hrnet_w18_small_v2_ocr"], "scheme": "hs3", "theta": t}
            for t in (0.0, 50.0, 75.0, 80.0, 85.0, 90.0)
        ),
        *({**HS3_RGBD, **how, "scheme": s} for how in ({}, MULTI_SCALE) for s in ("conventional", "hs3_fuse")),
    ],
    "cityscapes": [
        *({**HS3_OWN["hrnet_w18_small_v2"], "scheme": "hs3", "clustering": by} for by in ("k_means", "manual")),
        {**HS3_OWN["hrnet_w18_small_v2_ocr"], "scheme": "hs3_fuse", "lighter": 1.0},
    ],
}  # of its Tables 5, 2, 6 and 3
SIX = ("conventional", "deep_supervision", "imacsr", "imachsr", "hs3", "hs3_fuse")


def _hs3(tier: str, data: str, root: str | None, seeds: int) -> list[Settings]:
    """The six schemes; where time allows the angles of HS3's Table 5, the groupings of its Table 6, lighter fusing.

    At the paper tier its own networks with its own two points, too: its Tables 1, 2, 3, 5 and 6.
    """
    changes: list[dict[str, Any]] = [{"scheme": scheme} for scheme in SIX]
    if tier not in SHORT:
        changes += [{"scheme": "hs3", "theta": theta} for theta in (0.0, 50.0, 80.0, 85.0, 90.0)]
        changes += [{"scheme": "hs3", "clustering": clustering} for clustering in ("k_means", "manual", "halving")]
        changes += [{"scheme": "hs3_fuse", "lighter": times} for times in (1.01, 1.02)]
    if tier == "paper":
        changes += [{**HS3_OWN[model], "scheme": s} for model in HS3_MODELS.get(data, ()) for s in SIX]
        changes += HS3_MORE.get(data, [])
    return _all(tier, data, root, seeds, changes)


STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        Study("fig2", "07_training", "Fig. 2: learning curves with the scheme off and on", _off_and_on),
        Study("table2", "08_main_results", "Table 2: three networks with the scheme off and on", _table2),
        Study("table3", "08_main_results", "Table 3: predictions with the scheme off and on", _off_and_on),
        Study("fig3", "09_ablation_number", "Fig. 3: one to five points", _fig3),
        Study("fig4", "10_ablation_distance", "Fig. 4: points one to three bases apart", _fig4),
        Study("table4", "11_ablation_position", "Table 4: points near the input, center or output", _table4),
        Study("help", "12_what_helps", "another loss, either term, weights, splits: what helps", _help),
        Study("weights", "", "alpha and lambda, swept on part of the training images", weights),
        Study("hs3", "13_hs3", "HS3's tables: six schemes, angles, groupings, fusing", _hs3),
    )
}
