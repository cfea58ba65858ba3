"""Some results of many: by the beginnings of their keys, and by settings written as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from .ledger import Result
from .settings import CHOICES, Settings

FIELDS = {entry.name: str(entry.type) for entry in fields(Settings) if entry.name != "root"}  # no result keeps a root
READERS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "tuple[int, int]": lambda text: _size(text),
    "tuple[float, ...]": lambda text: tuple(float(weight) for weight in text.split(",")),
    "tuple[str, ...]": lambda text: tuple(text.split(",")),
}


def wanted(words: Sequence[str]) -> dict[str, list[Any]]:
    """`NAME=VALUE` texts as settings of their types; a name that comes again allows one more value.

    Raises:
        ValueError: no such setting, or no value of its type.

    >>> wanted(["scheme=imachsr", "seed=0", "seed=1", "size=180x240", "distance=none"])
    {'scheme': ['imachsr'], 'seed': [0, 1], 'size': [(180, 240)], 'distance': [None]}
    """
    found: dict[str, list[Any]] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name = "lambda_" if name == "lambda" else name
        if not equals:
            raise ValueError(f"got {word!r}; a filter is NAME=VALUE; write it as in scheme=imachsr")
        if name not in FIELDS:
            raise ValueError(f"got setting {name!r}; {_meant(name, FIELDS)}")
        found.setdefault(name, []).append(_typed(name, text))
    return found


def chosen(
    results: Sequence[Result], keys: Sequence[str] = (), where: Mapping[str, Sequence[Any]] | None = None
) -> list[Result]:
    """The results whose key begins as one of `keys` says and whose settings have one of the values of `where`.

    A setting that says nothing about a scheme, such as points of conventional training, keeps none out.

    Args:
        results: from a ledger.
        keys: beginnings of keys; none chooses all.
        where: setting -> values allowed, see `wanted`.

    Raises:
        ValueError: a key no result has, or a value that leaves none.
    """
    for key in keys:
        if not any(result.key.startswith(key) for result in results):
            raise ValueError(f"got key {key!r}, which no filed result begins with; see `imachsr results` for the keys")
    found = [result for result in results if not keys or result.key.startswith(tuple(keys))]
    for name, values in (where or {}).items():
        kept = [result for result in found if result.idle(name) or result.setting(name) in values]
        if found and not kept:
            there = sorted({str(result.setting(name)) for result in found})
            raise ValueError(
                f"got {name}={', '.join(map(str, values))}, which none of {len(found)} results has; "
                f"they have {', '.join(there)}; choose one of these, or run it"
            )
        found = kept
    return found


def _typed(name: str, text: str) -> Any:
    """A setting's value from text; "none" is None where the setting may be that."""
    kind, *rest = FIELDS[name].split(" | ")
    if rest and text.lower() in ("", "none"):
        return None
    try:
        value = READERS[kind](text)
    except (ValueError, KeyError):
        like = {"bool": "true or false", "tuple[int, int]": "as in 180x240", "tuple[float, ...]": "as in 0.1,0.2"}
        raise ValueError(f"got {name}={text!r}; it is {FIELDS[name]}; write {like.get(kind, 'one')}") from None
    if name in CHOICES and value not in CHOICES[name]:
        raise ValueError(f"got {name}={text!r}; {_meant(text, CHOICES[name])}")
    return value


def _size(text: str) -> tuple[int, int]:
    height, width = text.lower().split("x")
    return int(height), int(width)


def _meant(word: str, known: Iterable[str]) -> str:
    close = get_close_matches(word, [*known], n=1)
    listed = f"there are {', '.join(name or repr(name) for name in known)}"
    return f"{listed}; did you mean {close[0]}?" if close else f"{listed}; use one of them"
