"""Packed copies: the same items as from the files, whole or not at all, and refused where they do not fit."""

import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from imachsr import datasets
from imachsr.datasets import packing, synthia_sf

SIZE = (9, 12)


@pytest.fixture
def packed(camvid, tmp_path):
    datasets.pack("camvid", camvid, SIZE, tmp_path / "packed", progress=False)
    return tmp_path / "packed"


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_items_equal_those_of_the_files(camvid, packed, part):
    files = datasets.create("camvid", root=camvid, part=part, size=SIZE)
    copy = datasets.create("camvid", root=packed, part=part)
    assert len(files) == len(copy)
    for (image, target), (other, labels) in zip(files, copy, strict=False):
        assert torch.equal(image, other)
        assert torch.equal(target, labels)
    assert (copy.classes, copy.palette, copy.inputs) == (files.classes, files.palette, files.inputs)


def test_splits_work_as_on_files(camvid_701, tmp_path):
    datasets.pack("camvid", camvid_701, (1, 1), tmp_path / "packed", progress=False)
    for split in ("random600", "val101", "blocked600"):
        names = [
            [item.name for item in datasets.create("camvid", split, root=root, part="test").source.items]
            for root in (camvid_701, tmp_path / "packed")
        ]
        assert names[0] == names[1]


def test_fingerprint_follows_files_and_size_not_place(camvid, packed, tmp_path):
    def pack(size, name):
        datasets.pack("camvid", camvid, size, tmp_path / name, progress=False)
        return datasets.create("camvid", root=tmp_path / name).fingerprint

    here = datasets.create("camvid", root=packed).fingerprint
    assert here == pack(SIZE, "again")
    assert here != pack((10, 12), "other")
    assert here != datasets.create("camvid", root=camvid).fingerprint
    with (camvid / "train" / "0001TP_000030.png").open("ab") as file:
        file.write(b"\0")
    assert here != pack(SIZE, "changed")


def test_augmentation_starts_from_the_packed_pixels(packed):
    dataset = datasets.create("camvid", root=packed, augment=True, crop=(6, 8))
    image, target = dataset[3, 1]
    assert (image.shape, target.shape) == ((3, 6, 8), (6, 8))
    assert torch.equal(image, dataset[3, 1][0])


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_read_it(packed, workers):
    dataset = datasets.create("camvid", root=packed)
    images, _ = next(iter(DataLoader(dataset, batch_size=3, num_workers=workers)))
    assert torch.equal(images[2], dataset[2][0])
    assert len(pickle.dumps(dataset)) < 20_000, "workers get names, not pixels"


def test_several_inputs_and_depth(tmp_path, draw_nyudv2):
    root = draw_nyudv2(tmp_path / "nyu", {"train": ["1", "2"], "test": ["0"]})
    said = datasets.pack("nyudv2", root, (4, 5), tmp_path / "packed", inputs="rgb+depth", progress=False)
    assert "3 frames of nyudv2 at 5x4" in said
    for files, copy in zip(
        datasets.create("nyudv2", root=root, size=(4, 5), inputs="rgb+depth"),
        datasets.create("nyudv2", root=tmp_path / "packed"),
        strict=False,
    ):
        assert all(map(torch.equal, files[0], copy[0]))
        assert torch.equal(files[1], copy[1])
    with pytest.raises(ValueError, match=r"is packed with inputs='rgb\+depth', not 'rgb'; ask for that, or pack"):
        datasets.create("nyudv2", root=tmp_path / "packed", inputs="rgb")


def test_classes_are_packed_in(tmp_path, monkeypatch):
    monkeypatch.setattr(synthia_sf, "FRAMES", 6)
    for sequence in range(1, 7):
        for folder in ("RGBLeft", "GTLeft"):
            (tmp_path / f"SEQ{sequence}" / folder).mkdir(parents=True)
            Image.new("RGB", (4, 4), (22, 0, 0)).save(tmp_path / f"SEQ{sequence}" / folder / "0000000.png")
    datasets.pack("synthia_sf", tmp_path, (4, 4), tmp_path / "packed", classes=22, progress=False)
    copy = datasets.create("synthia_sf", "random:4/2", root=tmp_path / "packed")
    assert len(copy.classes) == 22
    assert copy[0][1].unique().tolist() == [21]
    with pytest.raises(ValueError, match="is packed with classes=22, not 19"):
        datasets.create("synthia_sf", "random:4/2", root=tmp_path / "packed", classes=19)


def test_a_copy_is_checked_like_files(camvid, packed):
    report = datasets.check("camvid", packed, progress=False)
    assert report.problems == ()
    assert report.labels == {"packed classes": (0, 1, 2, 255)}
    assert report.sizes == {(12, 9): 5}
    assert report.pixels == datasets.check("camvid", camvid, progress=False).pixels
    datasets.verify(datasets.create("camvid", root=packed))


