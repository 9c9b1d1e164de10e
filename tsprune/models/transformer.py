"""Transformer: the vanilla encoder-decoder as a forecaster."""

from torch import nn

from tsprune.layers.attention import FullAttention
from tsprune.layers.embedding import DataEmbedding
from tsprune.layers.encoder_decoder import Decoder, DecoderLayer, Encoder, EncoderLayer
from tsprune.models.base import ForecastConfig, head_problems, register, square_problems
from tsprune.models.encoder_decoder import EncoderDecoder
from tsprune.models.reference import DECODER_RULES, EMBEDDING_RULES, ENCODER_RULES


class TransformerConfig(ForecastConfig):
    def problems(self):
        yield from super().problems()
        yield from head_problems(self)
        yield from square_problems(self)


@register("Transformer")
class Transformer(EncoderDecoder):
    """Full attention, post-norm, all steps decoded at once (Vaswani et al. 2017; decoding as Zhou et al. 2021).

    Gives the numbers of Time-Series-Library. Has no use for ``factor``, ``moving_avg`` and ``distil``.
    """

    Config = TransformerConfig
    unused_config = frozenset({"factor", "moving_avg", "distil"})
    reference_rules = EMBEDDING_RULES + ENCODER_RULES + DECODER_RULES

    def __init__(self, config: TransformerConfig):
        super().__init__(config)
        c = config
        sizes = (c.d_model, c.d_ff, c.dropout, c.activation)
        heads = (c.d_model, c.n_heads, c.dropout)
        self.enc_embedding = DataEmbedding(c.enc_in, c.marks, c.d_model, c.dropout, max_length=c.seq_len)
        self.dec_embedding = DataEmbedding(c.dec_in, c.marks, c.d_model, c.dropout, max_length=c.dec_len)
        self.encoder = Encoder(
            (EncoderLayer(FullAttention(*heads), *sizes) for _ in range(c.e_layers)), nn.LayerNorm(c.d_model)
        )
        self.decoder = Decoder(
            (
                DecoderLayer(FullAttention(*heads, causal_length=c.dec_len), FullAttention(*heads), *sizes)
                for _ in range(c.d_layers)
            ),
            nn.LayerNorm(c.d_model),
        )
        self.projection = nn.Linear(c.d_model, c.c_out)

    def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec):
        memory = self.encoder(self.enc_embedding(x_enc, x_mark_enc))
        start = self.dec_embedding(x_dec, x_mark_dec)
        return self.projection(self.decoder(start, memory, last=self.config.pred_len))
