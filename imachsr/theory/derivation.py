"""The proof of the corrected bound line by line; each line has a twin that checks it, by algebra or random instances.

`LINES` is in the order of the proof. Algebra is sympy's; random instances come from generators fixed here.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .bounds import corrected_bound, stated_bound
from .problems import Ridges

TRIALS = 400
ROUNDING = 1e-9


class Check(NamedTuple):
    """What a twin found.

    Attributes:
        holds: whether the line is true in all that was tried.
        how: "algebra", "random instances", or both.
        found: the evidence in one sentence, with its numbers.
    """

    holds: bool
    how: str
    found: str


@dataclass(frozen=True)
class Line:
    """One displayed line of the proof.

    Args:
        name: short.
        equation: LaTeX.
        says: the line in words.
        papers: what the papers print there.
        check: its twin.
    """

    name: str
    equation: str
    says: str
    papers: str
    check: Callable[[], Check]


def gradient_of_a_sum() -> Check:
    """The gradient of a weighted sum is the weighted sum of gradients."""
    sympy = _algebra()

    x, y = sympy.symbols("x y")
    w = sympy.symbols("w:3")
    f = [sympy.Function(f"f{s}")(x, y) for s in range(3)]
    total = sum(a * b for a, b in zip(w, f, strict=True))
    rest = [sympy.expand(total.diff(v) - sum(a * b.diff(v) for a, b in zip(w, f, strict=True))) for v in (x, y)]
    return Check(rest == [0, 0], "algebra", f"both sides differ by {rest} for three unknown functions of two variables")


def smoothness_of_a_sum() -> Check:
    """|grad L_T(x) - grad L_T(y)| <= sum_s w_s L_s |x - y|."""
    worst, against_largest = 0.0, 0.0
    for problem, generator in _problems():
        near, far = _pair(problem, generator)
        change = np.linalg.norm(problem.gradient(near) - problem.gradient(far), axis=-1)
        share = float((change / np.linalg.norm(near - far, axis=-1)).max())
        each = problem.constants["weights"] * problem.constants["smoothness"]
        worst = max(worst, share / float(each.sum()))
        against_largest = max(against_largest, share / float(each.max()))
    found = f"at most {worst:.3f} of the sum; but up to {against_largest:.1f} times the largest, L_max"
    return Check(worst <= 1 + ROUNDING, "random instances", found)


def descent_lemma() -> Check:
    """L(y) <= L(x) + <grad L(x), y - x> + L_S / 2 |y - x|^2."""
    worst, against_largest = -np.inf, 0.0
    for problem, generator in _problems():
        near, far = _pair(problem, generator)
        move = far - near
        excess = problem.value(far) - problem.value(near) - (problem.gradient(near) * move).sum(-1)
        each = problem.constants["weights"] * problem.constants["smoothness"]
        share = excess / (0.5 * (move**2).sum(-1))
        worst = max(worst, float(share.max() / each.sum()))
        against_largest = max(against_largest, float(share.max() / each.max()))
    found = f"the rest is at most {worst:.3f} of L_S / 2 |y - x|^2; but up to {against_largest:.1f} times L_max / 2 ..."
    return Check(worst <= 1 + 1e-6, "random instances", found)  # differences of values round


def square_of_a_sum() -> Check:
    """(sum_s x_s)^2 <= N sum_s x_s^2, with the difference written out: zero only where all are equal."""
    sympy = _algebra()

    x = sympy.symbols("x:5")
    squares = sum((a - b) ** 2 for a, b in itertools.combinations(x, 2))
    rest = sympy.expand(5 * sum(a**2 for a in x) - sum(x) ** 2 - squares)
    return Check(rest == 0, "algebra", f"N sum x^2 - (sum x)^2 - sum over pairs (x_s - x_r)^2 = {rest} for N = 5")


def size_of_the_gradient() -> Check:
    """|grad L_T|^2 <= (sum_s w_s G_s)^2."""
    worst, against_squares = 0.0, 0.0
    for problem, generator in _problems():
        size = (problem.gradient(_pair(problem, generator)[0]) ** 2).sum(-1).max()
        each = problem.constants["weights"] * problem.constants["gradients"]
        worst = max(worst, float(size / each.sum() ** 2))
        against_squares = max(against_squares, float(size / (each**2).sum()))
    found = f"at most {worst:.3f} of the square of the sum; but up to {against_squares:.1f} times the sum of squares"
    return Check(worst <= 1 + ROUNDING, "random instances", found)


def size_of_the_noise() -> Check:
    """E|sum_s w_s n_s|^2 <= (sum_s w_s sigma_s)^2, with equality where one sign is shared by parallel noises."""
    sympy = _algebra()

    a = sympy.symbols("a:3", positive=True)

    def mean_square(signs: list[tuple[int, ...]]) -> Any:
        return sympy.expand(sum(sum(s * x for s, x in zip(row, a, strict=True)) ** 2 for row in signs) / len(signs))

    shared = sympy.expand(mean_square([(1,) * 3, (-1,) * 3]) - sum(a) ** 2)
    apart = sympy.expand(mean_square(list(itertools.product((1, -1), repeat=3))) - sum(x**2 for x in a))
    worst = 0.0
    for problem, _ in _problems():
        each = problem.constants["weights"] * problem.constants["noise"]
        theta = np.zeros((1, problem.noise.shape[-1]))
        noise = problem.minibatches(theta) - problem.gradient(theta)[:, None]
        worst = max(worst, float((noise**2).sum(-1).mean() / each.sum() ** 2))
    found = (
        f"shared sign: E - (sum)^2 = {shared}; independent signs: E - sum of squares = {apart}; "
        f"random: at most {worst:.3f}"
    )
    return Check(shared == 0 and apart == 0 and worst <= 1 + ROUNDING, "algebra and random instances", found)


def square_of_the_step() -> Check:
    """E|g|^2 = |grad L_T|^2 + E|n|^2 for noise of mean zero."""
    sympy = _algebra()

    mean, first, second = sympy.symbols("g n1 n2")
    noises = [first, second, -first - second]
    rest = sympy.expand(sum((mean + n) ** 2 for n in noises) / 3 - mean**2 - sum(n**2 for n in noises) / 3)
    return Check(rest == 0, "algebra", f"both sides differ by {rest} for three minibatches")


def one_step() -> Check:
    """E L(theta_next) <= L(theta) - eta_t |grad|^2 + eta_t^2 L_S / 2 (|grad|^2 + E|n|^2)."""
    worst = -np.inf
    for problem, generator in _problems():
        theta = _pair(problem, generator)[0]
        total = float((problem.constants["weights"] * problem.constants["smoothness"]).sum())
        rate = 10 ** generator.uniform(-2, 1) / total
        every = problem.minibatches(theta)
        after = problem.value((theta[:, None] - rate * every).reshape(-1, theta.shape[-1])).reshape(len(theta), -1)
        square = (problem.gradient(theta) ** 2).sum(-1)
        right = problem.value(theta) - rate * square + 0.5 * rate**2 * total * (every**2).sum(-1).mean(-1)
        worst = max(worst, float(((after.mean(-1) - right) / np.abs(right)).max()))
    found = f"left minus right, as a share of the right: at most {worst:.2g}, steps up to 10 / L_S"
    return Check(worst <= ROUNDING, "random instances", found)


def telescope() -> Check:
    """sum_t (L(theta_t) - L(theta_{t+1})) = L(theta_1) - L(theta_{T+1})."""
    sympy = _algebra()

    values = sympy.symbols("l1:8")
    rests = [
        sympy.expand(sum(values[t] - values[t + 1] for t in range(T)) - values[0] + values[T]) for T in range(1, 7)
    ]
    return Check(not any(rests), "algebra", f"both sides differ by {sorted(set(rests))} for T = 1 to 6")


def rearranged() -> Check:
    """Divided by eta sqrt(T): the corrected bound, which the function computes."""
    sympy = _algebra()

    delta, eta, T, L, square, total = sympy.symbols("Delta eta T L_S V S", positive=True)
    rate = eta / sympy.sqrt(T)
    solved = sympy.solve(sympy.Eq(rate * total, delta + T * rate**2 * L / 2 * square), total)[0] / T
    rest = sympy.simplify(solved - delta / (eta * sympy.sqrt(T)) - L * eta / (2 * sympy.sqrt(T)) * square)
    values = {delta: 3, eta: 0.5, T: 16, L: 5, square: 4 + 9}
    ours = corrected_bound(delta=3, eta=0.5, steps=16, smoothness=[5], gradients=[2], noise=[3], weights=[1])
    apart = abs(float(solved.subs(values)) - ours)
    holds = rest == 0 and apart < ROUNDING
    return Check(holds, "algebra", f"both sides differ by {rest}; corrected_bound differs by {apart:.1g}")


def twice() -> Check:
    """The statement (Eq. 6) is exactly twice the end of its proof (Eq. 12)."""
    sympy = _algebra()

    delta, eta, T, L, square = sympy.symbols("Delta eta T L_max V", positive=True)
    statement = 2 * delta / (eta * sympy.sqrt(T)) + L * eta / sympy.sqrt(T) * square
    proof = delta / (eta * sympy.sqrt(T)) + L * eta / (2 * sympy.sqrt(T)) * square
    ratio = sympy.simplify(statement / proof)
    one = {"delta": 3, "eta": 0.5, "steps": 16, "smoothness": [5], "gradients": [2], "noise": [3], "weights": [1]}
    same = stated_bound(**one) == 2 * corrected_bound(**one)  # type: ignore[arg-type]
    return Check(ratio == 2 and same, "algebra", f"Eq. 6 / Eq. 12 = {ratio}; so are the functions for one component")


def short_exact_steps() -> Check:
    """-eta_t + L_S eta_t^2 / 2 <= -eta_t / 2 for eta_t <= 1 / L_S: without noise the spare factor pays for L_max."""
    sympy = _algebra()

    share, L = sympy.symbols("x L_S", positive=True)  # eta_t = x / L_S
    spare = sympy.factor(-(share / L) / 2 - (-(share / L) + L * (share / L) ** 2 / 2))
    holds = sympy.simplify(spare - share * (1 - share) / (2 * L)) == 0
    return Check(holds, "algebra", f"with eta_t = x / L_S the difference is {spare}: not negative for x <= 1")


def variance_of_nothing() -> Check:
    """iMacHSR's variance assumption subtracts the full gradient from itself; with the minibatch in it, noise counts."""
    least = np.inf
    for problem, generator in _problems():
        theta, _ = _pair(problem, generator)
        noise = problem.minibatches(theta) - problem.gradient(theta)[:, None]
        least = min(least, float((noise**2).sum(-1).mean()))
    found = f"its left side is 0; with the minibatch in it, as iMacSR has it, at least {least:.2g} in any instance"
    return Check(least > 0, "random instances", found)


