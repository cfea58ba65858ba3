"""Explorers for notebooks: labelled native controls, one picture with alt text, the same in words beneath it.

Each explorer is a pure function that computes, a function that turns what it computed into HTML, and `_explorer`, which
ties both to controls. The controls are native lists: Tab reaches them, Space opens, arrow keys and Enter choose. (On a
closed list JupyterLab takes the arrow keys for itself and moves to the next cell.)
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

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
        """The widget, and its present state for readers without a kernel."""
        words = f"An explorer of {', '.join(self.controls)}: run the notebook to use it."
        still = {"text/plain": words, "text/html": f"<p>{html.escape(words)}</p>{self.view.value}"}
        return {**self.box._repr_mimebundle_(**kwargs), **still}


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
    """A labelled list of options, or of (word, value) pairs. None is no value: ipywidgets would show an empty field."""
    import ipywidgets

    return ipywidgets.Dropdown(
        description=label, options=options, value=value, style={"description_width": "initial"},
        layout={"width": "max-content"},
    )  # fmt: skip


def _picture(figure: Figure, alt: str, caption: str) -> str:
    """A figure as HTML with its words; the figure is closed."""
    import matplotlib.pyplot as plt

    from .figures import figure_html

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, facecolor="white")
    plt.close(figure)
    return figure_html(base64.b64encode(buffer.getvalue()).decode(), alt, caption)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as an HTML table with column headers."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row.values()) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


# ---- intermediate points


def compute_points(
    points: Sequence[Point], *, rule: str = "any", count: int | str = 3, near: str = "spread", distance: int = 0
) -> tuple[Point, ...]:  # fmt: skip
    """What the point picker shows: `choose_points` with at most one rule.

    Args:
        points: from `find_points`.
        rule: a transition rule that every chosen point must meet, or "any".
        count: M, or "log".
        near: which row of points: "spread", "input", "center" or "output".
        distance: bases from one point to the next, or 0 to leave it open.

    Raises:
        ValueError: fewer points than asked.
    """
    rules = None if rule == "any" else [rule]
    return choose_points(points, count, near=near, distance=distance or None, rules=rules)


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
        "rule": _dropdown("Rule", ["any", *RULES], "any"),
        "count": _dropdown("Count M", ["log", *range(1, counts + 1)], min(3, counts)),
        "near": _dropdown("Near", [*NEAR], "spread"),
        "distance": _dropdown("Distance", [("open", 0), *((str(d), d) for d in range(1, distances + 1))], 0),
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


# ---- negative entropy


@dataclass(frozen=True)
class EntropyEffect:
    """A feature map before and after the regularizer pulled at it.

    Args:
        before: entropy of the channel softmax at each position as a share of log C, (h, w).
        after: the same afterwards.
        ranked_before: mean probability of the largest channel, the second, ..., (C,).
        ranked_after: the same afterwards.
        moved: root mean square change of the features.
    """

    before: np.ndarray
    after: np.ndarray
    ranked_before: np.ndarray
    ranked_after: np.ndarray
    moved: float


def compute_entropy(features: np.ndarray, *, lambda_: float, temperature: float, steps: int = 200) -> EntropyEffect:
    """Where features settle between a pull back to what they were, f0, and the regularizer of iMacHSR Eq. 3.

    At each position, gradient descent from f0 on

        1/2 |f - f0|^2 + lambda * sum_c p_c log p_c,   p = softmax(f / temperature)

    A toy: the first term stands for everything else the network wants. Temperature 1 is the loss itself.

    Args:
        features: f0, (C, h, w) with at least two channels.
        lambda_: weight of the negative entropy, not negative.
        temperature: divides the features before the softmax, positive.
        steps: of gradient descent.

    Raises:
        ValueError: features of another shape, a negative weight, a temperature that is not positive.

    >>> effect = compute_entropy(np.array([2.0, 0.0]).reshape(2, 1, 1), lambda_=1.0, temperature=1.0)
    >>> bool(effect.after.mean() > effect.before.mean())
    True
    """
    start = np.asarray(features, dtype=np.float64)
    _check_entropy(start, lambda_, temperature)
    f, step = start.copy(), 1 / (1 + lambda_ / temperature**2)
    for _ in range(steps):
        p, log_p = _channel_softmax(f / temperature)
        slope = p * (log_p - (p * log_p).sum(0)) / temperature
        f -= step * (f - start + lambda_ * slope)
    (before, ranked_before), (after, ranked_after) = (_spread(g / temperature) for g in (start, f))
    return EntropyEffect(before, after, ranked_before, ranked_after, float(np.sqrt(np.square(f - start).mean())))


def _check_entropy(features: np.ndarray, lambda_: float, temperature: float) -> None:
    if features.ndim != 3 or len(features) < 2 or 0 in features.shape:
        raise ValueError(
            f"got features {features.shape}; one map (C, h, w) of two channels or more is needed; index one image"
        )
    if lambda_ < 0 or not temperature > 0:
        raise ValueError(
            f"got lambda_={lambda_} and temperature={temperature}; a weight is not negative and a temperature is "
            "positive; raise it"
        )


def _channel_softmax(f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p and log p over the channels of (C, h, w)."""
    shifted = f - f.max(0)
    log_p = shifted - np.log(np.exp(shifted).sum(0))
    return np.exp(log_p), log_p


