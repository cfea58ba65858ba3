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

from .segnet import FILE_VOID, REMEDY, VOID, Pair, gather, read_image, read_mask, size_problem

CLASSES = ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist")
COUNTS = {"train": 367, "val": 101, "test": 233}
# of the public copy's 701 masks, see Report.digest
PUBLIC_MASKS = "b76320872052e20f5b67661dde2d7ed2377a64b88a8a797040cc4255ab6653a2"


@dataclass(frozen=True)
class Report:
    """Findings of `inspect`: what is there, and what is wrong.

    Attributes:
        counts: pairs per list.
        formats: images per file format.
        sizes: images per (width, height), where the mask agrees.
        pixels: per list, the number of pixels of each class, void last.
        digest: sha256 over list, name and decoded mask (void 255) of every pair, in order.
        problems: one line each, naming the file.
    """

    counts: dict[str, int]
    formats: dict[str, int]
    sizes: dict[tuple[int, int], int]
    pixels: dict[str, tuple[int, ...]]
    digest: str
    problems: tuple[str, ...]

    def __str__(self) -> str:
        lines = [
            "pairs    " + ", ".join(f"{count} {name}" for name, count in self.counts.items()),
            "images   " + ", ".join(f"{count} {name}" for name, count in sorted(self.formats.items())),
            "sizes    " + ", ".join(f"{count} of {w}x{h}" for (w, h), count in sorted(self.sizes.items())),
            "masks    " + ("equal" if self.digest == PUBLIC_MASKS else "not equal") + " to the public copy's 701",
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


class _Finding(NamedTuple):
    size: tuple[int, int] | None
    pixels: np.ndarray
    digest: str
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
    digest = hashlib.sha256()
    for (name, pair), finding in zip(entries, findings, strict=True):
        pixels[name] += finding.pixels
        digest.update(f"{name} {pair.mask.stem} {finding.digest}\n".encode())
    return Report(
        counts={name: len(pairs) for name, pairs in lists.items()},
        formats=dict(Counter(pair.image.suffix[1:].lower() for _, pair in entries)),
        sizes=dict(Counter(finding.size for finding in findings if finding.size)),
        pixels={name: tuple(counts.tolist()) for name, counts in pixels.items()},
        digest=digest.hexdigest(),
        problems=(*problems, *(problem for finding in findings for problem in finding.problems)),
    )


def _look(pair: Pair, images: bool) -> _Finding:
    size, problems = None, []
    pixels, digest = np.zeros(len(CLASSES) + 1, np.int64), ""
    try:
        size = _image_size(pair.image, decode=images)
    except ValueError as error:
        problems.append(_brief(error))
    try:
        mask = read_mask(pair.mask)
    except ValueError as error:
        return _Finding(None, pixels, digest, [*problems, _brief(error)])
    counts = np.bincount(mask.ravel(), minlength=VOID + 1)
    pixels += [*counts[:FILE_VOID], counts[VOID]]
    if size is not None and size != mask.shape[::-1]:
        problems.append(_brief(size_problem(pair, size[::-1], mask.shape)))
        size = None
    return _Finding(size, pixels, hashlib.sha256(mask.tobytes()).hexdigest(), problems)


def _image_size(path: Path, *, decode: bool) -> tuple[int, int]:
    """(width, height)."""
    if decode:
        height, width = read_image(path).shape[:2]
        return width, height
    try:
        with Image.open(path) as image:
            return image.size
    except OSError as error:
        raise ValueError(f"{path}: {error}") from error


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
