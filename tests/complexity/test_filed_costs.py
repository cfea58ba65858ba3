"""The filed benchmark: what was predicted exactly was exact, and nothing was left at inference."""

import json

import pytest

from conftest import REPOSITORY
from imachsr import complexity

FILED = REPOSITORY / "data" / "results" / "benchmarks" / "complexity.json"


@pytest.fixture(scope="module")
def networks():
    return json.loads(FILED.read_text(encoding="utf-8"))["networks"]


def test_three_networks_at_six_numbers_of_points_both_ways(networks):
    assert len(networks) >= 3
    for network in networks:
        told = {(row["implementation"], row["M"]) for row in network["rows"]}
        assert told == {(how, M) for how in complexity.IMPLEMENTATIONS for M in range(6)}
        assert all(len(row["points"]) == row["M"] for row in network["rows"])


def test_bytes_and_products_were_as_predicted(networks):
    for row in (row for network in networks for row in network["rows"]):
        assert row["predicted"]["kept"] == row["measured"]["kept"]
        assert row["predicted"]["products"] == row["measured"]["products"]
        assert row["exact"]


def test_lines_are_those_of_the_rows(networks):
    for network in networks:
        for how, fits in network["fits"].items():
            rows = [row for row in network["rows"] if row["implementation"] == how]
            shares = [row["measured"]["kept"] / rows[0]["measured"]["kept"] for row in rows]
            fit = complexity.line([row["M"] for row in rows], shares)
            assert fits["bytes"]["slope"] == pytest.approx(fit.slope)
            assert fits["bytes"]["interval"] == pytest.approx(fit.interval)


def test_nothing_was_left_at_inference(networks):
    assert all(network["inference"]["equal"] for network in networks)
