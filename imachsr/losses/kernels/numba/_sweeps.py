"""The compiled loops: bilinear upsampling, softmax and gradient in one sweep over tiles that stay in cache.

A task is one image and one strip of source rows. Along a strip, every source row is spread over the columns of a tile
once, and each label row in between is a blend of two such rows, so all inner loops run over neighbours in memory.
Gradients travel the same way back: they gather per source row over the tile, then fold into its columns once.
Kernels are serial and drop the GIL; threads take tasks (see `_threads`). All of it lives in one file because numba's
cache looks at the changes of one file only.

Axes: B images, K classes, C channels, (h, w) logits, (H, W) labels, T columns of a tile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

# NaN and infinity keep their meaning (no nnan, ninf): a diverged network must show in its loss
MATH = {"contract", "reassoc", "nsz", "arcp"}


def compiled(function: Any) -> Any:
    """`function` compiled on first call, kept on disk where some cache folder is writable."""
    try:
        return njit(nogil=True, fastmath=MATH, error_model="numpy", cache=True)(function)
    except RuntimeError:  # a read-only install without a home: compile anew in each process
        return njit(nogil=True, fastmath=MATH, error_model="numpy")(function)


@intrinsic
def _as_float(typing: Any, bits: Any) -> Any:
    """The float32 of these int32 bits."""
    return types.float32(types.int32), lambda context, builder, _, args: builder.bitcast(args[0], ir.FloatType())


@intrinsic
def _as_bits(typing: Any, number: Any) -> Any:
    """The int32 bits of this float32."""
    return types.int32(types.float32), lambda context, builder, _, args: builder.bitcast(args[0], ir.IntType(32))


def _fit_exp2(degree: int = 6) -> tuple[np.float32, ...]:
    """Coefficients of 2^r on [-1/2, 1/2], lowest first: the Chebyshev interpolant, error below 1e-8."""
    fit = np.polynomial.Chebyshev.interpolate(np.exp2, degree, domain=[-0.5, 0.5])
    return tuple(np.float32(c) for c in fit.convert(kind=np.polynomial.Polynomial).coef)


E0, E1, E2, E3, E4, E5, E6 = _fit_exp2()
LOG2E, LN2 = np.float32(1 / np.log(2)), np.float32(np.log(2))
ZERO, HALF, ONE, TWO, LOWEST = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2), np.float32(-126)
L3, L5, L7, L9 = (np.float32(2 / n) for n in (3, 5, 7, 9))
ROOT_HALF = np.int32(np.float32(np.sqrt(0.5)).view(np.int32))


@compiled
def _exp(x):  # type: ignore[no-untyped-def]
    """exp x for x <= 0, to one unit in the last place near 0; below 2^-126 it stays there."""
    t = x * LOG2E
    t = LOWEST if t < LOWEST else t  # NaN passes
    n = np.int32(t - HALF)
    r = t - np.float32(n)
    p = E0 + r * (E1 + r * (E2 + r * (E3 + r * (E4 + r * (E5 + r * E6)))))
    return p * _as_float(np.int32((n + np.int32(127)) << np.int32(23)))


@compiled
def _log(x):  # type: ignore[no-untyped-def]
    """log x for normal x > 0: exponent apart, then 2 artanh((m - 1) / (m + 1)) on [sqrt 1/2, sqrt 2)."""
    n = np.int32((_as_bits(x) - ROOT_HALF) >> np.int32(23))
    m = _as_float(np.int32(_as_bits(x) - (n << np.int32(23))))
    u = (m - ONE) / (m + ONE)
    z = u * u
    y = np.float32(n) * LN2 + u * (TWO + z * (L3 + z * (L5 + z * (L7 + z * L9))))
    return y if x == x else x


@compiled
def _at(start, x):  # type: ignore[no-untyped-def]
    """start + x, unsigned: a signed index may count from the end, which costs the loop its vectors."""
    return np.uint64(start) + np.uint64(x)


@compiled
def _spread(logits, row, columns, start, T, out):  # type: ignore[no-untyped-def]
    """Source row (K, w) at the T columns from start of the label grid."""
    left, right, share = columns
    if len(left) == logits.shape[2]:  # nothing to blend; -inf would not survive it
        for k in range(logits.shape[0]):
            for x in range(T):
                out[k, x] = logits[k, row, _at(start, x)]
        return
    for k in range(logits.shape[0]):
        for x in range(T):
            a, b = logits[k, row, left[_at(start, x)]], logits[k, row, right[_at(start, x)]]
            out[k, x] = a + share[_at(start, x)] * (b - a)


@compiled
def _fold(gathered, columns, start, T, out):  # type: ignore[no-untyped-def]
    """The adjoint of `_spread`: the gradient of the tile's columns, added to the source row's (K, w), then zeroed."""
    left, right, share = columns
    for k in range(out.shape[0]):
        for x in range(T):
            g, f = gathered[k, x], share[_at(start, x)]
            out[k, left[_at(start, x)]] += (ONE - f) * g
            out[k, right[_at(start, x)]] += f * g
            gathered[k, x] = 0


@compiled
def _read_labels(targets, start, T, K, ignore_index, labels):  # type: ignore[no-untyped-def]
    """Labels of a tile's row, K where ignored. Returns how many count, and a label outside the classes if one is."""
    counted, wrong = 0, ignore_index
    for x in range(T):
        y = targets[_at(start, x)]
        inside = (y >= 0) & (y < K) & (y != ignore_index)
        labels[x] = y if inside else K
        counted += inside
        wrong = wrong if inside | (y == ignore_index) else y
    return counted, wrong


