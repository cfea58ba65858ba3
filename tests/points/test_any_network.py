"""Networks as people have them: inputs in any order, caches, several outputs, wrappers, parts without gradients."""

import copy
import gc
from collections import deque
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from imachsr import complexity
from imachsr.points import Capture, find_points, logits_of

IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def small() -> nn.Module:
    return nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()), nn.Conv2d(4, 3, 1))


class Reads(nn.Module):
    """`arrange`s its input, and a layer with weights reads it so."""

    def __init__(self, layer: nn.Module, arrange=lambda inputs: inputs) -> None:
        super().__init__()
        self.arrange, self.layer, self.head = arrange, layer, nn.LazyLinear(3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        features = self.layer(self.arrange(inputs))
        return self.head((features[0] if isinstance(features, tuple) else features).flatten(1))


@pytest.mark.parametrize(
    ("shape", "layer", "arrange", "channels", "size"),
    [
        ((2, 3, 9), nn.Conv1d(3, 7, 3, padding=1), None, 7, (1, 9)),
        ((2, 9, 3), nn.Conv1d(3, 7, 3, padding=1), lambda x: x.transpose(1, 2), 7, (1, 9)),
        ((2, 9, 3), nn.Linear(3, 7), None, 7, (1, 9)),
        ((2, 9, 9), nn.Linear(9, 9), lambda x: 2 * x, 9, (1, 9)),
        ((2, 9, 3), nn.LSTM(3, 7, batch_first=True), None, 7, (1, 9)),
        ((2, 9, 8), nn.TransformerEncoderLayer(8, 2, 4, batch_first=True), None, 8, (1, 9)),
        ((2, 9, 5, 3), nn.Conv2d(3, 7, 1), lambda x: x.permute(0, 3, 1, 2), 7, (9, 5)),
        ((2, 9, 5, 3), nn.Linear(3, 7), None, 7, (9, 5)),
        ((2, 9, 5), nn.Conv2d(1, 7, 1), lambda x: x[:, None], 7, (9, 5)),
        ((2, 3, 9, 5), nn.Conv2d(3, 7, 1), None, 7, (9, 5)),
        ((2, 3, 8, 4), nn.Linear(12, 7), lambda x: F.unfold(x, 2, stride=2).transpose(1, 2), 7, (4, 2)),
    ],
    ids=["BCT", "BTC conv", "BTC linear", "T equals C", "LSTM", "transformer", "NHWC conv", "NHWC linear",
         "spectrogram", "NCHW", "patches"],
)  # fmt: skip
def test_the_layer_that_reads_an_input_tells_its_channels(shape, layer, arrange, channels, size) -> None:
    inputs = torch.randn(shape)
    network = Reads(layer, arrange or (lambda x: x)).eval()
    network(inputs)
    points = {point.path: point for point in find_points(network, inputs)}
    assert (points["layer"].channels, points["layer"].size) == (channels, size)
    capture = Capture(network, [points["layer"]])
    network(inputs)
    truth = layer(network.arrange(inputs))
    truth = truth[0] if isinstance(truth, tuple) else truth
    if truth.shape[1] != channels or size == (1, 9) == (1, channels):
        truth = truth.movedim(-1, 1)
    torch.testing.assert_close(capture.read()[0].flatten(), truth.flatten())


class Several(nn.Module):
    """Two inputs, each read by a layer of its own."""

    def __init__(self, *layers: nn.Module, arrange=lambda inputs: inputs) -> None:
        super().__init__()
        self.layers, self.arrange = nn.ModuleList(layers), arrange

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        read = [layer(self.arrange(one)) for layer, one in zip(self.layers, inputs, strict=True)]
        return sum(one.flatten(1).mean(1, keepdim=True) for one in read) * torch.ones(1, 3)


def extents(network: nn.Module, *inputs: torch.Tensor) -> dict[str, tuple[int, tuple[int, int]]]:
    return {point.path: (point.channels, point.size) for point in find_points(network, *inputs)}


def test_each_input_is_told_apart() -> None:
    sequence, image = torch.randn(2, 9, 3), torch.randn(2, 3, 9, 5)
    found = extents(Several(nn.Linear(3, 7), nn.Linear(3, 8)), sequence, sequence.clone())
    assert found == {"layers.0": (7, (1, 9)), "layers.1": (8, (1, 9))}
    last = image.movedim(1, -1)
    network = Several(nn.Conv2d(3, 7, 1), nn.Conv2d(3, 8, 1), arrange=lambda x: x.movedim(-1, 1))
    assert extents(network, last, last.clone()) == {"layers.0": (7, (9, 5)), "layers.1": (8, (9, 5))}
    found = extents(Several(nn.Conv2d(3, 7, 1), nn.Linear(2, 8)), image, torch.randn(2, 9, 5, 2))
    assert found == {"layers.0": (7, (9, 5)), "layers.1": (8, (9, 5))}


def test_rows_stay_rows_and_side_branches_tell_nothing_against_a_convolution() -> None:
    image = torch.randn(2, 3, 9, 5)
    turned = Several(nn.Conv2d(3, 7, 1), arrange=lambda x: x.transpose(2, 3))
    (point,) = find_points(turned, image)
    assert point.size == (9, 5)
    capture = Capture(turned, [point])
    turned(image)
    torch.testing.assert_close(capture.read()[0], turned.layers[0](image))

    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate, self.conv, self.head = nn.Linear(5, 5), nn.Conv2d(3, 7, 1), nn.Conv2d(7, 3, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(self.conv(images * self.gate(images).sigmoid()))

    assert extents(Gated(), image)["conv"] == (7, (9, 5))


def test_weights_on_the_left_contract_the_second_dimension() -> None:
    class Left(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.act, self.head = nn.Parameter(torch.randn(7, 3)), nn.ReLU(), nn.Conv1d(7, 3, 1)

        def forward(self, signals: torch.Tensor) -> torch.Tensor:
            return self.head(self.act(self.weight @ signals))

    assert extents(Left(), torch.randn(2, 3, 9)) == {"act": (7, (1, 9))}


def test_words_have_channels_once_they_are_embedded() -> None:
    network = nn.Sequential(nn.Embedding(10, 8), nn.TransformerEncoderLayer(8, 2, 4, batch_first=True), nn.Flatten())
    points = find_points(nn.Sequential(network, nn.Linear(40, 3)), torch.zeros(2, 5, dtype=torch.long))
    assert {(point.channels, point.size) for point in points if point.path in ("0.0", "0.1")} == {(8, (1, 5))}


CACHE: dict[int, torch.Tensor] = {}
GRID: torch.Tensor | None = None


class Cached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.head, self.held = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 3, 1), SimpleNamespace(grids={}, last=None)

    def ramp(self, width: int) -> torch.Tensor:
        if width not in self.held.grids:
            self.held.grids[width] = self.held.last = torch.linspace(0, 1, width)
        return self.held.grids[width]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head((self.first(images) + self.ramp(images.shape[-1])).relu())


@pytest.mark.parametrize("look", [find_points, complexity.count])
def test_what_objects_of_the_network_keep_is_taken_out(look) -> None:
    network = Cached()
    look(network, IMAGES)
    assert (network.held.grids, network.held.last) == ({}, None)
    assert type(network(IMAGES)) is torch.Tensor
    kept = network.held.grids[16]
    look(network, IMAGES)
    assert network.held.grids[16] is kept is network.held.last


class Slotted:
    __slots__ = ("grid",)


class Everywhere(Cached):
    """It keeps what it makes in every way people do."""

    grid: torch.Tensor | None = None
    slots, kept, recent, pairs = Slotted(), [], deque(maxlen=3), {}

    def ramp(self, width: int) -> torch.Tensor:
        global GRID
        if width not in CACHE:
            CACHE[width] = torch.linspace(0, 1, width)
        if GRID is None:
            GRID = torch.linspace(0, 1, width)
        if Everywhere.grid is None:
            Everywhere.grid = torch.linspace(0, 1, width)
        if getattr(self.slots, "grid", None) is None:
            self.slots.grid = torch.linspace(0, 1, width)
        self.kept.append(GRID)
        self.recent.append(GRID)
        self.pairs[width] = GRID, CACHE[width]
        return CACHE[width] + GRID + Everywhere.grid + self.slots.grid


def test_tensors_kept_elsewhere_are_taken_away() -> None:
    network = Everywhere()
    before = find_points(network, IMAGES)
    assert (CACHE, GRID, Everywhere.grid, Everywhere.slots.grid) == ({}, None, None, None)
    assert (Everywhere.kept, [*Everywhere.recent]) == ([], [])
    assert type(network(IMAGES)) is torch.Tensor
    assert find_points(network, IMAGES).points == before.points
    assert {type(one) for one in (*Everywhere.kept, *Everywhere.recent)} == {torch.Tensor}, "what is real stays"


def test_counting_takes_tensors_kept_elsewhere_away() -> None:
    global GRID
    CACHE.clear()
    GRID = Everywhere.grid = Everywhere.slots.grid = None
    for kept in (Everywhere.kept, Everywhere.recent, Everywhere.pairs):
        kept.clear()
    network = Everywhere()
    complexity.count(network, IMAGES)
    assert (CACHE, GRID, Everywhere.grid, Everywhere.slots.grid) == ({}, None, None, None)
    assert (Everywhere.kept, [*Everywhere.recent], Everywhere.pairs) == ([], [], {})
    assert type(network(IMAGES)) is torch.Tensor


def test_counting_a_network_that_reads_values_takes_what_the_first_try_kept_away() -> None:
    class Reading(Cached):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = super().forward(images)
            return logits if logits.mean() < 10 else -logits

    network = Reading()
    assert "real tensors" in complexity.count(network, IMAGES).how
    assert type(network(IMAGES)) is torch.Tensor
    assert {type(grid) for grid in network.held.grids.values()} == {torch.Tensor}


def test_hooks_of_ones_own_and_autocast_keep_nothing_fake() -> None:
    network, seen = small(), []
    network[0].register_forward_hook(lambda module, given, output: seen.append(output))

    def scale(module: nn.Module, given: object, output: torch.Tensor) -> None:
        output.register_hook(lambda gradient: gradient * output.mean())

    network[0].register_forward_hook(scale)
    with torch.autocast("cpu", torch.bfloat16):
        points = find_points(network, IMAGES)
        assert network(IMAGES).dtype == torch.bfloat16
    assert points.recorded == "fake tensors"
    assert len(seen) == 1
    assert type(seen[0]) is torch.Tensor


def test_ctrl_c_while_recording_stays_what_it_is() -> None:
    network = small()
    network[1].register_forward_pre_hook(lambda module, given: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        find_points(network, IMAGES)


class Two(nn.Module):
    def __init__(self, wrap) -> None:
        super().__init__()
        self.wrap, self.stem = wrap, nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
        self.classes, self.depth = nn.Conv2d(4, 3, 1), nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 1, 1))

    def forward(self, images: torch.Tensor) -> object:
        features = self.stem(images)
        return self.wrap(self.classes(features), self.depth(features))


class Named(NamedTuple):
    depth: torch.Tensor
    logits: torch.Tensor


@pytest.mark.parametrize(
    "wrap",
    [
        lambda logits, depth: (logits, depth),
        lambda logits, depth: {"depth": depth, "out": logits},
        lambda logits, depth: SimpleNamespace(depth=depth, logits=logits),
        lambda logits, depth: Named(depth, logits),
    ],
    ids=["tuple", "dict", "object", "named tuple"],
)
def test_points_lie_on_the_way_to_what_is_trained(wrap) -> None:
    network = Two(wrap)
    assert logits_of(network(IMAGES)).shape[1] == 3
    points = find_points(network, IMAGES)
    assert {point.path for point in points} == {"stem.0", "stem"}
    assert set(points.unused) == {name for name, _ in network.named_parameters() if name.startswith("depth")}


def test_features_returned_beside_the_logits_are_points() -> None:
    points = find_points(Two(lambda logits, depth: (logits + depth, [depth])), IMAGES)
    assert "depth" in {point.path for point in points}


class Transformed(nn.Module):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfft2(features)


class Back(nn.Module):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return torch.fft.irfft2(features)


def test_complex_numbers_and_other_batches_are_left_out_with_the_reason() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), Transformed(), Back(), nn.Conv2d(4, 3, 1))
    points = find_points(network, IMAGES)
    assert points.left_out == {"1": "its numbers are complex"}
    assert [point.path for point in points] == ["0", "2"]

    class Siamese(Two):
        def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
            one, other = self.stem(torch.cat([first, second])).chunk(2)
            return self.classes(one - other)

    points = find_points(Siamese(None), IMAGES, IMAGES)
    assert set(points.left_out) == {"stem", "stem.0"}
    assert all("another number of images" in reason for reason in points.left_out.values())


