"""A tiny model of every kind, and inputs that fit it."""

import torch

from tsprune.models import create_model

SMALL = {
    "enc_in": 3,
    "dec_in": 3,
    "c_out": 3,
    "seq_len": 24,
    "label_len": 12,
    "pred_len": 18,
    "d_model": 8,
    "n_heads": 2,
    "d_ff": 12,
    "moving_avg": 5,
    "dropout": 0.0,
}
OWN = {"SeasonalNaive": {"season": 6}}
"""Settings that a model needs besides SMALL, because its defaults do not fit short series."""


def small_config(name, **changes):
    return SMALL | OWN.get(name, {}) | changes


def small_model(name, **changes):
    return create_model(name, **small_config(name, **changes))


def example(model, batch=4, seed=0, dtype=torch.float32):
    """The four inputs, random; x_dec ends in zeros as in use."""
    generator = torch.Generator().manual_seed(seed)
    shapes = model.input_shapes().values()
    values = [torch.randn(batch, *shape, generator=generator, dtype=torch.float64) for shape in shapes]
    values[2][:, model.config.label_len :] = 0
    return [value.to(dtype) for value in values]
