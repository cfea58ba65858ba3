"""Chromium is installed only where somebody asked, and what is missing is said plainly."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from browser.conftest import find_chromium

SCRIPT = Path(__file__).with_name("chromium.sh")
SHELL = shutil.which("sh")
pytestmark = pytest.mark.skipif(SHELL is None, reason="needs sh")


def ask(programs, **environment):
    """Runs the script where only `programs` are on the path."""
    keep = {name: value for name, value in os.environ.items() if name not in ("CI", "INSTALL", "PATH")}
    return subprocess.run(
        [SHELL, SCRIPT], env={**keep, "PATH": str(programs), **environment}, capture_output=True, text=True, check=False
    )


def program(folder, name, words="exit 0"):
    path = folder / name
    path.write_text(f"#!{SHELL}\n{words}\n")
    path.chmod(0o755)


def test_one_that_is_there_is_taken(tmp_path):
    program(tmp_path, "chromium-browser")
    assert ask(tmp_path).returncode == 0


def test_nothing_is_installed_unasked(tmp_path):
    program(tmp_path, "apt-get", "echo touched; exit 0")
    found = ask(tmp_path)
    assert found.returncode == 1
    assert "got no chromium" in found.stderr
    assert "make browser INSTALL=1" in found.stderr
    assert "touched" not in found.stdout


@pytest.mark.parametrize("asked", [{"CI": "true"}, {"INSTALL": "1"}])
def test_no_apt_and_no_root_are_said(tmp_path, asked):
    assert "there is no apt-get here" in ask(tmp_path, **asked).stderr
    program(tmp_path, "apt-get", f"echo $* >> {tmp_path}/asked")
    program(tmp_path, "id", "echo 1000")
    found = ask(tmp_path, **asked)
    assert found.returncode == 1
    assert "apt-get needs root" in found.stderr
    assert not (tmp_path / "asked").exists()


def test_asked_for_it_is_installed_and_failures_are_said(tmp_path):
    program(tmp_path, "id", "echo 0")
    program(tmp_path, "apt-get", f"echo $* >> {tmp_path}/asked")
    assert ask(tmp_path, INSTALL="1").returncode == 0
    assert "install -y -qq --no-install-recommends chromium" in (tmp_path / "asked").read_text()
    program(tmp_path, "apt-get", "exit 100")
    found = ask(tmp_path, INSTALL="1")
    assert found.returncode == 1
    assert "apt-get update failed" in found.stderr


@pytest.mark.parametrize(
    ("asked", "outcome", "words"),
    [
        ({}, pytest.skip.Exception, "make browser"),
        ({"CI": "true"}, pytest.skip.Exception, "apt could not install one"),
        ({"BROWSER": "quick"}, pytest.fail.Exception, "got none of"),
        ({"CI": "true", "BROWSER": "full"}, pytest.fail.Exception, "got none of"),
    ],
)
def test_without_a_browser_only_those_who_asked_fail(asked, outcome, words, tmp_path, monkeypatch):
    for name, value in {"CI": "", "BROWSER": "", "PATH": str(tmp_path), **asked}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(outcome, match=words):
        find_chromium()
