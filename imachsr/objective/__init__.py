"""HOW MUCH: which terms stand where, with what weight, and the module that trains them together.

    L_T = L_CE + sum_m (alpha_m * L_MI^m + lambda_m * L_NE^m)            (iMacHSR Eq. 3)

`scheme` is the data, `weights` the alpha_m and lambda_m, `supervised` the sum over a network.
"""

from .checks import check_aspect, check_logits
from .scheme import SCHEDULES, SCHEMES, WEIGHTINGS, Loss, Scheme, at_label_size, scheme, set_as
from .shares import Shares, counts, shares
from .supervised import Losses, Supervised, brought_adapters
from .weights import Term, Weights

__all__ = [
    "SCHEDULES",
    "SCHEMES",
    "WEIGHTINGS",
    "Loss",
    "Losses",
    "Scheme",
    "Shares",
    "Supervised",
    "Term",
    "Weights",
    "at_label_size",
    "brought_adapters",
    "check_aspect",
    "check_logits",
    "counts",
    "scheme",
    "set_as",
    "shares",
]
