"""From raw values and calendar features to tokens of width d_model."""

import math
from functools import lru_cache

import torch
from torch import nn

from tsprune.layers.axes import Slot, outputs
from tsprune.layers.dropout import Dropout


def sinusoid_table(length: int, width: int) -> torch.Tensor:
    """Positions ``(length, width)``: even columns sin(p w_i), odd columns cos(p w_i), w_i = 10000^(-2i/width).

    Vaswani et al. 2017, arXiv 1706.03762, section 3.5. Always computed on the CPU in float32, so that every copy of a
    model has the same numbers; an odd width ends on a sine column.
    """
    position = torch.arange(length, dtype=torch.float32, device="cpu").unsqueeze(1)
    even = torch.arange(0, width, 2, dtype=torch.float32, device="cpu")
    angle = position * torch.exp(even * -(math.log(10000.0) / width))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width].contiguous()


# A plan of a large study makes hundreds of models to count their parameters, each with tables of 5,000 rows.
_known_table = lru_cache(maxsize=16)(sinusoid_table)


class PositionTable(nn.Module):
    """Adds the sinusoid table: ``(..., length, width)`` to the same shape, ``length`` at most ``max_length``.

    A module of its own, so that a pruner which narrows the stream can narrow the columns of ``table`` with it. It
    is not saved: it follows from the config.
    """

    def __init__(self, max_length: int, width: int):
        super().__init__()
        self.register_buffer("table", _known_table(max_length, width).clone(), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.table[: x.shape[-2]]

    def stream(self) -> list[Slot]:
        """Where the width of ``x`` lies."""
        return [Slot(self, "table", 1)]


class CircularTokens(nn.Linear):
    """Circular convolution of width 3, no bias: ``(batch, length, channels)`` to ``(batch, length, d_model)``.

    One Linear over the neighbours (t-1, t, t+1) side by side. Initialised as the reference's convolution: Kaiming
    normal with gain sqrt(2), that is std = sqrt(2 / (3 channels)).
    """

    def __init__(self, channels: int, d_model: int):
        self.channels = channels
        super().__init__(3 * channels, d_model, bias=False)

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=math.sqrt(2 / self.in_features))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(self.neighbours(x))

    @staticmethod
    def neighbours(x: torch.Tensor) -> torch.Tensor:
        """``(batch, length, channels)`` to ``(batch, length, 3 * channels)``."""
        before = torch.cat([x[:, -1:], x[:, :-1]], dim=1)
        after = torch.cat([x[:, 1:], x[:, :1]], dim=1)
        return torch.cat([before, x, after], dim=-1)


class DataEmbedding(nn.Module):
    """Values and calendar features to tokens: dropout(value + time [+ position]).

    ``(batch, length, channels)`` and ``(batch, length, marks)`` to ``(batch, length, d_model)``. ``max_length=None``:
    no position table (Autoformer).
    """

    def __init__(self, channels: int, marks: int, d_model: int, dropout: float, max_length: int | None):
        super().__init__()
        self.value = CircularTokens(channels, d_model)
        self.time = nn.Linear(marks, d_model, bias=False)
        self.position = PositionTable(max_length, d_model) if max_length is not None else nn.Identity()
        self.dropout = Dropout(dropout)

    def forward(self, x: torch.Tensor, marks: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.position(self.value(x) + self.time(marks)))

    def stream(self) -> list[Slot]:
        """Where the width of the tokens lies."""
        position = [] if isinstance(self.position, nn.Identity) else self.position.stream()
        return [*outputs(self.value), *outputs(self.time), *position]
