"""Explorers for notebooks: labelled native controls, one picture with alt text, the same in words beneath it.

Each explorer is a pure function that computes, a function that turns what it computed into HTML, and `explorer`, which
ties both to controls. The controls are native lists: Tab reaches them, Space opens, arrow keys and Enter choose. (On a
closed list JupyterLab takes the arrow keys for itself and moves to the next cell.)
"""

from .bound import BoundEffect, bound_explorer, compute_bound
from .cost import compute_cost, cost_explorer
from .entropy import EntropyEffect, compute_entropy, entropy_explorer
from .explorer import Explorer
from .points import compute_points, point_picker
from .theta import ThetaEffect, compute_theta, theta_explorer

__all__ = [
    "BoundEffect",
    "EntropyEffect",
    "Explorer",
    "ThetaEffect",
    "bound_explorer",
    "compute_bound",
    "compute_cost",
    "compute_entropy",
    "compute_points",
    "compute_theta",
    "cost_explorer",
    "entropy_explorer",
    "point_picker",
    "theta_explorer",
]
