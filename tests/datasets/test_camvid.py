"""CamVid: the four splits, what a frame holds, and every fault refused by name."""

import itertools
import json
import math
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from imachsr import datasets
from imachsr.datasets.camvid import SPLITS, CamVid, frame
from imachsr.datasets.inspection import COUNTS, PUBLIC_MASKS

EXPECTED = {
    "standard": {"train": 367, "val": 101, "test": 233},
    "random600": {"train": 600, "test": 101},
    "val101": {"train": 600, "test": 101},
    "blocked600": {"train": 600, "test": 101},
}


@pytest.fixture(scope="module")
def root(shared):
    return shared / "data" / "camvid"


@pytest.fixture(scope="module")
def report(root):
    return datasets.check("camvid", root)


# --- the real frames


@pytest.mark.parametrize("split", SPLITS)
def test_splits_count_and_do_not_meet(root, split):
    parts = {part: CamVid(root, split, part=part) for part in SPLITS[split]}
    assert {part: len(dataset) for part, dataset in parts.items()} == EXPECTED[split]
    names = [pair.image.stem for dataset in parts.values() for pair in dataset.pairs]
    assert len(names) == len({*names}) == 701
    for dataset in parts.values():
        assert [pair.image.stem for pair in dataset.pairs] == sorted(pair.image.stem for pair in dataset.pairs)
        assert all(pair.image.stem == pair.mask.stem for pair in dataset.pairs)
    assert len({dataset.fingerprint for dataset in parts.values()}) == len(parts)


def test_random600_is_a_seeded_draw(root):
    frames = [[p.image.stem for p in CamVid(root, "random600", part="test", seed=s).pairs] for s in (0, 0, 1)]
    assert frames[0] == frames[1] != frames[2]
    assert frames[0][:3] == ["0001TP_006840", "0001TP_006870", "0001TP_007530"]


def test_blocked600_has_the_widest_gap(root):
    gaps = {split: CamVid(root, split, part="test").gap_seconds() for split in SPLITS}
    assert gaps["random600"] == pytest.approx(2 / 30)
    assert gaps["standard"] == pytest.approx(1)
    assert gaps["val101"] == pytest.approx(31 / 30)
    assert gaps["blocked600"] == math.inf


def test_no_other_choice_of_101_frames_keeps_more_than_1_3_seconds(root):
    blocked = CamVid(root, "blocked600", part="test")
    frames = sorted(frame(pair) for pairs in blocked.parts.values() for pair in pairs)
    stretches = [[frames[0]]]
    for before, after in itertools.pairwise(frames):
        if before[0] != after[0] or after[1] - before[1] > 1.3 * 30:
            stretches.append([])
        stretches[-1].append(after)
    chosen = [
        [*itertools.chain(*choice)]
        for count in range(1, len(stretches) + 1)
        for choice in itertools.combinations(stretches, count)
        if sum(map(len, choice)) == 101
    ]
    assert chosen == [[frame(pair) for pair in blocked.pairs]]


def test_the_copy_is_as_published(report, shared):
    stats = json.loads((shared / "data" / "tables" / "camvid_stats.json").read_text())
    assert report.counts == COUNTS == EXPECTED["standard"]
    assert report.sizes == {(480, 360): 701}
    assert report.formats == {"webp": 701}
    assert report.masks == PUBLIC_MASKS
    assert not report.problems
    for part in COUNTS:
        assert list(report.pixels[part]) == [*stats[part]["counts"].values()]
    assert "road                   32.96   29.46   26.84" in str(report)
    assert "no problems" in str(report)


def test_a_real_frame(root):
    image, target = CamVid(root, part="test")[0]
    assert image.dtype == torch.float32
    assert image.shape == (3, 360, 480)
    assert target.dtype == torch.int64
    assert target.shape == (360, 480)
    assert {*target.unique().tolist()} <= {*range(11), 255}


def test_verify_passes_the_real_copy(root):
    datasets.verify(datasets.create("camvid", part="val", root=root))


# --- the layout


@pytest.mark.parametrize(
    ("suffix", "listed"), [(".png", ".png"), (".webp", ".png"), (".png", ".webp"), (".webp", ".webp")]
)
def test_foreign_prefixes_and_either_format(draw, suffix, listed):
    dataset = CamVid(draw(suffix=suffix, listed=listed))
    assert dataset.image_format == suffix[1:]
    assert [dataset.paths(i).image.stem for i in range(3)] == ["0001TP_006690", "0001TP_006720", "0016E5_07920"]
    image, mask = dataset.raw(0)
    assert image.shape == (36, 48, 3)
    assert set(np.unique(mask)) == {*range(11), 255}
    assert (image[..., 0] == np.where(mask == 255, 11, mask) * 20).all()


