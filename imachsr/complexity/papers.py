"""The papers' complexity formulas as printed, and the same with units, constants and every layer counted.

Axes: B images, K classes, C channels at a point, (h, w) features, (H, W) labels, D layers, M points, P parameters.
"""

from __future__ import annotations

from typing import NamedTuple

from .cost import Cost

STATE = 16  # bytes a learned float32 takes under Adam: itself, its gradient, and two moments


class Quantity(NamedTuple):
    """One term of a formula.

    Args:
        name: of the term.
        formula: as printed, or as corrected.
        value: the number it gives.
        unit: what that number counts.
        remark: what is wrong with it, or what was corrected.
    """

    name: str
    formula: str
    value: int
    unit: str
    remark: str = ""


def stated_time(cost: Cost) -> tuple[Quantity, ...]:
    """The time of one step as printed:

        O(D + M) + O(B((M + 1) W H K + sum_m B w_m h_m C_m)) + O(D)      (iMacSR III-C 1, iMacHSR Time Complexity)

    Layers and values are added although no layer is worth one value; the B within B(...) makes the entropy terms
    quadratic in the batch, which they are not; and all layers pass for equal.
    """
    B, (H, W), K, M, D = cost.counted.batch, cost.labels, cost.classes, len(cost.points), cost.counted.depth
    entropies = sum(B * point.size[0] * point.size[1] * point.channels for point in cost.points)
    return (
        Quantity("forward", "D + M", D + M, "layers", "a layer, a copy and an adapter count the same"),
        Quantity(
            "losses", "B((M + 1) W H K + sum B w h C)", B * ((M + 1) * W * H * K + entropies), "values",
            f"the second B is a slip: it counts the entropies {B} times",
        ),
        Quantity("backward", "D", D, "layers", "adapters and losses have a way back too"),
    )  # fmt: skip


def corrected_time(cost: Cost) -> tuple[Quantity, ...]:
    """The time of one step in one unit, operations, forward and backward of each kind of term together.

    Outside products, an operation of the network counts once per number made (`count`), a loss in full.
    """
    return (
        Quantity("network", "sum over D layers", _sum(cost, "network"), "operations", "every layer counted"),
        Quantity("features", "B w h C per reader", _sum(cost, "features"), "operations", "gradients added up"),
        Quantity("adapters", "sum 6 B w h C K + 2 B w h K", _sum(cost, "adapter"), "operations", "product and bias"),
        Quantity("output loss", "c B W H K", _sum(cost, "output"), "operations", "c counted, not hidden"),
        Quantity("point losses", "sum c B W H K", _sum(cost, "supervision"), "operations", "M of them"),
        Quantity("entropies", "sum c B w h C", _sum(cost, "regularizer"), "operations", "linear in B"),
    )


def stated_space(cost: Cost) -> tuple[Quantity, ...]:
    """The extra space of one step as printed:

    O(sum_m B w_m h_m C_m + M B W H K + sum_m P_m)                   (iMacSR III-C 2, iMacHSR Space Complexity)
    """
    B, (H, W), K, M = cost.counted.batch, cost.labels, cost.classes, len(cost.points)
    features = sum(B * point.size[0] * point.size[1] * point.channels for point in cost.points)
    return (
        Quantity("features", "sum B w h C", features, "values", "often kept by the network anyway"),
        Quantity("point losses", "M B W H K", M * B * W * H * K, "values", "only where losses work at label size"),
        Quantity("adapters", "sum P", sum(term.parameters for term in cost.extra), "values", "Adam holds 4 for each"),
    )


def corrected_space(cost: Cost) -> tuple[Quantity, ...]:
    """The extra space of one step in bytes, as the implementation has it; exact for float32 on one process."""
    return (
        Quantity("features", "4 B w h C, or 0", _kept(cost, "features"), "bytes", "0 where kept anyway"),
        Quantity(
            "point losses", _formula(cost, "supervision"), _kept(cost, "supervision"), "bytes",
            f"the constants of {cost.scheme}'s loss",
        ),
        Quantity(
            "entropies", _formula(cost, "regularizer"), _kept(cost, "regularizer"), "bytes", "not in the papers' sum"
        ),
        Quantity(
            "adapters", f"sum {STATE} P", STATE * sum(term.parameters for term in cost.extra), "bytes",
            "weight, gradient and Adam's two moments",
        ),
    )  # fmt: skip


def _sum(cost: Cost, name: str) -> int:
    return sum(term.operations for term in cost.terms if term.name == name)


def _kept(cost: Cost, name: str) -> int:
    return sum(term.kept for term in cost.extra if term.name == name)


def _formula(cost: Cost, name: str) -> str:
    """What the terms of one kind keep, as they say it; 0 where there are none."""
    formulas = {term.formula for term in cost.extra if term.name == name} - {"0"}
    return " or ".join(f"sum {formula}" for formula in sorted(formulas)) or "0"
