"""Numbers in prose are somebody's: the papers', the method's own constants, or what the page itself computes.

A *stated* number is one with a decimal point, or one that a unit of measurement follows. In prose it must stand

- in `data/papers`, as printed there, or in what the claim sheet works out from it;
- among the constants of the library: settings, defaults, and names in capitals; a notebook's decimals must be its own;
- for a notebook: among the numbers of its own code, or in its stored outputs, rounded as the prose rounds, but to no
  fewer than three digits: hundreds of outputs, rounded to one, would hold any;
- or between `<!-- name: begin -->` and `<!-- name: end -->`, where a test of its own compares it with filed results.

So a result is never typed: it changes, or goes, with the run that gave it.
"""

import ast
import html
import json
import re
from functools import cache

import pytest

from conftest import REPOSITORY
from imachsr.claims import claims, judge
from imachsr.claims.statistics import LEVEL, POWER
from imachsr.reproduce import report

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("[0-9][0-9]_*.ipynb"))
PAGES = [REPOSITORY / "README.md", REPOSITORY / "notebooks" / "README.md"]
NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?"
UNIT = (
    r"\s?(?:%|per cent\b|percentage points?\b|points? of m|times (?:as|the|more|less|slower|faster)|m?s\b|seconds?\b|"
    r"[KMG]i?B\b|nats?\b)"
)
STATED = re.compile(rf"(?<![\w.,/#-])({NUMBER})(?={UNIT})|(?<![\w.,/#-])(\d+(?:,\d{{3}})*\.\d+)(?![\w.]*\d)")
MARKED = re.compile(r"<!-- (\w+): begin.*?<!-- \1: end -->", re.DOTALL)
NAMES = re.compile(
    r"```.*?```|`[^`\n]*`|\]\([^)]*\)|(Python|Section|Lemma|Theorem|version) \d\.\d+( to \d\.\d+)?", re.DOTALL
)


def stated(text):
    """The numbers that prose states, as it prints them."""
    return [found[1] or found[2] for found in STATED.finditer(NAMES.sub(" ", MARKED.sub(" ", text)))]


def held(printed, exact, rounded=frozenset()):
    """Whether a number is printed as one is, or as one reads that is rounded so, whatever its sign.

    A short decimal must stand there digit by digit: it is not rounded, no negative one, and no 0.30.
    """
    digits, value = len(printed.partition(".")[2]), float(printed.replace(",", ""))
    if digits and significant(printed) < 3:
        return printed in exact or printed in rounded
    return value in exact or any(round(abs(n), digits) == value for n in rounded if not isinstance(n, str))


def significant(printed):
    """How many digits a number has, from the first that is no zero."""
    return len(re.sub(r"\D", "", printed).lstrip("0"))


def printed_in(text):
    return re.findall(rf"(?<![\w.])-?{NUMBER}", text)


def numbers_in(text):
    return [float(found.replace(",", "")) for found in printed_in(text)]


@cache
def papers():
    """Every number of the papers' data, and those that the claim sheet computes from them."""
    texts = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "data" / "papers").glob("*.json")]
    judged = judge(claims(REPOSITORY / "data" / "papers"), [], folder=REPOSITORY / "data" / "papers")
    worked_out = [f"{j.why} {[*j.claim.reported.values()]}" for j in judged]
    return {number for text in (*texts, *worked_out) for number in (*numbers_in(text), *printed_in(text))}


@cache
def constants():
    """Numbers of the library with a name: capitals, defaults of functions, fields of dataclasses."""
    found = {100 * LEVEL, 100 * (1 - LEVEL), 100 * POWER}  # as prose says them, in per cent
    for path in (REPOSITORY / "imachsr").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            values = []
            if isinstance(node, ast.arguments):
                values = [value for value in (*node.defaults, *node.kw_defaults) if value]
            elif isinstance(node, ast.AnnAssign):
                values = [node.value] if node.value else []
            elif isinstance(node, ast.Assign) and all(
                isinstance(to, ast.Name) and to.id.isupper() for to in node.targets
            ):
                values = [node.value]
            found |= {number for value in values for number in literals(value)}
    return found


def literals(node):
    return {
        float(leaf.value)
        for leaf in ast.walk(node)
        if isinstance(leaf, ast.Constant) and type(leaf.value) in (int, float)
    }


def code_of(cell):
    """A code cell as a tree; lines of IPython's own are left out."""
    lines = ["pass" if line.lstrip().startswith(("%", "!")) else line for line in "".join(cell["source"]).splitlines()]
    return ast.parse("\n".join(lines))


def shown(cell):
    """A cell's outputs as text: no pictures, and none of the words that the cell itself typed for them."""
    texts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        texts += [
            "".join(output.get("text", "")),
            "".join(data.get("text/plain", "")),
            "".join(data.get("text/html", "")),
        ]
    without = re.sub(r"<figure>.*?</figure>|<svg.*?</svg>|<style.*?</style>", " ", " ".join(texts), flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", " ", without))


def computed(notebook):
    """Numbers of a notebook's code and stored outputs, and how they are printed there."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    written = {number for cell in cells for number in literals(code_of(cell))}
    texts = [shown(cell) for cell in cells]
    printed = {*map(str, written), *(number for text in texts for number in printed_in(text))}
    return written | {number for text in texts for number in numbers_in(text)} | printed


def prose(notebook):
    """(cell, text) of what a notebook tells: Markdown, and the typed words of alt texts and captions."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            yield cell["id"], "".join(cell["source"])
            continue
        for node in ast.walk(code_of(cell)):
            if isinstance(node, ast.keyword) and node.arg in ("alt", "caption"):
                yield cell["id"], typed(node.value)


def typed(node):
    """The words of a string that stand in the code; what is filled in was computed."""
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "_" for part in node.values)
    return " ".join(
        leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)
    )


