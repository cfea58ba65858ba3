"""Predictions: recorded before, scored after, with a control or without one."""

import pytest

from imachsr import lessons

OPTIONS = ["larger", "smaller", "the same"]


@pytest.fixture(autouse=True)
def _fresh():
    lessons.forget()
    yield
    lessons.forget()


def test_choice_is_scored():
    lessons.predict("01.gradient", "And the first layer?", OPTIONS, guess="smaller")
    revealed = lessons.reveal("01.gradient", "larger")
    assert revealed.right is False
    assert repr(revealed) == "01.gradient: you said smaller; it is larger."
    lessons.predict("01.gradient", "And the first layer?", OPTIONS, guess="larger")
    assert lessons.reveal("01.gradient", "larger").right is True


@pytest.mark.parametrize(("guess", "right"), [(2.0, True), (2.4, True), (1.6, True), (3.0, False), (-2.0, False)])
def test_number_is_scored_by_how_far_it_is_off(guess, right):
    lessons.predict("07.start", "How large?", unit="nats", guess=guess)
    revealed = lessons.reveal("07.start", 2.0, tolerance=0.25)
    assert revealed.right is right
    assert f"you said {guess:.4g} nats; it is 2 nats" in revealed.words


def test_without_an_answer_it_goes_on():
    lessons.predict("07.start", "How large?", unit="nats")
    revealed = lessons.reveal("07.start", 0.01)
    assert revealed.right is None
    assert revealed.words == "no prediction was made; it is 0.01 nats."


def test_what_chance_may_have_decided_is_told_and_not_scored():
    lessons.predict("a.1", "?", OPTIONS, guess="smaller")
    assert lessons.reveal("a.1", "larger", counted=False).right is None
    assert lessons.score() == "0 of 0 predictions right; 0 results seen without one."


def test_session_is_counted():
    for id, guess in (("a.1", "larger"), ("a.2", "smaller"), ("a.3", None)):
        lessons.predict(id, "?", OPTIONS, guess=guess)
        lessons.reveal(id, "larger")
    assert lessons.score() == "1 of 2 predictions right; 1 results seen without one."


def test_running_the_cell_again_keeps_the_guess_until_the_result():
    lessons.predict("a.1", "?", OPTIONS).answer("smaller")
    assert lessons.predict("a.1", "?", OPTIONS).guess == "smaller"
    lessons.reveal("a.1", "larger")
    assert lessons.predict("a.1", "?", OPTIONS).guess is None


def test_radio_buttons_record_and_close():
    asked = lessons.predict("01.gradient", "And the first layer?", OPTIONS)
    bundle = asked._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "And the first layer?" in bundle["text/html"]
    assert asked.control.value is None
    assert asked.control.description == "Your prediction:"
    assert [*asked.control.options] == OPTIONS
    asked.control.value = "smaller"
    asked.control.value = None
    assert asked.guess is None
    asked.control.value = "smaller"
    assert asked.guess == "smaller"
    assert 'role="status"' in asked.status.value
    assert "Recorded: smaller" in asked.status.value
    lessons.reveal("01.gradient", "larger")
    assert asked.control.disabled
    assert "it is larger" in asked.status.value


def test_field_takes_numbers_only():
    asked = lessons.predict("07.start", "How large?", unit="nats")
    asked._repr_mimebundle_()
    assert "in nats" in asked.control.description
    asked.control.value = "a lot"
    assert asked.guess is None
    assert "a number is asked" in asked.status.value
    asked.control.value = "0.5"
    assert asked.guess == 0.5


def test_markup_in_questions_is_text():
    html = lessons.predict("a.1", "Is x < y?", ["<b>", "no"])._repr_mimebundle_()["text/html"]
    assert "x &lt; y" in html
    assert "<b>" not in html


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: lessons.predict("a.1", "?", ["one"]), "a choice is between two or more different ones"),
        (lambda: lessons.predict("a.1", "?", ["x", "x"]), "a choice is between two or more different ones"),
        (lambda: lessons.predict("a.1", "?", OPTIONS, guess="big"), r"the options are .*give one of them"),
        (lambda: lessons.reveal("b.9", "x"), "under which nothing was asked.*run that cell first"),
        (lambda: (lessons.predict("a.1", "?", OPTIONS), lessons.reveal("a.1", "big")), "the options are"),
        (lambda: (lessons.predict("a.1", "?"), lessons.reveal("a.1", float("nan"))), "a number is asked"),
    ],
)
def test_refusals(act, words):
    with pytest.raises(ValueError, match=words):
        act()


def test_a_guess_after_the_result_is_none():
    asked = lessons.predict("a.1", "?", OPTIONS)
    lessons.reveal("a.1", "larger")
    with pytest.raises(ValueError, match="after its result; a guess comes before"):
        asked.answer("larger")
