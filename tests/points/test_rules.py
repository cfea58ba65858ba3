"""The seven transition rules on networks where the answer is known."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imachsr.points import RULES, Point, find_points

IMAGES = torch.zeros(2, 3, 16, 16)


def judged(network: nn.Module, images: Tensor = IMAGES) -> dict[str, Point]:
    return {point.name: point for point in find_points(network, images)}


def meeting(points: dict[str, Point], rule: str) -> dict[str, str]:
    return {name: point.rules[rule] for name, point in points.items() if rule in point.rules}


def test_before_and_after_downsampling_by_whatever_does_it() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 2, 2),
        nn.Conv2d(4, 4, 1), nn.PixelUnshuffle(2), nn.Conv2d(16, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 2, 1),
    )  # fmt: skip
    assert meeting(judged(network), "downsampling") == {
        "0": "before max_pool2d_with_indices takes 16x16 to 8x8",
        "1": "before max_pool2d_with_indices takes 16x16 to 8x8",
        "2": "after max_pool2d_with_indices takes 16x16 to 8x8",
        "3": "before convolution takes 8x8 to 4x4",
        "4": "after convolution takes 8x8 to 4x4",
        "5": "before pixel_unshuffle takes 4x4 to 2x2",
        "6": "after pixel_unshuffle takes 4x4 to 2x2",
    }


class Merging(nn.Module):
    """Downsampling without any strided operation: neighbours become channels."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.merge, self.head = nn.Conv2d(3, 4, 1), nn.Linear(16, 4), nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.embed(images).permute(0, 2, 3, 1)
        batch, height, width, channels = maps.shape
        split = maps.reshape(batch, height // 2, 2, width // 2, 2, channels)
        return self.head(self.merge(split.permute(0, 1, 3, 4, 2, 5).flatten(3)))


def test_downsampling_by_rearrangement() -> None:
    points = judged(Merging())
    assert points["merge"].size == (8, 8)
    assert set(meeting(points, "downsampling")) == {"embed"}


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(channels, channels, 3, padding=1), nn.Conv2d(channels, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(maps + self.conv2(F.relu(self.conv1(maps))))


def test_blocks_are_found_through_stages_and_wrappers() -> None:
    stages = nn.Sequential(nn.Sequential(Residual(4), Residual(4)), nn.Sequential(Residual(4), Residual(4)))
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(stages), nn.Conv2d(4, 2, 1))
    assert meeting(judged(network), "blocks") == {
        "1.0.0.0": "end of block 1 of 4",
        "1.0.0": "end of block 2 of 4",
        "1.0.1.0": "end of block 3 of 4",
        "1": "end of block 4 of 4",
    }


def test_a_plain_chain_has_no_blocks() -> None:
    points = judged(nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(5))))
    assert meeting(points, "blocks") == {}


class Parallel(nn.Module):
    """Two branches kept apart, as in a high-resolution network; each hands on a map, and a weight that nobody reads."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(first, 4, 1), nn.Conv2d(4, 4, 2, 2)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        fine, coarse = self.fine(maps[0]), maps[1]
        return [fine + F.interpolate(coarse, scale_factor=2), coarse + self.coarse(fine), fine.mean()]


class HighResolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Parallel(3), Parallel(4), Parallel(4))
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        fine, coarse, _ = self.blocks([images, images.new_zeros(2, 4, 8, 8)])
        return self.head(torch.cat([fine, F.interpolate(coarse, scale_factor=2)], dim=1))


def test_a_block_that_hands_on_several_maps_is_several_bases() -> None:
    expected = {f"blocks.{m // 2}[{m % 2}]": f"end of block {m + 1} of 6" for m in range(6)}
    assert meeting(judged(HighResolution()), "blocks") == expected


def test_of_what_a_block_returns_only_the_last_ends_it() -> None:
    class Encoding(nn.Module):
        """Hands on a map and, beside it, the finer one it was pooled from and the one that came in."""

        def __init__(self, first: int) -> None:
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(first, 4, 1), nn.Conv2d(4, 4, 1)

        def forward(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            fine = self.conv2(self.conv1(maps).relu())
            return maps, fine, F.avg_pool2d(fine, 2)

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.head = Encoding(3), Encoding(4), nn.Conv2d(4, 2, 1)

        def forward(self, images: Tensor) -> Tensor:
            _, fine, coarse = self.first(images)
            return self.head(fine + F.interpolate(sum(self.second(coarse)[1:2]), scale_factor=2))

    assert meeting(judged(Encoder()), "blocks") == {
        "first[2]": "end of block 1 of 2",
        "second.conv2": "end of block 2 of 2",
    }


def test_blocks_are_counted_among_points_alone() -> None:
    network = nn.Sequential(*(Residual(3) for _ in range(4)), nn.Conv2d(3, 2, 1))
    network[0].requires_grad_(False)
    assert set(meeting(judged(network), "blocks").values()) == {f"end of block {m} of 3" for m in (1, 2, 3)}


def test_bottlenecks_are_narrow_between_wide() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 16, 1), nn.Conv2d(16, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 16, 1),
        nn.Conv2d(16, 32, 1), nn.Conv2d(32, 2, 1),
    )  # fmt: skip
    reason = "16 channels compressed to 4, expanded to 16 after"
    assert meeting(judged(network), "bottleneck") == {"1": reason, "2": reason, "3": reason}


class Layer(nn.Module):
    """One attention layer; how the middle is computed is a choice."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.embed, self.norm, self.head = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8), nn.Linear(8, 2)
        self.qkv, self.out, self.mlp = nn.Linear(8, 24), nn.Linear(8, 8), nn.Linear(8, 8)
        self.mix = nn.Linear(1, 1)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.embed(images).flatten(2).transpose(1, 2)
        tokens = tokens.reshape(-1, 4, 8) if self.kind == "windowed" else tokens
        q, k, v = self.qkv(self.norm(tokens)).chunk(3, dim=-1)
        attended = self.out(self.attend(q, k, v))
        return self.head(self.mlp(tokens + attended))

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if self.kind == "fused":
            return F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        if self.kind == "additive":  # a score per position, one context for all of them
            scores = F.normalize(q.sum(-1, keepdim=True), dim=1)
            return F.normalize(k, dim=-1) * (scores * q).sum(1, keepdim=True)
        if self.kind == "linear":
            return q.relu() @ (k.relu().transpose(1, 2) @ v)
        weights = q @ k.transpose(1, 2)
        if self.kind == "talking":
            weights = self.mix(weights[..., None])[..., 0]
        return weights.softmax(-1) @ v


