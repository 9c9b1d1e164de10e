"""Autoformer: decomposition inside the layers, Auto-Correlation instead of attention."""

import torch
from torch import nn

from tsprune.layers.autocorrelation import AutoCorrelation
from tsprune.layers.decomposition import (
    DecompositionDecoder,
    DecompositionDecoderLayer,
    DecompositionEncoderLayer,
    MovingAverage,
    SeasonalNorm,
    decoder_start,
)
from tsprune.layers.embedding import DataEmbedding
from tsprune.layers.encoder_decoder import Encoder
from tsprune.models.base import (
    ForecastConfig,
    head_problems,
    register,
    same_channel_problems,
    square_problems,
)
from tsprune.models.encoder_decoder import EncoderDecoder
from tsprune.models.reference import DECODER_RULES, DECOMPOSITION_RULES, EMBEDDING_RULES, ENCODER_RULES


class AutoformerConfig(ForecastConfig):
    exact_odd_lags: bool = False  # True: the paper's correlation at odd lengths; False: the reference's, one lag short

    def problems(self):
        yield from super().problems()
        yield from head_problems(self)
        yield from square_problems(self)
        yield from same_channel_problems(self, "dec_in", "c_out")


@register("Autoformer")
class Autoformer(EncoderDecoder):
    """Wu et al. 2021. Gives the numbers of Time-Series-Library, also at odd lengths (``exact_odd_lags``: the paper's).

    The decoder starts from the decomposed look-back, not from ``x_dec``. A training output depends on its batch, an
    evaluation output does not (see :class:`AutoCorrelation`). Has no use for ``distil``;
    ``n_heads`` must divide ``d_model`` but changes no number, since correlations are averaged over heads.
    """

    Config = AutoformerConfig
    unused_config = frozenset({"distil", "n_heads"})
    uses = ("x_enc", "x_mark_enc", "x_mark_dec")
    reference_rules = DECOMPOSITION_RULES + EMBEDDING_RULES + ENCODER_RULES + DECODER_RULES

    def __init__(self, config: AutoformerConfig):
        super().__init__(config)
        c = config
        sizes = (c.d_ff, c.dropout, c.activation)
        enc_trend = MovingAverage(c.seq_len, c.moving_avg)
        dec_trend = MovingAverage(c.dec_len, c.moving_avg)

        def correlation(length: int) -> AutoCorrelation:
            return AutoCorrelation(c.d_model, c.n_heads, length, c.factor, c.exact_odd_lags)

        self.input_trend = enc_trend
        self.enc_embedding = DataEmbedding(c.enc_in, c.marks, c.d_model, c.dropout, max_length=None)
        self.dec_embedding = DataEmbedding(c.dec_in, c.marks, c.d_model, c.dropout, max_length=None)
        self.encoder = Encoder(
            (
                DecompositionEncoderLayer(correlation(c.seq_len), enc_trend, c.d_model, *sizes)
                for _ in range(c.e_layers)
            ),
            SeasonalNorm(c.d_model),
        )
        self.decoder = DecompositionDecoder(
            (
                DecompositionDecoderLayer(
                    correlation(c.dec_len), correlation(c.dec_len), dec_trend, c.d_model, c.c_out, *sizes
                )
                for _ in range(c.d_layers)
            ),
            SeasonalNorm(c.d_model),
        )
        self.projection = nn.Linear(c.d_model, c.c_out)

    def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec) -> torch.Tensor:
        seasonal, trend = decoder_start(x_enc, self.input_trend(x_enc), self.config.label_len, self.config.pred_len)
        memory = self.encoder(self.enc_embedding(x_enc, x_mark_enc))
        seasonal, trend = self.decoder(self.dec_embedding(seasonal, x_mark_dec), memory, trend)
        pred_len = self.config.pred_len
        return trend[:, -pred_len:] + self.projection(seasonal[:, -pred_len:])

    def output_layers(self):
        return [self.projection, *(layer.trend_projection for layer in self.decoder.layers)]
