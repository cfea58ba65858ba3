"""One run of a batch: the ledger's folder and the settings as JSON are its arguments."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time

from ..experiment import Settings, run
from .batch import FAILED


def main() -> int:
    """Run it; what went wrong is a line printed."""
    ledger, fields = sys.argv[1:]
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    try:
        run(Settings(**json.loads(fields)), ledger=ledger)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        print(f"{FAILED}{type(error).__name__}: {error}".replace("\n", " "), file=sys.stderr)
        return 1
    return 0


def _end_with(parent: int) -> None:
    """Stop as if asked to, progress kept, when the batch is killed: nobody is left to take the answer."""
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