@compiled
def _blend(above, below, share, K, T, v, highest):  # type: ignore[no-untyped-def]
    """The blend v of two spread rows, and its largest class."""
    if share == ZERO:  # nothing to blend; -inf would not survive it
        for x in range(T):
            highest[x] = above[0, x]
        for k in range(K):
            for x in range(T):
                u = above[k, x]
                v[k, x] = u
                highest[x] = u if u > highest[x] else highest[x]
        return
    for x in range(T):
        highest[x] = above[0, x] + share * (below[0, x] - above[0, x])
    for k in range(K):
        for x in range(T):
            u = above[k, x] + share * (below[k, x] - above[k, x])
            v[k, x] = u
            highest[x] = u if u > highest[x] else highest[x]


@compiled
def _pick(v, labels, weight, K, T, chosen, factor):  # type: ignore[no-untyped-def]
    """v and weight of each pixel's label; 0 where ignored."""
    chosen[:T] = 0
    factor[:T] = 0
    for k in range(K):
        w = weight[k]
        for x in range(T):  # loads stand apart from choices: else the loop stays scalar
            y, u, c, f = labels[x], v[k, x], chosen[x], factor[x]
            chosen[x] = u if y == k else c
            factor[x] = w if y == k else f


@compiled
def _exponentiate(v, highest, K, T, total):  # type: ignore[no-untyped-def]
    """v becomes exp(v - highest); total, its sum over classes."""
    total[:T] = 0
    for k in range(K):
        for x in range(T):
            p = _exp(v[k, x] - highest[x])
            v[k, x] = p
            total[x] += p


