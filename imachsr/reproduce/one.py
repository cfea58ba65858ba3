"""One run of a batch: the ledger's folder and the settings as JSON are its arguments."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import threading
import traceback

from ..experiment import Settings, run
from .batch import FAILED


def main() -> int:
    """Run it; what went wrong is a line printed."""
    ledger, fields = sys.argv[1:]
    threading.Thread(target=_end_with_the_batch, daemon=True).start()
    try:
        run(Settings(**json.loads(fields)), ledger=ledger)
    except KeyboardInterrupt as stop:
        return _say(str(stop) or "stopped", 130)
    except Exception as error:
        traceback.print_exc()
        return _say(f"{type(error).__name__}: {error}", 1)
    return 0


def _say(why: str, status: int) -> int:
    print(f"{FAILED}{why}".replace("\n", " "), file=sys.stderr)
    return status


def _end_with_the_batch() -> None:
    """Stop as if asked to, progress kept, when the batch has ended: nobody is left to take the answer.

    Standard input is a pipe that the batch holds open, and that launchers hand on: it ends when the batch does,
    whoever was killed, and also before this began.
    """
    if os.name != "nt" and stat.S_ISFIFO(os.fstat(0).st_mode):  # Windows knows no such signal
        os.read(0, 1)  # nobody writes
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
