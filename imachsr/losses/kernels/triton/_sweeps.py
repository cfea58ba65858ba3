"""The CUDA kernels: bilinear upsampling, softmax and gradient in one sweep that keeps nothing of label size.

A program takes one image, one source row and a block of source columns, and all label pixels that blend from them.
Spread source rows stay in registers while label rows are blended from them; gradients gather there in turn and fold
into source columns by one product with the interpolation weights. Label columns at the border of two blocks are
computed by both, so no program writes where another does: no atomics, equal bits in every run.

Axes: B images, K classes (KP: the next power of two), C channels, (h, w) logits, (H, W) labels, PX label columns,
J source columns.
"""

# mypy: ignore-errors

import triton
import triton.language as tl


@triton.jit
def _spread(logits, channel, inside, row, w, left, right, share, live):
    """A source row at label columns, (KP, PX)."""
    ok = inside[:, None] & live[None, :]
    at = logits + channel[:, None] + row * w
    a = tl.load(at + left[None, :], mask=ok, other=0.0).to(tl.float32)
    b = tl.load(at + right[None, :], mask=ok, other=0.0).to(tl.float32)
    return tl.where(share[None, :] == 0, a, a + share[None, :] * (b - a))  # both may be -inf


@triton.jit
def _softmax(above, below, share, inside):
    """Of the blend of two spread rows: the blend, its largest class, exp(v - max), and the sum of those."""
    v = tl.where(share == 0, above, above + share * (below - above))  # both may be -inf
    v = tl.where(inside[:, None], v, float("-inf"))
    highest = tl.max(v, 0)
    e = tl.exp(v - highest[None, :])
    return v, highest, e, tl.sum(e, 0)


@triton.jit
def sweep(
    logits, targets, weight, slope, share_y, left_x, right_x, share_x, row_cuts, column_cuts,
    loss_out, mass_out, planes,
    K, h, w, H, W, hard, even, ignore_index,
    KP: tl.constexpr, PX: tl.constexpr, J: tl.constexpr, JOINT: tl.constexpr, WANTED: tl.constexpr,
):  # fmt: skip
    """One block's cross-entropy and gradient; with JOINT, the gradient only of a loss with that slope in the joint.

    Args:
        logits, targets: (B, K, h, w) and (B, H, W), contiguous.
        weight, slope: (K,) factors of labels, with hard (their share) and even (smoothing's share per class); or,
            with JOINT, (B, K, K + 1), 0 at the end.
        share_y, left_x, right_x, share_x: the label grid's neighbours on the source grid.
        row_cuts: (h + 1,) label rows on each source row; column_cuts (2, blocks): label columns that touch a block.
        loss_out, mass_out: (B, h, blocks).
        planes: (2, B, K, h, w) gradients owed to a source row and to the one below it.
    """
    block, i, b = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    blocks = tl.num_programs(0)
    k, j = tl.arange(0, KP), block * J + tl.arange(0, J)
    inside = k < K
    channel = k * h * w
    image = logits + b * K * h * w
    w_k = tl.load(weight + k, mask=inside, other=0.0)
    up, down = tl.zeros((KP, J), tl.float32), tl.zeros((KP, J), tl.float32)
    loss, mass = tl.zeros((PX,), tl.float32), tl.zeros((PX,), tl.float32)
    begin, end = tl.load(row_cuts + i), tl.load(row_cuts + i + 1)
    first, last = tl.load(column_cuts + block), tl.load(column_cuts + blocks + block)
    for start in range(first, last, PX):
        x = start + tl.arange(0, PX)
        live = x < last
        left, right = tl.load(left_x + x, mask=live, other=0), tl.load(right_x + x, mask=live, other=0)
        f = tl.load(share_x + x, mask=live, other=0.0)
        mine = live & (left >= block * J) & (left < block * J + J)
        above = _spread(image, channel, inside, i, w, left, right, f, live)
        below = _spread(image, channel, inside, tl.minimum(i + 1, h - 1), w, left, right, f, live)
        owed_up, owed_down = tl.zeros((KP, PX), tl.float32), tl.zeros((KP, PX), tl.float32)
        for row in range(begin, end):
            y = tl.load(targets + (b * H + row) * W + x, mask=live, other=ignore_index)
            labelled = (y != ignore_index) & (y >= 0) & (y < K)
            share = tl.load(share_y + row)
            v, highest, e, total = _softmax(above, below, share, inside)
            if JOINT:
                column = tl.where(labelled, y, K)
                s = tl.load(
                    slope + (b * K + k[:, None]) * (K + 1) + column[None, :],
                    mask=inside[:, None] & live[None, :], other=0.0,
                )  # fmt: skip
                q = e / total[None, :]
                g = q * (s - tl.sum(q * s, 0)[None, :])
            else:
                hot = (k[:, None] == y[None, :]) & labelled[None, :]
                w_y = tl.sum(tl.where(hot, w_k[:, None], 0.0), 0)
                v_y = tl.sum(tl.where(hot, v, 0.0), 0)
                spread = tl.where(labelled, even, 0.0)
                pull = tl.where(hot, hard * w_y[None, :], 0.0) + spread[None, :] * w_k[:, None]
                push = hard * w_y + spread * tl.sum(w_k, 0)
                gap = tl.where(inside[:, None], highest[None, :] - v, 0.0)
                term = push * tl.log(total) + hard * w_y * (highest - v_y)
                term += tl.where(spread > 0, spread * tl.sum(w_k[:, None] * gap, 0), 0.0)  # a gap may be inf
                loss += tl.where(mine & labelled, term, 0.0)
                mass += tl.where(mine & labelled, w_y, 0.0)
                g = e * (push / total)[None, :] - pull
            owed_down += share * g
            owed_up += (1.0 - share) * g
        if WANTED:
            fold = tl.where(left[:, None] == j[None, :], 1.0 - f[:, None], 0.0)
            fold += tl.where(right[:, None] == j[None, :], f[:, None], 0.0)
            fold = tl.where(live[:, None], fold, 0.0)
            up += tl.dot(owed_up, fold, input_precision="ieee")
            down += tl.dot(owed_down, fold, input_precision="ieee")
    if not JOINT:
        place = (b * h + i) * blocks + block
        tl.store(loss_out + place, tl.sum(loss, 0))
        tl.store(mass_out + place, tl.sum(mass, 0))
    if WANTED:
        at = planes + ((b * K + k[:, None]) * h + i) * w + j[None, :]
        ok = inside[:, None] & (j < w)[None, :]
        tl.store(at, up, mask=ok)
        tl.store(at + tl.num_programs(2).to(tl.int64) * K * h * w, down, mask=ok)