def epochs_for_iterations() -> Check:
    """T counts iterations here; read as the algorithm's epochs of b minibatches, the right side is sqrt(b) larger."""
    sympy = _algebra()

    delta, eta, epochs, batches, rest = sympy.symbols("Delta eta E b V", positive=True)

    def right(T: Any) -> Any:
        return (delta / eta + eta * rest) / sympy.sqrt(T)

    ratio = sympy.simplify(right(epochs) / right(epochs * batches))
    return Check(ratio == sympy.sqrt(batches), "algebra", f"right side with T = epochs over T = iterations: {ratio}")


def _algebra() -> Any:
    """sympy, imported when used."""
    return importlib.import_module("sympy")


def _problems() -> list[tuple[Ridges, np.random.Generator]]:
    """Random sums of 3 to 17 components in one to four parameters, weights over two decades, one sign of the noise."""
    found = []
    for trial in range(TRIALS):
        generator = np.random.Generator(np.random.PCG64([5, trial]))
        count, size = 2 * int(generator.integers(1, 9)) + 1, int(generator.integers(1, 5))
        directions = generator.normal(0, 1, (count, size)) if trial % 2 else np.ones((count, size)) / np.sqrt(size)
        problem = Ridges(
            directions=directions,
            centres=generator.normal(0, 1, count) * (trial % 3 > 0),
            thresholds=10 ** generator.uniform(-1, 1, count),
            logistic=generator.random(count) < 0.3,
            weights=10 ** generator.uniform(-2, 0, count) if trial % 4 > 1 else np.ones(count),
            noise=directions * generator.uniform(0.1, 2, (count, 1)),
        )
        found.append((problem, generator))
    return found


