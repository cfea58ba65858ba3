"""What one recorded forward pass says, and that it costs the network nothing."""

import functools
import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from imachsr.models import create
from imachsr.points import Points, find_points
from imachsr.points.given import explain

IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def residual() -> nn.Module:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn, self.conv2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return torch.relu(features + self.conv2(torch.relu(self.bn(self.conv1(features)))))

    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), Residual(), nn.Dropout(0.5), Residual(), nn.Conv2d(8, 2, 1))


def test_the_columns_of_a_point() -> None:
    points = find_points(residual(), IMAGES)
    point = next(point for point in points if point.name == "1")
    assert (point.shape, point.channels, point.size, point.scale) == ((2, 8, 8, 8), 8, (8, 8), 0.5)
    assert point.layout.kind == "map"
    assert point.block == 0
    assert point.parameters == (3 * 9 * 8 + 8) + (8 * 9 * 8 + 8) + 16 + (8 * 8 + 8)
    multiplications = 3 * 9 * 8, 8 * 9 * 8, 8 * 8, 8 * 9 * 8, 8 * 8, 8 * 2
    assert point.flops == pytest.approx(sum(multiplications[:3]) / sum(multiplications))


def test_points_come_in_order_of_depth_and_never_hold_the_output() -> None:
    network = residual()
    points = find_points(network, IMAGES)
    depths = [point.depth for point in points]
    assert depths == sorted(depths)
    assert 0 < depths[0] < depths[-1] < 1
    assert "4" not in {point.name for point in points}


def test_the_same_call_gives_the_same_points() -> None:
    network = residual()
    assert find_points(network, IMAGES).points == find_points(network, IMAGES).points


def test_nothing_of_the_network_or_the_random_states_changes() -> None:
    network = residual().train()
    network.seen = [1]
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    attributes = [sorted(vars(module)) for module in network.modules()]
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    find_points(network, IMAGES)
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert [sorted(vars(module)) for module in network.modules()] == attributes
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert (np.random.get_state()[1] == states[2]).all()  # noqa: NPY002
    assert network.training


@functools.lru_cache
def positions(size: int) -> torch.Tensor:
    return torch.arange(size, dtype=torch.float32)


def test_no_fake_tensor_stays_in_a_function_cache() -> None:
    class Positioned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(self.conv(images) + positions(images.shape[-1]))

    network = Positioned()
    find_points(network, IMAGES)
    assert type(network(IMAGES)) is torch.Tensor


class Remembering(nn.Module):
    """Keeps what it computed, as networks with position caches do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head, self.cache, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1), {}, None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.last = self.cache[images.shape] = self.conv(images)
        return self.head(self.last)


def test_no_fake_tensor_stays_behind() -> None:
    network = Remembering()
    find_points(network, IMAGES)
    assert network.last is None
    assert network.cache == {}


def test_no_hook_of_the_networks_own_making_stays_behind() -> None:
    class Hooking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head, self.hooked = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1), False

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if not self.hooked:
                self.conv.register_forward_hook(lambda module, args, output: None)
                self.hooked = True
            return self.head(self.conv(images))

    network = Hooking()
    find_points(network, IMAGES)
    assert not network.hooked
    assert not network.conv._forward_hooks


class Deciding(nn.Module):
    """Takes its way by a value, which only real tensors have."""

    def __init__(self) -> None:
        super().__init__()
        self.bn, self.conv, self.head = nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.conv(self.bn(images))
        features = features.relu() if features.mean() > features.min() and torch.rand(()) >= 0 else features
        return self.head(features)


def test_values_that_decide_the_way_are_recorded_for_real() -> None:
    network = Deciding().train()
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    random_state = torch.get_rng_state()
    points = find_points(network, IMAGES)
    assert points.recorded.startswith("real tensors, since DataDependentOutputException")
    assert [point.name for point in points] == ["bn", "conv"]
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_an_error_of_the_network_itself_is_shown_alone() -> None:
    with pytest.raises(RuntimeError, match="to have 3 channels, but got 5 channels") as caught:
        find_points(residual(), torch.zeros(2, 5, 16, 16))
    assert caught.value.__context__ is None, "not behind one of fake tensors"


class Skipping(nn.Module):
    """Layers dropped by Python's own random numbers, which fake tensors do not mind."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)
        self.layers = nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in range(8))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.stem(images)
        for layer in self.layers:
            if not self.training or random.random() < 0.5:
                maps = maps + layer(maps)
        return self.head(maps)


def test_layers_skipped_at_random_are_the_same_in_every_recording_and_none_in_eval_mode() -> None:
    network = Skipping()
    found = [[point.name for point in find_points(network, IMAGES)] for _ in range(4)]
    assert found[1:] == found[:-1]
    assert len(found[0]) < 9
    assert len(find_points(network.eval(), IMAGES)) == 9


