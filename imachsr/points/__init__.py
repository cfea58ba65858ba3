"""WHERE: record one forward pass, judge the transition rules, choose, capture."""

from .capture import Capture
from .choose import RULES, choose_points
from .find import find_points
from .point import Point, Points

__all__ = ["RULES", "Capture", "Point", "Points", "choose_points", "find_points"]
