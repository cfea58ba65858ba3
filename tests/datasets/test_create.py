"""`create`: any dataset by name, and a plain no to what does not exist."""

import doctest

import pytest
import torch

from imachsr import datasets


@pytest.mark.parametrize("name", ["streets", "camvid"])
@pytest.mark.parametrize(("part", "targets"), [("train", (32, 40)), ("val", None), ("test", None)])
def test_items_and_attributes(draw, name, part, targets):
    root = draw() if name == "camvid" else None
    dataset = datasets.create(name, part=part, root=root, size=(32, 40), length=2)
    image, target = dataset[0]
    native = (36, 48) if name == "camvid" else (32, 40)  # streets are drawn at the size asked for
    assert image.dtype == torch.float32
    assert image.shape == (3, 32, 40)
    assert target.dtype == torch.int64
    assert target.shape == (targets or native)
    assert len(dataset) == 2
    assert dataset.name == name
    assert len(dataset.classes) == len(dataset.palette) == 11
    assert dataset.ignore_index == 255
    assert isinstance(dataset.fingerprint, str)
    assert {*target.unique().tolist()} <= {*range(11), 255}
    datasets.verify(dataset)


def test_both_name_the_same_classes(draw):
    streets, camvid = datasets.create("streets"), datasets.create("camvid", root=draw())
    assert streets.classes == camvid.classes
    assert streets.palette == camvid.palette


def test_augment_follows_the_epoch(draw):
    dataset = datasets.create("camvid", root=draw(), size=(32, 40), augment=True, seed=3)
    assert dataset[0][0].shape == (3, 32, 40)
    assert not torch.equal(dataset[0, 1][0], dataset[1, 1][0])
    plain = datasets.create("camvid", root=draw("other"), size=(32, 40))
    assert torch.equal(plain[0, 1][0], plain[1, 1][0])


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("kitti", {}, "dataset 'kitti'; there are streets, camvid; choose one of them"),
        ("streets", {"split": "random600"}, "split 'random600'; streets has the split standard"),
        ("streets", {"part": "dev"}, "part 'dev'; the parts are train, val, test; choose one of them"),
        ("camvid", {}, "camvid without root; it reads files; fetch them with `imachsr data get camvid --root DIR`"),
        (
            "camvid",
            {"root": ".", "split": "half"},
            "split 'half'; camvid has the splits standard, random600, val101, blocked600",
        ),
        (
            "camvid",
            {"root": ".", "split": "random600", "part": "val"},
            "split 'random600' of camvid has the parts train, test;",
        ),
        ("streets", {"part": "test", "augment": True}, "augment=True with part 'test'; only part 'train' is augmented"),
        ("streets", {"size": (0, 40)}, r"size \(0, 40\); sizes are \(height, width\) in whole pixels; pass one"),
    ],
)
def test_refusals(name, options, words):
    with pytest.raises(ValueError, match=words):
        datasets.create(name, **options)


def test_examples():
    from imachsr.datasets import transforms

    for module in (datasets, transforms):
        assert doctest.testmod(module).failed == 0
