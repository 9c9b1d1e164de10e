"""Prediction intervals of a model, from its errors on the validation windows; what they cover of the test windows."""

import numpy as np
import torch
from torch import nn

from tsprune.data import Batch, Splits, Windows
from tsprune.data.intervals import Intervals, conformal
from tsprune.errors import UserError
from tsprune.layers import evaluation

MOST_NUMBERS = 1 << 24
"""Errors of a split that are held at once; of more only windows at even distances are forecast. Neighbours overlap."""
_BATCH = 32


def prediction_intervals(model: nn.Module, splits: Splits) -> Intervals:
    """See :class:`Intervals`. ``model`` on the device of the windows; it forecasts the columns that it reads.

    Raises :class:`UserError` where a forecast is not finite.
    """
    width = splits.val.values.shape[1]
    pooled = len(splits.std) != width  # a window is of one column, whichever: each has a scale of its own
    constant = torch.as_tensor(splits.std == 1)[:width] & (not pooled)
    errors, later = _errors(model, splits.val, constant), _errors(model, splits.test, constant)
    if not (np.isfinite(errors).all() and np.isfinite(later).all()):
        raise UserError("the model's forecasts of validation or test windows are not all finite: it has no intervals")
    return conformal(errors, later)


def _errors(model: nn.Module, windows: Windows, constant: torch.Tensor) -> np.ndarray:
    """Forecast less truth (windows, pred_len, columns), float64, in scaled units, in evaluation mode. What was
    ``constant`` in training and is so in a window keeps its value, as in a forecast in the data's own units."""
    room = max(1, MOST_NUMBERS // (windows.pred_len * windows.values.shape[1]))
    some = windows.subset(torch.arange(0, len(windows), -(-len(windows) // room)))
    with evaluation(model), torch.no_grad():
        parts = [
            (batch.same_shape(model(*batch[:4]).double(), model).masked_fill(_held(batch, constant), 0) - batch.y)
            .cpu()
            .numpy()
            for batch in some.batches(_BATCH)
        ]
    return np.concatenate(parts)


def _held(batch: Batch, constant: torch.Tensor) -> torch.Tensor:
    """Which columns of which windows keep their value, (B, 1, columns)."""
    return (constant.to(batch.x_enc.device) & (batch.x_enc == 0)).all(1, keepdim=True)