def test_a_network_without_modules_inside_says_that_they_are_what_is_missing() -> None:
    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 3, 1, 1))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return F.conv2d(F.conv2d(images, self.weight).relu(), self.weight)

    assert "only outputs of modules are points" in str(find_points(Functional(), IMAGES))


def test_a_network_that_calls_itself_is_refused_and_taken_in_a_wrapper() -> None:
    class Again(Two):
        def forward(self, images: torch.Tensor, deep: bool = True) -> torch.Tensor:
            logits = self.classes(self.stem(images))
            return logits + F.interpolate(self(images[..., ::2, ::2], False), scale_factor=2) if deep else logits

    with pytest.raises(ValueError, match=r"calls itself; .*; wrap it"):
        find_points(Again(None), IMAGES)
    assert {"0.stem", "0.stem#2"} <= {point.name for point in find_points(nn.Sequential(Again(None)), IMAGES)}


def test_wrapped_and_partly_compiled_networks_are_refused() -> None:
    network = small()
    network[0] = torch.compile(network[0], backend="eager")
    with pytest.raises(ValueError, match=r"compiled part '0'; .*; find points in the network itself"):
        find_points(network, IMAGES)
    wrapped = type("DistributedDataParallel", (nn.Sequential,), {})(small())
    for refused in (wrapped, nn.DataParallel(small())):
        with pytest.raises(TypeError, match=r"DataParallel; .*; find them there, and wrap the Supervised"):
            find_points(refused, IMAGES)
    sharded = small()
    sharded[1].weight.device_mesh = None
    with pytest.raises(TypeError, match=r"sharded network; .*by fully_shard"):
        find_points(sharded, IMAGES)