@compiled
def cross_entropy(  # type: ignore[no-untyped-def]
    logits, targets, rows, columns, strip, tile, weight, hard, even, ignore_index, wanted, gradient, halo
):
    """One strip's sum of (hard w_y + even) log(sum_k exp v_k) - hard w_y v_y, with its gradient in source rows.

    Args:
        logits, targets: one image, (K, h, w) float32 and (H, W) int64.
        rows, columns: the label grid's upper (left) neighbour, lower (right) one and share of the latter.
        strip: source rows first to last (exclusive), and the label rows begin to end that lie on them.
        tile: columns handled together.
        weight, hard, even: w (K,); the label's share under label smoothing; what all classes get together.
        wanted: whether to fill gradient (K, h, w), rows first to last, and halo (K, w): what row last is owed.

    Returns:
        The sum, the labelled pixels' sum of w_y, and a label outside the classes (ignore_index if none is).
    """
    K, h, _ = logits.shape
    first, last, begin, end = strip
    top, _, lower = rows
    loss, mass, wrong = 0.0, 0.0, ignore_index
    labels = np.empty(tile, np.uint32)
    above, below = np.empty((K, tile), np.float32), np.empty((K, tile), np.float32)
    up, down = np.zeros((K, tile), np.float32), np.zeros((K, tile), np.float32)
    q = np.empty((K, tile), np.float32)
    highest, total = np.empty(tile, np.float32), np.empty(tile, np.float32)
    chosen, factor = np.empty(tile, np.float32), np.empty(tile, np.float32)
    for start in range(0, targets.shape[1], tile):
        T = min(tile, targets.shape[1] - start)
        row = begin
        _spread(logits, first, columns, start, T, above)
        for source in range(first, last):
            _spread(logits, min(source + 1, h - 1), columns, start, T, below)
            while row < end and top[row] == source:
                counted, bad = _read_labels(targets[row], start, T, K, ignore_index, labels)
                wrong = wrong if bad == ignore_index else bad
                if counted:
                    share = lower[row]
                    _blend(above, below, share, K, T, q, highest)
                    _pick(q, labels, weight, K, T, chosen, factor)
                    _exponentiate(q, highest, K, T, total)
                    for x in range(T):
                        spread = even if labels[x] < K else ZERO
                        a = hard * factor[x]
                        loss += (a + spread) * (_log(total[x]) + (highest[x] - chosen[x])) + spread * chosen[x]
                        mass += factor[x]
                        total[x] = (a + spread) / total[x]
                        factor[x] = a
                    if wanted:
                        for k in range(K):
                            for x in range(T):
                                y, a = labels[x], factor[x]
                                g = q[k, x] * total[x] - (a if y == k else ZERO)
                                down[k, x] += share * g
                                up[k, x] += (ONE - share) * g
                row += 1
            if wanted:
                _fold(up, columns, start, T, gradient[:, source])
            up, down = down, up
            above, below = below, above
        if wanted:
            _fold(up, columns, start, T, halo)
    return loss, mass, wrong


@compiled
def joint(logits, targets, rows, columns, strip, tile, ignore_index, out):  # type: ignore[no-untyped-def]
    """Add one strip's sum over labelled pixels of q_k 1[y = j] to out[k, j] (float64, (K, K)).

    Args as in `cross_entropy`. Returns a label outside the classes (ignore_index if none is).
    """
    K, h, _ = logits.shape
    first, last, begin, end = strip
    top, _, lower = rows
    wrong = ignore_index
    labels = np.empty(tile, np.uint32)
    above, below = np.empty((K, tile), np.float32), np.empty((K, tile), np.float32)
    q = np.empty((K, tile), np.float32)
    highest, total = np.empty(tile, np.float32), np.empty(tile, np.float32)
    for start in range(0, targets.shape[1], tile):
        T = min(tile, targets.shape[1] - start)
        row = begin
        _spread(logits, first, columns, start, T, above)
        for source in range(first, last):
            _spread(logits, min(source + 1, h - 1), columns, start, T, below)
            while row < end and top[row] == source:
                counted, bad = _read_labels(targets[row], start, T, K, ignore_index, labels)
                wrong = wrong if bad == ignore_index else bad
                if counted:
                    _blend(above, below, lower[row], K, T, q, highest)
                    _exponentiate(q, highest, K, T, total)
                    for x in range(T):
                        total[x] = ONE / total[x]
                    for j in range(K):  # a tile's row holds few labels
                        present = 0
                        for x in range(T):
                            present += labels[x] == j
                        if present:
                            for x in range(T):
                                r, y = total[x], labels[x]
                                highest[x] = r if y == j else ZERO
                            for k in range(K):
                                add = ZERO
                                for x in range(T):
                                    add += q[k, x] * highest[x]
                                out[k, j] += add
                row += 1
            above, below = below, above
    return wrong


