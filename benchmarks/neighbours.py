"""What memory alone scores on CamVid: each test frame gets the labels of the training frame that looks most like it.

    python benchmarks/neighbours.py --root DIR

Nothing is learned. Pictures are compared as thumbnails of 24x32; names and times are not looked at. Where the split
puts neighbours in time on both sides, this scores high: by so much it rewards remembering.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imachsr import datasets
from imachsr.datasets.camvid import SPLITS
from imachsr.experiment import write_atomically
from imachsr.figures.neighbours import look_alikes, thumbnail
from imachsr.metrics import PROTOCOLS, Confusion

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "benchmarks" / "camvid_neighbours.json"
MEANS = ("mIoU", "mPrecision", "mRecall", "mF1", "pixel_accuracy")


def copied(split: str, root: Path, seen: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """Scores of the copied labels under every protocol, and who was copied."""
    train, test = (datasets.create("camvid", split, part=part, root=root).source for part in ("train", "test"))
    for source in (train, test):
        for index, item in enumerate(source.items):
            if item.name not in seen:
                image, mask = source.raw(index)
                seen[item.name] = thumbnail(image), mask
    known, asked = ([item.name for item in source.items] for source in (train, test))
    chosen = look_alikes([seen[name][0] for name in known], [seen[name][0] for name in asked])
    confusion = Confusion(len(train.classes))
    for name, index in zip(asked, chosen, strict=True):
        guess, truth = seen[known[index]][1], seen[name][1]
        wrong = np.where(truth == 0, 1, 0)  # void is no answer: it counts as a wrong one
        guess = np.where(guess == train.ignore_index, wrong, guess)
        confusion.update(torch.as_tensor(guess[None]), torch.as_tensor(truth[None]))
    scores = {protocol: confusion.scores(protocol) for protocol in PROTOCOLS}
    return {
        "split": split, "train": len(known), "test": len(asked), "image_format": train.image_format,
        "scores": {protocol: {mean: found[mean] for mean in MEANS} for protocol, found in scores.items()},
        "copied": {name: known[index] for name, index in zip(asked, chosen, strict=True)},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="folder of CamVid")
    parser.add_argument("--out", type=Path, default=OUT, help="where the results go (%(default)s)")
    arguments = parser.parse_args()
    seen: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    rows = [copied(split, arguments.root, seen) for split in SPLITS if split != "tune"]
    for row in rows:
        print(f"{row['split']:<11}{100 * row['scores']['dataset']['mIoU']:6.2f} % mIoU, protocol dataset")
    write_atomically(arguments.out, json.dumps({"thumbnail": [24, 32], "rows": rows}, indent=1) + "\n")
    print(f"written to {arguments.out}")


if __name__ == "__main__":
    main()
