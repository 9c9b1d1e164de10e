"""What an optimiser remembers for each weight, and how this is reset for new weights."""

import torch
from torch import Tensor, nn

from tsprune.errors import UserError
from tsprune.pruners.masks import zero_outside

MOMENTS = frozenset(
    {"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "exp_inf", "momentum_buffer", "square_avg", "grad_avg", "sum"}
    | {"acc_delta"}
)
"""Averages and sums of gradients, by the names that torch's optimisers give them: zero at the start of a training."""


def reset_moments(optimizer: torch.optim.Optimizer, weight: nn.Parameter, new: Tensor) -> None:
    """Set every moment of ``weight`` to zero where ``new`` is True.

    Raises :class:`UserError` for other state of the weight's shape than :data:`MOMENTS`: its starting value is not
    known here.
    """
    for name, moment in optimizer.state.get(weight, {}).items():
        if not torch.is_tensor(moment) or moment.shape != weight.shape:
            continue
        if name not in MOMENTS:
            raise UserError(
                f"{type(optimizer).__name__} keeps '{name}' for each weight; it can be reset for new weights only with "
                + ", ".join(sorted(MOMENTS))
            )
        zero_outside(moment, ~new)
