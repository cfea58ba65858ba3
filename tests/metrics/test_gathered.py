"""Measures of real processes become one, equal to the last digit, however the images were dealt out."""

import pickle

import numpy as np
import pytest
import torch

from imachsr.metrics import PROTOCOLS, Calibration, Confusion, PredictiveEntropy, gathered

CLASSES, IMAGES, PROCESSES = 5, 5, 2


def measured(which):
    """The three measures of the images named, each image drawn from its own number."""
    measures = [Confusion(CLASSES), Calibration(CLASSES), PredictiveEntropy(CLASSES)]
    for index in which:
        generator = torch.Generator().manual_seed(index)
        probabilities = torch.randn(1, CLASSES, 9, 8, generator=generator).softmax(1)
        targets = torch.randint(0, CLASSES, (1, 9, 8), generator=generator)
        targets[:, 0] = 255
        measures[0].update(probabilities.argmax(1), targets)
        for measure in measures[1:]:
            measure.update(probabilities, targets)
    return measures


def work(rank, folder):
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=PROCESSES)
    own = measured(range(rank, IMAGES, PROCESSES))  # 3 and 2 images
    before = pickle.dumps(own)
    whole = [gathered(measure) for measure in own]
    assert pickle.dumps(own) == before, "gathering leaves a process its own"
    with open(f"{folder}/{rank}.pickle", "wb") as file:
        pickle.dump(whole, file)
    torch.distributed.destroy_process_group()


def test_processes_give_the_integers_of_one(tmp_path):
    torch.multiprocessing.spawn(work, args=(str(tmp_path),), nprocs=PROCESSES)
    alone = measured(range(IMAGES))
    dealt = [index for rank in range(PROCESSES) for index in range(rank, IMAGES, PROCESSES)]
    for rank in range(PROCESSES):
        confusion, calibration, entropy = pickle.loads((tmp_path / f"{rank}.pickle").read_bytes())
        assert confusion.matrix.dtype == np.int64
        np.testing.assert_array_equal(confusion.matrix, alone[0].matrix)
        np.testing.assert_array_equal(confusion.per_image, alone[0].per_image[dealt])
        for protocol in PROTOCOLS:
            assert confusion.scores(protocol)["mIoU"] == pytest.approx(alone[0].scores(protocol)["mIoU"], abs=1e-14)
        np.testing.assert_array_equal(calibration.counts, alone[1].counts)
        assert (entropy.pixels, entropy.sum) == (alone[2].pixels, alone[2].sum)


def test_alone_it_is_a_copy():
    confusion = measured([0])[0]
    whole = gathered(confusion)
    confusion.merge(measured([1])[0])
    np.testing.assert_array_equal(whole.matrix, measured([0])[0].matrix)
