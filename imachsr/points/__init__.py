"""WHERE: record one forward pass, judge the transition rules, choose, capture."""

from .capture import Capture
from .choose import NEAR, choose_points
from .find import find_points
from .given import answer, is_whole, several
from .graph import RESHAPES, Graph
from .point import Point, Points
from .record import record
from .recording import Operation
from .rules import RULES
from .structure import auxiliary_of, logits_of
from .untouched import tried, unchanged

__all__ = [
    "NEAR",
    "RESHAPES",
    "RULES",
    "Capture",
    "Graph",
    "Operation",
    "Point",
    "Points",
    "answer",
    "auxiliary_of",
    "choose_points",
    "find_points",
    "is_whole",
    "logits_of",
    "record",
    "several",
    "tried",
    "unchanged",
]
