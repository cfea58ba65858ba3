"""Each bug is really a bug, the mended step is not, and the tool tells them apart."""

import pytest

from imachsr import lessons

NUMBERS = range(1, len(lessons.BUGS) + 1)


@pytest.mark.parametrize("number", NUMBERS)
def test_broken_is_ill_and_mended_is_well(number):
    bug = lessons.BUGS[number - 1]
    assert not bug.healthy(bug.measure(bug.broken)), bug.measure(bug.broken)
    assert bug.healthy(bug.measure(bug.mended)), bug.measure(bug.mended)
    assert not lessons.mended(number, bug.broken)
    assert lessons.mended(number, bug.mended)


@pytest.mark.parametrize("number", NUMBERS)
def test_diagnoses_are_judged(number):
    bug = lessons.BUGS[number - 1]
    right = lessons.found(number, bug.name)
    assert right
    assert bug.lesson in repr(right)
    wrong = lessons.BUGS[number % len(lessons.BUGS)].name
    verdict = lessons.found(number, wrong)
    assert not verdict
    assert f"not {wrong}" in repr(verdict)
    assert bug.symptom in repr(verdict)


@pytest.mark.parametrize("number", NUMBERS)
def test_what_is_shown_does_not_give_it_away(number):
    bug = lessons.BUGS[number - 1]
    shown = repr(lessons.bug(number))
    assert bug.question in shown
    assert "def step(" in shown
    assert bug.lesson not in shown
    assert "noqa" not in shown
    before_suspects = shown.partition("Which is it?")[0]
    assert bug.name not in before_suspects
    assert "def measure(" in lessons.bug(number).hint


@pytest.mark.parametrize("number", NUMBERS)
def test_what_is_shown_runs_where_it_is_pasted(number):
    cage = lessons.bug(number)
    for shown, healthy in ((cage.code, False), (cage.answer, True)):
        scope = {}
        exec(shown, scope)
        assert lessons.mended(number, scope["step"]).passed is healthy


@pytest.mark.parametrize(
    ("number", "old", "new"),
    [(4, "norm=output)", "norm=output.detach().clone())"), (7, "store[0]", "store[-1]")],
    ids=["detached", "kept"],
)
def test_half_a_mend_is_none(number, old, new):
    scope = {}
    assert old in lessons.bug(number).code
    exec(lessons.bug(number).code.replace(old, new), scope)
    assert not lessons.mended(number, scope["step"])


@pytest.mark.parametrize("last", ["        yield store[-1]\n        store.clear()\n", "        yield store.pop(0)\n"])
def test_other_mends_of_bug_7_are_mends_too(last):
    scope = {}
    exec(lessons.bug(7).code.replace("        yield store[0]\n", last), scope)
    assert lessons.mended(7, scope["step"])


def test_ten_different_bugs():
    assert len(lessons.BUGS) == 10
    assert len({bug.name for bug in lessons.BUGS}) == 10
    assert len({bug.measure for bug in lessons.BUGS}) == 10


def test_unknown_bugs_and_suspects():
    with pytest.raises(ValueError, match="got bug 11; they are numbered from 1 to 10"):
        lessons.bug(11)
    with pytest.raises(ValueError, match="got answer 'gremlins'; the suspects are"):
        lessons.found(1, "gremlins")
