"""The loop: order, schedule, learning, evaluation at label size, and what stops it."""

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import imachsr
from imachsr.training import EpochBatches, adam, batches, evaluate, fastest_memory_format, fit, predict
from imachsr.training.memory_format import memory_format_of
from imachsr.training.ranks import Ranks


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU(), nn.Conv2d(8, 2, 1))


def bright_or_dark(count=16):
    """Images whose label is whether a pixel is bright: learnable in a few steps."""
    images = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(1)).round()
    images = images[:, :1].expand(-1, 3, -1, -1).contiguous()
    blocks = nn.functional.interpolate(images[:, :, ::2, ::2], scale_factor=2)
    return TensorDataset(blocks, blocks[:, 0].long())


def supervised(scheme="imachsr"):
    network = small_network()
    points = imachsr.choose_points(imachsr.find_points(network, torch.zeros(2, 3, 8, 8)), 2)
    return imachsr.Supervised(network, points, imachsr.scheme(scheme), classes=2)


@pytest.mark.parametrize("scheme", ["conventional", "deep_supervision", "imacsr", "imachsr"])
def test_fit_learns(scheme):
    dataset, trainee = bright_or_dark(), supervised(scheme)
    history = fit(trainee, batches(dataset, 4), epochs=15, optimizer=adam(trainee, learning_rate=0.02), progress=False)
    assert history[-1].losses["output"] < 0.5 * history[0].losses["output"]
    confusion = evaluate(trainee.release(), batches(dataset, 4, shuffle=False), classes=2, progress=False)
    assert confusion.scores()["mIoU"] > 0.8
    assert [epoch.number for epoch in history] == list(range(1, 16))


def test_same_seed_same_losses():
    def losses():
        trainee = supervised()
        history = fit(trainee, batches(bright_or_dark(), 4, seed=3), epochs=3, progress=False)
        return [epoch.losses for epoch in history]

    assert losses() == losses()


def test_batches_are_a_new_order_each_epoch_fixed_by_the_seed():
    def orders(seed):
        sampler = EpochBatches(10, 4, seed=seed)
        found = []
        for epoch in (0, 1):
            sampler.set_epoch(epoch)
            found.append(list(sampler))
        return found

    first, second = orders(0)
    assert orders(0) == [first, second]
    assert orders(1)[0] != first
    assert all(epoch == 1 for batch in second for epoch, _ in batch)
    assert [i for b in first for _, i in b] != [i for b in second for _, i in b]
    assert len(first) == 2, "the short last batch of a shuffled epoch is left out"
    assert len(list(EpochBatches(10, 4, shuffle=False))[-1]) == 2, "evaluation keeps it"


