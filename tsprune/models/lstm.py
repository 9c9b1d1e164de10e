"""LSTM: a recurrent forecaster, to see what carries over to models without attention."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
from torch import nn

from tsprune.layers.axes import Axis, Slot, inputs
from tsprune.layers.dropout import Dropout
from tsprune.layers.normalisation import standardise
from tsprune.models.base import ForecastConfig, Forecaster, register, same_channel_problems, weight_problems
from tsprune.processor import has_bfloat16


class LSTMConfig(ForecastConfig):
    def problems(self):
        yield from super().problems()
        yield from same_channel_problems(self, "c_out")
        yield from weight_problems("d_model times pred_len times c_out", self.d_model * self.pred_len * self.c_out)


@register("LSTM")
class LSTM(Forecaster):
    """``e_layers`` LSTMs of width ``d_model`` over the look-back (Hochreiter & Schmidhuber 1997, *Neural
    Computation* 9); the last state gives all ``pred_len`` steps at once.

    No published forecaster: windows are standardised and the level put back, as in iTransformer, and time marks are
    further inputs. Dropout acts between the layers and before the output. Has no use for ``dec_in``, ``label_len``,
    ``n_heads``, ``d_layers``, ``d_ff``, ``factor``, ``moving_avg``, ``activation`` and ``distil``.
    """

    Config = LSTMConfig
    unused_config = frozenset(
        ("dec_in", "label_len", "n_heads", "d_layers", "d_ff", "factor", "moving_avg", "activation", "distil")
    )
    uses = ("x_enc", "x_mark_enc")

    def __init__(self, config: LSTMConfig):
        super().__init__(config)
        c = config
        widths = (c.enc_in + c.marks, *[c.d_model] * c.e_layers)
        self.layers = nn.ModuleList(nn.LSTM(a, b, batch_first=True) for a, b in pairwise(widths))
        self.dropout = Dropout(c.dropout)
        self.projection = nn.Linear(c.d_model, c.pred_len * c.c_out)

    def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec) -> torch.Tensor:
        values, mean, std = standardise(x_enc)
        x = torch.cat([values, x_mark_enc], dim=-1)
        with _bfloat16_anywhere(x):
            for layer in self.layers:
                x = self.dropout(layer(x)[0])
        forecast = self.projection(x[:, -1]).unflatten(-1, (self.config.pred_len, self.config.c_out))
        return forecast * std + mean

    def output_layers(self):
        return [self.projection]

    def streams(self):
        found = []
        for number, (layer, after) in enumerate(pairwise([*self.layers, None])):
            four_gates = [
                Slot(layer, f"{what}_l0", 0, outer=4) for what in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ]
            reader = inputs(self.projection) if after is None else [Slot(after, "weight_ih_l0", 1)]
            found.append(Axis(f"layers.{number}.hidden", [*four_gates, Slot(layer, "weight_hh_l0", 1), *reader]))
        return found


@contextmanager
def _bfloat16_anywhere(x: torch.Tensor) -> Iterator[None]:
    """Without AVX-512 oneDNN has no LSTM in bfloat16, but torch asks it for one and fails; inside the block torch's own
    runs there, in bfloat16 as well."""
    backend = torch.backends.mkldnn
    asked = x.device.type == "cpu" and torch.is_autocast_enabled("cpu") and backend.is_available()
    if not asked or has_bfloat16():
        yield
        return
    enabled, *_ = backend.set_flags(_enabled=False, _fp32_precision=None)
    try:
        yield
    finally:
        backend.set_flags(_enabled=enabled, _fp32_precision=None)
