"""Capture: what hooks do to a network, under everything PyTorch can do with one, and after they are gone."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from imachsr.points import Capture, choose_points, find_points

IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels)
        self.conv2, self.relu = nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.relu(features + self.conv2(self.relu(self.bn1(self.conv1(features)))))


class Small(nn.Module):
    def __init__(self, reentrant: bool | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.head = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 4, 1)
        self.blocks = nn.ModuleList(Block(8) for _ in range(3))
        self.reentrant = reentrant

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.stem(images)
        for block in self.blocks:
            if self.reentrant is None or not self.training:
                features = block(features)
            else:
                features = checkpoint(block, features, use_reentrant=self.reentrant)
        return self.head(features)


class Trainee(nn.Module):
    """The least that trains with captured features."""

    def __init__(self, network: nn.Module, count: int = 3, names: list[str] | None = None) -> None:
        super().__init__()
        self.network = network
        points = choose_points(find_points(network, IMAGES), len(names) if names else count, names=names)
        self.capture = Capture(network, points)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.network(images)
        return logits.square().mean() + sum(features.square().mean() for features in self.capture.read())


def gradients(module: nn.Module) -> list[torch.Tensor]:
    return [parameter.grad for parameter in module.parameters()]


def test_every_point_as_the_network_computes_it() -> None:
    network = Small().eval()
    points = choose_points(find_points(network, IMAGES), 3)
    assert [point.name for point in points] == ["blocks.0", "blocks.1", "blocks.2"]
    capture = Capture(network, points)
    network(IMAGES)
    expected = network.stem(IMAGES)
    for block, features in zip(network.blocks, capture.read(), strict=True):
        expected = block(expected)
        assert torch.equal(features, expected)


def test_features_are_read_once() -> None:
    trainee = Trainee(Small())
    trainee(IMAGES)
    with pytest.raises(RuntimeError, match=r"got no features at point 'blocks.0'"):
        trainee.capture.read()


def test_the_state_dict_and_parameters_are_the_networks_own() -> None:
    network, plain = Small(), Small()
    Trainee(network)
    assert list(network.state_dict()) == list(plain.state_dict())
    assert len(list(network.modules())) == len(list(plain.modules()))


def test_compiled_as_one_graph() -> None:
    trainee, twin = (Trainee(Small(), names=["blocks.0.bn1", "blocks.1"]) for _ in range(2))
    compiled = torch.compile(trainee, fullgraph=True, backend="aot_eager")
    for _ in range(2):
        loss, expected = compiled(IMAGES), twin(IMAGES)
        loss.backward()
        expected.backward()
        torch.testing.assert_close(loss, expected)
    for got, wanted in zip(gradients(trainee), gradients(twin), strict=True):
        torch.testing.assert_close(got, wanted)


def test_a_compiled_step_is_compiled_once() -> None:
    trainee = Trainee(Small(), names=["blocks.0.relu#2", "blocks.1"])
    compiled = torch.compile(trainee, fullgraph=True, backend="aot_eager")
    compiled(IMAGES).backward()
    with torch._dynamo.config.patch(error_on_recompile=True):
        for _ in range(2):
            compiled(IMAGES).backward()


def test_a_compiled_network_is_refused() -> None:
    network = Small()
    points = find_points(network, IMAGES)[:1]
    compiled = torch.compile(network, backend="eager")
    with pytest.raises(ValueError, match="compiled network; hooks added after compiling capture nothing"):
        Capture(compiled, points)
    with pytest.raises(ValueError, match="compiled network; hooks added after compiling capture nothing"):
        find_points(compiled, IMAGES)


def test_autocast_features_keep_the_precision_of_the_network() -> None:
    trainee = Trainee(Small())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trainee.network(IMAGES)
        features = trainee.capture.read()
        loss = trainee(IMAGES)
    assert {tensor.dtype for tensor in features} == {torch.bfloat16}
    loss.backward()
    assert all(gradient.isfinite().all() for gradient in gradients(trainee))


def test_a_deep_copy_captures_for_itself() -> None:
    trainee = Trainee(Small())
    trainee.network(IMAGES)  # unread features must not hinder the copy
    twin = copy.deepcopy(trainee)
    twin.network(2 * IMAGES)
    ours, theirs = trainee.capture.read(), twin.capture.read()
    assert not any(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    twin.capture.remove()
    trainee(IMAGES)
    twin.network(IMAGES)
    with pytest.raises(RuntimeError, match="got no features"):
        twin.capture.read()


def test_a_naive_closure_writes_into_the_original() -> None:
    network, kept = Small(), []
    network.stem.register_forward_hook(lambda module, args, output: kept.append(output))
    copy.deepcopy(network)(IMAGES)
    assert len(kept) == 1, "what our copy must not do"


def test_pickling_with_hooks_and_the_state_alone() -> None:
    trainee = Trainee(Small())
    loss = trainee(IMAGES)
    twin = pickle.loads(pickle.dumps(trainee))
    assert torch.equal(twin(IMAGES), trainee(IMAGES))
    other = Trainee(Small())
    other.load_state_dict(pickle.loads(pickle.dumps(trainee.state_dict())))
    assert loss.isfinite()


def test_gradients_accumulate_over_steps() -> None:
    trainee = Trainee(Small().eval())
    trainee(IMAGES).backward()
    once = [gradient.clone() for gradient in gradients(trainee)]
    trainee(IMAGES).backward()
    for gradient, single in zip(gradients(trainee), once, strict=True):
        torch.testing.assert_close(gradient, 2 * single)


def test_checkpointing_without_reentry_gives_the_same_gradients() -> None:
    plain, saving = Trainee(Small()), Trainee(Small())
    saving.network.reentrant = False
    for trainee in (plain, saving):
        for _ in range(2):  # what fires again during backward must not reach the next step
            trainee(IMAGES).backward()
    for got, wanted in zip(gradients(saving), gradients(plain), strict=True):
        torch.testing.assert_close(got, wanted)


def test_checkpointing_with_reentry_is_refused_where_it_would_teach_nothing() -> None:
    trainee = Trainee(Small(), names=["blocks.1"])
    trainee.network.reentrant = True
    with pytest.raises(RuntimeError, match=r"point 'blocks.1'.*without gradients.*use_reentrant=False"):
        trainee(IMAGES.clone().requires_grad_())


def test_points_inside_reentrant_checkpoints_are_not_offered() -> None:
    offered = [point.name for point in find_points(Small(reentrant=True), IMAGES)]
    assert offered == ["stem"]


def test_without_gradients_features_can_still_be_looked_at() -> None:
    trainee = Trainee(Small().eval())
    with torch.no_grad():
        trainee.network(IMAGES)
        assert len(trainee.capture.read()) == 3
    with torch.inference_mode():
        trainee.network(IMAGES)
        assert len(trainee.capture.read()) == 3


def test_features_changed_in_place_in_another_mode_are_an_error() -> None:
    class Fickle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            features = self.conv(images)
            return self.head(features.relu_() if self.training else features.relu())

    network = Fickle().eval()
    capture = Capture(network, find_points(network, IMAGES)[:1])
    network.train()(IMAGES)
    with pytest.raises(RuntimeError, match=r"'conv' that were changed in place.*find_points again in the mode"):
        capture.read()


def test_points_of_another_network_are_refused() -> None:
    points = find_points(Small(), IMAGES)[:1]
    with pytest.raises(ValueError, match="got point 'stem'; this network has no module 'stem'"):
        Capture(nn.Conv2d(3, 4, 1), points)


def test_a_released_network_is_the_network_that_came() -> None:
    network, plain = Small().eval(), Small().eval()
    before = everything(network)
    trainee = Trainee(network)
    trainee(IMAGES).backward()
    trainee.capture.remove()
    network.zero_grad(set_to_none=True)
    after = everything(network)
    assert after == before == everything(plain)


def everything(network: nn.Module) -> tuple[object, ...]:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        output = network(IMAGES)
    graph = torch.export.export(network, (IMAGES,)).graph_module.code
    hooks = [(list(m._forward_hooks), list(m._forward_pre_hooks), list(m._backward_hooks)) for m in network.modules()]
    size = sum(parameter.numel() for parameter in network.parameters())
    return output.numpy().tobytes(), tuple(network.state_dict()), size, counter.get_total_flops(), hooks, graph


def test_points_of_a_network_of_another_width_are_refused() -> None:
    def network(width: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, width, 1), nn.ReLU(), nn.Conv2d(width, 2, 1))

    images = torch.zeros(2, 3, 4, 4)
    wider = network(16)
    capture = Capture(wider, find_points(network(8), images)[:1])
    wider(images)
    with pytest.raises(
        ValueError, match=r"got 16 channels at point '0', found with 8; .*; call find_points on this one"
    ):
        capture.read()
