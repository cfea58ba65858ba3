"""Guesses made before a result is shown, and scored after: kept in the session, nowhere else."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

TOLERANCE = 0.25  # a number this share from the truth counts as right
NOTHING = "Nothing recorded yet."
_asked: dict[str, Prediction] = {}


@dataclass
class Prediction:
    """A question asked before its result: in a notebook a labelled control, elsewhere its words.

    Args:
        id: notebook and name, "07.start".
        question: in words.
        options: what can be answered, in words; none where a number is asked.
        unit: of the number.
        guess: the answer given so far, or None.
        score: what came of it, once revealed.
    """

    id: str
    question: str
    options: tuple[str, ...] = ()
    unit: str = ""
    guess: str | float | None = None
    score: Score | None = None
    control: Any = field(default=None, repr=False)
    status: Any = field(default=None, repr=False)

    def answer(self, guess: str | float) -> None:
        """Records a guess, as the control does; the last one before the result counts.

        Raises:
            ValueError: an answer that is none of the options, or no number, or one given after the result.
        """
        if self.score is not None:
            raise ValueError(
                f"got an answer to {self.id!r} after its result; a guess comes before; ask again with lessons.predict"
            )
        self.guess = _checked(self, guess)
        if self.status is not None:
            self.status.value = _live(f"Recorded: {self.shown(self.guess)}")

    def shown(self, value: str | float) -> str:
        """A value with its unit."""
        return value if isinstance(value, str) else f"{value:.4g} {self.unit}".strip()

    def __repr__(self) -> str:
        choices = f"\n  {' | '.join(self.options)}" if self.options else f"\n  a number{self._in_unit()}"
        given = "no answer yet" if self.guess is None else f"your answer: {self.shown(self.guess)}"
        return f"Predict {self.id}: {self.question}{choices}\n  ({given})"

    def _in_unit(self) -> str:
        return f" in {self.unit}" if self.unit else ""

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """The control where there is a notebook; words for readers without a kernel."""
        still = {"text/plain": repr(self), "text/html": _still(self)}
        try:
            box = _widget(self)
        except ImportError:  # ipywidgets comes with the notebooks only
            return still
        return {**box._repr_mimebundle_(**kwargs), **still}


@dataclass(frozen=True)
class Score:
    """What came of a prediction; it prints as a sentence.

    Args:
        id: of the prediction.
        right: None where nothing was guessed.
        words: for the reader.
    """

    id: str
    right: bool | None
    words: str

    def __repr__(self) -> str:
        return f"{self.id}: {self.words}"


def predict(
    id: str, question: str, options: Sequence[str] = (), *, unit: str = "", guess: str | float | None = None
) -> Prediction:
    """Asks for a guess before the result is shown. Nobody has to answer; the notebook goes on.

    Args:
        id: notebook and name, "07.start"; `reveal` scores it under this id.
        question: in words.
        options: answers to choose from; without them a number is asked.
        unit: of the number.
        guess: an answer from code instead of the control.

    Returns:
        The question. At the end of a cell it shows as radio buttons or a field, for mouse and keyboard.

    Raises:
        ValueError: one option alone, options twice, or a guess that is no answer.

    >>> predict("00.ceiling", "How large can I(Q; Y) get?", ["log K", "H(Y)"], guess="log K")
    Predict 00.ceiling: How large can I(Q; Y) get?
      log K | H(Y)
      (your answer: log K)
    >>> reveal("00.ceiling", "H(Y)")
    00.ceiling: you said log K; it is H(Y).
    >>> forget("00.ceiling")
    """
    options = (options,) if isinstance(options, str) else tuple(options)
    if len(options) == 1 or len(set(options)) != len(options):
        raise ValueError(
            f"got options {options} for {id!r}; a choice is between two or more different ones; "
            "add some, or none to ask for a number"
        )
    asked = Prediction(id, question, options, unit)
    before = _asked.get(id)
    if guess is not None:
        asked.answer(guess)
    elif before is not None and before.score is None and before.options == options:
        asked.guess = before.guess  # the cell ran again: the guess stands
    _asked[id] = asked
    return asked


def reveal(id: str, answer: str | float, *, tolerance: float = TOLERANCE, counted: bool = True) -> Score:
    """Scores the guess recorded under an id; without one it says so and goes on.

    Args:
        id: as in `predict`.
        answer: the true one: one of the options, or a number, measured by the cell that calls this.
        tolerance: share of the true number by which a guess may be off.
        counted: False where chance may have decided, such as between runs of one seed: told, and not scored.

    Raises:
        ValueError: nothing was asked under this id, or the answer is none of its options.
    """
    if id not in _asked:
        raise ValueError(
            f"got {id!r}, under which nothing was asked in this session; a result is revealed after lessons.predict; "
            f"run that cell first (asked so far: {[*_asked] or 'nothing'})"
        )
    asked = _asked[id]
    truth = _checked(asked, answer)
    if asked.guess is None:
        asked.score = Score(id, None, f"no prediction was made; it is {asked.shown(truth)}.")
    elif not counted:
        told, known = asked.shown(asked.guess), asked.shown(truth)
        asked.score = Score(id, None, f"you said {told}; here it is {known}, perhaps by chance: not scored.")
    else:
        asked.score = _score(asked, truth, tolerance)
    if asked.control is not None:
        asked.control.disabled = True
        asked.status.value = _live(asked.score.words)
    return asked.score


def score() -> str:
    """How the predictions of this session went, in a sentence."""
    seen = [asked for asked in _asked.values() if asked.score is not None]
    scored = [asked.score.right for asked in seen if asked.score and asked.score.right is not None]
    unasked = sum(asked.guess is None for asked in seen)
    return f"{sum(scored)} of {len(scored)} predictions right; {unasked} results seen without one."


def forget(id: str | None = None) -> None:
    """Forgets one prediction, or all of them."""
    _asked.clear() if id is None else _asked.pop(id, None)


def _checked(asked: Prediction, value: str | float) -> str | float:
    if asked.options:
        if value not in asked.options:
            raise ValueError(f"got answer {value!r} to {asked.id!r}; the options are {asked.options}; give one of them")
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"got answer {value!r} to {asked.id!r}; a number is asked; write one such as 0.5")
    return number


def _score(asked: Prediction, truth: str | float, tolerance: float) -> Score:
    guess = asked.guess
    told, known = asked.shown(guess), asked.shown(truth)  # type: ignore[arg-type]
    if asked.options:
        right = guess == truth
        return Score(asked.id, right, f"you said {told}; {'and so it is' if right else f'it is {known}'}.")
    error = abs(float(guess) - float(truth))  # type: ignore[arg-type]
    right = error <= tolerance * abs(float(truth))
    how = "close enough" if right else "not close"
    share = f", {100 * error / abs(float(truth)):.0f} % off" if truth else ""
    return Score(asked.id, right, f"you said {told}; it is {known}{share}: {how}.")


def _still(asked: Prediction) -> str:
    items = "".join(f"<li>{html.escape(option)}</li>" for option in asked.options)
    choices = f"<ul>{items}</ul>" if items else f"<p>A number{html.escape(asked._in_unit())}.</p>"
    return f"<p><strong>Predict:</strong> {html.escape(asked.question)}</p>{choices}"


def _live(words: str) -> str:
    """Words that a screen reader speaks when they change."""
    return f'<p role="status" aria-live="polite">{html.escape(words)}</p>'


def _widget(asked: Prediction) -> Any:
    """Radio buttons, or a field of text, under the question; each change records."""
    import ipywidgets

    style, layout = {"description_width": "initial"}, {"width": "max-content"}
    if asked.options:
        control = ipywidgets.RadioButtons(  # Tab and Space; a list's arrow keys would be taken by the notebook
            options=asked.options, value=asked.guess, description="Your prediction:", style=style, layout=layout,
            tooltip=asked.question,
        )  # fmt: skip
    else:
        control = ipywidgets.Text(
            value="" if asked.guess is None else f"{asked.guess:g}", placeholder="a number, then Enter",
            description=f"Your prediction{asked._in_unit()}:", continuous_update=False, style=style,
            tooltip=asked.question,
        )  # fmt: skip
    asked.control, asked.status = control, ipywidgets.HTML(_live(NOTHING))
    if asked.guess is not None:
        asked.status.value = _live(f"Recorded: {asked.shown(asked.guess)}")
    if asked.score is not None:
        control.disabled, asked.status.value = True, _live(asked.score.words)

    def record(change: Any) -> None:
        if change["new"] in (None, ""):
            asked.guess, asked.status.value = None, _live(NOTHING)
            return
        try:
            asked.answer(change["new"])
        except ValueError as refusal:
            asked.status.value = _live(str(refusal))

    control.observe(record, names="value")
    question = ipywidgets.HTML(f"<p><strong>Predict:</strong> {html.escape(asked.question)}</p>")
    return ipywidgets.VBox([question, control, asked.status])
