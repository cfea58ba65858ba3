"""Every fast twin loses no more than plain torch loses in the same dtype, plus a small slack."""

import subprocess
import sys

import hypothesis.extra.numpy as hnp
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from imachsr import losses

CPU = ["chunked", "numba"]
SHAPES = [(2, 11, 9, 12, 37, 50), (1, 3, 5, 7, 5, 7), (3, 19, 12, 9, 7, 5), (2, 150, 3, 4, 17, 13), (1, 2, 1, 1, 6, 9)]
LOSSES = {
    "cross_entropy": losses.cross_entropy,
    "weighted": lambda x, t, **o: losses.cross_entropy(
        x, t, weight=torch.linspace(0.1, 2, x.shape[1], dtype=x.dtype), label_smoothing=0.1, **o
    ),
    "plug_in": losses.mutual_information,
    "variational": lambda x, t, **o: losses.mutual_information(x, t, estimator="variational", **o),
    "infonce": lambda x, t, **o: losses.mutual_information(x, t, estimator="infonce", **o),
}


def compare(measure, loss, tensor, impl, count=1):
    """Assert impl against float64: a sum of count within 1e-6 each, the gradient within 1e-5 of its largest."""
    truth, slope = measure(lambda x: loss(x, "reference"), tensor.double())
    value, gradient = measure(lambda x: loss(x, impl), tensor)
    assert abs(value - truth) <= 1e-6 * max(count, abs(truth))
    assert (gradient - slope).abs().max() <= 1e-5 * slope.abs().max() + 1e-10 * count


@pytest.mark.parametrize("impl", ["reference", *CPU])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", SHAPES)
def test_truth_in_float64(pair, value_and_gradient, shape, name, impl):
    logits, targets = pair(*shape)
    for align_corners in (False, True):
        for reduction in ("mean", "sum"):
            options = {"align_corners": align_corners, "reduction": reduction}
            count = targets.numel() if reduction == "sum" else 1
            compare(
                value_and_gradient, lambda x, i, o=options: LOSSES[name](x, targets, impl=i, **o), logits, impl, count
            )


@pytest.mark.parametrize("impl", CPU)
def test_classification_and_odd_memory(pair, value_and_gradient, impl):
    logits, targets = pair(K=6, h=8, w=10)
    for loss in (losses.cross_entropy, losses.mutual_information):
        compare(
            value_and_gradient,
            lambda x, i, f=loss: f(x[:, :, 0].flatten(2)[..., 0], targets[:, 3, 3], impl=i),
            logits,
            impl,
        )
        compare(
            value_and_gradient,
            lambda x, i, f=loss: f(x[:, ::2, 1:], targets.mT % 3, impl=i, ignore_index=0),
            logits,
            impl,
        )
        channels_last = logits.to(memory_format=torch.channels_last)
        compare(value_and_gradient, lambda x, i, f=loss: f(x, targets, impl=i), channels_last, impl)


@pytest.mark.parametrize("impl", CPU)
@pytest.mark.parametrize("dim", [0, 1, 2, -1])
def test_negative_entropy_in_any_layout(value_and_gradient, impl, dim):
    features = torch.randn(3, 7, 5, 9) * 3
    views = [features, features.to(memory_format=torch.channels_last), features[:, ::2, 1:], torch.randn(5, 64, 40, 50)]
    for view in views:
        for reduction in ("mean", "sum"):
            compare(
                value_and_gradient,
                lambda x, i, r=reduction: losses.negative_entropy(x, dim=dim, reduction=r, impl=i),
                view,
                impl,
                view.numel() // view.shape[dim] if reduction == "sum" else 1,
            )


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_shape_and_ignore_pattern(data):
    side = st.integers(1, 9)
    B, K, h, w, H, W = (data.draw(s) for s in (st.integers(1, 3), st.integers(1, 7), side, side, side, side))
    targets = torch.from_numpy(data.draw(hnp.arrays("int64", (B, H, W), elements=st.integers(-1, K - 1))))
    values = st.floats(-20, 20, width=32)
    logits = torch.from_numpy(data.draw(hnp.arrays("float32", (B, K, h, w), elements=values)))
    align_corners = data.draw(st.booleans())
    for loss in (losses.cross_entropy, losses.mutual_information):
        results = {}
        for impl in ("reference", *CPU):
            x = logits.clone().requires_grad_()
            value = loss(x, targets, ignore_index=-1, align_corners=align_corners, impl=impl)
            value.backward()
            results[impl] = value.detach(), x.grad
        assert torch.isfinite(results["reference"][0])
        for impl in CPU:
            torch.testing.assert_close(results[impl][0], results["reference"][0], atol=5e-6, rtol=2e-6)
            torch.testing.assert_close(results[impl][1], results["reference"][1], atol=5e-6, rtol=2e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("impl", CPU)
def test_half_precision_works_in_float32(pair, value_and_gradient, impl, dtype):
    logits, targets = pair()
    half = logits.to(dtype)
    for loss in (
        lambda x, i: losses.cross_entropy(x, targets, impl=i),
        lambda x, i: losses.mutual_information(x, targets, impl=i),
        lambda x, i: losses.negative_entropy(x, impl=i),
    ):
        assert loss(half, impl).dtype == torch.float32
        value, gradient = value_and_gradient(lambda x, f=loss: f(x, impl), half)
        truth, slope = value_and_gradient(lambda x, f=loss: f(x, "reference"), half.double())
        assert abs(value - truth) <= 1e-6
        assert (gradient - slope).abs().max() <= torch.finfo(dtype).eps * slope.abs().max()


@pytest.mark.parametrize("impl", CPU)
def test_same_bits_on_one_thread_and_two(impl):
    logits, targets = torch.randn(3, 11, 24, 32), torch.randint(0, 11, (3, 96, 128))
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            x = logits.clone().requires_grad_()
            terms = [
                losses.cross_entropy(x, targets, impl=impl, label_smoothing=0.1),
                losses.mutual_information(x, targets, impl=impl),
                losses.negative_entropy(x, impl=impl),
            ]
            sum(terms).backward()
            results.append([*(term.detach() for term in terms), x.grad])
    finally:
        torch.set_num_threads(threads)
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)


