"""Where images and labels come from: `create` hands out any dataset by name, void as 255."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    from .inspection import Report
    from .transforms import Prepared, Source

PARTS = ("train", "val", "test")


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
) -> Prepared:
    """A dataset of (image float32 (3, H, W), target int64 (H, W)), images normalised, void 255.

    Index it by `i` or by `(epoch, i)`; augmentation depends on (augment_seed, epoch, i) alone. It carries `classes`,
    `palette`, `ignore_index`, `fingerprint`, and the dataset behind it as `source`.

    Args:
        name: `streets` (generated, nothing to download) or `camvid`.
        split: the protocol; `standard` everywhere, and for camvid `random600`, `val101`, `blocked600`.
        part: `train`, `val` or `test`.
        root: folder of the files; camvid needs it, streets has none.
        size: (height, width) of the images. Targets follow in `train`; elsewhere they keep their full label size,
            because scoring is at full label size. Streets are drawn at this size.
        augment: random scale, crop, flip and colour; for part `train`.
        seed: of the generated scenes and of a random split: another seed, other data.
        augment_seed: of the augmentation's draws: another seed, the same data seen otherwise.
        length: take only this many images.

    Raises:
        ValueError: unknown name, split or part, a root missing or of no use, or files that do not fit together.

    >>> dataset = create("streets", part="train", size=(48, 64), length=4)
    >>> image, target = dataset[0]
    >>> tuple(image.shape), tuple(target.shape)
    ((3, 48, 64), (48, 64))
    """
    if name not in REGISTRY:
        raise ValueError(f"dataset {name!r}; there are {', '.join(REGISTRY)}; choose one of them")
    if part not in PARTS:
        raise ValueError(f"part {part!r}; the parts are {', '.join(PARTS)}; choose one of them")
    if size is not None and (len(size) != 2 or not all(isinstance(side, int) and side > 0 for side in size)):
        raise ValueError(
            f"size {size!r}; sizes are (height, width) in whole pixels; pass one such as (180, 240), or None"
        )
    if augment and part != "train":
        raise ValueError(f"augment=True with part {part!r}; only part 'train' is augmented; leave augment out")
    from .transforms import Augment, Plain, Prepared

    source = REGISTRY[name](split, root, size, {"part": part, "length": length, "seed": seed})
    return Prepared(source, Augment(size, seed=augment_seed) if augment else Plain(size, targets=part == "train"))


def verify(dataset: Dataset) -> None:
    """Refuse a dataset whose files do not fit together, before the first step; generated data has nothing to verify."""
    source = getattr(dataset, "source", dataset)
    if hasattr(source, "verify"):
        source.verify()


def check(name: str, root: str | Path, *, progress: bool | None = None) -> Report:
    """Read every file of a dataset once: counts, sizes, labels, class shares and problems, as `print` shows them.

    Raises:
        ValueError: a dataset without files, or no dataset at `root`.
    """
    from .inspection import check

    if name != "camvid":
        raise ValueError(f"dataset {name!r}; only camvid has files to check; say camvid")
    return check(root, progress=progress)


def _streets(split: str, root: Any, size: Any, options: dict[str, Any]) -> Source:
    from .streets import Streets

    if split != "standard":
        raise ValueError(f"split {split!r}; streets has the split standard; choose it")
    if root:
        raise ValueError(
            f"root {str(root)!r} for streets; they are drawn, not read; name the dataset, or leave root out"
        )
    if size is not None:
        options = {**options, "size": size}
    return Streets(**options)


def _camvid(split: str, root: Any, size: Any, options: dict[str, Any]) -> Source:
    from .camvid import CamVid

    if root is None:
        raise ValueError("camvid without root; it reads files; fetch them with `imachsr data get camvid --root DIR`")
    return CamVid(root, split, **options)


REGISTRY: dict[str, Callable[..., Source]] = {"streets": _streets, "camvid": _camvid}
