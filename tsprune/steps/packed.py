"""Test errors by window and by column, made small for a row of the archive.

Neighbouring windows are averaged into at most MOST groups. Each group's mean is kept as its ratio to the mean of all
windows, a 16-bit float, which holds three digits. Errors by column are rounded to five digits.
"""

import base64
from typing import Any

import numpy as np
import torch

MOST = 256
"""Groups of test windows of one row, at most."""

COLUMNS = ("column_mse", "column_mae")


def pack(scores: dict[str, torch.Tensor]) -> dict[str, Any]:
    """What :func:`load_scores` gives, as JSON values: see the module's text."""
    windows = scores["window_mse"].double().numpy()
    every = -(-len(windows) // MOST)
    mean = windows.mean()
    means = np.add.reduceat(windows, np.arange(0, len(windows), every))
    means /= np.diff(np.append(np.arange(0, len(windows), every), len(windows)))
    told = base64.b64encode((means / mean if mean else means).astype("<f2").tobytes()).decode()
    columns = {name: [float(f"{value:.5g}") for value in scores[name].tolist()] for name in COLUMNS}
    return {"windows": len(windows), "every": every, "mean": float(mean), "ratios": told} | columns


def unpack(errors: dict[str, Any]) -> dict[str, torch.Tensor]:
    """What :func:`load_scores` gave, each window with the mean of its group."""
    windows = np.repeat(ratios(errors) * (errors["mean"] or 1.0), errors["every"])[: errors["windows"]]
    columns = {name: torch.tensor(errors[name], dtype=torch.float64) for name in COLUMNS}
    return {"window_mse": torch.from_numpy(windows)} | columns


def ratios(errors: dict[str, Any]) -> np.ndarray:
    """Mean of each group of windows over the mean of all, (groups,) float64. Raises ValueError for other text."""
    return np.frombuffer(base64.b64decode(errors["ratios"], validate=True), "<f2").astype(np.float64)
