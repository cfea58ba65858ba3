"""Both bounds by hand, their limits, and the words of their refusals."""

import math

import pytest

from imachsr.theory import corrected_bound, stated_bound

GIVEN = {
    "delta": 3.0, "eta": 0.5, "steps": 16, "smoothness": [2, 5, 1], "gradients": [1, 2, 3], "noise": [3, 1, 0],
    "weights": [1, 0.5, 2],
}  # fmt: skip


def test_stated_is_the_printed_formula():
    # L_max = max(2, 2.5, 2); G_T^2 = 1 + 1 + 36; sigma_T^2 = 9 + 0.25; eta_t = 0.125, eta sqrt(T) = 2
    assert stated_bound(**GIVEN) == pytest.approx(2 * 3 / 2 + 2.5 * 0.125 * (38 + 9.25))


def test_corrected_adds_where_the_other_maximizes_and_squares():
    # L_S = 2 + 2.5 + 2; sum w G = 1 + 1 + 6; sum w sigma = 3 + 0.5
    assert corrected_bound(**GIVEN) == pytest.approx(3 / 2 + 6.5 * 0.125 / 2 * (64 + 12.25))


def test_gradients_that_include_the_noise():
    assert corrected_bound(**GIVEN, gradients_include_noise=True) == pytest.approx(3 / 2 + 6.5 * 0.125 / 2 * 64)


def test_one_component_is_the_textbook_bound():
    """Without inner losses the papers' right side is twice the proved one."""
    one = {**GIVEN, "smoothness": [2], "gradients": [1], "noise": [3], "weights": [1]}
    assert stated_bound(**one) == pytest.approx(2 * corrected_bound(**one))


def test_a_component_of_weight_zero_changes_nothing():
    longer = {**GIVEN, **{name: [*GIVEN[name], 9] for name in ("smoothness", "gradients", "noise")}}
    longer["weights"] = [*GIVEN["weights"], 0]
    for bound in (stated_bound, corrected_bound):
        assert bound(**longer) == bound(**GIVEN)


def test_equal_components_grow_with_the_cube_of_their_number():
    def noise_term(bound, N):
        same = [1.0] * N
        given = {"smoothness": same, "gradients": same, "noise": same, "weights": same}
        return bound(delta=0, eta=0.1, steps=100, **given)

    assert noise_term(corrected_bound, 11) / noise_term(corrected_bound, 1) == pytest.approx(11**3)
    assert noise_term(stated_bound, 11) / noise_term(stated_bound, 1) == pytest.approx(11)


def test_both_fall_with_the_root_of_the_steps():
    for bound in (stated_bound, corrected_bound):
        assert bound(**{**GIVEN, "steps": 1600}) == pytest.approx(bound(**GIVEN) / math.sqrt(100))


@pytest.mark.parametrize("bound", [stated_bound, corrected_bound])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"delta": -0.1}, r"got delta=-0.1; it is the first loss minus.*check which"),
        ({"delta": float("nan")}, r"got delta=nan"),
        ({"eta": 0}, r"got eta=0; a step length is a positive number; pass eta > 0"),
        ({"steps": 0}, r"got steps=0; a run has one iteration at least; pass steps >= 1"),
        ({"noise": [1, 2]}, r"'noise': 2.*one per component, output loss first; give all four one length"),
        ({"noise": 1.0}, r"got noise of shape \(\); it is a list with one number per component"),
        ({"gradients": []}, r"got gradients of shape \(0,\)"),
        ({"weights": [1, -1, 1]}, r"got weights=\[1.0, -1.0, 1.0\].*pass its absolute weight"),
        ({"smoothness": [1, float("inf"), 1]}, r"got smoothness=.*finite.*pass the constant itself"),
    ],
)
def test_refusals_say_what_came_the_rule_and_the_remedy(bound, change, words):
    with pytest.raises(ValueError, match=words):
        bound(**{**GIVEN, **change})


@pytest.mark.parametrize("steps", [2.0, True, "3"])
def test_steps_are_a_whole_number(steps):
    with pytest.raises(TypeError, match=r"T counts iterations; pass a whole number"):
        stated_bound(**{**GIVEN, "steps": steps})


@pytest.mark.parametrize("bound", [stated_bound, corrected_bound])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"eta": "a"}, r"got eta='a'; it is one real number; pass a float"),
        ({"delta": None}, r"got delta=None; it is one real number; pass a float"),
        (
            {"smoothness": ["a", 1, 1]},
            r"got smoothness=\['a', 1, 1\]; .*one real number per component.*pass such a list",
        ),
        ({"noise": [[1], [1, 2]]}, r"got noise=\[\[1\], \[1, 2\]\]; .*pass such a list"),
        ({"weights": [1j, 1, 1]}, r"got weights=\[1j, 1, 1\]; .*pass such a list"),
    ],
)
def test_what_is_no_number_is_refused_by_its_name(bound, change, words):
    with pytest.raises(TypeError, match=words):
        bound(**{**GIVEN, **change})
