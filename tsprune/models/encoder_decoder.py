"""Base of the forecasters made of an encoder and a decoder, each with a stream of its own width."""

from torch import nn

from tsprune.layers.attention import FullAttention
from tsprune.layers.axes import Axis, Slot, inputs
from tsprune.layers.embedding import DataEmbedding
from tsprune.layers.encoder_decoder import Decoder, DecoderLayer, Encoder, EncoderLayer
from tsprune.models.base import Forecaster


class EncoderDecoder(Forecaster):
    """A subclass has ``enc_embedding``, ``encoder``, ``dec_embedding``, ``decoder`` and ``projection``."""

    def make_parts(self, attention: type[FullAttention]) -> None:
        """Make these parts as the vanilla Transformer has them, every attention of the class ``attention``."""
        c = self.config
        sizes = (c.d_model, c.d_ff, c.dropout, c.activation)
        heads = (c.d_model, c.n_heads, c.dropout)
        self.enc_embedding = DataEmbedding(c.enc_in, c.marks, c.d_model, c.dropout, max_length=c.seq_len)
        self.dec_embedding = DataEmbedding(c.dec_in, c.marks, c.d_model, c.dropout, max_length=c.dec_len)
        self.encoder = Encoder(
            (EncoderLayer(attention(*heads), *sizes) for _ in range(c.e_layers)), nn.LayerNorm(c.d_model)
        )
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
