"""Layers and stacks of the post-norm Transformer family."""

from collections.abc import Iterable

import torch
from torch import nn

from tsprune.layers.attention import Attention
from tsprune.layers.axes import Axis, Slot, along, inputs, outputs
from tsprune.layers.dropout import Dropout

ACTIVATIONS = {"gelu": nn.GELU, "relu": nn.ReLU}


class FeedForward(nn.Module):
    """dropout(down(dropout(activation(up(x))))): ``(..., d_model)`` to the same shape through ``d_ff``.

    The reference writes the two as convolutions of width 1; they are the same as Linear layers.
    """

    def __init__(self, d_model: int, d_ff: int, dropout: float, activation: str, bias: bool = True):
        super().__init__()
        self.up = nn.Linear(d_model, d_ff, bias=bias)
        self.activation = ACTIVATIONS[activation]()
        self.down = nn.Linear(d_ff, d_model, bias=bias)
        self.dropout = Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.down(self.dropout(self.activation(self.up(x)))))

    def stream(self) -> list[Slot]:
        """Where the width of ``x`` lies."""
        return [*inputs(self.up), *outputs(self.down)]

    def axes(self) -> list[Axis]:
        return [Axis("d_ff", [*outputs(self.up), *inputs(self.down)])]


class EncoderLayer(nn.Module):
    """Post-norm: x = LN(x + drop(attention)), then LN(x + feed_forward).

    ``extra`` is handed to the attention as it is (scales of a de-stationary attention).
    """

    def __init__(self, attention: Attention, d_model: int, d_ff: int, dropout: float, activation: str):
        super().__init__()
        self.attention = attention
        self.feed_forward = FeedForward(d_model, d_ff, dropout, activation)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.dropout = Dropout(dropout)

    def forward(self, x: torch.Tensor, *extra) -> torch.Tensor:
        x = self.norm1(x + self.dropout(self.attention(x, x, *extra)))
        return self.norm2(x + self.feed_forward(x))

    def stream(self) -> list[Slot]:
        """Where the width of ``x`` lies."""
        attention = [*self.attention.stream(), *self.attention.source()]
        return [*attention, *self.feed_forward.stream(), *along(self.norm1), *along(self.norm2)]


class DecoderLayer(nn.Module):
    """Post-norm: self-attention, attention to the encoder's output, feed-forward, each with residual and LayerNorm.

    ``self_extra`` and ``cross_extra`` are handed to the two attentions as they are.
    """

    def __init__(
        self,
        self_attention: Attention,
        cross_attention: Attention,
        d_model: int,
        d_ff: int,
        dropout: float,
        activation: str,
    ):
        super().__init__()
        self.self_attention = self_attention
        self.cross_attention = cross_attention
        self.feed_forward = FeedForward(d_model, d_ff, dropout, activation)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.norm3 = nn.LayerNorm(d_model)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: torch.Tensor, memory: torch.Tensor, self_extra=(), cross_extra=(), last: int | None = None
    ) -> torch.Tensor:
        """``last``: return only this many final steps. The others are still attended to, but not computed."""
        wanted = x if last is None else x[:, -last:]
        x = self.norm1(wanted + self.dropout(self.self_attention(wanted, x, *self_extra)))
        x = self.norm2(x + self.dropout(self.cross_attention(x, memory, *cross_extra)))
        return self.norm3(x + self.feed_forward(x))

    def stream(self) -> list[Slot]:
        """Where the width of ``x`` lies."""
        attention = [*self.self_attention.stream(), *self.self_attention.source(), *self.cross_attention.stream()]
        norms = [*along(self.norm1), *along(self.norm2), *along(self.norm3)]
        return [*attention, *self.feed_forward.stream(), *norms]

    def memory(self) -> list[Slot]:
        """Where the width of ``memory`` lies."""
        return self.cross_attention.source()


class Stack(nn.Module):
    """Layers one after the other, then a norm: base of encoders and decoders."""

    def __init__(self, layers: Iterable[nn.Module], norm: nn.Module):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.norm = norm

    def stream(self) -> list[Slot]:
        """Where the width of ``x`` lies."""
        return [*layer_streams(self.layers), *norm_stream(self.norm)]


class Encoder(Stack):
    """``(batch, length, d_model)`` to the same shape."""

    def forward(self, x: torch.Tensor, *extra) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x, *extra)
        return self.norm(x)


class Decoder(Stack):
    """Layers that also see the encoder's output ``memory``."""

    def forward(
        self, x: torch.Tensor, memory: torch.Tensor, self_extra=(), cross_extra=(), last: int | None = None
    ) -> torch.Tensor:
        """``last``: return only this many final steps; the last layer then computes no others."""
        for layer in self.layers[:-1]:
            x = layer(x, memory, self_extra, cross_extra)
        return self.norm(self.layers[-1](x, memory, self_extra, cross_extra, last))

    def memory(self) -> list[Slot]:
        """Where the width of ``memory`` lies."""
        return [slot for layer in self.layers for slot in layer.memory()]


def layer_streams(layers: Iterable[nn.Module]) -> list[Slot]:
    """Where the width of the stream through ``layers`` lies."""
    return [slot for layer in layers for slot in layer.stream()]


def norm_stream(norm: nn.Module) -> list[Slot]:
    """Of a norm of torch's, or of one that declares it itself."""
    return norm.stream() if hasattr(norm, "stream") else along(norm)
