"""HS3 as runs: phase 1 is filed and reused, its confusions decide phase 2, and a fused network says what it costs."""

import os
import pickle
import signal
from dataclasses import replace
from functools import partial
from importlib import import_module

import numpy as np
import pytest
import torch

import imachsr
from imachsr import complexity
from imachsr.cli import main
from imachsr.experiment import Result, first_phase, results, run, tradeoffs
from imachsr.experiment.export import export
from imachsr.experiment.fusing import cost_in_words, inference_cost, rebuilt
from imachsr.experiment.phases import derive, reduced, steps
from imachsr.experiment.study import build, data_of
from imachsr.hierarchy import operations
from imachsr.models.hrnet import HRNet
from imachsr.training import Stopped

TINY = imachsr.Settings(
    scheme="hs3", size=(32, 48), length=12, epochs=2, batch_size=4, memory_format="contiguous", evaluate_every=1,
    points=2, seed=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    ledger = tmp_path_factory.mktemp("ledger")
    return ledger, run(TINY, ledger=ledger, progress=False)


@pytest.fixture(scope="module")
def fused(ran):
    ledger, _ = ran
    settings = replace(TINY, scheme="hs3_fuse", epochs=1, clustering="halving", lighter=1.02)
    return ledger, run(settings, ledger=ledger, progress=False, keep=True)


def first_of(ran):
    ledger, result = ran
    return Result.read(ledger / f"{result.provenance['hs3']['first_phase']}.json")


def test_both_phases_are_filed(ran):
    ledger, result = ran
    first = first_of(ran)
    assert {one.key for one in results(ledger)} >= {result.key, first.key}
    assert first.settings["scheme"] == "deep_supervision"
    assert first.settings["analysis"] == 0.1
    assert first.points == result.points
    assert first.provenance["images"]["train"] == 11, "phase 1 trains on the reduced set"
    assert result.provenance["images"]["train"] == 12, "phase 2 trains on all"
    assert result.analysis == {}
    assert len(first.scores["dataset"]["per_class"]["iou"]) == 11, "it is a result like any other"


def test_what_the_points_confuse_is_counted_on_the_images_kept_out(ran):
    first = first_of(ran)
    counts = np.array(first.analysis["confusions"])
    assert counts.shape == (3, 11, 11), "two points and the output"
    whole = imachsr.datasets.create("streets", size=(32, 48), length=12)
    train, _ = data_of(first_phase(TINY))
    left_out = {*range(12)} - {*train.source.indices}
    labels = np.concatenate([whole[index][1].numpy().ravel() for index in sorted(left_out)])
    seen = np.bincount(labels[labels != 255], minlength=11)
    for matrix in counts:
        np.testing.assert_array_equal(matrix.sum(1), seen)
    rows = [[row is not None for row in table] for table in first.analysis["embeddings"]]
    assert rows == [(seen > 0).tolist()] * 2
    assert not np.array_equal(counts[0], counts[-1]), "a point is not the output"


def test_the_clusters_are_those_of_the_confusions(ran):
    first, noted = first_of(ran), ran[1].provenance["hs3"]
    curves = tradeoffs(first)
    final = imachsr.hierarchy.miou(first.analysis["confusions"][-1])
    counts = [imachsr.hierarchy.class_count(curve, final) for curve in curves]
    assert noted["counts"] == counts == [max(ids) + 1 for ids in noted["clusters"]]
    assert noted["clusters"] == [curve.groupings[n].tolist() for curve, n in zip(curves, counts, strict=True)]
    assert (noted["theta"], noted["clustering"], noted["final"]) == (76.0, "spectral", final)


def test_one_first_phase_serves_every_theta(ran, monkeypatch):
    import imachsr.experiment.study as study

    ledger, result = ran
    trained, train = [], study._train_and_score
    monkeypatch.setattr(
        study, "_train_and_score", lambda *words, **how: trained.append(words[0].scheme) or train(*words, **how)
    )
    other = run(replace(TINY, theta=0.0), ledger=ledger, progress=False)
    assert trained == ["hs3"]
    assert other.key != result.key
    assert other.provenance["hs3"]["first_phase"] == result.provenance["hs3"]["first_phase"]
    assert other.provenance["hs3"]["clusters"] == [[*range(11)]] * 2, "at 0 degrees it is deep supervision"
    run(TINY, ledger=ledger, progress=False)
    assert trained == ["hs3"], "a filed phase 2 answers"


def test_at_zero_degrees_it_trains_as_deep_supervision_does(ran):
    ledger, _ = ran
    zero = run(replace(TINY, theta=0.0), ledger=ledger, progress=False)
    plain = run(replace(TINY, scheme="deep_supervision"), ledger=ledger, progress=False)
    assert zero.per_image == plain.per_image


def test_a_stopped_second_phase_goes_on_and_ends_the_same(ran, tmp_path, monkeypatch):
    import imachsr.training

    monkeypatch.setattr("imachsr.training.interrupt.GRACE", 600)
    _, want = ran
    first_of(ran).write(tmp_path)
    evaluate = imachsr.training.evaluate

    def interrupted(*words, **options):
        os.kill(os.getpid(), signal.SIGTERM)
        return evaluate(*words, **options)

    with monkeypatch.context() as patch:
        patch.setattr("imachsr.training.evaluate", interrupted)
        with pytest.raises(Stopped, match="run the same again"):
            run(TINY, ledger=tmp_path, progress=False)
    assert not (tmp_path / f"{want.key}.json").exists()
    assert list((tmp_path / "checkpoints" / want.key).rglob("step-*.ckpt"))
    again = run(TINY, ledger=tmp_path, progress=False)
    assert (again.key, again.per_image, again.provenance["hs3"]) == (want.key, want.per_image, want.provenance["hs3"])


def test_by_hand_no_first_phase_is_needed(tmp_path):
    settings = replace(TINY, clustering="manual", epochs=1)
    assert first_phase(settings) is None
    result = run(settings, ledger=tmp_path, progress=False)
    assert [path.stem for path in tmp_path.glob("*.json")] == [result.key]
    assert result.provenance["hs3"]["counts"] == [4, 7]
    assert steps(11, 2) == [4, 7]
    halved = derive(replace(settings, clustering="halving"), result.classes, None)
    assert halved.notes["hs3"]["counts"] == [3, 6]
    fine = np.array(halved.clusters[1])
    assert all(len(set(np.array(halved.clusters[0])[fine == one])) == 1 for one in range(6)), "a tree"


def planted(first, groups, embedded=None):
    """A phase 1 whose points confuse the classes of a group, and nothing else."""
    K = len(groups)
    inside = np.equal.outer(groups, groups) * 30
    point = inside + np.eye(K, dtype=int) * 40
    output = np.eye(K, dtype=int) * 100
    rows = embedded if embedded is not None else np.eye(K)[groups] * 10 + np.eye(K) * 0.1
    analysis = {
        "images": 2,
        "confusions": [point.tolist(), point.tolist(), output.tolist()],
        "embeddings": [rows.tolist()] * 2,
    }
    return replace(first, analysis=analysis)


GROUPS = np.array([0, 1, 1, 2, 2, 2, 0, 3, 3, 1, 0])


@pytest.mark.parametrize("clustering", ["spectral", "k_means"])
def test_planted_groups_come_back(ran, clustering):
    first = planted(first_of(ran), GROUPS)
    found = derive(replace(TINY, clustering=clustering, theta=90.0), first.classes, first)
    assert found.clusters == [GROUPS.tolist()] * 2, "merged, the point is as good as the output"
    assert found.notes["hs3"]["counts"] == [4, 4]


def test_k_means_leaves_alone_a_class_it_never_saw(ran):
    """Class 4 has neither pixels nor an embedding; the rest of its group is merged, and so are all others."""
    first = planted(first_of(ran), GROUPS)
    for matrix in first.analysis["confusions"]:
        for k in range(11):
            matrix[4][k] = matrix[k][4] = 0
    for table in first.analysis["embeddings"]:
        table[4] = None
    curves = tradeoffs(first, "k_means")
    assert [[*curve.miou] for curve in curves] == [[*range(3, 12)]] * 2, "two clusters and the class alone at least"
    found = derive(replace(TINY, clustering="k_means", theta=90.0), first.classes, first)
    groups = GROUPS.copy()
    groups[4] = 9
    assert found.clusters == [imachsr.hierarchy.canonical(groups).tolist()] * 2
    assert found.notes["hs3"]["counts"] == [5, 5]


def test_a_result_without_confusions_is_refused(ran):
    with pytest.raises(ValueError, match=r"run it with analysis=0\.1"):
        tradeoffs(ran[1])


def test_clusters_of_other_points_are_refused(ran, tmp_path):
    first = first_of(ran)
    replace(first, points=("elsewhere", first.points[1])).write(tmp_path)
    with pytest.raises(ValueError, match="both phases look at the same points"):
        run(TINY, ledger=tmp_path, progress=False)


def test_the_reduced_set_is_the_same_data_without_some():
    settings = replace(TINY, scheme="deep_supervision", analysis=0.25, augment=True)
    whole = imachsr.datasets.create("streets", size=(32, 48), length=20, augment=True)
    part = reduced(settings, whole)
    assert len(part) == 15
    assert (part.fingerprint, part.classes) == (whole.fingerprint, whole.classes)
    for index in (0, 7, 14):
        np.testing.assert_array_equal(part.raw(index)[0], whole.raw(part.source.indices[index])[0])
    image, _ = pickle.loads(pickle.dumps(part))[(1, 2)]  # as a loader's worker has it
    assert torch.equal(image, part[(1, 2)][0])
    assert reduced(replace(settings, analysis=0.0), whole) is whole


def test_a_key_has_only_what_decides():
    key = {name: change.key("d") for name, change in {
        "hs3": TINY, "theta": replace(TINY, theta=50.0), "k_means": replace(TINY, clustering="k_means"),
        "share": replace(TINY, analysis=0.2), "manual": replace(TINY, clustering="manual"),
        "gamma": replace(TINY, gamma=(0.2, 0.2)), "dice": replace(TINY, supervision="dice"),
        "fuse": replace(TINY, scheme="hs3_fuse"), "lighter": replace(TINY, scheme="hs3_fuse", lighter=2.0),
    }.items()}  # fmt: skip
    assert len(set(key.values())) == len(key)
    by_hand = replace(TINY, clustering="manual", theta=50.0, analysis=0.2)
    assert by_hand.key("d") == key["manual"], "nothing is measured"
    plain = replace(TINY, scheme="deep_supervision")
    assert replace(plain, theta=5.0, clustering="manual").key("d") == plain.key("d"), "nothing is merged"
    assert replace(plain, analysis=0.1).key("d") != plain.key("d"), "fewer images"
    first = first_phase(TINY)
    assert first == first_phase(
        replace(TINY, theta=5.0, clustering="k_means", scheme="hs3_fuse", lighter=2.0, lambda_=0.5)
    )
    assert first.key("d") == replace(plain, analysis=0.1).key("d")
    named = {"weighting": "fixed", "analysis": 0.0, "theta": 76.0, "clustering": "spectral", "supervision": ""}
    assert replace(TINY, **named).decisive() == TINY.decisive()
    assert not {*named, "gamma", "lighter"} & {*TINY.decisive()}, "keys of before stay"


def test_fusing_says_what_it_costs(fused):
    _, result = fused
    noted = result.provenance["inference"]
    more, plain = noted["operations"]
    network = imachsr.models.create(TINY.model, 11)
    assert plain == operations(network, torch.zeros(1, 3, 32, 48))
    assert noted["parameters"][1] == sum(one.numel() for one in network.parameters())
    assert noted["parameters"][0] == result.provenance["parameters"] > noted["parameters"][1]
    assert plain < more <= 1.02 * plain
    assert noted["channels"][1] < 128, "half of the 256 that the last convolution reads, made lighter"
    assert noted["channels_by_rule"] == [64, 128]
    scale = sum(noted["channels"]) / 192
    words = f"{more / plain:.4f} times the plain network's; OCR blocks of {noted['channels']} channels, {scale:.3f} of"
    assert words in cost_in_words(result)
    assert result.provenance["hs3"]["counts"] == [3, 6]


def test_a_fused_network_is_rebuilt_counted_and_exported(fused, tmp_path):
    ledger, result = fused
    network = rebuilt(result)
    network.load_state_dict(torch.load(ledger / "weights" / f"{result.key}.pt", weights_only=True))
    images = torch.rand(2, 3, 32, 48)
    points = imachsr.find_points(network, images)
    counted = complexity.count(network, images, points=points)
    assert counted.parameters == result.provenance["parameters"]
    assert sum(layer.products[0] for layer in counted.layers) == 2 * result.provenance["inference"]["operations"][0]
    assert "outputs differ by" in export(result.key, ledger, tmp_path)[1]


def test_a_network_that_cannot_be_fused_is_refused_before_the_first_phase(monkeypatch, tmp_path):
    monkeypatch.setattr("imachsr.training.fit", lambda *_, **__: pytest.fail("training began"))
    monkeypatch.setattr("imachsr.hierarchy.fuse", lambda *_, **__: (_ for _ in ()).throw(ValueError("no head")))
    with pytest.raises(ValueError, match="no head"):
        run(replace(TINY, scheme="hs3_fuse"), ledger=tmp_path, progress=False)


def test_only_a_network_with_an_ocr_head_can_be_fused_at_its_own_cost(monkeypatch, tmp_path):
    """HS3 Section 4.3: one factor for the channels of all OCR modules, the network's own head included."""
    monkeypatch.setattr("imachsr.training.fit", lambda *_, **__: pytest.fail("training began"))
    with pytest.raises(ValueError, match=r"even the smallest blocks cost .* OCR head of its own"):
        run(replace(TINY, scheme="hs3_fuse", lighter=1.0), ledger=tmp_path, progress=False)
    monkeypatch.setattr(import_module("imachsr.hierarchy.fuse"), "HALVINGS", 4)  # coarse, to be quick
    shallow = partial(HRNet, width=18, bottlenecks=1, modules=(1, 1, 1), blocks=1, ocr=True)
    monkeypatch.setitem(imachsr.models.REGISTRY, "shallow", shallow)
    settings = replace(TINY, scheme="hs3_fuse", lighter=1.0, model="shallow")
    image, clusters = torch.zeros(3, 32, 48), [[k // 2 for k in range(11)]] * 2
    trainee = build(settings, 11, image, clusters)
    cost = inference_cost(trainee.network, settings.model, [image])
    more, plain = cost["operations"]
    width = cost["ocr_head"]
    assert 0.9 * plain < more <= plain
    assert 2 < width < 512
    assert cost["channels"] == cost["channels_by_rule"] == [width // 4, width // 2], "one factor for all of them"
    trainee(torch.rand(2, *image.shape), torch.zeros(2, 32, 48, dtype=torch.int64)).total.backward()
    noted = {"inference": cost, "hs3": {"clusters": clusters}, "input_shapes": [[*image.shape]]}
    result = Result(
        key="", settings=settings.stored(), classes=tuple("abcdefghijk"), scores={}, history=[], per_image=[],
        points=tuple(point.name for point in trainee.points), provenance=noted,
    )  # fmt: skip
    rebuilt(result).load_state_dict(trainee.release().state_dict())
    assert f"OCR head of {width}" in cost_in_words(result)
    with pytest.raises(ValueError, match=r"within the network's OCR head; .* choose points before it"):
        build(replace(settings, near="output"), 11, image, clusters)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"theta": 91.0}, r"theta=91.0; it goes from 0 .* lower it"),
        ({"theta": -1.0}, "at least 0"),
        ({"clustering": "agglomerative"}, "choose one"),
        ({"scheme": "deep_supervision", "analysis": 1.0}, "share of the training images; try 0.1"),
        ({"scheme": "conventional", "analysis": 0.1}, "supervises no point"),
        ({"scheme": "conventional", "supervision": "dice"}, "supervises no point"),
        ({"supervision": "focal"}, "choose one"),
        ({"gamma": (0.1,)}, "give one per point"),
        ({"gamma": (0.1, -1.0)}, "at least 0 per point"),
        ({"gamma": 0.1}, "one finite weight"),
        ({"lighter": 2.0}, "only 'hs3_fuse' adds to inference"),
    ],
)
def test_wrong_settings_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(TINY, **changes)


