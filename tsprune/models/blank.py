"""Models whose tensors have shapes but no numbers, made from a config alone: to compare with a real model, or to
fill."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch.nn import init
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors

from tsprune.layers.axes import widths
from tsprune.models.base import ForecastConfig, Forecaster, model_class
from tsprune.models.weights import misfits, strangers


def empty(cls: type[Forecaster], config: ForecastConfig) -> Forecaster:
    """The model of ``config`` without numbers: none are drawn. Constant tables are always built on the CPU."""
    with _Undrawn():
        return cls(config)


def outline(name: str, **config: Any) -> Forecaster:
    """Like :func:`tsprune.models.create_model`, but without numbers: for questions that the config alone answers."""
    cls = model_class(name)
    return empty(cls, cls.Config.parse(config, where=name))


@lru_cache
def narrows(name: str) -> bool:
    """Whether the model of that name has a width that structured pruning may narrow."""
    return any(axis.fixed is None for axis in outline(name).axes())


class _Undrawn(TorchFunctionMode):
    """``torch.device("meta")`` that leaves initial numbers out, where there are none to keep: to draw them takes most
    of the time that such a model takes, and the first draw loads torch's compiler. One mode and not two, since each is
    asked hundreds of times a model."""

    def __torch_function__(self, function, types, given=(), named=None):
        named = named or {}
        if function in _DRAWS:
            return given[0] if given else named["tensor"]
        if function in _MAKERS and named.get("device") is None:
            named = {**named, "device": "meta"}
            function = torch.empty if function in (torch.rand, torch.randn) else function
        return function(*given, **named)


_MAKERS = _device_constructors()  # what torch.device itself asks
_DRAWS = {getattr(init, name) for name in dir(init) if name.endswith("_") and not name.startswith("_")}


def narrow(model: Forecaster, saved: Mapping[str, int]) -> None:
    """Give the axes of ``model`` the widths of a narrowed one, the first units of each.

    Raises :class:`ValueError` for an axis it does not have, and for a width that is below 1 or larger than the model's.
    """
    for name, width in saved.items():
        axis = next((axis for axis in model.axes() if axis.name == name), None)
        if axis is None or not 1 <= width <= axis.width:
            raise ValueError(f"no axis {name} of width {width} or more")
        if width < axis.width:
            axis.take(torch.arange(axis.groups * width))


def follow(model: Forecaster, weights: Mapping[str, torch.Tensor]) -> None:
    """Give ``model`` the precision of ``weights``, its constant tables included, if it is one and not float32.

    What a whole model is cast to, its tables are cast to. One that never was cast has some in float64.
    """
    precisions = {tensor.dtype for tensor in weights.values() if tensor.is_floating_point()}
    if len(precisions) == 1 and torch.float32 not in precisions:
        model.to(precisions.pop())


def tables(model: Forecaster) -> dict[str, torch.Tensor]:
    """Constant tables of numbers that are no part of the ``state_dict``, by name."""
    saved = model.state_dict().keys()
    return {name: t for name, t in model.named_buffers() if name not in saved and t.is_floating_point()}


def compare(model: Forecaster) -> tuple[dict[str, int], dict[str, torch.Tensor]]:
    """Where ``model`` is not what its config says: its widths, if any was narrowed, then with all tables that lie along
    one; and its other constant tables that another model of this config and precision would not have.

    Raises :class:`ValueError` if its names and shapes are not those of such a model.
    """
    blank, state = empty(type(model), model.config), model.state_dict()
    problems = [*strangers(blank.state_dict() | tables(blank), state | tables(model))]
    if not problems:  # else what axes lie along may not be there
        axes = model.axes()
        changed = widths(axes) if widths(axes) != widths(blank.axes()) else {}
        narrow(blank, changed)
        problems = [*misfits(blank.state_dict() | tables(blank), state | tables(model))]
    if problems:
        raise ValueError(f"it is not what its config says: {'; '.join(problems)}")
    follow(blank, state)
    usual, along = tables(blank), {id(slot.value) for axis in axes if changed for slot in axis.slots}
    other = {name: t for name, t in tables(model).items() if id(t) in along or not same(t.detach().cpu(), usual[name])}
    if broken := [name for name, table in other.items() if table.isnan().any()]:
        raise ValueError(f"its table {broken[0]} holds NaN")
    return changed, other


def same(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether two tensors agree in type and in every number."""
    return first.dtype == second.dtype and torch.equal(first, second)


def set_tensor(model: Forecaster, name: str, tensor: torch.Tensor) -> None:
    """Put a parameter or a buffer in the place of another."""
    module, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(module), attribute, tensor)