class Depth(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.colour, self.depth, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(1, 4, 1), nn.Conv2d(4, 2, 1)

    def forward(self, images: torch.Tensor, depth: torch.Tensor, *, gain: float = 1.0) -> torch.Tensor:
        return self.head(self.colour(images) + gain * self.depth(depth))


def test_several_inputs_and_named_ones() -> None:
    network, depth = Depth(), torch.randn(2, 1, 16, 16)
    names = ["colour", "depth"]
    assert [point.name for point in find_points(network, IMAGES, depth)] == names
    assert [point.name for point in find_points(network, IMAGES, depth=depth, gain=2.0)] == names


def test_the_mode_of_the_network_is_the_mode_recorded() -> None:
    class Auxiliary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.aux, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            features = self.conv(images)
            return self.head(self.aux(features) if self.training else features)

    network = Auxiliary()
    assert [point.name for point in find_points(network.train(), IMAGES)] == ["conv", "aux"]
    assert [point.name for point in find_points(network.eval(), IMAGES)] == ["conv"]


NO_WEIGHT = "no trainable parameter comes before it, so that a loss there reaches no weight"
OUTPUT_AGAIN = "it is the output in another size or layout, so that a loss there is the output loss again"


def test_what_no_parameter_made_is_no_point() -> None:
    network = nn.Sequential(nn.ZeroPad2d(1), nn.AvgPool2d(2), nn.BatchNorm2d(3, affine=False), nn.Conv2d(3, 4, 1))
    points = find_points(nn.Sequential(*network, nn.ReLU(), nn.Conv2d(4, 2, 1)), IMAGES)
    assert [point.name for point in points] == ["3", "4"]
    assert points.left_out == dict.fromkeys("012", NO_WEIGHT)


def test_frozen_parameters_do_not_count() -> None:
    network = residual()
    network[0].requires_grad_(False)
    network[1].conv1.requires_grad_(False)
    points = find_points(network, IMAGES)
    assert points.left_out == {"0": NO_WEIGHT, "1.conv1": NO_WEIGHT}
    assert [point.parameters for point in points[:2]] == [8 + 8, 8 + 8 + 8 * 8 + 8]
    assert points.unused == ()


def test_a_network_without_points_says_why_when_printed() -> None:
    points = find_points(residual().requires_grad_(False), IMAGES)
    assert str(points).splitlines()[:2] == ["(no points)", f"0: {NO_WEIGHT}"]
    assert len(points) == 0


def test_parameters_of_another_branch_do_not_count() -> None:
    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.pool, self.head = nn.Conv2d(3, 4, 1), nn.AvgPool2d(2, 1), nn.Conv2d(7, 2, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.head(torch.cat([self.conv(images)[..., :-1, :-1], self.pool(images)], dim=1))

    points = find_points(Late(), IMAGES)
    assert [point.name for point in points] == ["conv"]
    assert points.left_out == {"pool": NO_WEIGHT}


class Tailed(nn.Module):
    def __init__(self, tail: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.stem, self.head, self.tail = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 6, 1), tail

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.tail(self.head(self.stem(images).relu()))


@pytest.mark.parametrize(
    "tail",
    [
        lambda logits: logits[..., :5, :7],
        lambda logits: F.pad(logits, (0, 1, 0, 1)),
        lambda logits: F.interpolate(logits, scale_factor=2, mode="bilinear"),
        lambda logits: F.interpolate(logits, size=(20, 20), mode="nearest")[..., :16, :16],
        lambda logits: logits.permute(0, 2, 3, 1).contiguous(),
        lambda logits: logits.flatten(2).transpose(1, 2),
        lambda logits: logits.half().float(),
    ],
)
def test_the_output_in_another_size_or_layout_is_no_point(tail: Callable[[torch.Tensor], torch.Tensor]) -> None:
    points = find_points(Tailed(tail), IMAGES)
    assert [point.name for point in points] == ["stem"]
    assert points.left_out == {"head": OUTPUT_AGAIN}


@pytest.mark.parametrize(
    "tail",
    [
        nn.Conv2d(6, 2, 1),
        lambda features: features[:, :3],
        lambda features: F.pixel_shuffle(features[:, :4], 2),
        lambda features: features.mean((2, 3)),
        lambda features: features.relu(),
        lambda features: features.flatten(2)[..., 0],
        lambda features: features + F.interpolate(features[..., ::2, ::2], scale_factor=2),
    ],
)
def test_what_something_else_happens_to_is_a_point(tail: Callable[[torch.Tensor], torch.Tensor]) -> None:
    assert "head" in {point.name for point in find_points(Tailed(tail), IMAGES)}


def test_logits_that_are_read_by_weights_too_are_a_point() -> None:
    class Refined(Tailed):
        def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
            coarse = self.head(self.stem(images))
            return [self.tail(coarse), F.interpolate(coarse, scale_factor=2)]

    points = find_points(Refined(nn.Conv2d(6, 2, 1)), IMAGES)
    assert [point.name for point in points] == ["stem", "head"]


def test_the_last_features_of_a_classifier_are_points() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    points = find_points(network, IMAGES)
    assert [point.name for point in points] == ["0", "1", "2", "3"]
    assert points.left_out == {}


def test_a_head_that_is_only_resized_ends_no_block() -> None:
    class Head(nn.Sequential):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return F.interpolate(super().forward(images), scale_factor=2)

    def pair(last: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, last, 1))

    points = find_points(Head(nn.Conv2d(3, 4, 3, 2, 1), pair(4), pair(4), pair(2)), IMAGES)
    assert [point.rules["blocks"] for point in points.blocks] == ["end of block 1 of 2", "end of block 2 of 2"]
    assert points.left_out == {"3": OUTPUT_AGAIN}


def test_the_padded_deeplab_offers_neither_its_padded_input_nor_its_uncropped_logits() -> None:
    pytest.importorskip("segmentation_models_pytorch")
    points = find_points(create("deeplabv3plus_resnet18", 11), torch.zeros(2, 3, 180, 240))
    assert points.left_out == {"network.encoder[0]": NO_WEIGHT, "network": OUTPUT_AGAIN}
    assert points[0].parameters > 0


def test_tied_weights_are_counted_once() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1))
    network[1].weight = network[0].weight
    points = find_points(network, torch.randn(2, 4, 8, 8))
    assert points[1].parameters == 16 + 4 + 4


