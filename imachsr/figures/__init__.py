"""Pictures of points, training and predictions. Every picture has alt text, a caption and the numbers it shows."""

from .idea import idea
from .labels import colorize, grid, legend
from .results import cells, curves, curves_table, scheme_colors
from .ribbon import DEPTH, place_colors, placements, ribbon, ribbon_alt
from .show import figure_html, png, show

__all__ = [
    "DEPTH",
    "cells",
    "colorize",
    "curves",
    "curves_table",
    "figure_html",
    "grid",
    "idea",
    "legend",
    "place_colors",
    "placements",
    "png",
    "ribbon",
    "ribbon_alt",
    "scheme_colors",
    "show",
]
