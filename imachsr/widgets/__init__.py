"""Explorers for notebooks: labelled native controls, one picture with alt text, the same in words beneath it.

Each explorer is a pure function that computes, a function that turns what it computed into HTML, and `explorer`, which
ties both to controls. The controls are native lists: Tab reaches them, Space opens, arrow keys and Enter choose. (On a
closed list JupyterLab takes the arrow keys for itself and moves to the next cell.) Boxes are ticked by Space.
"""

from .bound import BoundEffect, bound_explorer, compute_bound
from .cost import compute_cost, cost_explorer
from .curves import Curve, compute_curves, curve_browser
from .entropy import EntropyEffect, compute_entropy, entropy_explorer
from .explorer import Explorer
from .points import compute_points, point_picker
from .theta import ThetaEffect, compute_theta, theta_explorer
from .viewer import PredictionEffect, compute_prediction, prediction_viewer

__all__ = [
    "BoundEffect",
    "Curve",
    "EntropyEffect",
    "Explorer",
    "PredictionEffect",
    "ThetaEffect",
    "bound_explorer",
    "compute_bound",
    "compute_cost",
    "compute_curves",
    "compute_entropy",
    "compute_points",
    "compute_prediction",
    "compute_theta",
    "cost_explorer",
    "curve_browser",
    "entropy_explorer",
    "point_picker",
    "prediction_viewer",
    "theta_explorer",
]
