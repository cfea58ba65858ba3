"""The loop: Algorithm 1 of both papers, and the evaluation it is judged by.

`loop` is the algorithm; `run` is what happens around its steps, from these parts: `loader` batches and
`batch` one of them, `ranks` processes, `precision` arithmetic, `guard` what stops it, `state` and `checkpoint` what
survives it, `keeper` and `interrupt` when.
"""

from .evaluation import evaluate, evaluating, predict
from .interrupt import Stopped
from .loader import EpochBatches, batches
from .loop import fit
from .memory_format import fastest_memory_format, memory_format_of
from .options import LEARNING_RATES, adam
from .precision import DTYPES
from .state import Epoch

__all__ = [
    "DTYPES",
    "LEARNING_RATES",
    "Epoch",
    "EpochBatches",
    "Stopped",
    "adam",
    "batches",
    "evaluate",
    "evaluating",
    "fastest_memory_format",
    "fit",
    "memory_format_of",
    "predict",
]
