"""The objective: totals by hand, weights measured, learned and scheduled, and a network given back as it came."""

import copy
import math
from dataclasses import asdict, fields
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._dynamo.testing import CompileCounterWithBackend

import imachsr
from imachsr.models import Padded
from imachsr.objective import SCHEDULES, SCHEMES, WEIGHTINGS, Supervised, at_label_size, counts, shares
from imachsr.objective.shares import share_of
from imachsr.objective.supervised import PATIENCE
from imachsr.objective.weights import balanced, least_of
from imachsr.points import logits_of

GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.randn(2, 3, 8, 12, generator=GENERATOR)
TARGETS = torch.randint(0, 3, (2, 8, 12), generator=GENERATOR)
TARGETS[0, :2] = 255
LABELS = torch.tensor([2, 0])


class Small(nn.Module):
    """Features at 1/2 and 1/4, and logits there; `wrap` makes what is returned."""

    def __init__(self, wrap=lambda logits: logits):
        super().__init__()
        torch.manual_seed(0)
        self.fine = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.GELU())
        self.coarse = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.GELU())
        self.head, self.wrap = nn.Conv2d(8, 3, 1), wrap

    def forward(self, images):
        return self.wrap(self.head(self.coarse(self.fine(images))))


class Classifier(Small):
    def forward(self, images):
        return self.head(self.coarse(self.fine(images)).mean((2, 3), keepdim=True)).flatten(1)


class Dropping(Small):
    """A layer is left out in the training steps listed."""

    def __init__(self):
        super().__init__()
        self.refine, self.dropped, self.step = nn.Tanh(), (), 0

    def forward(self, images):
        features = self.coarse(self.fine(images))
        self.step += self.training
        if not self.training or self.step not in self.dropped:
            features = features + self.refine(features)
        return self.head(features)


POINTS = {}  # found once per network: they are data


def supervised(scheme="imachsr", network=None, names=("fine", "coarse"), images=IMAGES, **changes):
    network = network or Small()
    key = type(network), *names
    if key not in POINTS:
        inputs = images if isinstance(images, tuple) else (images,)
        POINTS[key] = imachsr.choose_points(imachsr.find_points(network, *inputs), len(names), names=names)
    scheme = imachsr.scheme(scheme, **changes) if isinstance(scheme, str) else scheme
    torch.manual_seed(1)
    return Supervised(network, POINTS[key], scheme, classes=3)


def dropping(dropped, **changes):
    trainee = supervised(network=Dropping(), names=["fine", "refine"], **changes)
    trainee.network.dropped, trainee.network.step = dropped, 0
    return trainee


def gradients(module):
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


# --- by hand ---------------------------------------------------------------------------------------------------------


def slow_cross_entropy(logits, targets):
    logits = F.interpolate(logits, targets.shape[1:], mode="bilinear")
    losses = [
        logits[b, :, y, x].logsumexp(0) - logits[b, targets[b, y, x], y, x]
        for b in range(len(targets))
        for y in range(targets.shape[1])
        for x in range(targets.shape[2])
        if targets[b, y, x] != 255
    ]
    return sum(losses) / len(losses)


def slow_entropy(p):
    return -sum(float(value) * math.log(float(value)) for value in p.flatten() if value > 0)


def slow_plug_in(logits, targets):
    """-I = H(Q, Y) - H(Q) - H(Y) per image."""
    logits, total = F.interpolate(logits, targets.shape[1:], mode="bilinear"), 0.0
    for b in range(len(targets)):
        joint = torch.zeros(3, 3, dtype=torch.float64)
        for y in range(targets.shape[1]):
            for x in range(targets.shape[2]):
                if targets[b, y, x] != 255:
                    joint[:, targets[b, y, x]] += logits[b, :, y, x].softmax(0).double()
        joint /= joint.sum()
        total += slow_entropy(joint) - slow_entropy(joint.sum(0)) - slow_entropy(joint.sum(1))
    return total / len(targets)


def slow_variational(logits, targets):
    counts = torch.tensor([(targets == k).sum() for k in range(3)], dtype=torch.float64)
    return slow_cross_entropy(logits, targets) - slow_entropy(counts / counts.sum())


def slow_negative_entropy(features):
    rows = features.movedim(1, -1).flatten(0, -2).softmax(1)
    return sum(-slow_entropy(row) for row in rows) / len(rows)


ON_ALL_CLASSES = [name for name, scheme in SCHEMES.items() if scheme.clusters is None]
SLOW = {
    "conventional": (None, None),
    "deep_supervision": (slow_cross_entropy, None),
    "imacsr": (slow_variational, slow_negative_entropy),
    "imachsr": (slow_plug_in, slow_negative_entropy),
}


@pytest.mark.parametrize("divide", [True, False])
@pytest.mark.parametrize("name", ON_ALL_CLASSES)
def test_the_total_is_the_weighted_sum_of_equation_3(name, divide):
    trainee = supervised(name, alpha=0.6, lambda_=0.2, divide=divide)
    losses = trainee(IMAGES, TARGETS)
    supervision, regularizer = SLOW[name]
    network, share = copy.deepcopy(trainee.network).requires_grad_(False), 2 if divide else 1
    trainee.adapters.requires_grad_(False)
    features = {"fine": network.fine(IMAGES)}
    features["coarse"] = network.coarse(features["fine"])
    expected = {"output": slow_cross_entropy(network.head(features["coarse"]), TARGETS)}
    total = expected["output"]
    for m, (point, z) in enumerate(features.items()):
        if supervision:
            expected[f"{point}/supervision"] = supervision(trainee.adapters[m](z), TARGETS)
            total = total + 0.6 / share * expected[f"{point}/supervision"]
        if regularizer:
            expected[f"{point}/regularizer"] = regularizer(z)
            total = total + 0.2 / share * expected[f"{point}/regularizer"]
    assert list(losses.terms) == list(expected)
    for term, value in expected.items():
        assert float(losses.terms[term]) == pytest.approx(float(value), abs=1e-5), term
    assert float(losses.total.detach()) == pytest.approx(float(total), abs=1e-5)


def test_one_weight_per_point():
    trainee = supervised(alpha=(0.5, 0.25), lambda_=(0.0, 0.125))
    terms = {name: float(value) for name, value in trainee(IMAGES, TARGETS).terms.items()}
    by_hand = terms["output"] + 0.5 * terms["fine/supervision"] + 0.25 * terms["coarse/supervision"]
    by_hand += 0.125 * terms["coarse/regularizer"]
    assert float(trainee(IMAGES, TARGETS).total.detach()) == pytest.approx(by_hand, abs=1e-6)
    assert trainee.weights.now() == {
        "output": 1.0,
        "fine/supervision": 0.5,
        "fine/regularizer": 0.0,
        "coarse/supervision": 0.25,
        "coarse/regularizer": 0.125,
    }


def test_schemes_differ_in_data_only():
    assert {type(scheme) for scheme in SCHEMES.values()} == {imachsr.Scheme}
    asked = {field.name for field in fields(imachsr.Scheme)} - {"name", "supervision", "regularizer", "clusters"}
    first, *others = ({name: asdict(scheme)[name] for name in asked} for scheme in SCHEMES.values())
    assert all(other == first for other in others), "weights, output and schedule are the same for all"
    assert all(scheme.name == name for name, scheme in SCHEMES.items())
    own = imachsr.Scheme("mine", supervision=imachsr.losses.infonce, alpha=0.1)
    assert torch.isfinite(supervised(own)(IMAGES, TARGETS).total)


