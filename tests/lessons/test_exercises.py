"""Every solution passes, every stub is unwritten, every wrong variant is named by its own misconception."""

import pytest
import torch

from imachsr import lessons
from imachsr.lessons.check import INSTANCES
from imachsr.lessons.exercises import EXERCISES

VARIANTS = [(one.id, words) for one in EXERCISES.values() for words in one.wrong]


@pytest.mark.parametrize("id", EXERCISES)
def test_solution_passes_and_stub_does_not(id):
    exercise = EXERCISES[id]
    assert lessons.check(id, exercise.solution)
    for source, passes in ((exercise.answer, True), (exercise.stub, False)):
        scope = {}
        exec(source, scope)
        verdict = lessons.check(id, scope[exercise.name])
        assert verdict.passed is passes, verdict
    assert verdict.finding == "not written yet"


@pytest.mark.parametrize(("id", "misconception"), VARIANTS, ids=lambda value: value[:40])
def test_every_slip_is_named(id, misconception):
    verdict = lessons.check(id, EXERCISES[id].wrong[misconception])
    assert not verdict
    assert verdict.finding == misconception


@pytest.mark.parametrize("id", EXERCISES)
def test_properties_hold_for_the_solution_and_can_fail(id):
    exercise = EXERCISES[id]
    for rule, holds in exercise.properties.items():
        assert all(holds(exercise.solution, exercise.instance(seed)) for seed in range(INSTANCES)), rule
        variants = exercise.wrong.values()
        caught = [not _safe(holds, variant, exercise.instance(seed)) for variant in variants for seed in range(2)]
        assert any(caught), f"{rule}: no wrong variant breaks it"


def _safe(holds, variant, arguments):
    try:
        return holds(variant, arguments)
    except Exception:
        return False


def test_three_exercises_for_each_notebook():
    numbers = [id.partition(".")[0] for id in EXERCISES]
    for number in (f"{number:02}" for number in range(1, 15)):
        assert numbers.count(number) >= 3, number


@pytest.mark.parametrize("id", EXERCISES)
def test_sources_stand_alone_and_read_well(id):
    exercise = EXERCISES[id]
    assert exercise.signature.lstrip(") ").endswith(":")
    assert exercise.task.endswith((".", "?"))
    assert all(len(line) <= 120 for line in f"{exercise.stub_cell}\n{exercise.solution_cell}".splitlines())
    assert f'lessons.check("{id}", {exercise.name})' in repr(exercise)


def entropy(features):
    return (features.softmax(1) * features.log_softmax(1)).sum(1).mean()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda z: 3 * entropy(z), "is 3 times the right value, every time"),
        (lambda z: entropy(z) + 1, "differs from the right value by +1, every time"),
        (lambda z: entropy(z)[None], "returns shape (1,) where () is asked"),
        (lambda z: (z * z.log()).sum(1).mean(), "nan or infinity"),
        (lambda z: entropy(z * z.shape[2]), "none of the usual slips"),
        (lambda z: entropy(z) * z.std(), "breaks a rule"),
        (lambda z: z.missing, "stops with AttributeError"),
        (lambda z: z.zero_(), "changes its arguments in place"),
        (lambda z: None, "returns nothing. Is a `return` missing?"),
        (lambda z: ..., "not written yet"),
        (lambda z: [][z], "stops with TypeError"),
    ],
)
def test_other_slips_are_described_too(function, words):
    verdict = lessons.check("03.entropy", function)
    assert not verdict
    assert words in repr(verdict)


def test_an_unwritten_function_may_raise():
    def unwritten(features):
        raise NotImplementedError

    assert lessons.check("03.entropy", unwritten).finding == "not written yet"


def test_what_is_asked_for_must_be_there():
    with pytest.raises(ValueError, match=r"got exercise '03.entropi'.*did you mean one of \['03.entropy'"):
        lessons.check("03.entropi", entropy)
    with pytest.raises(TypeError, match=r"got float for 03.entropy.*pass its name without"):
        lessons.check("03.entropy", 0.3)


def test_solutions_agree_with_the_library():
    import imachsr

    logits, targets = EXERCISES["03.cross_entropy"].instance(3)
    assert torch.isclose(
        EXERCISES["03.cross_entropy"].solution(logits, targets), imachsr.losses.cross_entropy(logits, targets)
    )
    (features,) = EXERCISES["03.entropy"].instance(3)
    assert torch.isclose(EXERCISES["03.entropy"].solution(features), imachsr.losses.negative_entropy(features))
    joint, information = EXERCISES["03.joint"].solution, EXERCISES["03.information"].solution
    by_hand = [joint(x.flatten(1).softmax(0), y.flatten()) for x, y in zip(logits, targets, strict=True)]
    mean = torch.stack([information(P.clamp_min(1e-300)) for P in by_hand]).mean()
    assert torch.isclose(-mean, imachsr.losses.mutual_information(logits, targets))
