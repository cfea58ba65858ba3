"""Filing and showing a picture with its words."""

from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..experiment import home, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def show(figure: Figure, name: str, *, alt: str, caption: str, folder: str | Path | None = None) -> None:
    """File a figure as `folder/name.png` with its words beside it, and display it with alt text where one looks.

    Args:
        figure: a matplotlib figure; it is closed.
        name: file name without ending; the report orders by it.
        alt: what someone who cannot see it should know.
        caption: what to see in it.
        folder: by default `figures/` of the checkout.
    """
    from IPython.display import HTML, display

    if not alt.strip() or not caption.strip():
        raise ValueError(f"got no alt text or caption for figure {name!r}; every picture needs both; write them")
    drawn = png(figure, dpi=110, bbox_inches="tight")
    folder = Path(folder) if folder else home() / "figures"
    write_atomically(folder / f"{name}.png", drawn)
    write_atomically(folder / f"{name}.json", json.dumps({"alt": alt, "caption": caption}, indent=1) + "\n")
    display(HTML(figure_html(drawn, alt, caption)))


def png(figure: Figure, **how: Any) -> bytes:
    """A figure as a PNG on white; the figure is closed.

    Args:
        figure: a matplotlib figure.
        how: what else `Figure.savefig` takes.
    """
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white", **how)
    plt.close(figure)
    return buffer.getvalue()


def figure_html(drawn: bytes, alt: str, caption: str) -> str:
    """A PNG as HTML with alt text and caption, for places that show HTML."""
    encoded = base64.b64encode(drawn).decode()
    return (
        f'<figure><img alt="{html.escape(alt)}" style="max-width:100%" src="data:image/png;base64,{encoded}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
