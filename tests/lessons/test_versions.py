"""One master, three versions; in every notebook stubs are unwritten, solutions pass, and both say what the data say."""

import ast
import json
import re

import pytest

from conftest import REPOSITORY
from imachsr import lessons
from imachsr.cli import main
from imachsr.lessons.bugs import Cage
from imachsr.lessons.exercises import EXERCISES

MASTERS = sorted((REPOSITORY / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def tagged(notebook, tag):
    return [cell for cell in notebook["cells"] if tag in cell["metadata"].get("tags", [])]


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def source(cell):
    return "".join(cell["source"])


def asked(cell):
    """The exercise that a cell checks, or the bug that it mends."""
    kind, which = re.search(r'lessons\.(check|mended)\("?([^",]+)"?, \w+\)$', source(cell)).groups()
    return EXERCISES[which] if kind == "check" else lessons.bug(int(which))


def names(cells):
    """Exercises by id, bugs by number."""
    return [getattr(asked(cell), "id", getattr(asked(cell), "number", None)) for cell in cells]


def judged(cell):
    """Whether what a cell defines is right."""
    scope = {"lessons": lessons}
    exec(source(cell), scope)
    one = asked(cell)
    if isinstance(one, Cage):
        return lessons.mended(one.number, scope["step"]).passed
    return lessons.check(one.id, scope[one.name]).passed


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_versions_of_every_notebook(path):
    master = read(path)
    kept = {audience: lessons.version(master, audience)["cells"] for audience in lessons.AUDIENCES}
    stubs, solutions, notes = (len(tagged(master, tag)) for tag in ("stub", "solution", "instructor"))
    assert len(kept["student"]) == len(master["cells"]) - solutions - notes
    assert len(kept["solution"]) == len(master["cells"]) - stubs - notes
    assert len(kept["instructor"]) == len(master["cells"])
    code = [cell for cell in kept["student"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
    ran = [cell["execution_count"] for cell in kept["solution"] if cell["cell_type"] == "code"]
    assert all(count in (None, place) for place, count in enumerate(ran, 1))
    assert not any(asked(cell).answer in source(other) for cell in tagged(master, "solution") for other in code)


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_cells_say_what_the_exercises_say(path):
    notebook = read(path)
    words = " ".join(" ".join(source(c) for c in notebook["cells"] if c["cell_type"] == "markdown").split())
    stubs, solutions = tagged(notebook, "stub"), tagged(notebook, "solution")
    assert names(stubs) == names(solutions)
    for stub, solution in zip(stubs, solutions, strict=True):
        one = asked(stub)
        assert isinstance(one, Cage) or one.id.startswith(path.name[:2])
        assert source(stub) == one.stub_cell
        assert source(solution) == one.solution_cell
        assert (one.bug.question if isinstance(one, Cage) else one.task) in words, "the task stands above its cell"
        for cell, passes in ((stub, False), (solution, True)):
            assert judged(cell) is passes
            stored = json.dumps(cell["outputs"])
            assert ("right, on" in stored or "mended: " in stored) is passes, "stored outputs are those of the cell"


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_every_exercise_stands_in_its_notebook(path):
    stands = names(tagged(read(path), "stub"))
    assert len(stands) >= 3
    assert {id for id in EXERCISES if id.startswith(path.name[:2])} <= set(stands)
    assert len(set(stands)) == len(stands)
    for solution in tagged(read(path), "solution"):
        assert solution["metadata"].get("jupyter") == {"source_hidden": True}, "folded, by `make notebooks`"


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_what_a_learner_writes_takes_no_name_that_other_cells_use(path):
    """Going back to an earlier cell gives the answer it gave before."""
    cells = [c for c in read(path)["cells"] if c["cell_type"] == "code"]
    asking = [c for c in cells if {"stub", "solution"} & {*c["metadata"].get("tags", [])}]
    written = {node.name for c in asking for node in ast.parse(source(c)).body if isinstance(node, ast.FunctionDef)}
    trees = [ast.parse(source(c)) for c in cells if c not in asking]
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert written
    assert not written & used


@pytest.mark.parametrize("path", MASTERS, ids=lambda path: path.stem)
def test_each_prediction_is_asked_before_it_is_revealed(path):
    code = "\n".join(source(cell) for cell in read(path)["cells"] if cell["cell_type"] == "code")
    for id in re.findall(r'lessons\.reveal\(\s*"([^"]+)"', code):
        question = re.search(rf'lessons\.predict\(\s*"{re.escape(id)}"', code)
        assert question, f"{id} is revealed and was never asked"
        assert question.start() < re.search(rf'lessons\.reveal\(\s*"{re.escape(id)}"', code).start()
    assert sorted(re.findall(r'lessons\.reveal\(\s*"([^"]+)"', code)) == sorted(
        re.findall(r'lessons\.predict\(\s*"([^"]+)"', code)
    )


def cell(tag, text="1", **more):
    return {
        "cell_type": "code", "id": f"00-{tag}", "metadata": {"tags": [tag]}, "source": text,
        "outputs": [{"output_type": "execute_result", "execution_count": 7, "data": {}, "metadata": {}}],
        "execution_count": 7, **more,
    }  # fmt: skip


def test_student_has_no_outputs_and_the_master_is_untouched():
    master = {"cells": [cell("stub"), cell("solution", "42"), cell("instructor", "note")]}
    before = json.dumps(master)
    (student,) = lessons.version(master, "student")["cells"]
    assert (student["source"], student["outputs"], student["execution_count"]) == ("1", [], None)
    (solved,) = lessons.version(master, "solution")["cells"]
    assert (solved["source"], solved["execution_count"], solved["outputs"][0]["execution_count"]) == ("42", 1, 1)
    assert json.dumps(master) == before


@pytest.mark.parametrize(
    "tags", [["stub"], ["solution"], ["stub", "stub", "solution"], ["stub", "solution", "solution"]]
)
def test_stubs_and_solutions_come_in_pairs(tags):
    with pytest.raises(
        ValueError, match="each cell tagged 'stub' is followed by one tagged 'solution'; tag the missing"
    ):
        lessons.version({"cells": [cell(tag) for tag in tags]}, "student")


def test_solutions_are_folded_in_the_master_only():
    folded = {"metadata": {"tags": ["solution"], "jupyter": {"source_hidden": True}}}
    master = {"cells": [cell("stub"), {**cell("solution"), **folded}]}
    for audience in ("solution", "instructor"):
        assert lessons.version(master, audience)["cells"][-1]["metadata"] == {"tags": ["solution"]}
    assert master["cells"][1]["metadata"] == folded["metadata"]


def test_unknown_audience():
    with pytest.raises(ValueError, match="got audience 'parents'; notebooks are made for"):
        lessons.version({"cells": []}, "parents")


def test_verb_writes_versions(tmp_path, capsys):
    assert main(["lesson", "export", "--for", "student", "01", "03", "--out", str(tmp_path / "class")]) == 0
    written = sorted(path.name for path in (tmp_path / "class").iterdir())
    assert written == ["01_quickstart.ipynb", "03_losses.ipynb"]
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "class" / name) for name in written]
    import nbformat

    for name in written:
        nbformat.validate(nbformat.read(tmp_path / "class" / name, as_version=4))
        assert not tagged(read(tmp_path / "class" / name), "solution")


def test_verb_never_writes_over_the_masters(capsys):
    before = {path: path.read_bytes() for path in MASTERS}
    assert main(["lesson", "export", "--for", "student", "--out", str(REPOSITORY / "notebooks")]) == 1
    assert "holds the master notebooks" in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in MASTERS}


def test_verb_helps(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["lesson", "export", "--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    assert "example" in text
    assert all(len(line) <= 140 for line in text.splitlines())
