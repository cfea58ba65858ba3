"""One run of a batch: settings as JSON on standard input, the ledger's folder as the argument."""

from __future__ import annotations

import json
import sys

from ..experiment import Settings, run


def main() -> int:
    """Run it; what went wrong is the last line printed."""
    fields = json.load(sys.stdin)
    settings = Settings(**fields)
    try:
        run(settings, ledger=sys.argv[1])
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        print(f"{type(error).__name__}: {error}".replace("\n", " "), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