def exact(computed):
    """The numbers that prose states as they stand: where it has a page's own, these are its decimals."""
    named = {number for number in constants() if not computed or number == int(number)}
    return papers() | named | {*map(str, named)}


def strangers(text, computed=frozenset()):
    """Numbers that a text states and nobody holds."""
    return [number for number in stated(text) if not held(number, exact(computed), computed)]


def strange_cells(notebook):
    known = computed(notebook)
    found = [(name, strangers(text, known)) for name, text in prose(notebook)]
    return {name: numbers for name, numbers in found if numbers}


@pytest.mark.parametrize("path", PAGES, ids=["README", "notebooks/README"])
def test_a_page_types_no_result(path):
    assert not strangers(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_types_no_result(path):
    assert not strange_cells(json.loads(path.read_text(encoding="utf-8")))


def test_the_report_types_no_result():
    assert not strangers(re.sub(r"<style>.*?</style>", "", report.PAGE, flags=re.DOTALL))


# --- the rule can fail ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It gains 4.02 points, or 9.19 %: from 43.76 to 47.78.", ["4.02", "9.19", "43.76", "47.78"]),
        ("2 points of mIoU, 10,000 times as fast, in 12 s and 1.5e-3 MB", ["2", "10,000", "12", "1.5e-3"]),
        ("M = 3 points, Eq. 3, at 180x240, version 2.0.1, `0.4`, [5](6.7), ```8.9```", []),
        ("<!-- x: begin -->37.54 %<!-- x: end --> then 38.18 %", ["38.18"]),
    ],
)
def test_what_counts_as_stated(text, found):
    assert stated(text) == found


@pytest.mark.parametrize("printed", ["37.5", "37.54", "38", "0.0921"])
def test_a_number_may_be_rounded(printed):
    assert held(printed, set(), {37.5412, -0.09212})
    assert not held(printed, {37.5412, -0.09212}), "the papers' numbers and constants stand as they are"


@pytest.mark.parametrize("printed", ["37.6", "37", "37.55", "0.1000", "0.09", "0.1"])
def test_a_number_that_is_rounded_wrongly_or_to_few_digits_is_not_held(printed):
    assert not held(printed, {37.5}, {37.5412, -0.09212})


def scores():
    """Published mIoU, in per cent, as prose would print them."""
    paths = sorted((REPOSITORY / "data" / "results").glob("*.json"))
    filed = [json.loads(path.read_text(encoding="utf-8")) for path in paths if len(path.stem) == 16]
    return [f"{100 * result['scores']['dataset']['mIoU']:.2f}" for result in filed]


@pytest.mark.parametrize("path", PAGES, ids=["README", "notebooks/README"])
def test_a_result_typed_into_a_page_is_found(path):
    text, every = path.read_text(encoding="utf-8"), scores()
    alone = [score for score in every if not held(score, exact(()))]  # 21.00 is another's 21 by chance
    assert len(alone) > 0.9 * len(every)
    for score in alone:
        assert strangers(f"{text}\nWe reach {score} % mIoU.") == [score]


def test_a_notebook_may_say_what_its_outputs_show_and_nothing_beside_it():
    notebook = {
        "cells": [
            {"id": "a", "cell_type": "code", "source": "x = 1", "outputs": [{"text": "mIoU 61.37 %"}]},
            {"id": "b", "cell_type": "markdown", "source": "It reaches 61.4 %."},
            {"id": "c", "cell_type": "code", "source": "show(f, alt=f'up to {x}', caption=f'gains {x} points')"},
        ]
    }
    assert not strange_cells(notebook)
    notebook["cells"][1]["source"] = "It reaches 61.5 %."
    notebook["cells"][2]["source"] = "show(f, alt=f'up to {x}', caption='gains 7.77 points')"
    assert strange_cells(notebook) == {"b": ["61.5"], "c": ["7.77"]}


def test_nearly_every_wrong_digit_is_found():
    """Each decimal that the notebooks state, the last digit changed in nine ways: few short ones are so by chance."""
    found = {True: [], False: []}
    for path in NOTEBOOKS:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        known = computed(notebook)
        decimals = {
            number for _, text in prose(notebook) for number in stated(text) if re.fullmatch(r"\d+\.\d+", number)
        }
        for number in decimals:
            changed = [number[:-1] + digit for digit in "0123456789" if digit != number[-1]]
            found[significant(number) > 2] += [not held(each, exact(known), known) for each in changed]
    assert all(found.values()), "the notebooks state numbers of either kind"
    assert sum(found[True]) >= 0.9 * len(found[True])
    assert sum(found[False]) >= 0.3 * len(found[False]), "a short decimal is often another number of the page"
