"""Each option of `fit` does what it says, and refuses what it cannot do."""

import json
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import imachsr
from imachsr.metrics import Confusion
from imachsr.objective import SCHEMES, Supervised
from imachsr.training import LEARNING_RATES, Stopped, adam, batches, fit, memory_format_of
from imachsr.training.checkpoint import Checkpoints
from imachsr.training.loader import sample_name
from imachsr.training.options import Average, learning_rates
from imachsr.training.ranks import Ranks, synchronized
from imachsr.training.state import described, identity, random_state, set_random_state

LOSSES = Path(__file__).with_name("losses.json")
IMAGES = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Pairs(torch.utils.data.Dataset):
    def __len__(self):
        return len(IMAGES)

    def __getitem__(self, index):
        image = IMAGES[index]
        return image, image.argmax(0)


def supervised(scheme="imachsr", dtype=torch.float32, ignore_index=255, **changes):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.GELU(), nn.Conv2d(8, 8, 3, 1, 1), nn.Tanh(), nn.Conv2d(8, 3, 1)
    )
    network = network.to(dtype)
    points = imachsr.choose_points(imachsr.find_points(network, torch.zeros(2, 3, 8, 8, dtype=dtype)), 2)
    scheme = imachsr.scheme(scheme, **changes)
    return Supervised(network, points, scheme, classes=3, ignore_index=ignore_index).to(dtype)


def trained(trainee=None, **options):
    trainee = trainee or supervised()
    options = {"epochs": 2, "progress": False, **options}
    return fit(trainee, batches(Pairs(), 4), **options), trainee


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="timed signals as on Unix")
@pytest.mark.parametrize("where", ["step", "evaluation"])
def test_a_stop_does_not_wait_for_what_takes_long(where, tmp_path, monkeypatch):
    """A step that will not end is left, an evaluation too; what was finished before is kept."""
    monkeypatch.setattr("imachsr.training.interrupt.GRACE", 0.05)
    monkeypatch.setattr("imachsr.training.interrupt.Interruption._end", lambda _: None)  # this process goes on

    def forever(*_):
        signal.raise_signal(signal.SIGTERM)
        time.sleep(100)

    trainee, evaluation = supervised(), forever if where == "evaluation" else None
    if where == "step":
        calls: list = []

        def third(*_):
            calls.append(1)
            if len(calls) == 3:
                forever()

        trainee.network[0].register_forward_pre_hook(third)
    with pytest.raises(Stopped, match="run the same again to go on"):
        trained(trainee, checkpoints=tmp_path, save_every=0, evaluation=evaluation)
    taken = 2 if where == "step" else 4
    assert (tmp_path / f"step-{taken:09d}.ckpt").is_file()
    again, finished = trained(supervised(), checkpoints=tmp_path)
    whole, undisturbed = trained()
    assert [epoch.losses for epoch in again] == [epoch.losses for epoch in whole]
    for a, b in zip(finished.parameters(), undisturbed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_every_schedule_starts_whole_and_ends_near_nothing():
    def rates(name, warmup=0):
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
        schedule = learning_rates(optimizer, name, steps=100, warmup=warmup)
        seen = []
        for _ in range(100):
            seen.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return seen

    for name in LEARNING_RATES:
        plain, warm = rates(name), rates(name, warmup=10)
        assert plain[0] == 2.0
        assert plain[-1] == 2.0 if name == "constant" else plain[-1] < 0.05
        assert warm[0] == pytest.approx(0.2)
        assert warm[4] == pytest.approx(plain[4] * 0.5)
        assert warm[10:] == plain[10:]
    assert rates("cosine")[50] == pytest.approx(1.0)


def test_an_optimizer_that_a_schedule_has_moved_is_still_the_same():
    """Ctrl-C, and the cell is run again with the optimizer of before: it goes on."""
    trainee = supervised()
    optimizer = torch.optim.SGD(trainee.parameters(), lr=0.1)
    before = identity(trainee, optimizer)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 0.05
    assert identity(trainee, optimizer) == before
    assert identity(trainee, torch.optim.SGD(trainee.parameters(), lr=0.05)) != before


def test_rates_are_put_back_and_one_set_by_hand_counts(tmp_path):
    trainee = supervised()
    optimizer, rates = torch.optim.SGD(trainee.parameters(), lr=0.1), []
    optimizer.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))

    def broken(network, number):
        raise KeyError("evaluation")

    (tmp_path / "file").touch()
    for rate, ended, options in (
        (0.1, None, {}),
        (0.02, KeyError, {"evaluation": broken}),
        (0.03, ValueError, {"ema": 2.0, "warmup": 5}),
        (0.04, OSError, {"log": tmp_path / "file" / "log", "warmup": 5}),
        (0.05, None, {}),
    ):
        optimizer.param_groups[0]["lr"] = rate
        rates.clear()
        with pytest.raises(ended) if ended else nullcontext():
            trained(trainee, optimizer=optimizer, **options)
        assert rates[:1] in ([], [rate])
        assert optimizer.param_groups[0]["lr"] == rate
    assert 0 < rates[-1] < rates[0] == 0.05


