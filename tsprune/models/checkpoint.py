"""One safetensors file holds a model: its weights, masks, name, config and, once narrowed, widths. Never pickle."""

import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tsprune.errors import UserError
from tsprune.layers.axes import Axis, widths
from tsprune.models.base import ForecastConfig, Forecaster, model_class

FORMAT = 1
KEY = "tsprune"  # the one metadata entry, JSON


def save_checkpoint(
    path: str | os.PathLike, model: Forecaster, masks: Mapping[str, torch.Tensor] | None = None
) -> None:
    """Write ``model`` and its pruning ``masks`` (parameter name to bool tensor) to ``path``, all or nothing.

    A model that a pruner has narrowed is saved with its widths, and with the constant tables that narrowed with them.
    The file is written under a temporary name in the same folder and renamed, so a reader never sees half of it.
    """
    path = Path(path)
    tensors = {f"weight/{name}": tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    tensors |= {f"mask/{name}": mask.detach().cpu().contiguous() for name, mask in (masks or {}).items()}
    meta = {"format": FORMAT, "model": model.name, "config": model.config.model_dump(mode="json")}
    axes = model.axes()
    if widths(axes) != widths(empty(type(model), model.config).axes()):
        meta["widths"] = widths(axes)
        tensors |= {f"table/{name}": table.cpu().contiguous() for name, table in tables(model, axes).items()}
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
    model = empty(cls, cls.Config.parse(meta["config"], where=str(path)))
    parts = defaultdict(dict)
    for name, tensor in tensors.items():
        kind, _, rest = name.partition("/")
        parts[kind][rest] = tensor
    try:
        narrow(model, meta.get("widths", {}), parts["table"])
        model.load_state_dict(parts["weight"], assign=True)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{path} does not fit its own config: {error}") from None
    return model.eval(), parts["mask"]


def empty(cls: type[Forecaster], config: ForecastConfig) -> Forecaster:
    """The model of ``config`` without numbers: none are drawn. Constant tables are always built on the CPU."""
    with torch.device("meta"):
        return cls(config)


def tables(model: Forecaster, axes: Iterable[Axis]) -> dict[str, torch.Tensor]:
    """Constant tables that lie along an axis and are no part of the ``state_dict``, by name."""
    name_of = {id(module): name for name, module in model.named_modules()}
    slots = {f"{name_of[id(s.module)]}.{s.tensor}".removeprefix("."): s for axis in axes for s in axis.slots}
    saved = model.state_dict().keys()
    return {name: slot.value for name, slot in slots.items() if name not in saved}


def narrow(model: Forecaster, saved: Mapping[str, int], constants: Mapping[str, torch.Tensor]) -> None:
    """Give the axes of ``model`` the widths they were saved with, and its tables their values.

    Raises :class:`ValueError` for an axis it does not have, a width that is not smaller, a table of another shape.
    """
    for name, width in saved.items():
        axis = next((axis for axis in model.axes() if axis.name == name), None)
        if axis is None or not 1 <= width <= axis.width:
            raise ValueError(f"no axis {name} of width {width} or more")
        if width < axis.width:
            axis.take(torch.arange(axis.groups * width))
    own = tables(model, model.axes())
    for name, table in constants.items():
        if name not in own or own[name].shape != table.shape:
            raise ValueError(f"no table {name} of shape {tuple(table.shape)}")
        module, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(module), attribute, table)
