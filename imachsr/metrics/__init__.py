"""What a network is judged by: exact counts, protocols that say what a mean is over, and how sure it was.

`Confusion` counts class ids; `Calibration` and `PredictiveEntropy` look at probabilities. All of them add up batch by
batch, merge across processes to the very same numbers in any order, and answer `scores()`.
"""

from .calibration import Calibration
from .confusion import Confusion
from .entropy import PredictiveEntropy
from .probabilities import Measure
from .protocols import PROTOCOLS

__all__ = ["PROTOCOLS", "Calibration", "Confusion", "Measure", "PredictiveEntropy"]
