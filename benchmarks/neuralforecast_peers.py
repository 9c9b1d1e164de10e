"""Networks of the package neuralforecast, called as ours are. Install it in an environment of its own, with torch at
our version, and run `python benchmarks/models.py --against neuralforecast` there.

Only its networks are timed, not its data loading or trainer. All but iTransformer see one variable, so ours do too.
"""

import logging
import warnings

import torch
from torch import nn

from tsprune.models import create_model

warnings.filterwarnings("ignore")
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

from neuralforecast import models as peers  # noqa: E402 (after silencing its start-up messages)

MARKS = ["hour", "weekday", "day", "yearday"]
PEERS = ("Transformer", "Informer", "Autoformer", "FEDformer", "iTransformer", "PatchTST", "DLinear")


class Peer(nn.Module):
    """A network of neuralforecast behind our call."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x_enc, x_mark_enc, x_dec, x_mark_dec):
        horizon = x_mark_dec[:, x_mark_dec.shape[1] - self.network.h :]
        future = torch.cat([x_mark_enc, horizon], dim=1)
        return self.network({"insample_y": x_enc, "futr_exog": future, "hist_exog": None, "stat_exog": None})


def against_neuralforecast(name: str, size: dict):
    """Our model and the package's, at the same widths, depths, lengths and dropout."""
    channels = 7 if name == "iTransformer" else 1
    ours = create_model(name, **size, enc_in=channels, dec_in=channels, c_out=channels)
    c = ours.config
    lengths = {"h": c.pred_len, "input_size": c.seq_len}
    widths = {"hidden_size": c.d_model, "n_head": c.n_heads, "conv_hidden_size": c.d_ff, "dropout": c.dropout}
    depths = {"encoder_layers": c.e_layers, "decoder_layers": c.d_layers}
    decoder = {"decoder_input_size_multiplier": c.label_len / c.seq_len, "futr_exog_list": MARKS}
    family = lengths | widths | depths | decoder
    build = {
        "Transformer": lambda: peers.VanillaTransformer(**family),
        "Informer": lambda: peers.Informer(**family, factor=c.factor),
        "Autoformer": lambda: peers.Autoformer(**family, factor=c.factor, MovingAvg_window=c.moving_avg),
        "FEDformer": lambda: peers.FEDformer(**family, modes=c.modes, MovingAvg_window=c.moving_avg),
        "iTransformer": lambda: peers.iTransformer(
            **lengths,
            n_series=channels,
            hidden_size=c.d_model,
            n_heads=c.n_heads,
            e_layers=c.e_layers,
            d_ff=c.d_ff,
            dropout=c.dropout,
        ),
        "PatchTST": lambda: peers.PatchTST(
            **lengths,
            encoder_layers=c.e_layers,
            n_heads=c.n_heads,
            hidden_size=c.d_model,
            linear_hidden_size=c.d_ff,
            dropout=c.dropout,
            attn_dropout=c.dropout,
            patch_len=c.patch_len,
            stride=c.stride,
        ),
        "DLinear": lambda: peers.DLinear(**lengths, moving_avg_window=c.moving_avg),
    }
    return ours, Peer(build[name]())
