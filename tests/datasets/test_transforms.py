"""Transforms: labels are moved, never blended, and stay under their pixels; draws belong to (seed, epoch, index)."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from imachsr.datasets.transforms import (
    MEAN_BYTES,
    Augment,
    Plain,
    Prepared,
    denormalise,
    normalise,
    resize,
    resize_mask,
)

CODE = 23  # grey level of class k is 23 k: one step apart in class is far apart in grey
SHAPES = [((60, 80), (60, 80)), ((60, 80), (48, 40)), ((45, 62), (64, 96)), ((37, 90), (33, 57))]


def coded(height, width, seed=0):
    """A picture whose grey level says the class of each pixel, in blocks of 18 pixels, and its mask."""
    blocks = np.random.default_rng(seed).integers(0, 11, (height // 18 + 1, width // 18 + 1))
    mask = np.kron(blocks, np.ones((18, 18), int))[:height, :width].astype(np.uint8)
    return np.repeat((CODE * mask)[..., None], 3, axis=2), mask


def inside(target):
    """Pixels with the same target all around, 2 pixels wide: there resizing blends nothing."""
    wide = torch.nn.functional.pad(target[None, None].float(), (2, 2, 2, 2), value=-1)
    highest = torch.nn.functional.max_pool2d(wide, 5, stride=1)[0, 0]
    return highest == -torch.nn.functional.max_pool2d(-wide, 5, stride=1)[0, 0]


class Pictures(torch.utils.data.Dataset):
    name, classes, palette, ignore_index, fingerprint = "pictures", ("a", "b"), [[0, 0, 0]], 255, "1"

    def __len__(self):
        return 6

    def raw(self, index):
        return coded(40, 56, seed=range(len(self))[index])


class Order(list):
    """A sampler: exactly these indices."""


# alignment and label safety


@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_pixels_keep_their_labels(shape, size):
    compared = 0
    for i in range(12):
        image, target = Augment(size, colour=0)(*coded(*shape), 0, i)
        assert image.shape == (3, *size)
        assert target.shape == size
        pixels = torch.from_numpy(denormalise(image)).long()
        certain = inside(target) & (target != 255)
        assert ((pixels[..., 0] - CODE * target)[certain].abs() <= 1).all()
        compared += certain.float().mean() / 12
    assert compared > 0.1


@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_scale_one_is_what_is_tested_on(shape, size):
    """Where the size has another shape than the picture, both squeeze it alike."""
    augmented = Augment(size, scale=(1.0, 1.0), flip=0.0, colour=0.0)(*coded(*shape))
    assert all(torch.equal(a, b) for a, b in zip(augmented, Plain(size)(*coded(*shape)), strict=True))


@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_padding_is_void_and_nothing_else_is(shape, size):
    image, target = Augment(size, scale=(0.5, 0.5), colour=0)(*coded(*shape))
    mean = (torch.from_numpy(denormalise(image)) == torch.tensor(MEAN_BYTES, dtype=torch.uint8)).all(dim=-1)
    assert torch.equal(target == 255, mean)
    assert 0.7 < mean.float().mean() < 0.9


sides = st.integers(1, 70)


@settings(max_examples=60, deadline=None)
@given(sides, sides, sides, sides, st.integers(0, 9), st.integers(0, 99))
def test_labels_are_never_blended_and_sizes_are_kept(height, width, out_height, out_width, epoch, index):
    mask = np.random.default_rng(0).choice([0, 10, 255], (height, width)).astype(np.uint8)
    image = np.full((height, width, 3), 200, np.uint8)
    pixels, target = Augment((out_height, out_width))(image, mask, epoch, index)
    assert set(target.unique().tolist()) <= {*mask.ravel().tolist(), 255}
    assert (pixels.shape, target.shape) == ((3, out_height, out_width), (out_height, out_width))
    assert torch.isfinite(pixels).all()


def test_plain_blends_no_labels():
    mask = np.random.default_rng(0).choice([0, 10, 255], (50, 70)).astype(np.uint8)
    image = np.zeros((50, 70, 3), np.uint8)
    assert set(Plain((13, 91))(image, mask)[1].unique().tolist()) == {0, 10, 255}


def test_colour_leaves_labels_alone():
    picture = coded(60, 80)
    plain, coloured = (Augment((48, 64), seed=3, colour=colour)(*picture) for colour in (0, 0.5))
    assert torch.equal(plain[1], coloured[1])
    assert not torch.equal(plain[0], coloured[0])


def test_flip_mirrors_both():
    picture = coded(60, 80)
    image, target = Plain()(*picture)
    flipped = Augment(scale=(1, 1), flip=1, colour=0)(*picture)
    assert torch.equal(flipped[0], image.flip(-1))
    assert torch.equal(flipped[1], target.flip(-1))


@pytest.mark.parametrize("size", [(20, 30), (45, 64), (150, 99), (90, 200)])
def test_resizing_shifts_labels_by_nothing(size):
    ramp = torch.arange(100, dtype=torch.uint8).expand(1, 100, 100).contiguous()
    for way in (ramp, ramp.mT.contiguous()):
        shift = resize(way.expand(3, -1, -1), size)[0].float() - resize_mask(way, size)[0].float()
        assert shift.mean().abs() < 0.1


def test_plain_keeps_full_targets_when_told():
    image, target = Plain((18, 24), targets=False)(*coded(60, 80))
    assert image.shape == (3, 18, 24)
    assert torch.equal(target, torch.from_numpy(coded(60, 80)[1]).long())
    assert torch.equal(Plain()(*coded(60, 80))[1], target)


def test_normalisation_is_that_of_imagenet():
    picture = torch.tensor([124, 116, 104], dtype=torch.uint8).view(3, 1, 1)
    expected = (torch.tensor([124, 116, 104]) / 255 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor(
        [0.229, 0.224, 0.225]
    )
    torch.testing.assert_close(normalise(picture).flatten(), expected)
    assert expected.abs().max() < 0.02


# draws


def test_draws_depend_on_seed_epoch_and_index_only():
    augment, again, picture = Augment((30, 40), seed=5), Augment((30, 40), seed=5), coded(60, 80)
    first = {(epoch, i): augment(*picture, epoch, i)[0] for epoch in range(3) for i in range(4)}
    for key in reversed(first):
        assert torch.equal(again(*picture, *key)[0], first[key])
    images = [*first.values(), Augment((30, 40), seed=6)(*picture, 0, 0)[0]]
    assert len({image.numpy().tobytes() for image in images}) == len(images)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_and_order_make_no_difference(workers):
    dataset = Prepared(Pictures(), Augment((24, 32), seed=1))
    keys = [(epoch, i) for epoch in (0, 1) for i in range(6)]
    random.Random(workers).shuffle(keys)
    torch.manual_seed(workers)
    loader = DataLoader(dataset, batch_size=None, sampler=Order(keys), num_workers=workers)
    for key, (image, target) in zip(keys, loader, strict=True):
        assert torch.equal(image, dataset[key][0])
        assert torch.equal(target, dataset[key][1])


def test_index_alone_is_epoch_0_and_negative_ones_count_from_the_end():
    dataset = Prepared(Pictures(), Augment((24, 32)))
    assert torch.equal(dataset[4][0], dataset[0, 4][0])
    assert torch.equal(dataset[-2][0], dataset[4][0])
    with pytest.raises(IndexError):
        dataset[6]


def test_global_random_state_is_left_alone():
    def state():
        return random.getstate(), torch.get_rng_state().tolist(), str(np.random.get_state())  # noqa: NPY002

    before = state()
    Augment((24, 32))(*coded(60, 80), 3, 4)
    assert state() == before


def test_scales_and_flips_are_all_used():
    """The padded share tells the scale where the source has the size asked for: a third of the draws is below 1."""
    picture = coded(40, 56)
    targets = [Augment(colour=0)(*picture, 0, i)[1] for i in range(200)]
    padded = torch.stack([(target == 255).float().mean() for target in targets])
    assert 0.2 < (padded > 0).float().mean() < 0.47
    assert padded.max() > 0.65
    flips = [torch.equal(Augment(scale=(1, 1), colour=0)(*picture, 0, i)[1], Plain()(*picture)[1]) for i in range(200)]
    assert 70 < sum(flips) < 130


def test_negative_seed():
    with pytest.raises(ValueError, match="got augmentation seed -1; seeds are whole numbers from 0 up; choose one"):
        Augment(seed=-1)


# crops


def test_a_crop_smaller_than_the_size_keeps_the_scale():
    """Scale 1 is the whole picture at `size`; the crop is a window of it."""
    picture = coded(60, 80)
    whole = Plain((120, 160))(*picture)
    image, target = Augment((120, 160), scale=(1, 1), flip=0, colour=0, crop=(40, 50))(*picture, 0, 3)
    assert (image.shape, target.shape) == ((3, 40, 50), (40, 50))
    places = [
        (top, left)
        for top in range(81)
        for left in range(111)
        if torch.equal(whole[1][top : top + 40, left : left + 50], target)
    ]
    assert any(torch.equal(whole[0][:, top : top + 40, left : left + 50], image) for top, left in places)


def test_crops_are_cut_from_everywhere():
    ramp = np.arange(60, dtype=np.uint8)[:, None].repeat(80, 1)
    picture = ramp[..., None].repeat(3, 2), ramp
    tops = [Augment(scale=(1, 1), colour=0, crop=(20, 20))(*picture, 0, i)[1].min().item() for i in range(100)]
    assert min(tops) < 4
    assert max(tops) > 36


def test_a_crop_without_labels_is_harmless():
    from imachsr.losses import cross_entropy, mutual_information

    mask = np.full((40, 56), 255, np.uint8)
    images, targets = Augment((24, 32))(np.zeros((40, 56, 3), np.uint8), mask)
    assert (targets == 255).all()
    logits = images[None, :1].expand(1, 5, -1, -1).clone().requires_grad_()
    for loss in (cross_entropy, mutual_information):
        value = loss(logits, targets[None])
        value.backward()
        assert value == 0
        assert logits.grad.abs().max() == 0
