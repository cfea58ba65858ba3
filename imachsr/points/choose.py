"""Which of the points to supervise."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from math import log2

from .given import is_whole
from .point import Point
from .rules import RULES

NEAR = ("spread", "input", "center", "output")


def choose_points(
    points: Sequence[Point],
    count: int | str,
    *,
    near: str = "spread",
    distance: int | None = None,
    rules: Sequence[str] | str | None = None,
    names: Sequence[str] | str | None = None,
) -> tuple[Point, ...]:
    """Distinct points in order of depth, the same ones on every machine.

    The *base* is the block sequence: major-block outputs by depth, other points only where those run out. A block that
    hands on several maps (branches kept apart) gives each of them. A network without blocks has all its points for a
    base.

    Args:
        points: from `find_points`.
        count: M, or "log" for round(log2(number of bases)), at least one.
        near: "input", "center" or "output" fix which row of `count` steps is taken; "spread" is evenly over depth.
        distance: bases from one chosen point to the next, with near="spread" a multiple of it; one base by default.
        rules: only points that meet one of these transition rules; no other points fill up where these are too few.
        names: only these points; as many names as `count` fix the choice.

    Raises:
        TypeError: points of another kind than `find_points` returns.
        ValueError: no points, unknown words, or fewer points than asked.

    >>> import torch, imachsr
    >>> network = torch.nn.Sequential(*(torch.nn.Conv2d(3, 3, 1) for _ in range(6)))
    >>> points = imachsr.find_points(network, torch.zeros(2, 3, 4, 4))
    >>> [point.name for point in imachsr.choose_points(points, 2, near="output", distance=2)]
    ['2', '4']
    """
    odd = [type(one).__name__ for one in points if not isinstance(one, Point)] if isinstance(points, Sequence) else []
    if odd or not isinstance(points, Sequence):
        given = f"a {odd[0]} among points" if odd else f"a {type(points).__name__} for points"
        raise TypeError(f"got {given}; they are what find_points returns; pass find_points(network, images)")
    if not points:
        raise ValueError(
            "got no points; they come from find_points on a network with some; print what it returned: its `left_out` "
            "says why a tensor is none"
        )
    if near not in NEAR:
        raise ValueError(f"got near={near!r}; a position is one of {NEAR}; choose one of them")
    if distance is not None and not is_whole(distance, least=1):
        raise ValueError(f"got distance={distance!r}; points lie a positive number of bases apart; give 1 or more")
    candidates = _narrowed(points, rules, names)
    extended = [point for point in candidates if _extended(point)]
    base = [point for point in extended if point.block >= 0] or extended
    if count == "log":
        count = max(1, round(log2(max(len(base), 1))))
    if not is_whole(count, least=1):
        raise ValueError(f'got count={count!r}; it is a number of points or "log"; give 1 or more')
    count = int(count)
    step = distance or 1
    base = _filled(base, candidates, (count - 1) * step + 1)
    if len(base) < (count - 1) * step + 1:
        raise ValueError(_too_few(count, step, points, candidates, {"rules": rules, "names": names}))
    if near == "spread":
        return tuple(_spread(base[::step], count))
    start = {"input": 0, "center": (len(base) - (count - 1) * step - 1) // 2, "output": -1 - (count - 1) * step}[near]
    return tuple(base[start:][::step][:count])


def _narrowed(
    points: Sequence[Point], rules: Sequence[str] | str | None, names: Sequence[str] | str | None
) -> list[Point]:
    chosen = list(points)
    if rules is not None:
        wanted = {rules} if isinstance(rules, str) else set(rules)
        unknown = wanted - set(RULES)
        if unknown:
            raise ValueError(f"got rule {sorted(unknown)[0]!r}; the rules are {(*RULES,)}; use these words")
        chosen = [point for point in chosen if wanted & set(point.rules)]
    if names is not None:
        known = {name: point.name for point in points for name in (point.name, *point.aliases)}
        names = [names] if isinstance(names, str) else names
        for name in names:
            if name not in known:
                close = get_close_matches(name, known, 3) or list(known)[:3]
                raise ValueError(f"got point {name!r}; this network has none of that name; did you mean {close}?")
        wanted = {known[name] for name in names}
        chosen = [point for point in chosen if point.name in wanted]
    return chosen


def _extended(point: Point) -> bool:
    """Whether it has places and channels to tell apart."""
    return point.size != (1, 1) and point.channels > 1


def _filled(base: list[Point], candidates: list[Point], needed: int) -> list[Point]:
    """The base filled up, if need be, from the other points: those with places and channels before those without."""
    rest = [point for point in candidates if point not in base]
    filled = list(base)
    for group in ([p for p in rest if _extended(p)], [p for p in rest if not _extended(p)]):
        filled += _spread(group, max(0, min(needed - len(filled), len(group))))
    return sorted(filled, key=candidates.index)


def _spread(points: Sequence[Point], count: int) -> list[Point]:
    """Of points by depth, `count` distinct ones nearest to the depths 1/(count+1), 2/(count+1), ..."""
    chosen: list[Point] = []
    start = 0
    for m in range(1, count + 1):
        stop = len(points) - (count - m)
        best = min(range(start, stop), key=lambda i: abs(points[i].depth - m / (count + 1)))
        chosen.append(points[best])
        start = best + 1
    return chosen


def _too_few(
    count: int, step: int, points: Sequence[Point], candidates: Sequence[Point], narrowing: dict[str, object]
) -> str:
    needed = (count - 1) * step + 1
    asked = f"{count} points" + (f" {step} bases apart, which takes {needed}" if step > 1 else "")
    narrow = {word: wish for word, wish in narrowing.items() if wish is not None}
    among = " and ".join(f"{word}={wish!r}" for word, wish in narrow.items())
    relax = [*(["distance"] if step > 1 else []), *narrow]
    return (
        f"got a wish for {asked}{f' with {among}' if among else ''}; {len(candidates)} of the network's {len(points)} "
        f"points can be chosen; lower count{''.join(f', or relax {word}' for word in relax)}"
    )
