"""Filing and showing a picture with its words."""

from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

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
    import matplotlib.pyplot as plt
    from IPython.display import HTML, display

    if not alt.strip() or not caption.strip():
        raise ValueError(f"got no alt text or caption for figure {name!r}; every picture needs both; write them")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight", facecolor="white")
    plt.close(figure)
    folder = Path(folder) if folder else home() / "figures"
    write_atomically(folder / f"{name}.png", buffer.getvalue())
    write_atomically(folder / f"{name}.json", json.dumps({"alt": alt, "caption": caption}, indent=1) + "\n")
    encoded = base64.b64encode(buffer.getvalue()).decode()
    display(HTML(figure_html(encoded, alt, caption)))


def figure_html(encoded: str, alt: str, caption: str) -> str:
    """A PNG in base64 as HTML with alt text and caption, for places that show HTML."""
    return (
        f'<figure><img alt="{html.escape(alt)}" style="max-width:100%" src="data:image/png;base64,{encoded}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
