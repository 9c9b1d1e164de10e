"""ProbSparse attention: full attention for the queries that are least uniform (Zhou et al. 2021, arXiv 2012.07436,
section 3.2)."""

import math

import torch

from tsprune.layers.attention import Attention, causal_mask
from tsprune.layers.axes import Axis


class ProbSparseAttention(Attention):
    """Attention for the ``u`` most selective queries; the others get the mean of the values (causal: their running
    sum).

    How selective a query is, is estimated on ``sampled`` keys: the largest of their scores minus their sum divided by
    the number of all keys (the paper divides by the number sampled; this is the published code). ``u`` and ``sampled``
    are ``factor * ceil(ln length)``, at most the length. There is no dropout here, as in the reference.

    The sampled key positions are in ``sample`` ``(length, sampled)``, drawn once from ``generator`` and used in
    evaluation, which is thus deterministic; training draws new ones from the same generator at each call, unless
    ``pinned``.

    ``transpose_heads=False`` is the published code of the Autoformer family: the result
    ``(batch, n_heads, length, head_dim)`` is read as ``(batch, length, n_heads * head_dim)`` without putting the axes
    back, which mixes time and heads. True is the paper's. (With one head the reference also gives every sample the
    queries of all samples; this is not followed.)
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        length: int,
        source_length: int,
        factor: int,
        generator: torch.Generator,
        causal: bool = False,
        transpose_heads: bool = False,
    ):
        super().__init__(d_model, n_heads)
        self.length = length
        self.source_length = source_length
        self.transpose_heads = transpose_heads
        self.generator = generator
        self.pinned = False
        self.n_top = logarithmic(length, factor)
        self.n_sampled = logarithmic(source_length, factor)
        self.register_buffer("sample", self.draw())
        self.register_buffer("rows", torch.arange(length, device="cpu")[:, None] * source_length, persistent=False)
        self.register_buffer("mask", causal_mask(length) if causal else None, persistent=False)

    def draw(self) -> torch.Tensor:
        """New sampled key positions ``(length, sampled)``, on the CPU."""
        shape = (self.length, self.n_sampled)
        return torch.randint(self.source_length, shape, generator=self.generator, device="cpu")

    def forward(self, x: torch.Tensor, source: torch.Tensor, last: int | None = None) -> torch.Tensor:
        """``last``: return only this many final steps. The queries of all steps compete."""
        mixed = self.mix(self.query(x), self.key(source), self.value(source))
        return self.out(mixed if last is None else mixed[:, -last:])

    def mix(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        q, k, v = self.split_heads(q), self.split_heads(k), self.split_heads(v)
        top = self.selective_queries(q, k)  # (batch, n_heads, n_top)
        rows = top.unsqueeze(-1).expand(-1, -1, -1, self.head_dim)
        scores = (q.gather(2, rows) * self.scale) @ k.transpose(-2, -1)
        if self.mask is not None:
            scores = scores + self.mask.to(scores.dtype)[top]
            context = v.cumsum(2)
        else:
            context = v.mean(2, keepdim=True).expand(-1, -1, self.length, -1)
        update = scores.softmax(-1) @ v
        context = context.to(update.dtype).scatter(2, rows, update)
        if self.transpose_heads:
            return self.merge_heads(context)
        return context.reshape(context.shape[0], self.length, self.n_heads * self.head_dim)

    def axes(self) -> list[Axis]:
        """Unless the axes are put back, all heads must keep the same features, and all heads stay."""
        if self.transpose_heads:
            return super().axes()
        n, e = self.n_heads, self.head_dim
        mixed = "time and heads are mixed as published: without a head every time step would move"
        return [
            Axis("head_dim", self.inner(outer=n), writes=((self, "head_dim"),)),
            Axis("n_heads", self.inner(inner=e), writes=((self, "n_heads"),), fixed=mixed),
        ]

    @torch.no_grad()
    def selective_queries(self, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        """Positions ``(batch, n_heads, n_top)`` of the queries with the largest measure (eq. 4 of the paper)."""
        fresh = self.training and not self.pinned
        sample = self.draw().to(q.device) if fresh else self.sample
        # Rows of a matrix are picked several times faster than by a gather; queries last, sums run along memory.
        places = (self.rows + sample).t()
        scores = (q @ k.transpose(-2, -1)).view(q.shape[0] * self.n_heads, -1)
        sampled = scores.index_select(1, places.flatten()).view(q.shape[0], self.n_heads, *places.shape)
        measure = sampled.amax(2) - sampled.sum(2) / self.source_length
        return measure.topk(self.n_top, dim=-1, sorted=False).indices


def logarithmic(length: int, factor: int) -> int:
    """``factor * ceil(ln length)``, at least 1 and at most ``length``."""
    return max(1, min(factor * math.ceil(math.log(length)), length))
