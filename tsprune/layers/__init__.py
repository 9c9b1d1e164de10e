"""Building blocks of the forecasters: modules and functions on tensors, with no forecaster's name in them."""

from tsprune.layers.attention import Attention, FullAttention, plain_attention
from tsprune.layers.autocorrelation import AutoCorrelation
from tsprune.layers.dropout import Dropout, seed_dropout
from tsprune.layers.embedding import CircularTokens, DataEmbedding, PositionTable
from tsprune.layers.evaluation import evaluation

__all__ = [
    "Attention",
    "AutoCorrelation",
    "CircularTokens",
    "DataEmbedding",
    "Dropout",
    "FullAttention",
    "PositionTable",
    "evaluation",
    "plain_attention",
    "seed_dropout",
]