class Asked(torch.utils.data.Dataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        return torch.tensor(index)


class Doubled(torch.utils.data.Subset):
    def __getitem__(self, index):
        return 2 * super().__getitem__(index)

    def __getitems__(self, indices):
        return [self[index] for index in indices]


def test_a_dataset_is_asked_for_the_index_and_for_the_epoch_where_it_says_so():
    plain, aware = Asked(), Asked()
    aware.takes_epoch = True
    for dataset, wanted in (
        (plain, [[0, 1], [2, 3], [4, 5]]),
        ([torch.tensor(i) for i in range(6)], [[0, 1], [2, 3], [4, 5]]),
        (aware, [[[7, 0], [7, 1]], [[7, 2], [7, 3]], [[7, 4], [7, 5]]]),
        (torch.utils.data.Subset(aware, [4, 2]), [[[7, 4], [7, 2]]]),
        (Doubled(plain, [4, 2]), [[8, 4]]),
        (torch.utils.data.Subset(aware, [4]) + torch.utils.data.Subset(aware, [2, 3]), [[[7, 4], [7, 2]], [[7, 3]]]),
    ):
        loader = batches(dataset, 2, shuffle=False)
        loader.batch_sampler.set_epoch(7)
        assert [batch.tolist() for batch in loader] == wanted


class Around(torch.utils.data.Dataset):
    """Somebody's own dataset around another."""

    def __init__(self, inner):
        self.inner = inner

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        return self.inner[index]


def test_a_dataset_that_would_hide_the_epoch_is_refused():
    data = imachsr.datasets.create("streets", size=(32, 32), length=4, augment=True)
    for around in (Around(data), Doubled(data, [1, 0])):
        with pytest.raises(ValueError, match=r"the same pictures in each; set takes_epoch = True and hand \(epoch"):
            batches(around, 2)
    around = Around(data)
    around.takes_epoch = True
    assert len(batches(around, 2)) == 2


def test_a_sample_of_a_subset_is_named_by_its_own_number():
    data = torch.utils.data.Subset([torch.zeros(1), torch.zeros(1), "broken", torch.zeros(1)], [3, 2])
    with pytest.raises(ValueError, match=r"from sample 2"):
        next(iter(batches(data, 2, shuffle=False)))


def test_the_courses_data_is_augmented_anew_each_epoch():
    data = imachsr.datasets.create("streets", size=(32, 32), length=2, augment=True)
    loader = batches(data, 2, shuffle=False)
    first, _ = next(iter(loader))
    loader.batch_sampler.set_epoch(1)
    second, _ = next(iter(loader))
    assert not torch.equal(first, second)


class Samples(torch.utils.data.Dataset):
    """Four samples; the third is odd."""

    def __init__(self, usual, odd=None):
        self.samples = [usual, usual, usual if odd is None else odd[0], usual]

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.samples[index]


IMAGE, MASK = torch.zeros(3, 4, 4), torch.zeros(4, 4)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (Samples((IMAGE, MASK), [(IMAGE[:, :2], MASK)]), r"sizes \[\(3, 2, 4\), .* sample 2 beside .*; resize or crop"),
        (Samples((object(), object())), r"sizes \[<class 'object'>.* sample 0; samples are tensors.*; give each as"),
        (
            Samples((IMAGE, MASK), [None]),
            r"sizes <class 'NoneType'> from sample 2 beside .*; give each as \(image, lab",
        ),
        (
            Samples({"image": IMAGE}, [{"mask": MASK}]),
            r"sizes {'mask': \(4, 4\)} from sample 2 beside .*; give each as",
        ),
    ],
    ids=["size", "kind", "none", "keys"],
)
def test_samples_that_make_no_batch_are_named(samples, words):
    with pytest.raises(ValueError, match=words):
        next(iter(batches(samples, 4, shuffle=False)))


@pytest.mark.parametrize("size", [0, -1, 2.0, None])
def test_a_batch_is_a_whole_number_of_samples(size):
    with pytest.raises(ValueError, match=rf"got batch_size={size}; .* whole number of samples; pass 1 or more"):
        batches(bright_or_dark(), size)


def test_batches_are_made_from_numbered_samples():
    for dataset in (iter([(IMAGE, MASK)]), torch.utils.data.DataLoader(Samples((IMAGE, MASK)))):
        with pytest.raises(
            TypeError, match=r"got a .*; batches are made from numbered samples .*; pass a dataset with"
        ):
            batches(dataset, 1)


def test_batches_do_not_touch_the_global_generator():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    list(batches(bright_or_dark(), 4))
    assert torch.equal(before, torch.get_rng_state())


def test_evaluation_scores_at_full_label_size():
    """Logits of 2x2 against labels of 8x8, and labels larger than the image."""
    network = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(3, 2, 1))
    images, targets = torch.rand(2, 3, 4, 4), torch.zeros(2, 8, 8, dtype=torch.long)
    confusion = evaluate(network, [(images, targets)], classes=2, progress=False)
    assert confusion.matrix.sum() == targets.numel()
    assert predict(network, images, size=(8, 8)).shape == (2, 8, 8)


