"""What the theorem calls G, sigma and L, measured where a network stands: per term, over a fixed set of minibatches.

Nothing here knows networks or losses: a minibatch is a function that returns its terms as scalars with a graph, and
the full loss is the mean over the minibatches. Axes: N terms, Z minibatches, P parameters in all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Minibatch = Callable[[], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Slopes:
    """Full gradients and minibatch noise of every term as inner products, from which all norms and angles follow.

    Args:
        names: of the terms, output loss first.
        values: mean loss of each term, (N,).
        full: <g_s, g_r> of the full gradients, (N, N).
        noise: mean over minibatches of <n_s, n_r>, n the difference to the full gradient, (N, N).
    """

    names: tuple[str, ...]
    values: np.ndarray
    full: np.ndarray
    noise: np.ndarray

    @property
    def gradients(self) -> np.ndarray:
        """|g_s| of each term, (N,): what G_s bounds."""
        return np.sqrt(np.maximum(self.full.diagonal(), 0))

    @property
    def deviations(self) -> np.ndarray:
        """Root mean square of |n_s|, (N,): what sigma_s bounds."""
        return np.sqrt(np.maximum(self.noise.diagonal(), 0))

    def squared(self, weights: np.ndarray) -> float:
        """|grad L_T|^2 for weights w_s, (N,)."""
        return float(weights @ self.full @ weights)

    def variance(self, weights: np.ndarray) -> float:
        """Mean square of the total's noise for weights w_s, (N,)."""
        return float(weights @ self.noise @ weights)

    def alignment(self, of: str = "full") -> np.ndarray:
        """Cosines between the terms' full gradients ("full") or their noises ("noise"), (N, N); 0 where one is zero."""
        if of not in ("full", "noise"):
            raise ValueError(f"got of={of!r}; angles are between gradients or noises; say 'full' or 'noise'")
        inner = self.full if of == "full" else self.noise
        size = np.sqrt(np.maximum(inner.diagonal(), 0))
        both = np.outer(size, size)
        return np.divide(inner, both, out=np.zeros_like(inner), where=both > 0)


def slopes(minibatches: Sequence[Minibatch], parameters: Sequence[Tensor]) -> Slopes:
    """Gradients of every term on every minibatch, kept as inner products.

    Args:
        minibatches: each returns name -> scalar with a graph; equal names in all.
        parameters: what is trained; a term need not reach all of them.

    Raises:
        ValueError: no minibatches, or other terms in one of them.
    """
    _check(minibatches)
    names: tuple[str, ...] = ()
    values, mean, second = torch.zeros(0), torch.zeros(0), torch.zeros(0)
    for number, minibatch in enumerate(minibatches):
        terms = minibatch()
        if number and tuple(terms) != names:
            raise ValueError(f"got terms {[*terms]} after {[*names]}; every minibatch has the same; compute them all")
        stacked = torch.stack([_flat(term, parameters, keep=True) for term in terms.values()])  # (N, P)
        inner = (stacked @ stacked.T).double()
        value = torch.stack([term.detach() for term in terms.values()]).double()
        names = tuple(terms)
        values, mean, second = (
            (values + value, mean.add_(stacked), second + inner) if number else (value, stacked, inner)
        )
    mean = mean / len(minibatches)
    full = (mean @ mean.T).double()
    noise = second / len(minibatches) - full
    return Slopes(names, (values / len(minibatches)).cpu().numpy(), full.cpu().numpy(), noise.cpu().numpy())


def local_smoothness(
    minibatches: Sequence[Minibatch],
    parameters: Sequence[Tensor],
    term: Callable[[Mapping[str, Tensor]], Tensor],
    *,
    iterations: int = 12,
) -> float:
    """The largest |eigenvalue| of the Hessian here, by power iteration on Hessian-vector products.

    It is never above the true one, and L_s, which holds everywhere, is never below the true one. Networks of ReLUs
    have no L_s at all: their gradient jumps.

    Args:
        minibatches: each returns name -> scalar with a graph that can be differentiated twice (reference losses).
        parameters: what is trained.
        term: picks or adds terms: one scalar from what a minibatch returned.
        iterations: of the power iteration; each differentiates every minibatch twice.

    Raises:
        ValueError: no minibatches, or no iterations.
    """
    _check(minibatches)
    if iterations < 1:
        raise ValueError(f"got iterations={iterations}; the power iteration needs one at least; pass more")
    generator = torch.Generator().manual_seed(0)
    v = torch.cat([torch.randn(p.shape, generator=generator).to(p).flatten() for p in parameters])
    size = 0.0
    for _ in range(iterations):
        v = v / v.norm()
        product = torch.zeros_like(v)
        for minibatch in minibatches:
            slope = _flat(term(minibatch()), parameters, twice=True)
            if slope.requires_grad:  # else the term is linear, and its Hessian zero
                product += _flat(slope @ v, parameters)
        product /= len(minibatches)
        size = float(product.norm())
        if size == 0:
            return 0.0
        v = product
    return size


def _check(minibatches: Sequence[Minibatch]) -> None:
    if not minibatches:
        raise ValueError("got no minibatches; the full loss is the mean over them; pass one at least")


def _flat(value: Tensor, parameters: Sequence[Tensor], *, keep: bool = False, twice: bool = False) -> Tensor:
    """The gradient of a scalar in all parameters, in one row (P,); zero where it does not reach."""
    found = torch.autograd.grad(
        value, parameters, retain_graph=keep or twice, create_graph=twice, allow_unused=True, materialize_grads=True
    )
    return torch.cat([part.flatten() for part in found])
