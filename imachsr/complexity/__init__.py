"""What M points cost: the papers' formulas counted term by term, measured, and turned into what a budget allows.

counted = count(network, images, points=points)                  # the network, layer by layer
print(cost(counted, chosen, classes=11))                         # every term in operations and bytes
prices  = calibrate(network, images, classes=11)                 # one conventional step, measured
affordable(offers(counted, points, classes=11, prices=prices), time=0.05)
"""

from .budget import Offer, Prices, affordable, calibrate, offers
from .cost import Cost, cost
from .fits import Line, line
from .inference import Inference, inference
from .measure import Seconds, kept_bytes, peak_bytes, products, race, seconds
from .network import Counted, Layer, count
from .papers import Quantity, corrected_space, corrected_time, stated_space, stated_time
from .table import amount, text_table
from .terms import IMPLEMENTATIONS, Term, implemented

__all__ = [
    "IMPLEMENTATIONS",
    "Cost",
    "Counted",
    "Inference",
    "Layer",
    "Line",
    "Offer",
    "Prices",
    "Quantity",
    "Seconds",
    "Term",
    "affordable",
    "amount",
    "calibrate",
    "corrected_space",
    "corrected_time",
    "cost",
    "count",
    "implemented",
    "inference",
    "kept_bytes",
    "line",
    "offers",
    "peak_bytes",
    "products",
    "race",
    "seconds",
    "stated_space",
    "stated_time",
    "text_table",
]
