"""Multi-head attention with explicit geometry, and the switch between its fused and its plain form."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional as F

from tsprune.layers.axes import Axis, Slot, inputs, outputs
from tsprune.layers.dropout import Dropout

FEW_KEYS = 16
"""Up to so many keys the softmax runs with the keys as the first axis: on a CPU, one over rows of a few numbers costs
many times one over the same numbers in long columns, and fused kernels gain nothing."""


class Attention(nn.Module):
    """Base of every attention-like layer: projections around :meth:`mix`, which a subclass defines.

    ``n_heads`` and ``head_dim`` are the geometry: query, key and value give ``n_heads * head_dim`` features, and no
    width is ever read off an activation. A pruner that narrows the projections writes the new numbers back. The
    ``scale`` of the scores stays that of the widths the layer was built with: its weights were trained with it.

    ``fused`` (see :func:`plain_attention`) chooses between a fused kernel and plain matrix products where both exist.
    """

    def __init__(self, d_model: int, n_heads: int, dropout: float = 0.0):
        super().__init__()
        self.n_heads = n_heads
        self.head_dim = d_model // n_heads
        self.scale = self.head_dim**-0.5
        self.fused = True
        inner = self.n_heads * self.head_dim
        self.query = nn.Linear(d_model, inner)
        self.key = nn.Linear(d_model, inner)
        self.value = nn.Linear(d_model, inner)
        self.out = nn.Linear(inner, d_model)
        self.dropout = Dropout(dropout)

    def split_heads(self, x: torch.Tensor) -> torch.Tensor:
        """``(batch, length, n_heads * head_dim)`` to ``(batch, n_heads, length, head_dim)``, else an error."""
        return x.view(x.shape[0], x.shape[1], self.n_heads, self.head_dim).transpose(1, 2)

    def merge_heads(self, x: torch.Tensor) -> torch.Tensor:
        """``(batch, n_heads, length, head_dim)`` to ``(batch, length, n_heads * head_dim)``."""
        return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], self.n_heads * self.head_dim)

    def forward(self, x: torch.Tensor, source: torch.Tensor) -> torch.Tensor:
        """Queries from ``x`` ``(batch, length, d_model)``, keys and values from ``source``; shape of ``x``."""
        return self.out(self.mix(self.query(x), self.key(source), self.value(source)))

    def mix(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Projected ``(batch, length, n_heads * head_dim)`` queries, keys, values to the same shape as the queries."""
        raise NotImplementedError

    def stream(self) -> list[Slot]:
        """Where the width of ``x`` lies."""
        return [*inputs(self.query), *outputs(self.out)]

    def source(self) -> list[Slot]:
        """Where the width of ``source`` lies."""
        return [*inputs(self.key), *inputs(self.value)]

    def axes(self) -> list[Axis]:
        """The features of a head, each head keeping its own, and the heads."""
        n, e = self.n_heads, self.head_dim
        return [
            Axis("head_dim", self.inner(), groups=n, writes=((self, "head_dim"),)),
            Axis("n_heads", self.inner(inner=e), writes=((self, "n_heads"),)),
        ]

    def inner(self, outer: int = 1, inner: int = 1) -> list[Slot]:
        """Where the width between the projections lies."""
        written = [slot for layer in (self.query, self.key, self.value) for slot in outputs(layer, outer, inner)]
        return [*written, *inputs(self.out, outer, inner)]


