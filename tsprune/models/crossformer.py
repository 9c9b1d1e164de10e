"""Crossformer: segments of every variable as tokens, attention across time and across variables."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from tsprune.layers.attention import LengthFirstAttention
from tsprune.layers.axes import Axis, Slot, along, inputs, outputs
from tsprune.layers.dropout import Dropout
from tsprune.layers.embedding import PositionTable
from tsprune.models.base import (
    ForecastConfig,
    Forecaster,
    Rule,
    Steps,
    head_problems,
    register,
    same_channel_problems,
    table_problems,
    weight_problems,
)
from tsprune.models.reference import WEIGHT


class CrossformerConfig(ForecastConfig):
    seg_len: Steps = 12  # time steps in a segment
    win_size: Annotated[int, Field(ge=2, le=1_000_000)] = 2  # segments merged into one between scales

    def problems(self):
        yield from super().problems()
        yield from head_problems(self)
        yield from same_channel_problems(self, "c_out")
        longest = max(self.segments(0), self.horizon_segments)
        yield from table_problems(f"{longest} segments of d_model {self.d_model}", longest * self.d_model)
        tokens = (self.enc_in + self.factor * self.e_layers) * longest
        yield from weight_problems("positions and routers of the segments", tokens * self.d_model)
        merged = (self.e_layers - 1) * self.win_size * self.d_model**2
        yield from weight_problems(f"merging of win_size {self.win_size} segments", merged)

    def segments(self, scale: int) -> int:
        """Number of segments of the look-back at an encoder scale."""
        return math.ceil(math.ceil(self.seq_len / self.seg_len) / self.win_size**scale)

    @property
    def horizon_segments(self) -> int:
        """Number of segments of the horizon."""
        return math.ceil(self.pred_len / self.seg_len)


class MLP(nn.Sequential):
    """Linear, GELU, Linear, without dropout."""

    def __init__(self, d_model: int, d_ff: int):
        super().__init__(nn.Linear(d_model, d_ff), nn.GELU(), nn.Linear(d_ff, d_model))

    def stream(self) -> list[Slot]:
        """Where the width of its input and output lies."""
        return [*inputs(self[0]), *outputs(self[2])]

    def axes(self) -> list[Axis]:
        return [Axis("d_ff", [*outputs(self[0]), *inputs(self[2])])]


class TwoStageAttention(nn.Module):
    """``(segments, batch, channels, d_model)`` to the same: attention over time, then over variables (section 3.2).

    Across variables each segment has ``routers`` learned vectors: they collect from all variables, and the variables
    read from them, so the cost is linear in the number of variables. All norms come after.
    """

    def __init__(self, segments: int, routers: int, d_model: int, n_heads: int, d_ff: int, dropout: float):
        super().__init__()
        self.routers = nn.Parameter(torch.randn(segments, routers, d_model))
        self.time = LengthFirstAttention(d_model, n_heads, dropout)
        self.sender = LengthFirstAttention(d_model, n_heads, dropout)
        self.receiver = LengthFirstAttention(d_model, n_heads, dropout)
        self.mlp1 = MLP(d_model, d_ff)
        self.mlp2 = MLP(d_model, d_ff)
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(d_model) for _ in range(4))
        self.dropout = Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        segments, batch, channels, _ = x.shape
        x = x.flatten(1, 2)
        x = self.norm1(x + self.dropout(self.time(x, x)))
        x = self.norm2(x + self.dropout(self.mlp1(x)))
        # (channels, segments * batch, d_model), moved once: three projections would each move a view of it.
        x = x.view(segments, batch, channels, -1).permute(2, 0, 1, 3).flatten(1, 2).contiguous()
        queries = self.sender.query(self.routers).transpose(0, 1).unsqueeze(2)
        queries = queries.expand(-1, -1, batch, -1).contiguous().flatten(1, 2)  # the same for every sample
        collected = self.sender.out(self.sender.mix(queries, self.sender.key(x), self.sender.value(x)))
        x = self.norm3(x + self.dropout(self.receiver(x, collected)))
        x = self.norm4(x + self.dropout(self.mlp2(x)))
        return x.view(channels, segments, batch, -1).permute(1, 2, 0, 3).contiguous()

    def stream(self) -> list[Slot]:
        """Where the width of ``x`` lies."""
        attention = [*self.time.stream(), *self.time.source(), *self.sender.source(), *self.receiver.stream()]
        norms = [slot for norm in (self.norm1, self.norm2, self.norm3, self.norm4) for slot in along(norm)]
        return [*attention, *self.mlp1.stream(), *self.mlp2.stream(), *norms]

    def axes(self) -> list[Axis]:
        """The number of routers, their width, and that of what they collect."""
        return [
            Axis("routers", [Slot(self, "routers", 1)]),
            Axis("router_dim", [Slot(self, "routers", 2), *inputs(self.sender.query)]),
            Axis("collected", [*outputs(self.sender.out), *self.receiver.source()]),
        ]


class SegmentMerging(nn.Module):
    """``win_size`` neighbouring segments to one; missing ones at the end repeat the last segments (section 3.3).

    ``(segments, batch, channels, d_model)`` to fewer segments.
    """

    def __init__(self, d_model: int, win_size: int, segments: int):
        super().__init__()
        self.win_size = win_size
        missing = -segments % win_size
        order = [*range(segments), *(max(0, segments - missing + i) for i in range(missing))]
        self.register_buffer("order", torch.tensor(order, device="cpu"), persistent=False)
        self.norm = nn.LayerNorm(win_size * d_model)
        self.linear = nn.Linear(win_size * d_model, d_model)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.index_select(0, self.order).unflatten(0, (-1, self.win_size)).permute(0, 2, 3, 1, 4).flatten(3)
        return self.linear(self.norm(x))

    def source(self) -> list[Slot]:
        """Where the width of ``x`` lies, once for each segment that is merged."""
        return [*along(self.norm, outer=self.win_size), *inputs(self.linear, outer=self.win_size)]


class EncoderScale(nn.Module):
    """Merging of segments, if there is one, and two-stage attention."""

    def __init__(self, merging: SegmentMerging | None, attention: TwoStageAttention):
        super().__init__()
        self.merging = merging
        self.attention = attention

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(x if self.merging is None else self.merging(x))


class DecoderScale(nn.Module):
    """Two-stage attention of the horizon, attention over time to one encoder scale, and that scale's forecast."""

    def __init__(self, attention: TwoStageAttention, d_model: int, n_heads: int, seg_len: int, dropout: float):
        super().__init__()
        self.self_attention = attention
        self.cross_attention = LengthFirstAttention(d_model, n_heads, dropout)
        self.mlp = MLP(d_model, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.projection = nn.Linear(d_model, seg_len)
        self.dropout = Dropout(dropout)

    def forward(self, x: torch.Tensor, memory: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The stream ``(horizon segments, batch, channels, d_model)``, and the forecast, ``seg_len`` wide.

        A stream of batch 1 serves all samples of ``memory``.
        """
        shape = memory.shape[1:3]
        x = self.self_attention(x).expand(-1, *shape, -1).flatten(1, 2)
        x = self.norm1(x + self.dropout(self.cross_attention(x, memory.flatten(1, 2))))
        x = self.norm2(x + self.mlp(x)).unflatten(1, shape)
        return x, self.projection(x)

    def stream(self) -> list[Slot]:
        """Where the width of ``x`` lies."""
        attention = [*self.self_attention.stream(), *self.cross_attention.stream(), *self.mlp.stream()]
        return [*attention, *along(self.norm1), *along(self.norm2), *inputs(self.projection)]


BLOCK = r"encoder\.encode_blocks\.(\d+)"
LAYER = r"decoder\.decode_layers\.(\d+)"


def two_stage_rules(theirs: str, ours: str) -> tuple[Rule, ...]:
    """Reference names of a two-stage attention under the pattern ``theirs``."""
    return (
        (rf"{theirs}\.time_attention\.(\w+)_projection\.{WEIGHT}", rf"{ours}.time.\2.\3", None),
        (rf"{theirs}\.dim_(sender|receiver)\.(\w+)_projection\.{WEIGHT}", rf"{ours}.\2.\3.\4", None),
        (rf"{theirs}\.MLP(\d)\.(\d)\.{WEIGHT}", rf"{ours}.mlp\2.\3.\4", None),
        (rf"{theirs}\.(norm\d)\.{WEIGHT}", rf"{ours}.\2.\3", None),
        (rf"{theirs}\.router", rf"{ours}.routers", None),
    )


@register("Crossformer")
class Crossformer(Forecaster):
    """Zhang & Yan 2023 (*Crossformer*, ICLR). Gives the numbers of Time-Series-Library.

    Of the authors' repository differ, as there: a sinusoid table besides the learned positions, no bias in the segment
    embedding, padding at the end, the last ``pred_len`` steps of the padded horizon, segments of 12. The decoder has
    ``e_layers + 1`` layers. Uses the look-back values only: has no use for ``dec_in``, ``label_len``, ``d_layers``,
    ``moving_avg``, ``freq``, ``activation`` (always gelu) and ``distil``.
    """

    Config = CrossformerConfig
    unused_config = frozenset({"dec_in", "label_len", "d_layers", "moving_avg", "freq", "activation", "distil"})
    uses = ("x_enc",)
    reference_rules = (
        (r"enc_value_embedding\.value_embedding\.weight", "embedding.weight", None),
        (r"(enc|dec)_pos_embedding", r"\1_positions", None),
        (rf"pre_norm\.{WEIGHT}", r"norm.\1", None),
        (rf"{BLOCK}\.merge_layer\.linear_trans\.{WEIGHT}", r"encoder.\1.merging.linear.\2", None),
        (rf"{BLOCK}\.merge_layer\.norm\.{WEIGHT}", r"encoder.\1.merging.norm.\2", None),
        *two_stage_rules(rf"{BLOCK}\.encode_layers\.0", r"encoder.\1.attention"),
        *two_stage_rules(rf"{LAYER}\.self_attention", r"decoder.\1.self_attention"),
        (rf"{LAYER}\.cross_attention\.(\w+)_projection\.{WEIGHT}", r"decoder.\1.cross_attention.\2.\3", None),
        (rf"{LAYER}\.MLP1\.(\d)\.{WEIGHT}", r"decoder.\1.mlp.\2.\3", None),
        (rf"{LAYER}\.(norm\d)\.{WEIGHT}", r"decoder.\1.\2.\3", None),
        (rf"{LAYER}\.linear_pred\.{WEIGHT}", r"decoder.\1.projection.\2", None),
    )

    def __init__(self, config: CrossformerConfig):
        super().__init__(config)
        c = config
        heads = (c.d_model, c.n_heads)

        def two_stage(segments: int) -> TwoStageAttention:
            return TwoStageAttention(segments, c.factor, *heads, c.d_ff, c.dropout)

        counts = [c.segments(scale) for scale in range(c.e_layers)]
        steps = torch.arange(counts[0] * c.seg_len, device="cpu").clamp(max=c.seq_len - 1)
        self.register_buffer("steps", steps, persistent=False)
        self.embedding = nn.Linear(c.seg_len, c.d_model, bias=False)
        self.position = PositionTable(counts[0], c.d_model)
        self.enc_positions = nn.Parameter(torch.randn(1, c.enc_in, counts[0], c.d_model))
        self.dec_positions = nn.Parameter(torch.randn(1, c.enc_in, c.horizon_segments, c.d_model))
        self.norm = nn.LayerNorm(c.d_model)
        merging = [None, *(SegmentMerging(c.d_model, c.win_size, count) for count in counts[:-1])]
        self.encoder = nn.ModuleList(
            EncoderScale(merge, two_stage(n)) for merge, n in zip(merging, counts, strict=True)
        )
        self.decoder = nn.ModuleList(
            DecoderScale(two_stage(c.horizon_segments), *heads, c.seg_len, c.dropout) for _ in range(c.e_layers + 1)
        )

    def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec) -> torch.Tensor:
        c = self.config
        segments = x_enc.index_select(1, self.steps).unflatten(1, (-1, c.seg_len)).permute(1, 0, 3, 2)
        positions = self.position(self.enc_positions).permute(2, 0, 1, 3)
        scales = [self.norm(self.embedding(segments) + positions)]
        for layer in self.encoder:
            scales.append(layer(scales[-1]))
        x, total = self.dec_positions.permute(2, 0, 1, 3).contiguous(), 0.0
        if self.training:  # else the first stage of the decoder gives all samples the same, dropout being off
            x = x.expand(-1, x_enc.shape[0], -1, -1)
        for layer, memory in zip(self.decoder, scales, strict=True):
            x, forecast = layer(x, memory)
            total = total + forecast
        return total.permute(1, 0, 3, 2).flatten(1, 2)[:, -c.pred_len :]

    def output_layers(self):
        return [layer.projection for layer in self.decoder]

    def streams(self):
        """One for each encoder scale, the first also that of the embedded segments, and the decoder's."""
        scales = [
            [*outputs(self.embedding), *self.position.stream(), Slot(self, "enc_positions", 3), *along(self.norm)]
        ]
        scales[0] += self.decoder[0].cross_attention.source()
        for layer, reader in zip(self.encoder, self.decoder[1:], strict=True):
            if layer.merging is not None:
                scales[-1] += layer.merging.source()
                scales.append(outputs(layer.merging.linear))
            scales[-1] += [*layer.attention.stream(), *reader.cross_attention.source()]
        decoder = [Slot(self, "dec_positions", 3), *(slot for layer in self.decoder for slot in layer.stream())]
        encoder = [Axis(f"encoder.{number}.d_model", slots) for number, slots in enumerate(scales)]
        return [*encoder, Axis("decoder.d_model", decoder)]
