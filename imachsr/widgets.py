"""Explorers for notebooks: labelled native controls, one picture with alt text, the same in words beneath it.

Each explorer is a pure function that computes, a function that turns what it computed into HTML, and `_explorer`, which
ties both to controls. The controls are ordinary form fields, so Tab and the arrow keys reach everything.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .points import RULES, Point, choose_points
from .points.choose import NEAR

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# ---- shared by every explorer


@dataclass(frozen=True)
class Explorer:
    """Controls by name and the HTML they redraw. A notebook shows it; `set` drives it from Python.

    Args:
        controls: name -> widget; each change redraws.
        view: the HTML widget.
        box: both, one below the other.
    """

    controls: Mapping[str, Any]
    view: Any
    box: Any

    def set(self, **values: Any) -> str:
        """Sets controls as a reader would and returns the HTML that shows then."""
        for name, value in values.items():
            if name not in self.controls:
                raise ValueError(f"got control {name!r}; there are {[*self.controls]}; use one of them")
            self.controls[name].value = value
        return str(self.view.value)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.box._repr_mimebundle_(**kwargs)


def _explorer(controls: Mapping[str, Any], render: Callable[..., str]) -> Explorer:
    """Redraws `render(**values of the controls)` on every change, and once now. What it refuses is shown in words."""
    import ipywidgets

    view = ipywidgets.HTML()

    def draw(change: Any = None) -> None:
        try:
            view.value = render(**{name: control.value for name, control in controls.items()})
        except ValueError as refusal:
            view.value = f'<p role="alert"><strong>Refused:</strong> {html.escape(str(refusal))}</p>'

    for control in controls.values():
        control.observe(draw, names="value")
    draw()
    row = ipywidgets.HBox([*controls.values()], layout={"flex_flow": "row wrap"})
    return Explorer(dict(controls), view, ipywidgets.VBox([row, view]))


def _dropdown(label: str, options: Sequence[Any], value: Any) -> Any:
    """A labelled list of options, or of (word, value) pairs."""
    import ipywidgets

    return ipywidgets.Dropdown(
        description=label, options=options, value=value, style={"description_width": "initial"},
        layout={"width": "max-content"},
    )  # fmt: skip


def _picture(figure: Figure, alt: str, caption: str) -> str:
    """A figure as HTML with its words; the figure is closed."""
    import matplotlib.pyplot as plt

    from .figures import _figure_html

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, facecolor="white")
    plt.close(figure)
    return _figure_html(base64.b64encode(buffer.getvalue()).decode(), alt, caption)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as an HTML table with column headers."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row.values()) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


# ---- intermediate points


def compute_points(
    points: Sequence[Point], *, rule: str | None = None, count: int | str = 3, near: str = "spread",
    distance: int | None = None,
) -> tuple[Point, ...]:  # fmt: skip
    """What the point picker shows: `choose_points` with at most one rule.

    Args:
        points: from `find_points`.
        rule: a transition rule that every chosen point must meet, or None.
        count: M, or "log".
        near: which row of points: "spread", "input", "center" or "output".
        distance: bases from one point to the next, or None.

    Raises:
        ValueError: fewer points than asked.
    """
    return choose_points(points, count, near=near, distance=distance, rules=None if rule is None else [rule])


def point_picker(networks: Mapping[str, Sequence[Point]], *, counts: int = 6, distances: int = 4) -> Explorer:
    """Picks network, rule, count, position and distance, and redraws the ribbon.

    Args:
        networks: name -> its points from `find_points`.
        counts: the largest M offered, beside "log".
        distances: the largest base distance offered.

    Raises:
        ValueError: no networks.
    """
    if not networks:
        raise ValueError("got no networks; the picker draws at least one; pass {name: find_points(network, images)}")

    def render(network: str, **wishes: Any) -> str:
        return _chosen_html(network, networks[network], compute_points(networks[network], **wishes))

    controls = {
        "network": _dropdown("Network", [*networks], next(iter(networks))),
        "rule": _dropdown("Rule", [("any", None), *((rule, rule) for rule in RULES)], None),
        "count": _dropdown("Count M", ["log", *range(1, counts + 1)], min(3, counts)),
        "near": _dropdown("Near", [*NEAR], "spread"),
        "distance": _dropdown("Distance", [("none", None), *((str(d), d) for d in range(1, distances + 1))], None),
    }
    return _explorer(controls, render)


def _chosen_html(network: str, points: Sequence[Point], chosen: Sequence[Point]) -> str:
    from .figures import ribbon, ribbon_alt

    rows = [
        {
            "point": point.name,
            "depth": f"{100 * point.depth:.0f} %",
            "channels": point.channels,
            "size": f"{point.size[0]}x{point.size[1]}",
            "rules it meets, and why": "; ".join(f"{rule}: {why}" for rule, why in point.rules.items()) or "none",
        }
        for point in chosen
    ]
    caption = f"{network}: {len(chosen)} of {len(points)} points chosen."
    return _picture(ribbon(points, chosen), ribbon_alt(points, chosen), caption) + _table(rows)
