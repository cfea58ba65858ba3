"""What lies at a root, as data, and one part of it as a dataset."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from .reading import INPUTS, VOID, FileError, Labels, few, same_size, sha256

Images = np.ndarray | tuple[np.ndarray, ...]


class Item(NamedTuple):
    """One frame: its name, unique in the dataset, its input files and its mask file."""

    name: str
    inputs: tuple[Path, ...]
    mask: Path

    @property
    def paths(self) -> tuple[Path, ...]:
        """All its files, the mask last."""
        return (*self.inputs, self.mask)


class Reader(Protocol):
    """Where the pixels of an item come from: files, or a packed copy."""

    @property
    def resized(self) -> bool:
        """Whether inputs may be smaller than the labels."""

    def input(self, item: Item, place: int) -> np.ndarray:
        """uint8 (H, W, 3); depth float32 (H, W)."""

    def labels(self, item: Item) -> Labels:
        """How this item's mask says classes."""

    def values(self, item: Item) -> np.ndarray:
        """The mask as stored, at full label size."""

    def read(self, item: Item, *, full: bool) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Inputs, and classes uint8 (H, W), void 255; these at full label size, or at the size of the inputs."""

    def files(self, item: Item) -> list[tuple[str, int]]:
        """Relative name and size in bytes of every file of the item, inputs first."""

    def content(self, item: Item) -> list[str]:
        """sha256 of what can change while the files' sizes stay: arrays, where pictures are compressed."""

    def stored(self, items: Iterable[Item]) -> set[Path]:
        """The files on disk that are read."""

    def verify(self) -> None:
        """Refuse what can be seen without reading single items."""


def always(labels: Labels, mask: Path) -> Labels:
    """The same for every mask; a function that a spawned loader worker can be sent."""
    return labels


@cache
def _sha256(path: Path, size: int, changed: int) -> str:
    return sha256(path)


@dataclass(frozen=True)
class Files:
    """Reads items from their files."""

    root: Path
    kinds: tuple[str, ...]
    labels_of: Callable[[Path], Labels]
    resized = False

    def input(self, item: Item, place: int) -> np.ndarray:
        return INPUTS[self.kinds[place]](item.inputs[place])

    def labels(self, item: Item) -> Labels:
        return self.labels_of(item.mask)

    def values(self, item: Item) -> np.ndarray:
        return self.labels(item).read(item.mask)

    def read(self, item: Item, *, full: bool = True) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        inputs = tuple(self.input(item, place) for place in range(len(self.kinds)))
        mask = self.labels(item).decode(self.values(item), item.mask)
        same_size(dict(zip(map(str, item.paths), (array.shape for array in (*inputs, mask)), strict=True)))
        return inputs, mask

    def files(self, item: Item) -> list[tuple[str, int]]:
        return [(path.relative_to(self.root).as_posix(), os.path.getsize(path)) for path in item.paths]

    def content(self, item: Item) -> list[str]:
        arrays = [path for path in item.paths if path.suffix == ".npy"]
        return [_sha256(path, (now := path.stat()).st_size, now.st_mtime_ns) for path in arrays]

    def stored(self, items: Iterable[Item]) -> set[Path]:
        return {path for item in items for path in item.paths}

    def verify(self) -> None:
        return None


