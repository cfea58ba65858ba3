"""The papers' seven transition rules, judged on the recorded operations alone."""

from __future__ import annotations

from .graph import Graph


def judge(graph: Graph, value: int) -> dict[str, str]:
    """The rules a value meets -> why."""
    return {}
