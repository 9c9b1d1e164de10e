"""How many weights each tensor keeps when so many are kept in all: exactly that many, and at least one in each.

Shares are rounded to whole numbers by Webster's method for turning votes into seats: the weights come first whose
number in their tensor, minus a half, is smallest relative to the tensor's share. So the sum is exact, a tensor is off
its share by a weight or so (1.3 at most in the rows that ship), and no tensor loses a weight when the sum grows (which
the largest-remainder method does not guarantee): masks stay nested.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from tsprune.pruners.masks import need_share

Allocation = Literal["layer", "global", "erk", "lamp"]
"""``layer``: the same share of each tensor (uniform). ``erk``: Erdős-Rényi-Kernel, small tensors denser. ``global``:
one ranking over all tensors decides. ``lamp``: the same, by how much each score is of those that are not smaller."""


def by_shape(
    shapes: Sequence[Sequence[int]], count: int, allocation: Literal["layer", "erk"], most: Sequence[int] | None = None
) -> list[int]:
    """Weights to keep in each tensor, ``count`` in all; ``most``: how many each still has (None: all).

    ``erk`` keeps in proportion to the sum of a tensor's dimensions (Evci et al. 2020, arXiv 1911.11134, section 3,
    after Mocanu et al. 2018); what a tensor has no room for goes to the others.
    """
    sizes = [math.prod(shape) for shape in shapes]
    shares = sizes if allocation == "layer" else [sum(shape) for shape in shapes]
    return apportion(count, shares, sizes if most is None else most)


def apportion(count: int, shares: Sequence[float], most: Sequence[int]) -> list[int]:
    """``count`` in proportion to ``shares``, at least 1 and at most ``most[i]`` of each; ties go to the first.

    ``count`` below the number of shares, or above the sum of ``most``, gives what comes closest.
    """
    count = min(max(count, len(shares)), sum(most))
    kept = [
        min(room, max(1, math.floor(wanted + 0.5)))
        for wanted, room in zip(proportional(count, shares, most), most, strict=True)
    ]

    def turn(i: int, k: int) -> tuple[float, int]:
        """When the ``k``-th of tensor ``i`` comes, and the tie's rule."""
        return ((k - 0.5) / shares[i] if k > 1 else 0.0), i

    while True:
        due = [turn(i, k + 1) for i, k in enumerate(kept) if k < most[i]]
        taken = [turn(i, k) for i, k in enumerate(kept) if k > 1]
        missing = count - sum(kept)
        if missing > 0 or (missing == 0 and due and taken and min(due) < max(taken)):
            kept[min(due)[1]] += 1
        elif missing < 0:
            kept[max(taken)[1]] -= 1
        else:
            return kept


def proportional(total: float, shares: Sequence[float], most: Sequence[int]) -> list[float]:
    """``total`` in proportion to ``shares``, none above ``most``: what is cut off there goes to the others."""
    full: set[int] = set()
    while True:
        budget = total - sum(most[i] for i in full)
        loose = [i for i in range(len(shares)) if i not in full]
        scale = budget / sum(shares[i] for i in loose) if loose else 0.0
        over = {i for i in loose if scale * shares[i] > most[i]}
        if not over:
            return [most[i] if i in full else scale * share for i, share in enumerate(shares)]
        full |= over


def erdos_renyi(shapes: Sequence[tuple[int, ...]], density: float) -> list[int]:
    """As ``erk``, each tensor rounded for itself, so that the sum may be off by some weights: how PALS starts."""
    need_share("density", density)
    sizes = [math.prod(shape) for shape in shapes]
    wanted = proportional(density * sum(sizes), [sum(shape) for shape in shapes], sizes)
    return [max(1, round(w)) for w in wanted]


def lamp(score: Tensor) -> Tensor:
    """The square of each score over the sum of the squares of those that are not smaller, float32 (LAMP: Lee et al.
    2021, arXiv 2010.07611, section 2). In each tensor the order stays; the largest has 1. Of ties the first is larger.
    """
    order = score.flatten().abs().sort(descending=True, stable=True)
    squares = order.values.double().square()
    ratio = squares / squares.cumsum(0).clamp(min=torch.finfo(torch.float64).tiny)
    return torch.empty(score.numel(), device=score.device).scatter_(0, order.indices, ratio.float()).view(score.shape)
