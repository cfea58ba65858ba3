"""What every verb shares: its parser's shape and the types of its arguments."""

from __future__ import annotations

import argparse


def verb_parser(verbs: argparse._SubParsersAction, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    """A verb's parser, with its summary as description and one example below."""
    return verbs.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example:\n  imachsr {name} {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def size(text: str) -> tuple[int, int]:
    """HEIGHTxWIDTH as (height, width)."""
    try:
        height, width = (int(side) for side in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"got {text!r}; a size is HEIGHTxWIDTH, as in 180x240") from None
    if height < 1 or width < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; sides are 1 pixel or more; give such as 180x240")
    return height, width
