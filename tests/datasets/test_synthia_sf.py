"""SYNTHIA-SF: ids in the red channel, folders in any case, 4-channel files, and a split that adds up."""

import json
import pickle

import numpy as np
import pytest
from PIL import Image

from imachsr import datasets
from imachsr.datasets import synthia_sf

COUNTS = {1: 5, 2: 4, 3: 3, 4: 4, 5: 4, 6: 4}
ALL = sum(COUNTS.values())
SEQUENCES = "sequences:2,4,5,6/1/3"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """24 frames that stand for the 2,224; every id in each label, other numbers in green and blue."""
    monkeypatch.setattr(synthia_sf, "FRAMES", ALL)
    for sequence, count in COUNTS.items():
        folder = tmp_path / "sf" / (f"SEQ{sequence}" if sequence % 2 else f"Seq{sequence}")
        rgb, labels = (
            folder / ("RGBLeft" if sequence % 2 else "rgbleft"),
            folder / ("GTLeft" if sequence < 4 else "GTleft"),
        )
        for made in (rgb, labels, folder / "GTLeftDebug"):
            made.mkdir(parents=True)
        for k in range(count):
            channels = 4 if k % 2 else 3
            pixels = np.full((5, 7, channels), 40, np.uint8)
            pixels[..., 0] = 30 * sequence + k
            Image.fromarray(pixels).save(rgb / f"{k:07d}.png")
            Image.fromarray(label(channels)).save(labels / f"{k:07d}.png")
            Image.fromarray(np.full((5, 7, 3), 200, np.uint8)).save(folder / "GTLeftDebug" / f"{k:07d}.png")
    return tmp_path / "sf"


def label(channels):
    pixels = np.random.default_rng(0).integers(0, 255, (5, 7, channels), dtype=np.uint8)
    pixels[..., 0] = np.resize(np.arange(23), (5, 7))
    return pixels


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (19, [255, *range(19), 255, 255, 255]),
        (22, [255, *range(22)]),
        (23, [*range(23)]),
    ],
)
@pytest.mark.parametrize("i", [0, 1], ids=["3 channels", "4 channels"])
def test_class_ids_come_from_red_alone(root, classes, expected, i):
    dataset = datasets.create("synthia_sf", SEQUENCES, root=root, part="val", classes=classes)
    image, target = dataset[i]
    assert tuple(image.shape) == (3, 5, 7)
    assert target.flatten()[:23].tolist() == expected
    assert len(dataset.classes) == len(dataset.palette) == classes
    assert dataset.raw(i)[0][0, 0].tolist() == [30 + i, 40, 40], "the fourth channel is left out, colours stay"


def test_names_and_colours_are_the_published_ones(shared):
    table = json.loads((shared / "data" / "tables" / "synthia_sf23.json").read_text())
    assert tuple(row["name"] for row in table) == synthia_sf.NAMES
    assert [row["color"] for row in table] == synthia_sf.COLOURS
    mapped = synthia_sf.labels(19).classes
    assert {row["id"]: row["cityscapes_train_id"] for row in table} == mapped


def test_resizing_never_blends_ids(root):
    target = datasets.create("synthia_sf", SEQUENCES, root=root, size=(11, 17))[0][1]
    assert set(target.unique().tolist()) <= {*range(19), 255}


def test_classes_tell_fingerprints_apart(root):
    prints = {datasets.create("synthia_sf", SEQUENCES, root=root, classes=k).fingerprint for k in (19, 22, 23)}
    assert len(prints) == 3


def names(root, split, part, seed=0):
    dataset = datasets.create("synthia_sf", split, root=root, part=part, seed=seed)
    return [item.name for item in dataset.source.items]


def test_split_by_sequences(root):
    assert {name[:4] for name in names(root, SEQUENCES, "train")} == {"SEQ2", "SEQ4", "SEQ5", "SEQ6"}
    assert names(root, SEQUENCES, "test") == [f"SEQ3/{k:07d}" for k in range(3)]
    assert names(root, "sequences:1,2,3,4,5/6", "test") == [f"SEQ6/{k:07d}" for k in range(4)]


