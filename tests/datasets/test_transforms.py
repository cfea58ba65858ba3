"""Transforms: labels stay labels, image and mask stay together, and every draw is fixed by (seed, epoch, index)."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imachsr.datasets.transforms import MEAN_BYTES, Augment, Plain, Prepared, denormalise, normalise, resize_mask

STEADY = {"colour": 0.0}  # colours as they are, so that grey still tells the class
NATIVE = {"scale": (1.0, 1.0), **STEADY}


def scene(height=48, width=64, cell=8, seed=0):
    """Blocks of one class each, whose grey is 20 times the label (void: 220)."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 12, (-(-height // cell), -(-width // cell)), dtype=np.uint8)
    mask = blocks.repeat(cell, 0).repeat(cell, 1)[:height, :width].copy()
    image = np.stack([mask * 20] * 3, -1)
    mask[mask == 11] = 255
    return image, mask


class Source:
    name, classes, palette, ignore_index, fingerprint = "scenes", ("a",), [[0, 0, 0]], 255, "f"

    def __len__(self):
        return 6

    def raw(self, index):
        return scene(seed=range(6)[index])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(20, 70),
    st.integers(20, 70),
    st.integers(16, 80),
    st.integers(16, 80),
    st.integers(0, 9),
    st.integers(0, 99),
)
def test_no_new_labels_and_the_size_asked_for(height, width, out_height, out_width, epoch, index):
    image, mask = scene(height, width)
    images, targets = Augment((out_height, out_width))(image, mask, epoch, index)
    assert images.shape == (3, out_height, out_width)
    assert targets.shape == (out_height, out_width)
    assert images.dtype == torch.float32
    assert targets.dtype == torch.int64
    assert {*targets.unique().tolist()} <= {*mask.ravel().tolist(), 255}
    assert torch.isfinite(images).all()


@pytest.mark.parametrize("index", range(12))
def test_image_and_mask_stay_together(index):
    image, mask = scene(96, 128, cell=16)
    images, targets = Augment((96, 128), **STEADY)(image, mask, 0, index)
    grey, labels = denormalise(images)[..., 0].astype(int), targets.numpy()
    told = np.where(labels == 255, 220, labels * 20)
    pad = (denormalise(images) == MEAN_BYTES).all(-1) & (labels == 255)
    agree = (abs(grey - told) <= 2) | pad
    assert agree.mean() > 0.8  # the rest are blended borders between blocks
    shifted = np.roll(told, (8, 8), (0, 1))
    assert (abs(grey - shifted) <= 2)[~pad].mean() < 0.7


def test_a_flip_moves_both():
    image, mask = scene()
    there, back = (Augment(flip=flip, **NATIVE)(image, mask) for flip in (0.0, 1.0))
    assert torch.equal(there[0], normalise(torch.from_numpy(image).permute(2, 0, 1)))
    assert torch.equal(there[1], torch.from_numpy(mask).long())
    assert torch.equal(back[0], there[0].flip(-1))
    assert torch.equal(back[1], there[1].flip(-1))


def test_flips_happen_half_the_time():
    image, mask = scene()
    flipped = sum(
        torch.equal(Augment(**NATIVE)(image, mask, 0, i)[1], torch.from_numpy(mask).long().flip(-1)) for i in range(200)
    )
    assert 70 < flipped < 130


def test_a_small_scale_pads_with_mean_colour_and_void():
    image, mask = scene()
    image[:], mask[:] = 255, 3
    images, targets = Augment(scale=(0.5, 0.5), **STEADY)(image, mask)
    inside = targets == 3
    assert inside.sum() == 24 * 32
    assert (targets[~inside] == 255).all()
    assert (denormalise(images)[~inside.numpy()] == MEAN_BYTES).all()
    assert images[:, ~inside].abs().max() < 0.01
    assert (denormalise(images)[inside.numpy()] == 255).all()


def test_a_large_scale_fills_the_crop():
    image, mask = scene()
    mask[:] = 3
    assert (Augment(scale=(2.0, 2.0))(image, mask)[1] == 3).all()


def test_draws_are_fixed_by_seed_epoch_and_index():
    image, mask = scene()
    augment = Augment((32, 40))
    first = augment(image, mask, 1, 2)
    torch.manual_seed(123)
    again = Augment((32, 40))(image, mask, 1, 2)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    others = (augment(image, mask, 2, 1), augment(image, mask, 1, 3), Augment((32, 40), seed=1)(image, mask, 1, 2))
    assert all(not torch.equal(first[0], other[0]) for other in others)


def test_the_global_generator_is_left_alone():
    state = torch.get_rng_state()
    Augment((32, 40))(*scene(), 0, 0)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_and_order_do_not_matter(workers):
    dataset = Prepared(Source(), Augment((32, 40)))
    wanted = [(1, 4), (1, 0), (0, 4)]
    loader = torch.utils.data.DataLoader(dataset, batch_size=None, sampler=wanted, num_workers=workers)
    for (image, target), index in zip(loader, wanted, strict=True):
        assert torch.equal(image, dataset[index][0])
        assert torch.equal(target, dataset[index][1])
    assert not torch.equal(dataset[1, 4][0], dataset[0, 4][0])


def test_an_index_alone_is_epoch_0_and_negative_ones_count_from_the_end():
    dataset = Prepared(Source(), Augment((32, 40)))
    assert torch.equal(dataset[4][0], dataset[0, 4][0])
    assert torch.equal(dataset[-2][0], dataset[4][0])
    with pytest.raises(IndexError):
        dataset[6]


def test_plain_resizes_targets_only_if_told():
    image, mask = scene()
    for targets, shape in ((True, (24, 32)), (False, (48, 64))):
        images, labels = Plain((24, 32), targets=targets)(image, mask)
        assert images.shape == (3, 24, 32)
        assert labels.shape == shape
        assert {*labels.unique().tolist()} <= {*mask.ravel().tolist()}
    images, labels = Plain()(image, mask)
    assert (denormalise(images) == image).all()
    assert (labels.numpy() == mask).all()


def test_masks_are_read_at_pixel_centres():
    """A third of the size keeps the middle of three; the first would shift labels against the image."""
    mask = torch.arange(9, dtype=torch.uint8).repeat(3, 1)[None]
    assert resize_mask(mask, (1, 3)).flatten().tolist() == [1, 4, 7]


def test_normalise_is_imagenets():
    white = normalise(torch.full((3, 1, 1), 255, dtype=torch.uint8)).flatten()
    torch.testing.assert_close(white, (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225]))
    assert normalise(torch.zeros(2, 3, 4, 5, dtype=torch.uint8)).shape == (2, 3, 4, 5)
