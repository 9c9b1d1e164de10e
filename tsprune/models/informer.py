"""Informer: attention for selected queries, and an encoder that halves its length from layer to layer."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

from tsprune.layers.axes import Axis, Slot, along, inputs, outputs
from tsprune.layers.embedding import DataEmbedding
from tsprune.layers.encoder_decoder import Decoder, DecoderLayer, Encoder, EncoderLayer
from tsprune.layers.probsparse import ProbSparseAttention
from tsprune.models.base import ForecastConfig, Seed, head_problems, register, square_problems
from tsprune.models.encoder_decoder import EncoderDecoder
from tsprune.models.reference import DECODER_RULES, EMBEDDING_RULES, ENCODER_RULES


class InformerConfig(ForecastConfig):
    sample_seed: Seed = 0  # of the generator that samples key positions
    transpose_heads: bool = False  # False: the published code, which mixes time and heads; True: the paper

    def problems(self):
        yield from super().problems()
        yield from head_problems(self)
        yield from square_problems(self)


class Distilling(nn.Module):
    """Convolution of width 3, batch norm, ELU, max-pooling: ``(batch, length, d_model)`` to about half the length.

    Circular padding of 2 as in Time-Series-Library (Informer2020: 1), so length L becomes (L + 1) // 2 + 1. The
    padding is an index, which tracers of the network's structure can follow.
    """

    def __init__(self, d_model: int, length: int):
        super().__init__()
        self.register_buffer("wrapped", torch.arange(-2, length + 2, device="cpu") % length, persistent=False)
        self.convolution = nn.Conv1d(d_model, d_model, 3)
        self.norm = nn.BatchNorm1d(d_model)

    @staticmethod
    def halved(length: int) -> int:
        return (length + 1) // 2 + 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.convolution(x.index_select(1, self.wrapped).transpose(1, 2))
        # ELU rises everywhere: after the maximum it gives the same for half the numbers.
        return F.elu(F.max_pool1d(self.norm(x), kernel_size=3, stride=2, padding=1)).transpose(1, 2)


class DistillingEncoder(Encoder):
    """An encoder with a distilling step after each layer but the last."""

    def __init__(self, layers, distilling, norm: nn.Module):
        super().__init__(layers, norm)
        self.distilling = nn.ModuleList(distilling)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer, distil in zip(self.layers, self.distilling, strict=False):
            x = distil(layer(x))
        return self.norm(self.layers[-1](x))

    def streams(self) -> list[list[Slot]]:
        """Where the width of the stream through each layer lies: a convolution may change it."""
        found = [layer.stream() for layer in self.layers]
        for (before, after), distil in zip(pairwise(found), self.distilling, strict=True):
            before += inputs(distil.convolution)
            after += [*outputs(distil.convolution), *along(distil.norm)]
        found[-1] += along(self.norm)
        return found


class SelectingDecoderLayer(DecoderLayer):
    """All steps compete in both attentions; after them only the wanted ones are computed."""

    def forward(
        self, x: torch.Tensor, memory: torch.Tensor, self_extra=(), cross_extra=(), last: int | None = None
    ) -> torch.Tensor:
        x = self.norm1(x + self.dropout(self.self_attention(x, x, *self_extra)))
        wanted = x if last is None else x[:, -last:]
        x = self.norm2(wanted + self.dropout(self.cross_attention(x, memory, *cross_extra, last=last)))
        return self.norm3(x + self.feed_forward(x))


@register("Informer")
class Informer(EncoderDecoder):
    """Zhou et al. 2021 (arXiv 2012.07436). Gives the numbers of Time-Series-Library for the same sampled keys.

    Differs from Informer2020, the authors' repository, as that library does: ProbSparse attention also to the encoder's
    output, distilling with padding 2, no bias in the embedding, time and heads mixed after each attention
    (``transpose_heads=True`` is the paper's order). Keys are sampled from a generator seeded by ``sample_seed``: the
    same in every evaluation, new at each training step. Has no use for ``moving_avg``.
    """

    Config = InformerConfig
    unused_config = frozenset({"moving_avg"})
    own_state = (r".*\.sample",)
    reference_rules = (
        *EMBEDDING_RULES,
        *ENCODER_RULES,
        *DECODER_RULES,
        (r"encoder\.conv_layers\.(\d+)\.downConv\.(\w+)", r"encoder.distilling.\1.convolution.\2", None),
        (r"encoder\.conv_layers\.(\d+)\.norm\.(\w+)", r"encoder.distilling.\1.norm.\2", None),
    )

    def __init__(self, config: InformerConfig):
        super().__init__(config)
        c = config
        sizes = (c.d_model, c.d_ff, c.dropout, c.activation)
        generator = torch.Generator().manual_seed(c.sample_seed)

        def attention(length: int, source_length: int, causal: bool = False) -> ProbSparseAttention:
            return ProbSparseAttention(
                c.d_model, c.n_heads, length, source_length, c.factor, generator, causal, c.transpose_heads
            )

        lengths = [c.seq_len]
        for _ in range(c.e_layers - 1):
            lengths.append(Distilling.halved(lengths[-1]) if c.distil else c.seq_len)
        self.enc_embedding = DataEmbedding(c.enc_in, c.marks, c.d_model, c.dropout, max_length=c.seq_len)
        self.dec_embedding = DataEmbedding(c.dec_in, c.marks, c.d_model, c.dropout, max_length=c.dec_len)
        layers = [EncoderLayer(attention(length, length), *sizes) for length in lengths]
        distilling = [Distilling(c.d_model, length) for length in lengths[:-1]]
        norm = nn.LayerNorm(c.d_model)
        self.encoder = DistillingEncoder(layers, distilling, norm) if c.distil else Encoder(layers, norm)
        self.decoder = Decoder(
            (
                SelectingDecoderLayer(
                    attention(c.dec_len, c.dec_len, causal=True), attention(c.dec_len, lengths[-1]), *sizes
                )
                for _ in range(c.d_layers)
            ),
            nn.LayerNorm(c.d_model),
        )
        self.projection = nn.Linear(c.d_model, c.c_out)

    def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec) -> torch.Tensor:
        memory = self.encoder(self.enc_embedding(x_enc, x_mark_enc))
        start = self.dec_embedding(x_dec, x_mark_dec)
        return self.projection(self.decoder(start, memory, last=self.config.pred_len))

    def streams(self):
        parts = self.encoder.streams() if self.config.distil else [self.encoder.stream()]
        parts[0] = [*self.enc_embedding.stream(), *parts[0]]
        parts[-1] += self.decoder.memory()
        encoder = [Axis(f"encoder.{number}.d_model", slots) for number, slots in enumerate(parts)]
        return [*encoder, Axis("decoder.d_model", self.decoder_stream())]
