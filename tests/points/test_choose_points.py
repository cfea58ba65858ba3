"""Choosing: base, distance, position, number, and what is said when it cannot be done."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from imachsr.models import create
from imachsr.points import Points, choose_points, find_points


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.conv2(self.conv1(maps).relu())


@pytest.fixture(scope="module")
def points() -> Points:
    """Nine blocks, named 1 to 9, each with two points inside."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), *(Residual() for _ in range(9)), nn.Conv2d(4, 2, 1))
    return find_points(network, torch.zeros(2, 3, 16, 16))


def names(points: Points, *arguments: object, **settings: object) -> list[str]:
    return [point.name for point in choose_points(points, *arguments, **settings)]


def test_the_base_is_the_block_sequence(points: Points) -> None:
    assert [point.name for point in points.blocks] == list("123456789")


@pytest.mark.parametrize(
    ("near", "distance", "expected"),
    [
        ("input", 1, ["1", "2", "3"]), ("input", 2, ["1", "3", "5"]), ("input", 4, ["1", "5", "9"]),
        ("center", 1, ["4", "5", "6"]), ("center", 2, ["3", "5", "7"]), ("center", 3, ["2", "5", "8"]),
        ("output", 1, ["7", "8", "9"]), ("output", 2, ["5", "7", "9"]), ("output", 3, ["3", "6", "9"]),
    ],
)  # fmt: skip
def test_position_and_distance(points: Points, near: str, distance: int, expected: list[str]) -> None:
    assert names(points, 3, near=near, distance=distance) == expected
    if distance == 1:
        assert names(points, 3, near=near) == expected


def test_spread_is_evenly_over_depth(points: Points) -> None:
    chosen = choose_points(points, 3)
    assert [point.name for point in chosen] == ["2", "4", "7"]
    assert all(abs(point.depth - m / 4) < 0.06 for m, point in enumerate(chosen, start=1))
    assert names(points, 9) == list("123456789")


def test_spread_with_a_distance_takes_every_so_manieth_base(points: Points) -> None:
    assert set(names(points, 3, distance=2)) <= set("13579")


def test_the_number_by_logarithm(points: Points) -> None:
    assert len(choose_points(points, "log")) == 3  # round(log2(9))
    plain = find_points(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)), torch.zeros(2, 3, 4, 4))
    assert len(choose_points(plain, "log")) == 1


def test_other_points_come_where_the_blocks_run_out(points: Points) -> None:
    chosen = names(points, 12)
    assert set("123456789") < set(chosen)
    assert len(set(chosen)) == 12
    depths = [point.depth for point in choose_points(points, 12)]
    assert depths == sorted(depths)


def test_a_network_without_blocks_has_all_its_points_for_a_base() -> None:
    plain = find_points(nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(6))), torch.zeros(2, 3, 4, 4))
    assert names(plain, 2, near="output", distance=2) == ["2", "4"]
    assert names(plain, 2, near="input", distance=3) == ["0", "3"]


def test_all_points_can_be_had(points: Points) -> None:
    assert names(points, len(points)) == [point.name for point in points]


def test_rules_narrow(points: Points) -> None:
    chosen = choose_points(points, 3, rules="activation")
    assert all("activation" in point.rules for point in chosen)
    assert len(choose_points(points, 2, rules=["downsampling", "fusion"])) == 2


def test_rules_are_not_filled_up_with_other_points(points: Points) -> None:
    few = [point for point in points if "downsampling" in point.rules]
    assert len(choose_points(points, len(few), rules="downsampling")) == len(few) < 9
    with pytest.raises(ValueError, match="relax rules"):
        choose_points(points, len(few) + 1, rules="downsampling")


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (3, ["encoder.layer2.0", "encoder.layer3", "decoder.aspp.0"]),
        (5, ["encoder.layer1", "encoder.layer2", "encoder.layer3", "encoder.layer4", "decoder.aspp.0"]),
    ],
)
def test_the_choices_that_published_results_rest_on(count: int, expected: list[str]) -> None:
    pytest.importorskip("segmentation_models_pytorch")
    points = find_points(create("deeplabv3plus_resnet18", 11).train(), torch.zeros(2, 3, 180, 240))
    assert names(points, count) == [f"network.{name}" for name in expected]


def test_names_fix_the_choice(points: Points) -> None:
    assert names(points, 2, names=["7.conv1", "2"]) == ["2", "7.conv1"]
    assert names(points, 1, names="7.conv1") == ["7.conv1"]


def test_more_names_than_points_are_a_shortlist(points: Points) -> None:
    assert names(points, 2, names=["1", "3", "8"], near="output") == ["3", "8"]


def test_maps_come_before_what_has_no_places() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 2, 1))
    points = find_points(network, torch.zeros(2, 3, 8, 8))
    assert names(points, 1, near="output") == ["0"]
    assert len(choose_points(points, 3)) == 3


def test_too_few_says_how_many_there_are_and_what_to_relax(points: Points) -> None:
    with pytest.raises(
        ValueError, match=rf"wish for 99 points; {len(points)} of .* {len(points)} points.*lower count$"
    ):
        choose_points(points, 99)
    with pytest.raises(ValueError, match=r"3 points 40 bases apart, which takes 81;.*lower count, or relax distance$"):
        choose_points(points, 3, distance=40)


def test_too_few_repeats_the_rules_and_names_asked_for(points: Points) -> None:
    with pytest.raises(ValueError, match=r"2 points with names=\['5'\]; 1 of the .*lower count, or relax names$"):
        choose_points(points, 2, names=["5"])
    with pytest.raises(ValueError, match=r"with rules='attention'; 0 of the .*lower count, or relax rules$"):
        choose_points(points, 1, rules="attention")
    with pytest.raises(
        ValueError, match=r"with rules=\['fusion'\] and names=\['1', '2'\]; 2 of .*relax rules, or relax names"
    ):
        choose_points(points, 3, rules=["fusion"], names=["1", "2"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"near": "middle"}, r"got near='middle'; a position is one of .*; choose one of them"),
        ({"distance": 1.5}, r"got distance=1.5; points lie a positive number of bases apart; give 1 or more"),
        ({"distance": 0}, r"got distance=0; points lie a positive number of bases apart; give 1 or more"),
        ({"rules": "attentive"}, r"got rule 'attentive'; the rules are \('downsampling', .*; use these words"),
        ({"names": ["5.conv"]}, r"got point '5.conv'; this network has none of that name; did you mean \['5.conv2'"),
    ],
)
def test_unknown_words_are_refused(points: Points, settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        choose_points(points, 1, **settings)


def test_no_points_are_no_choice() -> None:
    with pytest.raises(ValueError, match=r"got no points; they come from find_points.*`left_out` says why"):
        choose_points([], 1)


@pytest.mark.parametrize(
    ("given", "kind"),
    [(["0", "1"], "str among points"), (torch.nn.ReLU(), "ReLU for points"), (None, "NoneType for points")],
)
def test_what_are_no_points_is_refused(given: object, kind: str) -> None:
    with pytest.raises(TypeError, match=rf"got a {kind}; they are what find_points returns; pass find_points\("):
        choose_points(given, 1)


def test_numpys_whole_numbers_count(points: Points) -> None:
    assert choose_points(points, np.int64(2), distance=np.int32(3)) == choose_points(points, 2, distance=3)


@pytest.mark.parametrize("count", [0, -1, "many", 1.5, True])
def test_a_count_is_a_number_or_log(points: Points, count: object) -> None:
    with pytest.raises(ValueError, match='it is a number of points or "log"; give 1 or more'):
        choose_points(points, count)