@compiled
def joint_gradient(  # type: ignore[no-untyped-def]
    logits, targets, rows, columns, strip, tile, slope, ignore_index, gradient, halo
):
    """One strip's gradient, in source rows, of a loss whose slope in the sum over pixels of q_k 1[y = j] is given.

    Args as in `cross_entropy`; slope is (K, K + 1) float32 with 0 at j = K, for ignored pixels.
    """
    K, h, _ = logits.shape
    first, last, begin, end = strip
    top, _, lower = rows
    labels = np.empty(tile, np.uint32)
    above, below = np.empty((K, tile), np.float32), np.empty((K, tile), np.float32)
    up, down = np.zeros((K, tile), np.float32), np.zeros((K, tile), np.float32)
    q, s = np.empty((K, tile), np.float32), np.empty((K, tile), np.float32)
    highest, total, mean = np.empty(tile, np.float32), np.empty(tile, np.float32), np.empty(tile, np.float32)
    for start in range(0, targets.shape[1], tile):
        T = min(tile, targets.shape[1] - start)
        row = begin
        _spread(logits, first, columns, start, T, above)
        for source in range(first, last):
            _spread(logits, min(source + 1, h - 1), columns, start, T, below)
            while row < end and top[row] == source:
                counted, _ = _read_labels(targets[row], start, T, K, ignore_index, labels)
                if counted:
                    share = lower[row]
                    _blend(above, below, share, K, T, q, highest)
                    _exponentiate(q, highest, K, T, total)
                    for x in range(T):
                        total[x] = ONE / total[x]
                    mean[:T] = 0
                    for k in range(K):
                        for x in range(T):
                            s[k, x] = slope[k, labels[x]]
                        for x in range(T):
                            q[k, x] *= total[x]
                            mean[x] += q[k, x] * s[k, x]
                    for k in range(K):
                        for x in range(T):
                            g = q[k, x] * (s[k, x] - mean[x])
                            down[k, x] += share * g
                            up[k, x] += (ONE - share) * g
                row += 1
            _fold(up, columns, start, T, gradient[:, source])
            up, down = down, up
            above, below = below, above
        _fold(up, columns, start, T, halo)


@compiled
def _load(features, start, T, v):  # type: ignore[no-untyped-def]
    """T positions of (positions, C) as (C, T)."""
    for x in range(T):
        for c in range(len(v)):
            v[c, x] = features[_at(start, x), c]


@compiled
def _entropy(v, start, T, highest, total, mean):  # type: ignore[no-untyped-def]
    """Of T columns of v (C, .): the largest channel, the sum of e = exp(v - highest), and v - highest averaged by e."""
    for x in range(T):
        highest[x] = v[0, _at(start, x)]
        total[x] = 0
        mean[x] = 0
    for c in range(len(v)):
        for x in range(T):
            u, top = v[c, _at(start, x)], highest[x]
            highest[x] = u if u > top else top
    for c in range(len(v)):
        for x in range(T):
            u = v[c, _at(start, x)] - highest[x]
            e = _exp(u)
            total[x] += e
            mean[x] += e * u
    for x in range(T):
        mean[x] /= total[x]


@compiled
def negative_entropy(features, last, begin, end, tile):  # type: ignore[no-untyped-def]
    """Sum of sum_c p_c log p_c over positions begin to end.

    Args:
        features: (C, positions) float32, or (positions, C) with `last`.
        tile: positions handled together.
    """
    loss = 0.0
    v = np.empty((features.shape[1], tile), np.float32) if last else features
    highest, total, mean = np.empty(tile, np.float32), np.empty(tile, np.float32), np.empty(tile, np.float32)
    for start in range(begin, end, tile):
        T = min(tile, end - start)
        if last:
            _load(features, start, T, v)
        _entropy(v, 0 if last else start, T, highest, total, mean)
        for x in range(T):
            loss += mean[x] - _log(total[x])
    return loss


@compiled
def negative_entropy_gradient(features, last, begin, end, tile, factor, out):  # type: ignore[no-untyped-def]
    """Its gradient times factor, laid out like the features: p_c (log p_c - sum_d p_d log p_d)."""
    C = features.shape[1] if last else features.shape[0]
    v = np.empty((C, tile), np.float32) if last else features
    highest, total, mean = np.empty(tile, np.float32), np.empty(tile, np.float32), np.empty(tile, np.float32)
    slope = np.empty(tile, np.float32)
    for start in range(begin, end, tile):
        T, at = min(tile, end - start), 0 if last else start
        if last:
            _load(features, start, T, v)
        _entropy(v, at, T, highest, total, mean)
        for x in range(T):
            total[x] = factor / total[x]
        for c in range(C):
            for x in range(T):
                u = v[c, _at(at, x)] - highest[x]
                slope[x] = _exp(u) * total[x] * (u - mean[x])
            if last:
                for x in range(T):
                    v[c, x] = slope[x]
            else:
                for x in range(T):
                    out[c, _at(start, x)] = slope[x]
        if last:
            for x in range(T):
                for c in range(C):
                    out[_at(start, x), c] = v[c, x]
