"""Checks of weights that go into a file or a model: numbers, all finite, with the right names, shapes and types."""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import nn

from tsprune.errors import UserError
from tsprune.layers.wrappers import innermost
from tsprune.models.base import Forecaster, list_models, model_class

PREFIXES = ("module.", "_orig_mod.")
"""What wrappers of a whole model, DataParallel and ``torch.compile``, put before every name in a ``state_dict``."""

PRECISIONS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def unwrapped(model: nn.Module) -> Forecaster:
    """The forecaster inside ``torch.compile`` and ``DataParallel``.

    Raises :class:`UserError` for any other module, for one whose class is not registered itself, and where a wrapper
    is around a part of it.
    """
    model = innermost(model)
    kind = type(model)
    if not isinstance(model, Forecaster) or getattr(kind, "name", None) not in list_models():
        raise UserError(f"{kind.__name__} is not a registered forecaster; those are {', '.join(list_models())}")
    if kind is not model_class(model.name):
        raise UserError(
            f"{kind.__name__} is not the class that is registered as {model.name}: register it under its own name"
        )
    for name, module in model.named_modules():
        if innermost(module) is not module:
            raise UserError(f"{model.name}: {name} is wrapped ({type(module).__name__}): wrap only the whole model")
    return model


def without_wrappers(state: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """The ``state_dict`` of a wrapped model under the names of the model: where all names begin alike."""
    while prefix := next((p for p in PREFIXES if state and all(name.startswith(p) for name in state)), None):
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def unusable(tensors: Mapping[str, torch.Tensor]) -> str | None:
    """The first tensor that makes forecasts impossible, in words: see :func:`no_weight`, or not finite."""
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):  # packed weights of torch's quantised layers, a layer's extra state
            return f"{name} is a {type(tensor).__name__}, not a tensor"
        if problem := no_weight(name, tensor):
            return problem
        # A sum that is finite says that all terms are, a hundred times as fast; one that is not may have overflowed.
        if tensor.is_floating_point() and not tensor.sum().isfinite() and (lost := int((~tensor.isfinite()).sum())):
            return f"{name} has {lost} of {tensor.numel()} numbers NaN or infinite, and so would be every forecast"
    return None


def no_weight(name: str, tensor: torch.Tensor) -> str | None:
    """Why no model computes with ``tensor``, in words: without numbers, sparse, complex, of too few bits."""
    if tensor.is_meta:
        return f"{name} has no numbers (it is on the device 'meta')"
    if tensor.layout != torch.strided:
        return f"{name} is not dense ({tensor.layout}); give dense weights, and masks for what is kept"
    if tensor.dtype not in PRECISIONS and (
        tensor.dtype.is_floating_point or tensor.is_complex() or tensor.is_quantized
    ):
        return f"{name} is {tensor.dtype}, not {', '.join(map(str, PRECISIONS))}"
    return None


def misfits(own: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor]) -> Iterator[str]:
    """What keeps ``given`` from going where ``own`` is: names, then shapes, then kinds of numbers, a line for each."""
    yield from strangers(own, given)
    both = own.keys() & given.keys()
    if shapes := [name for name in sorted(both) if own[name].shape != given[name].shape]:
        pairs = (f"{name} has shape {tuple(given[name].shape)}, not {tuple(own[name].shape)}" for name in shapes)
        yield some(pairs, "; ")
    if kinds := [name for name in sorted(both) if not same_kind(own[name], given[name])]:
        yield some((f"{name} is {given[name].dtype}, not {own[name].dtype}" for name in kinds), "; ")


def strangers(own: Iterable[str], given: Iterable[str]) -> Iterator[str]:
    """Names of ``own`` that are not in ``given``, and of ``given`` that are not in ``own``, a line for each."""
    if missing := set(own) - set(given):
        yield f"lacks {some(missing)}"
    if foreign := set(given) - set(own):
        yield f"has no place for {some(foreign)}"


def same_kind(own: torch.Tensor, given: torch.Tensor) -> bool:
    """Whether ``given`` may stand for ``own``: floating point of any precision, or else of the same type."""
    return own.dtype == given.dtype or (own.dtype in PRECISIONS and given.dtype in PRECISIONS)


def some(texts: Iterable[str], between: str = ", ") -> str:
    """The first three of ``texts`` in order, and how many more there are."""
    texts = sorted(texts)
    return between.join(texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")
