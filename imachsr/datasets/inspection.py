"""What a copy of a dataset holds: every file read once, every problem named by file."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from .catalogue import Catalogue, Item
from .reading import VOID, FileError, count, same_size


@dataclass(frozen=True)
class Report:
    """Findings of `inspect`: what is there, and what is wrong.

    Attributes:
        classes: names, in order of their ids.
        counts: frames per published part.
        formats: input files per format.
        sizes: frames per (width, height), where all their files agree.
        labels: per kind of mask, the values found in the files.
        pixels: per part, the number of pixels of each class, void last.
        images: sha256 over part, name and decoded inputs of every frame, in order.
        masks: the same over the decoded masks (void 255).
        digests: those two as published, where known.
        notes: what departs from the published set without being wrong.
        problems: one line each, naming the file.
    """

    classes: tuple[str, ...]
    counts: dict[str, int]
    formats: dict[str, int]
    sizes: dict[tuple[int, int], int]
    labels: dict[str, tuple[int, ...]]
    pixels: dict[str, tuple[int, ...]]
    images: str
    masks: str
    digests: dict[str, str]
    notes: tuple[str, ...]
    problems: tuple[str, ...]

    def __str__(self) -> str:
        lines = [
            "frames   " + ", ".join(f"{count} {name}" for name, count in self.counts.items()),
            "files    " + ", ".join(f"{count} {name}" for name, count in sorted(self.formats.items())),
            "sizes    " + ", ".join(f"{count} of {w}x{h}" for (w, h), count in sorted(self.sizes.items())),
            *(f"labels   {_ranges(values)} ({kind})" for kind, values in self.labels.items()),
            "images   " + self._compared("images"),
            "masks    " + self._compared("masks"),
            "",
            *self._shares(),
            "",
            *(f"note: {note}" for note in self.notes),
            f"{len(self.problems) or 'no'} problem{'s' * (len(self.problems) != 1)}",
        ]
        return "\n".join([*lines, *(f"  {problem}" for problem in self.problems)])

    def _shares(self) -> Iterable[str]:
        """Per class and part: percent of the labelled pixels; void: of all; a part without pixels has none."""
        wide = max(20, *(len(name) + 2 for name in self.classes))
        yield f"{'% of labelled pixels':<{wide}}" + "".join(f"{name:>8}" for name in self.pixels)
        for k, label in enumerate((*self.classes, "void (% of all)")):
            totals = (sum(pixels[: len(self.classes) + (k == len(self.classes))]) for pixels in self.pixels.values())
            both = zip(self.pixels.values(), totals, strict=True)
            shares = (f"{100 * pixels[k] / n:8.2f}" if n else f"{'-':>8}" for pixels, n in both)
            yield f"{label:<{wide}}" + "".join(shares)

    def _compared(self, kind: str) -> str:
        digest = getattr(self, kind)
        if kind not in self.digests:
            return f"sha256 {digest[:16]}"
        return f"{'equal' if digest == self.digests[kind] else 'not equal'} to the public copy, pixel for pixel"


@dataclass
class _Finding:
    size: tuple[int, int] | None = None  # (width, height)
    kind: str = ""
    values: tuple[int, ...] = ()
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(VOID + 1, np.int64))
    image: str = ""  # sha256
    mask: str = ""
    flat: bool = False
    problems: list[str] = field(default_factory=list)


def inspect(catalogue: Catalogue, *, progress: bool | None = None) -> Report:
    """Read every frame once, on several threads.

    Args:
        catalogue: what is to be read.
        progress: show a bar; by default where output is a terminal.
    """
    from tqdm import tqdm

    problems, entries = list(catalogue.problems), [(p, item) for p, items in catalogue.parts.items() for item in items]
    try:
        catalogue.reader.verify()
    except FileError as fault:
        problems.append(str(fault))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        results = threads.map(partial(_look, catalogue), (item for _, item in entries))
        disable = None if progress is None else not progress
        findings = list(tqdm(results, total=len(entries), desc="check", unit="frame", leave=False, disable=disable))
    pixels = {part: np.zeros(VOID + 1, np.int64) for part in catalogue.parts}
    for (part, _), finding in zip(entries, findings, strict=True):
        pixels[part] += finding.pixels
    names = [f"{part} {item.name}" for part, item in entries]
    kinds = sorted({finding.kind for finding in findings if finding.values})
    return Report(
        classes=catalogue.classes,
        counts={part: len(items) for part, items in catalogue.parts.items()},
        formats=dict(Counter(path.suffix[1:].lower() for _, item in entries for path in item.inputs)),
        sizes=dict(Counter(finding.size for finding in findings if finding.size)),
        labels={k: tuple(sorted({v for f in findings if f.kind == k for v in f.values})) for k in kinds},
        pixels={part: (*n[: len(catalogue.classes)].tolist(), int(n[VOID])) for part, n in pixels.items()},
        images=_digest(names, [finding.image for finding in findings]),
        masks=_digest(names, [finding.mask for finding in findings]),
        digests=catalogue.digests,
        notes=tuple(_notes(catalogue, [item for _, item in entries], findings)),
        problems=(*problems, *(problem for finding in findings for problem in finding.problems)),
    )


def _notes(catalogue: Catalogue, items: list[Item], findings: list[_Finding]) -> Iterable[str]:
    for part, published in catalogue.published.items():
        if len(catalogue.parts.get(part, ())) != published:
            yield f"part {part} has {len(catalogue.parts.get(part, ()))} whole frames, the published one {published}"
    for item, finding in zip(items, findings, strict=True):
        if finding.flat:
            yield f"{item.inputs[0]}: one colour all over"


def _digest(names: Iterable[str], digests: Iterable[str]) -> str:
    lines = (f"{name} {digest}\n" for name, digest in zip(names, digests, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _look(catalogue: Catalogue, item: Item) -> _Finding:
    """What one frame holds; each of its files is read on its own, so that every fault is told."""
    reader, finding, digest = catalogue.reader, _Finding(), hashlib.sha256()
    shapes: dict[str, Sequence[int]] = {}
    for place, path in enumerate(item.inputs):
        try:
            pixels = reader.input(item, place)
        except FileError as fault:
            finding.problems.append(str(fault))
            continue
        shapes[str(path)] = pixels.shape
        digest.update(pixels.tobytes())
        finding.flat |= place == 0 and bool(pixels.min() == pixels.max())
    finding.image = digest.hexdigest()
    try:
        shapes[str(item.mask)] = _look_at_mask(catalogue, item, finding)
        if not reader.resized:
            same_size(shapes)
    except FileError as fault:
        finding.problems.append(str(fault))
    if not finding.problems:
        height, width = next(iter(shapes.values()))[:2]
        finding.size = width, height
    return finding


def _look_at_mask(catalogue: Catalogue, item: Item, finding: _Finding) -> tuple[int, ...]:
    values, labels = catalogue.reader.values(item), catalogue.reader.labels(item)
    counts = count(values)
    finding.kind, finding.values = labels.kind, tuple(counts)
    mask = labels.decode(values, item.mask)
    for value, pixels in counts.items():
        finding.pixels[labels.classes[value]] += pixels
    finding.mask = hashlib.sha256(mask.tobytes()).hexdigest()
    return values.shape


def _ranges(values: Iterable[int]) -> str:
    """Whole numbers in short: 0-10, 255."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in runs)
