"""Non-stationary Transformer: standardised windows, and attention that knows what was taken out."""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import BeforeValidator
from torch import nn
from torch.nn import functional as F

from tsprune.layers.attention import DeStationaryAttention
from tsprune.layers.axes import Axis, inputs, outputs
from tsprune.layers.embedding import CircularTokens
from tsprune.layers.normalisation import standardise
from tsprune.models.base import (
    ForecastConfig,
    Layers,
    Width,
    head_problems,
    register,
    same_channel_problems,
    square_problems,
)
from tsprune.models.encoder_decoder import EncoderDecoder
from tsprune.models.reference import DECODER_RULES, EMBEDDING_RULES, ENCODER_RULES, WEIGHT, taps_in
from tsprune.typed import as_tuple

Widths = Annotated[tuple[Width, ...], BeforeValidator(as_tuple)]


class Nonstationary_TransformerConfig(ForecastConfig):
    p_hidden_dims: Widths = (128, 128)  # hidden widths of the two projectors
    p_hidden_layers: Layers = 2  # their number

    def problems(self):
        yield from super().problems()
        yield from head_problems(self)
        yield from square_problems(self)
        yield from same_channel_problems(self, "dec_in", "c_out")
        if len(self.p_hidden_dims) != self.p_hidden_layers:
            yield f"p_hidden_dims has {len(self.p_hidden_dims)} widths, p_hidden_layers is {self.p_hidden_layers}"


class Projector(nn.Module):
    """From a raw window ``(batch, seq_len, channels)`` and a statistic ``(batch, 1, channels)`` to
    ``(batch, outputs)``.

    A convolution of width 3, circular over the channels, sums the time steps into one row; with the statistic it goes
    through an MLP (Liu et al. 2022, eq. 5).
    """

    def __init__(self, channels: int, seq_len: int, hidden: tuple[int, ...], outputs: int):
        super().__init__()
        self.series = nn.Linear(3 * seq_len, 1, bias=False)
        layers = []
        for before, after in zip((2 * channels, *hidden), hidden, strict=False):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.backbone = nn.Sequential(*layers, nn.Linear(hidden[-1], outputs, bias=False))

    def forward(self, x: torch.Tensor, statistic: torch.Tensor) -> torch.Tensor:
        series = self.series(CircularTokens.neighbours(x.transpose(1, 2))).squeeze(-1)
        return self.backbone(torch.cat([series, statistic.squeeze(1)], dim=-1))

    def axes(self) -> list[Axis]:
        linear = self.backbone[::2]
        return [Axis(f"hidden{i}", [*outputs(a), *inputs(b)]) for i, (a, b) in enumerate(pairwise(linear))]


@register("Nonstationary_Transformer")
class NonstationaryTransformer(EncoderDecoder):
    """Liu et al. 2022 (arXiv 2205.14415). Gives the numbers of Time-Series-Library, its limit of 80 on log tau
    included.

    Windows are standardised; tau, from their std, and delta, from their mean, put the lost information back into the
    attention scores (delta not into the decoder's self-attention). The decoder starts from the standardised look-back,
    not from ``x_dec``. Has no use for ``factor``, ``moving_avg`` and ``distil``.
    """

    Config = Nonstationary_TransformerConfig
    unused_config = frozenset({"factor", "moving_avg", "distil"})
    uses = ("x_enc", "x_mark_enc", "x_mark_dec")
    reference_rules = (
        *EMBEDDING_RULES,
        *ENCODER_RULES,
        *DECODER_RULES,
        (r"(tau|delta)_learner\.series_conv\.weight", r"\1.series.weight", taps_in),
        (rf"(tau|delta)_learner\.backbone\.(\d+)\.{WEIGHT}", r"\1.backbone.\2.\3", None),
    )

    def __init__(self, config: Nonstationary_TransformerConfig):
        super().__init__(config)
        c = config
        self.tau = Projector(c.enc_in, c.seq_len, c.p_hidden_dims, outputs=1)
        self.delta = Projector(c.enc_in, c.seq_len, c.p_hidden_dims, outputs=c.seq_len)
        self.make_parts(DeStationaryAttention)

    def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec) -> torch.Tensor:
        c = self.config
        values, mean, std = standardise(x_enc)
        tau = self.tau(x_enc, std).clamp(max=80.0).exp()
        delta = self.delta(x_enc, mean)
        start = F.pad(values[:, c.seq_len - c.label_len :], (0, 0, 0, c.pred_len))
        memory = self.encoder(self.enc_embedding(values, x_mark_enc), tau, delta)
        tokens = self.dec_embedding(start, x_mark_dec)
        decoded = self.decoder(tokens, memory, (tau,), (tau, delta), last=c.pred_len)
        return self.projection(decoded) * std + mean
