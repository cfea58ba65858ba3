"""How long a notebook takes, in words: read from published measurements, never typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..experiment import TIERS
from ..reproduce.minutes import measured_minutes

QUIET = 0.2  # cores: less than this is the system's own work


def minutes(number: str, *, rows: Sequence[Mapping[str, Any]] | None = None) -> str:
    """Minutes of a notebook per tier, from its first cell to its last, and the machine they were measured on.

    Args:
        number: of the notebook, "03".
        rows: measurements; by default those published with the course.

    >>> print(minutes("03", rows=[]))
    smoke    not measured
    lesson   not measured
    lab      not measured
    paper    not measured
    """
    rows = [row for row in (measured_minutes() if rows is None else rows) if row["notebook"].startswith(f"{number}_")]
    tiers = [*(["every"] if any(row["tier"] == "every" for row in rows) else TIERS)]
    return "\n".join(line for tier in tiers for line in _lines(tier, [row for row in rows if row["tier"] == tier]))


def _lines(tier: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line per data; the first time stands before a repetition."""
    if not rows:
        return [f"{tier:<8} not measured"]
    lines = []
    for data in dict.fromkeys(row["data"] for row in rows):
        same = sorted((row for row in rows if row["data"] == data), key=lambda row: row["again"])
        name = "" if data in ("every", "streets") else f"{data}: "
        lines.append(f"{tier:<8} {name}" + "; ".join(map(_measured, same)))
    return lines


def _measured(row: Mapping[str, Any]) -> str:
    time = row["seconds"] / 60
    when = " again" if row["again"] else f" the first time, with {row['runs']} trainings" if row["runs"] else ""
    others = row["others"] or 0.0
    busy = f", {others:.1f} of them busy with other programs" if others > QUIET else ""
    return f"{time:.1f} min{when} ({row['cores']} cores{busy}; {row['device']})"
