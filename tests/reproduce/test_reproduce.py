"""The batch: typed parameters, evidence of execution, failures kept, one self-contained report."""

import importlib.util
import json
import os
import re
import sys
from types import SimpleNamespace

import nbformat
import pytest

from imachsr import reproduce
from imachsr.experiment import published_folder, results
from imachsr.reproduce import everything, execution, report
from imachsr.training.progress import bars_shown

PARAMETERS = """tier: str = "smoke"  # smoke or lesson
count: int = 2  # how many
rate: float = 0.5  # per step
fast: bool = True  # skip
"""


def notebook(folder, *cells, parameters=PARAMETERS, name="01_small.ipynb"):
    made = [nbformat.v4.new_markdown_cell("# small")]
    made += [nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})] if parameters else []
    made += [nbformat.v4.new_code_cell(cell) for cell in cells]
    path = folder / name
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=kernel), path)
    return path


def test_parameters_are_read_with_types_and_help(tmp_path):
    found = reproduce.parameters(notebook(tmp_path))
    assert [*found] == ["tier", "count", "rate", "fast"]
    assert (found["count"].type, found["count"].default, found["count"].help) == ("int", 2, "how many")


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"teir": "smoke"}, ValueError, "it declares .'tier', 'count'"),
        ({"count": "3"}, TypeError, "declares it int"),
        ({"count": True}, TypeError, "declares it int"),
        ({"fast": "false"}, TypeError, "declares it bool"),
        ({"rate": "0.1"}, TypeError, "declares it float"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_runs(tmp_path, given, error, words):
    path = notebook(tmp_path, "open('ran', 'w')")
    with pytest.raises(error, match=words):
        reproduce.execute(path, tmp_path / "out.ipynb", given)
    assert not (tmp_path / "ran").exists()


def test_an_int_serves_as_a_float(tmp_path):
    assert reproduce.checked(notebook(tmp_path), {"rate": 1}) == {"rate": 1.0}


@pytest.mark.parametrize(
    ("source", "words"),
    [("count = 2", "rewrite it"), ("count: list = [2]", "types are"), (None, "tag that cell")],
)
def test_a_parameters_cell_that_is_none(tmp_path, source, words):
    with pytest.raises(ValueError, match=words):
        reproduce.parameters(notebook(tmp_path, parameters=source))


def test_execute_injects_and_keeps(tmp_path):
    path = notebook(tmp_path, "print(tier, count * 2)")
    reproduce.execute(path, tmp_path / "out" / "01_small.ipynb", {"count": 21}, progress=False)
    cells = json.loads((tmp_path / "out" / "01_small.ipynb").read_text())["cells"]
    assert any("smoke 42" in "".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", []))
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["01_small.ipynb"]


def test_a_notebook_files_its_runs_where_the_command_does(tmp_path, monkeypatch):
    """In the folder the reader stands in, not beside the notebook, which may be another checkout's."""
    path = notebook(tmp_path, "from imachsr.experiment import ledger_folder; print(ledger_folder())")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    reproduce.execute(path, tmp_path / "out" / "01_small.ipynb", {}, progress=False)
    assert str(tmp_path / "elsewhere" / "data" / "ledger") in (tmp_path / "out" / "01_small.ipynb").read_text()


@pytest.mark.parametrize(
    ("cell", "words"),
    [("1 / 0", "ZeroDivisionError"), ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "stopped")],
)
def test_a_failure_or_a_dead_kernel_is_reported_and_what_ran_is_kept(tmp_path, cell, words):
    path = notebook(tmp_path, "print('before')", cell, "print('after')")
    with pytest.raises(RuntimeError, match=words):
        reproduce.execute(path, tmp_path / "out.ipynb", {}, progress=False)
    assert not (tmp_path / "out.ipynb").exists(), "a failed run never passes for a whole one"
    assert "before" in (tmp_path / "out.failed.ipynb").read_text()


def test_cells_that_never_ran_are_found(tmp_path):
    path = notebook(tmp_path, "print(1)")
    with pytest.raises(RuntimeError, match="never ran"):
        execution._check_all_ran(path)


def test_stored_outputs_have_no_progress_and_count_from_one(tmp_path):
    path = notebook(tmp_path, "import sys; print('bar', file=sys.stderr); print('text'); 7")
    reproduce.execute(path, tmp_path / "out.ipynb", {"count": 5}, progress=False)
    reproduce.store(tmp_path / "out.ipynb", path)
    cells = json.loads(path.read_text())["cells"]
    assert len(cells) == 3, "the injected parameters stay out"
    assert [output.get("name") for output in cells[2]["outputs"]] == ["stdout", None]
    assert [cell.get("execution_count") for cell in cells] == [None, 1, 2]


@pytest.mark.parametrize(
    ("tag", "hidden"),
    [("solution", {"source_hidden": True}), ("instructor", {"source_hidden": True, "outputs_hidden": True})],
)
def test_stored_answers_are_folded(tmp_path, tag, hidden):
    path = notebook(tmp_path, "7")
    master = json.loads(path.read_text())
    master["cells"][2]["metadata"]["tags"] = [tag]
    path.write_text(json.dumps(master))
    reproduce.store(path, path)
    stored = [cell["metadata"] for cell in json.loads(path.read_text())["cells"]]
    assert stored == [
        *(cell["metadata"] for cell in master["cells"][:2]),
        {"tags": [tag], "jupyter": hidden},
    ]


def test_report_stands_alone(tmp_path, monkeypatch):
    import matplotlib.pyplot as plt

    from imachsr import figures

    for module in ("claims.sources", "reproduce.report"):
        monkeypatch.setattr(f"imachsr.{module}.course", lambda: tmp_path)  # installed without the papers' numbers
    figure = plt.figure()
    figures.show(figure, "01_line", alt="a <line>", caption="what to see", folder=tmp_path)
    report = reproduce.write_report(tmp_path, tier="smoke", data="streets", failures=["03: stopped"]).read_text()
    for one in results(published_folder()):
        assert f"<td>{one.key}</td>" in report, "where each published number came from"
    assert 'alt="a &lt;line&gt;"' in report
    assert "what to see" in report
    assert "data:image/png;base64," in report
    assert "03: stopped" in report
    assert "papers' numbers are not here" in report
    assert not re.search(r'(?:src|href)="(?:https?:)?//', report), "opens offline"


def test_pictures_of_another_tier_stay_out_of_the_report(tmp_path):
    import matplotlib.pyplot as plt

    from imachsr import figures

    (tmp_path / "executed").mkdir()
    for name, tier in (("08", "lab"), ("09", "smoke")):
        figures.show(plt.figure(), f"{name}_bars", alt=f"bars of {name}", caption="c", folder=tmp_path)
        given = {"metadata": {"papermill": {"parameters": {"tier": tier, "data": "camvid"}}}}
        (tmp_path / "executed" / f"{name}_x.ipynb").write_text(json.dumps(given))
    page = reproduce.write_report(tmp_path, tier="lab", data="camvid").read_text()
    assert "bars of 08" in page
    assert "bars of 09" not in page


def test_pictures_are_of_the_newest_execution_whole_or_failed(tmp_path):
    kept = {"smoke": tmp_path / "executed" / "08_x.ipynb", "lab": tmp_path / "executed" / "08_x.failed.ipynb"}
    (tmp_path / "executed").mkdir()
    for tier, path in kept.items():
        path.write_text(json.dumps({"metadata": {"papermill": {"parameters": {"tier": tier}}}}))
    for second, newest in enumerate(kept):
        os.utime(kept[newest], (second, second + 2**31))
        assert [tier for tier in kept if report._drawn_at(tmp_path, "08", {"tier": tier})] == [newest]


def test_picture_without_words_is_refused(tmp_path):
    import matplotlib.pyplot as plt

    from imachsr import figures

    with pytest.raises(ValueError, match="alt text"):
        figures.show(plt.figure(), "01_mute", alt=" ", caption="c", folder=tmp_path)


def test_unknown_notebook_and_missing_data_are_refused_first(tmp_path, monkeypatch):
    for folder in ("notebooks", "data/papers"):
        (tmp_path / folder).mkdir(parents=True)
    notebook(tmp_path / "notebooks", "open('ran', 'w')")
    monkeypatch.chdir(tmp_path)
    assert [p.stem for p in reproduce.notebooks(["1"])] == ["01_small"]
    with pytest.raises(ValueError, match="use a number or name"):
        reproduce.notebooks(["09"])
    with pytest.raises(ValueError, match="nowhere"):
        reproduce.reproduce(data="camvid", root=tmp_path / "nowhere", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("missing", "extra", "asked"),
    [("papermill", "notebooks", {}), ("distributed", "cluster", {"scheduler": "tcp://x:1"})],
)
def test_a_missing_package_is_said_before_anything_runs(tmp_path, monkeypatch, missing, extra, asked):
    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else known(name))
    monkeypatch.setattr(everything, "run_all", lambda *_, **__: pytest.fail("ran"))
    with pytest.raises(ValueError, match=rf"{missing}.*pip install 'imachsr\[{extra}\]'"):
        reproduce.reproduce(["table2"], out=tmp_path, **asked)


