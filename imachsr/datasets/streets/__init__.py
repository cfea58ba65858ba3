"""Streets: drawn street scenes with CamVid's classes, made on the spot, so that nothing needs a download.

`scene.draw` is the whole idea on one screen; the other files are its steps, in this order: `camera` and `weather` see,
`layout` says what stands where, `surfaces` and `walls` paint the ground, the sky and the fronts, `things` and `traffic`
what stands before them; `textures` and `colours` are what all of them draw with.
"""

from __future__ import annotations

import numpy as np

VERSION = 1  # raise it whenever a scene changes by a single byte

CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
)  # fmt: skip
PALETTE = [
    [128, 128, 128], [128, 0, 0], [192, 192, 128], [128, 64, 128], [60, 40, 222], [128, 128, 0], [192, 128, 128],
    [64, 64, 128], [64, 0, 128], [64, 64, 0], [0, 128, 192],
]  # fmt: skip
LENGTHS = {"train": 600, "val": 100, "test": 200}


class Streets:
    """Street scenes drawn from (seed, part, index): the same bytes in every process and in any order.

    A driver's view along a street: houses, trees, traffic and people in changing light and weather. Colours are shared
    between classes on purpose (grey sky, road and walls), so that labels follow from context. Parts draw from streams
    that never meet. Pixels nobody would label (bins, the bonnet, some outlines) are void.

    Args:
        part: "train", "val" or "test".
        size: (height, width) in pixels, each at least 32; scenes are drawn at this size, not resized.
        length: number of scenes; by default 600, 100 and 200 for the three parts.
        seed: another seed, another city.

    Raises:
        ValueError: unknown part, or a size, length or seed out of range.

    >>> image, mask = Streets("val", size=(48, 64)).raw(0)
    >>> image.shape, mask.shape
    ((48, 64, 3), (48, 64))
    """

    name = "streets"
    classes = CLASSES
    palette = PALETTE
    ignore_index = 255

    def __init__(
        self,
        part: str = "train",
        *,
        size: tuple[int, int] = (120, 160),
        length: int | None = None,
        seed: int = 0,
    ) -> None:
        if part not in LENGTHS:
            raise ValueError(f"got part={part!r}; Streets has {', '.join(LENGTHS)}; pass one of these")
        sides = size if isinstance(size, tuple | list) else ()
        if len(sides) != 2 or not all(isinstance(side, int) and side >= 32 for side in sides):
            raise ValueError(f"got size={size!r}; scenes need (height, width), whole pixels from 32 up; try (120, 160)")
        length = LENGTHS[part] if length is None else length
        if not isinstance(length, int) or length < 1:
            raise ValueError(f"got length={length!r}; a part holds at least one scene; pass a whole number from 1 up")
        if not isinstance(seed, int) or seed < 0:
            raise ValueError(f"got seed={seed!r}; seeds are whole numbers from 0 up; pass one, such as seed=0")
        self.part, self.size, self.length, self.seed = part, tuple(sides), length, seed

    @property
    def fingerprint(self) -> str:
        """Generator version, part, seed, size and length: equal fingerprints mean equal bytes."""
        height, width = self.size
        return f"{self.name}-{VERSION}:{self.part}:{self.seed}:{height}x{width}:{self.length}"

    def __len__(self) -> int:
        return self.length

    def raw(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Image uint8 (H, W, 3) and mask uint8 (H, W) of one scene, untransformed.

        Raises:
            IndexError: no scene has this index; negative ones count from the end, as in a list.
        """
        if not -self.length <= index < self.length:
            raise IndexError(
                f"got index {index}; this part holds {self.length} scenes; stay below, or ask for a greater length"
            )
        from .scene import draw  # needs PIL

        return draw((self.seed, [*LENGTHS].index(self.part), index % self.length), *self.size)
