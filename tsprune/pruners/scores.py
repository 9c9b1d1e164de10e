"""How much each weight matters: one entry per score, whatever scope, schedule and structure make of it.

An entry is a function ``(model, calibration, seed)`` that gives :class:`Scored`; a decorator puts it into the registry,
and every test that sweeps the registry finds it there.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from tsprune.errors import UserError, unknown
from tsprune.pruners.allocation import lamp
from tsprune.pruners.masks import need_numbers, prunable_weights

Calibration = Iterable[tuple[Sequence[Tensor], Tensor]]
"""Batches ``(inputs, target)``: what the model is called with, one tensor or several, and the forecast that would be
right."""

Needs = Literal["nothing", "inputs", "targets"]


class Scored(NamedTuple):
    """Scores by parameter name, each of the weight's shape, larger is more important; and for every other prunable
    weight the reason why it has none."""

    scores: dict[str, Tensor]
    left: dict[str, str]


@dataclass(frozen=True)
class Score:
    """A score by name: what it needs of the calibration batches, and how it is computed.

    ``rounds``: in how many steps, each with new scores, its authors reach a density before training.
    """

    name: str
    needs: Needs
    compute: Callable[[nn.Module, Calibration | None, int], Scored]
    rounds: int = 1


_registry: dict[str, Score] = {}


def register(name: str, needs: Needs = "nothing", rounds: int = 1) -> Callable:
    """Decorator: enter a score in the registry under ``name``. Raises :class:`UserError` for what cannot be one."""
    if not isinstance(name, str):
        raise UserError(f"{name.__module__}.{name.__name__}: register needs a name, as in @register({name.__name__!r})")
    if needs not in get_args(Needs):
        raise UserError(f"score '{name}': {unknown('needs', needs, get_args(Needs))}")

    def enter(compute: Callable[[nn.Module, Calibration | None, int], Scored]):
        if name in _registry:
            raise UserError(f"{compute.__module__}.{compute.__name__}: two scores are called {name!r}")
        _registry[name] = Score(name, needs, compute, rounds)
        return compute

    return enter


def list_scores() -> list[str]:
    """Names in the registry, sorted."""
    return sorted(_registry)


def get_score(name: str) -> Score:
    """The entry of this name. Raises :class:`UserError` naming the closest one that there is."""
    if not isinstance(name, str) or name not in _registry:
        raise UserError(unknown("score", name, list_scores()))
    return _registry[name]


def score_weights(name: str, model: nn.Module, calibration: Calibration | None = None, seed: int = 0) -> Scored:
    """The score ``name`` of every prunable weight of ``model``, which is not changed.

    ``calibration``: batches ``(inputs, target)`` that can be gone through more than once, for the scores that look at
    data; ``seed``: of what is drawn. Raises :class:`UserError` for an unknown name, and where calibration is missing.
    """
    score = get_score(name)
    if score.needs != "nothing" and calibration is None:
        raise UserError(f"score '{name}' needs calibration: batches (inputs, target)")
    weights = prunable_weights(model)
    need_numbers(weights)
    found = score.compute(model, calibration, seed)
    _need_complete(name, found, weights)
    return found


def _need_complete(name: str, found: Scored, weights: Mapping[str, Tensor]) -> None:
    """Raise :class:`UserError` where a weight has neither score nor reason, which masks would leave whole unsaid."""
    if not isinstance(found, Scored):
        raise UserError(f"score '{name}': gives a {type(found).__name__}; expected Scored(scores, left)")
    for key, weight in weights.items():
        if key not in found.scores and key not in found.left:
            raise UserError(f"score '{name}': '{key}' has neither a score nor a reason why not, in Scored.left")
        if key in found.scores and found.scores[key].shape != weight.shape:
            ours, theirs = tuple(found.scores[key].shape), tuple(weight.shape)
            raise UserError(f"score '{name}': scores of '{key}' have shape {ours}, the weight has {theirs}")


@register("magnitude")
def magnitude(model: nn.Module, calibration: Calibration | None = None, seed: int = 0) -> Scored:
    """Absolute value of the weight (Han et al. 2015, arXiv 1506.02626)."""
    return Scored({name: w.detach().abs() for name, w in prunable_weights(model).items()}, {})


@register("lamp")
def lamp_scores(model: nn.Module, calibration: Calibration | None = None, seed: int = 0) -> Scored:
    """The square of a weight over the sum of the squares of those in its tensor that are not smaller (Lee et al. 2021,
    arXiv 2010.07611, section 2), to be ranked over all tensors."""
    return Scored({name: lamp(w.detach()) for name, w in prunable_weights(model).items()}, {})


@register("random")
def random(model: nn.Module, calibration: Calibration | None = None, seed: int = 0) -> Scored:
    """Uniform in [0, 1), drawn with ``seed``, the same on every device: the yardstick of all others."""
    generator = torch.Generator().manual_seed(seed)
    weights = prunable_weights(model)
    return Scored({name: torch.rand(w.shape, generator=generator).to(w.device) for name, w in weights.items()}, {})
