"""Pictures and masks to tensors: resize, augment, normalise; labels are never blended.

A transform is called as `transform(image, mask, epoch, index)` with image uint8 (H, W, 3), or a tuple of such inputs in
which depth is float32 (H, W), and mask uint8 (H, W), void 255. It returns the image as float32 (3, h, w), normalised,
or a tuple (depth: (1, h, w), metres), and the target as int64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from .catalogue import Images
from .reading import VOID

MEAN = (0.485, 0.456, 0.406)  # ImageNet, RGB, of values in 0..1
STD = (0.229, 0.224, 0.225)
MEAN_BYTES = [124, 116, 104]  # padding that normalises to about zero
Tensors = Tensor | tuple[Tensor, ...]


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
    """Image uint8 (3, H, W) to (3, *size): bilinear, antialiased. Depth (1, H, W): nearest, it has no in-between."""
    if not _is_picture(image):
        return resize_mask(image, size)
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

    def raw(self, index: int) -> tuple[Images, np.ndarray]:
        """Image uint8 (H, W, 3), or a tuple of inputs, and mask uint8 (H, W), void 255."""


class Prepared(Dataset[tuple[Tensors, Tensor]]):
    """A source behind a transform: item `i` or `(epoch, i)` is (image float32 (3, h, w), target int64 (h, w)).

    Where the source has several inputs the image is a tuple of them, in the order of `inputs`.
    """

    takes_epoch = True  # asked for (epoch, i) by `training.batches`

    def __init__(self, source: Source, transform: Plain | Augment) -> None:
        self.source, self.transform = source, transform
        self.name, self.classes, self.palette = source.name, source.classes, source.palette
        self.ignore_index, self.fingerprint = source.ignore_index, source.fingerprint
        self.inputs: tuple[str, ...] = getattr(source, "inputs", ("rgb",))

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int | tuple[int, int]) -> tuple[Tensors, Tensor]:
        epoch, position = index if isinstance(index, tuple) else (0, index)
        return self.transform(*self.raw(position), epoch, position % len(self))

    def raw(self, index: int) -> tuple[Images, np.ndarray]:
        """Image uint8 (H, W, 3), or a tuple of inputs, and mask uint8 (H, W), void 255, before the transform."""
        return self.source.raw(index)


@dataclass(frozen=True)
class Plain:
    """Resize and normalise. `size=None` keeps the native size; `targets=False` keeps the mask at full label size."""

    size: tuple[int, int] | None = None
    targets: bool = True

    def __call__(self, image: Images, mask: np.ndarray, epoch: int = 0, index: int = 0) -> tuple[Tensors, Tensor]:
        images, targets = _tensors(image, mask)
        if self.size is not None:
            images = [resize(entry, self.size) for entry in images]
            targets = resize_mask(targets, self.size) if self.targets else targets
        return _finished(images), targets[0].long()


@dataclass(frozen=True)
class Augment:
    """Random scale 0.5 to 2, crop, left-right flip and light colour changes, then normalise.

    Every draw comes from (seed, epoch, index) through a generator of its own: workers, resuming and other random
    numbers of the process make no difference. Where the scaled picture is smaller than the crop, the rest is mean
    colour and void. All inputs move together; colours change in photographs only, not in HHA or depth.

    Args:
        size: (height, width) of scale 1, which is what `Plain` resizes to for testing; None: the native size.
        seed: of all draws.
        scale: smallest and greatest factor, drawn uniformly.
        flip: share of mirrored pictures.
        colour: brightness, contrast and saturation change by up to this share.
        crop: (height, width) cut out; None: `size`. A crop smaller than `size` is how large pictures are trained on.
        inputs: kind of each input.
    """

    size: tuple[int, int] | None = None
    seed: int = 0
    scale: tuple[float, float] = (0.5, 2.0)
    flip: float = 0.5
    colour: float = 0.2
    crop: tuple[int, int] | None = None
    inputs: tuple[str, ...] = ("rgb",)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"got augmentation seed {self.seed}; seeds are whole numbers from 0 up; choose one")

    def __call__(self, image: Images, mask: np.ndarray, epoch: int = 0, index: int = 0) -> tuple[Tensors, Tensor]:
        images, targets = _tensors(image, mask)
        generator = _generator(self.seed, epoch, index)
        size = self.size or (mask.shape[0], mask.shape[1])
        factor = _uniform(generator, *self.scale)
        scaled = max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
        window = _Window.drawn(scaled, self.crop or size, generator)
        images = [window.cut(resize(entry, scaled)) for entry in images]
        targets = window.cut(resize_mask(targets, scaled), VOID)
        if _uniform(generator, 0, 1) < self.flip:
            images, targets = [F.horizontal_flip(entry) for entry in images], F.horizontal_flip(targets)
        for adjust in (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation):
            change = _uniform(generator, 1 - self.colour, 1 + self.colour)
            images = [adjust(e, change) if k == "rgb" else e for e, k in zip(images, self.inputs, strict=True)]
        return _finished(images), targets[0].long()


class _Window(NamedTuple):
    """What a crop takes from a picture, and the border it adds where the picture ends."""

    crop: tuple[int, int, int, int]  # top, left, height, width
    border: list[int]  # left, top, right, bottom

    @classmethod
    def drawn(cls, scaled: tuple[int, int], size: tuple[int, int], generator: torch.Generator) -> _Window:
        """A window of `size` at a random place: within the picture where that is larger, around it where smaller."""
        spare = [have - want for have, want in zip(scaled, size, strict=True)]
        top, left = (_between(generator, min(0, s), max(0, s)) for s in spare)
        crop = max(0, top), max(0, left), min(size[0], scaled[0]), min(size[1], scaled[1])
        return cls(crop, [max(0, -left), max(0, -top), max(0, left - spare[1]), max(0, top - spare[0])])

    def cut(self, image: Tensor, fill: int | None = None) -> Tensor:
        """Crop and pad (C, H, W); pictures with mean colour, depth with 0, which is no depth."""
        colour = MEAN_BYTES if _is_picture(image) else 0
        return F.pad(F.crop(image, *self.crop), self.border, fill=colour if fill is None else fill)


def _is_picture(image: Tensor) -> bool:
    return image.dtype == torch.uint8 and image.shape[0] == 3


def _tensors(image: Images, mask: np.ndarray) -> tuple[list[Tensor], Tensor]:
    images = [torch.from_numpy(entry) for entry in (image if isinstance(image, tuple) else (image,))]
    return [e.permute(2, 0, 1) if e.ndim == 3 else e[None] for e in images], torch.from_numpy(mask)[None]


def _finished(images: list[Tensor]) -> Tensors:
    finished = tuple(normalise(entry) if _is_picture(entry) else entry for entry in images)
    return finished if len(finished) > 1 else finished[0]


def _generator(seed: int, epoch: int, index: int) -> torch.Generator:
    state = np.random.SeedSequence((seed, epoch, index)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


def _uniform(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=generator).item()


def _between(generator: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))
