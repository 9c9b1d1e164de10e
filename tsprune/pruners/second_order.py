"""Second order, without retraining: what the error of a layer's outputs says about its weights.

For a layer of weights W and inputs X the error of its outputs is quadratic in W with the Hessian H = 2 X X^T, the same
for every row. It says which weight costs least, and how the others make up for it (Optimal Brain Surgeon: Hassibi and
Stork 1993; for one layer at a time: Frantar & Alistarh 2022, arXiv 2208.11580). Its factor 2 and the number of
positions, by which it is divided here, change neither.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tsprune.errors import UserError
from tsprune.pruners.allocation import apportion, by_shape
from tsprune.pruners.calibration import layer_inputs
from tsprune.pruners.masks import Masks, apply_masks, need_numbers, need_share, owners, prunable_weights
from tsprune.pruners.nm import need_pattern, ungrouped
from tsprune.pruners.ranking import largest
from tsprune.pruners.scores import Calibration, Scored, register
from tsprune.pruners.selection import check_finite

WIDEST = 4096
"""Inputs of the widest layer that a Hessian is computed for: 64 MiB in float32, and the inverse beside it."""

DAMPING = 0.01
"""Added to the diagonal of a Hessian, as a share of its mean (SparseGPT's published value)."""

BLOCK = 128
"""Columns that are pruned before the columns to their right make up for it (SparseGPT's published value)."""


def hessians(model: nn.Module, calibration: Calibration) -> tuple[dict[str, Tensor], dict[str, str]]:
    """``(inputs, inputs)`` for every weight whose inputs are seen, the mean of x x^T over positions; and for every
    other prunable weight the reason. One batch is in memory at a time, and one matrix per layer of at most
    :data:`WIDEST` inputs."""
    sums: dict[str, Tensor] = {}
    counts: dict[str, int] = {}
    wide: dict[str, str] = {}

    def visit(name: str, rows: Tensor) -> None:
        width = rows.shape[1]
        if width > WIDEST:
            wide[name] = f"its {width} inputs are more than {WIDEST}"
            return
        rows = rows.float()
        if name not in sums:
            sums[name], counts[name] = rows.new_zeros(width, width), 0
        sums[name].addmm_(rows.T, rows)
        counts[name] += len(rows)

    left = layer_inputs(model, calibration, visit)
    for name, total in sums.items():
        if not total.isfinite().all():
            raise UserError(f"the inputs of '{name}' hold NaN or infinite values, or squares beyond float32")
    return {name: total.div_(counts[name]) for name, total in sums.items()}, left | wide


def damped(hessian: Tensor, damping: float) -> Tensor:
    """A copy in float64, inputs that are always zero set apart, with ``damping`` times its mean on the diagonal."""
    matrix = hessian.to(torch.float64, copy=True)
    diagonal = matrix.diagonal()
    diagonal[diagonal == 0] = 1.0
    diagonal += damping * diagonal.mean()
    return matrix


@register("obs", needs="inputs")
def obs(model: nn.Module, calibration: Calibration, seed: int = 0) -> Scored:
    """``w^2 / [H^-1]_jj``: by how much the error of the layer's outputs grows if the weight goes and the others of its
    row make up for it (Hassibi & Stork 1993, equation 5; arXiv 2208.11580). Weights that are not those of a
    Linear, Conv1d or LSTM, and those of more than 4096 inputs, are left."""
    found, left = hessians(model, calibration)
    scores = {}
    for name, weight in prunable_weights(model).items():
        if name in found:
            inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped(found[name], DAMPING))).diagonal()
            scores[name] = (
                weight.detach().flatten(1).to(torch.promote_types(weight.dtype, torch.float32)).square()
                / inverse.float()
            ).view(weight.shape)
    return Scored(scores, left)


@dataclass(frozen=True)
class Reconstructed:
    """A pruned copy of a model whose remaining weights make up for those that went; ``left`` as in n:m pruning."""

    model: nn.Module
    masks: Masks
    left: dict[str, str]


