"""CamVid: the layout with its foreign lists, four splits, honest labels, and doubts refused by name."""

import hashlib
import json
import math
import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from imachsr import datasets
from imachsr.datasets.camvid import CLASSES, SPLITS, frame, gap

SIZES = {
    ("standard", "train"): 367,
    ("standard", "val"): 101,
    ("standard", "test"): 233,
    ("random600", "train"): 600,
    ("random600", "test"): 101,
    ("val101", "train"): 600,
    ("val101", "test"): 101,
    ("blocked600", "train"): 600,
    ("blocked600", "test"): 101,
    ("tune", "train"): 281,
    ("tune", "test"): 66,
}


def camvid_at(root, split="standard", **options):
    return datasets.create("camvid", split, root=root, **options)


def check(root):
    return datasets.check("camvid", root, progress=False)


def stems(dataset):
    return [item.name for item in dataset.source.items]


def gap_seconds(dataset):
    return gap(dataset.source.parts["train"], dataset.source.parts["test"])


@pytest.fixture(scope="module")
def real(shared):
    return shared / "data" / "camvid"


@pytest.fixture(scope="module")
def report(real):
    return check(real)


# reading


@pytest.mark.parametrize(("image", "listed"), [("png", "png"), ("webp", "webp"), ("webp", "png"), ("png", "webp")])
@pytest.mark.parametrize("prefix", ["/SegNet/CamVid/", "", "C:\\data\\CamVid\\"])
def test_reads_both_formats_under_any_prefix(tmp_path, draw_camvid, image, listed, prefix):
    dataset = camvid_at(draw_camvid(tmp_path, image=image, listed=listed, prefix=prefix))
    picture, mask = dataset.raw(1)
    assert (picture == 20).all()
    assert picture.shape == (18, 24, 3)
    assert (mask[0] == 255).all()
    assert (mask[1:] == 1).all()
    assert dataset.source.image_format == image


