"""Bases of the forecasters made of an encoder and a decoder, each with a stream of its own width."""

from collections.abc import Callable

import torch
from torch import nn

from tsprune.layers.attention import FullAttention
from tsprune.layers.axes import Axis, Slot, inputs
from tsprune.layers.decomposition import (
    DecompositionDecoder,
    DecompositionDecoderLayer,
    DecompositionEncoderLayer,
    MovingAverage,
    SeasonalNorm,
    decoder_start,
)
from tsprune.layers.embedding import DataEmbedding
from tsprune.layers.encoder_decoder import Decoder, DecoderLayer, Encoder, EncoderLayer
from tsprune.models.base import ForecastConfig, Forecaster


def full_encoder(config: ForecastConfig, norm: nn.Module, attention: type[FullAttention] = FullAttention) -> Encoder:
    """The encoder of the vanilla Transformer: ``e_layers`` layers with full attention, then ``norm``."""
    c = config
    heads, sizes = (c.d_model, c.n_heads, c.dropout), (c.d_model, c.d_ff, c.dropout, c.activation)
    return Encoder((EncoderLayer(attention(*heads), *sizes) for _ in range(c.e_layers)), norm)


class EncoderDecoder(Forecaster):
    """A subclass has ``enc_embedding``, ``encoder``, ``dec_embedding``, ``decoder`` and ``projection``."""

    def make_parts(self, attention: type[FullAttention]) -> None:
        """Make these parts as the vanilla Transformer has them, every attention of the class ``attention``."""
        c = self.config
        sizes = (c.d_model, c.d_ff, c.dropout, c.activation)
        heads = (c.d_model, c.n_heads, c.dropout)
        self.enc_embedding = DataEmbedding(c.enc_in, c.marks, c.d_model, c.dropout, max_length=c.seq_len)
        self.dec_embedding = DataEmbedding(c.dec_in, c.marks, c.d_model, c.dropout, max_length=c.dec_len)
        self.encoder = full_encoder(c, nn.LayerNorm(c.d_model), attention)
        self.decoder = Decoder(
            (
                DecoderLayer(attention(*heads, causal_length=c.dec_len), attention(*heads), *sizes)
                for _ in range(c.d_layers)
            ),
            nn.LayerNorm(c.d_model),
        )
        self.projection = nn.Linear(c.d_model, c.c_out)

    def output_layers(self) -> list[nn.Module]:
        return [self.projection]

    def streams(self) -> list[Axis]:
        """The encoder's width reaches into the decoder's cross-attention; the decoder's ends in the projection."""
        encoder = [*self.enc_embedding.stream(), *self.encoder.stream(), *self.decoder.memory()]
        return [Axis("encoder.d_model", encoder), Axis("decoder.d_model", self.decoder_stream())]

    def decoder_stream(self) -> list[Slot]:
        """Where the width of the decoder's stream lies."""
        return [*self.dec_embedding.stream(), *self.decoder.stream(), *inputs(self.projection)]


class DecompositionEncoderDecoder(EncoderDecoder):
    """Autoformer's skeleton, which FEDformer has, too: a decomposition after every sub-layer, and a decoder that starts
    from the decomposed look-back, not from ``x_dec``."""

    uses = ("x_enc", "x_mark_enc", "x_mark_dec")

    def make_skeleton(
        self,
        encoder_self: Callable[[], nn.Module],
        decoder_self: Callable[[], nn.Module],
        cross: Callable[[], nn.Module],
        positions: bool,
    ) -> None:
        """Make the parts, with the attention of each layer as these functions give it; ``positions``: whether the
        embeddings add a position table."""
        c = self.config
        sizes = (c.d_ff, c.dropout, c.activation)
        enc_trend, dec_trend = MovingAverage(c.seq_len, c.moving_avg), MovingAverage(c.dec_len, c.moving_avg)
        enc_table, dec_table = (c.seq_len, c.dec_len) if positions else (None, None)
        self.input_trend = enc_trend
        self.enc_embedding = DataEmbedding(c.enc_in, c.marks, c.d_model, c.dropout, max_length=enc_table)
        self.dec_embedding = DataEmbedding(c.dec_in, c.marks, c.d_model, c.dropout, max_length=dec_table)
        self.encoder = Encoder(
            (DecompositionEncoderLayer(encoder_self(), enc_trend, c.d_model, *sizes) for _ in range(c.e_layers)),
            SeasonalNorm(c.d_model),
        )
        self.decoder = DecompositionDecoder(
            (
                DecompositionDecoderLayer(decoder_self(), cross(), dec_trend, c.d_model, c.c_out, *sizes)
                for _ in range(c.d_layers)
            ),
            SeasonalNorm(c.d_model),
        )
        self.projection = nn.Linear(c.d_model, c.c_out)

    def shared_blocks(self) -> tuple[tuple, tuple, tuple]:
        """What the attentions of the encoder, of the decoder and between the two are called with besides tokens."""
        return (), (), ()

    def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec) -> torch.Tensor:
        pred_len = self.config.pred_len
        in_encoder, in_decoder, between = self.shared_blocks()
        seasonal, trend = decoder_start(x_enc, self.input_trend(x_enc), self.config.label_len, pred_len)
        memory = self.encoder(self.enc_embedding(x_enc, x_mark_enc), *in_encoder)
        start = self.dec_embedding(seasonal, x_mark_dec)
        seasonal, trend = self.decoder(start, memory, trend, in_decoder, between)
        return trend[:, -pred_len:] + self.projection(seasonal[:, -pred_len:])

    def output_layers(self) -> list[nn.Module]:
        return [self.projection, *(layer.trend_projection for layer in self.decoder.layers)]