def second_order_prune(
    model: nn.Module,
    calibration: Calibration,
    density: float = 0.5,
    *,
    pattern: tuple[int, int] | None = None,
) -> Reconstructed:
    """A copy of ``model`` pruned layer by layer without retraining (SparseGPT: Frantar & Alistarh 2023, arXiv
    2301.00774, algorithm 1).

    Columns are visited in order: of each :data:`BLOCK` of them the weights of smallest w^2 / [H^-1]_jj go, so that the
    share ``density`` of every layer is left, and the columns to its right make up for what a column loses.
    ``pattern=(n, m)``: instead n of each m neighbouring inputs stay, in Linear layers whose inputs are a multiple of m.

    Inputs are those of the dense model for all layers, from one pass over the batches ``(inputs, target)`` of
    ``calibration``, where the authors prune block after block and recompute. Raises :class:`UserError` for a density
    outside (0, 1], a pattern without 0 < n < m, weights or inputs that are not finite, or if there is no batch.
    """
    need_share("density", density)
    block = BLOCK
    if pattern:
        need_pattern(pattern)
        block = max(1, BLOCK // pattern[1]) * pattern[1]  # no group across two blocks
    need_numbers(prunable_weights(model))
    found, left = hessians(model, calibration)
    pruned = copy.deepcopy(model)
    weights = prunable_weights(pruned)
    if pattern:
        owner = owners(pruned)
        left |= {n: why for n in found if (why := ungrouped(weights[n], owner[id(weights[n])], pattern[1]))}
    names = [name for name in weights if name in found and name not in left]
    total = sum(weights[name].numel() for name in names)
    counts = by_shape([tuple(weights[n].shape) for n in names], round(density * total), "layer") if names else []
    check_finite({name: weights[name] for name in names})
    masks = {}
    for name, count in zip(names, counts, strict=True):
        weight = weights[name]
        values, mask = surgery(weight.detach().flatten(1), found.pop(name), count, pattern, DAMPING, block)
        with torch.no_grad():
            weight.copy_(values.view(weight.shape))
        masks[name] = mask.view(weight.shape)
    apply_masks(pruned, masks)
    return Reconstructed(pruned, masks, left)


def surgery(
    weight: Tensor, hessian: Tensor, count: int, pattern: tuple[int, int] | None, damping: float, block: int
) -> tuple[Tensor, Tensor]:
    """New values of ``weight`` ``(outputs, inputs)`` and its mask, ``count`` True, or n of each m neighbours."""
    rows, columns = weight.shape
    values, mask = weight.double(), torch.ones_like(weight, dtype=torch.bool)
    values[:, hessian.diagonal() == 0] = 0  # an input that is always zero
    # Row j of this factor, over its diagonal: how columns from j on make up for column j, those before being done.
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped(hessian, damping)))
    factor = torch.linalg.cholesky(inverse, upper=True)
    starts = list(range(0, columns, block))
    widths = [min(block, columns - start) for start in starts]
    room = [rows * width for width in widths]
    kept = room if pattern else shares_of_blocks(count, room)
    for start, width, keep in zip(starts, widths, kept, strict=True):
        here = slice(start, start + width)
        part, errors = values[:, here], torch.zeros(rows, width, dtype=values.dtype, device=values.device)
        diagonal = factor.diagonal()[here]
        if not pattern:
            (mask[:, here],) = largest([(part / diagonal).float()], [keep])
        for j in range(width):
            if pattern and (start + j) % pattern[1] == 0:
                n, m = pattern
                group = slice(start + j, start + j + m)
                cost = values[:, group] / factor.diagonal()[group]
                best = cost.abs().sort(dim=1, descending=True, stable=True).indices[:, :n]
                mask[:, group] = torch.zeros_like(mask[:, group]).scatter_(1, best, True)
            errors[:, j] = part[:, j] * ~mask[:, start + j] / diagonal[j]
            part[:, j:] -= errors[:, j : j + 1] * factor[start + j, start + j : start + width]
        values[:, start + width :] -= errors @ factor[here, start + width :]
    return (values * mask).to(weight.dtype), mask


def shares_of_blocks(count: int, room: list[int]) -> list[int]:
    """``count`` in proportion to ``room``; a block may be left with none."""
    if count >= len(room):
        return apportion(count, room, room)
    return [int(i < count) for i in range(len(room))]