def test_items_are_normalised_tensors(camvid):
    image, target = camvid_at(camvid)[2]
    assert (image.dtype, target.dtype) == (torch.float32, torch.int64)
    assert image.shape == (3, 18, 24)
    torch.testing.assert_close(
        image[:, 5, 5], (40 / 255 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    )
    assert target.unique().tolist() == [2, 255]


def test_frames_come_in_order_whatever_the_list_says(camvid):
    before = stems(camvid_at(camvid))
    lines = (camvid / "train.txt").read_text().splitlines()
    (camvid / "train.txt").write_text("\n".join([lines[2], "", lines[0], lines[1], ""]))
    assert stems(camvid_at(camvid)) == before == sorted(before)


def test_palette_and_classes_belong_together(camvid):
    dataset = camvid_at(camvid)
    assert dataset.classes == CLASSES
    assert len({tuple(colour) for colour in dataset.palette}) == len(CLASSES) == 11
    assert dataset.palette[CLASSES.index("pavement")] == [60, 40, 222]
    assert dataset.ignore_index == 255


def test_length_takes_frames_evenly(camvid_701):
    every, some = camvid_at(camvid_701, part="test"), camvid_at(camvid_701, part="test", length=10)
    positions = [stems(every).index(stem) for stem in stems(some)]
    assert {b - a for a, b in pairwise(positions)} <= {23, 24}
    with pytest.raises(ValueError, match=r"got length=234; this part has 233 frames; choose 1 to 233"):
        camvid_at(camvid_701, part="test", length=234)


def test_fingerprint_follows_the_files_not_their_place(tmp_path, draw_camvid):
    here, there = (draw_camvid(tmp_path / name) for name in ("here", "there"))
    assert camvid_at(here).fingerprint == camvid_at(there).fingerprint
    assert camvid_at(here).fingerprint != camvid_at(here, part="val").fingerprint
    with (there / "train" / "0001TP_000030.png").open("ab") as file:
        file.write(b"\0")
    assert camvid_at(here).fingerprint != camvid_at(there).fingerprint


# splits


@pytest.mark.parametrize("where", ["camvid_701", "real"])
def test_splits_have_their_sizes_and_are_disjoint(request, where):
    root = request.getfixturevalue(where)
    assert {(split, part) for split, parts in SPLITS.items() for part in parts} == SIZES.keys()
    for split, parts in SPLITS.items():
        held = {part: stems(camvid_at(root, split, part=part)) for part in parts}
        assert {part: len(names) for part, names in held.items()} == {part: SIZES[split, part] for part in parts}
        dealt = {stem for names in held.values() for stem in names}
        assert len(dealt) == sum(map(len, held.values()))
        assert len(dealt) == (347 if split == "tune" else 701)


def test_val101_tests_on_the_validation_clip(camvid_701):
    clip = camvid_at(camvid_701, part="val")
    assert stems(camvid_at(camvid_701, "val101", part="test")) == stems(clip)


def test_random600_is_a_draw_that_never_changes(camvid_701):
    tests = [stems(camvid_at(camvid_701, "random600", part="test", seed=seed)) for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]
    assert hashlib.sha256(" ".join(tests[0]).encode()).hexdigest()[:16] == "9c365c0045bfcf7f"


def test_blocked600_keeps_training_away_from_testing(real):
    blocked, drawn = (camvid_at(real, split, part="test") for split in ("blocked600", "random600"))
    assert gap_seconds(blocked) == math.inf
    assert gap_seconds(drawn) <= 1 / 15
    assert {frame(item)[0] for item in blocked.source.items} == {"0006R0"}
    assert gap_seconds(camvid_at(real)) == pytest.approx(1)


@pytest.mark.parametrize("where", ["camvid_701", "real"])
def test_tuning_sees_training_frames_only_and_is_judged_far_from_what_it_trains_on(request, where):
    root = request.getfixturevalue(where)
    train, test = (camvid_at(root, "tune", part=part) for part in ("train", "test"))
    assert {*stems(train), *stems(test)} < {*stems(camvid_at(root))}
    assert gap_seconds(test) > 10
    tested_on = [camvid_at(root, split, part="test").source.items for split in ("standard", "val101", "blocked600")]
    assert not {*stems(test)} & {item.name for items in tested_on for item in items}
    assert gap(test.source.items, tested_on[0]) > 40
    for drive in ("0001TP", "0016E5"):
        whole = [stem for stem in stems(camvid_at(root)) if stem.startswith(drive)]
        held = [stem for stem in stems(test) if stem.startswith(drive)]
        assert held == whole[: len(whole) // 4], "one stretch"
    assert camvid_at(root, "tune").fingerprint != camvid_at(root).fingerprint


def test_no_other_101_frames_are_as_far_away(real):
    """Cut the drives where frames are over 1.3 s apart: one set of the pieces holds 101 frames, the drive held out."""
    parts = camvid_at(real).source.parts.values()
    frames = sorted(frame(pair) for pairs in parts for pair in pairs)
    pieces = [1]
    for (drive, number), (following, next_number) in pairwise(frames):
        if drive == following and next_number - number <= 1.3 * 30:
            pieces[-1] += 1
        else:
            pieces.append(1)
    sums = [sum(piece for i, piece in enumerate(pieces) if chosen >> i & 1) for chosen in range(2 ** len(pieces))]
    assert sum(pieces) == 701
    assert sums.count(101) == 1


# the real copy


def test_real_copy_has_no_problems(report):
    assert report.problems == ()
    assert report.counts == {"train": 367, "val": 101, "test": 233}
    assert report.sizes == {(480, 360): 701}
    assert "masks    equal to the public copy" in str(report)
    assert "no problems" in str(report)


def test_real_pixels_per_class_are_those_counted_before(report, shared):
    stored = json.loads((shared / "data" / "tables" / "camvid_stats.json").read_text())
    names = [{"sign": "signsymbol"}.get(name, name) for name in (*CLASSES, "void")]
    for part, pixels in report.pixels.items():
        assert dict(zip(names, pixels, strict=True)) == stored[part]["counts"]


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_real_labels_are_classes_or_void(real, part):
    dataset = camvid_at(real, part=part)
    values = np.unique([dataset[i][1].unique().tolist()[-1] for i in range(0, len(dataset), 40)])
    assert values.tolist() == [255]
    image, target = dataset[len(dataset) // 2]
    assert set(target.unique().tolist()) <= {*range(11), 255}
    assert image.shape == (3, 360, 480)
    assert image.mean(dim=(1, 2)).abs().max() < 2.2


# bad input: what came, the rule, the remedy


def test_unknown_split_and_part(camvid, camvid_701):
    with pytest.raises(ValueError, match=r"got split 'random'; camvid has the splits standard, random600, .*; choose"):
        camvid_at(camvid, "random")
    with pytest.raises(ValueError, match=r"got part 'val'; split 'val101' of camvid has the parts train, test; choose"):
        camvid_at(camvid_701, "val101", part="val")


def test_missing_folder_and_list(tmp_path, camvid):
    with pytest.raises(ValueError, match=r"no folder at .*nowhere; CamVid's root holds train.txt.*imachsr data get"):
        camvid_at(tmp_path / "nowhere")
    (camvid / "val.txt").unlink()
    with pytest.raises(ValueError, match=r"holds test, .*; the SegNet layout has a list file val.txt in it; fetch"):
        camvid_at(camvid)


@pytest.mark.parametrize(("folder", "kind"), [("train", "image"), ("trainannot", "mask")])
def test_half_a_pair(camvid, folder, kind):
    (camvid / folder / "0001TP_000060.png").unlink()
    rule = rf"train.txt line 2: no {kind} at /SegNet/CamVid/{folder}/0001TP_000060.png; every image needs one mask"
    with pytest.raises(ValueError, match=rule):
        camvid_at(camvid, part="test")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train/0001TP_000030.png\n", "train.txt line 4: 1 entries where image and mask are due"),
        ("train/0001TP_000030.png trainannot/0001TP_000030.png\n", "frame 0001TP_000030 is listed 2 times"),
        ("train/\xe9.png trainannot/\xe9.png\n", "train.txt line 4: no image at train/"),
    ],
)
def test_faulty_lists(camvid, line, words):
    with (camvid / "train.txt").open("a", encoding="latin-1") as file:
        file.write(line)
    with pytest.raises(ValueError, match=words):
        camvid_at(camvid)


def test_empty_list(camvid):
    (camvid / "val.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"val.txt names no pairs; every image needs one mask"):
        camvid_at(camvid)


def test_splits_of_701_need_701(camvid):
    with pytest.raises(ValueError, match=r"got 5 pairs; split 'blocked600' deals out all 701 frames; fetch"):
        camvid_at(camvid, "blocked600")


def test_nameless_frame(camvid):
    with pytest.raises(ValueError, match=r"x.png: CamVid frames are named DRIVE_NUMBER; restore the name"):
        frame(camvid_at(camvid).source.items[0]._replace(name="x", inputs=(camvid / "x.png",)))


def test_sizes_that_differ(camvid):
    Image.fromarray(np.zeros((18, 20), np.uint8)).save(camvid / "trainannot" / "0001TP_000060.png")
    words = r"train.0001TP_000060.png 24x18, .*annot.0001TP_000060.png 20x18; image and mask must have the same size"
    dataset = camvid_at(camvid)
    for refused in (lambda: datasets.verify(dataset), lambda: dataset[1]):
        with pytest.raises(ValueError, match=words):
            refused()


def test_label_outside_the_classes(camvid):
    mask = np.arange(18 * 24, dtype=np.uint8).reshape(18, 24) % 13
    Image.fromarray(mask).save(camvid / "valannot" / "0016E5_07959.png")
    dataset = camvid_at(camvid, part="val")
    for refused in (lambda: datasets.verify(dataset), lambda: dataset[0]):
        with pytest.raises(ValueError, match=r"0016E5_07959.png: label 12; labels are 0..10, and 11 for void"):
            refused()


def test_many_strange_labels_are_told_in_short(camvid):
    Image.fromarray(np.arange(18 * 24).reshape(18, 24).astype(np.uint8)).save(camvid / "valannot" / "0016E5_07959.png")
    with pytest.raises(ValueError, match=r"label 12, 13, 14, 15 and 240 more; labels are 0..10"):
        camvid_at(camvid, part="val")[0]


@pytest.mark.parametrize("folder", ["train", "trainannot"])
@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: b"no picture", lambda data: data[: len(data) // 2]])
def test_damaged_pictures(camvid, folder, damage):
    path = camvid / folder / "0001TP_000030.png"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        ValueError, match=rf"{folder}.0001TP_000030.png: .*; the file must be a readable picture; fetch"
    ):
        camvid_at(camvid)[0]
    assert any(f"{path}: " in problem for problem in check(camvid).problems)


def test_mask_in_colours(camvid):
    Image.new("RGB", (24, 18)).save(camvid / "trainannot" / "0001TP_000030.png")
    with pytest.raises(ValueError, match=r"mode RGB; it must hold class numbers \(mode L or P or I or I;16\)"):
        datasets.verify(camvid_at(camvid))


def test_check_names_everything_at_once(camvid):
    (camvid / "train" / "0001TP_000030.png").write_bytes(b"")
    (camvid / "testannot" / "Seq05VD_f00000.png").unlink()
    Image.new("L", (24, 18), 99).save(camvid / "trainannot" / "0001TP_000060.png")
    found = check(camvid)
    for words in (
        "0001TP_000030.png: cannot identify",
        "test.txt line 1: no mask at",
        "0001TP_000060.png: label 99",
    ):
        assert any(words in problem for problem in found.problems)
        assert words in str(found)
    assert "part val has 1 whole frames, the published one 101" in found.notes
    assert f"{len(found.problems)} problems" in str(found)


def test_errors_name_three_files_and_count_the_rest(tmp_path, draw_camvid):
    root = draw_camvid(tmp_path, {"train": [f"a_{i}" for i in range(5)], "val": ["b_1"], "test": ["c_1"]})
    for i in range(5):
        (root / "trainannot" / f"a_{i}.png").unlink()
    with pytest.raises(ValueError, match=r"line 1: .*line 2: .*line 3: [^;]*; and 2 more; every image needs one mask"):
        camvid_at(root)


def test_a_spawned_loader_worker_can_be_sent_it(camvid):
    dataset = camvid_at(camvid)
    sent = pickle.loads(pickle.dumps(dataset))
    assert sent[0][1].equal(dataset[0][1])


def test_results_filed_under_names_and_sizes_stay_found(camvid):
    """The fingerprint of pictures is what it was before the content of arrays counted."""
    dataset = camvid_at(camvid)
    paths = [path for item in dataset.source.items for path in item.paths]
    lines = [f"{path.relative_to(camvid).as_posix()} {path.stat().st_size}\n" for path in paths]
    assert dataset.fingerprint == hashlib.sha256("".join(lines).encode()).hexdigest()[:16]
