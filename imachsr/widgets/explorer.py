"""What every explorer is made of: labelled native controls, and one view that they redraw."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        """The widget, and its present state for readers without a kernel."""
        labels = ", ".join(control.description for control in self.controls.values())
        words = f"An explorer of {labels}: run the notebook to use it."
        still = {"text/plain": words, "text/html": f"<p>{html.escape(words)}</p>{self.view.value}"}
        return {**self.box._repr_mimebundle_(**kwargs), **still}


def explorer(controls: Mapping[str, Any], render: Callable[..., str]) -> Explorer:
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


def dropdown(label: str, options: Sequence[Any], value: Any) -> Any:
    """A labelled list of options, or of (word, value) pairs. None is no value: ipywidgets would show an empty field."""
    import ipywidgets

    return ipywidgets.Dropdown(
        description=label, options=options, value=value, style={"description_width": "initial"},
        layout={"width": "max-content"},
    )  # fmt: skip


def numbers(label: str, values: Sequence[float], value: float) -> Any:
    """A labelled list of numbers, at the one nearest to `value`. (The thumb of an ipywidgets slider has no name.)"""
    nearest = min(values, key=lambda v: abs(v - value))
    return dropdown(label, [(f"{v:g}", v) for v in values], nearest)


def toggle(label: str) -> Any:
    """A labelled box to tick, not ticked: Tab reaches it, Space ticks."""
    import ipywidgets

    layout = {"width": "max-content", "margin": "2px 1em 2px 2px"}  # nearer to its own word than to the next
    return ipywidgets.Checkbox(description=label, value=False, indent=False, layout=layout)


def picture(figure: Figure, alt: str, caption: str) -> str:
    """A figure as HTML with its words; the figure is closed."""
    from ..figures import figure_html, png

    return figure_html(png(figure, dpi=90), alt, caption)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as an HTML table with column headers."""
    style = "text-align:left;padding-right:1.5em"
    head = "".join(f'<th scope="col" style="{style}">{html.escape(name)}</th>' for name in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row.values()) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
