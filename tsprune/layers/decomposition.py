"""Seasonal-trend decomposition, and the layers of the Autoformer family built on it.

Sections and equations are those of Wu et al. 2021 (arXiv 2106.13008), section 3.1.
"""

import torch
from torch import nn
from torch.nn import functional as F

from tsprune.layers.attention import Attention
from tsprune.layers.axes import Slot, along, inputs
from tsprune.layers.dropout import Dropout
from tsprune.layers.encoder_decoder import Decoder, FeedForward


def neighbour_counts(length: int, kernel: int) -> torch.Tensor:
    """``(length, length)``: how often value s is among the ``kernel`` values around t; edge values repeat.

    An even number of values has one more before t than after it, as in the code of FEDformer's authors.
    """
    rows = torch.arange(length, device="cpu").unsqueeze(1)
    columns = (rows + torch.arange(-(kernel // 2), (kernel + 1) // 2, device="cpu")).clamp(0, length - 1)
    counts = torch.zeros(length, length, device="cpu")
    return counts.scatter_add_(1, columns, torch.ones(columns.shape, device="cpu"))


class MovingAverage(nn.Module):
    """Trend of ``(batch, length, channels)`` over time, same shape, for one fixed ``length``; with ``time_last`` of
    ``(batch, channels, length)``. With ``rest`` what the trend leaves, ``x - trend``.

    A product with a constant matrix that has the edge padding folded in: on a CPU several times faster than padding
    and pooling or a running sum, forwards and backwards. The buffer holds whole numbers, exact in every precision.
    """

    def __init__(self, length: int, kernel: int):
        super().__init__()
        self.kernel = kernel
        self.register_buffer("counts", neighbour_counts(length, kernel), persistent=False)
        self.register_buffer("identity", torch.eye(length, device="cpu"), persistent=False)

    def forward(self, x: torch.Tensor, time_last: bool = False, rest: bool = False) -> torch.Tensor:
        matrix = self.counts / self.kernel
        if rest:  # in one product
            matrix = self.identity - matrix
        return F.linear(x, matrix) if time_last else matrix @ x


class SeasonalNorm(nn.Module):
    """LayerNorm, then minus its own mean over time: no trend passes the end of an Autoformer stack."""

    def __init__(self, d_model: int):
        super().__init__()
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(x)
        return x - x.mean(dim=1, keepdim=True)

    def stream(self) -> list[Slot]:
        """Where the width of ``x`` lies."""
        return along(self.norm)


class TrendProjection(nn.Linear):
    """Circular convolution of width 3, no bias: ``(batch, length, d_model)`` to ``(batch, length, channels)``.

    ``channels`` is small beside ``d_model``, so: one Linear to the three taps (t-1, t, t+1), ``3 * channels`` wide,
    then three shifted additions. Initialised as the reference's convolution, uniform in +-1/sqrt(3 d_model).
    """

    def __init__(self, d_model: int, channels: int):
        self.channels = channels
        super().__init__(d_model, 3 * channels, bias=False)

    def reset_parameters(self) -> None:
        bound = (3 * self.in_features) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.joined(super().forward(x), self.channels)

    @staticmethod
    def joined(taps: torch.Tensor, channels: int) -> torch.Tensor:
        """``(batch, length, 3 * channels)`` to ``(batch, length, channels)``."""
        before, here, after = taps.split(channels, dim=-1)
        return before.roll(1, 1) + here + after.roll(-1, 1)


class DecompositionEncoderLayer(nn.Module):
    """x = seasonal(x + drop(attention)), then seasonal(x + feed_forward); the feed-forward has no bias (eq. 3).

    ``extra`` is handed to the attention as it is (a Fourier block that layers share).
    """

    def __init__(
        self, attention: Attention, trend: MovingAverage, d_model: int, d_ff: int, dropout: float, activation: str
    ):
        super().__init__()
        self.attention = attention
        self.trend = trend
        self.feed_forward = FeedForward(d_model, d_ff, dropout, activation, bias=False)
        self.dropout = Dropout(dropout)

    def forward(self, x: torch.Tensor, *extra) -> torch.Tensor:
        x = self.trend(x + self.dropout(self.attention(x, x, *extra)), rest=True)
        return self.trend(x + self.feed_forward(x), rest=True)

    def stream(self) -> list[Slot]:
        """Where the width of ``x`` lies."""
        return [*self.attention.stream(), *self.attention.source(), *self.feed_forward.stream()]


class DecompositionDecoderLayer(nn.Module):
    """Three sub-layers, each followed by a decomposition; the three trends are summed and projected (eq. 4)."""

    def __init__(
        self,
        self_attention: Attention,
        cross_attention: Attention,
        trend: MovingAverage,
        d_model: int,
        c_out: int,
        d_ff: int,
        dropout: float,
        activation: str,
    ):
        super().__init__()
        self.self_attention = self_attention
        self.cross_attention = cross_attention
        self.trend = trend
        self.feed_forward = FeedForward(d_model, d_ff, dropout, activation, bias=False)
        self.trend_projection = TrendProjection(d_model, c_out)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: torch.Tensor, memory: torch.Tensor, self_extra=(), cross_extra=()
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the seasonal part ``(batch, length, d_model)`` and the trend ``(batch, length, c_out)``."""
        x = x + self.dropout(self.self_attention(x, x, *self_extra))
        trend1 = self.trend(x)
        x = x - trend1
        x = x + self.dropout(self.cross_attention(x, memory, *cross_extra))
        trend2 = self.trend(x)
        x = x - trend2
        x = x + self.feed_forward(x)
        trend3 = self.trend(x)
        return x - trend3, self.trend_projection(trend1 + trend2 + trend3)

    def stream(self) -> list[Slot]:
        """Where the width of ``x`` lies."""
        attention = [*self.self_attention.stream(), *self.self_attention.source(), *self.cross_attention.stream()]
        return [*attention, *self.feed_forward.stream(), *inputs(self.trend_projection)]

    def memory(self) -> list[Slot]:
        """Where the width of ``memory`` lies."""
        return self.cross_attention.source()


class DecompositionDecoder(Decoder):
    """Layers that hand on the seasonal part and add up the trend; the norm is on the seasonal part."""

    def forward(
        self, x: torch.Tensor, memory: torch.Tensor, trend: torch.Tensor, self_extra=(), cross_extra=()
    ) -> tuple[torch.Tensor, torch.Tensor]:
        for layer in self.layers:
            x, step = layer(x, memory, self_extra, cross_extra)
            trend = trend + step
        return self.norm(x), trend


def decoder_start(
    x: torch.Tensor, trend: torch.Tensor, label_len: int, pred_len: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Seasonal and trend input of the decoder, each ``(batch, label_len + pred_len, channels)`` (eq. 2).

    The last ``label_len`` steps of both parts of the look-back; then zeros for the season and the mean over time for
    the trend.
    """
    known = x.shape[1] - label_len
    seasonal = F.pad((x - trend)[:, known:], (0, 0, 0, pred_len))
    mean = x.mean(dim=1, keepdim=True).expand(-1, pred_len, -1)
    return seasonal, torch.cat([trend[:, known:], mean], dim=1)
