"""Axes: widths that tensors of a model share. Layers and models declare them; a pruner narrows them.

The width of a residual stream, for one, is a dimension of every weight that reads or writes it, of norms, position
tables and routers. Narrowing an axis takes the same units out of all its :class:`Slot` places and writes the new
number into the attributes that geometry is read from.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn


class Slot(NamedTuple):
    """A place where an axis lies: dimension ``dim`` of the parameter or buffer ``tensor`` of ``module``.

    That dimension is ``(outer, units, inner)`` flattened: ``outer`` copies of the axis one after the other (gates of an
    LSTM, merged segments), ``inner`` neighbouring entries to a unit (a head's features).
    """

    module: nn.Module
    tensor: str
    dim: int
    outer: int = 1
    inner: int = 1

    @property
    def value(self) -> torch.Tensor:
        return getattr(self.module, self.tensor)

    @property
    def units(self) -> int:
        """Number of units that lie here; a remainder is an error of the declaration."""
        units, rest = divmod(self.value.shape[self.dim], self.outer * self.inner)
        if rest:
            raise ValueError(
                f"{type(self.module).__name__}.{self.tensor} {tuple(self.value.shape)}: {self} does not fit"
            )
        return units


@dataclass(frozen=True, eq=False)
class Axis:
    """One width. ``name`` ends in its kind (``encoder.d_model``); kinds tell which axes are alike.

    The units come in ``groups`` of equal size (heads), each of which keeps the same number of them. ``writes``:
    attributes that hold the number of units in a group. ``fixed``: why the width must stay, if it must.
    """

    name: str
    slots: list[Slot]
    groups: int = 1
    writes: tuple[tuple[nn.Module, str], ...] = ()
    fixed: str | None = None

    @property
    def kind(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def width(self) -> int:
        """Units in each group, the same in every slot, else :class:`ValueError`."""
        found = {slot.units for slot in self.slots}
        if len(found) > 1 or found.pop() % self.groups:
            places = ", ".join(f"{type(s.module).__name__}.{s.tensor}[{s.dim}]: {s.units}" for s in self.slots)
            raise ValueError(f"axis {self.name} has several widths, or not a multiple of {self.groups}: {places}")
        return self.slots[0].units // self.groups

    def take(self, units: torch.Tensor) -> None:
        """Keep the units with these numbers ``(kept,)``, as many of each group, in place and in this order.

        Tensors that are one stay one.
        """
        size = self.slots[0].units
        taken: dict[tuple, tuple[torch.Tensor, torch.Tensor]] = {}
        for module, tensor, dim, outer, inner in self.slots:
            value = getattr(module, tensor)
            same = (id(value), dim, outer, inner)
            if same in taken:
                setattr(module, tensor, taken[same][1])
                read_geometry(module)
                continue
            if value.is_meta:  # a model without numbers; its operators are slow, and the first loads torch's compiler
                shape = list(value.shape)
                shape[dim] = outer * len(units) * inner
                kept = torch.empty(shape, dtype=value.dtype, device="meta")
            else:
                index = (torch.arange(outer, device=units.device)[:, None] * size + units).flatten()
                index = (index[:, None] * inner + torch.arange(inner, device=units.device)).flatten()
                kept = value.detach().index_select(dim, index.to(value.device))
            is_parameter = isinstance(value, nn.Parameter)
            kept = nn.Parameter(kept, value.requires_grad) if is_parameter else kept
            setattr(module, tensor, kept)
            taken[same] = value, kept  # with the old one, whose id is its own as long as it is there
            read_geometry(module)
        for module, attribute in self.writes:
            setattr(module, attribute, len(units) // self.groups)


def read_geometry(module: nn.Module) -> None:
    """Set the widths that a module of torch's own states to those of its tensors."""
    match module:
        case nn.Linear():
            module.out_features, module.in_features = module.weight.shape
        case nn.Conv1d():
            module.out_channels, module.in_channels = module.weight.shape[:2]
        case nn.LayerNorm():
            module.normalized_shape = tuple(module.weight.shape)
        case nn.BatchNorm1d():
            module.num_features = len(module.weight)
        case nn.LSTM():
            module.hidden_size, module.input_size = module.weight_hh_l0.shape[1], module.weight_ih_l0.shape[1]


def outputs(layer: nn.Linear | nn.Conv1d | None, outer: int = 1, inner: int = 1) -> list[Slot]:
    """What a layer writes: rows of its weight and its bias. Nothing for a layer that does not exist."""
    if layer is None:
        return []
    rows = [Slot(layer, "weight", 0, outer, inner)]
    return rows if layer.bias is None else [*rows, Slot(layer, "bias", 0, outer, inner)]


def inputs(layer: nn.Linear | nn.Conv1d | None, outer: int = 1, inner: int = 1) -> list[Slot]:
    """What a layer reads: columns of its weight. Nothing for a layer that does not exist."""
    return [] if layer is None else [Slot(layer, "weight", 1, outer, inner)]


def along(norm: nn.LayerNorm | nn.BatchNorm1d, outer: int = 1) -> list[Slot]:
    """The features that a norm treats one by one."""
    tensors = [name for name in ("weight", "bias", "running_mean", "running_var") if hasattr(norm, name)]
    return [Slot(norm, name, 0, outer) for name in tensors]


def widths(axes: list[Axis]) -> dict[str, int]:
    """Name of every axis to its width: the geometry of a model, to be saved with it."""
    return {axis.name: axis.width for axis in axes}
