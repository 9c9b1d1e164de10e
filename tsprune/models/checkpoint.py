"""One safetensors file holds a model: its weights, its masks, its name and config. Never pickle."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tsprune.errors import UserError
from tsprune.models.base import Forecaster, model_class

FORMAT = 1
KEY = "tsprune"  # the one metadata entry, JSON


def save_checkpoint(
    path: str | os.PathLike, model: Forecaster, masks: Mapping[str, torch.Tensor] | None = None
) -> None:
    """Write ``model`` and its pruning ``masks`` (parameter name to bool tensor) to ``path``, all or nothing.

    The file is written under a temporary name in the same folder and renamed, so a reader never sees half of it.
    """
    path = Path(path)
    tensors = {f"weight/{name}": tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    tensors |= {f"mask/{name}": mask.detach().cpu().contiguous() for name, mask in (masks or {}).items()}
    meta = {"format": FORMAT, "model": model.name, "config": model.config.model_dump(mode="json")}
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    os.close(handle)
    try:
        save_file(tensors, temporary, {KEY: json.dumps(meta)})
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def load_checkpoint(path: str | os.PathLike) -> tuple[Forecaster, dict[str, torch.Tensor]]:
    """The model (on the CPU, in evaluation mode) and the masks that :func:`save_checkpoint` wrote to ``path``.

    Draws no random number. A file that is missing, damaged, or was not written by this package raises
    :class:`UserError` that names it.
    """
    try:
        with safe_open(path, "pt") as file:
            meta = json.loads((file.metadata() or {}).get(KEY, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError:
        raise UserError(f"no checkpoint at {path}") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is not a readable checkpoint: {error}") from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise UserError(f"{path} was not written by tsprune (format {FORMAT}): its metadata has no such entry")
    cls = model_class(meta["model"])
    with torch.device("meta"):  # no initial weights are drawn; constant tables are always built on the CPU
        model = cls(cls.Config.parse(meta["config"], where=str(path)))
    weights = {name.removeprefix("weight/"): t for name, t in tensors.items() if name.startswith("weight/")}
    masks = {name.removeprefix("mask/"): t for name, t in tensors.items() if name.startswith("mask/")}
    try:
        model.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        raise UserError(f"{path} does not fit its own config: {error}") from None
    return model.eval(), masks
