"""CamVid's frames in time: which split puts near-copies of training frames into the test set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ..datasets.catalogue import Catalogue

# every annotated frame of the data set: name, then (first, last, step) of its stretches, at 30 frames per second
STRETCHES = {
    "0001TP_{:06d}": ((6690, 10380, 30),),
    "0006R0_f{:05d}": ((930, 3930, 30),),
    "0016E5_{:05d}": (
        (390, 870, 30), (901, 901, 30), (930, 2400, 30), (4350, 7920, 30), (7959, 8159, 2), (8190, 8640, 30),
    ),
    "Seq05VD_f{:05d}": ((0, 5100, 30),),
}  # fmt: skip
THUMBNAIL = (24, 32)  # (rows, columns) by which pictures are compared


def frame_list() -> Catalogue:
    """CamVid's 701 frames by name, as published, without a file: enough to deal out every split."""
    from ..datasets import brostow, camvid
    from ..datasets.catalogue import Catalogue, Item

    parts: dict[str, list[Item]] = {part: [] for part in camvid.COUNTS}
    for pattern, stretches in STRETCHES.items():
        for first, last, step in stretches:
            for number in range(first, last + 1, step):
                name = pattern.format(number)
                part = brostow.part_of(name.split("_")[0], number)
                parts[part].append(Item(name, (Path(f"{name}.png"),), Path(f"{name}_L.png")))
    nothing: Any = None  # nobody reads pixels from a list of names
    return Catalogue("camvid", Path(), camvid.CLASSES, camvid.PALETTE, parts, nothing, "", published=camvid.COUNTS)


def gap_table(splits: Sequence[str], *, seed: int = 0) -> pd.DataFrame:
    """One row per test frame of each split: seconds to the nearest training frame of the same drive (inf: none).

    Args:
        splits: of `datasets.camvid.SPLITS`.
        seed: of the draw of `random600`.

    Returns:
        `split`, `name`, `nearest` (empty where there is none), `seconds`.
    """
    import pandas as pd

    from ..datasets.camvid import FRAMES_PER_SECOND, divide, frame

    catalogue, rows = frame_list(), []
    for split in splits:
        dealt = divide(catalogue, split, seed)
        train = [(*frame(item), item.name) for item in dealt["train"]]
        for item in dealt["test"]:
            drive, number = frame(item)
            apart = [(abs(number - n), name) for d, n, name in train if d == drive]
            frames, nearest = min(apart, default=(float("inf"), ""))
            rows.append({"split": split, "name": item.name, "nearest": nearest, "seconds": frames / FRAMES_PER_SECOND})
    return pd.DataFrame(rows)


def gap_chart(table: pd.DataFrame) -> Figure:
    """Share of the test frames that have a training frame of the same drive within so many seconds."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    figure, axis = plt.subplots(figsize=(8, 3.6), layout="constrained")
    splits = list(table["split"].unique())
    styles = ("-", "--", "-.", ":")
    for number, (color, split) in enumerate(zip(sns.color_palette("colorblind", len(splits)), splits, strict=True)):
        seconds = np.sort(table.loc[table["split"] == split, "seconds"])
        share = 100 * np.arange(1, len(seconds) + 1) / len(seconds)
        near = np.isfinite(seconds)
        x, y = [0.05, *seconds[near], 200.0], [0.0, *share[near], share[near][-1] if near.any() else 0.0]
        axis.step(x, y, where="post", color=color, linestyle=styles[number % 4], linewidth=2, label=split)
    axis.set(xscale="log", xlabel="seconds to the nearest training frame of the same drive", ylabel="test frames (%)",
             ylim=(-2, 102), xlim=(0.05, 200))  # fmt: skip
    axis.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    axis.legend(title="split", frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    sns.despine(figure)
    return figure


def thumbnail(image: np.ndarray) -> np.ndarray:
    """A picture uint8 (H, W, 3) as float32 (24, 32, 3): means over its parts."""
    from PIL import Image

    small = Image.fromarray(image).resize(THUMBNAIL[::-1], Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)


def look_alikes(train: Sequence[np.ndarray], test: Sequence[np.ndarray]) -> list[int]:
    """For each test thumbnail, which training thumbnail is closest to it: the least sum of squared differences."""
    known = np.stack([picture.ravel() for picture in train])
    return [int(((known - picture.ravel()) ** 2).sum(1).argmin()) for picture in test]
