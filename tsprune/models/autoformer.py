"""Autoformer: decomposition inside the layers, Auto-Correlation instead of attention."""

from functools import partial

from tsprune.layers.autocorrelation import AutoCorrelation
from tsprune.models.base import (
    ForecastConfig,
    head_problems,
    register,
    same_channel_problems,
    square_problems,
)
from tsprune.models.encoder_decoder import DecompositionEncoderDecoder
from tsprune.models.reference import DECODER_RULES, DECOMPOSITION_RULES, EMBEDDING_RULES, ENCODER_RULES


class AutoformerConfig(ForecastConfig):
    exact_odd_lags: bool = False  # True: the paper's correlation at odd lengths; False: the reference's, one lag short

    def problems(self):
        yield from super().problems()
        yield from head_problems(self)
        yield from square_problems(self)
        yield from same_channel_problems(self, "dec_in", "c_out")


@register("Autoformer")
class Autoformer(DecompositionEncoderDecoder):
    """Wu et al. 2021 (arXiv 2106.13008). Gives the numbers of Time-Series-Library, also at odd lengths
    (``exact_odd_lags``: the paper's).

    The decoder starts from the decomposed look-back, not from ``x_dec``. A training output depends on its batch, an
    evaluation output does not (see :class:`AutoCorrelation`). Has no use for ``distil``;
    ``n_heads`` must divide ``d_model`` but changes no number, since correlations are averaged over heads.
    """

    Config = AutoformerConfig
    unused_config = frozenset({"distil", "n_heads"})
    reference_rules = DECOMPOSITION_RULES + EMBEDDING_RULES + ENCODER_RULES + DECODER_RULES

    def __init__(self, config: AutoformerConfig):
        super().__init__(config)
        c = config

        def correlation(length: int) -> AutoCorrelation:
            return AutoCorrelation(c.d_model, c.n_heads, length, c.factor, c.exact_odd_lags)

        encoder_self, in_decoder = partial(correlation, c.seq_len), partial(correlation, c.dec_len)
        self.make_skeleton(encoder_self, in_decoder, in_decoder, positions=False)
