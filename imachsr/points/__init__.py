"""WHERE: record one forward pass, judge the transition rules, choose, capture."""

from .capture import Capture
from .choose import choose_points
from .find import find_points
from .given import answer, is_whole
from .point import Point, Points
from .rules import RULES
from .structure import auxiliary_of, logits_of

__all__ = [
    "RULES",
    "Capture",
    "Point",
    "Points",
    "answer",
    "auxiliary_of",
    "choose_points",
    "find_points",
    "is_whole",
    "logits_of",
]