class FullAttention(Attention):
    """softmax(Q K^T / sqrt(head_dim)) V with dropout on the attention matrix (Vaswani et al. 2017, arXiv
    1706.03762, eq. 1).

    ``causal_length``: position t sees positions up to t; the mask is built once for that length. Queries fewer than
    keys are then the last ones.
    """

    def __init__(self, d_model: int, n_heads: int, dropout: float = 0.0, causal_length: int | None = None):
        super().__init__(d_model, n_heads, dropout)
        mask = None if causal_length is None else causal_mask(causal_length)
        self.register_buffer("mask", mask, persistent=False)

    def mix(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, score_bias: torch.Tensor | None = None
    ) -> torch.Tensor:
        """``score_bias`` (not with a causal mask): added to the scaled scores, broadcast to their shape."""
        k, v = self.split_heads(k), self.split_heads(v)
        if self.mask is not None:
            score_bias = self.mask[-q.shape[1] :].to(q.dtype)
        few = k.shape[2] <= FEW_KEYS and score_bias is None
        if self.fused and not few and not self.dropout.active:
            return self.merge_heads(
                F.scaled_dot_product_attention(self.split_heads(q), k, v, score_bias, scale=self.scale)
            )
        q = self.split_heads(q * self.scale)
        if few:
            weights = (k @ q.transpose(-2, -1)).movedim(-2, 0).softmax(0)
            return self.merge_heads(self.dropout.thin(weights).movedim(0, -1) @ self.dropout.make_up(v))
        scores = q @ k.transpose(-2, -1)
        if score_bias is not None:
            scores.add_(score_bias)
        return self.merge_heads(self.dropout.thin(scores.softmax(-1)) @ self.dropout.make_up(v))


class LengthFirstAttention(FullAttention):
    """Full attention of ``(length, batch, d_model)``, never causal.

    The heads of all samples then lie at one stride, so that a batched product takes them where they are; batch first
    they are copied, which for short lengths costs as much as the attention itself.
    """

    def __init__(self, d_model: int, n_heads: int, dropout: float = 0.0):
        super().__init__(d_model, n_heads, dropout)

    def split_heads(self, x: torch.Tensor) -> torch.Tensor:
        """``(length, batch, n_heads * head_dim)`` to ``(batch, n_heads, length, head_dim)``, else an error."""
        return x.view(x.shape[0], x.shape[1], self.n_heads, self.head_dim).permute(1, 2, 0, 3)

    def mix(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        if k.shape[0] > FEW_KEYS:
            return super().mix(q, k, v)
        # The heads of all samples are one axis, that of a batched product: nothing is unfolded and folded for it.
        length, batch = q.shape[:2]
        heads, e = batch * self.n_heads, self.head_dim
        q, k, v = (x.reshape(x.shape[0], heads, e).transpose(0, 1) for x in (q, k, v))
        # A product that is scaled as it is computed; nothing is added to it (beta).
        scores = torch.baddbmm(q.new_empty(1), k, q.transpose(1, 2), beta=0, alpha=self.scale)
        weights = scores.transpose(0, 1).softmax(0)
        mixed = torch.bmm(self.dropout.thin(weights).permute(1, 2, 0), self.dropout.make_up(v))
        return mixed.transpose(0, 1).reshape(length, batch, self.n_heads * e)

    def merge_heads(self, x: torch.Tensor) -> torch.Tensor:
        """``(batch, n_heads, length, head_dim)`` to ``(length, batch, n_heads * head_dim)``."""
        return x.permute(2, 0, 1, 3).reshape(x.shape[2], x.shape[0], self.n_heads * self.head_dim)


def causal_mask(length: int) -> torch.Tensor:
    """``(length, length)`` to be added to scores: 0 up to the diagonal, minus infinity above it."""
    return torch.full((length, length), float("-inf"), device="cpu").triu(1)


@contextmanager
def plain_attention(model: nn.Module) -> Iterator[None]:
    """Inside the block every attention of ``model`` runs as plain matrix products, which counters and tracers can read.

    Results agree with the fused form to rounding.
    """
    fused = [m for m in model.modules() if isinstance(m, Attention) and m.fused]
    for module in fused:
        module.fused = False
    try:
        yield
    finally:
        for module in fused:
            module.fused = True


class DeStationaryAttention(FullAttention):
    """softmax((Q K^T tau + delta) / sqrt(head_dim)) V (Liu et al. 2022, arXiv 2205.14415, eq. 6).

    ``tau`` ``(batch, 1)`` scales the scores, ``delta`` ``(batch, source length)`` shifts those of a key, the same for
    all heads and queries. Since tau belongs to a sample, it scales the queries instead, which is cheaper.
    """

    def forward(
        self, x: torch.Tensor, source: torch.Tensor, tau: torch.Tensor, delta: torch.Tensor | None = None
    ) -> torch.Tensor:
        queries = self.query(x) * tau.unsqueeze(1)
        bias = None if delta is None else (delta * self.scale)[:, None, None, :]
        return self.out(self.mix(queries, self.key(source), self.value(source), bias))