def test_evaluation_leaves_the_mode_as_it_was():
    network = small_network().train()
    evaluate(network, [(torch.rand(1, 3, 8, 8), torch.zeros(1, 8, 8, dtype=torch.long))], classes=2, progress=False)
    assert network.training


def test_schedules():
    def rates(schedule):
        trainee = supervised()
        optimizer = torch.optim.SGD(trainee.parameters(), lr=1.0)
        seen = []
        hook = optimizer.register_step_pre_hook(lambda o, *_: seen.append(o.param_groups[0]["lr"]))
        fit(trainee, batches(bright_or_dark(8), 4), epochs=2, optimizer=optimizer, schedule=schedule, progress=False)
        hook.remove()
        return seen

    assert rates("constant") == [1.0] * 4
    assert rates("poly") == pytest.approx([(1 - step / 4) ** 0.9 for step in range(4)])
    with pytest.raises(ValueError, match="schedules known are"):
        rates("warp")


def test_scheduled_weights_fall_during_training():
    trainee = supervised()
    trainee = imachsr.Supervised(
        trainee.release(), trainee.points, imachsr.scheme("imachsr", schedule="linear"), classes=2
    )
    fit(trainee, batches(bright_or_dark(8), 4), epochs=2, progress=False)
    assert trainee.progress == 3 / 4, "the last of four steps began with three behind it"


def test_a_term_that_is_not_finite_stops_before_any_weight_changes():
    trainee, dataset = supervised(), bright_or_dark(4)
    dataset.tensors[0][0, 0, 0, 0] = float("inf")
    before = [parameter.clone() for parameter in trainee.parameters()]
    with pytest.raises(FloatingPointError, match="this step was not taken"):
        fit(trainee, batches(dataset, 4), epochs=1, progress=False)
    assert all(torch.equal(a, b) for a, b in zip(before, trainee.parameters(), strict=True))


def test_a_term_that_is_not_finite_names_the_samples_of_its_part():
    calls = []

    def broken(logits, targets):
        calls.append(len(targets))
        return imachsr.losses.cross_entropy(logits, targets) * (float("nan") if len(calls) == 2 else 1.0)

    plain = supervised()
    trainee = imachsr.Supervised(plain.release(), plain.points, imachsr.scheme("imachsr", output=broken), classes=2)
    loader = batches(bright_or_dark(8), 4)
    right, wrong = torch.tensor(loader.batch_sampler.batch(0, 0)).chunk(2)
    with pytest.raises(FloatingPointError, match="for the loss term 'output'") as error:
        fit(trainee, loader, epochs=1, accumulate=2, progress=False)
    assert all(f"sample {i} " in str(error.value) for i in wrong)
    assert not any(f"sample {i} " in str(error.value) for i in right)


def test_images_without_labels_are_counted_over_all_processes(monkeypatch):
    monkeypatch.setattr(Ranks, "sum", lambda self, values: 3 * values)  # as if three processes had the same
    dataset = bright_or_dark(4)
    dataset.tensors[1][2] = 255
    (epoch,) = fit(supervised(), batches(dataset, 4), epochs=1, progress=False)
    assert epoch.unlabelled == 3


def test_measuring_the_memory_format_changes_nothing():
    trainee = supervised()
    trainee.network.insert(1, nn.BatchNorm2d(8))
    before = {name: value.clone() for name, value in trainee.state_dict().items()}
    images, targets = torch.rand(2, 3, 8, 8), torch.zeros(2, 8, 8, dtype=torch.long)
    state = torch.get_rng_state()
    assert fastest_memory_format(trainee, images, targets) in (torch.contiguous_format, torch.channels_last)
    assert all(torch.equal(value, before[name]) for name, value in trainee.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in trainee.parameters())


