"""TCN: dilated causal convolutions as a forecaster."""

from typing import Annotated

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from tsprune.layers.axes import Axis, inputs, outputs
from tsprune.layers.dropout import Dropout
from tsprune.layers.encoder_decoder import ACTIVATIONS
from tsprune.layers.normalisation import standardise
from tsprune.models.base import ForecastConfig, Forecaster, register, same_channel_problems, weight_problems


class TCNConfig(ForecastConfig):
    kernel_size: Annotated[int, Field(ge=2, le=10_000)] = 3  # of the convolutions, time steps (before dilation)

    def problems(self):
        yield from super().problems()
        yield from same_channel_problems(self, "c_out")
        convolutions = 2 * self.levels * self.kernel_size * self.d_model**2
        yield from weight_problems(f"{2 * self.levels} convolutions of kernel_size {self.kernel_size}", convolutions)
        yield from weight_problems("d_model times pred_len times c_out", self.d_model * self.pred_len * self.c_out)

    @property
    def levels(self) -> int:
        """Residual blocks, the dilation doubling from one to the next, until the last step sees the whole look-back."""
        levels = 1
        while 1 + 2 * (self.kernel_size - 1) * (2**levels - 1) < self.seq_len:
            levels += 1
        return levels


class ResidualBlock(nn.Module):
    """Two causal convolutions with dilation, activation and dropout, and a residual: ``(batch, d_model, length)``."""

    def __init__(self, d_model: int, kernel_size: int, dilation: int, dropout: float, activation: str):
        super().__init__()
        self.past = dilation * (kernel_size - 1)
        self.first = nn.Conv1d(d_model, d_model, kernel_size, dilation=dilation)
        self.second = nn.Conv1d(d_model, d_model, kernel_size, dilation=dilation)
        self.activation = ACTIVATIONS[activation]()
        self.dropout = Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.dropout(self.activation(self.first(F.pad(x, (self.past, 0)))))
        y = self.dropout(self.activation(self.second(F.pad(y, (self.past, 0)))))
        return self.activation(x + y)

    def axes(self) -> list[Axis]:
        return [Axis("hidden", [*outputs(self.first), *inputs(self.second)])]


@register("TCN")
class TCN(Forecaster):
    """Temporal convolutional network of width ``d_model`` (Bai et al. 2018, arXiv 1803.01271, without weight norm);
    the last step gives all ``pred_len`` steps at once.

    No published forecaster: windows are standardised and the level put back, as in iTransformer, and time marks are
    further inputs. The depth follows from ``seq_len``. Has no use for ``dec_in``, ``label_len``, ``n_heads``,
    ``e_layers``, ``d_layers``, ``d_ff``, ``factor``, ``moving_avg`` and ``distil``.
    """

    Config = TCNConfig
    unused_config = frozenset(
        ("dec_in", "label_len", "n_heads", "e_layers", "d_layers", "d_ff", "factor", "moving_avg", "distil")
    )
    uses = ("x_enc", "x_mark_enc")

    def __init__(self, config: TCNConfig):
        super().__init__(config)
        c = config
        self.embedding = nn.Linear(c.enc_in + c.marks, c.d_model)
        self.blocks = nn.Sequential(
            *(ResidualBlock(c.d_model, c.kernel_size, 2**i, c.dropout, c.activation) for i in range(c.levels))
        )
        self.projection = nn.Linear(c.d_model, c.pred_len * c.c_out)

    def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec) -> torch.Tensor:
        values, mean, std = standardise(x_enc)
        x = self.embedding(torch.cat([values, x_mark_enc], dim=-1)).transpose(1, 2)
        forecast = self.projection(self.blocks(x)[:, :, -1])
        return forecast.unflatten(-1, (self.config.pred_len, self.config.c_out)) * std + mean

    def output_layers(self):
        return [self.projection]

    def streams(self):
        blocks = [slot for block in self.blocks for slot in (*inputs(block.first), *outputs(block.second))]
        return [Axis("d_model", [*outputs(self.embedding), *blocks, *inputs(self.projection)])]
