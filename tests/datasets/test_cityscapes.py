"""Cityscapes: ids become train ids, the license plate does not wrap, order is fixed, test labels are refused."""

import json
import pickle

import numpy as np
import pytest
from PIL import Image

from imachsr import datasets
from imachsr.datasets.cityscapes import CLASSES, IDS, LABELS, PALETTE

FRAMES = {
    "train": ["aachen_000001_000019", "aachen_000000_000019", "zurich_000000_000019"],
    "val": ["frankfurt_000000_000294"],
    "test": ["berlin_000000_000019"],
}


def paths(root, part, name, kind="labelIds"):
    city = name.split("_")[0]
    return (
        root / "leftImg8bit" / part / city / f"{name}_leftImg8bit.png",
        root / "gtFine" / part / city / f"{name}_gtFine_{kind}.png",
    )


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def root(tmp_path):
    """Every id once in each mask; images of one grey level each."""
    ids = np.resize(np.arange(34, dtype=np.uint8), (6, 8))
    for part, names in FRAMES.items():
        for k, name in enumerate(names):
            image, mask = paths(tmp_path / "city", part, name)
            save(image, np.full((6, 8, 3), 10 * k, np.uint8))
            save(mask, np.ones((6, 8), np.uint8) if part == "test" else ids)
            save(mask.with_name(mask.name.replace("labelIds", "instanceIds")), ids.astype(np.uint16) * 1000)
    return tmp_path / "city"


def test_ids_become_train_ids(root):
    _, target = datasets.create("cityscapes", root=root)[0]
    expected = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13,
                27: 14, 28: 15, 31: 16, 32: 17, 33: 18}  # fmt: skip
    assert target.flatten()[:34].tolist() == [expected.get(k, 255) for k in range(34)]


def test_the_table_is_the_published_one(shared):
    table = json.loads((shared / "data" / "tables" / "cityscapes_labels.json").read_text())
    named = {row["train_id"]: row for row in table if 0 <= row["train_id"] < 255}
    assert tuple(named[k]["name"] for k in range(19)) == CLASSES
    assert [named[k]["color"] for k in range(19)] == PALETTE
    assert {row["id"]: row["train_id"] for row in table if row["id"] >= 0} == {k: IDS[k] for k in range(34)}


@pytest.mark.parametrize("kind", ["labelIds", "labelTrainIds"])
@pytest.mark.parametrize(("plate", "dtype"), [(-1, np.int32), (255, np.uint8), (255, np.int32)])
def test_license_plates_are_void_in_any_width(kind, plate, dtype):
    known = 7 if kind == "labelIds" else 0
    decoded = LABELS[kind].decode(np.array([[plate, known]], dtype), "mask.png")
    assert decoded.tolist() == [[255, 0]]
    assert decoded.dtype == np.uint8


def test_train_ids_are_taken_where_present(root):
    _, mask = paths(root, "train", "aachen_000000_000019", "labelTrainIds")
    save(mask, np.full((6, 8), 18, np.uint8))
    dataset = datasets.create("cityscapes", root=root)
    assert dataset[0][1].unique().tolist() == [18]
    assert dataset[1][1].unique().tolist() == [*range(19), 255]
    report = datasets.check("cityscapes", root, progress=False)
    assert set(report.labels) == {"labelIds", "labelTrainIds"}


def test_a_study_of_a_tier_tests_on_the_validation_images_and_runs_where_test_labels_are_withheld(root, capsys):
    from imachsr.experiment import Settings
    from imachsr.experiment.study import data_of
    from imachsr.reproduce import reproduce

    train, test = data_of(Settings.at("paper", data="cityscapes", root=str(root)))
    assert (len(train), len(test)) == (3, 1)
    assert reproduce(["table2"], tier="paper", data="cityscapes", root=str(root), dry_run=True) == 0
    assert "9 to run" in capsys.readouterr().err


def test_frames_are_sorted(root):
    dataset = datasets.create("cityscapes", root=root)
    assert [item.name for item in dataset.source.items] == sorted(FRAMES["train"])
    assert [int(dataset.raw(i)[0].max()) for i in range(3)] == [10, 0, 20]


def test_test_labels_are_withheld(root):
    with pytest.raises(ValueError, match=r"got part 'test' of cityscapes: its labels are withheld .*; take part 'val'"):
        datasets.create("cityscapes", root=root, part="test")
    scored = datasets.create("cityscapes", "val500", root=root, part="test")
    assert [item.name for item in scored.source.items] == FRAMES["val"]
    assert scored.fingerprint == datasets.create("cityscapes", root=root, part="val").fingerprint


@pytest.mark.parametrize("which", [0, 1])
def test_half_a_pair_is_named(root, which):
    gone = paths(root, "train", "aachen_000000_000019")[which]
    there = paths(root, "train", "aachen_000000_000019")[1 - which]
    gone.unlink()
    with pytest.raises(ValueError, match=rf"{there}: no .*every image needs one mask"):
        datasets.create("cityscapes", root=root)


def test_test_images_without_labels_are_no_fault(root):
    paths(root, "test", FRAMES["test"][0])[1].unlink()
    assert len(datasets.create("cityscapes", root=root)) == 3


def test_instance_ids_are_no_labels(root):
    _, mask = paths(root, "train", "aachen_000000_000019")
    save(mask, np.full((6, 8), 24001, np.uint16))
    with pytest.raises(ValueError, match=rf"{mask}: label 24001; ids are 0..33, and -1 for license plates; unpack"):
        datasets.create("cityscapes", root=root)[0]


def test_a_picture_of_one_colour_is_noted(root):
    notes = datasets.check("cityscapes", root, progress=False).notes
    assert f"{paths(root, 'train', 'aachen_000001_000019')[0]}: one colour all over" in notes
    assert "part train has 3 whole frames, the published one 2975" in notes


def test_wrong_root(tmp_path):
    with pytest.raises(ValueError, match=r"no folder .*leftImg8bit; the root holds leftImg8bit and gtFine; unpack"):
        datasets.create("cityscapes", root=tmp_path)


def test_the_real_pair(shared):
    """Train ids as given are ids as mapped, on a real frame; its two files differ along edges, in 77 pixels."""
    root = shared / "data" / "cityscapes_one_pair"
    dataset = datasets.create("cityscapes", part="val", root=root)
    image, target = dataset[0]
    assert tuple(image.shape) == (3, 128, 256)
    ids = dataset.source.items[0].mask.with_name("frankfurt_000000_000294_gtFine_labelIds.png")
    mapped = LABELS["labelIds"].decode(np.array(Image.open(ids)), ids)
    assert (target.numpy() != mapped).sum() == 77
    assert set(target.unique().tolist()) == set(np.unique(mapped).tolist())
    report = datasets.check("cityscapes", root, progress=False)
    assert report.problems == ()
    (building,) = (line for line in str(report).splitlines() if line.startswith("building"))
    assert building.split() == ["building", "-", "44.11", "-"], "a part without pixels has no shares"
    with pytest.raises(ValueError, match="has no frames of part 'train'"):
        datasets.create("cityscapes", root=root)


def test_a_spawned_loader_worker_can_be_sent_it(root):
    dataset = datasets.create("cityscapes", root=root)
    sent = pickle.loads(pickle.dumps(dataset))
    assert sent[0][1].equal(dataset[0][1])
