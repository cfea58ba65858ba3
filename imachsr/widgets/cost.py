"""The cost explorer: what losses at M points would cost, and what a budget allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .explorer import Explorer, dropdown, explorer, picture, table

if TYPE_CHECKING:
    from ..complexity import Cost, Counted, Offer, Prices
    from ..points import Points

BUDGETS = (1, 2, 5, 10, 25, 50, 100)  # per cent


def compute_cost(
    counted: Counted, points: Points, *, classes: int, count: int, losses: str, near: str = "spread",
    scheme: str = "imachsr",
) -> Cost:  # fmt: skip
    """What the cost explorer shows: `complexity.cost` of chosen points.

    Args:
        counted: from `complexity.count`, with all points.
        points: from `find_points`.
        classes: K.
        count: M.
        losses: "eager" or "fused".
        near: which row of points.
        scheme: by name.

    Raises:
        ValueError: fewer points than asked.
    """
    from .. import complexity
    from ..points import choose_points

    chosen = choose_points(points, count, near=near)
    return complexity.cost(counted, chosen, classes=classes, scheme=scheme, implementation=losses)


def cost_explorer(
    networks: Mapping[str, tuple[Counted, Points]],
    *,
    classes: int,
    prices: Mapping[str, Mapping[str, Prices]] | None = None,
    most: int = 8,
) -> Explorer:
    """Picks network, scheme, losses, points and a budget, and redraws what each point adds.

    Args:
        networks: name -> (`complexity.count(network, images, points=points)`, `find_points(network, images)`).
        classes: K.
        prices: name -> {"eager": ..., "fused": ...} from `complexity.calibrate`; without them no time is predicted.
        most: the largest M offered.

    Raises:
        ValueError: no networks.
    """
    from .. import complexity
    from ..objective import SCHEMES
    from ..points.choose import NEAR

    if not networks:
        raise ValueError(
            "got no networks; the explorer draws one at least; "
            "pass {name: (complexity.count(network, images, points=points), points)}"
        )

    def render(network: str, scheme: str, losses: str, count: int, near: str, budget: int) -> str:
        counted, points = networks[network]
        price = (prices or {}).get(network, {}).get(losses)
        settings = {"classes": classes, "scheme": scheme, "near": near}
        cost = compute_cost(counted, points, count=count, losses=losses, **settings)  # type: ignore[arg-type]
        offers = complexity.offers(
            counted, points, implementation=losses, most=most, prices=price, **settings  # type: ignore[arg-type]
        )  # fmt: skip
        return _cost_html(network, cost, offers, price, budget)

    schemes = [name for name, s in SCHEMES.items() if s.uses_points and s.clusters is None]
    controls = {
        "network": dropdown("Network", [*networks], next(iter(networks))),
        "scheme": dropdown("Scheme", schemes, "imachsr"),
        "losses": dropdown("Losses", [*complexity.IMPLEMENTATIONS], "eager"),
        "count": dropdown("Count M", [*range(1, most + 1)], min(3, most)),
        "near": dropdown("Near", [*NEAR], "spread"),
        "budget": dropdown("At most", [(f"{share} % more", share) for share in BUDGETS], 5),
    }
    return explorer(controls, render)


def _cost_html(network: str, cost: Cost, offers: list[Offer], price: Prices | None, budget: int) -> str:
    from .. import complexity
    from ..figures.complexity import cost_bars, cost_bars_alt

    base = sum(term.kept for term in cost.terms if not term.point)
    words = f"{network}, M = {len(cost.points)}, {cost.implementation} losses: "
    words += f"{100 * (cost.kept / base - 1):.2f} % more bytes kept"
    if price:
        words += f", {100 * (price.ratio(cost) - 1):.1f} % more time predicted"
    allowed = {"bytes": complexity.affordable(offers, memory=budget / 100)}
    if price:
        allowed["time"] = complexity.affordable(offers, time=budget / 100)
    words += f". At most {budget} % more " + ", ".join(f"{what}: M = {_most(M, offers)}" for what, M in allowed.items())
    return picture(cost_bars(cost), cost_bars_alt(cost), f"{words}.") + table(cost.rows())


def _most(M: int, offers: list[Offer]) -> str:
    return f"{M} or more" if len(offers) == M else str(M)
