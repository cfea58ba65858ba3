"""What decides a result, as data, and the tiers' defaults."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from ..datasets import FILES
from ..objective import SCHEDULES, SCHEMES, WEIGHTINGS
from ..points import NEAR
from ..training import DTYPES, LEARNING_RATES
from .supervisions import SUPERVISIONS, own_supervision

# fields younger than the first results: they enter the key only where they depart from how it was before
LATER: dict[str, Any] = {
    "weighting": "fixed",
    "weight_schedule": "constant",
    "warmup": 0,
    "clip_norm": None,
    "accumulate": 1,
    "precision": "fp32",
    "ema": None,
    "compile": False,
    "weights": None,
    "crop": None,
    "classes": None,
    "inputs": None,
    "supervision": "",
    "gamma": None,
    "analysis": 0.0,
    "theta": 76.0,
    "clustering": "spectral",
    "lighter": None,
    "test_scales": None,
    "test_flip": False,
    "names": None,
}
OF_POINTS = (
    "points", "near", "distance", "names", "alpha", "lambda_", "divide", "weighting", "weight_schedule",
    "supervision", "gamma",
)  # fmt: skip
OF_CLUSTERS = ("theta", "clustering", "lighter")
OF_SCHEME = (*OF_POINTS, *OF_CLUSTERS)
# The seed tells runs of one setting apart. How often a run was scored on the way changes no score; nor does the memory
# format, which is chosen by speed, but for sums in another order.
ASIDE = ("seed", "evaluate_every", "memory_format")
BY_HAND = ("manual", "halving")  # groupings that ask no data
SHARE = 0.1  # of the training images, kept out for the analysis (HS3 Section 3.1.1)

# Defaults per tier: where it runs, on what, within which time. A tier fixes cost, never a conclusion.
TIERS: dict[str, dict[str, Any]] = {
    "smoke": {"size": (64, 96), "epochs": 4, "length": 48, "batch_size": 8, "memory_format": "contiguous"},
    "lesson": {"size": (96, 128), "epochs": 6, "length": 360, "batch_size": 8, "memory_format": "contiguous"},
    "lab": {"size": (360, 480), "epochs": 100, "batch_size": 8},
    "paper": {"size": None, "epochs": 200, "batch_size": 8},
}

# per dataset, how the papers score it: Cityscapes keeps its test labels back, SYNTHIA-SF has no published split and
# is read in 23 classes, and most networks take one image
PROTOCOL: dict[str, dict[str, Any]] = {
    "cityscapes": {"split": "val500"},
    "synthia_sf": {"split": "random:1596/628", "classes": 23},
    "nyudv2": {"inputs": "rgb"},
}

CHOICES: dict[str, tuple[str, ...]] = {
    "scheme": tuple(SCHEMES),
    "memory_format": ("auto", "contiguous", "channels_last"),
    "schedule": tuple(LEARNING_RATES),
    "precision": tuple(DTYPES),
    "near": NEAR,
    "weighting": WEIGHTINGS,
    "weight_schedule": tuple(SCHEDULES),
    "supervision": ("", *SUPERVISIONS),
    "clustering": ("spectral", "k_means", *BY_HAND),
    "tier": (*TIERS, "custom"),
}
LEAST = {
    "points": 1, "distance": 1, "length": 1, "epochs": 1, "batch_size": 1, "evaluate_every": 0, "workers": 0,
    "warmup": 0, "accumulate": 1, "seed": 0,
}  # fmt: skip


def _defaults(tier: str, data: str) -> dict[str, Any]:
    """A tier's defaults; only streets can be drawn at any length."""
    return {**TIERS[tier], **({} if data == "streets" else {"length": None})}


def content_of(path: str) -> str:
    """What a file holds, as "sha256:..."; a result's settings hold that word already in place of the path."""
    if path.startswith("sha256:"):
        return path
    if not Path(path).is_file():
        raise ValueError(f"got weights={path!r}, which is no file; give the path of a checkpoint, or leave it out")
    return f"sha256:{hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]}"


