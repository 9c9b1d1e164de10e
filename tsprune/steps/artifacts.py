"""The files that steps keep beside their rows: models, masks, test errors by part."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tsprune.engine.step import Writer
from tsprune.engine.store import Store
from tsprune.models import About, Forecaster, save_checkpoint
from tsprune.models.mask_bits import pack, unpack
from tsprune.pruners.masks import Masks
from tsprune.training import Scores

MODEL_FILE = "model.safetensors"
MASKS_FILE = "masks.safetensors"
SCORES_FILE = "scores.safetensors"


def model_file(model: Forecaster, masks: Masks | None = None, about: About | None = None) -> dict[str, Writer]:
    """The model as a checkpoint, with its masks and what it is about."""
    return {MODEL_FILE: lambda path: save_checkpoint(path, model, masks, about=about)}


def masks_file(masks: Masks) -> dict[str, Writer]:
    """Only masks, a bit per weight, for a model whose weights are stored elsewhere."""
    return {MASKS_FILE: lambda path: save_file({name: pack(mask) for name, mask in masks.items()}, path)}


def load_masks(path: Path, shapes: Mapping[str, torch.Size]) -> Masks:
    """Masks of these shapes, as :func:`masks_file` wrote them."""
    return {name: unpack(bits, tuple(shapes[name])) for name, bits in load_file(path).items()}


def error_columns(scores: Scores) -> dict[str, float | int]:
    """The columns of a row's result that every test fills."""
    return {"mse": scores.mse, "mae": scores.mae, "windows_test": scores.windows}


def scores_file(scores: Scores | None) -> dict[str, Writer]:
    """Test errors by part; nothing where there are none."""
    if scores is None:
        return {}
    parts = {name: getattr(scores, name) for name in ("window_mse", "column_mse", "column_mae")}
    return {SCORES_FILE: lambda path: save_file(parts, path)}


def load_scores(store: Store, key: str) -> dict[str, Tensor]:
    """Test errors of a step by part, float64: ``window_mse`` (windows,), ``column_mse``, ``column_mae`` (columns,)."""
    return load_file(store.artifact(key, SCORES_FILE))