def test_the_average_is_what_evaluation_and_the_end_see():
    seen = []
    _, trainee = trained(ema=0.5, evaluation=lambda network, number: seen.append(network[0].weight.clone()) or {})
    _, plain = trained()
    assert torch.equal(seen[-1], trainee.network[0].weight)
    assert not torch.equal(plain.network[0].weight, trainee.network[0].weight)
    assert not torch.equal(plain.adapters[0].project.weight, trainee.adapters[0].project.weight)  # with it
    twin, weights = Average(plain.network, 0.5), []
    for value in (1.0, 2.0):
        nn.init.constant_(plain.network[0].bias, value)
        before = twin.state["0.bias"].clone()
        twin.update()
        weights.append(torch.allclose(twin.state["0.bias"], 0.5 * before + 0.5 * value))
    assert all(weights)


def test_clipping_bounds_the_step():
    lengths = []

    def note(optimizer, *_):
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
        lengths.append(float(nn.utils.get_total_norm(gradients)))

    trainee = supervised()
    optimizer = adam(trainee)
    optimizer.register_step_pre_hook(note)
    trained(trainee, optimizer=optimizer, clip_norm=0.01)
    assert max(lengths) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_fewer_bits_still_learn(precision):
    history, trainee = trained(precision=precision, epochs=3, optimizer=None)
    assert history[-1].losses["output"] < history[0].losses["output"]
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in trainee.parameters())


def test_a_compiled_step_is_the_same_step():
    plain, _ = trained()
    compiled, trainee = trained(compile="aot_eager")
    for here, there in zip(plain, compiled, strict=True):
        assert here.losses == pytest.approx(there.losses, abs=1e-4)
    assert trainee._compiled_call_impl is None, "what comes back is the plain module"


def test_parts_of_a_batch_make_the_same_step():
    plain, one = trained()
    parts, four = trained(accumulate=3)
    assert parts[-1].losses == pytest.approx(plain[-1].losses, abs=1e-5)
    for a, b in zip(one.parameters(), four.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_memory_formats():
    for memory_format in ("channels_last", "contiguous", "auto"):
        _, trainee = trained(memory_format=memory_format, epochs=1)
        assert memory_format in (memory_format_of(trainee), "auto")


def test_records_hold_every_step_and_epoch(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    history, trainee = trained(log=tmp_path, evaluation=lambda network, number: {"mIoU": 0.5})
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "number" not in line]
    assert [line["step"] for line in steps] == [*range(1, 9)]
    assert set(steps[0]["losses"]) == set(history[0].losses)
    assert {"network", "all", *(point.name for point in trainee.points)} == set(steps[0]["gradients"])
    assert [line["scores"] for line in lines if "number" in line] == [{"mIoU": 0.5}] * 2
    events = EventAccumulator(str(tmp_path)).Reload()
    point = trainee.points[0].name
    for tag in ("loss/output", f"loss/{point}/supervision", f"loss/{point}/regularizer", f"gradient/{point}"):
        assert [event.step for event in events.Scalars(tag)] == [*range(1, 9)], tag
    trained(log=tmp_path)
    again = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert len(again) == len(lines), "a run from the beginning replaces what was there"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without room")
def test_records_that_cannot_be_written_stop_the_run_with_the_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "metrics.jsonl").symlink_to("/dev/full")
    for folder, said in (("file", "File exists"), ("full", "No space left on device")):
        with pytest.raises(OSError, match=rf"^got {said} while writing .*metrics.jsonl; .*; make room or the folder"):
            trained(log=tmp_path / folder)


