"""imachsr: losses inside any network, taught, measured and reproduced.

In reading order: find points, choose some, attach a scheme, train, evaluate, release; then whole studies.

    points  = imachsr.find_points(network, images)
    chosen  = imachsr.choose_points(points, 3)
    trainee = imachsr.Supervised(network, chosen, imachsr.scheme("imachsr"), classes=11)
    losses  = trainee(images, labels)
    network = trainee.release()
"""

__version__ = "0.1.0"

# ruff: noqa: I001 (the order of reading, not of the alphabet)
from . import datasets, losses, metrics, models, theory
from .points import Point, choose_points, find_points
from .adapters import DimensionAdapter
from .objective import Losses, Scheme, Supervised, at_label_size, scheme
from .training import evaluate, fit
from .experiment import Result, Settings, results, run

__all__ = [
    "DimensionAdapter",
    "Losses",
    "Point",
    "Result",
    "Scheme",
    "Settings",
    "Supervised",
    "at_label_size",
    "choose_points",
    "datasets",
    "evaluate",
    "find_points",
    "fit",
    "losses",
    "metrics",
    "models",
    "results",
    "run",
    "scheme",
    "theory",
]
