"""The constants are what they are said to be, the gradients are those of the values, the minima are least."""

import numpy as np
import pytest

from imachsr.theory import Ridges, Softmax, huber

RNG = np.random.default_rng(7)


def ridges(size=3, *, count=5, centred=False, noise=0.3, shared=True):
    rng = np.random.default_rng(3)
    directions = rng.normal(size=(count, size))
    return Ridges(
        directions=directions,
        centres=np.zeros(count) if centred else rng.normal(size=count),
        thresholds=rng.uniform(0.3, 2, count),
        logistic=np.arange(count) % 2 == 1,
        weights=rng.uniform(0.1, 2, count),
        noise=noise * rng.normal(size=(count, size)),
        shared=shared,
    )


def softmax(*, classes=3, width=2, count=6, batches=3):
    rng = np.random.default_rng(4)
    return Softmax(
        features=rng.uniform(-1, 1, (2, count, width)),
        targets=rng.integers(0, classes, (2, count)),
        classes=classes,
        weights=np.array([1.0, 0.4]),
        batches=batches,
    )


def only(problem, s):
    """The problem that is component s alone, with weight one."""
    if isinstance(problem, Softmax):
        return Softmax(
            problem.features[[s]], problem.targets[[s]], problem.classes, np.ones(1), problem.batches
        )  # fmt: skip
    return Ridges(
        problem.directions[[s]], problem.centres[[s]], problem.thresholds[[s]], problem.logistic[[s]], np.ones(1),
        problem.noise[[s]], problem.shared,
    )  # fmt: skip


def size_of(problem):
    return problem.classes * problem.features.shape[-1] if isinstance(problem, Softmax) else problem.noise.shape[-1]


@pytest.mark.parametrize("problem", [ridges(), softmax()], ids=["ridges", "softmax"])
def test_gradient_is_the_slope_of_the_value(problem):
    theta, h = RNG.normal(size=(4, size_of(problem))), 1e-6
    for j in range(theta.shape[1]):
        e = np.eye(theta.shape[1])[j] * h
        slope = (problem.value(theta + e) - problem.value(theta - e)) / (2 * h)
        np.testing.assert_allclose(problem.gradient(theta)[:, j], slope, atol=1e-7)


@pytest.mark.parametrize("problem", [ridges(), softmax()], ids=["ridges", "softmax"])
def test_constants_bound_every_component(problem):
    constants = problem.constants
    for s in range(len(constants["weights"])):
        part = only(problem, s)
        near = RNG.normal(size=(2000, size_of(problem))) * 10 ** RNG.uniform(-2, 1, (2000, 1))
        far = near + RNG.normal(size=near.shape) * 10 ** RNG.uniform(-3, 1, (2000, 1))
        change = np.linalg.norm(part.gradient(near) - part.gradient(far), axis=1)
        assert (change <= constants["smoothness"][s] * np.linalg.norm(near - far, axis=1) * (1 + 1e-9)).all()
        assert (np.linalg.norm(part.gradient(near), axis=1) <= constants["gradients"][s] * (1 + 1e-9)).all()
        off = part.minibatches(near) - part.gradient(near)[:, None]
        assert ((off**2).sum(-1).mean(-1) <= constants["noise"][s] ** 2 * (1 + 1e-9)).all()


def test_ridge_constants_are_reached():
    """Not merely upper bounds: some place has that curvature, slope and noise."""
    problem = ridges(centred=True)
    for s in range(5):
        part, a = only(problem, s), problem.directions[s]
        there, tiny = 1e6 * a[None], 1e-5 * a[None]
        constants = {name: values[s] for name, values in problem.constants.items()}
        assert np.linalg.norm(part.gradient(there)) == pytest.approx(constants["gradients"])
        change = np.linalg.norm(part.gradient(tiny) - part.gradient(-tiny)) / np.linalg.norm(2 * tiny)
        assert change == pytest.approx(constants["smoothness"], rel=1e-6)
        off = part.minibatches(tiny) - part.gradient(tiny)[:, None]
        assert np.sqrt((off**2).sum(-1).mean()) == pytest.approx(constants["noise"])


@pytest.mark.parametrize("problem", [ridges(), softmax()], ids=["ridges", "softmax"])
def test_minibatches_average_to_the_gradient_and_draws_are_among_them(problem):
    theta = RNG.normal(size=(5, size_of(problem)))
    every = problem.minibatches(theta)
    assert every.shape[1] == problem.outcomes
    np.testing.assert_allclose(every.mean(1), problem.gradient(theta), atol=1e-12)
    drawn = problem.drawn(theta, np.random.default_rng(0))
    assert (np.abs(every - drawn[:, None]).max(-1).min(-1) < 1e-12).all()


def test_independent_noise_is_smaller_in_total_than_shared():
    theta = np.zeros((20_000, 1))
    total = {}
    for shared in (True, False):
        drawn = huber(11, noise=1.0, shared=shared).drawn(theta, np.random.default_rng(0))
        total[shared] = float((drawn**2).mean())
    assert total[True] == pytest.approx(121)
    assert total[False] == pytest.approx(11, rel=0.05)


def test_exact_gradients_have_one_outcome_and_independent_noise_cannot_be_listed():
    assert ridges(noise=0.0).outcomes == 1
    assert ridges(shared=False).outcomes == 0
    np.testing.assert_array_equal(
        ridges(noise=0.0).minibatches(np.ones((1, 3)))[:, 0], ridges().gradient(np.ones((1, 3)))
    )


def test_least_value_on_a_line_and_at_the_centre():
    line = ridges(1)
    grid = np.linspace(-20, 20, 400_001)[:, None]
    assert line.least() == pytest.approx(line.value(grid).min(), abs=1e-8)
    assert line.least() <= line.value(grid).min()
    space = ridges(3, centred=True)
    assert space.least() <= space.value(RNG.normal(size=(1000, 3))).min()
    assert space.least() == pytest.approx((space.weights * space.logistic).sum() * np.log(2))


def test_least_value_is_refused_where_it_is_unknown():
    with pytest.raises(ValueError, match=r"got scattered centres in 3 dimensions;.*on a line.*use one of these"):
        ridges(3).least()


@pytest.mark.parametrize("alignment", [0.0, 0.6, 1.0])
def test_huber_components_agree_as_wished(alignment):
    directions = huber(4, alignment=alignment).directions
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    assert (directions @ directions.T)[0, 1] == pytest.approx(alignment**2)


@pytest.mark.parametrize("given", [{"count": 0}, {"count": 2, "alignment": -0.1}, {"count": 2, "alignment": 1.5}])
def test_huber_refuses(given):
    with pytest.raises(ValueError, match=r"alignment is a cosine from 0 .* pass such values"):
        huber(**given)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"got weights of shape \(2,\) for 3 components; .*; pass one number for all"):
        huber(3, weights=np.ones(2))
    with pytest.raises(ValueError, match=r"got 5 examples and batches=2; .*; choose a divisor"):
        Softmax(np.zeros((1, 5, 2)), np.zeros((1, 5), dtype=int), 2, np.ones(1), 2)