def test_the_memory_format_is_measured_on_a_part_of_a_batch_in_the_precision_of_training(monkeypatch):
    seen = []

    def measured(_, images, targets, autocast):
        with autocast():
            seen.append((len(images[0]), len(targets), torch.is_autocast_enabled("cpu")))
        return torch.contiguous_format

    monkeypatch.setattr("imachsr.training.memory_format.fastest_memory_format", measured)
    loader = batches(bright_or_dark(4), 4)
    fit(supervised(), loader, epochs=1, memory_format="auto", accumulate=2, precision="bf16", progress=False)
    fit(supervised(), loader, epochs=1, memory_format="auto", progress=False)
    assert seen == [(2, 2, True), (4, 4, False)]


def test_every_process_takes_the_first_ones_memory_format(monkeypatch):
    """A process that measured otherwise lays its weights out as the first one does."""
    monkeypatch.setattr(
        "imachsr.training.memory_format.fastest_memory_format", lambda *_, **__: torch.contiguous_format
    )
    monkeypatch.setattr(Ranks, "told", lambda self, value: "channels_last" if value == "contiguous" else value)
    trainee = supervised()
    fit(trainee, batches(bright_or_dark(4), 4), epochs=1, memory_format="auto", progress=False)
    assert memory_format_of(trainee) == "channels_last"


def test_bad_input_says_what_to_do():
    with pytest.raises(ValueError, match="lower the batch size"):
        batches(bright_or_dark(4), 8)
    with pytest.raises(ValueError, match="at least one pass"):
        fit(supervised(), batches(bright_or_dark(4), 2), epochs=0)


def test_one_line_per_epoch_where_output_is_no_terminal(capsys):
    fit(supervised(), batches(bright_or_dark(8), 4), epochs=2, label="small")
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2
    assert "small epoch 2/2" in lines[1]
    assert "images/s" in lines[1]


