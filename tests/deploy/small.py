"""A tiny forecaster of hourly values in three columns, and a frame for it to read."""

import numpy as np
import pandas as pd
import torch

from tsprune.data.intervals import Intervals
from tsprune.models import About, create_model

ABOUT = About(
    columns=("load", "wind", "sun"),
    mean=(50_000.0, 8.0, -1.5),
    std=(9_000.0, 2.5, 0.25),
    unit="MW",
    time_step="1h",
    season=24,
    dataset="grid",
    fingerprint="ab" * 32,
    density_achieved=0.41,
    before={"mse": 0.25},
    after={"mse": 0.3, "mae": None},
)
INTERVALS = Intervals(
    levels=(0.5, 0.9),
    steps=(tuple(range(1, 9)), tuple(range(2, 18, 2))),
    columns=(1.0, 1.0, 2.0),
    coverage=(0.48, 0.87),
    windows=100,
)
"""As wide as 1, 2, 3, ... standard deviations by step, twice that of 0.9; the third column's twice as wide."""

SIZES = {"enc_in": 3, "dec_in": 3, "c_out": 3, "seq_len": 24, "label_len": 12, "pred_len": 8}
SIZES |= {"d_model": 8, "n_heads": 2, "d_ff": 12, "e_layers": 1, "d_layers": 1, "moving_avg": 5, "dropout": 0.0}


def tiny(name: str, **changes):
    torch.manual_seed(1)
    return create_model(name, **SIZES | changes).eval()


def frame(rows: int, step: str = "1h", start: str = "2024-02-27", seed: int = 0) -> pd.DataFrame:
    """Values about the columns' means, in their own units."""
    draws = np.random.default_rng(seed).standard_normal((rows, 3))
    values = draws * ABOUT.std + np.array(ABOUT.mean)
    return pd.DataFrame(values, index=pd.date_range(start, periods=rows, freq=step), columns=list(ABOUT.columns))
