"""Which dimension of an input holds channels: the layers with weights that read it tell."""

from __future__ import annotations

from collections.abc import Sequence

from .axes import Axes, Dim
from .follow import RECURRENT
from .operations import PRODUCTS

Told = tuple[bool, str]  # whether a convolution tells it, and the role of each dimension


class Roles:
    """What is heard of the inputs during one forward pass.

    Args:
        assumed: of each input, the role of each dimension, as in "bcyx".
    """

    def __init__(self, assumed: Sequence[str]) -> None:
        self.assumed = tuple(assumed)
        self.stems = {value: value for value in range(len(assumed))}  # value -> the input that it is, rearranged
        self.told: dict[int, Told] = {}

    def hear(
        self, name: str, read: Sequence[int | None], axes: Sequence[Axes | None], made: Sequence[int], *, weighted: bool
    ) -> None:
        """One operation.

        Args:
            name: of the ATen operation.
            read: the values of its tensor arguments in order, None for weights.
            axes: theirs.
            made: values of its results.
            weighted: whether it is a layer with weights; what comes after such a layer is no input any more.
        """
        if not weighted:
            stem = next((self.stems[value] for value in read if value is not None and value in self.stems), None)
            self.stems |= dict.fromkeys(made, stem) if stem is not None else {}
            return
        place, dim = _channels(name, read, axes)
        stem = self.stems.get(read[place]) if dim is not None else None  # type: ignore[arg-type]
        if stem is None:
            return
        convolved = name.endswith("convolution")
        if stem not in self.told or convolved > self.told[stem][0]:  # convolutions tell for sure; then, the earliest
            self.told[stem] = convolved, told(dim, self.assumed[stem])

    def heard(self) -> tuple[str, ...]:
        """Of each input, the role of each dimension."""
        return tuple(self.told.get(index, (False, roles))[1] for index, roles in enumerate(self.assumed))


def _channels(name: str, read: Sequence[int | None], axes: Sequence[Axes | None]) -> tuple[int, Dim | None]:
    """Which argument a layer with weights reads, and the dimension of it that it takes for channels."""
    if name.endswith("convolution"):
        place, d = 0, 1
    elif name in RECURRENT:
        place, d = 0, -1
    elif name in PRODUCTS:
        place, d = (len(read) - 1, -2) if read[-1] is not None else (len(read) - 2, -1)
    else:
        return 0, None
    known = axes[place]
    return place, known[d] if known and len(known) > 1 and read[place] is not None else None


def told(channels: Dim | None, roles: str) -> str:
    """The roles of an input's dimensions, once it is known which of them, if any, a layer takes for channels.

    The others keep their order: rows, then columns.

    >>> from .axes import fresh
    >>> told(fresh("x", 6), "bcx"), told((), "bcx"), told(fresh("x", 3), "bcyx")
    ('bxc', 'byx', 'byxc')
    """
    if channels is None or len(channels) > 1:
        return roles
    role = channels[0].role if channels else ""
    rest = [one for one in roles[1:] if one != role]
    if len(rest) > 2 or (role and role not in roles[1:]):
        return roles
    meant = {role: "c", "b": "b", **dict(zip(rest, "yx"[2 - len(rest) :], strict=True))}
    return "".join(meant[one] for one in roles)
