"""Prices, offers, and what a budget allows; lines; what is left at inference."""

import weakref
from copy import deepcopy

import pytest
import torch
from torch import nn

import imachsr
from imachsr import complexity


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), *(nn.Conv2d(8, 8, 3, padding=1) for _ in range(4))]
    return nn.Sequential(*layers, nn.Conv2d(8, 3, 1)).train()


@pytest.fixture(scope="module")
def images():
    return torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def points(network, images):
    return imachsr.find_points(network, images)


@pytest.fixture(scope="module")
def counted(network, images, points):
    return complexity.count(network, images, points=points)


def prices(implementation="fused", network=1e-9, loss=2e-9):
    return complexity.Prices(network, loss, implementation, step=1.0)


def test_ratio_is_seconds_of_the_points_by_seconds_of_the_rest(network, images, points):
    chosen = imachsr.choose_points(points, 2)
    cost = complexity.cost(network, chosen, images, classes=3)
    base, extra = 0.0, 0.0
    for term in cost.terms:
        price = 1e-9 if term.name in ("network", "features", "adapter") else 2e-9
        if term.point:
            extra += price * term.operations
        else:
            base += price * term.operations
    assert prices().ratio(cost) == pytest.approx(1 + extra / base)
    eager = complexity.cost(network, chosen, images, classes=3, implementation="eager")
    assert prices("eager").seconds(eager.terms[1]) == 2e-9 * eager.terms[1].kept


def test_calibrating_changes_nothing_and_gives_prices(network, images):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    drawn = torch.random.get_rng_state()
    for implementation in complexity.IMPLEMENTATIONS:
        found = complexity.calibrate(network, images, classes=3, implementation=implementation, rounds=1)
        assert found.network > 0
        assert found.loss > 0
        assert found.step > 0
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())
    assert torch.random.get_rng_state().equal(drawn)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_calibrated_prices_give_back_the_step(network, images):
    found = complexity.calibrate(network, images, classes=3, rounds=1)
    plain = complexity.cost(network, (), images, classes=3, scheme="conventional")
    assert sum(found.seconds(term) for term in plain.terms) == pytest.approx(found.step)
    assert found.ratio(plain) == 1


def test_budgets(counted, points):
    offered = complexity.offers(counted, points, classes=3, prices=prices())
    assert [len(offer.cost.points) for offer in offered] == [*range(1, len(points) + 1)][:8]
    times = [offer.time for offer in offered]
    assert times == sorted(times)
    between = (times[1] + times[2]) / 2 - 1
    assert complexity.affordable(offered, time=between) == 2
    assert complexity.affordable(offered, time=0.0) == 0
    assert complexity.affordable(offered, time=times[-1]) == len(offered)
    assert complexity.affordable(offered, memory=offered[0].bytes - 1) >= 1
    assert complexity.affordable(offered, time=between, memory=0.0) == 0
    assert complexity.affordable(offered) == len(offered)


def test_budgets_refused(network, images, counted, points):
    offered = complexity.offers(counted, points, classes=3, most=2)
    assert len(offered) == 2
    with pytest.raises(ValueError, match=r"offers without prices; .*; pass prices=calibrate"):
        complexity.affordable(offered, time=0.1)
    with pytest.raises(ValueError, match=r"got memory=-0.1; .*; pass 0 or more"):
        complexity.affordable(offered, memory=-0.1)
    for most, of in ((0, points), (2, [])):
        with pytest.raises(ValueError, match=rf"got most={most} and {len(of)} points; .*; pass most >= 1"):
            complexity.offers(counted, of, classes=3, most=most)
    with pytest.raises(ValueError, match=r"got rounds=0; .*; pass 1 or more"):
        complexity.calibrate(network, images, classes=3, rounds=0)


def test_a_race_takes_turns_there_and_back():
    order = []
    times = complexity.race({name: lambda name=name: order.append(name) for name in "abc"}, 2)
    assert "".join(order) == "abcabccba"
    assert [len(taken) for taken in times.values()] == [2, 2, 2]


def test_kept_bytes_count_each_storage_once():
    x, weight = torch.ones(4, requires_grad=True), torch.ones(4, requires_grad=True)
    assert complexity.kept_bytes(lambda: x.exp() + x * weight) == 16 + 32
    assert complexity.kept_bytes(lambda: x.exp() + x * weight, but=[weight]) == 32
    assert complexity.kept_bytes(lambda: x[:2] * x[2:]) == 16, "two views of one storage"


def test_counting_what_is_kept_keeps_nothing():
    """A node that keeps its own result must not keep itself alive through the hook."""
    x, results = torch.ones(4, requires_grad=True), []

    def forward():
        result = x.exp()
        results.append(weakref.ref(result))
        return result

    complexity.kept_bytes(forward)
    assert results[0]() is None


def test_line_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    generator = torch.Generator().manual_seed(1)
    x = [float(m) for m in range(6) for _ in range(3)]
    y = (torch.tensor(x) * 0.2 + 1 + 0.05 * torch.randn(len(x), generator=generator)).tolist()
    fit, truth = complexity.line(x, y), stats.linregress(x, y)
    assert fit.slope == pytest.approx(truth.slope)
    assert fit.intercept == pytest.approx(truth.intercept)
    assert fit.explained == pytest.approx(truth.rvalue**2)
    half = stats.t.ppf(0.975, len(x) - 2) * truth.stderr
    assert fit.interval == pytest.approx((truth.slope - half, truth.slope + half))
    assert fit(2.0) == pytest.approx(truth.intercept + 2 * truth.slope)
    with pytest.raises(ValueError, match=r"three pairs or more at different x; measure more"):
        complexity.line([1, 1, 1], [1, 2, 3])


def test_nothing_is_left_at_inference(network, images, points):
    frozen = network[1].eval()
    plain = deepcopy(network)
    for parameter in plain.parameters():
        nn.init.zeros_(parameter)
    trainee = imachsr.Supervised(network, imachsr.choose_points(points, 2), imachsr.scheme("imachsr"), classes=3)
    assert not complexity.inference(trainee.network, plain, images).equal, "hooks are still attached"
    targets = torch.zeros(2, 16, 24, dtype=torch.int64)
    optimizer = torch.optim.SGD(trainee.parameters(), lr=0.1)
    trainee(images, targets).total.backward()
    optimizer.step()
    found = complexity.inference(trainee.release(), plain, images)
    assert found.equal
    assert found.difference == 0
    assert found.hooks == (0, 0)
    assert found.operations[0] == found.operations[1] > 0
    assert [module for module in network.modules() if not module.training] == [frozen]
    frozen.train()
    with pytest.raises(ValueError, match=r"does not take the released one's weights"):
        complexity.inference(network, nn.Conv2d(3, 3, 1), images)


def test_amounts():
    assert [complexity.amount(n) for n in (0, 999, 1000, 12_345, 999_999, 2.5e9)] == [
        "0", "999", "1.00 k", "12.3 k", "1.00 M", "2.50 G"]  # fmt: skip
    assert complexity.amount(1536, "B") == "1.50 KiB"
    assert complexity.amount(12, "B") == "12 B"
