"""The batch: notebooks through papermill, in order, with typed parameters, evidence that they ran, and one report."""

from __future__ import annotations

import ast
import base64
import html
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .experiment import comparison, home, provenance, results, write_atomically

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
    show = sys.stderr.isatty() if progress is None else progress
    try:
        with _private_jupyter():
            papermill.execute_notebook(
                str(notebook), str(failed), parameters=given, kernel_name="python3", cwd=str(notebook.parent),
                progress_bar=show, request_save_on_cell_execute=True,
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
    """Folders and threads of its own for the kernel, so that nobody's configuration changes a result."""
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
    """Keep an executed notebook's outputs in the notebook: its own cells only, without progress, counted from 1."""
    ran, kept = (json.loads(Path(path).read_text(encoding="utf-8")) for path in (executed, notebook))
    outputs = {cell["id"]: cell["outputs"] for cell in ran["cells"] if cell["cell_type"] == "code"}
    code = [cell for cell in kept["cells"] if cell["cell_type"] == "code"]
    for count, cell in enumerate(code, 1):
        cell["outputs"] = [output for output in outputs[cell["id"]] if output.get("name") != "stderr"]
        for output in cell["outputs"]:  # without a kernel a widget's model is nothing; its HTML can be read
            if "text/html" in output.get("data", {}):
                output["data"].pop("application/vnd.jupyter.widget-view+json", None)
        for holder in (cell, *(output for output in cell["outputs"] if "execution_count" in output)):
            holder["execution_count"] = count
    write_atomically(notebook, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def notebooks(chosen: Sequence[str] = ()) -> list[Path]:
    """The numbered notebooks in reading order, or those whose number or name begins with one of `chosen`."""
    folder = home() / "notebooks"
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


def reproduce(
    chosen: Sequence[str] = (),
    *,
    tier: str = "smoke",
    data: str = "streets",
    root: str | None = None,
    out: str | Path = "figures",
    store_outputs: bool = False,
    progress: bool | None = None,
) -> int:
    """Execute notebooks in order; file executed notebooks, figures and `report.html` in `out`; print the comparison.

    With `store_outputs` the notebooks of the checkout keep the outputs they gave.

    Returns:
        0, or 1 where a notebook failed (the others still run).

    Raises:
        ValueError: unknown notebook, or data that cannot be read, before anything runs.
    """
    from . import datasets

    paths, out = notebooks(chosen), Path(out).absolute()
    root = str(Path(root).absolute()) if root else None
    for part in ("train", "test"):  # missing or damaged data is refused here, not in a notebook
        datasets.verify(datasets.create(data, part=part, root=root))
    given = {"tier": tier, "data": data, "root": root or "", "folder": str(out)}
    failures, started = [], time.perf_counter()
    for number, path in enumerate(paths, 1):
        print(f"[{number}/{len(paths)}] {path.stem} ...", file=sys.stderr, flush=True)
        clock = time.perf_counter()
        _remove_figures(out, path.name[:3])
        try:
            execute(path, out / "executed" / path.name, given, progress=progress)
            if store_outputs:
                store(out / "executed" / path.name, path)
            print(f"[{number}/{len(paths)}] {path.stem} done in {time.perf_counter() - clock:.0f} s", file=sys.stderr)
        except RuntimeError as error:
            failures.append(f"{path.stem}: {error}")
            print(f"[{number}/{len(paths)}] {error}", file=sys.stderr)
    report = write_report(out, tier=tier, data=data, failures=failures)
    _say_where(out, report, tier, data, time.perf_counter() - started)
    for failure in failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _figures(folder: Path, prefix: str = "[0-9][0-9]_") -> list[Path]:
    """Pictures that `figures.show` filed: a PNG with its words beside it, by notebook, then in the order drawn."""
    found = [path for path in folder.glob(f"{prefix}*.png") if path.with_suffix(".json").is_file()]
    return sorted(found, key=lambda path: (path.name[:2], path.stat().st_mtime_ns))


def _remove_figures(folder: Path, prefix: str) -> None:
    """The report shows what this run drew, nothing older."""
    for picture in _figures(folder, prefix):
        if {"alt", "caption"} == set(json.loads(picture.with_suffix(".json").read_text(encoding="utf-8"))):
            picture.with_suffix(".json").unlink()
            picture.unlink()


def _say_where(out: Path, report: Path, tier: str, data: str, seconds: float) -> None:
    ran = [result for result in results() if (result.settings["tier"], result.settings["data"]) == (tier, data)]
    print(f"\nConventional training against the schemes, tier {tier}, data {data}, per cent, protocol dataset:\n")
    print(comparison(ran).to_string(index=False, float_format="%.2f"))
    print(f"\nexecuted notebooks  {out / 'executed'}\nfigures             {out}\nreport              {report}")
    print(f"done in {seconds / 60:.1f} min")


def write_report(folder: str | Path, *, tier: str, data: str, failures: Sequence[str] = ()) -> Path:
    """One self-contained page with every figure of the folder inline, its alt text and caption, and the provenance."""
    folder = Path(folder)
    ran = [result for result in results() if (result.settings["tier"], result.settings["data"]) == (tier, data)]
    pictures = []
    for image in _figures(folder):
        words = json.loads(image.with_suffix(".json").read_text(encoding="utf-8"))
        encoded = base64.b64encode(image.read_bytes()).decode()
        pictures.append(
            f'<figure id="{image.stem}"><img alt="{html.escape(words["alt"])}" src="data:image/png;base64,{encoded}">'
            f"<figcaption>{html.escape(words['caption'])}</figcaption></figure>"
        )
    table = comparison(ran).to_html(index=False, float_format="{:.2f}".format, border=0)
    origin = "".join(
        f"<tr><th>{html.escape(k)}</th><td>{html.escape(str(v))}</td></tr>" for k, v in provenance().items()
    )
    failed = "".join(f"<li>{html.escape(failure)}</li>" for failure in failures)
    page = PAGE.format(
        tier=html.escape(tier),
        data=html.escape(data),
        failed=f"<h2>Failed</h2><ul>{failed}</ul>" if failed else "",
        table=table,
        pictures="\n".join(pictures),
        provenance=origin,
    )
    write_atomically(folder / "report.html", page)
    return folder / "report.html"


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>imachsr: {tier} tier on {data}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }}
figure {{ margin: 2rem 0; }} img {{ max-width: 100%; background: white; }} figcaption {{ opacity: .85; }}
.scroll {{ overflow-x: auto; }} table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .25rem .7rem; text-align: left; border-bottom: 1px solid #8884; }}
</style></head><body>
<h1>Supervision inside the network: {tier} tier on {data}</h1>
<p>Every number below was measured by the runs named in the table. A smoke or lesson number says that the code works;
it says nothing about the papers. Differences between single seeds are not findings.</p>
{failed}
<h2>Comparison</h2>
<p>Mean over seeds in per cent; protocol: dataset (one confusion matrix over all test images).</p>
<div class="scroll">{table}</div>
<h2>Figures</h2>
{pictures}
<h2>Provenance</h2>
<table>{provenance}</table>
</body></html>
"""