def _pair(problem: Ridges, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Sixteen places and others near and far from them, (16, d) each."""
    shape = (16, problem.directions.shape[-1])
    theta = generator.normal(0, 1, shape) * 10 ** generator.uniform(-1, 1, (16, 1))
    return theta, theta + generator.normal(0, 1, shape) * 10 ** generator.uniform(-2, 1, (16, 1))


LINES = (
    Line(
        "gradient of a sum", r"\nabla\mathcal L_T=\sum_s w_s\nabla\mathcal L_s",
        "Gradients of a weighted sum add up.", "iMacSR Eq. 7: the same", gradient_of_a_sum,
    ),
    Line(
        "smoothness of a sum",
        r"\|\nabla\mathcal L_T(x)-\nabla\mathcal L_T(y)\|\le L_S\|x-y\|,\qquad L_S=\sum_s w_sL_s",
        "Smoothness constants of a weighted sum add up, too. The largest is not enough.",
        "L_max, the largest instead of the sum", smoothness_of_a_sum,
    ),
    Line(
        "descent lemma",
        r"\mathcal L_T(y)\le \mathcal L_T(x)+\langle\nabla\mathcal L_T(x),y-x\rangle+\tfrac{L_S}{2}\|y-x\|^2",
        "So the total lies below a parabola of curvature L_S.",
        "iMacSR Eq. 8 for each component is right; summed in Eq. 9, L_S has become L_max", descent_lemma,
    ),
    Line(
        "square of a sum", r"\bigl(\sum_s x_s\bigr)^2\le N\sum_s x_s^2",
        "For any numbers x_s: a square of a sum can be N times the sum of squares, and is where all are equal.",
        "the left side is taken to be the sum of squares", square_of_a_sum,
    ),
    Line(
        "size of the gradient", r"\|\nabla\mathcal L_T\|^2\le\bigl(\sum_s w_sG_s\bigr)^2",
        "Gradients of components that share parameters can all point the same way.",
        "G_T^2, the sum of squares", size_of_the_gradient,
    ),
    Line(
        "size of the noise", r"\mathbb{E}\|\sum_s w_sn_s\|^2\le\bigl(\sum_s w_s\sigma_s\bigr)^2",
        "All components see the same minibatch. The bound holds however their noises depend on one another; n_s is the "
        "noise of component s: its gradient on a minibatch, minus its mean.",
        "sigma_T^2, the sum of squares", size_of_the_noise,
    ),
    Line(
        "square of the step", r"\mathbb{E}\|g\|^2=\|\nabla\mathcal L_T\|^2+\mathbb{E}\|n\|^2",
        "With g the gradient of one minibatch and n its distance from the mean: noise of mean zero adds its square.",
        "used without being written", square_of_the_step,
    ),
    Line(
        "one step",
        r"\mathbb{E}\mathcal L_T(\theta_{t+1})\le \mathcal L_T(\theta_t)-\eta_t\|\nabla\mathcal L_T\|^2"
        r"+\tfrac{\eta_t^2L_S}{2}\bigl(\|\nabla\mathcal L_T\|^2+\mathbb{E}\|n\|^2\bigr)",
        "Put the step into the parabola and take the mean over minibatches.",
        "iMacSR Eq. 9: without the mean on the left, with L_max, and with sums of squares", one_step,
    ),
    Line(
        "telescope",
        r"\sum_{t=1}^T\bigl(\mathcal L_T(\theta_t)-\mathcal L_T(\theta_{t+1})\bigr)"
        r"=\mathcal L_T(\theta_1)-\mathcal L_T(\theta_{T+1})\le\Delta",
        "Sum over the steps: only the first and last loss remain. The run starts at theta_1, which Delta calls "
        "theta_0.", "iMacSR Eq. 10 and 11: the same", telescope,
    ),
    Line(
        "divide",
        r"\frac1T\sum_t\mathbb{E}\|\nabla\mathcal L_T(\theta_t)\|^2\le\frac{\Delta}{\eta\sqrt T}"
        r"+\frac{L_S\,\eta}{2\sqrt T}\Bigl[\bigl(\sum_s w_sG_s\bigr)^2+\bigl(\sum_s w_s\sigma_s\bigr)^2\Bigr]",
        "With steps of eta / sqrt(T), divide by eta sqrt(T). This is the corrected bound.",
        "iMacSR Eq. 12: the same shape with the smaller constants", rearranged,
    ),
    Line(
        "factor two", r"\text{Eq. 6}=2\cdot\text{Eq. 12}",
        "What the papers state is twice what their proof arrives at.", "Eq. 6 of iMacSR, Eq. 5 of iMacHSR", twice,
    ),
    Line(
        "short exact steps", r"-\eta_t+\tfrac{L_S\eta_t^2}{2}\le-\tfrac{\eta_t}{2}\quad\text{for }\eta_t\le 1/L_S",
        "Without noise, and with steps no longer than 1 / L_S, the first stated term alone is enough: there the stated "
        "bound is true.", "not said", short_exact_steps,
    ),
    Line(
        "variance of nothing", r"\mathbb{E}\|\nabla\mathcal L_s(\theta)-\nabla\mathcal L_s(\theta)\|^2=0",
        "As printed in iMacHSR the variance assumption is empty. The minibatch is missing in one of the two.",
        "iMacHSR's third assumption; iMacSR prints the minibatch", variance_of_nothing,
    ),
    Line(
        "epochs or iterations", r"T=\text{epochs}\times\text{minibatches}",
        "The algorithm counts epochs by T, the theorem iterations. The two differ by the minibatches of an epoch.",
        "Algorithm 1 and Theorem 1 use one letter", epochs_for_iterations,
    ),
)  # fmt: skip
