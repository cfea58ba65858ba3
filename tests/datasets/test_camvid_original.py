"""CamVid in its first layout: 32 colours, grouped into 11 classes or not, dealt to the same lists."""

import json
import pickle

import numpy as np
import pytest
from PIL import Image

from imachsr import datasets
from imachsr.datasets import brostow
from imachsr.datasets.camvid import CLASSES

FRAMES = ["0001TP_008520", "0001TP_008550", "0006R0_f00930", "0016E5_07959", "0016E5_00390", "Seq05VD_f02610"]


@pytest.fixture
def root(tmp_path):
    """Every colour once in each mask."""
    colours = np.array([colour for colour, _ in brostow.COLOURS.values()], np.uint8).reshape(4, 8, 3)
    for folder in ("701_StillsRaw_full", "LabeledApproved_full"):
        (tmp_path / "camvid" / folder).mkdir(parents=True)
    for k, name in enumerate(FRAMES):
        Image.new("RGB", (8, 4), (k, 7, 9)).save(tmp_path / "camvid" / "701_StillsRaw_full" / f"{name}.png")
        Image.fromarray(colours).save(tmp_path / "camvid" / "LabeledApproved_full" / f"{name}_L.png")
    return tmp_path / "camvid"


def mask_of(root, name):
    return root / "LabeledApproved_full" / f"{name}_L.png"


def test_colours_become_11_classes(root, shared):
    table = json.loads((shared / "data" / "tables" / "camvid32.json").read_text())
    assert {row["name"]: tuple(row["color"]) for row in table} == {n: c for n, (c, _) in brostow.COLOURS.items()}
    grouped = {row["name"]: 255 if row["segnet11"] == 11 else row["segnet11"] for row in table}
    dataset = datasets.create("camvid", root=root)
    assert dataset[0][1].flatten().tolist() == [grouped[name] for name in brostow.NAMES]
    assert dataset.classes == CLASSES


def test_it_is_looked_for_two_folders_deep_and_no_deeper(root, tmp_path):
    assert len(datasets.create("camvid", root=tmp_path)) == 3
    deeper = tmp_path / "disk" / "home"
    deeper.mkdir(parents=True)
    root.rename(deeper / "camvid")
    with pytest.raises(ValueError, match=r"the SegNet layout has a list file train.txt"):
        datasets.create("camvid", root=tmp_path)


def test_or_all_31_named_ones(root):
    dataset = datasets.create("camvid", root=root, classes=31)
    target = dataset[0][1].flatten().tolist()
    assert [dataset.classes[k] if k != 255 else "Void" for k in target] == list(brostow.NAMES)
    assert len(dataset.palette) == 31
    assert dataset.fingerprint != datasets.create("camvid", root=root).fingerprint


@pytest.mark.parametrize(
    ("part", "names"),
    [("train", [FRAMES[0], FRAMES[2], FRAMES[4]]), ("val", [FRAMES[3]]), ("test", [FRAMES[1], FRAMES[5]])],
)
def test_parts_follow_drive_and_number(root, part, names):
    dataset = datasets.create("camvid", root=root, part=part)
    assert sorted(item.name for item in dataset.source.items) == sorted(names)


def test_the_rule_gives_the_public_lists(shared):
    from imachsr.datasets.camvid import frame

    lists = datasets.create("camvid", root=shared / "data" / "camvid").source.catalogue.parts
    assert sum(map(len, lists.values())) == 701
    for part, items in lists.items():
        assert {brostow.part_of(*frame(item)) for item in items} == {part}


def test_a_colour_that_is_no_class(root):
    pixels = np.array(Image.open(mask_of(root, FRAMES[2])))
    pixels[2, 3] = (0, 128, 92)
    Image.fromarray(pixels).save(mask_of(root, FRAMES[2]))
    with pytest.raises(ValueError, match=rf"{FRAMES[2]}_L.png: colour 0,128,92; every pixel has one of the 32 colours"):
        datasets.create("camvid", root=root)[1]
    assert FRAMES[2] in datasets.check("camvid", root, progress=False).problems[0]


def test_the_frame_published_with_stray_colours_is_void_there(root):
    pixels = np.array(Image.open(mask_of(root, FRAMES[5])))
    pixels[2, 3] = (1, 2, 3)
    Image.fromarray(pixels).save(mask_of(root, FRAMES[5]))
    dataset = datasets.create("camvid", root=root, part="test")
    assert dataset[1][1][2, 3] == 255
    assert dataset[1][1][2, 4] == dataset[0][1][2, 4]


@pytest.mark.parametrize(("gone", "words"), [(0, "no image 0006R0_f00930.png"), (1, "no mask 0006R0_f00930_L.png")])
def test_half_a_pair_is_named(root, gone, words):
    [root / "701_StillsRaw_full" / f"{FRAMES[2]}.png", mask_of(root, FRAMES[2])][gone].unlink()
    with pytest.raises(ValueError, match=words):
        datasets.create("camvid", root=root)


def test_splits_of_701_need_701(root):
    with pytest.raises(ValueError, match=r"got 6 pairs; split 'blocked600' deals out all 701 frames; restore"):
        datasets.create("camvid", "blocked600", root=root)


def test_the_segnet_layout_knows_11(camvid):
    with pytest.raises(ValueError, match=r"got classes=31 for the SegNet layout .* its masks know 11; leave classes"):
        datasets.create("camvid", root=camvid, classes=31)


def test_a_spawned_loader_worker_can_be_sent_it(root):
    dataset = datasets.create("camvid", root=root)
    sent = pickle.loads(pickle.dumps(dataset))
    assert sent[0][1].equal(dataset[0][1])
