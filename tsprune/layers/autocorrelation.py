"""Auto-Correlation (Wu et al. 2021, arXiv 2106.13008, section 3.2) without a Fourier transform."""

import math

import torch
from torch.nn import functional as F

from tsprune.layers.attention import Attention


def circular_diagonal_sums(x: torch.Tensor) -> torch.Tensor:
    """``(batch, L, L)`` to ``(batch, L)``: entry tau is the sum of x[t, (t + tau) mod L] over t.

    A row padded to 2L - 1 and read back in rows of L is shifted by its number: the diagonals become columns.
    """
    length = x.shape[-1]
    return F.pad(x, (0, length - 1)).reshape(-1, 2 * length - 1, length).sum(1)


def circulant(weights: torch.Tensor) -> torch.Tensor:
    """``(batch, L)`` to ``(batch, L, L)`` with entry [t, s] = weights[(s - t) mod L]: the transpose of the above."""
    length = weights.shape[-1]
    tiled = weights.unsqueeze(1).expand(-1, 2 * length - 1, -1).reshape(-1, length, 2 * length - 1)
    return tiled[:, :, :length]


def odd_length_lags(length: int) -> torch.Tensor:
    """``(length - 1, length)`` for odd ``length``: what the reference's inverse transform makes of the correlation.

    Time-Series-Library calls the inverse real FFT without a length, so the half spectrum of an odd-length correlation
    is read as that of a signal one shorter: L - 1 lags, slightly stretched. float64.
    """
    shorter = length - 1
    frequency = torch.arange(shorter // 2 + 1, dtype=torch.float64, device="cpu")
    lag_in = torch.arange(length, dtype=torch.float64, device="cpu")
    lag_out = torch.arange(shorter, dtype=torch.float64, device="cpu")
    once = (frequency == 0) | (frequency == shorter // 2)  # the zero and the Nyquist bin have no mirror image
    angle_in = -2 * math.pi * frequency.outer(lag_in) / length
    angle_out = 2 * math.pi * lag_out.outer(frequency) / shorter
    # The imaginary part of the two unpaired bins is dropped: sin(angle_out) is zero there.
    weight = (2.0 - once.double()) / shorter
    return (angle_out.cos() * weight) @ angle_in.cos() - (angle_out.sin() * weight) @ angle_in.sin()


class AutoCorrelation(Attention):
    """Sums the values, moved by the ``int(factor * ln L)`` delays at which queries and keys correlate most.

    R(tau) is the circular correlation of queries and keys at delay tau, averaged over heads and channels: the sum along
    a circular diagonal of one product K Q^T. The chosen weights are put into a vector over delays, expanded to a
    circulant matrix, and applied to the values with one batched product.

    As in the reference: in training the delays are those of the batch mean and shared by the batch (a training output
    depends on the batch), in evaluation each sample has its own; keys and values are cut, or padded with zeros, to the
    query length; there is no mask, no scaling and no dropout here. For odd query lengths the reference loses one
    lag in its inverse transform (see :func:`odd_length_lags`); ``exact_odd_lags=True`` is the paper's formula.
    """

    def __init__(self, d_model: int, n_heads: int, length: int, factor: float, exact_odd_lags: bool = False):
        super().__init__(d_model, n_heads)
        self.scale = 1 / (self.n_heads * self.head_dim)
        self.length = length
        stretched = length % 2 == 1 and length > 1 and not exact_odd_lags
        lags = odd_length_lags(length) if stretched else None
        self.register_buffer("lags", lags, persistent=False)
        self.top_k = max(1, min(int(factor * math.log(length)), length - 1 if stretched else length))

    def mix(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        k, v = k[:, : self.length], v[:, : self.length]
        return self.delay_matrix(q, k)[:, :, : v.shape[1]] @ v

    def delay_matrix(self, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        """``(batch, L, L)``: the weights of the values, row t for output t; softmax over the chosen delays."""
        products = k @ q.transpose(1, 2)
        products = F.pad(products, (0, 0, 0, self.length - k.shape[1]))
        correlation = circular_diagonal_sums(products) * self.scale
        if self.lags is not None:
            correlation = F.linear(correlation, self.lags.to(correlation.dtype))
        if self.training:
            delays = correlation.mean(0).topk(self.top_k).indices.expand(correlation.shape[0], -1)
        else:
            delays = correlation.topk(self.top_k, dim=-1).indices
        chosen = correlation.gather(1, delays).softmax(-1)
        return circulant(chosen.new_zeros(chosen.shape[0], self.length).scatter(1, delays, chosen))
