"""A packed copy: resized inputs and masks as memory-mapped arrays, read as if they were the files.

A folder of `rgb.npy` uint8 (N, h, w, 3) (likewise `hha.npy`; `depth.npy` float32 (N, h, w), metres), `masks.npy` uint8
(N, h, w) with classes and void 255, `labels.npy` uint8 (N, H, W), the same at full label size, and `manifest.json`:
what is in it, under which names, with sizes and sha256 of all arrays.

Its fingerprint is made of the names and sizes in bytes of the original files, as that of the files is, and of the
packed size (of packed depth, of its content too): packs of the same files at the same size agree wherever they lie, and
none agrees with the files themselves, since augmentation starts from resized pixels here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from .catalogue import Catalogue, Item
from .reading import VOID, FileError, Labels, sha256

MANIFEST = "manifest.json"
FORMAT = 1
REMEDY = "pack it again with `imachsr data pack`"


@dataclass(frozen=True)
class Packed:
    """Reads items from the arrays of a packed copy."""

    root: Path
    kinds: tuple[str, ...]
    classes: int
    rows: dict[str, int]  # item name -> row
    originals: dict[str, list[tuple[str, int]]]  # item name -> names and bytes of its original files
    arrays: dict[str, dict[str, Any]]  # file -> bytes, sha256
    version: str  # of the manifest, so that a copy packed anew is opened anew
    resized = True

    def input(self, item: Item, place: int) -> np.ndarray:
        return self._row(f"{self.kinds[place]}.npy", item)

    def labels(self, item: Item) -> Labels:
        return Labels("packed classes", np.load, {**{k: k for k in range(self.classes)}, VOID: VOID}, self._rule())

    def values(self, item: Item) -> np.ndarray:
        return self._row("labels.npy", item)

    def read(self, item: Item, *, full: bool) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        mask = self._row("labels.npy" if full else "masks.npy", item)
        if mask.max(where=mask != VOID, initial=0) >= self.classes:
            raise FileError(f"{item.mask}: label {int(mask[mask != VOID].max())}; {self._rule()}")
        return tuple(self.input(item, place) for place in range(len(self.kinds))), mask

    def files(self, item: Item) -> list[tuple[str, int]]:
        return self.originals[item.name]

    def content(self, item: Item) -> list[str]:
        return [self.arrays[f"{kind}.npy"]["sha256"] for kind in self.kinds if kind == "depth"]

    def stored(self, items: Iterable[Item]) -> set[Path]:
        return {self.root / name for name in (MANIFEST, *self.arrays)}

    def verify(self) -> None:
        """Refuse arrays whose sha256 is not the manifest's."""
        for name, expected in self.arrays.items():
            if sha256(self.root / name) != expected["sha256"]:
                raise FileError(
                    f"{self.root / name}: its sha256 is not that of {MANIFEST}; it must be as it was packed"
                )

    def _row(self, name: str, item: Item) -> np.ndarray:
        return np.array(_mapped(self.root / name, self.version)[self.rows[item.name]])

    def _rule(self) -> str:
        return f"packed labels are 0..{self.classes - 1}, and {VOID} for void"


@lru_cache(maxsize=16)
def _mapped(path: Path, version: str) -> np.ndarray:
    """The array, opened once per process, so that loader workers inherit or open it and never copy it."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FileError(f"{path}: {error}; it must be a whole .npy array") from error


def is_packed(root: Path) -> bool:
    """Whether a packed copy lies here."""
    return (root / MANIFEST).is_file()


def size_of(root: Path) -> tuple[int, int]:
    """(height, width) of its inputs."""
    height, width = _manifest((root / MANIFEST).read_bytes(), root)["size"]
    return height, width


def open(root: Path, name: str, options: dict[str, Any]) -> Catalogue:
    """The catalogue of a packed copy; checks its arrays' sizes in bytes (their sha256: see `check`).

    Raises:
        ValueError: a manifest damaged, of another dataset or packed with other options, or arrays missing or cut short.
    """
    text = (root / MANIFEST).read_bytes()
    held = _manifest(text, root)
    asked = {"name": name, **options}
    packed = {"name": held["name"], "classes": len(held["classes"]), "inputs": "+".join(held["inputs"])}
    for key, value in asked.items():
        if packed[key] != value:
            raise ValueError(f"{root} is packed with {key}={packed[key]!r}, not {value!r}; ask for that, or {REMEDY}")
    for file, expected in held["arrays"].items():
        size = (root / file).stat().st_size if (root / file).is_file() else "no"
        if size != expected["bytes"]:
            raise ValueError(f"{root / file}: {size} bytes of {expected['bytes']}; it must be whole; {REMEDY}")
    return _catalogue(root, held, hashlib.sha256(text).hexdigest())


def _manifest(text: bytes, root: Path) -> dict[str, Any]:
    try:
        held = json.loads(text)
        version = held["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{root / MANIFEST}: {error!r}; it must be a packed copy's manifest; {REMEDY}") from error
    if version != FORMAT:
        raise ValueError(f"{root / MANIFEST}: format {version}; this version reads format {FORMAT}; {REMEDY}")
    return held


def _catalogue(root: Path, held: dict[str, Any], version: str) -> Catalogue:
    parts: dict[str, list[Item]] = {}
    originals: dict[str, list[tuple[str, int]]] = {}
    for part, items in held["parts"].items():
        parts[part] = []
        for entry in items:
            originals[entry["name"]] = [(path, size) for path, size in entry["files"]]
            *inputs, mask = (root / path for path, _ in entry["files"])
            parts[part].append(Item(entry["name"], tuple(inputs), mask))
    rows = {item.name: row for row, item in enumerate(item for items in parts.values() for item in items)}
    kinds, size = tuple(held["inputs"]), size_of(root)
    return Catalogue(
        name=held["name"],
        root=root,
        classes=tuple(held["classes"]),
        palette=held["palette"],
        parts=parts,
        reader=Packed(root, kinds, len(held["classes"]), rows, originals, held["arrays"], version),
        remedy=REMEDY,
        inputs=kinds,
        variant=f"{held['variant']} packed {size[0]}x{size[1]}".strip(),
        published=held["published"],
        withheld=held["withheld"],
        size=size,
    )
