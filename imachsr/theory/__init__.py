"""Theorem 1 of the papers: as stated, as it can be proved, and both beside exact runs with known constants."""

from .bounds import corrected_bound, stated_bound
from .counterexamples import Comparison, adam, exact_gradients, shared_noise
from .descent import Estimate, expected, replicated, trace
from .problems import Ridges, Softmax, huber
from .study import study, summary

__all__ = [
    "Comparison",
    "Estimate",
    "Ridges",
    "Softmax",
    "adam",
    "corrected_bound",
    "exact_gradients",
    "expected",
    "huber",
    "replicated",
    "shared_noise",
    "stated_bound",
    "study",
    "summary",
    "trace",
]