def test_only_its_own_figures_are_replaced(tmp_path):
    for name in ("01_mine.ipynb", "01_photo.png", "01_old.png"):
        (tmp_path / name).write_text("kept")
    (tmp_path / "01_old.json").write_text('{"alt": "a", "caption": "c"}')
    report.remove_figures(tmp_path, "01_")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["01_mine.ipynb", "01_photo.png"]


def test_report_of_a_checkout_has_chapters_claims_and_choices(tmp_path):
    import matplotlib.pyplot as plt

    from imachsr import figures

    figures.show(plt.figure(), "03_line", alt="a line", caption="what to see", folder=tmp_path)
    figures.show(plt.figure(), "03_real", alt="a line", caption="Published runs: x", folder=tmp_path)
    page = reproduce.write_report(tmp_path, tier="smoke", data="streets").read_text()
    assert '<a href="#notebook-03">03 ' in page
    assert '<h3 id="notebook-03">03 ' in page
    assert page.count("<h4>Published runs</h4>") == 1, "of the figure whose caption says so"
    assert "contradicted by the paper&#x27;s own numbers" in page
    assert "The estimator of mutual information" in page
    assert "claims not testable here: the least before a verdict is possible</summary>" in page, "folded"
    widest = max(row.count("<td") for row in page.split("<tr>") if "data-name" in row)
    assert widest <= 6, "a claim fits the page"
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page), "opens offline"


def test_bars_are_shown_where_somebody_looks(monkeypatch):
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    assert bars_shown(None)
    assert not bars_shown(False)
    monkeypatch.setenv("TQDM_DISABLE", "1")  # a notebook that is run in batch
    assert not bars_shown(None)
    assert bars_shown(True)
