"""How sparse each layer should be so that the whole is: Erdős-Rényi-Kernel densities."""

import math
from collections.abc import Sequence

from tsprune.errors import UserError


def erdos_renyi(shapes: Sequence[tuple[int, ...]], density: float) -> list[int]:
    """Weights to keep in each tensor, ``round(density * all)`` in sum (give or take rounding; at least one in each).

    A tensor's density is in proportion to the sum of its dimensions over their product, so small ones stay denser
    (ERK: Evci et al. 2020, arXiv 1911.11134, section 3, after Mocanu et al. 2018); none exceeds 1: what is cut off
    there goes to the others.
    """
    if not 0 < density <= 1:
        raise UserError(f"density = {density}: allowed is a number above 0 and at most 1")
    sizes = [math.prod(shape) for shape in shapes]
    raw = [sum(shape) / size for shape, size in zip(shapes, sizes, strict=True)]
    full: set[int] = set()
    while True:
        budget = density * sum(sizes) - sum(sizes[i] for i in full)
        loose = [i for i in range(len(sizes)) if i not in full]
        scale = budget / sum(raw[i] * sizes[i] for i in loose) if loose else 0.0
        over = {i for i in loose if scale * raw[i] > 1}
        if not over:
            break
        full |= over
    return [size if i in full else max(1, round(scale * raw[i] * size)) for i, size in enumerate(sizes)]
