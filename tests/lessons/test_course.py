"""The course page: links, names, sections and commands are those that exist."""

import json
import re

import pytest

import imachsr
from conftest import REPOSITORY
from imachsr import lessons
from imachsr.cli import main

FOLDER = REPOSITORY / "notebooks"
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")


def headings(number):
    (path,) = FOLDER.glob(f"{number}_*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return {int(found) for found in re.findall(r"^## (\d+)\.", text, re.MULTILINE)}


def test_every_notebook_is_in_the_course_in_order():
    linked = re.findall(r"\]\((\d\d_\w+\.ipynb)\)", PAGE)
    assert linked == sorted(path.name for path in FOLDER.glob("[0-9][0-9]_*.ipynb"))


def test_prerequisites_come_before():
    rows = re.findall(r"^\| (\d\d) \| .* \| ([\d, -]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) >= 14
    for number, needed in rows[:14]:
        assert all(before < number for before in re.findall(r"\d\d", needed))


def test_sections_named_exist():
    named = re.findall(r"\b(\d\d), sections? ([\d, and to]+)", PAGE)
    assert len(named) >= 4
    for number, sections in named:
        assert {int(section) for section in re.findall(r"\d+", sections)} <= headings(number), (number, sections)


def test_names_in_code_exist():
    for name in re.findall(r"`lessons\.(\w+)", PAGE):
        assert hasattr(lessons, name), name
    for name in re.findall(r"`losses\.(\w+)`", PAGE):
        assert hasattr(imachsr.losses, name), name
    for name in ("conventional", "deep_supervision", "imacsr", "imachsr", "hs3", "hs3_fuse"):
        assert f"`{name}`" in PAGE
        assert imachsr.scheme(name)


def test_defaults_said_are_those_of_the_scheme():
    scheme = imachsr.scheme("imachsr")
    assert f"{scheme.alpha} / M and {scheme.lambda_} / M" in PAGE
    assert scheme.divide


@pytest.mark.parametrize("line", re.findall(r"^imachsr (lesson [^#\n]+?) *#", PAGE, re.MULTILINE))
def test_commands_run(line, tmp_path, capsys):
    *words, folder = line.split()
    assert words[-1] == "--out"
    assert main([*words, str(tmp_path / folder)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len([*FOLDER.glob("[0-9][0-9]_*.ipynb")])