@pytest.mark.parametrize("kind", ["fused", "written out", "windowed", "linear", "talking", "additive"])
def test_attention_by_what_the_operations_do(kind: str) -> None:
    found = meeting(judged(Layer(kind)), "attention")
    assert found == {
        "embed": "before attention",
        "norm": "before attention",
        "qkv": "before attention",
        "out": "after attention",
    }


class Beside(nn.Module):
    """What attention reads, a gate reads too, earlier or later."""

    def __init__(self, *, gate_first: bool) -> None:
        super().__init__()
        self.gate_first = gate_first
        self.embed, self.gate, self.qkv, self.head = (nn.Conv2d(n, m, 1) for n, m in ((3, 8), (8, 8), (8, 24), (8, 2)))

    def forward(self, images: Tensor) -> Tensor:
        maps = self.embed(images)
        gate = self.gate(maps) if self.gate_first else None
        q, k, v = self.qkv(maps).flatten(2).transpose(1, 2).chunk(3, dim=-1)
        gate = self.gate(maps) if gate is None else gate
        attended = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        return self.head(attended.transpose(1, 2).reshape(maps.shape) * gate)


@pytest.mark.parametrize("gate_first", [True, False])
def test_before_attention_whichever_reader_comes_first(gate_first: bool) -> None:
    before = {"embed": "before attention", "qkv": "before attention"}
    assert meeting(judged(Beside(gate_first=gate_first)), "attention") == before


class Gated(nn.Module):
    """Squeeze and excitation behind an activation that is a product; then a map of gates, pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.gate, self.where, self.head = (nn.Conv2d(n, m, 1) for n, m in ((3, 4), (4, 4), (4, 1), (4, 2)))

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images)
        maps = maps * maps.sigmoid()
        maps = maps * self.gate(maps.sum((2, 3), keepdim=True)).sigmoid()
        return self.head((maps * self.where(maps).sigmoid()).sum((2, 3), keepdim=True))


def test_gates_are_no_attention() -> None:
    assert meeting(judged(Gated()), "attention") == {}


def test_products_with_weights_are_no_attention() -> None:
    assert meeting(judged(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Softmax(1), nn.Conv2d(4, 2, 1))), "attention") == {}


class EncoderDecoder(nn.Module):
    def __init__(self, *, joined: bool = True) -> None:
        super().__init__()
        self.joined = joined
        self.fine, self.coarse, self.deep = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 1)
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        fine = self.fine(images)
        up = F.interpolate(self.deep(self.coarse(fine)), scale_factor=2)
        return self.head(torch.cat([fine if self.joined else up, up], dim=1))


def test_a_skip_connection_is_a_join_with_what_came_back_from_below() -> None:
    points = judged(EncoderDecoder())
    assert meeting(points, "skip") == {"fine": "cat joins it to what came back from 4x4"}
    assert meeting(judged(EncoderDecoder(joined=False)), "skip") == {}


class Lateral(nn.Module):
    """A pyramid: an encoder map joined top-down, through a norm of its own and a projection."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU())
        self.deep = nn.Sequential(nn.Conv2d(4, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 4, 1))
        self.aside = nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        fine = self.fine(images)
        return self.head(self.aside(fine) + F.interpolate(self.deep(fine), scale_factor=2))


def test_a_skip_starts_where_the_ways_part() -> None:
    """Not before (what becomes the start), and not on the way aside."""
    assert set(meeting(judged(Lateral()), "skip")) == {"fine"}


