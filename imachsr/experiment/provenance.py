"""Where a number came from."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch


def provenance(device: torch.device | None = None) -> dict[str, Any]:
    """Where a number came from: revision, versions, hardware, threads, time."""
    import numpy

    import imachsr

    return {
        "imachsr": imachsr.__version__,
        **_revision(Path(__file__).resolve().parents[2]),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name(device) if device and device.type == "cuda" else _processor(),
        "threads": torch.get_num_threads(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def peak_memory(device: torch.device) -> int | None:
    """The most bytes that this process has held: of the GPU's memory, or else of the machine's; None on Windows."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def _revision(checkout: Path) -> dict[str, Any]:
    """The commit of the code, and whether it was changed since; "" and None where it lies in no checkout of its own."""

    def git(*words: str) -> str:
        asked = subprocess.run(["git", *words], capture_output=True, text=True, check=True, cwd=checkout, env=plain)
        return asked.stdout.strip()

    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # hooks set them
    try:
        if Path(git("rev-parse", "--show-toplevel")).samefile(checkout):  # installed, it may lie within another's
            dirty = bool(git("status", "--porcelain", "--untracked-files=no"))
            return {"revision": git("rev-parse", "--short", "HEAD"), "dirty": dirty}
    except (OSError, subprocess.CalledProcessError):
        pass
    return {"revision": "", "dirty": None}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
