"""Streets: the same bytes everywhere, honest labels, and nothing colour alone could solve."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from imachsr import datasets
from imachsr.datasets.streets import CLASSES, PALETTE, Streets

SMALL = (60, 80)

# train scenes 0, 1, 2: mean red, green and blue of 3 x 4 blocks; pixels per thousand of the 11 classes and void
STORED = [
    (
        [148, 140, 121, 167, 151, 126, 222, 200, 161, 166, 151, 131, 130, 111, 81, 122, 102, 78,
         127, 111, 88, 159, 130, 92, 153, 134, 94, 120, 111, 104, 118, 109, 102, 117, 108, 101],
        [235, 83, 20, 414, 46, 117, 7, 28, 32, 11, 0, 7],
    ),
    (
        [107, 121, 128, 126, 153, 165, 120, 136, 155, 75, 78, 63, 104, 108, 107, 107, 109, 115,
         97, 95, 92, 110, 103, 91, 112, 111, 101, 125, 122, 108, 102, 98, 84, 81, 80, 73],
        [142, 122, 9, 394, 22, 150, 12, 13, 15, 13, 0, 109],
    ),
    (
        [196, 204, 213, 184, 192, 200, 173, 175, 176, 150, 147, 133, 163, 170, 166, 142, 144, 145,
         134, 131, 120, 144, 136, 121, 98, 102, 108, 84, 90, 101, 84, 92, 106, 96, 100, 108],
        [275, 203, 8, 192, 56, 66, 8, 83, 36, 5, 0, 67],
    ),
]  # fmt: skip


def digest(dataset, index):
    return hashlib.sha256(b"".join(array.tobytes() for array in dataset.raw(index))).hexdigest()


def thumbnail(image):
    """Means of 3 x 4 blocks: near enough the same on every platform, far off once a scene changes."""
    height, width, _ = image.shape
    return image.reshape(3, height // 3, 4, width // 4, 3).mean((1, 3))


@pytest.fixture(scope="module")
def scenes():
    dataset = Streets("train")
    return [dataset.raw(index) for index in range(50)]


def test_a_scene_does_not_depend_on_order_or_dataset():
    dataset = Streets("train", size=SMALL)
    forward = [digest(dataset, index) for index in range(4)]
    backward = [digest(Streets("train", size=SMALL), index) for index in (3, 2, 1, 0)]
    assert forward == backward[::-1]
    assert len(set(forward)) == 4
    assert digest(dataset, -1) == digest(dataset, len(dataset) - 1)


def test_another_process_draws_the_same_bytes():
    program = (
        "import hashlib; from imachsr.datasets.streets import Streets; d = Streets('val', size=(60, 80));"
        "print(hashlib.sha256(b''.join(a.tobytes() for a in d.raw(5))).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert answer.strip() == digest(Streets("val", size=SMALL), 5)


def summary(index):
    image, mask = Streets("train").raw(index)
    counts = np.bincount(mask.ravel(), minlength=256)[[*range(11), 255]]
    return thumbnail(image).ravel(), 1000 * counts / mask.size


@pytest.mark.parametrize("index", range(len(STORED)))
def test_scenes_are_the_stored_ones(index):
    """Whoever changes a scene raises `streets.VERSION` and stores what `summary` says."""
    for found, stored in zip(summary(index), STORED[index], strict=True):
        np.testing.assert_allclose(found, stored, atol=3)


def test_parts_and_seeds_are_different_streams():
    sets = [Streets(part, size=(32, 32), seed=seed) for part in ("train", "val", "test") for seed in (0, 1)]
    digests = [digest(dataset, index) for dataset in sets for index in range(25)]
    assert len(set(digests)) == len(digests)


def test_a_longer_dataset_begins_with_the_shorter_one():
    assert digest(Streets(size=SMALL, length=3), 2) == digest(Streets(size=SMALL, length=900), 2)


def test_labels_are_classes_or_void_and_shares_are_like_a_street(scenes):
    masks = np.stack([mask for _, mask in scenes])
    assert set(np.unique(masks)) == {*range(11), 255}
    share = np.bincount(masks[masks != 255], minlength=11) / (masks != 255).sum()
    low = [0.08, 0.14, 0.005, 0.22, 0.025, 0.04, 0.004, 0.003, 0.02, 0.002, 0.001]
    high = [0.28, 0.36, 0.03, 0.45, 0.12, 0.20, 0.03, 0.03, 0.10, 0.015, 0.01]
    for name, value, least, most in zip(CLASSES, share, low, high, strict=True):
        assert least < value < most, name
    assert 0.01 < (masks == 255).mean() < 0.06
    held = np.array([[(mask == k).any() for k in range(11)] for mask in masks]).mean(0)
    assert held.min() > 0.2


def sharpness(image, mask):
    """Mean colour step across the outlines between two classes of the mask."""
    image, steps, count = image.astype(np.int32), 0.0, 0
    for axis in (0, 1):
        colour = np.abs(np.diff(image, axis=axis)).sum(-1)
        near, far = np.split(mask, [-1], axis)[0], np.split(mask, [1], axis)[1]
        outline = (near != far) & (near != 255) & (far != 255)
        steps, count = steps + colour[outline].sum(), count + outline.sum()
    return steps / count


def test_outlines_of_mask_and_picture_coincide(scenes):
    """Labels moved by one pixel, in any direction, fit the picture visibly worse."""
    inner = (slice(1, -1), slice(1, -1))
    straight = np.mean([sharpness(image[inner], mask[inner]) for image, mask in scenes])
    for axis, shift in ((0, 1), (0, -1), (1, 1), (1, -1)):
        moved = [sharpness(image[inner], np.roll(mask, shift, axis)[inner]) for image, mask in scenes]
        assert np.mean(moved) < 0.92 * straight


def codes(image):
    red, green, blue = (image >> 3).astype(np.int64).transpose(2, 0, 1)
    return (red << 10) | (green << 5) | blue


def test_colour_alone_does_not_solve_it(scenes):
    """The best class for each of 32768 colours, learned on train, stays below 0.35 mIoU on val."""
    votes = np.zeros((1 << 15, 11))
    for image, mask in scenes:
        np.add.at(votes, (codes(image)[mask != 255], mask[mask != 255]), 1)
    for table in (votes, votes / votes.sum(0)):
        confusion, val = np.zeros((11, 11)), Streets("val")
        for index in range(20):
            image, mask = val.raw(index)
            np.add.at(confusion, (mask[mask != 255], table.argmax(1)[codes(image)[mask != 255]]), 1)
        hit = np.diag(confusion)
        assert (hit / (confusion.sum(0) + confusion.sum(1) - hit)).mean() < 0.35


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (96, 128), (32, 160), (160, 32), (360, 480)])
def test_every_size_is_drawn(size):
    dataset = Streets("test", size=size)
    for index in range(3):
        image, mask = dataset.raw(index)
        assert image.shape == (*size, 3)
        assert mask.shape == size
        assert image.dtype == mask.dtype == np.uint8
        assert len(np.unique(mask)) > 3


def test_what_it_says_of_itself():
    dataset = Streets("val", size=(48, 64), seed=3)
    assert dataset.fingerprint == "streets-1:val:3:48x64:100"
    assert [len(Streets(part)) for part in ("train", "val", "test")] == [600, 100, 200]
    assert len(Streets(length=7)) == 7
    assert (dataset.name, dataset.ignore_index, len(dataset.palette)) == ("streets", 255, 11)
    assert CLASSES[6] == "sign"
    assert PALETTE[4] == [60, 40, 222]


def test_indices_work_as_in_a_list():
    dataset = Streets(size=(32, 32), length=3)
    assert digest(dataset, -3) == digest(dataset, 0)
    for index in (3, -4):
        with pytest.raises(IndexError, match=r"got index .*holds 3 scenes; .*greater length"):
            dataset.raw(index)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"part": "dev"}, r"got part='dev'; Streets has train, val, test; pass"),
        ({"size": (31, 64)}, r"got size=\(31, 64\); scenes need .*from 32 up; try"),
        ({"size": (64.0, 64)}, r"got size=\(64.0, 64\); scenes need"),
        ({"size": 64}, r"got size=64; scenes need"),
        ({"length": 0}, r"got length=0; .*at least one scene; pass"),
        ({"seed": -1}, r"got seed=-1; .*from 0 up; pass"),
    ],
)
def test_wrong_arguments_are_explained(arguments, words):
    with pytest.raises(ValueError, match=words):
        Streets(**arguments)


@pytest.mark.parametrize(("seed", "index"), [(9, 1), (5, 194)])
def test_a_street_without_walls_is_drawn(seed, index):
    image, mask = Streets("train", seed=seed).raw(index)
    assert image.shape == (120, 160, 3)
    assert {0, 3} <= set(np.unique(mask)), "sky and road are there"


def test_tuning_draws_from_streams_that_nothing_is_tested_on():
    train, held_out = (
        datasets.create("streets", "tune", part=part, size=(32, 32), length=3) for part in ("train", "test")
    )
    assert train.fingerprint == datasets.create("streets", size=(32, 32), length=3).fingerprint
    assert held_out.fingerprint == datasets.create("streets", part="val", size=(32, 32), length=3).fingerprint
    assert held_out[0][1].shape == (32, 32)
