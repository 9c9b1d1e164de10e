"""iTransformer: a variable's whole look-back is one token."""

import torch
from torch import nn

from tsprune.layers.axes import Axis, inputs, outputs
from tsprune.layers.dropout import Dropout
from tsprune.layers.normalisation import standardise
from tsprune.models.base import (
    ForecastConfig,
    Forecaster,
    head_problems,
    register,
    same_channel_problems,
    weight_problems,
)
from tsprune.models.encoder_decoder import full_encoder
from tsprune.models.reference import ENCODER_RULES, WEIGHT


class iTransformerConfig(ForecastConfig):
    def problems(self):
        yield from super().problems()
        yield from head_problems(self)
        yield from same_channel_problems(self, "c_out")
        ends = self.d_model * (self.seq_len + self.pred_len)
        yield from weight_problems("d_model times seq_len + pred_len", ends)


@register("iTransformer")
class iTransformer(Forecaster):
    """Liu et al. 2024 (arXiv 2310.06625). Gives the numbers of Time-Series-Library: windows are standardised, time
    marks are tokens too.

    Encoder only: has no use for ``dec_in``, ``label_len``, ``d_layers``, ``factor``, ``moving_avg`` and ``distil``.
    """

    Config = iTransformerConfig
    unused_config = frozenset({"dec_in", "label_len", "d_layers", "factor", "moving_avg", "distil"})
    uses = ("x_enc", "x_mark_enc")
    reference_rules = (
        *ENCODER_RULES,
        (rf"enc_embedding\.value_embedding\.{WEIGHT}", r"embedding.\1", None),
        (rf"projection\.{WEIGHT}", r"projection.\1", None),
    )

    def __init__(self, config: iTransformerConfig):
        super().__init__(config)
        c = config
        self.embedding = nn.Linear(c.seq_len, c.d_model)
        self.dropout = Dropout(c.dropout)
        self.encoder = full_encoder(c, nn.LayerNorm(c.d_model))
        self.projection = nn.Linear(c.d_model, c.pred_len)

    def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec) -> torch.Tensor:
        values, mean, std = standardise(x_enc)
        tokens = torch.cat([values, x_mark_enc], dim=-1).transpose(1, 2)
        encoded = self.encoder(self.dropout(self.embedding(tokens)))
        return self.projection(encoded[:, : self.config.enc_in]).transpose(1, 2) * std + mean

    def output_layers(self):
        return [self.projection]

    def streams(self):
        return [Axis("d_model", [*outputs(self.embedding), *self.encoder.stream(), *inputs(self.projection)])]