class Detour(nn.Module):
    """A residual block whose inside works at half resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.mix = nn.Conv2d(4, 4, 2, 2), nn.Conv2d(4, 4, 1)

    def forward(self, maps: Tensor) -> Tensor:
        return maps + F.interpolate(self.mix(self.down(maps)), scale_factor=2)


def test_a_residual_block_that_works_at_a_coarser_scale_is_no_skip_connection() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), *(Detour() for _ in range(5)), nn.Conv2d(4, 2, 1))
    assert meeting(judged(network), "skip") == {}


@pytest.mark.parametrize(
    ("deep", "back", "expected"),
    [
        (nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1, padding=1), set()),  # its padding brings back what cropping took
        (nn.Conv2d(4, 4, 2, 2), nn.ConvTranspose2d(4, 4, 2, 2), {"stem"}),
    ],
)
def test_a_convolution_that_pads_does_not_raise_the_resolution(deep: nn.Module, back: nn.Module, expected: set) -> None:
    class Back(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.deep, self.back, self.head = nn.Conv2d(3, 4, 1), deep, back, nn.Conv2d(4, 2, 1)

        def forward(self, images: Tensor) -> Tensor:
            stem = self.stem(images)
            inner = stem if isinstance(self.back, nn.ConvTranspose2d) else stem[..., 1:-1, 1:-1]
            return self.head(stem + self.back(self.deep(inner)))

    assert set(meeting(judged(Back()), "skip")) == expected


class PaddedWindows(nn.Module):
    """Residual windows on a map that they do not divide, as in the last stage of a small Swin."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.mix, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)
        self.mode = "constant"

    def forward(self, images: Tensor) -> Tensor:
        maps = self.stem(images)
        height, width = maps.shape[2:]
        padded = F.pad(maps, (0, width % 2, 0, height % 2), mode=self.mode)
        return self.head(maps + self.mix(padded)[..., :height, :width])


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate"])
def test_padding_is_no_upsampling_and_cropping_no_downsampling(mode: str) -> None:
    network = PaddedWindows()
    network.mode = mode
    points = judged(network, torch.zeros(2, 3, 2, 3))
    assert meeting(points, "skip") == {}
    assert meeting(points, "downsampling") == {}


def test_every_second_row_is_downsampling_though_it_is_a_slice() -> None:
    class Strided(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.deep, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1)

        def forward(self, images: Tensor) -> Tensor:
            return self.head(self.deep(self.stem(images)[..., ::2, ::2]))

    assert set(meeting(judged(Strided(), torch.zeros(2, 3, 5, 7)), "downsampling")) == {"stem"}


def test_a_small_swin_has_no_skip_connection() -> None:
    torchvision = pytest.importorskip("torchvision")
    swin = torchvision.models.SwinTransformer(
        [4, 4], embed_dim=8, depths=[1, 1, 1, 2], num_heads=[1, 1, 1, 1], window_size=[2, 2], num_classes=4
    )
    points = judged(swin, torch.zeros(2, 3, 64, 96))
    assert points["features.7.0"].size == (2, 3)
    assert meeting(points, "skip") == {}


def test_a_residual_sum_is_no_skip_connection() -> None:
    assert meeting(judged(nn.Sequential(nn.Conv2d(3, 4, 1), Residual(4), nn.Conv2d(4, 2, 1))), "skip") == {}


def test_activations_and_normalizations() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.GELU(), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1), nn.GroupNorm(2, 4),
        nn.SiLU(), nn.Conv2d(4, 2, 1),
    )  # fmt: skip
    assert meeting(judged(network), "activation") == {
        "0": "before native_batch_norm",
        "1": "after native_batch_norm; before gelu",
        "2": "after gelu",
        "4": "before native_group_norm",
        "5": "after native_group_norm; before silu",
        "6": "after silu",
    }


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 3, padding=1)
        self.mix, self.head = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.mix(torch.cat([self.left(images), self.right(images)], dim=1)))


def test_fusion_names_its_branches() -> None:
    assert meeting(judged(Branches()), "fusion") == {"mix": "cat of left and right"}
    points = judged(nn.Sequential(nn.Conv2d(3, 4, 1), Residual(4), nn.Conv2d(4, 2, 1)))
    assert meeting(points, "fusion") == {"1": "add of 0 and 1.conv2"}


def test_every_reason_belongs_to_a_rule() -> None:
    for network in (Layer("fused"), EncoderDecoder(), Branches()):
        assert all(set(point.rules) <= set(RULES) and all(point.rules.values()) for point in judged(network).values())


def test_class_names_change_nothing() -> None:
    """The same operations under other names are judged the same."""

    class Conv2d(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)

        def forward(self, maps: Tensor) -> Tensor:
            return F.relu(maps + self.b(F.relu(self.a(maps))))

    ours, theirs = (
        judged(nn.Sequential(nn.Conv2d(3, 4, 1), block, nn.Conv2d(4, 2, 1))) for block in (Residual(4), Conv2d())
    )
    assert [len(point.rules) for point in ours.values()] == [len(point.rules) for point in theirs.values()]
    assert ours["1"].rules["blocks"] == theirs["1"].rules["blocks"]
