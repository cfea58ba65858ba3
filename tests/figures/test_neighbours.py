"""CamVid in time: the frame list is the published one, gaps are right, thumbnails find copies."""

import json

import numpy as np
import pytest

from conftest import REPOSITORY
from imachsr import datasets
from imachsr.datasets import camvid
from imachsr.figures import neighbours


def test_the_frame_list_is_the_published_one(shared):
    real = datasets.find("camvid", shared / "data" / "camvid")
    names = {part: sorted(item.name for item in items) for part, items in real.parts.items()}
    assert {part: sorted(item.name for item in items) for part, items in neighbours.frame_list().parts.items()} == names


def test_the_frame_list_has_the_published_counts():
    assert {part: len(items) for part, items in neighbours.frame_list().parts.items()} == camvid.COUNTS


@pytest.mark.parametrize("split", camvid.SPLITS)
def test_gaps_agree_with_the_dataset(split):
    table = neighbours.gap_table([split])
    dealt = camvid.divide(neighbours.frame_list(), split)
    assert set(table["name"]) == {item.name for item in dealt["test"]}
    assert table["seconds"].min() == pytest.approx(camvid.gap(dealt["train"], dealt["test"]))
    reachable = table[np.isfinite(table["seconds"])]
    assert set(reachable["nearest"]) <= {item.name for item in dealt["train"]}


def test_look_alikes_find_the_copy():
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(5)]
    small = [neighbours.thumbnail(picture) for picture in pictures]
    assert small[0].shape == (*neighbours.THUMBNAIL, 3)
    noisy = [np.clip(small[i] + rng.normal(0, 3, small[i].shape), 0, 255) for i in (3, 0, 4)]
    assert neighbours.look_alikes(small, noisy) == [3, 0, 4]


def test_what_was_filed_covers_every_split():
    rows = json.loads((REPOSITORY / "data/results/benchmarks/camvid_neighbours.json").read_text())["rows"]
    assert [row["split"] for row in rows] == [split for split in camvid.SPLITS if split != "tune"]
    for row in rows:
        dealt = camvid.divide(neighbours.frame_list(), row["split"])
        assert (row["train"], row["test"]) == (len(dealt["train"]), len(dealt["test"]))
        assert set(row["copied"]) == {item.name for item in dealt["test"]}
        assert set(row["copied"].values()) <= {item.name for item in dealt["train"]}