def hooks(network: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in network.modules())


def test_hooks_go_with_the_last_capture_that_holds_them() -> None:
    network = small()
    points = find_points(network, IMAGES)
    capture = Capture(network, points)
    both = copy.deepcopy((network, capture))
    assert hooks(both[0]) == hooks(network) > 0
    both[0](IMAGES)
    assert len(both[1].read()) == len(points)
    teacher = both[0]
    del both, capture
    gc.collect()
    assert hooks(network) == hooks(teacher) == 0


def test_hooks_copied_without_their_capture_keep_nothing() -> None:
    network = small()
    capture = Capture(network, find_points(network, IMAGES))
    teacher = copy.deepcopy(network)
    teacher(IMAGES)
    stores = {id(hook.store): hook.store for module in teacher.modules() for hook in module._forward_hooks.values()}
    assert [store.tensors for store in stores.values()] == [{}]
    network(IMAGES)
    assert capture.read()


def test_points_of_a_network_that_is_being_supervised_are_the_same() -> None:
    network = small()
    before = find_points(network, IMAGES)
    capture = Capture(network, before)
    network(IMAGES)
    assert find_points(network, IMAGES).points == before.points
    assert len(capture.read()) == len(before)
    assert hooks(network) == 2 + len(before)


def test_one_capture_has_one_owner() -> None:
    network = small()
    capture = Capture(network, find_points(network, IMAGES))
    with pytest.raises(TypeError, match=r"got a shallow copy of a capture; .*; copy.deepcopy it with its network"):
        copy.copy(capture)


def test_an_output_that_holds_itself_is_read() -> None:
    def wrap(logits: torch.Tensor, depth: torch.Tensor) -> SimpleNamespace:
        output = SimpleNamespace(logits=logits)
        output.me = output
        return output

    assert find_points(Two(wrap), IMAGES)


def test_points_can_be_copied() -> None:
    points = find_points(small(), IMAGES)
    assert copy.deepcopy(points).points == points.points