def losses_of(scheme):
    """200 steps in float64 from weights and images that no generator makes: nothing in it depends on a version."""
    trainee = supervised(scheme, torch.float64)
    with torch.no_grad():
        for place, parameter in enumerate(trainee.parameters()):
            values = torch.linspace(-1, 1, parameter.numel(), dtype=torch.float64)
            parameter.copy_(0.3 * torch.sin(7 * values + place).view_as(parameter))
    loader = batches(Pairs64(), 4, shuffle=False)
    history = fit(trainee, loader, epochs=50, progress=False, clip_norm=5.0, warmup=10)
    return [epoch.losses for epoch in history][::7]


@pytest.mark.parametrize("scheme", ["conventional", "deep_supervision", "imacsr", "imachsr"])
def test_losses_are_those_stored(scheme):
    """Numbers must not drift unseen. A wanted change renews the file (run this one), and raises `Settings.numerics`."""
    stored = json.loads(LOSSES.read_text())[scheme]
    for here, there in zip(losses_of(scheme), stored, strict=True):
        assert here == pytest.approx(there, rel=1e-6, abs=1e-9)


class Pairs64(Pairs):
    def __getitem__(self, index):
        grid = torch.arange(192, dtype=torch.float64).view(3, 8, 8)
        image = torch.sin(grid * (1 + index / 7))
        return image, image.argmax(0)


def test_random_states_go_round():
    import random

    import numpy as np

    def draws():
        return float(torch.rand(())), float(np.random.rand()), random.random()  # noqa: NPY002

    state = random_state()
    first = draws()
    set_random_state(state)
    assert draws() == first


@pytest.mark.parametrize("workers", [0, 2])
def test_what_samples_draw_is_fixed_by_their_name(workers):
    import numpy as np

    class Noise(torch.utils.data.Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, index):
            return torch.tensor([index, np.random.rand(), float(torch.rand(()))])  # noqa: NPY002

    torch.manual_seed(0)
    before = torch.get_rng_state()
    loader = batches(Noise(), 2, workers=workers)
    whole = torch.cat([*loader])
    loader.batch_sampler.set_epoch(0, start=2)
    assert torch.equal(torch.cat([*loader]), whole[4:])
    assert torch.equal(torch.cat([*batches(Noise(), 2)]), whole)
    loader.batch_sampler.set_epoch(1)
    assert not torch.equal(torch.cat([*loader]).sort(0).values, whole.sort(0).values)
    assert torch.equal(before, torch.get_rng_state())


def test_processes_share_a_batch():
    loader = batches(Pairs(), 4)
    whole = loader.batch_sampler.batch(0, 1)
    found = []
    for rank in range(2):
        loader.batch_sampler.share(rank, 2)
        found += loader.batch_sampler.batch(0, 1)
    assert sorted(found) == sorted(whole)
    with pytest.raises(ValueError, match="choose a multiple of 3"):
        loader.batch_sampler.share(0, 3)


def test_batch_norms_become_synchronized_and_plain_again():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    fired = []
    network[1].register_forward_pre_hook(lambda *_: fired.append(1))
    with synchronized(network):
        assert type(network[1]) is nn.SyncBatchNorm
        network.eval()(torch.rand(2, 3, 4, 4))
    assert type(network[1]) is nn.BatchNorm2d
    assert fired, "hooks stay"
    network.train()(torch.rand(2, 3, 4, 4))