def test_a_point_prints_in_one_short_line() -> None:
    point = next(point for point in find_points(residual(), IMAGES) if point.name == "1")
    assert repr(point) == f"Point('1', 8x8x8 map, {100 * point.depth:.0f} % deep)"


def test_a_signal_of_one_row_is_measured_by_its_columns() -> None:
    network = nn.Sequential(nn.Conv1d(2, 4, 2, 2), nn.Conv1d(4, 4, 2, 2), nn.Conv1d(4, 2, 1))
    points = find_points(network, torch.zeros(2, 2, 64))
    assert [(point.size, point.scale) for point in points] == [((1, 32), 1 / 2), ((1, 16), 1 / 4)]


def test_the_table_prints_aligned_and_goes_to_pandas() -> None:
    points = find_points(residual(), IMAGES)
    lines = str(points).splitlines()
    assert len(lines) == len(points) + 1
    assert lines[0].split() == list(points.to_dataframe().columns)
    assert lines[0].index("rules") == lines[1].index("downsampling")
    assert "1/2" in lines[1]
    assert isinstance(points[:2], Points)
    assert repr(points).startswith(f"Points({len(points)} points, 2 of them block outputs, recorded with fake tensors")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            lambda x: (x * 255).byte(),
            TypeError,
            r"torch.uint8 on cpu .* torch.float32 on cpu; .*; call images.*div\(255\)",
        ),
        (
            lambda x: x.double(),
            TypeError,
            r"torch.float64 on cpu and a network of torch.float32 .*; call images.to\('cpu', ",
        ),
        (lambda x: x.numpy(), TypeError, r"got images of type ndarray; a network takes tensors; .* torch.as_tensor"),
        (lambda x: x[0], ValueError, r"got an input \(3, 16, 16\) that leaves .* batch; .*; pass images\[None\]"),
    ],
    ids=["bytes", "double", "numpy", "no batch"],
)
def test_inputs_that_no_point_can_be_found_with_are_told(change, error, words) -> None:
    with pytest.raises(error, match=words):
        find_points(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1)), change(IMAGES))


def test_ids_of_words_are_inputs() -> None:
    network = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    ids = torch.zeros(2, 7, dtype=torch.int64)
    assert isinstance(find_points(network, ids), Points)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        find_points(network.insert(1, nn.Linear(3, 4)), ids)
    with pytest.raises(
        TypeError, match=r"torch.int64 on meta and a network of torch.float32 on cpu; .* images.to\('cpu'\)$"
    ):
        explain(RuntimeError("tensors on more than one device"), network, [ids.to("meta")])


def test_what_is_no_network_has_no_points() -> None:
    with pytest.raises(TypeError, match=r"got a function for a network; points are .*; pass the nn.Module itself"):
        find_points(lambda images: images, IMAGES)


def test_weights_without_a_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"weight 'weight' has no shape yet.*call the network once"):
        find_points(nn.LazyConv2d(4, 1), IMAGES)


def test_what_a_network_takes_beside_images_is_not_blamed() -> None:
    class Sized(torch.nn.Conv2d):
        def forward(self, images: torch.Tensor, size: object = None) -> torch.Tensor:
            return super().forward(images)[..., : size + 0]  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand"):
        find_points(Sized(3, 4, 1), torch.zeros(2, 3, 8, 8), None)