def test_split_by_counts_is_a_draw_by_seed(root):
    train, test = (names(root, "random:15/9", part) for part in ("train", "test"))
    assert (len(train), len(test), len({*train, *test})) == (15, 9, ALL)
    assert train == sorted(train) == names(root, "random:15/9", "train")
    assert train != names(root, "random:15/9", "train", seed=1)
    assert len(names(root, "random:12/3/9", "val")) == 3


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ("standard", "got split 'standard'; SYNTHIA-SF has no published split; state one: 'random:1596/628'"),
        ("random:15/8", rf"15 \+ 8 = 23 frames; they must add to {ALL}; state one"),
        ("random:24/0", rf"they must add to {ALL}"),
        ("sequences:1,2/3", rf"9 \+ 3 = 12 frames; they must add to {ALL}"),
        ("sequences:1,2,3,4,5,6/6", rf"24 \+ 4 = 28 frames; they must add to {ALL}"),
        ("sequences:1,2,3,4,5/7", "has no published split"),
        ("random:a/b", "has no published split"),
    ],
)
def test_splits_that_do_not_add_up(root, split, words):
    with pytest.raises(ValueError, match=words):
        datasets.create("synthia_sf", split, root=root)


def test_the_papers_counts_add_up():
    assert 1596 + 628 == synthia_sf.FRAMES == 2224


def test_a_copy_that_lacks_frames_has_no_split(root):
    for folder in ("rgbleft", "GTLeft"):
        (root / "Seq2" / folder / "0000000.png").unlink()
    with pytest.raises(ValueError, match=rf"has 23 frames; SYNTHIA-SF has {ALL}; unpack"):
        datasets.create("synthia_sf", SEQUENCES, root=root)


@pytest.mark.parametrize(("gone", "words"), [("rgbleft", "no image of that number"), ("GTLeft", "no label of that")])
def test_half_a_pair_is_named(root, gone, words):
    (root / "Seq2" / gone / "0000002.png").unlink()
    with pytest.raises(ValueError, match=rf"0000002.png: {words}.*every image needs one mask"):
        datasets.create("synthia_sf", SEQUENCES, root=root)


def test_a_missing_sequence_is_named(root):
    (root / "SEQ3").rename(root / "other")
    with pytest.raises(ValueError, match=r"no folder SEQ3; every image"):
        datasets.create("synthia_sf", SEQUENCES, root=root)


def test_folders_that_differ_in_case_alone(root):
    try:
        (root / "SEQ1" / "gtleft").mkdir()
    except FileExistsError:
        pytest.skip("this disk does not tell case apart")
    with pytest.raises(ValueError, match="stands beside GTLeft, and case does not count"):
        datasets.create("synthia_sf", SEQUENCES, root=root)


def test_debug_colours_are_no_ids(root):
    path = root / "SEQ3" / "GTLeft" / "0000000.png"
    path.write_bytes((root / "SEQ3" / "GTLeftDebug" / "0000000.png").read_bytes())
    with pytest.raises(ValueError, match=rf"{path}: label 200; ids are 0..22, in the red channel of GTLeft"):
        datasets.create("synthia_sf", SEQUENCES, root=root, part="test")[0]
    Image.new("L", (7, 5), 1).save(path)
    with pytest.raises(ValueError, match="mode L; it must hold class numbers in the red channel"):
        datasets.create("synthia_sf", SEQUENCES, root=root, part="test")[0]
    (problem,) = datasets.check("synthia_sf", root, progress=False).problems
    assert "mode L" in problem


def test_a_spawned_loader_worker_can_be_sent_it(root):
    dataset = datasets.create("synthia_sf", SEQUENCES, root=root)
    sent = pickle.loads(pickle.dumps(dataset))
    assert sent[0][1].equal(dataset[0][1])
