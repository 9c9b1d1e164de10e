"""How much each unit of an axis matters: one number per unit, computed once before anything is removed.

As torch-pruning does it: in every weight the axis lies in, the values of a unit are summed up (|w|^p, or |w dL/dw|),
these sums are averaged over the weights, and the result is divided by its mean over the axis, so that axes can be
ranked against each other. Biases and buffers do not count.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from tsprune.errors import UserError, unknown
from tsprune.layers.axes import Axis, Slot
from tsprune.pruners.calibration import summed_gradients
from tsprune.pruners.scores import Calibration
from tsprune.pruners.selection import check_finite

Importance = Literal["l1", "l2", "group-l2", "taylor", "random"]


def axis_scores(
    model: nn.Module,
    axes: Sequence[Axis],
    importance: Importance = "group-l2",
    calibration: Calibration | None = None,
    seed: int = 0,
) -> list[Tensor]:
    """``(groups, width)`` for each axis, larger is more important, on the CPU.

    ``l1``, ``l2``: sums of |w| and w^2, averaged over the weights of the axis and not divided by their mean.
    ``group-l2``: ``l2`` divided by its mean over the axis (torch-pruning's default). ``taylor``: |w dL/dw| with the
    squared error on the batches ``(inputs, target)`` of ``calibration``, gradients added up (Molchanov et al. 2019,
    arXiv 1906.10771), divided by the mean; frozen weights, which have no gradient, have no part in it. ``random``:
    uniform, drawn with ``seed``.

    Raises :class:`UserError` for an unknown name, a missing ``calibration``, an axis of frozen weights alone, scores
    that are not finite.
    """
    if importance not in get_args(Importance):
        raise UserError(unknown("importance", importance, get_args(Importance)))
    if importance == "random":
        generator = torch.Generator().manual_seed(seed)
        return [torch.rand(axis.groups, axis.width, generator=generator) for axis in axes]
    if importance == "taylor":
        gradients = calibration_gradients(model, calibration)
        found = [group_mean(axis, 1, gradients) for axis in axes]
    else:
        found = [group_mean(axis, 1 if importance == "l1" else 2) for axis in axes]
    check_finite({axis.name: scores for axis, scores in zip(axes, found, strict=True)})
    if importance in ("group-l2", "taylor"):
        found = [scores / (scores.mean() or 1) for scores in found]
    return [scores.view(axis.groups, axis.width) for axis, scores in zip(axes, found, strict=True)]


def group_mean(axis: Axis, power: int, gradients: Mapping[nn.Parameter, Tensor] | None = None) -> Tensor:
    """``(units,)``: sums of |w|^power, or |w dL/dw|^power, of each unit, averaged over the weights the axis lies in."""
    weights = [s for s in axis.slots if isinstance(s.value, nn.Parameter) and not s.tensor.startswith("bias")]
    if gradients is None:
        values = [slot.value.detach() for slot in weights]
    else:
        weights = [slot for slot in weights if slot.value in gradients]
        values = [slot.value.detach() * gradients[slot.value] for slot in weights]
    if not weights:
        raise UserError(f"scores of '{axis.name}': every weight that it belongs to is frozen and has no gradient")
    return torch.stack([unit_sums(slot, v, power) for slot, v in zip(weights, values, strict=True)]).mean(0).cpu()


def unit_sums(slot: Slot, values: Tensor, power: int) -> Tensor:
    """Sum of |value|^power over all that belongs to a unit; ``values`` has the shape of the slot's tensor."""
    others = [dim for dim in range(values.dim()) if dim != slot.dim]
    along = torch.linalg.vector_norm(values, power, others) if others else values.abs()
    return along.pow(power).view(slot.outer, -1, slot.inner).sum((0, 2))


def calibration_gradients(model: nn.Module, calibration: Calibration | None) -> dict[nn.Parameter, Tensor]:
    """Gradients of the mean squared error, added up over the batches; the model's own ``.grad`` is not touched."""
    if calibration is None:
        raise UserError("importance 'taylor' needs calibration: batches (inputs, target)")
    parameters = [p for p in model.parameters() if p.requires_grad]
    return dict(zip(parameters, summed_gradients(model, parameters, calibration), strict=True))
