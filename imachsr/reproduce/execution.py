"""Notebooks through papermill: typed parameters, evidence that every cell ran, outputs kept."""

from __future__ import annotations

import ast
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..experiment import course, home, write_atomically
from ..training.progress import bars_shown

TYPES = {"str": str, "int": int, "float": float, "bool": bool}


@dataclass(frozen=True)
class Parameter:
    """One line `name: type = default  # help` of a notebook's parameters cell."""

    name: str
    type: str
    default: Any
    help: str

    def accept(self, value: Any) -> Any:
        """The value, if it is of the type.

        Raises:
            TypeError: it is not; a string is never turned into a number or a flag.
        """
        wanted = TYPES[self.type]
        if wanted is float and type(value) is int:
            return float(value)
        if type(value) is not wanted:
            raise TypeError(
                f"got {self.name}={value!r} of type {type(value).__name__}; the notebook declares it {self.type}; "
                f"give a {self.type}, such as {self.default!r}"
            )
        return value


def parameters(notebook: str | Path) -> dict[str, Parameter]:
    """The parameters a notebook declares in its cell tagged `parameters`.

    Raises:
        ValueError: no such cell, or a line in it that is not `name: type = default  # help`.
    """
    cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
    tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", [])]
    if len(tagged) != 1:
        raise ValueError(
            f"got {len(tagged)} cells tagged 'parameters' in {notebook}; a notebook declares its parameters in one; "
            "tag that cell"
        )
    source = "".join(tagged[0]["source"])
    lines = source.splitlines()
    found = {}
    for statement in ast.parse(source).body:
        line = lines[statement.lineno - 1]
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value):
            raise ValueError(
                f"got {line!r} in the parameters of {notebook}; each line is `name: type = default  # help`; rewrite it"
            )
        type_name = ast.unparse(statement.annotation)
        if type_name not in TYPES:
            raise ValueError(f"got type {type_name!r} in {line!r} of {notebook}; types are {[*TYPES]}; use one of them")
        name, default = statement.target.id, ast.literal_eval(statement.value)
        found[name] = Parameter(name, type_name, default, line.partition("#")[2].strip())
    return found


def checked(notebook: str | Path, given: dict[str, Any]) -> dict[str, Any]:
    """`given`, if every name is a parameter of the notebook and every value of its type.

    Raises:
        ValueError: a name the notebook does not declare.
        TypeError: a value of another type.
    """
    declared = parameters(notebook)
    for name in given:
        if name not in declared:
            raise ValueError(
                f"got parameter {name!r} for {Path(notebook).name}; it declares {[*declared]}; correct the name"
            )
    return {name: declared[name].accept(value) for name, value in given.items()}


def execute(notebook: str | Path, output: str | Path, given: dict[str, Any], *, progress: bool | None = None) -> None:
    """Run one notebook from top to bottom and keep it, executed, at `output`; whole or not at all.

    Raises:
        ValueError, TypeError: parameters it does not declare, before anything runs.
        RuntimeError: a cell failed, or the kernel died; what ran is kept beside `output` as `*.failed.ipynb`.
    """
    import papermill

    given = checked(notebook, given)
    notebook, output = Path(notebook), Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    failed = output.with_suffix(".failed.ipynb")
    try:
        with _private_jupyter():
            papermill.execute_notebook(
                str(notebook), str(failed), parameters=given, kernel_name="python3", cwd=str(home()),
                progress_bar=bars_shown(progress), request_save_on_cell_execute=True,
            )  # fmt: skip
        _check_all_ran(failed)
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        reason = lines[-1] if lines else type(error).__name__
        raise RuntimeError(
            f"{notebook.name} stopped: {reason}; what ran is in {failed}; open it at the last output"
        ) from error
    os.replace(failed, output)


def _check_all_ran(executed: Path) -> None:
    """A dead kernel leaves cells marked completed that never ran: only an execution count is evidence."""
    cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    for cell in cells:
        if cell["cell_type"] == "code" and "".join(cell["source"]).strip() and cell["execution_count"] is None:
            first = "".join(cell["source"]).strip().splitlines()[0]
            raise RuntimeError(f"the kernel died: the cell that begins {first!r} never ran")


@contextmanager
def _private_jupyter() -> Iterator[None]:
    """Folders of its own for the kernel, so that nobody's configuration changes a result."""
    with tempfile.TemporaryDirectory(prefix="imachsr-") as folder:
        private = {
            "IPYTHONDIR": f"{folder}/ipython",
            "JUPYTER_RUNTIME_DIR": f"{folder}/runtime",
            "JUPYTER_CONFIG_DIR": f"{folder}/config",
            "JUPYTER_DATA_DIR": f"{folder}/data",
            "TQDM_DISABLE": "1",
            "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads make a step many times slower beside another program
        }
        quiet = Path(private["IPYTHONDIR"]) / "profile_default" / "ipython_kernel_config.py"
        quiet.parent.mkdir(parents=True)
        quiet.write_text("c.IPKernelApp.log_level = 40\n")  # errors only
        before = {name: os.environ.get(name) for name in private}
        os.environ.update(private)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def store(executed: str | Path, notebook: str | Path) -> None:
    """Keep an executed notebook's outputs in the notebook: its own cells only, without progress, counted from 1.

    Solutions are folded, and cells for instructors with what they print: JupyterLab then shows them on a click, so
    that a reader tries first.
    """
    ran, kept = (json.loads(Path(path).read_text(encoding="utf-8")) for path in (executed, notebook))
    outputs = {cell["id"]: cell["outputs"] for cell in ran["cells"] if cell["cell_type"] == "code"}
    code = [cell for cell in kept["cells"] if cell["cell_type"] == "code"]
    for count, cell in enumerate(code, 1):
        tags = cell["metadata"].get("tags", [])
        if "solution" in tags:
            cell["metadata"]["jupyter"] = {"source_hidden": True}
        elif "instructor" in tags:
            cell["metadata"]["jupyter"] = {"source_hidden": True, "outputs_hidden": True}
        cell["outputs"] = [output for output in outputs[cell["id"]] if output.get("name") != "stderr"]
        for output in cell["outputs"]:  # without a kernel a widget's model is nothing; its HTML can be read
            if "text/html" in output.get("data", {}):
                output["data"].pop("application/vnd.jupyter.widget-view+json", None)
        for holder in (cell, *(output for output in cell["outputs"] if "execution_count" in output)):
            holder["execution_count"] = count
    write_atomically(notebook, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def notebooks(chosen: Sequence[str] = ()) -> list[Path]:
    """The numbered notebooks in reading order, or those whose number or name begins with one of `chosen`."""
    folder = course() / "notebooks"
    every = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not every:
        raise ValueError(f"got no notebooks in {folder}; they come with the repository; run this inside a checkout")
    if not chosen:
        return every
    picked = []
    for wish in chosen:
        matches = [path for path in every if path.name.startswith(wish.zfill(2) if wish.isdigit() else wish)]
        if not matches:
            raise ValueError(f"got notebook {wish!r}; there are {[path.stem for path in every]}; use a number or name")
        picked += matches
    return picked