def test_what_is_kept_has_the_size_of_the_features(pair):
    logits, targets = pair(B=2, K=5, h=4, w=6, H=64, W=96)
    for impl in CPU:
        for loss in (losses.cross_entropy, losses.mutual_information):
            x, kept = logits.clone().requires_grad_(), []
            with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):  # noqa: B023
                loss(x, targets, impl=impl)
            assert max(kept) <= x.numel()


@pytest.mark.parametrize("impl", CPU)
@pytest.mark.parametrize("loss", ["cross_entropy", "mutual_information", "negative_entropy"])
def test_second_derivative_is_refused_and_names_the_reference(pair, impl, loss):
    logits, targets = pair()
    arguments = () if loss == "negative_entropy" else (targets,)
    x = logits.requires_grad_()
    value = getattr(losses, loss)(x, *arguments, impl=impl)
    (gradient,) = torch.autograd.grad(value, x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"second derivative.*impl='reference'"):
        gradient.square().sum().backward()


@pytest.mark.parametrize("loss", ["cross_entropy", "mutual_information", "negative_entropy"])
def test_compile_in_one_graph_and_under_autocast(loss):
    logits, targets = torch.randn(2, 11, 24, 32), torch.randint(0, 11, (2, 96, 128))
    features = torch.randn(4, 64, 32, 32)
    tensor, arguments = (features, ()) if loss == "negative_entropy" else (logits, (targets,))

    def step(x):
        return getattr(losses, loss)(x * 2, *arguments) * 3  # big enough that "auto" is numba

    results = []
    for function in (step, torch.compile(step, fullgraph=True, backend="aot_eager")):
        for context in (torch.autocast("cpu", enabled=False), torch.autocast("cpu", dtype=torch.bfloat16)):
            x = tensor.clone().requires_grad_()
            with context:
                value = function(x)
            value.backward()
            assert value.dtype == torch.float32
            results.append((value.detach(), x.grad))
    for value, gradient in results[1:]:
        torch.testing.assert_close(value, results[0][0], rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(gradient, results[0][1], rtol=1e-5, atol=1e-9)


def test_opcheck(pair):
    logits, targets = pair()
    for loss in (losses.cross_entropy, losses.mutual_information):
        for impl in CPU:
            loss(logits, targets, impl=impl)  # registers the operator
    x = logits.requires_grad_()
    for impl in CPU:
        operator = getattr(torch.ops.imachsr, f"mutual_information_{impl}").default
        torch.library.opcheck(operator, (x, targets, False, 255, True, True))
        operator = getattr(torch.ops.imachsr, f"cross_entropy_{impl}").default
        torch.library.opcheck(operator, (x, targets, None, 0.1, True, 255, True, True))
        losses.negative_entropy(x, impl=impl)
        operator = getattr(torch.ops.imachsr, f"negative_entropy_{impl}").default
        torch.library.opcheck(operator, (x, 1, True))


def test_auto_takes_the_reference_under_functorch():
    logits, targets = torch.randn(2, 11, 24, 32), torch.randint(0, 11, (2, 96, 128))
    gradient = torch.func.grad(lambda x: losses.cross_entropy(x, targets))(logits)
    x = logits.clone().requires_grad_()
    losses.cross_entropy(x, targets, impl="reference").backward()
    torch.testing.assert_close(gradient, x.grad)
    with pytest.raises(ValueError, match=r"functorch.*impl='reference'"):
        torch.func.grad(lambda x: losses.cross_entropy(x, targets, impl="numba"))(logits)


def test_nan_in_is_nan_out(pair):
    logits, targets = pair()
    logits[0, 1, 2, 2] = float("nan")
    for impl in ("reference", *CPU):
        x = logits.clone().requires_grad_()
        loss = losses.cross_entropy(x, targets, impl=impl) + losses.mutual_information(x, targets, impl=impl)
        (loss + losses.negative_entropy(x, impl=impl)).backward()
        assert torch.isnan(loss)
        assert torch.isnan(x.grad).any()


@pytest.mark.parametrize("impl", ["reference", *CPU])
@pytest.mark.parametrize("excluded", [0, 3])
def test_a_class_excluded_by_minus_infinity_is_as_if_it_were_not_there(value_and_gradient, excluded, impl):
    """Where logits lie at label size: blends of minus infinity have no digits in torch either."""
    logits, others = torch.randn(2, 4, 9, 70), [k for k in range(4) if k != excluded]
    logits[:, excluded] = -torch.inf
    targets = torch.tensor([*others, 255])[torch.randint(0, 4, (2, 9, 70))]
    compact = torch.where(targets == 255, 255, targets - (targets > excluded).long())
    for loss in (losses.cross_entropy, losses.mutual_information):
        value, gradient = value_and_gradient(lambda x, f=loss: f(x, targets, impl=impl), logits)
        truth, slope = value_and_gradient(lambda x, f=loss: f(x, compact, impl="reference"), logits[:, others].double())
        assert abs(value - truth) <= 1e-6
        assert (gradient[:, others] - slope).abs().max() <= 1e-5 * slope.abs().max()
        assert gradient[:, excluded].abs().max() <= 1e-30


@pytest.mark.parametrize("impl", ["reference", *CPU])
def test_smoothing_meets_minus_infinity_as_torch_does(value_and_gradient, impl):
    """Where no pixel is labelled it counts nowhere; elsewhere the share that an excluded class gets costs all."""
    targets, logits = torch.randint(0, 3, (2, 9, 70)), torch.randn(2, 4, 9, 70)
    targets[:, :2], logits[:, 3, :2] = 255, -torch.inf
    smoothed = {"ignore_index": 255, "label_smoothing": 0.1}
    value, gradient = value_and_gradient(lambda x: losses.cross_entropy(x, targets, impl=impl, **smoothed), logits)
    truth, slope = value_and_gradient(lambda x: F.cross_entropy(x, targets, **smoothed), logits.double())
    assert abs(value - truth) <= 1e-6
    assert (gradient - slope).abs().max() <= 1e-5 * slope.abs().max()
    logits[:, 3] = -torch.inf
    assert losses.cross_entropy(logits, targets, impl=impl, **smoothed) == torch.inf


def test_chunked_keeps_the_digits_of_float64(pair, value_and_gradient):
    logits, targets = pair(B=2, K=5, h=7, w=9, H=37, W=50)
    for loss in (losses.cross_entropy, losses.mutual_information):
        ours, truth = (
            value_and_gradient(lambda x, f=loss, i=impl: f(x, targets, impl=i), logits.double())
            for impl in ("chunked", "reference")
        )
        for mine, other in zip(ours, truth, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-16)


def _in_worker(_: int) -> float:
    return losses.cross_entropy(torch.zeros(1, 4, 2, 2), torch.zeros(1, 8, 8, dtype=torch.int64), impl="numba").item()


class _Losses(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> float:
        return _in_worker(index)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_forked_loader_worker_after_threads_were_used():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        losses.cross_entropy(torch.randn(2, 11, 24, 32), torch.randint(0, 11, (2, 96, 128)), impl="numba")
        loader = torch.utils.data.DataLoader(_Losses(), num_workers=1, multiprocessing_context="fork", timeout=60)
        assert torch.cat(list(loader)).tolist() == pytest.approx([1.3862943] * 2)
    finally:
        torch.set_num_threads(threads)


def test_two_python_threads_at_once():
    from concurrent.futures import ThreadPoolExecutor

    logits, targets = torch.randn(2, 11, 24, 32), torch.randint(0, 11, (2, 96, 128))
    with ThreadPoolExecutor(4) as pool:
        values = list(pool.map(lambda _: losses.cross_entropy(logits, targets, impl="numba").item(), range(16)))
    assert len(set(values)) == 1


def test_import_costs_no_kernel():
    code = "import sys, imachsr.losses; assert not [m for m in sys.modules if m == 'numba' or '.kernels' in m]"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_kernels_without_a_folder_to_cache_in():
    """A read-only install in a home that cannot be written: compile anew, do not fail."""
    code = (
        "import numba.core.caching as c\n"
        "c.FunctionCache._impl_class._locator_classes = []\n"
        "import torch, imachsr.losses as l\n"
        "print(l.negative_entropy(torch.zeros(2, 8, 3, 3), impl='numba').item())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert float(done.stdout) == pytest.approx(-2.0794415)
