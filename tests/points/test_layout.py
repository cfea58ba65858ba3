"""Every layout comes back to (B, C, h, w) exactly, on a grid that is not square."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from imachsr.points import Capture, find_points

IMAGES = torch.randn(2, 3, 16, 48, generator=torch.Generator().manual_seed(0))  # behind 4x4 patches, a 4 x 12 grid
CHANNELS = 6


def tokens(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)


def surrounded(maps: Tensor, before: int, after: int) -> Tensor:
    extra = torch.ones(1, before + after, CHANNELS).expand(len(maps), -1, -1)
    return torch.cat([extra[:, :before], tokens(maps), extra[:, before:]], dim=1)


def windows(maps: Tensor) -> Tensor:
    batch, channels, height, width = maps.shape
    split = maps.permute(0, 2, 3, 1).reshape(batch, height // 2, 2, width // 3, 3, channels)
    return split.permute(0, 1, 3, 2, 4, 5).reshape(-1, 6, channels)


def unwindowed(maps: Tensor) -> Tensor:
    return maps.view(-1, 2, 4, 2, 3, CHANNELS).transpose(2, 3).flatten(1, 2).flatten(2, 3)


def grid(maps: Tensor) -> Tensor:
    """Windows of places far apart."""
    batch, channels, height, width = maps.shape
    split = maps.permute(0, 2, 3, 1).reshape(batch, 2, height // 2, 3, width // 3, channels)
    return split.permute(0, 2, 4, 1, 3, 5).reshape(-1, 6, channels)


ARRANGEMENTS: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "map": ("map", lambda maps: maps * 1.0),
    "channels last": ("channels_last", lambda maps: maps.permute(0, 2, 3, 1)),
    "tokens": ("tokens", tokens),
    "tokens behind a class token": ("tokens", lambda maps: surrounded(maps, 1, 0)),
    "tokens among class and register tokens": ("tokens", lambda maps: surrounded(maps, 5, 2)),
    "tokens after those in front are dropped": ("tokens", lambda maps: surrounded(maps, 5, 0)[:, 5:]),
    "tokens split from those around them": ("tokens", lambda maps: surrounded(maps, 5, 2).split([5, 48, 2], 1)[1]),
    "the sequence before the batch": ("tokens", lambda maps: tokens(maps).transpose(0, 1)),
    "channels before tokens": ("tokens", lambda maps: maps.flatten(2)),
    "heads apart": ("tokens", lambda maps: tokens(maps).unflatten(2, (2, 3)).transpose(1, 2)),
    "batch and sequence in one": ("windows", lambda maps: tokens(maps).flatten(0, 1)),
    "windows": ("windows", windows),
    "windows put back": ("channels_last", lambda maps: unwindowed(windows(maps))),
    "grid of far places": ("windows", grid),
    "shifted windows": ("windows", lambda maps: windows(torch.roll(maps, (-1, -2), (2, 3)))),
    "rolled": ("tokens", lambda maps: torch.roll(maps, (1, 3), (2, 3))),
    "pooled": ("vector", lambda maps: maps.mean((2, 3))),
}  # fmt: skip


class Arrange(nn.Module):
    def __init__(self, arrange: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.arrange = arrange

    def forward(self, maps: Tensor) -> Tensor:
        return self.arrange(maps)


class Arranged(nn.Module):
    def __init__(self, arrange: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.embed, self.arranged = nn.Conv2d(3, CHANNELS, 4, 4), Arrange(arrange)

    def forward(self, images: Tensor) -> Tensor:
        return self.arranged(self.embed(images)).square().sum()


@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_every_arrangement_is_undone(name: str) -> None:
    kind, arrange = ARRANGEMENTS[name]
    network = Arranged(arrange)
    points = {point.name: point for point in find_points(network, IMAGES)}
    assert points["arranged"].layout.kind == kind
    capture = Capture(network, [points["embed"], points["arranged"]])
    for count in (2, 3):  # another batch than the recorded one
        network(torch.randn(count, 3, 16, 48))
        maps, features = capture.read()
        truth = maps.mean((2, 3), keepdim=True) if kind == "vector" else maps
        assert torch.equal(features, truth)


def test_what_was_in_front_is_told() -> None:
    points = find_points(Arranged(ARRANGEMENTS["tokens among class and register tokens"][1]), IMAGES)
    assert points[-1].layout.skipped == 5


def test_a_map_may_change_its_size_but_tokens_may_not() -> None:
    larger = torch.randn(2, 3, 32, 48)
    for name in ("map", "channels last"):
        network = Arranged(ARRANGEMENTS[name][1])
        capture = Capture(network, find_points(network, IMAGES)[1:])
        network(larger)
        assert capture.read()[0].shape == (2, CHANNELS, 8, 12)
    network = Arranged(tokens)
    capture = Capture(network, find_points(network, IMAGES)[1:])
    network(larger)
    with pytest.raises(ValueError, match=r"shape \(2, 96, 6\).*tokens of \(-1, 48, 6\).*images of this size"):
        capture.read()


@pytest.mark.parametrize("named", [False, True])
def test_as_many_tokens_of_another_grid_are_refused(named: bool) -> None:
    network = Arranged(tokens)
    capture = Capture(network, find_points(network, IMAGES)[1:])
    network(images=IMAGES.mT) if named else network(IMAGES.mT)
    with pytest.raises(
        ValueError, match=r"inputs of shape \[\(2, 3, 48, 16\)\] where .* \[\(-1, -1, 16, 48\)\] were .*images of"
    ):
        capture.read()


class Told(Arranged):
    """Images and words about them."""

    def forward(self, images: Tensor, words: Tensor | None = None) -> Tensor:
        return super().forward(images) + (0 if words is None else words.sum())


def test_what_else_a_network_is_told_may_be_of_any_length() -> None:
    network = Told(tokens)
    capture = Capture(network, find_points(network, IMAGES, torch.ones(2, 5))[1:])
    for more in ((torch.ones(2, 7),), ()):
        network(IMAGES, *more)
        assert capture.read()[0].shape == (2, CHANNELS, 4, 12)
    network(words=torch.ones(2, 7), images=IMAGES)
    assert capture.read()[0].shape == (2, CHANNELS, 4, 12)


def padded(maps: Tensor) -> Tensor:
    """Rolled by one, then padded to whole windows, as in a Swin on an odd grid."""
    return nn.functional.pad(torch.roll(maps, (-1, -1), (2, 3)), (0, 1, 0, 1))


def put_elsewhere(maps: Tensor) -> Tensor:
    turned = torch.zeros_like(maps)
    turned[:, :, torch.arange(3, -1, -1)] = maps
    return turned


LOST: dict[str, Callable[[Tensor], Tensor]] = {
    "thinned": lambda maps: tokens(maps)[:, ::3],
    "in another order": lambda maps: tokens(maps)[:, torch.arange(47, -1, -1)],
    "chosen": lambda maps: tokens(maps).index_select(1, torch.arange(48).roll(5)),
    "gathered": lambda maps: tokens(maps).gather(1, torch.arange(48).roll(5)[None, :, None].expand(len(maps), 48, 6)),
    "sorted": lambda maps: tokens(maps).sort(1)[0],
    "sorted by name": lambda maps: torch.sort(tokens(maps), dim=1, stable=True)[0],
    "the largest": lambda maps: maps.topk(4, 2)[0],
    "the largest columns": lambda maps: maps.topk(12)[0],
    "put elsewhere": put_elsewhere,
    "copied over": lambda maps: maps.index_copy(2, torch.arange(2), maps[:, :, 2:]),
    "turned": lambda maps: maps.rot90(2, (2, 3)),
    "images in another order": lambda maps: maps[torch.arange(len(maps) - 1, -1, -1)],
    "rolled, then padded": padded,
    "rolled, then cut": lambda maps: torch.roll(maps, (-1, -1), (2, 3))[:, :, :3],
}


@pytest.mark.parametrize("name", LOST)
def test_what_lies_in_an_unknown_order_keeps_no_false_grid(name: str) -> None:
    why = dict(find_points(Arranged(LOST[name]), IMAGES).left_out)
    unknown = "one of its dimensions is neither batch, channels, rows nor columns"
    assert why == {"arranged": "its axes could not be followed" if name == "put elsewhere" else unknown}


@pytest.mark.parametrize(
    "arrange",
    [
        lambda maps: maps[:, torch.randperm(6)],
        lambda maps: maps.topk(3, 1)[0],
        lambda maps: torch.cat(torch.roll(maps, 1, 1).chunk(2, 1), 1),
        lambda maps: maps.masked_fill(maps > 0, 0).index_put((maps > 0,), torch.ones(())),
    ],
)
def test_channels_in_another_order_are_channels_and_a_mask_moves_nothing(arrange: Callable[[Tensor], Tensor]) -> None:
    points = find_points(Arranged(arrange), IMAGES)
    assert [*points.left_out.values()] == []
    assert points[-1].layout.kind == "map"


def test_heads_beside_columns_are_no_finer_grid() -> None:
    points = find_points(Arranged(lambda maps: maps.permute(0, 2, 3, 1).reshape(len(maps), 4, 36, 2)), IMAGES)
    assert (points[-1].size, points[-1].channels) == ((4, 1), 72), "columns are folded into channels, rows stay rows"


def finer(maps: Tensor) -> Tensor:
    """Depth to space, written out: (B, C, h, w) to (B, C/6, 2h, 3w)."""
    batch, channels, height, width = maps.shape
    split = maps.view(batch, channels // 6, 2, 3, height, width).permute(0, 1, 4, 2, 5, 3)
    return split.reshape(batch, channels // 6, 2 * height, 3 * width)


class Finer(nn.Module):
    def __init__(self, last: bool) -> None:
        super().__init__()
        self.embed, self.conv, self.head = nn.Conv2d(3, 24, 4, 4), nn.Conv2d(4, 5, 3, padding=1), nn.Conv2d(5, 2, 1)
        self.arranged = Arrange((lambda maps: finer(maps).permute(0, 2, 3, 1)) if last else finer)
        self.last = last

    def forward(self, images: Tensor) -> Tensor:
        maps = self.arranged(self.embed(images))
        return self.head(self.conv(maps.permute(0, 3, 1, 2) if self.last else maps).relu())


@pytest.mark.parametrize("last", [False, True])
def test_depth_to_space_is_a_finer_grid(last: bool) -> None:
    found = {point.name: point for point in find_points(Finer(last), IMAGES)}
    assert [*found] == ["embed", "arranged", "conv"]
    assert found["arranged"].size == found["conv"].size == (8, 36)
    assert found["arranged"].layout.kind == ("channels_last" if last else "map")


class Attended(nn.Module):
    """Attention written out: queries and keys meet in a matrix of places by places."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.softmax = nn.Conv2d(3, 6, 4, 4), nn.Softmax(-1)
        self.queries, self.keys = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, images: Tensor) -> Tensor:
        sequence = tokens(self.embed(images))
        weights = self.softmax(self.queries(sequence) @ self.keys(sequence).transpose(1, 2))
        return (weights @ sequence).sum()


def test_what_cannot_be_read_as_features_is_left_out_with_the_reason() -> None:
    points = find_points(Attended(), IMAGES)
    assert [point.name for point in points] == ["embed", "queries", "keys"]
    assert dict(points.left_out) == {"softmax": "positions appear twice in it, as in an attention map"}
