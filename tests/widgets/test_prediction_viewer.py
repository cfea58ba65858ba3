"""The prediction viewer: driven from Python, against pictures put down by hand."""

import html
import re
from dataclasses import asdict, replace

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import imachsr
from imachsr.experiment import Result, Settings, Snapshots, write_atomically
from imachsr.experiment.snapshots import _png
from imachsr.figures.predictions import APART, GAINED, LEFT_OUT, LOST, SAME, VOID, outcomes
from imachsr.widgets import compute_prediction, prediction_viewer

SIZE, LENGTH, IMAGES, EPOCHS = (32, 48), 3, (0, 2), (1, 2)
TEST = imachsr.datasets.create("streets", part="test", size=SIZE, length=LENGTH)
ROAD = TEST.classes.index("road")


def filed(scheme, ledger, wrong, seed=0, **changes):
    """A result whose pictures are the truth but for `wrong` of their columns in epoch 1 and none in epoch 2."""
    settings = Settings(scheme=scheme, size=SIZE, length=LENGTH, epochs=2, seed=seed, **changes)
    key = f"{scheme}{seed}"
    result = Result(
        key, asdict(settings), TEST.classes, (), {}, [{}, {}], [], provenance={"fingerprint": f"x {TEST.fingerprint}"}
    )
    for epoch in EPOCHS:
        for image in IMAGES:
            guess = np.where(TEST.raw(image)[1] == 255, 0, TEST.raw(image)[1]).astype(np.uint8)
            if epoch == 1:
                guess[:, :wrong] = (guess[:, :wrong] + 1) % 11
            path = Snapshots.of(result, ledger).folder / f"{epoch:04d}-{image}.png"
            write_atomically(path, _png(guess, TEST.palette))
    return result


@pytest.fixture
def ran(tmp_path):
    return [filed("conventional", tmp_path, 8), filed("imachsr", tmp_path, 4), filed("imacsr", tmp_path, 0)], tmp_path


@pytest.fixture
def viewer(ran):
    pytest.importorskip("ipywidgets")
    return prediction_viewer(ran[0], ledger=ran[1])


def slow(truth, without, with_, shown):
    """Nobody could get this wrong."""
    found = np.zeros(truth.shape, dtype=int)
    for at in np.ndindex(truth.shape):
        y, a, b = truth[at], without[at], with_[at]
        if y == 255:
            found[at] = VOID
        elif shown and y not in shown and a not in shown and b not in shown:
            found[at] = LEFT_OUT
        elif a == b:
            found[at] = SAME
        elif y == b:
            found[at] = GAINED
        elif y == a:
            found[at] = LOST
        else:
            found[at] = APART
    return found


@pytest.mark.parametrize("shown", [(), (1,), (0, 2)])
def test_outcomes_agree_with_a_slow_loop(shown):
    generator = np.random.default_rng(0)
    truth, without, with_ = (generator.integers(0, 4, (9, 7)).astype(np.uint8) for _ in range(3))
    truth[2] = 255
    found = outcomes(truth, without, with_, shown=shown)
    np.testing.assert_array_equal(found, slow(truth, without, with_, shown))
    assert len(set(found.ravel())) >= 5


def test_shares_and_iou_are_those_of_the_metrics():
    generator = np.random.default_rng(1)
    truth, without, with_ = (generator.integers(0, 4, (9, 7)).astype(np.uint8) for _ in range(3))
    truth[2] = 255
    effect = compute_prediction(truth, without, with_, classes=5)
    for place, guess in enumerate((without, with_)):
        import torch

        confusion = imachsr.metrics.Confusion(5)
        confusion.update(torch.tensor(guess).long()[None], torch.tensor(truth).long()[None])
        scores = confusion.scores()
        assert effect.right[place] == pytest.approx(scores["pixel_accuracy"])
        wanted = [float("nan") if one is None else one for one in scores["per_class"]["iou"]]
        np.testing.assert_allclose(effect.iou[place], wanted)
    assert effect.counts.sum() == truth.size
    assert effect.pixels.sum() == (truth != 255).sum()


