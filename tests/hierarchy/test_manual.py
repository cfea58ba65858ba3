"""Groupings by hand reach every size, and only join what is apart."""

import json

import pytest

from imachsr.hierarchy import MANUAL, halving, manual


@pytest.mark.parametrize("data", MANUAL)
def test_every_size_is_reached_and_larger_clusters_hold_smaller_ones(data):
    classes = list(dict.fromkeys(name for pair in MANUAL[data] for name in pair))
    assert len(MANUAL[data]) == len(classes) - 2
    finer = manual(data, classes, len(classes))
    assert finer.tolist() == list(range(len(classes)))
    for size in range(len(classes) - 1, 1, -1):
        ids = manual(data, classes, size)
        assert sorted(set(ids.tolist())) == list(range(size))
        assert len(set(zip(finer.tolist(), ids.tolist(), strict=True))) == size + 1
        finer = ids


def test_cityscapes_passes_through_its_categories(shared):
    labels = json.loads((shared / "data/tables/cityscapes_labels.json").read_text())
    scored = sorted((row for row in labels if 0 <= row["train_id"] < 19), key=lambda row: row["train_id"])
    names, categories = [row["name"] for row in scored], [row["category"] for row in scored]
    assert manual("cityscapes", names, 7).tolist() == [list(dict.fromkeys(categories)).index(c) for c in categories]


def test_nyudv2_groups_its_forty_classes(shared):
    names = json.loads((shared / "data/tables/nyu40.json").read_text())["classes40"]
    ids = manual("nyudv2", names, 4)
    where = {name: ids[names.index(name)] for name in ("floor", "wall", "chair", "books")}
    assert len(set(where.values())) == 4


def test_halving():
    assert halving(40, 3) == [5, 10, 20]
    assert halving(5, 4) == [2, 2, 2, 2]
    with pytest.raises(ValueError, match="two classes and one point at least; pass more"):
        halving(1, 1)


def test_refusals():
    with pytest.raises(ValueError, match=r"got data 'mine'; classes are grouped by hand for"):
        manual("mine", ["a", "b"], 2)
    with pytest.raises(ValueError, match=r"differ from those grouped for 'camvid' in .*'cow'"):
        manual("camvid", ["cow"], 2)
    classes = list(dict.fromkeys(name for pair in MANUAL["camvid"] for name in pair))
    with pytest.raises(ValueError, match=r"got size=1 for 11 classes"):
        manual("camvid", classes, 1)
