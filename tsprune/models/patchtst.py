"""PatchTST: every variable on its own, patches of its look-back as tokens."""

import torch
from torch import nn

from tsprune.layers.axes import Axis, inputs, outputs
from tsprune.layers.dropout import Dropout
from tsprune.layers.embedding import PositionTable
from tsprune.layers.normalisation import standardise
from tsprune.models.base import (
    ForecastConfig,
    Forecaster,
    Steps,
    head_problems,
    register,
    same_channel_problems,
    table_problems,
    weight_problems,
)
from tsprune.models.encoder_decoder import full_encoder
from tsprune.models.reference import ENCODER_RULES


class PatchTSTConfig(ForecastConfig):
    patch_len: Steps = 16  # time steps in a patch
    stride: Steps = 8  # time steps between the starts of neighbouring patches

    def problems(self):
        yield from super().problems()
        yield from head_problems(self)
        yield from same_channel_problems(self, "c_out")
        if self.patch_len > self.seq_len + self.stride:
            yield f"patch_len ({self.patch_len}) must not exceed seq_len + stride ({self.seq_len + self.stride})"
        wide = self.patches * max(self.d_model, self.patch_len)
        yield from table_problems(f"{self.patches} patches of patch_len {self.patch_len}, d_model {self.d_model}", wide)
        yield from weight_problems("patches times d_model times pred_len", self.patches * self.d_model * self.pred_len)

    @property
    def patches(self) -> int:
        """Number of patches, the last one reaching into the padding."""
        return (self.seq_len + self.stride - self.patch_len) // self.stride + 1


class TokenBatchNorm(nn.BatchNorm1d):
    """Batch norm of the features of ``(batch, length, d_model)`` over batch and time."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.flatten(0, 1)).view(x.shape)


@register("PatchTST")
class PatchTST(Forecaster):
    """Nie et al. 2023 (arXiv 2211.14730). Gives the numbers of Time-Series-Library: windows are standardised, the end
    is padded by ``stride`` copies of the last value, positions are sinusoids, the norm after the encoder is a batch
    norm.

    Encoder only, on the look-back values: has no use for ``dec_in``, ``label_len``, ``d_layers``, ``factor``,
    ``moving_avg``, ``freq`` and ``distil``.
    """

    Config = PatchTSTConfig
    unused_config = frozenset({"dec_in", "label_len", "d_layers", "factor", "moving_avg", "freq", "distil"})
    uses = ("x_enc",)

    def __init__(self, config: PatchTSTConfig):
        super().__init__(config)
        c = config
        starts = c.stride * torch.arange(c.patches, device="cpu").unsqueeze(1)
        steps = (starts + torch.arange(c.patch_len, device="cpu")).clamp(max=c.seq_len - 1)
        self.register_buffer("steps", steps.flatten(), persistent=False)  # (patches * patch_len)
        self.embedding = nn.Linear(c.patch_len, c.d_model, bias=False)
        self.position = PositionTable(c.patches, c.d_model)
        self.dropout = Dropout(c.dropout)
        self.encoder = full_encoder(c, TokenBatchNorm(c.d_model))
        self.head = nn.Linear(c.patches * c.d_model, c.pred_len)

    def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec) -> torch.Tensor:
        c = self.config
        values, mean, std = standardise(x_enc)
        patches = values.transpose(1, 2).index_select(2, self.steps).reshape(-1, c.patches, c.patch_len)
        encoded = self.encoder(self.dropout(self.position(self.embedding(patches))))
        forecast = self.dropout(self.head(encoded.reshape(-1, c.enc_in, self.head.in_features)))
        return forecast.transpose(1, 2) * std + mean

    def output_layers(self):
        return [self.head]

    def streams(self):
        head = inputs(self.head, outer=self.config.patches)  # the features of one patch after those of another
        return [Axis("d_model", [*outputs(self.embedding), *self.position.stream(), *self.encoder.stream(), *head])]

    @property
    def reference_rules(self):
        return (
            *ENCODER_RULES,
            (r"encoder\.norm\.1\.(\w+)", r"encoder.norm.\1", None),
            (r"patch_embedding\.value_embedding\.weight", "embedding.weight", None),
            (r"head\.linear\.weight", "head.weight", self.head_layout),
            (r"head\.linear\.bias", "head.bias", None),
        )

    def head_layout(self, weight: torch.Tensor) -> torch.Tensor:
        """The reference flattens (feature, patch), we (patch, feature)."""
        return weight.unflatten(1, (-1, self.config.patches)).transpose(1, 2).flatten(1)