def test_conventional_leaves_the_network_alone():
    trainee, plain = supervised("conventional"), Small()
    assert trainee.points == ()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in trainee.network.modules())
    assert list(trainee.state_dict()) == [f"network.{name}" for name in plain.state_dict()]
    losses = trainee(IMAGES, TARGETS)
    torch.testing.assert_close(losses.total, imachsr.losses.cross_entropy(plain(IMAGES), TARGETS), rtol=0, atol=0)
    assert [*losses.terms] == ["output"]


# --- alignment, labels of images, inputs and outputs -----------------------------------------------------------------


def test_padded_networks_meet_their_labels_where_they_are():
    images, targets = IMAGES[..., :9], TARGETS[..., :9]  # 9 columns are padded to 16
    trainee = supervised("deep_supervision", Padded(Small(), multiple=8, stride=4), ["network.fine"], images)
    with torch.no_grad():
        trainee.adapters[0].project.weight.mul_(10)
    term = trainee(images, targets).terms["network.fine/supervision"]
    with torch.no_grad():
        adapted = trainee.adapters[0](trainee.network.network.fine(F.pad(images, (0, 7, 0, 0))))
        aligned = F.interpolate(adapted, (8, 16), mode="bilinear")[..., :9]
        stretched = F.interpolate(adapted, (8, 9), mode="bilinear")
    torch.testing.assert_close(term, F.cross_entropy(aligned, targets, ignore_index=255))
    assert abs(term - F.cross_entropy(stretched, targets, ignore_index=255)) > 1e-2


@pytest.mark.parametrize("name", ON_ALL_CLASSES)
def test_labels_of_whole_images(name):
    trainee = supervised(name, Classifier())
    losses = trainee(IMAGES, LABELS)
    torch.testing.assert_close(losses.terms["output"], F.cross_entropy(losses.logits, LABELS))
    losses.total.backward()
    assert all(p.grad.abs().sum() > 0 for p in trainee.parameters())
    if name == "deep_supervision":
        pooled = trainee.adapters[0](trainee.network.fine(IMAGES)).mean((2, 3))
        torch.testing.assert_close(losses.terms["fine/supervision"], F.cross_entropy(pooled, LABELS).detach())


class Fused(Small):
    def forward(self, images, depth):
        return super().forward(images + depth)


def test_several_inputs_come_as_a_tuple():
    inputs = (IMAGES - 1, torch.ones_like(IMAGES))
    total = supervised(network=Fused(), images=inputs)(inputs, TARGETS).total
    torch.testing.assert_close(total, supervised()(IMAGES, TARGETS).total, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda logits: (logits, logits * 2),
        lambda logits: [logits],
        lambda logits: {"aux": logits * 2, "out": logits},
        lambda logits: {"logits": logits},
        lambda logits: SimpleNamespace(logits=logits),
        lambda logits: SimpleNamespace(out=(logits,)),
    ],
    ids=["tuple", "list", "out", "logits", "object", "nested"],
)
def test_logits_are_found_in_what_a_network_returns(wrap):
    logits = torch.zeros(1, 3, 2, 2)
    assert logits_of(wrap(logits)) is logits


@pytest.mark.parametrize("wrap", [lambda logits: (logits,), lambda logits: {"out": logits}], ids=["tuple", "dict"])
def test_networks_that_return_more_than_a_tensor_train_alike(wrap):
    total = supervised(network=Small(wrap))(IMAGES, TARGETS).total
    assert torch.equal(total, supervised()(IMAGES, TARGETS).total)


def test_a_networks_own_auxiliary_logits_are_trained_with_it():
    def twice(logits):
        return {"out": logits, "aux": logits * 2}

    plain, own = supervised("deep_supervision"), supervised("deep_supervision", Small(twice))
    losses = own(IMAGES, TARGETS)
    torch.testing.assert_close(losses.terms["auxiliary"], imachsr.losses.cross_entropy(losses.logits * 2, TARGETS))
    torch.testing.assert_close(losses.total, plain(IMAGES, TARGETS).total + 0.4 * losses.terms["auxiliary"])
    assert own.weights.now()["auxiliary"] == 0.4
    assert "auxiliary" not in plain.weights.now()
    heavier = Small(twice)
    heavier.auxiliary_weight = 0.7
    heavier = supervised("deep_supervision", heavier)
    torch.testing.assert_close(heavier(IMAGES, TARGETS).total - losses.total, 0.3 * losses.terms["auxiliary"])


# --- given back, copied, saved ---------------------------------------------------------------------------------------


def test_release_gives_back_the_very_network():
    network, untouched = Small(), Small()
    before = network(IMAGES)
    trainee = supervised(network=network, weighting="uncertainty")
    trainee(IMAGES, TARGETS).total.backward()
    released = trainee.release()
    assert released is network
    assert torch.equal(released(IMAGES), before)
    assert list(released.state_dict()) == list(untouched.state_dict())
    assert [name for name, _ in released.named_modules()] == [name for name, _ in untouched.named_modules()]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in released.modules())


def test_a_deep_copy_trains_for_itself():
    trainee = supervised(weighting="gradient_norm", schedule="linear")
    trainee(IMAGES, TARGETS).total.backward()
    twin = copy.deepcopy(trainee)
    assert torch.equal(twin(IMAGES, TARGETS).total, trainee(IMAGES, TARGETS).total)
    twin.progress = 0.5
    assert trainee.progress == 0
    with torch.no_grad():
        twin.network.fine[0].weight.zero_()
    assert not torch.equal(twin(IMAGES, TARGETS).total, trainee(IMAGES, TARGETS).total)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_the_state_goes_round(weighting, tmp_path):
    trainee, other = supervised(weighting=weighting), supervised(weighting=weighting)
    for _ in range(2):
        trainee(IMAGES, TARGETS).total.backward()
    with torch.no_grad():
        for parameter in trainee.parameters():
            parameter.add_(0.01)
    torch.save(trainee.state_dict(), tmp_path / "state.pt")
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in trainee.state_dict().items())
    assert other.weights.now() == trainee.weights.now()
    assert torch.equal(other(IMAGES, TARGETS).total, trainee(IMAGES, TARGETS).total)


# --- gradients -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("name", ON_ALL_CLASSES)
def test_gradient_reaches_every_part(name, weighting):
    trainee = supervised(name, weighting=weighting)
    trainee(IMAGES, TARGETS).total.backward()
    for parameter_name, parameter in trainee.named_parameters():
        assert torch.isfinite(parameter.grad).all(), parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


def endless(value):
    """Finite for no input, in value and gradient."""
    return (value * float("inf")).sum()


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("faded", [False, True])
def test_a_weight_of_zero_asks_for_nothing_and_leaves_a_zero_gradient(weighting, faded):
    scheme = imachsr.Scheme(
        "zero",
        supervision=lambda logits, targets: endless(logits),
        regularizer=endless,
        alpha=0.4 if faded else 0,
        lambda_=0.01 if faded else 0,
        weighting=weighting,
        schedule="cosine" if faded else "constant",
    )
    trainee, plain = supervised(scheme), supervised("conventional")
    trainee.progress = 1.0
    losses = trainee(IMAGES, TARGETS)
    if not (faded and weighting == "uncertainty"):  # there the output's own weight is learned on
        assert torch.equal(losses.total, plain(IMAGES, TARGETS).total)
    assert not torch.isfinite(losses.terms["fine/supervision"]), "its value is still shown"
    losses.total.backward()
    plain(IMAGES, TARGETS).total.backward()
    assert all(torch.equal(gradients(trainee)[name], value) for name, value in gradients(plain).items())
    assert all((parameter.grad == 0).all() for parameter in trainee.adapters.parameters())


