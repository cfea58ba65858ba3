"""Parameters that no forward pass uses: two processes train the rest as one does."""

import os
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import imachsr
from imachsr.training import adam, batches, fit


class Spare(nn.Module):
    """It has a layer that training may leave out."""

    def __init__(self, leaves_out):
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.classes = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()), nn.Conv2d(8, 2, 1)
        self.spare, self.leaves_out = nn.Conv2d(2, 2, 1), leaves_out

    def forward(self, images):
        logits = self.classes(self.stem(images))
        return logits if self.training and self.leaves_out else self.spare(logits)


def trained(scheme, leaves_out=True, **options):
    """A trainee after some steps."""
    network, data = Spare(leaves_out), torch.Generator().manual_seed(1)
    dataset = TensorDataset(torch.rand(8, 3, 8, 8, generator=data), torch.randint(0, 2, (8, 8, 8), generator=data))
    points = imachsr.choose_points(imachsr.find_points(network.train(), dataset.tensors[0][:2]), 1)
    trainee = imachsr.Supervised(network.eval(), points, imachsr.scheme(scheme), classes=2)
    fit(trainee, batches(dataset, 4), epochs=3, optimizer=adam(trainee, weight_decay=0.1), progress=False, **options)
    return trainee


def as_rank(folder):
    """One of two processes, which notes whether the network is searched for what it does not use."""
    searched, plain = [], nn.parallel.DistributedDataParallel

    def noted(*args, **kwargs):
        searched.append(kwargs.get("find_unused_parameters", False))
        return plain(*args, **kwargs)

    nn.parallel.DistributedDataParallel = noted
    states = [trained(scheme, processes=2, accumulate=2).state_dict() for scheme in ("conventional", "imachsr")]
    trained("conventional", leaves_out=False, processes=2)
    torch.save((states, searched), folder / f"rank{os.environ['RANK']}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(os.name != "posix", reason="launched as on Unix")
def test_two_processes_train_what_is_used_as_one_does(tmp_path, two_processes):
    two_processes(__file__, tmp_path)
    (states, searched), (others, _) = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    assert searched == [True, True, False], "where all is used, nothing is searched for"
    for scheme, state, other in zip(("conventional", "imachsr"), states, others, strict=True):
        alone = trained(scheme).state_dict()
        assert all(value.equal(other[name]) for name, value in state.items())
        for name, value in alone.items():
            torch.testing.assert_close(state[name], value, rtol=0, atol=1e-5)
        assert state["network.spare.weight"].equal(Spare(True).spare.weight)


if __name__ == "__main__":
    as_rank(Path(sys.argv[1]))
