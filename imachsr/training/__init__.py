"""The loop: Algorithm 1 of both papers, and the evaluation it is judged by."""

from .evaluation import evaluate, predict
from .loader import EpochBatches, batches
from .loop import Epoch, adam, fit
from .memory_format import fastest_memory_format

__all__ = ["Epoch", "EpochBatches", "adam", "batches", "evaluate", "fastest_memory_format", "fit", "predict"]
