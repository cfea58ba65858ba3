"""What a point is asked for: pure functions of logits (or features) and labels that return one number in nats.

Every loss is a reference that reads like its formula; `impl` picks a fast twin of the same name from `kernels/`.
Any other callable `(logits, targets) -> scalar` serves as a term too.
"""

from ._common import check_ids, upsample
from ._impl import transformed
from .cross_entropy import cross_entropy
from .infonce import infonce
from .label_entropy import label_entropy
from .mutual_information import ESTIMATORS, mutual_information
from .negative_entropy import negative_entropy
from .region import region

__all__ = [
    "ESTIMATORS",
    "check_ids",
    "cross_entropy",
    "infonce",
    "label_entropy",
    "mutual_information",
    "negative_entropy",
    "region",
    "transformed",
    "upsample",
]