@dataclass(frozen=True)
class Catalogue:
    """What lies at a root.

    Attributes:
        name: of the dataset.
        root: the folder.
        classes: names, in order of their ids.
        palette: a colour per class, RGB.
        parts: items per published part, in order.
        reader: gives the pixels.
        remedy: what to do about a faulty file.
        inputs: kind of each input: rgb, hha, depth.
        variant: tells readings of the same files apart in the fingerprint; empty for the first.
        published: items per part as published.
        digests: sha256 of all published images and masks, where known.
        withheld: part -> why it cannot be had.
        problems: what is wrong with names and lists.
        size: (height, width) of a packed copy's inputs; None: as the files have it.
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    palette: list[list[int]]
    parts: dict[str, list[Item]]
    reader: Reader
    remedy: str
    inputs: tuple[str, ...] = ("rgb",)
    variant: str = ""
    published: dict[str, int] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    withheld: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    size: tuple[int, int] | None = None

    @property
    def items(self) -> list[Item]:
        """All items, by name."""
        return sorted((item for items in self.parts.values() for item in items), key=lambda item: item.name)

    def fingerprint(self, items: Iterable[Item]) -> str:
        """Short sha256 over the relative names and sizes in bytes of the files used, the content of those that are
        arrays (depth of one shape has one size, in metres or not), and how they are read."""
        lines = []
        for item in items:
            lines += [f"{name} {size}\n" for name, size in self.reader.files(item)]
            lines += [f"{digest}\n" for digest in self.reader.content(item)]
        lines += [f"{self.variant}\n"] if self.variant else []
        return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def drawn(items: Iterable[Item], seed: int) -> list[Item]:
    """The items in a random order that no library version can change."""
    return sorted(items, key=lambda item: hashlib.sha256(f"{seed} {item.name}".encode()).hexdigest())


class Frames:
    """One part of a split of a catalogue, as stored.

    Args:
        catalogue: what there is.
        parts: how the split deals it out.
        split: its name, for refusals.
        part: `train`, `val` or `test`.
        length: take only this many frames, evenly spaced.

    Raises:
        ValueError: a part this split does not have, or files that do not fit together.
    """

    ignore_index = VOID

    def __init__(
        self, catalogue: Catalogue, parts: dict[str, list[Item]], split: str, part: str, *, length: int | None = None
    ) -> None:
        if catalogue.problems:
            raise ValueError(
                f"{catalogue.root}: {few(catalogue.problems)}; every image needs one mask, once; {catalogue.remedy}"
            )
        self.items = _thin(_chosen(catalogue, parts, split, part), length)
        self.catalogue, self.parts, self.split, self.part = catalogue, parts, split, part
        self.name, self.classes, self.palette = catalogue.name, catalogue.classes, catalogue.palette
        self.inputs = catalogue.inputs
        self.image_format = "+".join(sorted({path.suffix[1:].lower() for item in self.items for path in item.inputs}))
        self.fingerprint = catalogue.fingerprint(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def raw(self, index: int) -> tuple[Images, np.ndarray]:
        """Image uint8 (H, W, 3), or a tuple of inputs, and mask uint8 (H, W), void 255, as stored.

        Raises:
            ValueError: a file missing, damaged or of another size, or a label outside the classes; it is named.
        """
        try:
            images, mask = self.catalogue.reader.read(self.items[index], full=self.part != "train")
        except FileError as fault:
            raise ValueError(f"{fault}; {self.catalogue.remedy}") from fault
        return (images if len(images) > 1 else images[0]), mask

    def paths(self, index: int) -> Item:
        """The files behind `index`."""
        return self.items[index]

    def verify(self) -> None:
        """Refuse a root that fails its check, see `datasets.check`."""
        from .verified import verify

        verify(self.catalogue)


def _chosen(catalogue: Catalogue, parts: dict[str, list[Item]], split: str, part: str) -> list[Item]:
    if part not in parts:
        if part in catalogue.withheld:
            raise ValueError(f"got part {part!r} of {catalogue.name}: {catalogue.withheld[part]}")
        raise ValueError(
            f"got part {part!r}; split {split!r} of {catalogue.name} has the parts {', '.join(parts)}; choose one"
        )
    if not parts[part]:
        raise ValueError(f"{catalogue.root} has no frames of part {part!r}; it needs at least one; {catalogue.remedy}")
    return parts[part]


def _thin(items: list[Item], length: int | None) -> list[Item]:
    if length is None:
        return items
    if not 0 < length <= len(items):
        raise ValueError(
            f"got length={length}; this part has {len(items)} frames; choose 1 to {len(items)}, or None for all"
        )
    return [items[i * len(items) // length] for i in range(length)]
