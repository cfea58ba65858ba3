"""Pictures and masks to tensors: resize, augment, normalise; labels are never blended.

A transform is called as `transform(image, mask, epoch, index)` with image uint8 (H, W, 3) and mask uint8 (H, W), void
255, and returns the image as float32 (3, h, w), normalised, and the target as int64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

MEAN = (0.485, 0.456, 0.406)  # ImageNet, RGB, of values in 0..1
STD = (0.229, 0.224, 0.225)
MEAN_BYTES = [124, 116, 104]  # padding that normalises to about zero
VOID = 255


def normalise(images: Tensor) -> Tensor:
    """uint8 (..., 3, H, W) to float32 with ImageNet mean 0 and standard deviation 1."""
    return F.normalize(F.to_dtype(images, torch.float32, scale=True), list(MEAN), list(STD))


def denormalise(image: Tensor) -> np.ndarray:
    """A normalised image (3, H, W) back to uint8 (H, W, 3), for display.

    >>> picture = torch.randint(0, 256, (3, 4, 5), dtype=torch.uint8)
    >>> bool((denormalise(normalise(picture)) == picture.permute(1, 2, 0).numpy()).all())
    True
    """
    mean, std = (torch.tensor(values, device=image.device).view(3, 1, 1) for values in (MEAN, STD))
    pixels = (image.detach().float() * std + mean).clamp(0, 1) * 255
    return pixels.round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Image uint8 (3, H, W) to (3, *size): bilinear, antialiased."""
    return F.resize_image(image, list(size), InterpolationMode.BILINEAR, antialias=True)


def resize_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Mask (1, H, W) to (1, *size), nearest.

    The exact kind looks at pixel centres, as the image's bilinear does; the plain one would shift the labels by up to
    half an output pixel.
    """
    return F.resize_image(mask, list(size), InterpolationMode.NEAREST_EXACT)


class Source(Protocol):
    """What `Prepared` asks of a dataset of pictures and masks."""

    @property
    def name(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def palette(self) -> list[list[int]]: ...
    @property
    def ignore_index(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...

    def __len__(self) -> int: ...

    def raw(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 (H, W, 3) and mask uint8 (H, W), void 255."""


class Prepared(Dataset[tuple[Tensor, Tensor]]):
    """A source behind a transform: item `i` or `(epoch, i)` is (image float32 (3, h, w), target int64 (h, w))."""

    def __init__(self, source: Source, transform: Plain | Augment) -> None:
        self.source, self.transform = source, transform
        self.name, self.classes, self.palette = source.name, source.classes, source.palette
        self.ignore_index, self.fingerprint = source.ignore_index, source.fingerprint

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int | tuple[int, int]) -> tuple[Tensor, Tensor]:
        epoch, position = index if isinstance(index, tuple) else (0, index)
        return self.transform(*self.raw(position), epoch, position % len(self))

    def raw(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 (H, W, 3) and mask uint8 (H, W), void 255, before the transform."""
        return self.source.raw(index)


@dataclass(frozen=True)
class Plain:
    """Resize and normalise. `size=None` keeps the native size; `targets=False` keeps the mask at full label size."""

    size: tuple[int, int] | None = None
    targets: bool = True

    def __call__(self, image: np.ndarray, mask: np.ndarray, epoch: int = 0, index: int = 0) -> tuple[Tensor, Tensor]:
        images, targets = _tensors(image, mask)
        if self.size is not None:
            images = resize(images, self.size)
            targets = resize_mask(targets, self.size) if self.targets else targets
        return normalise(images), targets[0].long()


def _tensors(image: np.ndarray, mask: np.ndarray) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(mask)[None]


@dataclass(frozen=True)
class Augment:
    """Random scale 0.5 to 2, crop to `size`, left-right flip and light colour changes, then normalise.

    Every draw comes from (seed, epoch, index) through a generator of its own: workers, resuming and other random
    numbers of the process make no difference. Where the scaled picture is smaller than `size`, the rest is mean colour
    and void.
    """

    size: tuple[int, int] | None = None
    seed: int = 0
    scale: tuple[float, float] = (0.5, 2.0)
    flip: float = 0.5
    colour: float = 0.2

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"augmentation seed {self.seed}; seeds are whole numbers from 0 up; choose one")

    def __call__(self, image: np.ndarray, mask: np.ndarray, epoch: int = 0, index: int = 0) -> tuple[Tensor, Tensor]:
        images, targets = _tensors(image, mask)
        generator = _generator(self.seed, epoch, index)
        size = self.size or (image.shape[0], image.shape[1])
        images, targets = _scale_and_crop(images, targets, size, _uniform(generator, *self.scale), generator)
        if _uniform(generator, 0, 1) < self.flip:
            images, targets = F.horizontal_flip(images), F.horizontal_flip(targets)
        for adjust in (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation):
            images = adjust(images, _uniform(generator, 1 - self.colour, 1 + self.colour))
        return normalise(images), targets[0].long()


def _scale_and_crop(
    image: Tensor, mask: Tensor, size: tuple[int, int], scale: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Resize to `scale` times the size that just fits into `size`, pad what is missing, crop at random."""
    fit = min(want / have for want, have in zip(size, image.shape[-2:], strict=True))
    scaled = tuple(max(1, round(side * fit * scale)) for side in image.shape[-2:])
    image, mask = resize(image, scaled), resize_mask(mask, scaled)  # type: ignore[arg-type]
    spare = [have - want for have, want in zip(scaled, size, strict=True)]
    top, left = (_between(generator, min(0, s), max(0, s)) for s in spare)
    window = max(0, top), max(0, left), min(size[0], scaled[0]), min(size[1], scaled[1])
    image, mask = F.crop(image, *window), F.crop(mask, *window)
    border = [max(0, -left), max(0, -top), max(0, left - spare[1]), max(0, top - spare[0])]
    return F.pad(image, border, fill=MEAN_BYTES), F.pad(mask, border, fill=VOID)


def _generator(seed: int, epoch: int, index: int) -> torch.Generator:
    state = np.random.SeedSequence((seed, epoch, index)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def _uniform(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=generator).item()


def _between(generator: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))
