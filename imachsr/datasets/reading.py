"""Pictures, depth and labels from files, every doubt a `FileError` that names the file and the rule."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

VOID = 255
DAMAGED = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # how Pillow calls damaged files
PICTURES = ("RGB", "RGBA", "L", "P")
NUMBERS = ("L", "P", "I", "I;16")


class FileError(ValueError):
    """What is wrong with a file: what came and the rule; whoever knows the dataset adds the remedy."""


def load(path: Path, rule: str, modes: Sequence[str]) -> Image.Image:
    """A whole picture of one of the Pillow modes."""
    try:
        with Image.open(path) as picture:
            picture.load()
    except DAMAGED as error:
        raise FileError(f"{path}: {_told(error, path)}; the file must be a readable picture") from error
    if picture.mode not in modes:
        raise FileError(f"{path}: mode {picture.mode}; it must hold {rule} (mode {' or '.join(modes)})")
    return picture


def picture(path: Path) -> np.ndarray:
    """uint8 (H, W, 3); a fourth channel is left out."""
    return np.array(load(path, "an 8-bit picture", PICTURES).convert("RGB"))


def numbers(path: Path) -> np.ndarray:
    """(H, W) numbers exactly as stored: a palette's indices, never its colours or their brightness."""
    return np.array(load(path, "class numbers", NUMBERS))


def red(path: Path) -> np.ndarray:
    """uint8 (H, W): the red channel of a colour picture, whatever lies in the others."""
    return np.array(load(path, "class numbers in the red channel", ("RGB", "RGBA")))[..., 0]


def depth(path: Path) -> np.ndarray:
    """float32 (H, W), metres, from a .npy file."""
    try:
        metres = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise FileError(f"{path}: {_told(error, path)}; depth must be a readable .npy array") from error
    if metres.ndim != 2 or metres.dtype.kind != "f" or not np.isfinite(metres).all() or metres.min() < 0:
        raise FileError(f"{path}: {metres.dtype} {metres.shape}; depth is (H, W), finite floats, metres from 0 up")
    return metres.astype(np.float32)


INPUTS: dict[str, Callable[[Path], np.ndarray]] = {"rgb": picture, "hha": picture, "depth": depth}


@dataclass(frozen=True)
class Labels:
    """How a kind of mask file says classes.

    Attributes:
        kind: name of the kind.
        read: the file's values, (H, W) of any integer type.
        classes: file value -> class, or 255 for void; other values are refused.
        rule: that in words.
    """

    kind: str
    read: Callable[[Path], np.ndarray]
    classes: dict[int, int]
    rule: str

    def decode(self, values: np.ndarray, path: Path) -> np.ndarray:
        """Classes, uint8 (H, W), void 255. Every value goes through the table: nothing wraps around."""
        self.counted(values, path)
        low = int(values.min())
        table = np.full(int(values.max()) - low + 1, VOID, np.uint8)
        for value, k in self.classes.items():
            if low <= value < low + len(table):
                table[value - low] = k
        return table[values if low == 0 else values.astype(np.int64) - low]

    def counted(self, values: np.ndarray, path: Path) -> dict[int, int]:
        """Pixels of each value; refuses values that are no label."""
        counts = count(values)
        strange = [str(value) for value in counts if value not in self.classes]
        if strange:
            found = ", ".join(strange[:4]) + (f" and {len(strange) - 4} more" if len(strange) > 4 else "")
            raise FileError(f"{path}: label {found}; {self.rule}")
        return counts


def count(values: np.ndarray) -> dict[int, int]:
    """Pixels of each value, by value."""
    if values.dtype == np.uint8:
        pixels = np.bincount(values.ravel(), minlength=256)
        return {value: int(pixels[value]) for value in np.flatnonzero(pixels).tolist()}
    found, pixels = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), pixels.tolist(), strict=True))


def same_size(sizes: dict[str, Sequence[int]]) -> None:
    """Refuse files of one item that differ in (height, width)."""
    if len({tuple(size[:2]) for size in sizes.values()}) > 1:
        found = ", ".join(f"{path} {size[1]}x{size[0]}" for path, size in sizes.items())
        raise FileError(f"{found}; image and mask must have the same size")


def sha256(path: Path) -> str:
    """Of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def few(problems: Sequence[str], count: int = 3) -> str:
    """The first problems in one line, and how many more there are."""
    return "; ".join(problems[:count]) + (f"; and {len(problems) - count} more" if len(problems) > count else "")


def _told(error: Exception, path: Path) -> str:
    """The error in words, without the path again."""
    return str(error).replace(f" '{path}'", "").replace(f": {str(path)!r}", "") or type(error).__name__