def _spread(f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Entropy as a share of log C (h, w), and mean probabilities by rank (C,)."""
    p, log_p = _channel_softmax(f)
    return -(p * log_p).sum(0) / np.log(len(f)), -np.sort(-p, axis=0).mean((1, 2))


def entropy_explorer(
    features: Any, *, lambdas: float = 4.0, temperatures: tuple[float, float] = (0.25, 4.0)
) -> Explorer:
    """Slides weight and temperature of the negative entropy and redraws what a feature map becomes.

    Args:
        features: one map (C, h, w), a tensor or an array.
        lambdas: the largest weight offered.
        temperatures: the lowest and highest offered.

    Raises:
        ValueError: features of another shape.
    """
    maps = np.asarray(features.detach().cpu() if hasattr(features, "detach") else features, dtype=np.float64)
    _check_entropy(maps, 0.0, 1.0)

    def render(lambda_: float, temperature: float) -> str:
        return _entropy_html(compute_entropy(maps, lambda_=lambda_, temperature=temperature), lambda_, temperature)

    steps = np.geomspace(*temperatures, 9).round(3).tolist()
    controls = {
        "lambda_": _slider("Weight lambda", np.linspace(0, lambdas, 9).round(3).tolist(), lambdas / 4),
        "temperature": _slider("Temperature", steps, min(steps, key=lambda t: abs(t - 1))),
    }
    return _explorer(controls, render)


def _slider(label: str, values: Sequence[float], value: float) -> Any:
    """A labelled slider over a list of values; arrow keys step through it."""
    import ipywidgets

    return ipywidgets.SelectionSlider(
        description=label, options=[(f"{v:g}", v) for v in values], value=min(values, key=lambda v: abs(v - value)),
        tooltip=label, style={"description_width": "initial"},
    )  # fmt: skip


def _entropy_html(effect: EntropyEffect, lambda_: float, temperature: float) -> str:
    shares = 100 * effect.before.mean(), 100 * effect.after.mean()
    caption = (
        f"Weight {lambda_:g}, temperature {temperature:g}: entropy {shares[0]:.1f} % of its maximum before, "
        f"{shares[1]:.1f} % after."
    )
    alt = (
        f"Two maps of the channel entropy at each position, before (mean {shares[0]:.1f} % of its maximum, log C) and "
        f"after (mean {shares[1]:.1f} %), and bars of the mean probability of the channels from the largest down: the "
        f"largest falls from {effect.ranked_before[0]:.2f} to {effect.ranked_after[0]:.2f}."
    )
    rows = [
        {
            "features": name,
            "mean entropy / log C": f"{100 * share.mean():.1f} %",
            "positions below 5 %": f"{100 * (share < 0.05).mean():.1f} %",
            "largest probability": f"{ranked[0]:.3f}",
            "moved (root mean square)": f"{moved:.3f}",
        }
        for name, share, ranked, moved in (
            ("before", effect.before, effect.ranked_before, 0.0),
            ("after", effect.after, effect.ranked_after, effect.moved),
        )
    ]
    return _picture(_entropy_figure(effect), alt, caption) + _table(rows)


def _entropy_figure(effect: EntropyEffect) -> Figure:
    import matplotlib.pyplot as plt
    import seaborn as sns

    figure, axes = plt.subplots(1, 3, figsize=(10, 2.7), layout="constrained")
    for axis, title, share in zip(axes, ("before", "after"), (effect.before, effect.after), strict=False):
        image = axis.imshow(100 * share, vmin=0, vmax=100, cmap="cividis", interpolation="nearest")
        axis.set(title=title, xticks=[], yticks=[])
    figure.colorbar(image, ax=axes[1], label="entropy (% of log C)")
    ranks = np.arange(min(len(effect.ranked_before), 12))
    colors = sns.color_palette("colorblind")
    for shift, name, ranked, color in (
        (-0.2, "before", effect.ranked_before, colors[7]),
        (0.2, "after", effect.ranked_after, colors[0]),
    ):
        axes[2].bar(ranks + shift, ranked[: len(ranks)], 0.4, label=name, color=color)
    axes[2].set(ylim=(0, 1), xlabel="channels, from the largest down", ylabel="mean probability", xticks=ranks)
    axes[2].set_xticklabels(ranks + 1)
    axes[2].legend(frameon=False)
    sns.despine(ax=axes[2])
    return figure