@pytest.fixture
def one_process():
    import torch.distributed as dist

    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize(
    "changes", [{"alpha": 0.0}, {"weighting": "gradient_norm"}, {"weighting": "uncertainty"}], ids=str
)
def test_distributed_training_needs_no_search_for_unused_parameters(one_process, changes):
    trainee = dropping([2, 3], **changes)
    parallel, twin = nn.parallel.DistributedDataParallel(trainee), copy.deepcopy(trainee)
    for _ in range(4):
        for module in (parallel, twin):
            module.zero_grad()
            module(IMAGES, TARGETS).total.backward()
    for name, value in gradients(twin).items():
        torch.testing.assert_close(gradients(trainee)[name], value)
    assert trainee.skipped == twin.skipped == {"refine": 2}


# --- weights measured ------------------------------------------------------------------------------------------------


def norm(values):
    return math.sqrt(sum(float(value.square().sum()) for value in values))


def test_gradient_norms_match_by_hand():
    trainee = supervised(weighting="gradient_norm", alpha=0.6, measured_batches=2)
    batches = [(IMAGES, TARGETS), (IMAGES.flip(0, 1, 2) * 2, TARGETS.roll(3, 2))]
    norms = {point: [0.0, 0.0] for point in ("fine", "coarse")}
    for images, targets in batches:
        trainee(images, targets)
        features = trainee.network.fine(images)
        for m, point in enumerate(norms):
            z = features if m == 0 else trainee.network.coarse(features)
            reached = [*trainee.network.fine.parameters(), *(trainee.network.coarse.parameters() if m else ())]
            output = imachsr.losses.cross_entropy(trainee.network(images), targets)
            own = imachsr.losses.mutual_information(trainee.adapters[m](z), targets)
            trainee.capture.read()
            for row, loss in enumerate((output, own)):
                norms[point][row] += norm(torch.autograd.grad(loss, reached, retain_graph=True))
    weights = trainee.weights.now()
    for point, (output, own) in norms.items():
        assert weights[f"{point}/supervision"] == pytest.approx(0.3 * output / own, rel=1e-4)
        assert weights[f"{point}/regularizer"] == 0.005
    assert not trainee.weights.measuring


def test_matched_gradients_are_alpha_as_long_as_the_outputs():
    trainee = supervised(weighting="gradient_norm", alpha=0.5, lambda_=0.0, measured_batches=1, names=["coarse"])
    losses = trainee(IMAGES, TARGETS)
    shared = [*trainee.network.fine.parameters(), *trainee.network.coarse.parameters()]
    total = torch.autograd.grad(losses.total, shared)
    output = torch.autograd.grad(imachsr.losses.cross_entropy(trainee.network(IMAGES), TARGETS), shared)
    own = [a - b for a, b in zip(total, output, strict=True)]
    assert norm(own) == pytest.approx(0.5 * norm(output), rel=1e-4)


def test_factors_are_fixed_after_the_first_batches():
    trainee = supervised(weighting="gradient_norm", measured_batches=2)
    seen = []
    for step in range(4):
        trainee(IMAGES * (1 + step), TARGETS).total.backward()
        seen.append(trainee.weights.factors.clone())
    assert not torch.equal(seen[0], seen[1])
    assert torch.equal(seen[1], seen[3])
    assert trainee.weights.batches.tolist() == [2, 2]


def test_nothing_is_measured_where_nothing_is_learned():
    trainee = supervised(weighting="gradient_norm")
    trainee.eval()(IMAGES, TARGETS)
    with torch.no_grad():
        trainee.train()(IMAGES, TARGETS)
    assert trainee.weights.batches.tolist() == [0, 0]
    supervised("conventional", weighting="gradient_norm")(IMAGES, TARGETS).total.backward()


