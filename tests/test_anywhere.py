"""Binder, VS Code and Colab are told the same as `make setup`: one Python, one lock with its hashes, this package."""

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from conftest import REPOSITORY

BINDER, CONTAINER, COLAB = (REPOSITORY / name for name in (".binder", ".devcontainer", ".colab"))
LOCK = REPOSITORY / "requirements.txt"


def lines(path):
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def supported():
    """Minor versions of Python 3 that the package takes."""
    wanted = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["requires-python"]
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", wanted).groups()
    return range(int(low), int(high))


def python_of_conda():
    return re.search(r"- python=(3\.\d+)", (REPOSITORY / "environment.yml").read_text())[1]


def test_all_name_the_python_of_the_conda_view():
    (runtime,) = lines(BINDER / "runtime.txt")
    image = json.loads((CONTAINER / "devcontainer.json").read_text())["image"]
    assert runtime == f"python-{python_of_conda()}"
    assert image == f"python:{python_of_conda()}", "an image by name, no host"
    assert int(python_of_conda().removeprefix("3.")) in supported()


def test_binder_installs_the_lock_with_its_hashes():
    assert lines(BINDER / "requirements.txt") == ["--require-hashes", "-r ../requirements.txt"]
    assert (BINDER / "../requirements.txt").resolve() == LOCK
    assert {path.name for path in BINDER.iterdir()} == {"runtime.txt", "requirements.txt", "postBuild"}


def test_every_pin_of_the_lock_has_a_hash():
    """What --require-hashes insists on."""
    entries = re.split(r"^(?=[a-z0-9])", LOCK.read_text(), flags=re.MULTILINE)[1:]
    assert len(entries) > 100
    assert [entry.split("\n")[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_what_locked_packages_require_is_locked():
    """Pip goes by what packages say of themselves: one name left out, and with --require-hashes it installs nothing."""
    locked = set(re.findall(r"^([a-z0-9.-]+)==", LOCK.read_text(), flags=re.MULTILINE))
    here = {canonicalize_name(package.name): package for package in importlib.metadata.distributions()}
    required = {
        canonicalize_name(wanted.name): name
        for name in locked & {*here}
        for wanted in map(Requirement, here[name].requires or ())
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""})
    }
    assert len(required) > 80
    assert {name: of for name, of in required.items() if name not in locked} == {}


@pytest.mark.skipif(not shutil.which("sh"), reason="needs sh")
def test_after_the_build_the_package_is_installed_without_its_dependencies():
    script = BINDER / "postBuild"
    subprocess.run(["sh", "-n", str(script)], check=True)
    assert os.name == "nt" or os.access(script, os.X_OK), "Binder wants it executable"
    assert "--no-deps --editable ." in script.read_text()


def test_the_container_sets_up_by_make_and_finds_its_python():
    told = json.loads((CONTAINER / "devcontainer.json").read_text())
    verb = told["postCreateCommand"].removeprefix("make ")
    makefile = (REPOSITORY / "Makefile").read_text()
    assert re.search(rf"^{verb}: .*##", makefile, re.MULTILINE)
    python = told["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert python == "${containerWorkspaceFolder}/.venv/bin/python"
    assert "ms-toolsai.jupyter" in told["customizations"]["vscode"]["extensions"]


def test_the_first_cell_for_colab(tmp_path, monkeypatch):
    """It clones, installs the lock with hashes, then the package, and stands in the notebooks."""
    source = (COLAB / "first_cell.py").read_text()
    ast.parse(source)
    with pytest.raises(ValueError, match=r"got no repository; .*; fill in the address"):
        exec(source, {})
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: asked.append(" ".join(command)))
    at_hand = source.replace('repository = ""', 'repository = "ADDRESS"').replace("/content/imachsr", str(tmp_path))
    exec(at_hand.replace("if not checkout.exists()", "if True"), {})
    assert asked[0] == f"git clone --depth 1 ADDRESS {tmp_path}"
    assert asked[1].endswith(f"--require-hashes -r {tmp_path / 'requirements.txt'}")
    assert asked[2].endswith(f"--no-deps --editable {tmp_path}")
    assert os.getcwd() == str(tmp_path / "notebooks")
