"""Structured pruning to a target: narrower layers, not zeros, and as much left as was asked for.

Importance is computed once (:mod:`tsprune.pruners.importance`), the widths that meet the target are searched for
(:mod:`tsprune.pruners.search`), and a copy of the model is given these, once.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from tsprune.errors import UserError, unknown
from tsprune.layers import evaluation
from tsprune.layers.axes import Axis
from tsprune.layers.wrappers import innermost
from tsprune.pruners.cost import Cost, Measure, cost_of, costs_of, count
from tsprune.pruners.importance import Calibration, Importance, axis_scores
from tsprune.pruners.masks import need_count, need_numbers, need_share, prunable_weights
from tsprune.pruners.search import (
    Ranking,
    RungCost,
    finest,
    ladder_of,
    on_rungs,
    removal_order,
    rung_above,
    rung_scores,
    solve,
)

Inside = Literal["head_dim", "n_heads"]

ON_TARGET = 0.01
"""What is left may differ by this much from what was asked, as a share of the dense model, without being reported."""

LEAST = "is the least at max_ratio"
"""Stands in ``floor`` where the target was out of reach."""


@dataclass(frozen=True)
class Group:
    """One width of the model: what it was, what it is, and why it was left alone or went no further, if so."""

    name: str
    before: int
    after: int
    left: str | None = None


@dataclass(frozen=True)
class StructuredResult:
    """A narrower model, and how it came out.

    ``asked`` and ``achieved`` are shares of the given model's parameters or multiply-adds, whichever ``by`` says.
    ``floor``: None, or why the target was out of reach (or, by more than :data:`ON_TARGET`, not met), and the group
    that sets the limit.
    """

    model: nn.Module
    asked: float
    achieved: float
    by: Measure
    parameters: tuple[int, int]  # before, after; tied ones once
    macs: tuple[int, int]  # before, after; matrix products and convolutions, one sample
    groups: tuple[Group, ...]
    floor: str | None = None


def structured_prune(
    model: nn.Module,
    example_inputs: Sequence[Tensor | None],
    target: float = 0.5,
    *,
    by: Measure = "parameters",
    importance: Importance = "group-l2",
    scope: Ranking = "global",
    inside: Inside = "head_dim",
    max_ratio: float = 0.9,
    calibration: Calibration | None = None,
    seed: int = 0,
    multiple: int = 1,
) -> StructuredResult:
    """A copy of ``model`` narrowed until the share ``target`` of its parameters or multiply-adds is left.

    ``model`` declares its widths in ``model.axes()`` and is not changed. ``example_inputs``: a batch for its call, None
    where it needs none.

    ``scope``: ``global`` ranks all units against each other, ``local`` takes the same share of every width,
    ``isomorphic`` the same share of every kind of width, ranked within the kind (Fang et al. 2024, arXiv 2407.04616).
    ``inside``: whether attention loses features of its heads or, where the model lets them go, whole heads. No width
    loses more than the share ``max_ratio``, nor its last unit. ``importance``, ``calibration`` and ``seed``: see
    :func:`axis_scores`.

    ``multiple``: a width that is narrowed ends at a multiple of that many features, 8 or 16 for kernels that compute in
    blocks: vector units of a CPU and tensor cores of a GPU spend a whole block on what is left over. ``head_dim``
    counts itself where it is above ``multiple``, else with all heads: ``n_heads * head_dim``. A width without a lower
    multiple stays; a width below the first multiple loses single units; see :func:`ladder_of`.

    What is left is as close to the target as whole units, or multiples, allow, which in a narrow model may not be
    close. A target below the floor that ``max_ratio`` and the fixed widths set gives the floor. ``floor`` says both.

    Raises :class:`UserError` for a model without widths to narrow, and for values that are unknown or out of range.
    """
    _refuse_unknown(by, scope, inside, target, max_ratio, multiple)
    model, example_inputs = declared(model, example_inputs)
    everything = model.axes()
    left = {axis.name: left_alone(axis, inside, everything) for axis in everything}
    axes = [axis for axis in everything if left[axis.name] is None]
    if not axes:
        raise UserError(
            f"{type(model).__name__} has nothing to remove: its widths are the variables, the look-back and the horizon"
        )
    names, before = [axis.name for axis in axes], [axis.width for axis in axes]
    scores = axis_scores(model, axes, importance, calibration, seed)
    costs, shape = costs_of(model, names, example_inputs)
    end = _searched(axes, scores, costs[by], target, scope, max_ratio, multiple)
    after = end.widths
    keep = {name: best_units(s, width) for name, s, width in zip(names, scores, after, strict=True)}
    narrow = narrowed(model, keep, example_inputs, shape)
    for measure, cost in costs.items():
        if (found := count(narrow, example_inputs, measure)) != cost(after):
            raise RuntimeError(f"{found} {measure} left, {cost(after)} expected")

    def limit() -> str:
        fixed = [a.name for a in everything if a.fixed and not any(overlap(a, other) for other in axes)]
        return most_depended_on(narrow, names + fixed, by, example_inputs)

    achieved = costs[by](after) / costs[by](before)
    floor = _why_off_target(achieved, target, end, max_ratio, multiple, limit)
    groups = _groups(everything, narrow, left | end.as_narrow_as_may_be(max_ratio))
    parameters, macs = ((int(cost(before)), int(cost(after))) for cost in (costs["parameters"], costs["macs"]))
    return StructuredResult(narrow, target, achieved, by, parameters, macs, (*groups, *output_groups(model)), floor)


def _refuse_unknown(
    by: Measure, scope: Ranking, inside: Inside, target: float, max_ratio: float, multiple: int
) -> None:
    """Raises as :func:`structured_prune` says."""
    for what, value, allowed in (
        ("measure", by, Measure),
        ("scope", scope, Ranking),
        ("part of attention", inside, Inside),
    ):
        if value not in get_args(allowed):
            raise UserError(unknown(what, value, get_args(allowed)))
    for what, value in (("target", target), ("max_ratio", max_ratio)):
        need_share(what, value)
    need_count("multiple", multiple)


def declared(model: nn.Module, example_inputs: object) -> tuple[nn.Module, Sequence[Tensor | None]]:
    """The model to narrow, without a wrapper, and what it is called with.

    Raises :class:`UserError` for one that does not declare its widths, whose weights are computed from others or have
    no numbers, and for inputs that are no sequence of tensors and None.
    """
    model = innermost(model)
    for method in ("axes", "output_layers"):
        if not hasattr(model, method):
            raise UserError(
                f"{type(model).__name__} declares no widths to narrow: it lacks the {method}() that tsprune.models have"
            )
    need_numbers(prunable_weights(model))
    inputs = (example_inputs,) if isinstance(example_inputs, Tensor) else example_inputs
    if not isinstance(inputs, Sequence) or not all(x is None or isinstance(x, Tensor) for x in inputs):
        raise UserError(
            f"example_inputs are a list of tensors, None where none is needed, not a {type(inputs).__name__}"
        )
    return model, inputs


@dataclass(frozen=True)
class _End:
    """Where the search ended; a place per axis in each list."""

    names: list[str]
    ladders: list[list[int]]
    top: list[int]
    bottom: list[int]
    """The lowest rung that it may be on."""
    rungs: list[int]
    """The rung that it is on."""
    cost_at: RungCost
    """Of any rungs."""

    @property
    def widths(self) -> list[int]:
        return [ladder[rung - 1] for ladder, rung in zip(self.ladders, self.rungs, strict=True)]

    def as_narrow_as_may_be(self, max_ratio: float) -> dict[str, str]:
        """Why the axes that are on their lowest rung go no further, by name."""
        why = {}
        for name, ladder, rung, low in zip(self.names, self.ladders, self.rungs, self.bottom, strict=True):
            if rung == low:
                last = "its last unit" if ladder[0] == 1 else f"its last {ladder[0]} units"
                why[name] = f"as narrow as max_ratio = {max_ratio} and {last} allow"
        return why


def _searched(
    axes: Sequence[Axis],
    scores: Sequence[Tensor],
    cost: Cost,
    target: float,
    scope: Ranking,
    max_ratio: float,
    multiple: int,
) -> _End:
    """The widths that leave the share ``target`` of ``cost``, or come as close as may be; see
    :func:`structured_prune`. ``scores``: as :func:`axis_scores` gives them."""
    ladders = [ladder_of(axis, multiple) for axis in axes]
    least = [max(1, math.ceil(round((1 - max_ratio) * axis.width, 9))) for axis in axes]
    top, bottom = [len(ladder) for ladder in ladders], list(map(rung_above, ladders, least))
    order = removal_order([axis.kind for axis in axes], list(map(rung_scores, scores, ladders)), bottom, scope)
    cost_at = on_rungs(cost, ladders)
    names = [axis.name for axis in axes]
    return _End(names, ladders, top, bottom, solve(cost_at, order, top, bottom, target), cost_at)


def _why_off_target(
    achieved: float, target: float, end: _End, max_ratio: float, multiple: int, limit: Callable[[], str]
) -> str | None:
    """``floor`` of a result; ``limit`` tells the group that sets it."""
    among = "whole units" if multiple == 1 else f"multiples of {multiple}"
    if achieved > target and end.rungs == end.bottom:
        return f"{achieved:.4f} {LEAST} = {max_ratio}{'' if multiple == 1 else f' in {among}'}: {limit()}"
    if abs(achieved - target) > ON_TARGET:
        bounds = end.bottom if achieved > target else end.top
        nearest = finest(end.cost_at, end.ladders, end.rungs, bounds, end.names)
        return f"{achieved:.4f} is as close as {among} come: {nearest}"
    return None


def _groups(before: Sequence[Axis], narrow: nn.Module, left: dict[str, str | None]) -> list[Group]:
    new = {axis.name: axis.width for axis in narrow.axes()}
    return [Group(axis.name, axis.width, new[axis.name], left[axis.name]) for axis in before]


def left_alone(axis: Axis, inside: Inside, everything: Sequence[Axis]) -> str | None:
    """Why this width stays, or None."""
    if axis.fixed is not None or axis.kind == inside or axis.kind not in get_args(Inside):
        return axis.fixed
    instead = any(other.kind == inside and other.fixed is None and overlap(axis, other) for other in everything)
    return f"{inside} was to be narrowed instead" if instead else None


def overlap(one: Axis, other: Axis) -> bool:
    """Whether two axes lie in the same dimension of a tensor (heads and their features)."""
    places = {(id(slot.module), slot.tensor, slot.dim) for slot in one.slots}
    return any((id(slot.module), slot.tensor, slot.dim) in places for slot in other.slots)


def output_groups(model: nn.Module) -> list[Group]:
    """The widths of the forecast, which stay."""
    name_of = {id(module): name for name, module in model.named_modules()}
    sizes = {f"{name_of[id(layer)]}.outputs": layer.weight.shape[0] for layer in model.output_layers()}
    return [Group(name, size, size, "variables or horizon of the forecast") for name, size in sizes.items()]


def best_units(scores: Tensor, width: int) -> Tensor:
    """Numbers of the ``width`` most important units of each group, ascending; ties by index. ``(groups, width)``."""
    best = scores.sort(dim=1, descending=True, stable=True).indices[:, :width].sort(dim=1).values
    return (best + scores.shape[1] * torch.arange(len(scores))[:, None]).flatten()


def narrowed(
    model: nn.Module, keep: dict[str, Tensor], example_inputs: Sequence[Tensor | None], expected: torch.Size
) -> nn.Module:
    """A copy of ``model`` with only the units ``keep`` of its axes, checked by a forward pass of one sample, whose
    forecast has the shape ``expected``."""
    narrow = copy.deepcopy(model)
    axes = {axis.name: axis for axis in narrow.axes()}
    for name, units in keep.items():
        if len(units) < axes[name].groups * axes[name].width:
            axes[name].take(units)
    sample = [None if x is None else x[:1] for x in example_inputs]
    for axis in narrow.axes():
        width = len(keep[axis.name]) // axis.groups if axis.name in keep else axis.width
        if axis.width != width:
            raise RuntimeError(f"axis {axis.name} has width {axis.width}, expected {width}")
    shape = forecast(narrow, sample).shape
    if shape != expected:
        raise RuntimeError(f"forecasts of shape {tuple(shape)}, expected {tuple(expected)}")
    return narrow


def forecast(model: nn.Module, inputs: Sequence[Tensor | None]) -> Tensor:
    """In evaluation, without gradient; the model's mode is put back."""
    with evaluation(model), torch.no_grad():
        return model(*inputs)


def most_depended_on(model: nn.Module, names: Sequence[str], by: Measure, inputs: Sequence[Tensor | None]) -> str:
    """The group of ``names`` that the largest share of the cost of ``model`` depends on, in words."""
    cost = cost_of(model, names, inputs, by)
    width = {axis.name: axis.width for axis in model.axes()}
    now = [width[name] for name in names]
    share = [1 - cost([*now[:i], 0, *now[i + 1 :]]) / cost(now) for i in range(len(names))]
    i = int(np.argmax(share))
    return f"{share[i]:.0%} of it depend on the width {now[i]} of '{names[i]}'"