def test_it_refuses_in_words(ran):
    results, ledger = ran
    with pytest.raises(ValueError, match=r"got maps of sizes .*; a truth and two predictions of one image"):
        outcomes(np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="got an image without a labelled pixel"):
        compute_prediction(np.full((2, 2), 255), np.zeros((2, 2)), np.zeros((2, 2)), classes=2)
    with pytest.raises(ValueError, match=r"got 1 results on 1 data sets; .*; pass two results or more"):
        prediction_viewer(results[:1], ledger=ledger)
    elsewhere = replace(results[1], settings={**results[1].settings, "length": 2})
    with pytest.raises(ValueError, match="got 2 results on 2 data sets"):
        prediction_viewer([results[0], elsewhere], ledger=ledger)
    stranger = replace(results[1], provenance={"fingerprint": "x other"})
    with pytest.raises(ValueError, match=r"test images that are not those of run imachsr0; .*; pass the root"):
        prediction_viewer([results[0], stranger], ledger=ledger)


def test_it_opens_on_conventional_beside_imachsr_after_the_last_epoch(viewer):
    chosen = {name: control.value for name, control in viewer.controls.items() if not name.startswith("show_")}
    assert chosen == {"image": 0, "without": "conventional, seed 0", "with_": "imachsr, seed 0", "epoch": 2}
    assert "after epoch 2. Right pixels: conventional, seed 0 100.0 %; imachsr, seed 0 100.0 %" in viewer.set()


def test_its_numbers_are_those_of_the_pictures(viewer, ran):
    results, ledger = ran
    kept = [Snapshots.of(result, ledger) for result in results]
    for image in IMAGES:
        shown = html.unescape(viewer.set(image=image, epoch=1))
        truth = TEST.raw(image)[1]
        effect = compute_prediction(truth, kept[0].read(1, image), kept[1].read(1, image), classes=11)
        assert effect.right[0] < effect.right[1] < 1
        for name, share in zip(("conventional", "imachsr"), effect.right, strict=True):
            assert f"{name}, seed 0 {100 * share:.1f} %" in shown
        row = re.search(r"<td>road</td>(.*?)</tr>", shown)[1]
        assert f"{100 * effect.iou[1][ROAD]:.1f} %" in row
        alt = re.search(r'alt="([^"]*)"', shown)[1]
        counted = effect.counts[[SAME, GAINED, LOST, APART]].sum()
        assert f"in {100 * (1 - effect.counts[SAME] / counted):.1f} % of the pixels looked at" in alt


def test_every_control_redraws(viewer):
    seen = {viewer.set()}
    for name, value in {"epoch": 1, "image": 2, "with_": "imacsr, seed 0", "without": "imachsr, seed 0",
                        "show_road": True, "show_sky": True}.items():  # fmt: skip
        shown = viewer.set(**{name: value})
        assert "<img " in shown
        assert shown not in seen
        seen.add(shown)
    assert re.findall(r"<tr><td>([^<]*)", shown) == [name for name in TEST.classes if name in ("road", "sky")]


def test_ticked_classes_alone_are_looked_at(viewer):
    every = viewer.set(epoch=1)
    assert "looked at (all classes)" in every
    assert "looked at (only road)" in viewer.set(show_road=True)
    assert viewer.set(show_road=False) == every


def test_one_run_on_both_sides_is_refused_in_words(viewer):
    first = viewer.controls["without"].value
    assert "on both sides; two runs are compared" in html.unescape(viewer.set(without=first, with_=first))
    assert "<img " in viewer.set(with_="imacsr, seed 0")


def test_results_without_pictures_say_how_to_get_them(ran, tmp_path):
    results, ledger = ran
    shown = html.unescape(prediction_viewer(results, ledger=tmp_path / "elsewhere").set())
    assert 'role="alert"' in shown
    assert "of run conventional0, which has none" in shown
    assert "again=True" in shown
    older = filed("imachsr", tmp_path / "else", 3, seed=1)
    tool = prediction_viewer([*results, older], ledger=ledger)
    assert "of run imachsr1, which has none" in tool.set(with_="imachsr, seed 1")
    assert "<img " in tool.set(with_="imacsr, seed 0")


def test_controls_are_native_and_labelled(viewer):
    kinds = {name: control._view_name for name, control in viewer.controls.items()}
    assert {kinds[name] for name in ("image", "without", "with_", "epoch")} == {"DropdownView"}
    assert {kind for name, kind in kinds.items() if name.startswith("show_")} == {"CheckboxView"}
    assert [c.description for c in viewer.controls.values()][4:] == [*TEST.classes]


def test_it_leaves_no_figure_open(viewer):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    viewer.set(epoch=1)
    assert plt.get_fignums() == before
