"""One safetensors file holds a model: its weights, masks, name, config, widths once narrowed, and what it is about.

Never pickle.
"""

import json
import math
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tsprune.errors import UserError, unknown
from tsprune.layers.axes import Axis, widths
from tsprune.models.about import About
from tsprune.models.base import ForecastConfig, Forecaster, model_class
from tsprune.models.manifest import FORMATS, KEY, Manifest, need_file, parse_manifest


def save_checkpoint(
    path: str | os.PathLike,
    model: Forecaster,
    masks: Mapping[str, torch.Tensor] | None = None,
    about: About | None = None,
) -> None:
    """Write ``model``, its pruning ``masks`` (parameter name to bool tensor) and what it is ``about`` to ``path``.

    A model that a pruner has narrowed is saved with its widths, and with the constant tables that narrowed with them.
    A mask takes a bit per weight. The file is written under a temporary name in the same folder and renamed, so a
    reader never sees half of it. Masks that do not fit the model, and a description of another number of columns than
    it reads, raise :class:`UserError`.
    """
    path, masks = Path(path), masks or {}
    check_masks(model, masks)
    if about is not None and about.columns and len(about.columns) != model.config.enc_in:
        raise UserError(f"{model.name} reads enc_in = {model.config.enc_in} columns, about has {len(about.columns)}")
    tensors = {f"weight/{name}": tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    tensors |= {f"mask/{name}": pack(mask) for name, mask in masks.items()}
    axes = model.axes()
    narrowed = widths(axes) != widths(empty(type(model), model.config).axes())
    if narrowed:
        tensors |= {f"table/{name}": table.cpu().contiguous() for name, table in tables(model, axes).items()}
    manifest = Manifest(
        format=FORMATS[-1],
        model=model.name,
        config=model.config.model_dump(mode="json"),
        widths=widths(axes) if narrowed else {},
        masks={name: tuple(mask.shape) for name, mask in masks.items()},
        about=about,
    )
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    os.close(handle)
    try:
        save_file(tensors, temporary, {KEY: json.dumps(manifest.model_dump(mode="json"))})
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def load_checkpoint(path: str | os.PathLike) -> tuple[Forecaster, dict[str, torch.Tensor]]:
    """The model (on the CPU, in evaluation mode) and the masks that :func:`save_checkpoint` wrote to ``path``.

    Draws no random number. A file that is missing, damaged, or was not written by this package raises
    :class:`UserError` that names it. What else it says: :func:`read_about`.
    """
    need_file(path)
    try:
        with safe_open(path, "pt") as file:
            manifest = parse_manifest(file.metadata(), path)
            # Copies lie in memory as any tensor does. In the file they lie anywhere, and kernels that take vectors
            # from there give other last digits.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path} is not a readable checkpoint: {error}") from None
    cls = model_class(manifest.model)
    model = empty(cls, cls.Config.parse(manifest.config, where=str(path)))
    parts = defaultdict(dict)
    for name, tensor in tensors.items():
        kind, _, rest = name.partition("/")
        parts[kind][rest] = tensor
    masks = parts["mask"]
    try:
        narrow(model, manifest.widths, parts["table"])
        model.load_state_dict(parts["weight"], assign=True)
        if manifest.format > 1:
            masks = {name: unpack(bits, manifest.masks.get(name)) for name, bits in masks.items()}
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{path} does not fit its own config: {error}") from None
    return model.eval(), masks


def check_masks(model: Forecaster, masks: Mapping[str, torch.Tensor]) -> None:
    """Raise :class:`UserError` for a mask of no parameter of ``model``, of another shape than it, or not of bools."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name, mask in masks.items():
        if name not in parameters:
            raise UserError(unknown("parameter to be masked", name, parameters))
        if mask.shape != parameters[name].shape or mask.dtype != torch.bool:
            shape = tuple(parameters[name].shape)
            raise UserError(f"mask of '{name}': expected bool {shape}, found {mask.dtype} {tuple(mask.shape)}")


def pack(mask: torch.Tensor) -> torch.Tensor:
    """A bool tensor of any shape as bits, eight to a byte: uint8 ``(ceil(size / 8),)``, the last byte filled with 0."""
    return torch.from_numpy(np.packbits(mask.detach().cpu().numpy()))


def unpack(bits: torch.Tensor, shape: tuple[int, ...] | None) -> torch.Tensor:
    """The bool tensor of ``shape`` that :func:`pack` made ``bits`` of. Raises :class:`ValueError` if it cannot be."""
    size = None if shape is None else math.prod(shape)
    if size is None or bits.dtype != torch.uint8 or bits.shape != (-(-size // 8),):
        raise ValueError(f"a mask of shape {shape} cannot lie in {bits.dtype} {tuple(bits.shape)}")
    return torch.from_numpy(np.unpackbits(bits.numpy(), count=size).astype(bool)).view(shape)


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
