"""Where images and labels come from: `create` hands out any dataset by name, void as 255."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    from .catalogue import Catalogue
    from .inspection import Report
    from .transforms import Prepared, Source

PARTS = ("train", "val", "test")
FILES = ("camvid", "cityscapes", "synthia_sf", "nyudv2")  # read from files; each is a module here
NAMES = ("streets", *FILES)
# split -> part -> the stream it is drawn from; `tune` judges settings by scenes that nothing is tested on
STREETS = {"standard": {part: part for part in PARTS}, "tune": {"train": "train", "test": "val"}}


def create(
    name: str,
    split: str = "standard",
    *,
    part: str = "train",
    root: str | Path | None = None,
    size: tuple[int, int] | None = None,
    augment: bool = False,
    seed: int = 0,
    augment_seed: int = 0,
    length: int | None = None,
    crop: tuple[int, int] | None = None,
    classes: int | None = None,
    inputs: str | None = None,
) -> Prepared:
    """A dataset of (image float32 (3, H, W), target int64 (H, W)), images normalised, void 255.

    Index it by `i` or by `(epoch, i)`; augmentation depends on (augment_seed, epoch, i) alone. It carries `classes`,
    `palette`, `ignore_index`, `inputs`, `fingerprint`, and the dataset behind it as `source`. With several inputs the
    image is a tuple of them.

    Args:
        name: `streets` (generated, nothing to download), `camvid`, `cityscapes`, `synthia_sf` or `nyudv2`.
        split: the protocol. `standard`; for camvid also `random600`, `val101`, `blocked600`; for camvid and
            streets also `tune`, which judges on part of what is trained on otherwise; for cityscapes also `val500`,
            which tests on the validation images, as test labels are withheld; for synthia_sf, which has no standard
            one, `random:TRAIN/TEST` or `sequences:LIST/LIST`, such as `random:1596/628`.
        part: `train`, `val` or `test`.
        root: folder of the files, or of a packed copy of them (`pack`); streets has none.
        size: (height, width) of the images. Targets follow in `train`; elsewhere they keep their full label size,
            because scoring is at full label size. Streets are drawn at this size.
        augment: random scale, crop, flip and colour; for part `train`.
        seed: of the generated scenes and of a random split: another seed, other data.
        augment_seed: of the augmentation's draws: another seed, the same data seen otherwise.
        length: take only this many images.
        crop: (height, width) that augmentation cuts out; by default `size`.
        classes: a reading of the labels: synthia_sf 19 (Cityscapes' classes), 22 (all but void) or 23 (void counts as a
            class); camvid 11, or 31 for the original 32-colour layout. By default the first.
        inputs: nyudv2: `rgb+hha`, `rgb`, `hha`, `depth`, `rgb+depth`, `rgb+hha+depth`. By default the first.

    Raises:
        ValueError: unknown name, split, part or option, a root missing or of no use, or files that do not fit together.

    >>> dataset = create("streets", part="train", size=(48, 64), length=4)
    >>> image, target = dataset[0]
    >>> tuple(image.shape), tuple(target.shape)
    ((3, 48, 64), (48, 64))
    """
    if name not in NAMES:
        raise ValueError(f"got dataset {name!r}; there are {', '.join(NAMES)}; choose one of them")
    if part not in PARTS:
        raise ValueError(f"got part {part!r}; the parts are {', '.join(PARTS)}; choose one of them")
    for word, sides in (("size", size), ("crop", crop)):
        if sides is not None and (len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides)):
            raise ValueError(
                f"got {word} {sides!r}; sizes are (height, width) in whole pixels; pass one such as (180, 240), or None"
            )
    if augment and part != "train":
        raise ValueError(f"got augment=True with part {part!r}; only part 'train' is augmented; leave augment out")
    if crop is not None and not augment:
        raise ValueError(
            f"got crop={crop} without augment=True; crops are cut by augmentation; set augment, or leave it"
        )
    from .transforms import Augment, Plain, Prepared

    source: Source
    if name == "streets":
        _options("streets", {"classes": (11,), "inputs": ("rgb",)}, classes=classes, inputs=inputs)
        source = _streets(split, root, size, {"part": part, "length": length, "seed": seed})
    else:
        source = _files(name, split, root, size, part, seed, length, classes, inputs)
    if augment:
        kinds = getattr(source, "inputs", ("rgb",))
        return Prepared(source, Augment(size, seed=augment_seed, crop=crop, inputs=kinds))
    return Prepared(source, Plain(size, targets=part == "train"))


def verify(dataset: Dataset) -> None:
    """Refuse a dataset whose root fails its check, before the first step; generated data has nothing to verify.

    A root that passed is not read again until one of its files changes.

    Raises:
        ValueError: files damaged, missing, of other sizes, or labels outside the classes.
    """
    source = getattr(dataset, "source", dataset)
    if hasattr(source, "verify"):
        source.verify()


def check(
    name: str,
    root: str | Path,
    *,
    classes: int | None = None,
    inputs: str | None = None,
    progress: bool | None = None,
) -> Report:
    """Read every file of a dataset once: counts, sizes, labels, class shares and problems, as `print` shows them.

    Raises:
        ValueError: a dataset without files, or no dataset at `root`.
    """
    from .inspection import inspect

    return inspect(find(name, root, classes=classes, inputs=inputs), progress=progress)


def pack(
    name: str,
    root: str | Path,
    size: tuple[int, int],
    to: str | Path,
    *,
    classes: int | None = None,
    inputs: str | None = None,
    progress: bool | None = None,
) -> str:
    """Write a resized, memory-mapped copy of a dataset to the new folder `to`, which `create` takes as its root.

    Raises:
        ValueError: as `check`; or a faulty file, a folder in use, too little room.
    """
    from .packing import pack

    return pack(find(name, root, classes=classes, inputs=inputs), size, Path(to).expanduser(), progress=progress)


def packed_size(root: str | Path) -> tuple[int, int] | None:
    """(height, width) of the packed copy at a root; None where the root holds none.

    Raises:
        ValueError: a manifest that is damaged.
    """
    from . import packed

    root = Path(root).expanduser()
    return packed.size_of(root) if packed.is_packed(root) else None


def find(name: str, root: str | Path, *, classes: int | None = None, inputs: str | None = None) -> Catalogue:
    """All that lies at a root, files or packed copy, before any split.

    Raises:
        ValueError: a dataset without files, an unknown option, or no dataset at `root`.
    """
    if name not in FILES:
        raise ValueError(f"got dataset {name!r}; those with files are {', '.join(FILES)}; choose one of them")
    module, root = import_module(f".{name}", __package__), Path(root).expanduser()
    options = _options(name, module.OPTIONS, classes=classes, inputs=inputs)
    from . import packed

    if packed.is_packed(root):
        return packed.open(root, name, options)
    return module.find(root, **{key: choices[0] for key, choices in module.OPTIONS.items()} | options)


def _options(name: str, known: dict[str, tuple[Any, ...]], **given: Any) -> dict[str, Any]:
    """The options given, each one of those known."""
    chosen = {option: value for option, value in given.items() if value is not None}
    for option, value in chosen.items():
        if type(value) not in map(type, known[option]) or value not in known[option]:
            choices = " or ".join(repr(choice) for choice in known[option])
            raise ValueError(f"got {option}={value!r} for {name}; it has {choices}; choose that, or leave it out")
    return chosen


def _files(
    name: str, split: str, root: Any, size: Any, part: str, seed: int, length: Any, classes: Any, inputs: Any
) -> Source:
    from .catalogue import Frames

    if root is None:
        remedy = "fetch them with `imachsr data get camvid --root DIR`" if name == "camvid" else "say where they are"
        raise ValueError(f"got {name} without root; it reads files; {remedy}")
    found = find(name, root, classes=classes, inputs=inputs)
    if found.size is not None and size not in (None, found.size):
        raise ValueError(
            f"got size {size} of {found.root}, packed at {found.size}; a packed copy serves its own size; "
            f"ask for {found.size[0]}x{found.size[1]}, or pack another copy"
        )
    parts = import_module(f".{name}", __package__).divide(found, split, seed)
    return Frames(found, parts, split, part, length=length)


def _streets(split: str, root: Any, size: Any, options: dict[str, Any]) -> Source:
    from .streets import Streets

    if split not in STREETS:
        raise ValueError(f"got split {split!r}; streets has the splits {', '.join(STREETS)}; choose one of them")
    if options["part"] not in STREETS[split]:
        raise ValueError(
            f"got part {options['part']!r}; split {split!r} of streets has the parts {', '.join(STREETS[split])}; "
            "choose one of them"
        )
    if root:
        raise ValueError(
            f"got root {str(root)!r} for streets; they are drawn, not read; name the dataset, or leave root out"
        )
    if size is not None:
        options = {**options, "size": size}
    return Streets(**{**options, "part": STREETS[split][options["part"]]})
