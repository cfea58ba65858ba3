"""Predictions kept beside a result: what they hold, when, and that they change nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import imachsr
from imachsr.experiment import Snapshots, run
from imachsr.experiment.snapshots import IMAGES, SIDE, evenly, shown_epochs, thinned
from imachsr.training import predict

TINY = imachsr.Settings(
    size=(32, 48), length=6, epochs=3, batch_size=2, memory_format="contiguous", scheme="conventional"
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    ledger = tmp_path_factory.mktemp("ledger")
    return ledger, run(TINY, ledger=ledger, progress=False, keep=True)


def test_every_scored_epoch_keeps_the_same_few_images(ran):
    ledger, result = ran
    images = evenly(6, IMAGES)
    assert Snapshots.of(result, ledger).kept == [(epoch, image) for epoch in (1, 2, 3) for image in images]


def test_the_last_ones_are_what_the_trained_network_predicts(ran):
    ledger, result = ran
    network = imachsr.models.create(TINY.model, len(result.classes)).eval()
    network.load_state_dict(torch.load(ledger / "weights" / f"{result.key}.pt", weights_only=True))
    test = imachsr.datasets.create("streets", part="test", size=TINY.size, length=TINY.length)
    kept = Snapshots.of(result, ledger)
    for epoch, index in kept.kept:
        image, target = test[index]
        now = predict(network, image[None], size=tuple(target.shape))[0].numpy()
        same = (kept.read(epoch, index) == now).mean()
        assert same > 0.999 if epoch == 3 else same < 0.999, "as it was then, not as it is now"


def test_a_picture_opens_anywhere_in_the_colours_of_the_data(ran):
    ledger, result = ran
    test = imachsr.datasets.create("streets", part="test", size=TINY.size, length=TINY.length)
    kept = Snapshots.of(result, ledger)
    with Image.open(kept.folder / "0003-0.png") as picture:
        assert picture.mode == "P"
        colors = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(colors, np.array(test.palette)[kept.read(3, 0)])


def test_keeping_them_leaves_the_network_and_random_numbers_alone(tmp_path):
    network = imachsr.models.create(TINY.model, 11).train()
    frozen = next(module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    test = imachsr.datasets.create("streets", part="test", size=TINY.size, length=TINY.length)
    state = torch.get_rng_state()
    Snapshots(tmp_path).keep(network, test, 1)
    assert torch.equal(state, torch.get_rng_state())
    assert [module for module in network.modules() if not module.training] == [frozen]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_what_was_not_kept_is_said(ran, tmp_path):
    ledger, result = ran
    with pytest.raises(ValueError, match=r"epoch 9 and test image 0 of run \w+, which has those of epochs \[1, 2, 3\]"):
        Snapshots.of(result, ledger).read(9, 0)
    with pytest.raises(ValueError, match=r"which has none; .*published results travel without them; .*again=True"):
        Snapshots.of(result, tmp_path).read(3, 0)


def test_they_do_not_enter_the_key():
    assert not {name for name in TINY.decisive() if "snap" in name or "picture" in name}


@pytest.mark.parametrize(
    ("epochs", "every", "wanted"),
    [(1, 1, [1]), (20, 5, [5, 10, 15, 20]), (7, 3, [3, 6, 7]), (5, 0, [5])],
)
def test_shown_epochs_are_scored_ones_and_the_last(epochs, every, wanted):
    assert shown_epochs(epochs, every) == wanted


def test_long_runs_and_large_maps_stay_small():
    found = shown_epochs(200, 1)
    assert len(found) == 12
    assert (found[0], found[-1]) == (1, 200)
    assert max(thinned(np.zeros((1024, 2048))).shape) <= SIDE
    assert thinned(np.zeros((360, 480))).shape == (360, 480)
    assert evenly(1, 4) == [0]


def test_a_run_with_a_scheme_keeps_them_too(tmp_path):
    result = run(replace(TINY, scheme="imachsr", epochs=1), ledger=tmp_path, progress=False)
    assert {epoch for epoch, _ in Snapshots.of(result, tmp_path).kept} == {1}
