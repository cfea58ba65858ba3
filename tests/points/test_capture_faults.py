"""The eight silent faults of capturing features: a naive hook commits each, ours does not."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from imachsr.points import Capture, find_points

IMAGES = torch.randn(2, 3, 8, 16, generator=torch.Generator().manual_seed(0))


def naive(network: nn.Module, images: torch.Tensor) -> list[tuple[str, object]]:
    """What everybody writes: a hook on every module that keeps what it returned."""
    kept: list[tuple[str, object]] = []
    handles = [
        module.register_forward_hook(lambda module, args, output, path=path: kept.append((path, output)))
        for path, module in network.named_modules()
    ]
    network(images)
    for handle in handles:
        handle.remove()
    return kept


def captured(network: nn.Module, images: torch.Tensor, *names: str) -> list[torch.Tensor]:
    points = {point.name: point for point in find_points(network, images)}
    capture = Capture(network, [points[name] for name in names])
    network(images)
    features = capture.read()
    capture.remove()
    return features


def test_one_tensor_returned_by_several_modules_is_one_point() -> None:
    network = nn.Sequential(nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1)), nn.Identity()), nn.Conv2d(4, 2, 1))
    records = [output for path, output in naive(network, IMAGES) if path not in ("", "1")]
    assert len(records) == 4
    assert len({id(record) for record in records}) == 1
    points = find_points(network, IMAGES)
    assert [point.name for point in points] == ["0"]
    assert set(points[0].aliases) == {"0.0", "0.0.0", "0.1"}


def test_features_changed_in_place_later_are_handed_out_as_they_were() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 2, 1))
    truth = network[1](network[0](IMAGES))
    kept = dict(naive(network, IMAGES))
    assert kept["1"].min() >= 0, "the naive hook reads normalized features after the ReLU"
    (features,) = captured(network, IMAGES, "1")
    torch.testing.assert_close(features, truth, rtol=0, atol=1e-6)
    assert features.min() < 0


def test_a_write_to_a_view_counts_as_a_change_too() -> None:
    class Halved(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            features = self.conv(images)
            features[:, :2].mul_(0.5)
            return self.head(features)

    network = Halved()
    truth = network.conv(IMAGES)
    assert not torch.equal(dict(naive(network, IMAGES))["conv"], truth)
    assert torch.equal(captured(network, IMAGES, "conv")[0], truth)


class Repeated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)
        self.relu = nn.ReLU()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.relu(self.second(self.relu(self.first(images)))))


def test_each_call_of_a_module_has_its_own_name() -> None:
    network = Repeated()
    early = network.relu(network.first(IMAGES))
    late = network.relu(network.second(early))
    assert torch.equal(dict(naive(network, IMAGES))["relu"], late), "the naive hook keeps the last call only"
    features = captured(network, IMAGES, "relu", "relu#2")
    assert torch.equal(features[0], early)
    assert torch.equal(features[1], late)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 2)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.embed(images).flatten(2).transpose(1, 2)
        return self.head(self.attention(tokens, tokens, tokens, need_weights=False)[0])


def test_modules_that_are_never_called_are_no_points_though_their_weights_are_used() -> None:
    network = Attention()
    assert "attention.out_proj" not in dict(naive(network, IMAGES)), "a naive hook there waits for ever"
    points = find_points(network, IMAGES)
    assert "attention.out_proj" not in {name for point in points for name in (point.name, *point.aliases)}
    assert "attention.out_proj.weight" not in points.unused


def test_a_point_that_does_not_fire_is_an_error_that_names_it() -> None:
    network = Repeated()
    points = [point for point in find_points(network, IMAGES) if point.name == "relu#2"]
    network.forward = lambda images: network.head(network.relu(network.first(images)))
    capture = Capture(network, points)
    network(IMAGES)
    with pytest.raises(RuntimeError, match=r"got no features at point 'relu#2'.*must fire.*run the network before"):
        capture.read()
    network(IMAGES)
    assert capture.read(skipped=True) == [None]


class Pyramid(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, images: torch.Tensor) -> dict[str, object]:
        features = self.conv(images)
        return {"fine": features * 2, "coarse": (torch.nn.functional.avg_pool2d(features, 2),)}


class Pyramidal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pyramid, self.head = Pyramid(), nn.Conv2d(4, 2, 1)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        maps = self.pyramid(images)
        return {"out": self.head(maps["fine"]), "aux": self.head(maps["coarse"][0])}


def test_tensors_are_found_inside_tuples_lists_and_dicts() -> None:
    network = Pyramidal()
    assert isinstance(dict(naive(network, IMAGES))["pyramid"], dict), "a naive hook hands a dict to the adapter"
    fine, coarse = captured(network, IMAGES, "pyramid[fine]", "pyramid[coarse][0]")
    assert torch.equal(fine, network.pyramid.conv(IMAGES) * 2)
    assert coarse.shape == (2, 4, 4, 8)


def test_keys_may_be_numbers_and_objects_may_hold_tensors() -> None:
    @dataclass
    class Maps:
        fine: torch.Tensor
        rest: dict[int, torch.Tensor]

    class Numbered(Pyramid):
        def forward(self, images: torch.Tensor) -> Maps:
            maps = super().forward(images)
            return Maps(maps["fine"], {7: maps["coarse"][0]})

    class Holding(Pyramidal):
        def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
            maps = self.pyramid(images)
            return {"out": self.head(maps.fine), "aux": self.head(maps.rest[7])}

    network = Holding()
    network.pyramid = Numbered()
    fine, coarse = captured(network, IMAGES, "pyramid[fine]", "pyramid[rest][7]")
    assert torch.equal(fine, network.pyramid.conv(IMAGES) * 2)
    assert coarse.shape == (2, 4, 4, 8)


def test_a_tensor_that_is_not_returned_any_more_is_an_error_that_names_it() -> None:
    network = Pyramidal()
    capture = Capture(network, [point for point in find_points(network, IMAGES) if point.name == "pyramid[fine]"])
    network.pyramid.forward = lambda images: {"coarse": (network.pyramid.conv(images),)}
    network.forward = lambda images: network.head(network.pyramid(images)["coarse"][0])
    network(IMAGES)
    with pytest.raises(RuntimeError, match=r"got no features at point 'pyramid\[fine\]'"):
        capture.read()


class Registers(nn.Module):
    """Eight image tokens of a 2 x 4 grid behind one class and seven register tokens: sixteen, a perfect square."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.block, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8), nn.Linear(8, 2)
        self.extra = nn.Parameter(torch.randn(1, 8, 8))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.embed(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.extra.expand(len(images), -1, -1), tokens], dim=1)
        return self.head(self.block(tokens)[:, 0])