def test_a_sample_is_named_with_its_files():
    class Named:
        def paths(self, index):
            return f"{index}.png", f"{index}_mask.png"

    assert sample_name(Named(), 3) == "sample 3 (3.png, 3_mask.png)"
    assert sample_name(object(), 3) == "sample 3"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"precision": "fp8"}, "choose one"),
        ({"accumulate": 0}, "pass accumulate >= 1"),
        ({"epochs": 1.5}, "got epochs=1.5; .* pass epochs >= 1, a whole number"),
        ({"epochs": "3"}, "got epochs='3'; .* pass epochs >= 1, a whole number"),
        ({"save_every": -1}, "got save_every=-1; it is seconds between two checkpoints; pass 0 or more"),
        ({"ema": 1.0}, "above 0 and below 1"),
        ({"clip_norm": 0.0}, "pass None for no limit"),
        ({"warmup": 8}, "pass 0 to 7"),
        ({"memory_format": "fast"}, "choose one"),
        ({"processes": 2}, "torchrun --nproc-per-node 2"),
    ],
)
def test_options_that_cannot_be(options, words):
    with pytest.raises(ValueError, match=words):
        trained(**options)


def test_a_foreign_loader_cannot_be_resumed(tmp_path):
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(IMAGES, IMAGES.argmax(1)), 4)
    fit(supervised(), loader, epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"build the loader with imachsr\.training\.batches"):
        fit(supervised(), loader, epochs=1, progress=False, checkpoints=tmp_path)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"supervision": imachsr.losses.cross_entropy}, "supervision"),
        ({"supervision": partial(imachsr.losses.mutual_information, estimator="variational")}, "supervision"),
        ({"regularizer": None}, "regularizer"),
        ({"output": imachsr.at_label_size(nn.CrossEntropyLoss(ignore_index=255))}, "output"),
        ({"output": imachsr.at_label_size(nn.functional.cross_entropy)}, "output"),
        ({"ignore_index": 254}, "ignore_index"),
    ],
)
def test_another_loss_is_another_run(changes, name, tmp_path):
    trained(checkpoints=tmp_path, save_every=0)
    with pytest.raises(
        ValueError, match=rf"got .*ckpt with {name} .*; this run has {name} .*; .* or delete the folder"
    ):
        trained(supervised(**changes), checkpoints=tmp_path)


def test_other_clusters_are_another_run(tmp_path):
    trained(supervised("hs3", clusters=[[0, 1, 1]] * 2), checkpoints=tmp_path, save_every=0)
    with pytest.raises(ValueError, match=r"with clusters \[\[0, 1, 1\], .*; this run has clusters \[\[0, 0, 1\]"):
        trained(supervised("hs3", clusters=[[0, 0, 1]] * 2), checkpoints=tmp_path)


def test_a_loss_has_the_same_words_in_every_process():
    def smoothed(how):
        return imachsr.at_label_size(nn.CrossEntropyLoss(label_smoothing=how, ignore_index=255))

    assert described(smoothed(0.1)) == described(smoothed(0.1)) != described(smoothed(0.2))
    assert described(SCHEMES["imachsr"].supervision) == (
        "imachsr.losses.mutual_information.mutual_information(estimator='plug_in')"
    )
    assert " at 0x" not in described(partial(max, key=[object(), abs]))


def test_a_checkpoint_that_knows_less_of_its_run_goes_on(tmp_path, monkeypatch):
    """As versions wrote it that did not name the losses."""
    later = {"ignore_index", "clusters", "output", "supervision", "regularizer"}
    with monkeypatch.context() as before:
        before.setattr(
            "imachsr.training.run.identity",
            lambda *args, **more: {k: v for k, v in identity(*args, **more).items() if k not in later},
        )
        first, _ = trained(checkpoints=tmp_path, save_every=0)
    again, _ = trained(checkpoints=tmp_path)
    assert [epoch.as_dict() for epoch in again] == [epoch.as_dict() for epoch in first]


@pytest.mark.parametrize(
    ("returned", "kind"),
    [(Confusion(3), "Confusion"), ({"mIoU": Confusion(3)}, "Confusion"), (0.5, "float")],
)
def test_what_evaluation_returns_is_filed_as_scores(returned, kind, tmp_path):
    with pytest.raises(TypeError, match=rf"got a {kind} from evaluation; .* name -> number; return .*scores\(\)"):
        trained(evaluation=lambda network, number: returned, checkpoints=tmp_path, save_every=0)
    again, _ = trained(evaluation=lambda network, number: {"mIoU": torch.tensor(0.5)}, checkpoints=tmp_path)
    assert [epoch.losses for epoch in again] == [epoch.losses for epoch in trained()[0]], "no step was lost"


