"""Base of the forecasters made of an encoder and a decoder, each with a stream of its own width."""

from torch import nn

from tsprune.layers.axes import Axis, Slot, inputs
from tsprune.models.base import Forecaster


class EncoderDecoder(Forecaster):
    """A subclass has ``enc_embedding``, ``encoder``, ``dec_embedding``, ``decoder`` and ``projection``."""

    def output_layers(self) -> list[nn.Module]:
        return [self.projection]

    def streams(self) -> list[Axis]:
        """The encoder's width reaches into the decoder's cross-attention; the decoder's ends in the projection."""
        encoder = [*self.enc_embedding.stream(), *self.encoder.stream(), *self.decoder.memory()]
        return [Axis("encoder.d_model", encoder), Axis("decoder.d_model", self.decoder_stream())]

    def decoder_stream(self) -> list[Slot]:
        """Where the width of the decoder's stream lies."""
        return [*self.dec_embedding.stream(), *self.decoder.stream(), *inputs(self.projection)]