def test_attributes(draw):
    dataset = CamVid(draw())
    assert dataset.name == "camvid"
    assert dataset.ignore_index == 255
    assert dataset.classes == (
        "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist",
    )  # fmt: skip
    assert np.array(dataset.palette).shape == (11, 3)
    assert dataset.palette[3] == [128, 64, 128]


def test_fingerprint_follows_names_and_sizes_not_the_place(draw, tmp_path):
    first, moved = draw("a"), tmp_path / "moved"
    shutil.copytree(first, moved)
    before = CamVid(first).fingerprint
    assert CamVid(moved).fingerprint == before
    with CamVid(moved).paths(0).mask.open("ab") as file:
        file.write(b"0")
    assert CamVid(moved).fingerprint != before


def test_length_takes_evenly_spaced_frames(draw):
    root = draw()
    assert [pair.image.stem for pair in CamVid(root, length=2).pairs] == ["0001TP_006690", "0001TP_006720"]
    with pytest.raises(ValueError, match=r"length=4; this part has 3 frames; choose 1 to 3"):
        CamVid(root, length=4)


def test_random600_needs_all_frames(draw):
    with pytest.raises(ValueError, match=r"7 pairs; split 'random600' deals out all 701 frames; fetch a fresh copy"):
        CamVid(draw(), "random600")


# --- faults


def test_missing_folder(tmp_path):
    with pytest.raises(ValueError, match=r"no folder at .*nowhere; .*train\.txt.*; fetch .*imachsr data get camvid"):
        CamVid(tmp_path / "nowhere")


def test_missing_list(draw):
    root = draw()
    (root / "val.txt").unlink()
    with pytest.raises(ValueError, match=r"holds test, .*; the SegNet layout has a list file val\.txt"):
        CamVid(root)


def test_empty_list(draw):
    root = draw()
    (root / "train.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"train\.txt names no pairs"):
        CamVid(root)


def test_line_without_mask(draw):
    root = draw()
    (root / "train.txt").write_text("train/0001TP_006690.png\n")
    with pytest.raises(ValueError, match=r"train\.txt line 1: 1 entries where image and mask are due"):
        CamVid(root)


@pytest.mark.parametrize(("folder", "kind"), [("trainannot", "mask"), ("train", "image")])
def test_image_without_mask_and_the_reverse(draw, folder, kind):
    root = draw()
    (root / folder / "0001TP_006720.png").unlink()
    with pytest.raises(
        ValueError, match=rf"train\.txt line 2: no {kind} at .*{folder}/0001TP_006720\.png; every image"
    ):
        CamVid(root, part="test")


def test_frame_listed_twice(draw):
    root = draw()
    text = (root / "train.txt").read_text()
    (root / "train.txt").write_text(text + text.splitlines()[0])
    with pytest.raises(ValueError, match="frame 0016E5_07920 is listed 2 times"):
        CamVid(root)


def spoil_size(root):
    Image.new("L", (40, 36)).save(root / "trainannot" / "0001TP_006720.png")
    return r"0001TP_006720\.png and .*: 48x36 against 40x36"


def spoil_label(root):
    Image.new("L", (48, 36), 12).save(root / "trainannot" / "0001TP_006720.png")
    return r"trainannot.0001TP_006720\.png: label 12; labels are 0\.\.10, and 11 for void"


def spoil_mode(root):
    Image.new("RGB", (48, 36)).save(root / "trainannot" / "0001TP_006720.png")
    return r"0001TP_006720\.png: mode RGB; it must hold 8-bit class numbers"


def spoil_bytes(root):
    path = root / "trainannot" / "0001TP_006720.png"
    path.write_bytes(path.read_bytes()[:60])
    return r"0001TP_006720\.png: .*; the file must be a readable picture"


@pytest.mark.parametrize("spoil", [spoil_size, spoil_label, spoil_mode, spoil_bytes])
def test_spoilt_pairs_are_refused_before_and_while_reading(draw, spoil):
    root = draw()
    words = spoil(root)
    dataset = datasets.create("camvid", root=root)
    with pytest.raises(ValueError, match=words):
        dataset[1]
    with pytest.raises(ValueError, match=words):
        datasets.verify(dataset)
    dataset[0]
    report = dataset.source.check()
    assert len(report.problems) == 1
    assert "0001TP_006720" in report.problems[0]
    assert "1 problem\n" in str(report)
    datasets.verify(datasets.create("camvid", part="test", root=root))


def test_check_names_every_problem_of_a_copy(draw):
    root = draw()
    spoil_label(root)
    (root / "testannot" / "Seq05VD_f00030.png").unlink()
    problems = datasets.check("camvid", root).problems
    assert any("label 12" in problem for problem in problems)
    assert any("no mask at" in problem for problem in problems)
    assert "test.txt gives 1 whole pairs, the public copy 233" in problems
    with pytest.raises(ValueError, match="dataset 'streets'; only camvid has files to check"):
        datasets.check("streets", root)
