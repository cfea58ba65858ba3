"""Judging a learner's function: right, or what exactly it got wrong; never just wrong."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .exercise import Exercise, Function
from .exercises import exercise

INSTANCES = 8
TOLERANCE = 1e-4  # relative and absolute: a learner may work in float32
OPEN = (..., NotImplemented)


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Args:
        id: of the exercise.
        passed: right on every instance.
        finding: the misconception, property or difference found; "" where it passed.
        words: all of it, for the reader.
    """

    id: str
    passed: bool
    finding: str
    words: str

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return f"{self.id}: {self.words}"


def check(id: str, function: Function) -> Verdict:
    """Tries a function on random instances and says what it got wrong, if anything.

    Args:
        id: of the exercise, "03.entropy".
        function: yours, with the arguments the exercise names.

    Returns:
        A verdict that prints as a sentence and is true where the function is right. An unwritten one is no error.

    Raises:
        ValueError: no exercise of that id.

    >>> check("03.entropy", lambda features: (features.softmax(1) * features.log_softmax(1)).sum(1).mean()).passed
    True
    """
    asked = exercise(id)
    if not callable(function):
        raise TypeError(f"got {type(function).__name__} for {id}; a check calls a function; pass its name without ()")
    instances = [asked.instance(seed) for seed in range(INSTANCES)]
    values = []
    for arguments in instances:
        handed = copy.deepcopy(arguments)
        try:
            value = function(*handed)
        except Exception as error:
            if isinstance(error, NotImplementedError) and not str(error):
                return _unwritten(asked)
            return _refused(asked, error, arguments)
        if any(value is nothing for nothing in OPEN):
            return _unwritten(asked)
        if value is None:
            return _verdict(asked, "returns nothing", "Is a `return` missing?")
        if not alike(handed, arguments):
            return _verdict(asked, "changes its arguments in place", "Work on a copy: the caller still needs them.")
        values.append(value)
    return _judge(asked, function, instances, values)


def _judge(asked: Exercise, function: Function, instances: Sequence[tuple], values: Sequence[Any]) -> Verdict:
    expected = _run(asked.solution, instances)
    if all(map(alike, values, expected)):
        return Verdict(asked.id, True, "", f"right, on {len(instances)} random instances.")
    for misconception, variant in asked.wrong.items():
        if all(map(alike, values, _run(variant, instances))):
            return _verdict(asked, misconception, "That is what your numbers are, on every instance tried.")
    worst = next(i for i in range(len(values)) if not alike(values[i], expected[i]))
    example = f"For {shown(instances[worst])} it gives {shown(values[worst])}, not {shown(expected[worst])}."
    for finding in (_by_shape(values, expected), _by_factor(values, expected)):
        if finding:
            return _verdict(asked, finding, example)
    for rule, holds in asked.properties.items():
        if not all(_holds(holds, function, arguments) for arguments in instances):
            return _verdict(asked, f"breaks a rule: {rule}", example)
    right = sum(map(alike, values, expected))
    return _verdict(asked, f"right on {right} of {len(values)} instances, and none of the usual slips", example)


def alike(one: Any, other: Any) -> bool:
    """Whether two values are the same structure of nearly equal numbers; nan equals nan."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, str) or isinstance(other, str):
        return bool(one == other)
    try:
        a, b = array(one), array(other)
    except (TypeError, ValueError):
        if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
            return len(one) == len(other) and all(map(alike, one, other))
        return bool(one is other or one == other)
    return a.shape == b.shape and bool(np.allclose(a, b, TOLERANCE, TOLERANCE, equal_nan=True))


def array(value: Any) -> np.ndarray:
    """A number, tensor, array or list of numbers as float64."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, (list, tuple)):
        value = [array(entry) for entry in value]
    return np.asarray(value, dtype=np.float64)


def shown(value: Any) -> str:
    """A value in a few words: large arrays by their shape."""
    if isinstance(value, tuple):
        return ", ".join(map(shown, value))
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {shown(entry)}" for key, entry in value.items()) + "}"
    try:
        numbers = array(value)
    except (TypeError, ValueError):
        return repr(value)
    if numbers.ndim == 0:
        return f"{float(numbers):.6g}"
    if numbers.size <= 12:
        return str(np.round(numbers, 4).tolist())
    return f"an array {numbers.shape}"


def _run(function: Function, instances: Sequence[tuple]) -> list[Any]:
    return [function(*copy.deepcopy(arguments)) for arguments in instances]


def _holds(rule: Any, function: Function, arguments: tuple) -> bool:
    try:
        return bool(rule(function, copy.deepcopy(arguments)))
    except Exception:  # a rule calls the function on new arguments, which a wrong one may not bear
        return False


def _by_shape(values: Sequence[Any], expected: Sequence[Any]) -> str:
    try:
        shapes = [(array(value).shape, array(wanted).shape) for value, wanted in zip(values, expected, strict=True)]
    except (TypeError, ValueError):
        came, wanted = type(values[0]).__name__, type(expected[0]).__name__
        return f"returns {came} where {wanted} is asked" if came != wanted else ""
    odd = next(((came, wanted) for came, wanted in shapes if came != wanted), None)
    return f"returns shape {odd[0]} where {odd[1]} is asked" if odd else ""


def _by_factor(values: Sequence[Any], expected: Sequence[Any]) -> str:
    """One factor or one difference between all values and all answers, if there is one."""
    a, b = (np.concatenate([array(value).ravel() for value in each]) for each in (values, expected))
    if not np.isfinite(a).all():
        return "gives nan or infinity: a log or a division meets a zero"
    if np.allclose(a, -b, TOLERANCE, TOLERANCE):
        return "has the sign turned around"
    useful = np.abs(b) > 1e-6
    if useful.sum() > 1 and np.allclose(a[~useful], 0, atol=TOLERANCE):
        ratio = a[useful] / b[useful]
        if np.allclose(ratio, ratio[0], 1e-3) and abs(ratio[0]) > 1e-6:
            return f"is {ratio[0]:.4g} times the right value, every time"
    if np.allclose(a - b, (a - b)[0], 1e-3):
        return f"differs from the right value by {(a - b)[0]:+.4g}, every time"
    return ""


def _verdict(asked: Exercise, finding: str, more: str) -> Verdict:
    return Verdict(asked.id, False, finding, f"not yet: {finding}. {more}")


def _unwritten(asked: Exercise) -> Verdict:
    words = f"not written yet; fill in `{asked.name}` and run the cell again."
    return Verdict(asked.id, False, "not written yet", words)


def _refused(asked: Exercise, error: Exception, arguments: tuple) -> Verdict:
    finding = f"stops with {type(error).__name__}: {error}"
    return _verdict(asked, finding, f"It was called with {shown(arguments)}.")
