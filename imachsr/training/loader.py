"""Batches whose order and augmentation depend on (seed, epoch, index) only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, Sampler


class EpochBatches(Sampler[list[tuple[int, int]]]):
    """Batches of (epoch, index): with the epoch in the index, every random draw of a sample can be fixed by its name.

    Args:
        length: samples in the dataset.
        batch_size: samples per batch; the last, smaller batch of a shuffled epoch is left out.
        seed: fixes the order of every epoch.
        shuffle: a new order each epoch; else 0, 1, 2, ... with the last batch kept.
    """

    def __init__(self, length: int, batch_size: int, *, seed: int = 0, shuffle: bool = True) -> None:
        if shuffle and length < batch_size:
            raise ValueError(
                f"got {length} training samples and batch_size={batch_size}; an epoch needs at least one full batch; "
                "lower the batch size"
            )
        self.length, self.batch_size, self.seed, self.shuffle, self.epoch = length, batch_size, seed, shuffle, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch (from 0) that the next iteration gives."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.length // self.batch_size if self.shuffle else -(-self.length // self.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = torch.arange(self.length).tolist()
        if self.shuffle:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
            order = torch.randperm(self.length, generator=generator).tolist()
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            yield [(self.epoch, index) for index in order[start : start + self.batch_size]]


def batches(
    dataset: Dataset, batch_size: int = 8, *, seed: int = 0, shuffle: bool = True, workers: int = 0
) -> DataLoader:
    """A loader whose order and augmentation depend on (seed, epoch, index) only, whatever the number of workers."""
    sampler = EpochBatches(len(dataset), batch_size, seed=seed, shuffle=shuffle)  # type: ignore[arg-type]
    own = torch.Generator().manual_seed(seed)  # else the loader draws from the global generator
    return DataLoader(
        dataset, batch_sampler=sampler, num_workers=workers, generator=own, persistent_workers=workers > 0
    )


def moved(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, (tuple, list)):
        return tuple(moved(entry, device) for entry in batch)
    return batch.to(device, non_blocking=True)
