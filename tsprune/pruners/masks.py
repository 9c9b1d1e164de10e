"""Masks: which weights are prunable, which are kept, and how a model is held to it.

A mask set is a plain ``dict`` from parameter name to a boolean tensor of the parameter's shape, True where the weight
is kept. It is saved with the checkpoint (``tsprune.models.save_checkpoint``).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import accumulate
from numbers import Integral, Real
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from tsprune.errors import UserError, unknown
from tsprune.layers.masks import mask_problem
from tsprune.layers.wrappers import computed, innermost

Masks = dict[str, Tensor]


def need_share(name: str, value: float) -> None:
    """Raise :class:`UserError` for a share of all that is no number above 0 and at most 1."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value <= 1:
        raise UserError(f"{name} = {value!r}: allowed is a number above 0 and at most 1")


def need_count(name: str, value: int) -> None:
    """Raise :class:`UserError` for what is no whole number, or below 1."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise UserError(f"{name} = {value!r}: allowed are whole numbers of 1 or more")


class Masked(NamedTuple):
    """Masks of the weights that can take them, and for every other prunable weight the reason why it stays dense."""

    masks: Masks
    left: dict[str, str]


def prunable_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Every weight tensor of two dimensions or more, under its first name; a tied tensor stands once. Of a compiled or
    data-parallel model, the names are those of the model inside.

    Biases and norm weights (one dimension) stay dense, as in both papers (PALS: every parameter with at least two
    dimensions); so does what has no entry. Raises :class:`UserError` for a weight that is computed from others at each
    call (``torch.nn.utils.prune``, weight norm), and for one without a shape (a lazy layer's).
    """
    model = innermost(model)
    if problem := computed(model):
        raise UserError(f"{type(model).__name__}: {problem}")
    parameters = dict(model.named_parameters())
    if lazy := [name for name, p in parameters.items() if is_lazy(p)]:
        raise UserError(f"{type(model).__name__}: '{lazy[0]}' has no shape yet; call the model once before")
    return {name: p for name, p in parameters.items() if p.dim() >= 2 and p.numel()}


def need_numbers(weights: Mapping[str, Tensor]) -> None:
    """Raises :class:`UserError` for tensors, by name, that have a shape only."""
    for name, weight in weights.items():
        if weight.is_meta:
            raise UserError(f"'{name}' has no numbers (it is on the device 'meta'); there is nothing to rank")


def owners(model: nn.Module) -> dict[int, nn.Module]:
    """The module that each parameter belongs to, by the parameter's ``id``; of a tied one, the last."""
    return {id(p): module for module in model.modules() for p in module.parameters(recurse=False)}


def without(weights: dict[str, nn.Parameter], patterns: Sequence[str]) -> dict[str, nn.Parameter]:
    """Those weights whose name, or a module they are part of, fits none of ``patterns``.

    Patterns are those of file names: ``projection`` and ``*.embedding`` name modules, ``*.embedding.time.weight`` a
    parameter. Raises :class:`UserError` for a pattern that no weight fits.
    """
    parts = {name: list(accumulate(name.split("."), "{}.{}".format)) for name in weights}  # modules, then itself
    fits = {pattern: {n for n, p in parts.items() if any(fnmatchcase(x, pattern) for x in p)} for pattern in patterns}
    for pattern, names in fits.items():
        if not names:
            raise UserError(unknown("layer to exclude", pattern, weights))
    return {name: w for name, w in weights.items() if not any(name in names for names in fits.values())}


@dataclass(frozen=True)
class Density:
    """Share of weights kept: over the prunable tensors, and over all parameters of the model (tied ones once)."""

    kept: int
    prunable: int
    parameters: int

    @property
    def over_prunable(self) -> float:
        return self.kept / self.prunable if self.prunable else 1.0

    @property
    def over_all(self) -> float:
        return (self.kept + self.parameters - self.prunable) / self.parameters if self.parameters else 1.0


def density(model: nn.Module, masks: Masks) -> Density:
    """Achieved density of ``masks`` on ``model``; a prunable tensor without a mask counts as dense."""
    weights = _checked(model, masks)
    kept = sum(int(masks[name].sum()) if name in masks else w.numel() for name, w in weights.items())
    prunable = sum(w.numel() for w in weights.values())
    return Density(kept, prunable, sum(p.numel() for p in model.parameters()))


def layer_densities(model: nn.Module, masks: Masks) -> list[dict]:
    """One record per prunable tensor: ``layer`` (its name), ``layer_density`` (share kept), ``weights`` (its size)."""
    return [
        {
            "layer": name,
            "layer_density": int(masks[name].sum()) / w.numel() if name in masks else 1.0,
            "weights": w.numel(),
        }
        for name, w in _checked(model, masks).items()
    ]


@torch.no_grad()
def apply_masks(model: nn.Module, masks: Masks) -> None:
    """Set every weight outside the masks to zero, in place."""
    weights = _checked(model, masks)
    for name, mask in masks.items():
        zero_outside(weights[name], mask.to(weights[name].device))


def zero_outside(weight: Tensor, mask: Tensor) -> None:
    """Set ``weight`` to zero outside ``mask``, in place, without a gradient."""
    weight.mul_(mask.view(torch.uint8))  # on a CPU twice as fast as by bool


@contextmanager
def pruned(model: nn.Module, masks: Masks) -> Iterator[nn.Module]:
    """The model with ``masks`` applied; on leaving, the weights are bit for bit what they were."""
    weights = _checked(model, masks)
    before = {name: weights[name].detach().clone() for name in masks}
    try:
        apply_masks(model, masks)
        yield model
    finally:
        with torch.no_grad():
            for name, value in before.items():
                weights[name].copy_(value)


class HeldMasks:
    """Holds a model to fixed masks while it is trained: they are applied at the start and after every step.

    One multiplication after the step costs about 0.5 % of it, a parametrisation five times that.
    """

    settled = True

    def __init__(self, masks: Masks):
        self.masks = masks

    def attach(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Apply the masks to ``model``. Raises :class:`UserError` for masks that do not fit it."""
        apply_masks(model, self.masks)
        weights = prunable_weights(model)
        self.pairs = [(weights[name], mask.to(weights[name].device)) for name, mask in self.masks.items()]

    def mask_gradients(self) -> None:
        """Leave only the gradients of weights that are kept; called before gradients are clipped."""
        for weight, mask in self.pairs:
            if weight.grad is not None:
                zero_outside(weight.grad, mask)

    @torch.no_grad()
    def after_step(self, loss: Tensor) -> None:
        """Set what the optimiser moved back to zero."""
        for weight, mask in self.pairs:
            zero_outside(weight, mask)

    def masks_now(self) -> Masks:
        return self.masks

    def set_masks(self, masks: Masks) -> None:
        """Nothing to go back to: these masks never change."""

    def state_dict(self) -> dict:
        return {}

    def load_state_dict(self, state: dict) -> None:
        """As :meth:`set_masks`."""


def _checked(model: nn.Module, masks: Masks) -> dict[str, nn.Parameter]:
    weights = prunable_weights(model)
    shapes = {name: weight.shape for name, weight in weights.items()}
    if problem := mask_problem(masks, shapes, "prunable weight"):
        raise UserError(problem)
    return weights
