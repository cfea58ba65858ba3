"""`create`: any dataset by name, under one contract, and the seeds kept apart."""

import doctest

import numpy as np
import pytest
import torch
from PIL import Image

from imachsr import datasets
from imachsr.datasets import transforms


@pytest.fixture(params=["streets", "camvid"])
def named(request):
    """Name and root of every dataset."""
    return request.param, None if request.param == "streets" else request.getfixturevalue("camvid")


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_contract(named, part):
    name, root = named
    dataset = datasets.create(name, part=part, root=root, size=(36, 48), length=1)
    image, target = dataset[0]
    assert (image.dtype, target.dtype) == (torch.float32, torch.int64)
    assert image.shape == (3, 36, 48)
    assert set(target.unique().tolist()) <= {*range(11), 255}
    assert (len(dataset), len(dataset.classes), np.shape(dataset.palette)) == (1, 11, (11, 3))
    assert (dataset.name, dataset.ignore_index) == (name, 255)
    assert isinstance(dataset.fingerprint, str)
    assert dataset.source.raw(0)[0].dtype == dataset.raw(0)[0].dtype == np.uint8
    datasets.verify(dataset)


def test_all_name_the_same_classes(camvid):
    streets, frames = datasets.create("streets"), datasets.create("camvid", root=camvid)
    assert (streets.classes, streets.palette) == (frames.classes, frames.palette)


def test_targets_follow_in_train_only(camvid):
    shapes = {
        part: tuple(datasets.create("camvid", part=part, root=camvid, size=(9, 12))[0][1].shape)
        for part in datasets.PARTS
    }
    assert shapes == {"train": (9, 12), "val": (18, 24), "test": (18, 24)}


def test_augmentation_has_a_seed_of_its_own(named):
    name, root = named

    def make(**changes):
        return datasets.create(name, root=root, size=(36, 48), length=2, augment=True, **changes)

    base, other = make(), make(augment_seed=1)
    assert torch.equal(base[1][0], make(augment_seed=0)[1][0])
    assert not torch.equal(base[1][0], other[1][0])
    assert not torch.equal(base[0, 1][0], base[1, 1][0])
    np.testing.assert_array_equal(base.raw(1)[0], other.raw(1)[0])
    assert base.fingerprint == other.fingerprint


def test_seed_is_of_the_data(camvid_701):
    scenes = [datasets.create("streets", size=(32, 32), length=1, seed=seed) for seed in (0, 1)]
    assert scenes[0].fingerprint != scenes[1].fingerprint
    assert not torch.equal(scenes[0][0][0], scenes[1][0][0])
    for split, drawn in (("standard", False), ("random600", True)):
        prints = {datasets.create("camvid", split, root=camvid_701, seed=seed).fingerprint for seed in (0, 1)}
        assert (len(prints) == 2) == drawn


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "kitti"}, r"got dataset 'kitti'; there are streets, camvid, cityscapes, .*; choose one of them"),
        ({"part": "training"}, r"got part 'training'; the parts are train, val, test; choose one of them"),
        ({"split": "random600"}, r"got split 'random600'; streets has the splits standard, tune; choose one"),
        (
            {"split": "tune", "part": "val"},
            r"got part 'val'; split 'tune' of streets has the parts train, test; choose one",
        ),
        ({"root": "somewhere"}, r"got root 'somewhere' for streets; they are drawn, not read; .* leave root out"),
        ({"augment": True, "part": "val"}, r"got augment=True with part 'val'; only part 'train' is augmented; leave"),
        (
            {"name": "camvid"},
            r"got camvid without root; it reads files; fetch them with `imachsr data get camvid --root",
        ),
        ({"name": "camvid", "root": "/no/such"}, r"no folder at .*such; CamVid's root holds .*; fetch a fresh copy"),
        ({"size": (0, 64)}, r"got size \(0, 64\); sizes are \(height, width\) in whole pixels; pass one such as"),
        ({"size": (64,)}, r"got size \(64,\); sizes are \(height, width\)"),
        ({"size": (60.0, 80)}, r"got size \(60.0, 80\); sizes are \(height, width\)"),
        ({"augment": True, "crop": (0, 4)}, r"got crop \(0, 4\); sizes are \(height, width\) in whole pixels"),
        (
            {"crop": (8, 8)},
            r"got crop=\(8, 8\) without augment=True; crops are cut by augmentation; set augment, or leave",
        ),
        ({"classes": 19}, r"got classes=19 for streets; it has 11; choose that, or leave it out"),
        ({"inputs": "hha"}, r"got inputs='hha' for streets; it has 'rgb'; choose that, or leave it out"),
        ({"name": "nyudv2"}, r"got nyudv2 without root; it reads files; say where they are"),
        ({"augment": True, "augment_seed": -1}, r"got augmentation seed -1; seeds are whole numbers from 0 up"),
    ],
)
def test_refusals(arguments, words):
    with pytest.raises(ValueError, match=words):
        datasets.create(**{"name": "streets", **arguments})


def test_verify_reads_the_masks_before_the_first_step(camvid):
    Image.new("L", (24, 18), 42).save(camvid / "trainannot" / "0001TP_000030.png")
    dataset = datasets.create("camvid", root=camvid)
    with pytest.raises(ValueError, match=r"0001TP_000030.png: label 42; labels are 0..10.*every file must be whole"):
        datasets.verify(dataset)


def test_only_files_are_checked(camvid):
    assert datasets.check("camvid", camvid, progress=False).counts == {"train": 3, "val": 1, "test": 1}
    with pytest.raises(
        ValueError, match=r"got dataset 'streets'; those with files are camvid, cityscapes, .*; choose one"
    ):
        datasets.check("streets", camvid)


def test_examples():
    for module in (datasets, transforms):
        assert doctest.testmod(module).attempted > 0
        assert doctest.testmod(module).failed == 0