def test_the_grid_of_tokens_is_learned_not_guessed() -> None:
    network = Registers()
    kept = dict(naive(network, IMAGES))["block"]
    guessed = kept.transpose(1, 2).reshape(2, 8, 4, 4)  # the square root of sixteen
    truth = network.block(network.embed(IMAGES).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    assert guessed.shape != truth.shape
    (features,) = captured(network, IMAGES, "block")
    torch.testing.assert_close(features, truth)


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.aside, self.frozen, self.head = (nn.Conv2d(3, 3, 1) for _ in range(4))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.conv(images)
        with torch.no_grad():
            bias = self.frozen(images)
        return self.head(features) + self.aside(features).detach().mean() + bias


def test_tensors_without_a_gradient_path_to_the_output_are_no_points() -> None:
    network = Detached()
    assert {"aside", "frozen"} <= dict(naive(network, IMAGES)).keys()
    assert [point.name for point in find_points(network, IMAGES)] == ["conv", "head"]


def test_parameters_the_network_never_uses_are_told() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1))
    network[0].spare = nn.Linear(2, 2)
    network(IMAGES).sum().backward()
    idle = tuple(name for name, parameter in network.named_parameters() if parameter.grad is None)
    assert idle == ("0.spare.weight", "0.spare.bias")
    assert find_points(network, IMAGES).unused == idle
