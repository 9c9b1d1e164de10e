"""Test errors by part as a row of the archive has them: of windows the means of groups of neighbours, MOST groups at
most, as 16-bit floats of their ratio to the row's own mean, which is three digits; of columns five digits.
"""

import base64
from typing import Any

import numpy as np
import torch

MOST = 256
"""Groups of test windows of one row, at most."""

COLUMNS = ("column_mse", "column_mae")


def pack(scores: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Test errors by part, as the module's text has them; of :func:`load_scores`."""
    windows = scores["window_mse"].double().numpy()
    every = -(-len(windows) // MOST)
    mean = windows.mean()
    means = np.add.reduceat(windows, np.arange(0, len(windows), every))
    means /= np.diff(np.append(np.arange(0, len(windows), every), len(windows)))
    told = base64.b64encode((means / mean if mean else means).astype("<f2").tobytes()).decode()
    columns = {name: [float(f"{value:.5g}") for value in scores[name].tolist()] for name in COLUMNS}
    return {"windows": len(windows), "every": every, "mean": float(mean), "ratios": told} | columns


def unpack(errors: dict[str, Any]) -> dict[str, torch.Tensor]:
    """As :func:`load_scores` gives them; each window has the mean of its group."""
    windows = np.repeat(ratios(errors) * (errors["mean"] or 1.0), errors["every"])[: errors["windows"]]
    columns = {name: torch.tensor(errors[name], dtype=torch.float64) for name in COLUMNS}
    return {"window_mse": torch.from_numpy(windows)} | columns


def ratios(errors: dict[str, Any]) -> np.ndarray:
    """Of each group of windows, (groups,)."""
    return np.frombuffer(base64.b64decode(errors["ratios"], validate=True), "<f2").astype(np.float64)