def test_numbers_of_numpy_go_into_a_checkpoint_and_out_again(tmp_path):
    given = {"epochs": np.int64(2), "clip_norm": np.float64(1.0), "checkpoints": tmp_path, "save_every": 0}
    first, _ = trained(**given)
    again, _ = trained(**given, label="again")
    assert [epoch.losses for epoch in again] == [epoch.losses for epoch in first]


def test_an_evaluation_that_returns_nothing_has_no_scores():
    history, _ = trained(evaluation=lambda network, number: None)
    assert [epoch.scores for epoch in history] == [{}, {}]


def test_a_checkpoint_of_strange_objects_is_passed_over(tmp_path):
    trained(checkpoints=tmp_path, save_every=0)
    older, newest = Checkpoints(tmp_path, {}).paths()
    Checkpoints(tmp_path, {}).save({"history": [Confusion(3)]}, 9)
    older.write_bytes(newest.read_bytes())
    with pytest.warns(
        UserWarning, match=r"got .*step-000000009.ckpt, which holds an object of .*; going on from step-"
    ):
        trained(checkpoints=tmp_path)


def test_a_loader_gives_whole_epochs_after_a_training_that_went_on_in_the_middle_of_one(tmp_path):
    def stop(network, number):
        raise ZeroDivisionError

    loader = batches(Pairs(), 4)
    options = {"epochs": 1, "checkpoints": tmp_path, "save_every": 0, "progress": False}
    with pytest.raises(ZeroDivisionError):
        fit(supervised(), loader, evaluation=stop, **options)
    assert len([*loader]) == len(loader)
    Checkpoints(tmp_path, {}).paths()[-1].unlink()  # the one after the last step
    fit(supervised(), loader, **options)
    assert len([*loader]) == len(loader)


def test_an_odd_last_batch_is_no_batch_of_several_processes():
    sampler = batches(Pairs(), 4, shuffle=False).batch_sampler
    sampler.length = 9
    with pytest.raises(ValueError, match=r"^got a last batch of 1 images on 2 processes; each takes as many"):
        sampler.share(0, 2)
    sampler.length = 10
    sampler.share(0, 2)


def test_an_error_of_the_machine_is_not_taken_for_sizes_that_differ(monkeypatch):
    def full(samples):
        raise RuntimeError("unable to allocate shared memory")

    monkeypatch.setattr("imachsr.training.loader.default_collate", full)
    with pytest.raises(RuntimeError, match=r"^unable to allocate shared memory$"):
        next(iter(batches(Pairs(), 4)))


def test_one_process_is_the_plain_case():
    ranks = Ranks()
    assert (ranks.number, ranks.count, ranks.first) == (0, 1, True)
    assert ranks.told("word") == "word"


if __name__ == "__main__":
    schemes = ("conventional", "deep_supervision", "imacsr", "imachsr")
    LOSSES.write_text(json.dumps({scheme: losses_of(scheme) for scheme in schemes}, indent=1) + "\n")


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals that can be held back, as on Unix")
def test_a_call_that_hears_no_signal_does_not_hold_the_program():
    program = (
        "import signal, time\n"
        "from imachsr.training import interrupt\n"
        "interrupt.GRACE = 0.1\n"
        "with interrupt.Interruption():\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    time.sleep(600)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 128 + signal.SIGTERM
    assert "nothing was kept yet; run the same again" in ended.stderr


def test_more_parts_than_images_are_refused():
    with pytest.raises(
        ValueError, match=r"got accumulate=9 for batches of 4 over 1 processes; each part needs an image"
    ):
        trained(accumulate=9)
    own = torch.utils.data.DataLoader(Pairs(), 2)
    with pytest.raises(ValueError, match=r"got accumulate=3 for batches of 2 over 1 processes"):
        fit(supervised(), own, epochs=1, accumulate=3, progress=False)