@triton.jit
def joint(
    logits, targets, share_y, left_x, right_x, share_x, row_cuts, out,
    K, h, w, H, W, ignore_index,
    KP: tl.constexpr, PX: tl.constexpr, LABELS: tl.constexpr,
):  # fmt: skip
    """One source row's sum over labelled pixels of q_k 1[y = l] for a block of labels l, into out (B, h, K, K)."""
    block, i, b = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    k, l = tl.arange(0, KP), block * LABELS + tl.arange(0, LABELS)  # noqa: E741
    inside = k < K
    channel = k * h * w
    image = logits + b * K * h * w
    total_joint = tl.zeros((KP, LABELS), tl.float32)
    begin, end = tl.load(row_cuts + i), tl.load(row_cuts + i + 1)
    for start in range(0, W, PX):
        x = start + tl.arange(0, PX)
        live = x < W
        left, right = tl.load(left_x + x, mask=live, other=0), tl.load(right_x + x, mask=live, other=0)
        f = tl.load(share_x + x, mask=live, other=0.0)
        above = _spread(image, channel, inside, i, w, left, right, f, live)
        below = _spread(image, channel, inside, tl.minimum(i + 1, h - 1), w, left, right, f, live)
        for row in range(begin, end):
            y = tl.load(targets + (b * H + row) * W + x, mask=live, other=ignore_index)
            labelled = live & (y != ignore_index) & (y >= 0) & (y < K)
            _, _, e, total = _softmax(above, below, tl.load(share_y + row), inside)
            hot = (y[:, None] == l[None, :]) & labelled[:, None]
            total_joint += tl.dot(e / total[None, :], hot.to(tl.float32), input_precision="ieee")
    at = out + ((b * h + i) * K + k[:, None]) * K + l[None, :]
    tl.store(at, total_joint, mask=inside[:, None] & (l < K)[None, :])


@triton.jit
def negative_entropy(
    features, out, upstream, factor, C, positions, inner, across, along, leap,
    CP: tl.constexpr, P: tl.constexpr, WANTED: tl.constexpr,
):  # fmt: skip
    """Sums of p log p over a block of positions, or with WANTED the gradient, laid out like the features.

    Position n is at (n // inner) * leap + (n % inner) * along, and its channel c at c * across beyond.
    """
    n = tl.program_id(0).to(tl.int64) * P + tl.arange(0, P)
    c = tl.arange(0, CP)
    ok = (c < C)[:, None] & (n < positions)[None, :]
    at = c[:, None].to(tl.int64) * across + ((n // inner) * leap + (n % inner) * along)[None, :]
    v = tl.load(features + at, mask=ok, other=0.0).to(tl.float32)
    v = tl.where((c < C)[:, None], v, float("-inf"))
    t = v - tl.max(v, 0)[None, :]
    e = tl.exp(t)
    t = tl.where((c < C)[:, None], t, 0.0)
    total = tl.sum(e, 0)
    mean = tl.sum(e * t, 0) / total
    if WANTED:
        g = e / total[None, :] * (t - mean[None, :]) * (tl.load(upstream) * factor)
        tl.store(out + at, g.to(out.dtype.element_ty), mask=ok)
    else:
        tl.store(out + tl.program_id(0), tl.sum(tl.where(n < positions, mean - tl.log(total), 0.0), 0))