@pytest.mark.parametrize("impl", ["reference", "chunked", "numba"])
def test_measuring_changes_no_gradient(impl):
    """The graph is gone through twice: every implementation of the losses must allow that."""
    losses = imachsr.losses
    scheme = imachsr.Scheme(
        "matched",
        supervision=partial(losses.mutual_information, impl=impl),
        regularizer=partial(losses.negative_entropy, impl=impl),
        output=partial(losses.cross_entropy, impl=impl),
        weighting="gradient_norm",
        measured_batches=1,
    )
    trainee = supervised(scheme)
    results = []
    for _ in range(2):  # measured, then not
        trainee.zero_grad()
        trainee(IMAGES, TARGETS).total.backward()
        results.append(gradients(trainee))
    for name, value in results[0].items():
        torch.testing.assert_close(value, results[1][name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("size", [1e-6, 1e4], ids=["underflow", "overflow"])
def test_gradients_are_matched_in_fp16_as_they_are(size):
    """fp16 holds 6e-8 to 65504: what is measured there is neither zero nor infinite."""
    scheme = imachsr.Scheme(
        "matched",
        supervision=lambda logits, targets: size * imachsr.losses.cross_entropy(logits, targets),
        weighting="gradient_norm",
        measured_batches=1,
    )
    exact, half = supervised(scheme), supervised(scheme)
    exact(IMAGES, TARGETS)
    with torch.autocast("cpu", torch.float16):
        half(IMAGES, TARGETS)
    torch.testing.assert_close(half.weights.factors, exact.weights.factors, rtol=0.03, atol=0)


def test_measuring_begins_again_where_a_saved_state_stood():
    trainee = supervised(weighting="gradient_norm", measured_batches=2)
    start = copy.deepcopy(trainee.state_dict())
    for _ in range(2):
        trainee(IMAGES, TARGETS)
    assert not trainee.weights.measuring
    trainee.load_state_dict(start)
    assert trainee.weights.measuring
    assert trainee.weights.factors.tolist() == [1, 1]


# --- weights scheduled -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("schedule", "half", "end"), [("constant", 1, 1), ("linear", 0.5, 0), ("cosine", 0.5, 0)])
def test_schedules(schedule, half, end):
    trainee = supervised(schedule=schedule)
    full = trainee.weights.now()
    for progress, left in {0.0: 1, 0.5: half, 1.0: end}.items():
        trainee.progress = progress
        assert trainee.progress == progress
        weights = trainee.weights.now()
        assert weights.pop("output") == 1
        assert weights == pytest.approx({name: left * full[name] for name in weights})
        losses = trainee(IMAGES, TARGETS)
        by_hand = losses.terms["output"] + sum(left * full[name] * losses.terms[name] for name in weights)
        torch.testing.assert_close(losses.total.detach(), by_hand)


def test_schedules_go_down_all_the_way():
    for name, share in SCHEDULES.items():
        values = [share(step / 20) for step in range(21)]
        assert values == sorted(values, reverse=True)
        assert values[0] == 1
        assert values[-1] == (1 if name == "constant" else 0)
    assert SCHEDULES["cosine"](0.25) > SCHEDULES["linear"](0.25)


def test_progress_is_set_anew_by_who_trains_and_not_saved():
    assert list(supervised(schedule="linear").state_dict()) == list(supervised().state_dict())


# --- weights learned -------------------------------------------------------------------------------------------------


def descend(value, steps=4000):
    """The log-variance after gradient descent on one term of constant value."""
    v = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.SGD([v], lr=0.05)
    for _ in range(steps):
        loss = balanced(torch.tensor(value), v)
        if not torch.isfinite(loss):
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(v.detach()), float(loss.detach())


def test_a_learned_weight_settles_on_positive_terms_and_runs_away_on_negative_ones():
    information, entropy = 0.7, 1.1  # I and H(Y)
    settled, loss = descend(entropy - information)
    assert settled == pytest.approx(math.log(2 * (entropy - information)), abs=1e-3)
    assert math.isfinite(loss)
    astray, loss = descend(-information)
    assert astray < -50
    assert not loss > -1e6


def test_learned_weights_by_hand():
    trainee = supervised(weighting="uncertainty", alpha=0.6, lambda_=0.2)
    with torch.no_grad():
        trainee.weights.log_variances.copy_(torch.tensor([0.3, -0.2, 0.5, 0.1, -0.4]))
    losses = trainee(IMAGES, TARGETS)
    entropy = 0.0
    for image in TARGETS:
        counts = torch.stack([(image == k).sum() for k in range(3)]).double()
        entropy += slow_entropy(counts / counts.sum()) / 2
    shifts = [0.0, entropy, math.log(6), entropy, math.log(8)]
    total = 0.0
    for weight, v, shift, value in zip(
        [1, 0.3, 0.1, 0.3, 0.1], [0.3, -0.2, 0.5, 0.1, -0.4], shifts, losses.terms.values(), strict=True
    ):
        total += weight * (math.exp(-v) * (float(value) + shift) + v / 2)
    assert float(losses.total.detach()) == pytest.approx(total, abs=1e-5)
    assert trainee.weights.now()["fine/supervision"] == pytest.approx(0.3 * math.exp(0.2))


@pytest.mark.parametrize(
    "loss",
    [imachsr.losses.cross_entropy, imachsr.losses.infonce]
    + [partial(imachsr.losses.mutual_information, estimator=name) for name in ("plug_in", "variational", "infonce")],
    ids=["cross_entropy", "infonce", "plug_in", "variational", "mi_infonce"],
)
@pytest.mark.parametrize("targets", [TARGETS, torch.full_like(TARGETS, 255), LABELS], ids=["maps", "void", "images"])
@pytest.mark.parametrize("certain", [0.0, 50.0])
def test_no_loss_sinks_below_its_least(loss, targets, certain):
    """Also where everything is known, which is where I reaches H(Y)."""
    scores = F.one_hot(targets.where(targets != 255, 0), 3).movedim(-1, 1) * certain + 0.01
    scores = scores + (0 if certain else torch.randn(scores.shape, generator=torch.Generator().manual_seed(2)))
    value = loss(scores, targets) - least_of(loss, scores, targets)
    assert value >= -1e-5
    if certain and loss is not imachsr.losses.infonce:
        assert value < 0.1, "the least is reached, not only kept"


def test_negative_entropy_sinks_to_minus_log_channels():
    even = torch.zeros(2, 7, 3, 3)
    assert float(imachsr.losses.negative_entropy(even)) == pytest.approx(-math.log(7))
    assert least_of(imachsr.losses.negative_entropy, even) == -math.log(7)
    assert least_of(partial(imachsr.losses.negative_entropy, dim=-1), even) == -math.log(3)


def test_uncertainty_of_nothing_inside_is_the_plain_loss():
    trainee = supervised("conventional", weighting="uncertainty")
    assert list(trainee.state_dict()) == [f"network.{name}" for name in Small().state_dict()]


# --- layers skipped --------------------------------------------------------------------------------------------------


def test_a_layer_dropped_in_a_step_weighs_nothing_and_is_counted():
    trainee = dropping([2, 4])
    for step in range(1, 5):
        trainee.zero_grad()
        losses = trainee(IMAGES, TARGETS)
        losses.total.backward()
        there = step in (1, 3)
        assert ("refine/supervision" in losses.terms) is there
        assert ("refine/regularizer" in losses.terms) is there
        assert all(bool(p.grad.abs().sum() > 0) is there for p in trainee.adapters[1].parameters())
        by_hand = sum(trainee.weights.now()[name] * value for name, value in losses.terms.items())
        torch.testing.assert_close(losses.total.detach(), by_hand)
    assert trainee.skipped == {"refine": 2}
    assert "skipped={'refine': 2}" in repr(trainee)


def test_a_layer_dropped_while_measuring_is_measured_later():
    trainee = dropping([1, 2], weighting="gradient_norm", measured_batches=2)
    counts = []
    for _ in range(5):
        trainee(IMAGES, TARGETS)
        counts.append(trainee.weights.batches.tolist())
    assert counts == [[1, 0], [2, 0], [2, 1], [2, 2], [2, 2]]


def test_a_layer_missing_in_evaluation_is_an_error():
    trainee = dropping([]).eval()
    trainee.network.forward = lambda images: trainee.network.head(trainee.network.coarse(trainee.network.fine(images)))
    with pytest.raises(RuntimeError, match=r"got no features at point 'refine'.*must fire"):
        trainee(IMAGES, TARGETS)


def test_a_layer_that_never_comes_is_an_error():
    trainee = dropping(range(1, 1000))
    for _ in range(PATIENCE - 1):
        trainee(IMAGES[:1, :, :4, :4], TARGETS[:1, 4:, :4])
    with pytest.raises(RuntimeError, match=r"'refine' in 50 steps in a row; .* come back; find .* in train mode"):
        trainee(IMAGES, TARGETS)


# --- any callable ----------------------------------------------------------------------------------------------------


def test_a_loss_at_label_size():
    logits = torch.randn(2, 3, 2, 3, generator=torch.Generator().manual_seed(1))
    for align_corners in (False, True):
        loss = at_label_size(F.cross_entropy, align_corners=align_corners)
        large = F.interpolate(logits, (8, 12), mode="bilinear", align_corners=align_corners)
        expected = F.cross_entropy(large, TARGETS, ignore_index=255)
        torch.testing.assert_close(loss(logits, TARGETS, ignore_index=255), expected)
        torch.testing.assert_close(loss(large, TARGETS, ignore_index=255), expected)
        assert loss(logits.bfloat16(), TARGETS, ignore_index=255).dtype == torch.float32
    classified = logits.mean((2, 3))
    assert torch.equal(at_label_size(nn.CrossEntropyLoss())(classified, LABELS), F.cross_entropy(classified, LABELS))


def test_a_loss_that_knows_ignored_labels_is_told_them():
    scheme = imachsr.Scheme("plain", supervision=at_label_size(F.cross_entropy), output=at_label_size(F.cross_entropy))
    own, ours = supervised(scheme)(IMAGES, TARGETS), supervised("deep_supervision")(IMAGES, TARGETS)
    for name, value in own.terms.items():
        torch.testing.assert_close(value, ours.terms[name])


@pytest.mark.parametrize("name", ["DiceLoss", "LovaszLoss"])
def test_losses_of_segmentation_models_pytorch(name):
    smp_losses = pytest.importorskip("segmentation_models_pytorch").losses
    loss = at_label_size(getattr(smp_losses, name)(mode="multiclass", ignore_index=255))
    trainee = supervised(imachsr.Scheme(name, supervision=loss, output=loss))
    losses = trainee(IMAGES, TARGETS)
    large = F.interpolate(losses.logits, (8, 12), mode="bilinear")
    expected = getattr(smp_losses, name)(mode="multiclass", ignore_index=255)(large, TARGETS)
    torch.testing.assert_close(losses.terms["output"], expected)
    losses.total.backward()
    assert all(p.grad.abs().sum() > 0 for p in trainee.parameters())


# --- precision and compilation ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_half_precision_by_autocast(weighting):
    exact = supervised(weighting=weighting)(IMAGES, TARGETS)
    trainee = supervised(weighting=weighting)
    with torch.autocast("cpu", torch.bfloat16):
        losses = trainee(IMAGES, TARGETS)
    assert losses.logits.dtype == torch.bfloat16
    assert losses.total.dtype == torch.float32
    torch.testing.assert_close(losses.total, exact.total, rtol=0.02, atol=0.02)
    losses.total.backward()
    assert all(torch.isfinite(p.grad).all() and p.grad.abs().sum() > 0 for p in trainee.parameters())


@pytest.mark.parametrize("changes", [{}, {"weighting": "uncertainty", "schedule": "cosine", "lambda_": 0.0}], ids=str)
def test_compiled_as_one_graph(changes):
    torch.compiler.reset()
    trainee, twin = (supervised(names=["fine"], **changes) for _ in range(2))
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(trainee, fullgraph=True, backend=counter)
    frames = []
    for progress in (0.0, 0.25, 0.5, 0.75):
        trainee.progress = twin.progress = progress
        losses, expected = compiled(IMAGES, TARGETS), twin(IMAGES, TARGETS)
        torch.testing.assert_close(losses.total, expected.total)
        losses.total.backward()
        expected.total.backward()
        frames.append(counter.frame_count)
    assert frames[1] == frames[3], "progress compiles nothing anew"
    for name, value in gradients(twin).items():
        torch.testing.assert_close(gradients(trainee)[name], value, rtol=1e-4, atol=1e-6)


def test_matched_weights_are_measured_before_compiling():
    torch.compiler.reset()
    changes = {"names": ["fine"], "weighting": "gradient_norm", "measured_batches": 2}
    trainee, twin = (supervised(**changes) for _ in range(2))
    for _ in range(2):
        trainee(IMAGES, TARGETS)
        twin(IMAGES, TARGETS)
    compiled = torch.compile(trainee, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(IMAGES, TARGETS).total, twin(IMAGES, TARGETS).total)


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weighting": "magic"}, r"got weighting='magic' for scheme 'imachsr'; the weightings known are .*; use one"),
        ({"schedule": "poly"}, r"got schedule='poly' for scheme 'imachsr'; the schedules known are .*; use one"),
        ({"measured_batches": 0}, r"got measured_batches=0; .* one batch at least; raise it"),
        ({"alpha": float("nan")}, r"got alpha=nan; a weight is a finite number; pass one"),
        ({"lambda_": (0.1, float("inf"))}, r"got lambda_=inf; a weight is a finite number; pass one"),
        ({"alpha": -0.4}, r"got alpha=-0.4; below 0 a loss would be maximized; pass 0 or more"),
        ({"lambda_": (0.1, -1)}, r"got lambda_=-1; below 0 a loss would be maximized; pass 0 or more"),
        ({"alpha": True}, r"got alpha=True; a weight is a finite number; pass one"),
        ({"beta": 1}, r"got unknown field 'beta' of a scheme; its fields are .*; correct the name"),
        ({"alpha": (1, 2, 3)}, r"got 3 values of alpha for 2 points; .* one per point; give as many"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_wrong_schemes_are_refused(changes, words):
    network = Small()
    with pytest.raises(ValueError, match=words):
        supervised(network=network, **changes)
    assert not network._forward_hooks, "nothing is left attached"


def test_an_unknown_scheme_is_refused():
    with pytest.raises(ValueError, match=r"got scheme 'imac'; the schemes known are .*; use one, or build a Scheme"):
        imachsr.scheme("imac")


def test_a_scheme_that_needs_points_says_so():
    with pytest.raises(
        ValueError, match=r"got no points for scheme 'imachsr'; .*; choose some .* or use .*conventional"
    ):
        Supervised(Small(), (), imachsr.scheme("imachsr"), classes=3)


@pytest.mark.parametrize("output", [3.0, (), {"masks": 1}, SimpleNamespace()])
def test_outputs_without_logits_are_refused(output):
    with pytest.raises(TypeError, match=r"got a network output of type .*; logits must be .*; wrap the network"):
        logits_of(output)


@pytest.mark.parametrize("progress", [-0.1, 1.1, float("nan")])
def test_progress_is_a_share(progress):
    trainee = supervised()
    with pytest.raises(
        ValueError, match=r"got progress=.*; it is the share of training done, 0 to 1; pass step / steps"
    ):
        trainee.progress = progress


@pytest.mark.parametrize(
    ("loss", "got"),
    [
        (at_label_size(partial(F.cross_entropy, reduction="none")), r"shape \(2, 8, 12\)"),
        (lambda a, b: 0.5, "type float"),
    ],
)
def test_a_loss_is_one_number(loss, got):
    trainee = supervised(imachsr.Scheme("many", supervision=loss))
    with pytest.raises(ValueError, match=rf"got {got} for the term 'fine/supervision'; a loss is one number; average"):
        trainee(IMAGES, TARGETS)


@pytest.mark.parametrize(
    "supervision",
    [
        lambda logits, targets: imachsr.losses.mutual_information(logits, targets),
        partial(imachsr.losses.mutual_information, reduction="sum"),
    ],
    ids=["unknown", "sum"],
)
def test_a_learned_weight_refuses_terms_below_zero(supervision):
    trainee = supervised(imachsr.Scheme("astray", supervision=supervision, weighting="uncertainty"))
    with torch.no_grad():
        trainee.adapters[0].project.weight.mul_(10)
    with pytest.raises(
        ValueError, match=r"got -.* for the term 'fine/supervision' .*runs away.*; add .*, or use another"
    ):
        trainee(IMAGES, TARGETS)


def test_matching_a_gradient_that_is_not_there_is_refused():
    network = Small()
    network.fine.register_forward_hook(lambda module, given, features: 0 * features)
    trainee = supervised(network=network, weighting="gradient_norm", measured_batches=1)
    with pytest.raises(
        RuntimeError, match=r"and 0 \(fine/supervision\) over 1 batches; .*; choose a point after trainable"
    ):
        trainee(IMAGES, TARGETS)


def test_matching_in_a_network_all_frozen_is_refused():
    trainee = supervised(weighting="gradient_norm")
    trainee.network.requires_grad_(False)
    with pytest.raises(ValueError, match=r"got weighting='gradient_norm' and a network none of .*; .*; call requires_"):
        trainee(IMAGES, TARGETS)


def test_compiling_before_measuring_is_refused():
    torch.compiler.reset()
    compiled = torch.compile(supervised(names=["fine"], weighting="gradient_norm"), fullgraph=True, backend="eager")
    with pytest.raises(Exception, match=r"got a compiled step while weighting='gradient_norm' still measures"):
        compiled(IMAGES, TARGETS)


# --- parts of a batch ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["conventional", "deep_supervision", "imacsr", "imachsr"])
@pytest.mark.parametrize("changes", [{}, {"weighting": "uncertainty", "alpha": 0.7}], ids=["fixed", "uncertainty"])
def test_parts_of_a_batch_add_up_to_the_whole(name, changes):
    """Unequal parts, unequally labelled, one without any label: gradients are those of the whole batch."""
    images = torch.randn(5, 3, 8, 12, generator=torch.Generator().manual_seed(3))
    targets = torch.randint(0, 3, (5, 8, 12), generator=torch.Generator().manual_seed(4))
    targets[1, 2:], targets[2, :, 3:], targets[4] = 255, 255, 255
    whole, parts = supervised(name, **changes), supervised(name, **changes)
    losses = whole(images, targets)
    losses.total.backward()
    terms: dict = {}
    for piece in (slice(0, 2), slice(2, 4), slice(4, 5)):
        share = shares(counts(targets[piece]), counts(targets))
        partial_losses = parts(images[piece], targets[piece], share)
        partial_losses.total.backward()
        for term, value in partial_losses.terms.items():
            terms[term] = terms.get(term, 0.0) + value
    for key, value in gradients(whole).items():
        torch.testing.assert_close(gradients(parts)[key], value, rtol=1e-4, atol=1e-6)
    for term, value in losses.terms.items():
        if name != "imacsr" or not term.endswith("supervision"):  # there H(Y), a constant, is each part's own
            torch.testing.assert_close(terms[term], value, rtol=1e-4, atol=1e-6)


def mean_over_nothing(logits, targets):
    """A masked mean: 0 / 0 without labels, in value and gradient."""
    labelled = targets != 255
    return (F.cross_entropy(logits, targets, ignore_index=255, reduction="none") * labelled).sum() / labelled.sum()


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(ignore_index=255), mean_over_nothing])
@pytest.mark.parametrize("weighting", ["fixed", "gradient_norm"])
def test_a_part_without_labels_adds_nothing_to_losses_that_are_nan_there(loss, weighting):
    targets = torch.stack([TARGETS[0], torch.full_like(TARGETS[1], 255)])
    loss = at_label_size(loss)
    whole, parts = (supervised("deep_supervision", output=loss, supervision=loss, weighting=weighting) for _ in "ab")
    whole(IMAGES, targets).total.backward()
    for i in (1, 0):
        losses = parts(IMAGES[i : i + 1], targets[i : i + 1], shares(counts(targets[i : i + 1]), counts(targets)))
        losses.total.backward()
        if i == 1:
            assert all(value == 0 for value in losses.terms.values())
            assert all(not value.any() for value in gradients(parts).values())
    for key, value in gradients(whole).items():
        torch.testing.assert_close(gradients(parts)[key], value, rtol=1e-4, atol=1e-6)


def test_sums_just_add_up():
    summed = partial(imachsr.losses.cross_entropy, reduction="sum")
    trainee = supervised("conventional", output=summed)
    halves = [
        trainee(IMAGES[i : i + 1], TARGETS[i : i + 1], shares(counts(TARGETS[i : i + 1]), counts(TARGETS)))
        for i in range(2)
    ]
    torch.testing.assert_close(halves[0].total + halves[1].total, trainee(IMAGES, TARGETS).total)


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(ignore_index=255, reduction="sum"),
        partial(F.cross_entropy, reduction="sum"),
        partial(at_label_size(imachsr.losses.cross_entropy), reduction="sum"),
    ],
)
def test_sums_of_other_libraries_just_add_up_too(loss):
    whole = shares(counts(TARGETS[:1]), counts(TARGETS))
    for given in (loss, at_label_size(loss), partial(at_label_size(loss), ignore_index=255)):
        assert share_of(given, whole, TARGETS) is whole.parts