@dataclass(frozen=True)
class Settings:
    """Everything that decides a result; two runs with equal settings and data are the same run.

    Unknown names are refused by the constructor. `root` and `workers` say where data lies and how it is read: they do
    not enter the key.
    """

    model: str = "deeplabv3plus_resnet18"
    weights: str | None = None  # file the network starts from, see `models.create`; its content enters the key
    data: str = "streets"
    root: str | None = None
    split: str = "standard"
    scheme: str = "imachsr"
    points: int = 3  # M; ignored by the conventional scheme
    near: str = "spread"
    distance: int | None = None  # bases between points; with near="spread" a multiple of it
    names: tuple[str, ...] | None = None  # of the points, in place of near and distance; see `imachsr points`
    alpha: float = 0.4
    lambda_: float = 0.01
    divide: bool = True  # alpha/M and lambda/M per point, so that M does not change the total weight
    weighting: str = "fixed"  # or gradient_norm, uncertainty: see Scheme
    weight_schedule: str = "constant"  # or linear, cosine: alpha and lambda fall to zero
    supervision: str = ""  # a loss by name at the points, in place of the scheme's own; see `SUPERVISIONS`
    gamma: tuple[float, ...] | None = None  # weight of the supervision at each point, in place of alpha; undivided
    theta: float = 76.0  # hs3: degrees, see `hierarchy.class_count`
    clustering: str = "spectral"  # hs3: or k_means; by hand without a first phase: manual, halving
    analysis: float = 0.0  # share of the training images kept out, to count what the points confuse; hs3: 0 is 0.1
    lighter: float | None = None  # hs3_fuse: inference costs at most so many times the plain network's
    size: tuple[int, int] | None = (180, 240)  # height, width of the network's input; None: as the data comes
    length: int | None = None  # images per part, for Streets, which can draw any number; None: its default
    augment: bool = False
    crop: tuple[int, int] | None = None  # height, width cut out by augmentation; None: size
    classes: int | None = (
        None  # how labels are read: synthia_sf 19, 22 or 23; camvid 11 or 31; None: the data's default
    )
    inputs: str | None = None  # of nyudv2: rgb+hha, rgb, hha, depth, ...; None: its default
    epochs: int = 20
    batch_size: int = 8  # iMacSR Table III
    learning_rate: float = 3e-4  # iMacSR Table III
    weight_decay: float = 1e-4  # iMacSR Table III
    schedule: str = "poly"
    warmup: int = 0  # steps over which the learning rate rises
    clip_norm: float | None = None  # the longest a gradient may be
    accumulate: int = 1  # parts of a batch, computed one after the other
    precision: str = "fp32"  # or bf16, fp16
    ema: float | None = None  # what the average of the weights keeps in each step, such as 0.999
    compile: bool = False
    memory_format: str = "auto"  # measured at the start and recorded
    test_scales: tuple[float, ...] | None = None  # multi-scale inference: the images' factors; None: as they come
    test_flip: bool = False  # inference adds each image mirrored
    evaluate_every: int = 1  # epochs; 0: only after the last
    seed: int = 0
    tier: str = "custom"  # a tier's name only where its defaults were taken
    workers: int = 0

    def __post_init__(self) -> None:
        self._check_types()
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"got {name}={getattr(self, name)!r}; it is one of {[*known]}; choose one")
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"got {name}={value}; it must be at least {least}; raise it")
        self._check_points()
        self._check_clusters()
        if self.inputs is not None and self.data != "nyudv2":
            raise ValueError(
                f"got inputs={self.inputs!r} for data {self.data!r}; only nyudv2 has several kinds; leave it out"
            )
        if self.test_scales is not None and 0 in self.test_scales:
            raise ValueError(f"got test_scales={self.test_scales}; a factor is above 0; give such as (0.5, 1.0, 1.5)")
        self._name_once()
        if self.crop is not None and not self.augment:
            raise ValueError(
                f"got crop={self.crop} without augment; crops are cut by augmentation; add augment, or leave crop out"
            )
        if self.tier in TIERS and any(
            getattr(self, name) != value for name, value in _defaults(self.tier, self.data).items()
        ):
            raise ValueError(
                f"got tier={self.tier!r} with other settings than that tier's; a tier's name stands for "
                f"{_defaults(self.tier, self.data)}; use Settings.at({self.tier!r}, ...), which calls the rest custom"
            )

    def _name_once(self) -> None:
        """Equal runs have one key: what is so anyway is not named."""
        idle: dict[str, Any] = {"test_scales": (1.0,)}
        if self.data in FILES and (self.classes or self.inputs):
            options = import_module(f"..datasets.{self.data}", __package__).OPTIONS
            idle |= {name: choices[0] for name, choices in options.items()}
        for name, value in idle.items():
            if getattr(self, name) == value:
                object.__setattr__(self, name, None)
        if self.points == 1:
            object.__setattr__(self, "divide", True)
        if self.supervision == own_supervision(self.scheme):
            object.__setattr__(self, "supervision", "")

    def _check_points(self) -> None:
        """What is asked at the points fits the scheme and their number."""
        if (self.supervision or self.analysis) and not own_supervision(self.scheme):
            what = f"supervision={self.supervision!r}" if self.supervision else f"analysis={self.analysis}"
            raise ValueError(
                f"got {what} with scheme {self.scheme!r}, which supervises no point; it speaks of what stands there; "
                "use scheme 'deep_supervision' or leave it out"
            )
        if self.gamma is not None and self.alpha != Settings.alpha:
            raise ValueError(
                f"got gamma={self.gamma} and alpha={self.alpha}; gamma stands in alpha's place; leave one of them out"
            )
        if self.gamma is not None and len(self.gamma) != self.points:
            raise ValueError(
                f"got gamma={self.gamma} for points={self.points}; each point has its own weight; give one per point"
            )
        if self.names is not None and (self.near, self.distance) != (Settings.near, Settings.distance):
            raise ValueError(
                f"got names={self.names} with near={self.near!r} and distance={self.distance}; names alone fix the "
                "points; leave the others out"
            )
        if self.names is not None and not len(self.names) == len(set(self.names)) == self.points:
            raise ValueError(
                f"got names={self.names} for points={self.points}; each point has one name of its own; give as many "
                "names as points"
            )

    def _check_clusters(self) -> None:
        """The angle, the share kept out to count confusions, and the budget of inference are in range."""
        if self.theta > 90:
            raise ValueError(
                f"got theta={self.theta}; it goes from 0 (deep supervision) to 90 degrees (the output's mIoU); lower it"
            )
        if self.analysis >= 1:
            raise ValueError(f"got analysis={self.analysis}; it is a share of the training images; try 0.1")
        if self.lighter is not None and self.scheme != "hs3_fuse":
            raise ValueError(
                f"got lighter={self.lighter} with scheme {self.scheme!r}; only 'hs3_fuse' adds to inference; drop it"
            )

    def _check_types(self) -> None:
        """Whole numbers stay whole, numbers become floats: equal settings must have one key."""
        for entry in fields(self):
            name, given, kinds = entry.name, getattr(self, entry.name), str(entry.type).split(" | ")
            if given is None and "None" in kinds:
                continue
            if name in READERS:
                value = READERS[name](name, given)
            elif kinds[0] == "float" and type(given) is int:
                value = float(given)
            elif type(given).__name__ in kinds:
                value = given
            else:
                raise TypeError(f"got {name}={given!r} of type {type(given).__name__}; it is {entry.type}; give that")
            if isinstance(value, float) and not 0 <= value < float("inf"):
                raise ValueError(f"got {name}={given}; it is a finite number of at least 0; correct it")
            object.__setattr__(self, name, value)

    @classmethod
    def at(cls, tier: str, **changes: Any) -> Settings:
        """Settings with a tier's defaults and the papers' protocol for the data, and `changes` on top.

        Changing one of the tier's own makes it "custom"; the split, classes and inputs of the data do not.
        """
        if tier not in TIERS:
            raise ValueError(f"got tier {tier!r}; the tiers are {[*TIERS]}; use one, or build Settings by hand")
        data = changes.get("data", cls.data)
        defaults = _defaults(tier, data)
        kept = all(changes.get(name, value) == value for name, value in defaults.items())
        return cls(**{**PROTOCOL.get(data, {}), **defaults, "tier": tier if kept else "custom", **changes})

    def stored(self) -> dict[str, Any]:
        """All fields as a Result keeps them: what a file of weights holds, and no path of this machine."""
        kept = {name: value for name, value in asdict(self).items() if name != "root"}
        return {**kept, "weights": content_of(self.weights) if self.weights else None}

    def decisive(self) -> dict[str, Any]:
        """What a run is known by: the fields that can change the numbers, how often it is scored, the tier's name."""
        chosen = {k: v for k, v in asdict(self).items() if k not in ("root", "workers")}
        for name, before in LATER.items():
            if chosen[name] == before:
                del chosen[name]
        if self.crop == self.size:
            chosen.pop("crop", None)  # as if it were not named
        if self.weights is not None:
            chosen["weights"] = content_of(self.weights)
        if self.derives and self.analysis == SHARE:
            chosen.pop("analysis", None)  # as if it were not named
        idle = self.idle()
        if "points" not in idle and "lambda_" in idle:
            idle.remove("lambda_")  # the first keys name it, as it is by default
            chosen["lambda_"] = Settings.lambda_
        return {name: value for name, value in chosen.items() if name not in idle}

    def idle(self) -> set[str]:
        """Fields that say nothing of the scheme: of points, clusters or a regularizer that it does not have."""
        asked = SCHEMES[self.scheme]
        names = set() if asked.uses_points else {*OF_POINTS}
        names |= set() if asked.regularizer else {"lambda_"}
        names |= set() if self._merges else {*OF_CLUSTERS}
        return names | ({"theta", "analysis"} if self._merges and not self.derives else set())

    @property
    def _merges(self) -> bool:
        return SCHEMES[self.scheme].clusters is not None

    @property
    def derives(self) -> bool:
        """Whether classes are merged by what a first phase confuses."""
        return self._merges and self.clustering not in BY_HAND

    @property
    def holds_out(self) -> bool:
        """Whether part of the training images is kept out of training; phase 2 of HS3 takes them all."""
        return self.analysis > 0 and not self._merges

    @property
    def numerics(self) -> int:
        """Raised where the same settings would give other numbers than before; old results then no longer answer."""
        changed = (
            self.model.startswith(("topformer", "seaformer")),  # depthwise kernels and embeddings start as official
            self.ema is not None and (self._merges or self.analysis > 0),  # adapters are averaged, too
            self.augment and self.size is not None,  # scale 1 is what is tested on
            self.lighter is not None and self.model.endswith("_ocr"),  # the network's own head is scaled, too
            self.weighting == "gradient_norm" and self.precision == "fp16",  # small gradients count
        )
        return 2 if any(changed) else 1

    def alike(self) -> str:
        """What runs that differ in their seed alone have in common, as text."""
        return json.dumps({k: v for k, v in self.decisive().items() if k not in ASIDE}, sort_keys=True)

    def key(self, data_fingerprint: str) -> str:
        """Content key: sha256 of the decisive settings, the data and the numerics version, 16 hex digits."""
        content = {"settings": self.decisive(), "data": data_fingerprint, "numerics": self.numerics}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _numbers(name: str, value: Any) -> tuple[float, ...]:
    """One finite weight per point, or factor per scale."""
    numbers = tuple(value) if isinstance(value, (tuple, list)) else ()
    if not numbers or any(type(one) not in (int, float) or not 0 <= one < float("inf") for one in numbers):
        what = "weight of at least 0 per point" if name == "gamma" else "factor above 0 per scale"
        raise ValueError(f"got {name}={value!r}; it is one finite {what}; give such numbers")
    return tuple(float(one) for one in numbers)


def _words(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, (tuple, list)) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise TypeError(f"got {name}={value!r} of type {type(value).__name__}; it is tuple[str, ...] | None; give that")


def _sides(name: str, value: Any) -> tuple[int, int]:
    sides = tuple(value) if isinstance(value, (tuple, list)) else ()
    if len(sides) != 2 or any(type(side) is not int or side < 1 for side in sides):
        raise ValueError(f"got {name}={value!r}; a size is (height, width) in pixels; give two whole numbers")
    return sides


# fields of several values -> what reads them
READERS: dict[str, Callable[[str, Any], Any]] = {
    "gamma": _numbers, "test_scales": _numbers, "names": _words, "size": _sides, "crop": _sides,
}  # fmt: skip
