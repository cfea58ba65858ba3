"""The notebooks that show an explorer, end to end in JupyterLab; only one of them where time is short."""

import json
import re

import pytest
from browser.jupyterlab import SHOWN

from conftest import REPOSITORY

SHOWS = re.compile(
    r"^(\w+) = (?:widgets\.)?(?:\w+_explorer|point_picker|curve_browser|prediction_viewer)\(", re.MULTILINE
)
QUICK = "03_losses"


def shown(path):
    """(number of its cell, name of its variable) of each explorer in a notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [(i, "".join(cell["source"])) for i, cell in enumerate(cells) if cell["cell_type"] == "code"]
    return [(i, name) for i, source in code for name in SHOWS.findall(source)]


NOTEBOOKS = [path for path in sorted((REPOSITORY / "notebooks").glob("*.ipynb")) if shown(path)]


def copied(path, folder):
    """A copy without outputs that keeps its figures to itself."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    text = "".join(notebook["cells"][1]["source"])
    assert 'folder: str = ""' in text
    notebook["cells"][1]["source"] = text.replace('folder: str = ""', f"folder: str = {str(folder / 'figures')!r}")
    (folder / path.name).write_text(json.dumps(notebook), encoding="utf-8")
    return path.name


def test_explorers_are_found():
    assert len(NOTEBOOKS) >= 4
    assert QUICK in {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_its_explorer_follows_the_keys(path, mode, server, open_notebook, shot):
    if mode == "quick" and path.stem != QUICK:
        pytest.skip(f"the quick form runs {QUICK}; `make browser` runs all")
    with open_notebook(copied(path, server.folder)) as notebook:
        assert notebook.run() == []
        for number, name in shown(path):
            notebook.stand_in(number)
            labels = notebook.ask(f"[control.description for control in {name}.controls.values()]")
            assert [label for _, label in notebook.named(f"{SHOWN} .widget-vbox")] == labels
            move_one(notebook, name)
            for theme in ("light", "dark"):
                notebook.dress(theme)
                shot(notebook.stand_in(number), f"{path.stem}_{theme}")
                assert notebook.faint(SHOWN) == []


def move_one(notebook, name):
    """Takes the first list with a choice one step on, by keyboard; picture and kernel follow."""
    asked = f"[[c.description, c.index, len(c.options)] for c in {name}.controls.values() if hasattr(c, 'options')]"
    label, index, count = next(one for one in notebook.ask(asked) if one[2] > 2)
    step = 1 if index + 1 < count else -1
    before, after = notebook.choose(label, ["ArrowDown" if step == 1 else "ArrowUp"])
    assert {one[0]: one[1] for one in notebook.ask(asked)}[label] == index + step
    assert before != after
