"""Fixtures shared by every test."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference material beside the checkout (real CamVid, golden numbers); never shipped, so tests skip without it."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the reference folder ../shared beside the checkout")
    return folder


@pytest.fixture
def one_seed_one_thread():
    """For small tensors: more threads would only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def two_processes():
    """Runs a script with a folder as two processes of one training, and shows what it says where it fails."""

    def launch(script: str, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", port]
        with subprocess.Popen(
            [*command, script, str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        ) as job:  # fmt: skip
            try:
                said = job.communicate(timeout=600)[1]
            except BaseException:
                job.terminate()  # it ends its two processes; killed, it would leave them
                raise
        assert job.returncode == 0, said[-6000:]

    return launch
