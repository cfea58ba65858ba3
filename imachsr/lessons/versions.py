"""One master notebook, three versions of it: for students, for instructors, with solutions."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..experiment.ledger import write_atomically

AUDIENCES = {
    "student": ("solution", "instructor"),
    "instructor": (),
    "solution": ("stub", "instructor"),
}  # audience -> tags of the cells it does not get


def version(notebook: dict[str, Any], audience: str) -> dict[str, Any]:
    """A notebook (its JSON) as one audience gets it.

    "student" has stubs, no solutions, no notes and no outputs; "solution" has solutions in the place of stubs;
    "instructor" has everything: stubs as the class sees them, solutions, and notes. Only the master folds solutions.

    Raises:
        ValueError: an unknown audience, or a stub without a solution after it.

    >>> cell = {"cell_type": "code", "metadata": {"tags": ["solution"]}, "source": "pass", "outputs": []}
    >>> stub = {**cell, "metadata": {"tags": ["stub"]}}
    >>> len(version({"cells": [stub, cell]}, "student")["cells"])
    1
    """
    if audience not in AUDIENCES:
        raise ValueError(f"got audience {audience!r}; notebooks are made for {[*AUDIENCES]}; use one of them")
    _check_pairs(notebook["cells"])
    left_out = set(AUDIENCES[audience])
    made = copy.deepcopy(notebook)
    made["cells"] = [cell for cell in made["cells"] if not left_out & set(_tags(cell))]
    count = 0
    for cell in made["cells"]:
        cell["metadata"].pop("jupyter", None)
        if cell["cell_type"] != "code":
            continue
        count += 1
        if audience == "student":
            cell["outputs"], cell["execution_count"] = [], None
        else:
            _count(cell, count)
    return made


def export(notebooks: Sequence[Path], audience: str, out: Path) -> list[Path]:
    """Writes the version of each notebook for one audience into a folder, under the same name.

    Raises:
        ValueError: a folder that holds the masters, or as `version`.
    """
    notebooks = [Path(path) for path in notebooks]
    if any(path.resolve().parent == Path(out).resolve() for path in notebooks):
        raise ValueError(
            f"got --out {out}, which holds the master notebooks; a version would overwrite its master; "
            "choose another folder"
        )
    made = [(path, version(json.loads(path.read_text(encoding="utf-8")), audience)) for path in notebooks]
    Path(out).mkdir(parents=True, exist_ok=True)
    for path, notebook in made:
        write_atomically(Path(out) / path.name, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    return [Path(out) / path.name for path in notebooks]


def _tags(cell: dict[str, Any]) -> list[str]:
    return cell["metadata"].get("tags", [])


def _count(cell: dict[str, Any], count: int) -> None:
    """Execution counts from 1 in order, where the cell has run."""
    for holder in (cell, *(output for output in cell["outputs"] if "execution_count" in output)):
        if holder.get("execution_count") is not None:
            holder["execution_count"] = count


def _check_pairs(cells: Sequence[dict[str, Any]]) -> None:
    """Every stub is followed by its solution, and every solution follows a stub."""
    waiting = None
    for cell in cells:
        tags = _tags(cell)
        odd = ("stub" in tags and waiting is not None) or ("solution" in tags and waiting is None)
        if odd or ("stub" in tags and "solution" in tags):
            raise ValueError(_unpaired(cell))
        if "stub" in tags:
            waiting = cell
        elif "solution" in tags:
            waiting = None
    if waiting is not None:
        raise ValueError(_unpaired(waiting))


def _unpaired(cell: dict[str, Any]) -> str:
    return (
        f"got cell {cell.get('id', '?')!r} tagged {_tags(cell)}; each cell tagged 'stub' is followed by one tagged "
        "'solution'; tag the missing one"
    )
