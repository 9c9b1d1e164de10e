"""DLinear: one linear map for the trend, one for the rest."""

import re

import torch
from torch import nn

from tsprune.layers.decomposition import MovingAverage
from tsprune.models.base import (
    ForecastConfig,
    Forecaster,
    all_but,
    register,
    same_channel_problems,
    table_problems,
    weight_problems,
)


class DLinearConfig(ForecastConfig):
    individual: bool = False  # one pair of maps per variable instead of one for all

    def problems(self):
        yield from super().problems()
        yield from table_problems(f"seq_len ({self.seq_len}) squared", self.seq_len**2)
        maps = self.enc_in if self.individual else 1
        yield from weight_problems("seq_len times pred_len for each map", maps * self.seq_len * self.pred_len)
        yield from same_channel_problems(self, "c_out")


class HorizonLinear(nn.Module):
    """One Linear per variable: ``(batch, channels, seq_len)`` to ``(batch, channels, pred_len)``.

    ``weight`` is ``(channels, pred_len, seq_len)``.
    """

    def __init__(self, channels: int, seq_len: int, pred_len: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, pred_len, seq_len))
        self.bias = nn.Parameter(torch.empty(channels, pred_len))
        nn.init.uniform_(self.bias, -(seq_len**-0.5), seq_len**-0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.baddbmm(self.bias.unsqueeze(1), x.transpose(0, 1), self.weight.transpose(1, 2)).transpose(0, 1)


@register("DLinear")
class DLinear(Forecaster):
    """Zeng et al. 2023 (arXiv 2205.13504). Weights start at 1 / seq_len as in Time-Series-Library (the paper's
    repository: at random).

    Uses only the look-back values: no calendar, no ``x_dec``, no widths, layers, heads or dropout.
    """

    Config = DLinearConfig
    unused_config = all_but("enc_in", "c_out", "seq_len", "pred_len", "moving_avg")
    uses = ("x_enc",)
    reference_rules = (
        (r"Linear_Seasonal\.(weight|bias)", r"seasonal.\1", None),
        (r"Linear_Trend\.(weight|bias)", r"trend.\1", None),
    )

    def __init__(self, config: DLinearConfig):
        super().__init__(config)
        c = config
        self.decomposition = MovingAverage(c.seq_len, c.moving_avg)
        shape = (c.seq_len, c.pred_len)
        self.seasonal = HorizonLinear(c.enc_in, *shape) if c.individual else nn.Linear(*shape)
        self.trend = HorizonLinear(c.enc_in, *shape) if c.individual else nn.Linear(*shape)
        nn.init.constant_(self.seasonal.weight, 1 / c.seq_len)
        nn.init.constant_(self.trend.weight, 1 / c.seq_len)

    def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec) -> torch.Tensor:
        x = x_enc.transpose(1, 2).contiguous()  # time last, as all products here want it
        trend = self.decomposition(x, time_last=True)
        return (self.seasonal(x - trend) + self.trend(trend)).transpose(1, 2)

    @classmethod
    def regroup_reference(cls, state):
        """``Linear_Trend.<variable>.weight`` of the individual maps, stacked by variable."""
        stacks, rest = {}, {}
        for name, tensor in state.items():
            if match := re.fullmatch(r"(Linear_\w+)\.(\d+)\.(weight|bias)", name):
                stacks.setdefault(f"{match[1]}.{match[3]}", {})[int(match[2])] = tensor
            else:
                rest[name] = tensor
        return rest | {name: torch.stack([parts[i] for i in sorted(parts)]) for name, parts in stacks.items()}

    def output_layers(self):
        return [self.seasonal, self.trend]
