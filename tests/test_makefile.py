"""The Makefile sets up from what an interrupted or another tool's set-up left."""

import os
import shutil
import subprocess
import sys

import pytest

from conftest import REPOSITORY


@pytest.mark.skipif(os.name == "nt" or not shutil.which("make"), reason="needs make, and folders as on Unix")
def test_an_environment_without_pip_is_given_it_and_keeps_what_it_has(tmp_path):
    """As it is left where python3-venv is not installed yet, and as uv makes it."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / ".venv"], check=True)
    (kept,) = tmp_path.glob(".venv/lib/python*/site-packages")
    (kept / "mine.py").touch()
    offline = {**os.environ, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    made = subprocess.run(
        ["make", "setup", f"PYTHON={sys.executable}"],
        cwd=tmp_path, env=offline, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "No matching distribution found for uv" in made.stderr, "pip came to fetch it, and may not here"
    assert (kept / "pip").is_dir()
    assert (kept / "mine.py").is_file()
