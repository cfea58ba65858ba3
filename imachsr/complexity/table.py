"""Numbers and rows as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def amount(number: float, unit: str = "") -> str:
    """A number with three digits and a prefix: decimal for operations, binary for bytes.

    >>> amount(12_860_530_688), amount(3 * 2**20, "B")
    ('12.9 G', '3.00 MiB')
    """
    step, binary = (1024, "i") if unit == "B" else (1000, "")
    prefixes = ["", "Ki" if binary else "k", *(p + binary for p in "MGTP")]
    size, place = float(number), 0
    while abs(size) >= 999.5 and place < len(prefixes) - 1:
        size, place = size / step, place + 1
    digits = 0 if not place or abs(size) >= 99.95 else 1 if abs(size) >= 9.995 else 2
    return f"{size:.{digits}f} {prefixes[place]}{unit}".strip()


def text_table(rows: Sequence[Mapping[str, str]], left: int = 2) -> str:
    """Rows as aligned text, the first `left` columns to the left and the others, numbers, to the right."""
    cells = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    )
