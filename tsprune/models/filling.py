"""Numbers of a checkpoint into the blank model that it states."""

from collections.abc import Mapping

import torch

from tsprune.layers.probsparse import ProbSparseAttention
from tsprune.models.base import Forecaster
from tsprune.models.blank import follow, narrow, set_tensor, tables
from tsprune.models.manifest import Manifest
from tsprune.models.mask_bits import model_mask_problem, unpack
from tsprune.models.weights import misfits, unusable

Tensors = Mapping[str, torch.Tensor]


def fill(model: Forecaster, manifest: Manifest, parts: Mapping[str, Tensors]) -> dict[str, torch.Tensor]:
    """Put the numbers of a checkpoint into the blank ``model``; its masks. Raises :class:`ValueError` if they do not
    fit."""
    if foreign := parts.keys() - {"weight", "mask", "table"}:
        raise ValueError(f"it has no place for tensors called {', '.join(sorted(foreign))}")
    narrow(model, manifest.widths)
    weights = dict(parts["weight"])
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name, first in manifest.tied.items():
        if first not in parts["weight"] or name in weights or (name in parameters) != (first in parameters):
            raise ValueError(f"{name} cannot be tied to {first}")
        weights[name] = weights[first]
    usual, constants = tables(model), parts["table"]
    problems = [*misfits(model.state_dict(), weights), *misfits(usual, usual | constants)]
    if problem := "; ".join(problems) or unusable(weights):
        raise ValueError(problem)
    follow(model, weights)
    model.load_state_dict(weights, assign=True)
    for name, first in manifest.tied.items():
        set_tensor(model, name, model.get_parameter(first) if first in parameters else model.get_buffer(first))
    for name, table in constants.items():
        if table.isnan().any():
            raise ValueError(f"table {name} holds NaN")
        set_tensor(model, name, table)
    for name, layer in model.named_modules():
        if isinstance(layer, ProbSparseAttention) and not _within(layer.sample, layer.source_length):
            raise ValueError(f"{name}.sample has key positions that are not from 0 to {layer.source_length - 1}")
    if foreign := set(manifest.frozen) - parameters.keys():
        raise ValueError(f"no parameter {sorted(foreign)[0]} to be frozen")
    if manifest.format > 1:  # before, a parameter was trainable or not as its class says
        for name, parameter in model.named_parameters(remove_duplicate=False):
            parameter.requires_grad_(name not in manifest.frozen)
    return unpacked(model, manifest, parts["mask"])


def unpacked(model: Forecaster, manifest: Manifest, masks: Tensors) -> dict[str, torch.Tensor]:
    """The masks of a checkpoint as bool tensors. Raises :class:`ValueError` for such as do not fit ``model``."""
    if manifest.format > 1:
        if odd := masks.keys() ^ manifest.masks.keys():
            raise ValueError(f"the mask of {sorted(odd)[0]} has bits without a shape, or a shape without bits")
        masks = {name: unpack(masks[name], shape) for name, shape in manifest.masks.items()}
    if problem := model_mask_problem(model, masks):
        raise ValueError(problem)
    return dict(masks)


def _within(positions: torch.Tensor, length: int) -> bool:
    return bool(((positions >= 0) & (positions < length)).all())
