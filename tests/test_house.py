"""The house stays as drawn: imports go one way, notebooks are clean, the pins agree, importing is cheap."""

import ast
import json
import re
import subprocess
import sys

import pytest

from conftest import REPOSITORY

PACKAGE = REPOSITORY / "imachsr"
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))

# room -> rooms it may import; suppliers know nobody, leaves may use everything
MAY_IMPORT = {
    "points": set(),
    "adapters": set(),
    "losses": set(),
    "models": set(),
    "datasets": set(),
    "metrics": set(),
    "objective": {"points", "adapters", "losses"},
    "training": {"objective", "metrics", "points", "adapters", "losses"},
    "experiment": {
        "training", "objective", "points", "adapters", "losses", "models", "datasets", "metrics", "hierarchy",
    },
    "theory": set(),
    "complexity": {"training", "objective", "points", "adapters", "losses", "metrics"},
    "hierarchy": {"training", "objective", "points", "adapters", "losses", "metrics", "models"},
    "claims": {"experiment", "metrics"},
    "reproduce": {"claims", "experiment", "training", "datasets"},
}  # fmt: skip
LEAVES = {"figures", "widgets", "lessons", "cli", "__main__", "__init__"}


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path):
    """What of imachsr a file imports, at its top or inside a function: paths of names, from the room on."""
    package = ("imachsr", *path.relative_to(PACKAGE).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "imachsr" and len(parts) > 1 and not parts[1].startswith("__"):
                found.add(tuple(parts[1:]))
    return found


def rooms_imported(path):
    """Rooms of imachsr that a file imports."""
    return {parts[0] for parts in imported(path)}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    if room(path) in LEAVES:
        return
    assert room(path) in MAY_IMPORT, f"{path} is a room the plan does not know"
    rooms = {p.name.removesuffix(".py") for p in PACKAGE.iterdir()}
    strangers = (rooms_imported(path) & rooms) - MAY_IMPORT[room(path)] - {room(path)}
    assert not strangers, f"{path.name} imports {strangers}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_room_reaches_into_another(path):
    private = {".".join(parts) for parts in imported(path) if any(part.startswith("_") for part in parts)}
    strange = {name for name in private if name.split(".")[0] != room(path)}
    assert not strange, f"{path.name} imports {strange}: let its room export what others use"


def test_the_import_reader_sees_every_form():
    source = PACKAGE / "experiment" / "study.py"
    assert {"objective", "points", "datasets", "training", "metrics", "models"} <= rooms_imported(source)
    assert ("losses", "transformed") in imported(PACKAGE / "objective" / "supervised.py")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_is_clean(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = notebook["cells"]
    ids = [cell["id"] for cell in cells]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(rf"{path.name[:2]}-\d\d", name) for name in ids), "ids are NUMBER-POSITION and stay"
    assert cells[0]["cell_type"] == "markdown"
    assert "**You will**" in "".join(cells[0]["source"])
    assert "parameters" in cells[1]["metadata"].get("tags", [])
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(home|root|Users|tmp|work)/", text), "a machine's path"
    for cell in cells:
        for output in cell.get("outputs", []):
            assert output["output_type"] != "error"
            assert output.get("name") != "stderr", "progress and warnings do not belong into stored outputs"
        metadata = {name: value for name, value in cell["metadata"].items() if name != "tags"}
        if {"solution", "instructor"} & {*cell["metadata"].get("tags", [])}:
            metadata.pop("jupyter", None)  # folded, see tests/lessons
        assert not metadata, f"stray cell metadata {metadata}"


def locked(name):
    """The locked version of a package under Python 3.11."""
    lock = (REPOSITORY / "requirements.txt").read_text()
    match = re.search(rf"^{re.escape(name)}==([^ ;\\]+)(?: ; python_full_version < '3.12')?", lock, re.MULTILINE)
    assert match, f"{name} is not in requirements.txt"
    return match[1]


def test_conda_view_agrees_with_the_lock():
    import yaml

    environment = yaml.safe_load((REPOSITORY / "environment.yml").read_text())
    conda = [line for line in environment["dependencies"] if isinstance(line, str) and line != "pip"]
    pip = next(line["pip"] for line in environment["dependencies"] if isinstance(line, dict))
    pins = [re.split("==?", line) for line in conda + pip if line != "--editable ."]
    assert ["python", "3.11"] in pins
    assert len(pins) > 15
    for name, version in pins:
        if name != "python":
            assert version == locked(name), name


def test_the_lock_holds_names_and_hashes_only():
    lock = (REPOSITORY / "requirements.txt").read_text()
    assert "--hash=sha256:" in lock
    assert not re.search(r"https?://|index-url|find-links|file:", lock)
    pinned = re.findall(r"^([a-z0-9][a-z0-9._-]*)==", lock, re.MULTILINE)
    assert len(pinned) > 100


def test_declared_dependencies_are_all_locked():
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    for line in wanted:
        assert locked(re.split(r"[>=\[ ]", line.lower())[0])


def test_import_needs_only_torch_and_numpy():
    """Heavier packages load when used: none of them may come in with `import imachsr`."""
    code = (
        "import torch, numpy, sys; before = set(sys.modules); import imachsr;"
        "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    new = set(out.stdout.split())
    heavy = {
        "torchvision", "PIL", "numba", "pandas", "scipy", "sklearn", "matplotlib", "seaborn", "timm", "accelerate",
        "segmentation_models_pytorch", "triton", "tqdm", "papermill", "nbformat", "IPython", "ipywidgets",
    }  # fmt: skip
    assert not new & heavy
    assert "imachsr" in new


def test_make_help_names_every_verb():
    makefile = (REPOSITORY / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    described = re.findall(r"^([a-z]+):.*## \S", makefile, re.MULTILINE)
    assert sorted(phony) == sorted(described)


@pytest.mark.parametrize(
    "verb",
    [(), ("points",), ("run",), ("reproduce",), ("results",), ("claims",), ("complexity",), ("export",), ("data",)],
)
def test_help_reads_well(verb, capsys):
    from imachsr.cli import main

    with pytest.raises(SystemExit) as stop:
        main([*verb, "--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    assert "example" in text
    assert all(len(line) <= 140 for line in text.splitlines())


def test_readme_ten_lines_run():
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", readme, re.DOTALL)[1]
    scope: dict = {}
    exec(code, scope)
    assert scope["trainee"].release() is scope["network"]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page):
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (REPOSITORY / target).exists(), f"{page} links {target}"


def test_notebook_of_results_shows_every_published_one():
    cells = (REPOSITORY / "notebooks" / "08_main_results.ipynb").read_text(encoding="utf-8")
    published = [path.stem for path in (REPOSITORY / "data" / "results").glob("*.json") if len(path.stem) == 16]
    assert published
    assert f"published runs: {len(published)}; " in cells, "`make notebooks` shows them"


def test_readme_tells_the_faults_that_were_survived():
    filed = json.loads((REPOSITORY / "data" / "results" / "faults.json").read_text(encoding="utf-8"))
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert f"`faults {filed['summary']}`" in readme
    assert f"last on {filed['provenance']['date']} with" in readme, "code changes after a trial"