def test_too_few_images_to_keep_some_out():
    with pytest.raises(ValueError, match="both sets need images"):
        run(replace(TINY, length=4, batch_size=2), ledger="/nonexistent")


def test_the_command_line_knows_the_options(tmp_path, capsys):
    command = ["run", "--scheme", "hs3", "--theta", "90.5", "--clustering", "manual", "--supervision", "dice"]
    command += ["--analysis", "0.2", "--gamma", "0.1", "0.2", "0.4", "--ledger", str(tmp_path)]
    assert main(command) != 0
    assert "got theta=90.5" in capsys.readouterr().err


def test_the_command_line_says_what_was_merged(ran, capsys, monkeypatch):
    ledger, result = ran
    monkeypatch.setattr("imachsr.experiment.run", lambda *_, **__: result)
    assert not main(["run", "--scheme", "hs3", "--ledger", str(ledger)])
    told, noted = capsys.readouterr().out, result.provenance["hs3"]
    assert f"spectral clusters at 76 degrees, from phase 1, {noted['first_phase']}" in told
    for point, ids in zip(result.points, noted["clusters"], strict=True):
        (line,) = (line for line in told.splitlines() if line.startswith(f"  {point}: "))
        groups = [one.split(" + ") for one in line.split(": ")[-1].split(", ")]
        assert groups == [
            [c for c, own in zip(result.classes, ids, strict=True) if own == s] for s in range(max(ids) + 1)
        ]