def test_batches_of_several_inputs_train_in_the_faster_memory_format():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.rgb, self.depth, self.classify = nn.Conv2d(3, 8, 3), nn.Conv2d(1, 8, 3), nn.Conv2d(8, 2, 1)

        def forward(self, rgb, depth):
            return self.classify(self.rgb(rgb) + self.depth(depth))

    class Pairs(torch.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            draw = torch.Generator().manual_seed(index)
            inputs = torch.rand(3, 8, 8, generator=draw), torch.rand(1, 8, 8, generator=draw)
            return inputs, torch.randint(0, 2, (8, 8), generator=draw)

    trainee = imachsr.Supervised(Two(), (), imachsr.scheme("conventional"), classes=2)
    history = fit(trainee, batches(Pairs(), 2), epochs=2, memory_format="auto", progress=False)
    assert history[1].losses["output"] != history[0].losses["output"]


def test_what_cannot_be_trained_is_refused():
    trainee, loader = supervised(), batches(bright_or_dark(), 4)
    with pytest.raises(TypeError, match=r"got a Sequential; .* pass imachsr.Supervised\(network"):
        fit(trainee.network, loader, epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"got a loader without a single batch; .* smaller batch size"):
        fit(trainee, torch.utils.data.DataLoader(bright_or_dark(2), 4, drop_last=True), epochs=1, progress=False)
    for parameters, missing in ((trainee.network.parameters(), "adapters"), (trainee.adapters.parameters(), "network")):
        with pytest.raises(
            ValueError, match=rf"got an optimizer without .*{missing}.*; make it over trainee.parameters"
        ):
            fit(trainee, loader, epochs=1, optimizer=torch.optim.SGD([*parameters], 0.1), progress=False)
    with pytest.raises(TypeError, match=r"got a Supervised; .* pass its `.network`"):
        evaluate(trainee, loader, classes=2, progress=False)


PAIR = torch.zeros(2, 3, 8, 8), torch.zeros(2, 8, 8, dtype=torch.int64)


@pytest.mark.parametrize(
    ("batch", "got"),
    [
        ({"image": PAIR[0], "mask": PAIR[1]}, r"dict with keys \['image', 'mask'\]"),
        (PAIR[0], "Tensor"),
        ([PAIR[0]], "list of Tensor"),
        ((*PAIR, ["a", "b"]), "tuple of Tensor, Tensor, list"),
        (tuple(each.numpy() for each in PAIR), "tuple of ndarray, ndarray"),
        ((PAIR[0], None), "tuple of Tensor, NoneType"),
    ],
    ids=["dict", "images", "images alone", "triple", "numpy", "no labels"],
)
def test_a_batch_is_images_and_labels(batch, got):
    loader = torch.utils.data.DataLoader([0, 1], 2, collate_fn=lambda _: batch)
    words = rf"got a batch {got}; a loader gives \(images, targets\): .*; let the dataset give such pairs, or a collate"
    for memory_format in (None, "auto"):
        with pytest.raises(TypeError, match=words):
            fit(supervised(), loader, epochs=1, memory_format=memory_format, progress=False)
    with pytest.raises(TypeError, match=words):
        evaluate(small_network(), loader, classes=2, progress=False)


def test_each_image_has_labels():
    loader = torch.utils.data.DataLoader([0, 1], 2, collate_fn=lambda _: (PAIR[0], PAIR[1][:1]))
    words = r"got a batch of images \(2, 3, 8, 8\) and labels \(1, 8, 8\); each image .*; give as many of both"
    for accumulate in (1, 2):
        with pytest.raises(ValueError, match=words):
            fit(supervised(), loader, epochs=1, accumulate=accumulate, progress=False)
    with pytest.raises(ValueError, match=words):
        evaluate(small_network(), loader, classes=2, progress=False)


class Endless(torch.utils.data.IterableDataset):
    def __iter__(self):
        yield PAIR


@pytest.mark.parametrize(
    ("loader", "got"),
    [
        ([PAIR], "list"),
        (iter([PAIR]), "list_iterator"),
        (None, "NoneType"),
        (bright_or_dark(), "TensorDataset"),
        (torch.utils.data.DataLoader(Endless()), "DataLoader of an IterableDataset without __len__"),
    ],
)
def test_a_loader_has_a_known_number_of_batches(loader, got):
    words = rf"got a {got} for a loader; training goes over a known number.*; pass imachsr.training.batches\(dataset"
    with pytest.raises(TypeError, match=words):
        fit(supervised(), loader, epochs=1, progress=False)


def test_an_optimizer_is_one_and_has_something_to_step():
    loader = batches(bright_or_dark(4), 2)
    for optimizer in (torch.optim.Adam, "adam", []):
        with pytest.raises(TypeError, match=r"got optimizer .*; it is an Optimizer made over .*; pass such as"):
            fit(supervised(), loader, epochs=1, optimizer=optimizer, progress=False)
    frozen = imachsr.Supervised(small_network().requires_grad_(False), (), imachsr.scheme("conventional"), classes=2)
    with pytest.raises(
        ValueError, match=r"none of whose parameters requires a gradient; .* call requires_grad_\(True\)"
    ):
        fit(frozen, loader, epochs=1, progress=False)


def test_frozen_layers_stay_frozen():
    network = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 1))
    network[1].eval()
    trainee = imachsr.Supervised(network, (), imachsr.scheme("conventional"), classes=2)
    before = network[1].running_mean.clone()
    loader = batches(bright_or_dark(), 4)

    def judge(network, _):
        return evaluate(network, loader, classes=2, progress=False).scores()

    fit(trainee, loader, epochs=2, progress=False, evaluation=judge)
    assert torch.equal(network[1].running_mean, before)
    assert [module.training for module in network] == [True, False, True, True]
    network.eval()
    fit(trainee, batches(bright_or_dark(), 4), epochs=1, progress=False)
    assert not torch.equal(network[1].running_mean, before), "a network in evaluation mode as a whole is trained whole"