def test_a_byte_that_changed_is_found(packed):
    array = np.lib.format.open_memmap(packed / "rgb.npy", mode="r+")
    array[0, 0, 0, 0] ^= 1
    array.flush()
    dataset = datasets.create("camvid", root=packed)
    with pytest.raises(ValueError, match=r"rgb.npy: its sha256 is not that of manifest.json; .*pack it again with"):
        datasets.verify(dataset)
    assert "rgb.npy" in datasets.check("camvid", packed, progress=False).problems[0]


def test_a_label_that_is_no_class_is_named_at_any_step(packed):
    array = np.lib.format.open_memmap(packed / "masks.npy", mode="r+")
    array[0] = 77
    array.flush()
    with pytest.raises(ValueError, match=r"label 77; packed labels are 0..10, and 255 for void; pack it again"):
        datasets.create("camvid", root=packed)[0]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: (root / "rgb.npy").write_bytes(b""), r"rgb.npy: 0 bytes of \d+; it must be whole; pack it again"),
        (lambda root: (root / "labels.npy").unlink(), r"labels.npy: no bytes of \d+; it must be whole"),
        (lambda root: (root / "manifest.json").write_text("{"), "it must be a packed copy's manifest; pack it again"),
        (lambda root: (root / "manifest.json").write_text('{"format": 9}'), "format 9; this version reads format 1"),
    ],
)
def test_spoilt_copies_are_refused_at_once(packed, spoil, words):
    spoil(packed)
    with pytest.raises(ValueError, match=words):
        datasets.create("camvid", root=packed)


def test_other_datasets_and_sizes_are_refused(packed):
    with pytest.raises(ValueError, match="is packed with name='camvid', not 'cityscapes'"):
        datasets.create("cityscapes", root=packed)
    with pytest.raises(ValueError, match=r"got size \(18, 24\) of .* packed at \(9, 12\); .* own size; ask for 9x12"):
        datasets.create("camvid", root=packed, size=(18, 24))
    assert datasets.create("camvid", root=packed, size=SIZE)[0][0].shape == (3, 9, 12)
    with pytest.raises(ValueError, match="is packed already; packing starts from the files"):
        datasets.pack("camvid", packed, SIZE, packed.with_name("twice"))


def test_a_study_reads_it_at_its_own_size(packed):
    from imachsr.reproduce import reproduce

    assert reproduce(["table2"], tier="lab", data="camvid", root=str(packed), size=SIZE, dry_run=True) == 0
    with pytest.raises(ValueError, match="packed at"):
        reproduce(["table2"], tier="lab", data="camvid", root=str(packed), dry_run=True)


def test_all_or_nothing(camvid, tmp_path):
    (camvid / "test" / "Seq05VD_f00000.png").write_bytes(b"")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"Seq05VD_f00000.png: .*must be a readable picture; fetch a fresh copy"):
        datasets.pack("camvid", camvid, SIZE, tmp_path / "packed", progress=False)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("stage", ["_write_arrays", "_manifest"])
def test_an_interruption_leaves_nothing(camvid, tmp_path, monkeypatch, stage):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(packing, stage, stop)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        datasets.pack("camvid", camvid, SIZE, tmp_path / "packed", progress=False)
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_in_use_is_left_alone(camvid, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("kept")
    with pytest.raises(ValueError, match=r"mine is in use; nothing there is overwritten; choose a new or empty folder"):
        datasets.pack("camvid", camvid, SIZE, tmp_path / "mine")
    assert (tmp_path / "mine" / "file").read_text() == "kept"
    (tmp_path / "empty").mkdir()
    datasets.pack("camvid", camvid, SIZE, tmp_path / "empty", progress=False)
    assert json.loads((tmp_path / "empty" / "manifest.json").read_text())["size"] == [*SIZE]


def test_room_is_looked_for_first(camvid, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "ROOM_LEFT", 1 << 60)
    with pytest.raises(ValueError, match=r"0 MiB to write, 0 free; choose another disk or size"):
        datasets.pack("camvid", camvid, SIZE, tmp_path / "packed")


def test_labels_of_two_sizes(camvid, tmp_path):
    for folder in ("train", "trainannot"):
        path = camvid / folder / "0001TP_000060.png"
        Image.open(path).resize((20, 18), Image.Resampling.NEAREST).save(path)
    with pytest.raises(ValueError, match=r"0001TP_000060.png: 20x18 where others have 24x18; a packed copy has labels"):
        datasets.pack("camvid", camvid, SIZE, tmp_path / "packed", progress=False)


def test_streets_are_not_packed(tmp_path):
    with pytest.raises(ValueError, match="got dataset 'streets'; those with files are"):
        datasets.pack("streets", tmp_path, SIZE, tmp_path / "packed")
