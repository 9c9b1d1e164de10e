"""The search for the widths of a narrower model: in which order units go, and how far, so that its cost is met.

The cost of any widths is known beforehand (:mod:`tsprune.pruners.cost`), so the target is found by bisection on that
order, and no model is touched.

An axis goes down a ladder, the widths that it may have. Scores, order and search count rungs from the bottom, 1 the
narrowest; where every width may be, the rungs are the widths themselves.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tsprune.layers.axes import Axis
from tsprune.pruners.cost import Cost

Ranking = Literal["global", "local", "isomorphic"]

RungCost = Callable[[Sequence[int]], float]
"""Cost of a model by the rung that each of its axes is on, see :func:`on_rungs`."""

CLOSE = 1e-3
"""The search for units that still fit ends when what is left is this close to the target, as a share of the dense."""


def ladder_of(axis: Axis, multiple: int) -> list[int]:
    """The widths that ``axis`` may have, ascending, its own at the end: units per group, as ``axis.width``.

    Those below it are multiples of ``multiple`` features; a unit may be a block of them (a whole head). A width that
    is no more than that itself goes by what its matrices have of it, ``copies * width`` rows or columns (a head's
    features, once per head). One that is below even that has no multiple, and goes by single units.
    """
    block = math.gcd(*(slot.inner for slot in axis.slots))
    copies = math.gcd(*(axis.groups * slot.outer * slot.inner for slot in axis.slots))
    step = multiple // math.gcd(multiple, block)
    if axis.width <= step:
        step = multiple // math.gcd(multiple, copies)
    if axis.width < step:
        step = 1
    return [*range(step, axis.width, step), axis.width]


def rung_above(ladder: Sequence[int], width: int) -> int:
    """The lowest rung that is at least so wide."""
    return bisect_left(ladder, width) + 1


def rung_scores(scores: Tensor, ladder: Sequence[int]) -> Tensor:
    """``(groups, rungs)``: mean score of the units that go with each rung of an axis, the least important first.

    ``scores``: ``(groups, width)``. A mean, so that a rung of many units ranks as its units do.
    """
    sizes = np.diff(ladder, prepend=0)[::-1].tolist()
    return torch.stack([units.mean(1) for units in scores.sort(dim=1).values.split(sizes, dim=1)], dim=1)


def on_rungs(cost: Cost, ladders: Sequence[Sequence[int]]) -> RungCost:
    """``cost`` of the rungs, one number per axis, in the place of the widths."""
    widths = np.zeros((len(ladders), 1 + max(map(len, ladders))), dtype=int)
    for row, ladder in zip(widths, ladders, strict=True):
        row[1 : 1 + len(ladder)] = ladder
    axes = np.arange(len(ladders))
    return lambda rungs: cost(widths[axes, rungs])


def removal_order(kinds: Sequence[str], scores: Sequence[Tensor], lowest: Sequence[int], scope: Ranking) -> np.ndarray:
    """The axes, by number, in the order in which each loses its next unit: the least important that it still has.

    ``scores``: ``(groups, width)`` for each axis, or ``(groups, rungs)`` where axes lose rungs. Where there are groups,
    each loses its least important unit at the same time, and the mean of their scores counts. Ties go by the order of
    the axes.
    """
    ranked = [s.sort(dim=1).values.mean(0).double().numpy() for s in scores]
    if scope == "global":
        keys = ranked
    elif scope == "local":
        keys = [np.arange(1, len(values) + 1) / len(values) for values in ranked]
    else:
        pools = {}
        for kind, values in zip(kinds, ranked, strict=True):
            pools[kind] = np.sort(np.concatenate([pools.get(kind, []), values]))
        keys = [
            np.searchsorted(pools[kind], values, side="right") / len(pools[kind])
            for kind, values in zip(kinds, ranked, strict=True)
        ]
    free = [len(values) - low for values, low in zip(ranked, lowest, strict=True)]
    key = np.concatenate([values[:n] for values, n in zip(keys, free, strict=True)])
    return np.repeat(np.arange(len(free)), free)[np.argsort(key, kind="stable")]


def solve(cost: RungCost, order: np.ndarray, before: Sequence[int], lowest: Sequence[int], target: float) -> list[int]:
    """Widths that leave the share ``target`` of the cost, by going along ``order`` as far as that allows; rungs where
    ``cost`` counts in them.

    The next unit may be worth more than what is still missing: units further on that fit are taken until the rest is
    below :data:`CLOSE`. At last one more unit of any group, with as much given back elsewhere as fits, if that comes
    closer; no single unit more or less would then.
    """
    dense = cost(before)
    goal = target * dense

    def after(steps: int) -> np.ndarray:
        return np.asarray(before) - np.bincount(order[:steps], minlength=len(before))

    low, high = 0, len(order)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if cost(after(middle)) >= goal else (low, middle - 1)
    widths, too_much = after(low), set()
    for axis in order[low:]:
        if cost(widths) - goal < CLOSE * dense:
            return widths.tolist()
        if axis in too_much:
            continue
        widths[axis] -= 1
        if cost(widths) < goal:
            widths[axis] += 1
            too_much.add(axis)

    return _closest(cost, goal, order, widths, lowest, before)


def _closest(
    cost: RungCost, goal: float, order: np.ndarray, widths: np.ndarray, lowest: Sequence[int], before: Sequence[int]
) -> list[int]:
    """Of ``widths`` and those with one more unit gone and others back for it, the closest to ``goal``; from there unit
    by unit as long as that comes closer."""

    def error(widths: np.ndarray) -> float:
        return abs(cost(widths) - goal)

    def neighbours(widths: np.ndarray, units: np.ndarray) -> list[np.ndarray]:
        return [w for w in widths + units if (w >= lowest).all() and (w <= before).all()]

    unit = np.eye(len(widths), dtype=int)
    fewer = [_filled_up(cost, goal, order, other, lowest) for other in neighbours(widths, -unit)]
    found = min([widths, *fewer], key=error)
    while True:
        closer = min([found, *neighbours(found, np.concatenate([-unit, unit]))], key=error)
        if closer is found:
            return found.tolist()
        found = closer


def _filled_up(cost: RungCost, goal: float, order: np.ndarray, widths: np.ndarray, lowest: Sequence[int]) -> np.ndarray:
    """``widths`` with as many units back as ``goal`` has room for, the most important first; changed in place."""
    removable = widths - lowest
    for axis in order[::-1]:
        if removable[axis] > 0:
            removable[axis] -= 1
            continue
        widths[axis] += 1
        if cost(widths) > goal:
            widths[axis] -= 1
    return widths


def finest(
    cost: RungCost,
    ladders: Sequence[Sequence[int]],
    after: Sequence[int],
    bounds: Sequence[int],
    names: Sequence[str],
) -> str:
    """The group whose next rung is worth least, in words: one to go or to come back, from ``after`` to ``bounds``."""
    worth = {}
    for i, (rung, bound) in enumerate(zip(after, bounds, strict=True)):
        if rung != bound:
            next_one = rung + (1 if bound > rung else -1)
            worth[i] = abs(cost([*after[:i], next_one, *after[i + 1 :]]) - cost(after)), next_one
    i = min(worth, key=worth.get)
    width, share = ladders[i][after[i] - 1], worth[i][0] / cost([len(ladder) for ladder in ladders])
    units = abs(width - ladders[i][worth[i][1] - 1])
    what, verb = ("unit", "is") if units == 1 else (f"{units} units", "are")
    return f"the next {what} worth least, of the width {width} of '{names[i]}', {verb} {share:.1%} of all"
