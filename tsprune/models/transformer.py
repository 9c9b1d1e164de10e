"""Transformer: the vanilla encoder-decoder as a forecaster."""

from tsprune.layers.attention import FullAttention
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
    """Full attention, post-norm, all steps decoded at once (Vaswani et al. 2017, arXiv 1706.03762; decoding as
    Zhou et al. 2021, arXiv 2012.07436).

    Gives the numbers of Time-Series-Library. Has no use for ``factor``, ``moving_avg`` and ``distil``.
    """

    Config = TransformerConfig
    unused_config = frozenset({"factor", "moving_avg", "distil"})
    reference_rules = EMBEDDING_RULES + ENCODER_RULES + DECODER_RULES

    def __init__(self, config: TransformerConfig):
        super().__init__(config)
        self.make_parts(FullAttention)

    def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec):
        memory = self.encoder(self.enc_embedding(x_enc, x_mark_enc))
        start = self.dec_embedding(x_dec, x_mark_dec)
        return self.projection(self.decoder(start, memory, last=self.config.pred_len))