def test_a_mean_over_images_is_shared_by_images():
    whole = shares(counts(TARGETS[:1]), counts(TARGETS))
    for loss in (imachsr.losses.region, partial(imachsr.losses.mutual_information, estimator="region")):
        assert share_of(loss, whole, TARGETS) is whole.labelled
    assert share_of(imachsr.losses.infonce, whole, TARGETS) is whole.pixels


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(torch.tensor([1.0, 3.0, 1.0]), ignore_index=255),
        partial(F.cross_entropy, weight=torch.tensor([1.0, 3.0, 1.0])),
        partial(imachsr.losses.cross_entropy, weight=torch.tensor([1.0, 3.0, 1.0])),
    ],
)
def test_class_weights_are_refused_in_parts(loss):
    """A mean over weights is not the mean of the parts' means by pixels."""
    trainee = supervised("conventional", output=at_label_size(loss))
    trainee(IMAGES, TARGETS).total.backward()
    with pytest.raises(ValueError, match=r"got a loss with class weights for a part .*; its mean .*; train in one pro"):
        trainee(IMAGES[:1], TARGETS[:1], shares(counts(TARGETS[:1]), counts(TARGETS)))
    summed = partial(imachsr.losses.cross_entropy, weight=torch.tensor([1.0, 3.0, 1.0]), reduction="sum")
    supervised("conventional", output=summed)(IMAGES[:1], TARGETS[:1], shares(counts(TARGETS[:1]), counts(TARGETS)))


def test_shares_grow_with_the_processes_that_average():
    one, two = (shares(counts(TARGETS[:1]), counts(TARGETS), processes=n) for n in (1, 2))
    assert [2 * float(a) for a in one] == [float(b) for b in two]
    nothing = shares(counts(TARGETS * 0 + 255), counts(TARGETS * 0 + 255))
    assert float(nothing.pixels) == 0, "no label anywhere is no division by zero"


def test_only_one_term_counts():
    trainee = supervised("imachsr")
    with trainee.weights.only("fine/supervision"):
        losses = trainee(IMAGES, TARGETS)
        assert float(losses.total.detach()) == pytest.approx(0.2 * float(losses.terms["fine/supervision"]))
    assert trainee.weights.counts("output")


# --- what a trainee refuses -------------------------------------------------------------------------------------------


def seven_by_five():
    """A network of five classes, one point in it, images and labels."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 5, 1))
    (point,) = imachsr.choose_points(imachsr.find_points(network, torch.zeros(2, 3, 16, 24)), 1)
    return network, point, torch.rand(2, 3, 16, 24), torch.randint(0, 5, (2, 16, 24))


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"scheme": "imachsr"}, TypeError, r"got scheme 'imachsr'; it is a Scheme; pass imachsr.scheme"),
        ({"points": lambda p: None}, TypeError, r"got points None; they are a list of Point; pass what choose_points"),
        ({"points": lambda p: iter([p])}, TypeError, r"got points <list_iterator .*; they are a list of Point"),
        ({"network": {}}, TypeError, r"got dict for a network; it is an nn.Module; pass the module itself"),
        ({"network": nn.Conv2d}, TypeError, r"got the class Conv2d for a network; it is an nn.Module; pass the mod"),
        ({"ignore_index": None}, TypeError, r"got ignore_index=None; it is the label, .*; pass such as 255 or -1"),
        ({"classes": True}, ValueError, r"got classes=True; there are at least two"),
        ({"points": lambda p: p}, TypeError, r"got points .*; they are a list of Point; pass what choose_points"),
        ({"points": lambda p: [p, p]}, ValueError, r"got point '\w+' 2 times; .*; name it once"),
        ({"classes": 1}, ValueError, r"got classes=1; .* labels of 0 and 1 take classes=2"),
        ({"classes": 5.0}, ValueError, r"got classes=5.0; there are at least two"),
        ({"ignore_index": 3}, ValueError, r"got ignore_index=3 and classes=5; .* must not be a class"),
        ({"classes": 300}, ValueError, r"got ignore_index=255 and classes=300"),
    ],
)
def test_what_nothing_can_be_trained_with_is_refused(changes, error, words):
    network, point, _, _ = seven_by_five()
    points = changes.pop("points", lambda p: [p])(point)
    given = {"scheme": imachsr.scheme("imachsr"), "classes": 5, **changes}
    with pytest.raises(error, match=words):
        Supervised(given.pop("network", network), points, given.pop("scheme"), **given)
    assert not network._forward_hooks, "nothing is left behind"


def test_whole_numbers_of_numpy_are_numbers():
    network, point, images, labels = seven_by_five()
    given = {"classes": np.int64(5), "ignore_index": np.int16(255)}
    trainee = Supervised(network, [point], imachsr.scheme("imachsr"), **given)
    assert trainee(images, labels).total.isfinite()
    assert [type(value) for value in (trainee.classes, trainee.ignore_index)] == [int, int]


@pytest.mark.parametrize("scheme", ["conventional", "imachsr"])
def test_a_network_of_other_classes_than_the_labels_is_refused(scheme):
    network, point, images, labels = seven_by_five()
    trainee = Supervised(network, [point], imachsr.scheme(scheme), classes=7)
    with pytest.raises(
        ValueError, match=r"got logits \(2, 5, 8, 12\) and classes=7; .* pass classes=5, or a network of 7"
    ):
        trainee(images, labels)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (lambda x: x.mean(), r"got logits \(\); a network gives \(B, K, h, w\) .*, or \(B, K\) .*; wrap it so"),
        (
            lambda x: x[:, :1],
            r"got logits \(2, 1, 16, 24\) and classes=2; a single logit .* sigmoid.*network 2 outputs",
        ),
    ],
)
def test_outputs_that_are_no_logits_are_refused(output, words):
    class Wrong(nn.Module):
        def forward(self, images):
            return output(images)

    images, labels = torch.rand(2, 3, 16, 24), torch.zeros(2, 16, 24, dtype=torch.int64)
    trainee = Supervised(Wrong(), (), imachsr.scheme("conventional"), classes=2)
    with pytest.raises(ValueError, match=words):
        trainee(images, labels)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda x: (x * 255).byte(),
            r"got images torch.uint8 on cpu and a network of torch.float32 on cpu; .*div\(255\)",
        ),
        (
            lambda x: x.double(),
            r"got images torch.float64 on cpu .*; both are of one floating dtype and device; call im",
        ),
        (lambda x: x.numpy(), r"got images of type ndarray; a network takes tensors; .* torch.as_tensor\(images\)"),
        (lambda x: {"image": x}, r"got images of type dict; a network takes tensors; pass a tensor \(B, C, H, W\)"),
    ],
    ids=["bytes", "double", "numpy", "dict"],
)
def test_images_go_with_the_networks_weights(change, words):
    network, point, images, labels = seven_by_five()
    trainee = Supervised(network, [point], imachsr.scheme("imachsr"), classes=5)
    with pytest.raises(TypeError, match=words):
        trainee(change(images), labels)
    if isinstance(change(images), torch.Tensor):
        with pytest.raises(TypeError, match=words):
            imachsr.evaluate(network, [(change(images), labels)], classes=5, progress=False)


def test_a_network_may_take_bytes():
    class Bytes(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = seven_by_five()[0]

        def forward(self, images):
            return self.network(images.float().div(255))

    _, _, images, labels = seven_by_five()
    trainee = Supervised(Bytes(), (), imachsr.scheme("conventional"), classes=5)
    assert trainee((images * 255).byte(), labels).total.isfinite()


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(ignore_index=255), partial(F.cross_entropy, ignore_index=255)])
@pytest.mark.parametrize(("asked", "term"), [("output", "output"), ("supervision", "coarse/supervision")])
def test_a_loss_at_label_size_only_is_told_apart(loss, asked, term):
    trainee = supervised("imachsr", names=["coarse"], **{asked: loss})
    words = rf"got logits \(2, 3, 2, 3\) and targets \(2, 8, 12\) for the term '{term}', .*; pass imachsr.at_label_size"
    with pytest.raises(ValueError, match=words):
        trainee(IMAGES, TARGETS)
    at_size = supervised("imachsr", names=["coarse"], **{asked: at_label_size(loss)})
    assert at_size(IMAGES, TARGETS).total.isfinite()


def test_a_loss_at_label_size_that_fails_says_why_itself():
    wrong = at_label_size(lambda logits, targets: (logits * torch.ones(1, 7, 1, 1)).mean())
    with pytest.raises(RuntimeError, match=r"must match the size of tensor"):
        supervised("conventional", output=wrong)(IMAGES, TARGETS)


def test_a_loss_that_runs_out_of_memory_says_so():
    def large(logits, targets):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory of that size")

    with pytest.raises(RuntimeError, match=r"^DefaultCPUAllocator"):
        supervised("conventional", output=large)(IMAGES, TARGETS)


def test_a_class_of_losses_is_no_loss():
    with pytest.raises(
        TypeError, match=r"got output=CrossEntropyLoss, a class, .*; pass an instance, as CrossEntropyLoss"
    ):
        imachsr.scheme("imachsr", output=nn.CrossEntropyLoss)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            lambda y: y[..., None],
            ValueError,
            r"got labels \(2, 16, 24, 1\); they are class ids, .*; call .squeeze\(-1\)",
        ),
        (lambda y: y[:, None], ValueError, r"got labels \(2, 1, 16, 24\); they are class ids, .*; call .squeeze\(1\)"),
        (
            lambda y: F.one_hot(y).movedim(-1, 1),
            ValueError,
            r"got labels \(2, 5, 16, 24\); .* one-hot labels, call .arg",
        ),
        (
            lambda y: F.one_hot(y).movedim(-1, 1).float(),
            ValueError,
            r"got labels \(2, 5, 16, 24\); .*call .argmax\(1\)",
        ),
        (
            lambda y: y[0],
            ValueError,
            r"got labels \(16, 24\); they are class ids, .*; pass one id per pixel, in a batch",
        ),
        (lambda y: y.numpy(), TypeError, r"got labels of type ndarray; .* a tensor .*; pass torch.as_tensor\(labels\)"),
        (lambda y: None, TypeError, r"got labels of type NoneType; they are class ids, a tensor"),
    ],
    ids=["channel last", "channel", "one-hot", "one-hot float", "one image", "numpy", "none"],
)
def test_labels_are_class_ids(change, error, words):
    network, point, images, labels = seven_by_five()
    labels.view(-1)[:5] = torch.arange(5)
    trainee = Supervised(network, [point], imachsr.scheme("imachsr"), classes=5)
    with pytest.raises(error, match=words):
        trainee(images, change(labels))
    if isinstance(change(labels), torch.Tensor) and len(change(labels)) == len(images):
        with pytest.raises(error, match=words):
            imachsr.evaluate(network, [(images, change(labels))], classes=5, progress=False)


def test_labels_turned_against_the_images_are_refused():
    network, point, images, labels = seven_by_five()
    trainee = Supervised(network, [point], imachsr.scheme("imachsr"), classes=5)
    with pytest.raises(ValueError, match=r"got images of 16x24 and labels of 24x16; .* exchanged: transpose them"):
        trainee(images, labels.transpose(1, 2))
    with pytest.raises(ValueError, match=r"got images of 16x24 and labels of 24x16"):
        imachsr.evaluate(network, [(images, labels.transpose(1, 2))], classes=5)
    larger = labels.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert trainee(images, larger[:, :-1]).total.isfinite(), "any size of the same shape, within rounding"
    wide = labels.repeat_interleave(3, 2)
    assert imachsr.evaluate(network, [(images, wide)], classes=5).per_image is not None, (
        "images resized to another shape"
    )


def test_a_released_trainee_is_not_trained():
    network, point, images, labels = seven_by_five()
    trainee = Supervised(network, [point], imachsr.scheme("imachsr"), classes=5)
    trainee.release()
    for call in (lambda: trainee(images, labels), lambda: trainee.point_logits(images)):
        with pytest.raises(RuntimeError, match=r"released; its points are captured no more; make a new Supervised"):
            call()


@pytest.mark.parametrize("part", ["output", "supervision"])
@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (nn.CrossEntropyLoss(), "CrossEntropyLoss with ignore_index=-100"),
        (at_label_size(nn.CrossEntropyLoss()), "CrossEntropyLoss with ignore_index=-100"),
        (partial(nn.CrossEntropyLoss()), "CrossEntropyLoss with ignore_index=-100"),
        (partial(at_label_size(nn.CrossEntropyLoss())), "CrossEntropyLoss with ignore_index=-100"),
        (partial(imachsr.losses.cross_entropy, ignore_index=7), "cross_entropy with ignore_index=7"),
    ],
    ids=["module", "at label size", "bound", "bound at label size", "bound to another"],
)
def test_a_loss_that_counts_void_pixels_is_refused(loss, words, part):
    network, point, _, _ = seven_by_five()
    own = imachsr.scheme("imachsr", **{part: loss})
    with pytest.raises(ValueError, match=rf"got a loss {words}; .* make it with ignore_index=255"):
        Supervised(network, [point], own, classes=5)


def test_a_loss_told_which_pixels_are_void_is_taken():
    network, point, _, _ = seven_by_five()
    told = imachsr.scheme("imachsr", supervision=at_label_size(nn.CrossEntropyLoss(ignore_index=255)))
    assert Supervised(network, [point], told, classes=5)


def test_a_scheme_takes_losses_and_numbers_only():
    with pytest.raises(TypeError, match=r"got supervision='dice' for scheme 'imachsr'; a loss is a function"):
        imachsr.scheme("imachsr", supervision="dice")
    with pytest.raises(ValueError, match=r"got alpha='0.1'; a weight is a finite number"):
        imachsr.scheme("imachsr", alpha="0.1")


def test_adapters_take_the_networks_precision():
    network, _, images, labels = seven_by_five()
    network.bfloat16()
    points = imachsr.choose_points(imachsr.find_points(network, images.bfloat16()), 1)
    trainee = Supervised(network, points, imachsr.scheme("imachsr"), classes=5)
    trainee(images.bfloat16(), labels).total.backward()
    assert all(p.grad.isfinite().all() and p.dtype == torch.bfloat16 for p in trainee.adapters.parameters())


def test_without_adapters_the_networks_logits_stand_alone():
    network, point, images, _ = seven_by_five()
    trainee = Supervised(network, [point], imachsr.scheme("imachsr", supervision=None), classes=5)
    (logits,) = trainee.point_logits(images)
    assert logits.shape[1] == 5


def test_a_module_that_was_replaced_is_named_at_once():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 1))
    points = imachsr.choose_points(imachsr.find_points(network, IMAGES), 1, names="1")
    trainee = Supervised(network, points, imachsr.scheme("imachsr"), classes=3)
    trainee = nn.SyncBatchNorm.convert_sync_batchnorm(trainee)
    network[1].forward = lambda features: features  # as it trains only on a GPU
    with pytest.raises(RuntimeError, match=r"at point '1': another module has taken the place .*; convert the network"):
        trainee(IMAGES, TARGETS)


@pytest.mark.parametrize("how", ["frozen", "no_grad"])
def test_features_without_a_gradient_are_refused_in_training_alone(how):
    class Partly(Small):
        def forward(self, images):
            with torch.set_grad_enabled(how != "no_grad"):
                features = self.fine[0](images)
            return self.head(self.coarse(self.fine[1](features)))

    network = Partly()
    points = imachsr.choose_points(imachsr.find_points(network, IMAGES), 1, names="fine.1")
    network.fine.requires_grad_(how != "frozen")
    trainee = Supervised(network, points, imachsr.scheme("imachsr"), classes=3)
    with pytest.raises(
        RuntimeError, match=r"without a gradient at point 'fine.1'; .*; choose points behind a trainable"
    ):
        trainee(IMAGES, TARGETS)
    assert len(trainee.eval()(IMAGES, TARGETS).terms) == 3


def test_a_replica_of_data_parallel_is_refused():
    replica = supervised()._replicate_for_data_parallel()
    with pytest.raises(RuntimeError, match=r"replica that DataParallel made; .*; wrap .* DistributedDataParallel"):
        replica(IMAGES, TARGETS)


def test_a_part_of_another_dtype_is_supervised_in_the_adapters():
    class Mixed(Small):
        def forward(self, images):
            return self.head(self.coarse(self.fine(images).double()).float())

    network = Mixed()
    network.coarse.double()
    trainee = Supervised(
        network, imachsr.choose_points(imachsr.find_points(network, IMAGES), 1, names="coarse"),
        imachsr.scheme("imachsr"), classes=3,
    )  # fmt: skip
    trainee(IMAGES, TARGETS).total.backward()
    assert all(weight.grad is not None for weight in trainee.parameters())


def test_labels_on_another_device_are_refused():
    with pytest.raises(ValueError, match=r"got labels on meta and logits on cpu; .*; call labels.to\('cpu'\)"):
        supervised("conventional")(IMAGES, TARGETS.to("meta"))


def test_several_inputs_may_come_as_a_list():
    class Summed(Small):
        def forward(self, images, depth):
            return super().forward(images + depth)

    trainee = supervised(network=Summed(), images=(IMAGES, IMAGES))
    assert trainee([IMAGES, IMAGES], TARGETS).total == trainee((IMAGES, IMAGES), TARGETS).total


def test_a_network_all_frozen_trains_its_adapters():
    network = Small()
    network.requires_grad_(False)
    trainee = Supervised(
        network,
        imachsr.choose_points(imachsr.find_points(Small(), IMAGES), 1, names="coarse"),
        imachsr.scheme("imachsr"),
        classes=3,
    )
    trainee(IMAGES, TARGETS).total.backward()
    assert all(weight.grad is not None for weight in trainee.adapters.parameters())


def test_ensembles_by_vmap():
    trainee = supervised()
    stacked = {name: torch.stack([weight, weight]) for name, weight in trainee.named_parameters()}
    totals = torch.func.vmap(lambda p: torch.func.functional_call(trainee, p, (IMAGES, TARGETS)).total)(stacked)
    torch.testing.assert_close(totals[0], trainee(IMAGES, TARGETS).total)


def test_hooks_inside_a_wrapper_still_count_where_a_layer_is_dropped():
    network = Dropping()
    trainee = supervised(network=network, names=["refine"])
    network.refine = nn.Sequential(network.refine)  # as a checkpoint wrapper does
    network.dropped = (1,)
    trainee(IMAGES, TARGETS)
    assert trainee.skipped == {"refine": 1}


def test_adapters_on_meta_and_with_float64_under_autocast():
    adapter = imachsr.DimensionAdapter(4, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert adapter(torch.zeros(2, 4, 5, 6, dtype=torch.float64)).shape == (2, 3, 5, 6)
    assert adapter.to("meta")(torch.zeros(2, 4, 5, 6, device="meta")).shape == (2, 3, 5, 6)
