"""The ways to a model that study 03 compares: which steps, for which size; nothing is run."""

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

from tsprune import measure
from tsprune.models import outline
from tsprune.steps.data import DataSpec
from tsprune.steps.distill import DistillStep
from tsprune.steps.narrow import StructuredStep
from tsprune.steps.train import TrainStep, train_step
from tsprune.steps.tune import FineTuneStep, NarrowTuneStep
from tsprune.study.base.shared import Base
from tsprune.study.right_sizing.config import RightSizing
from tsprune.training import TrainConfig
from tsprune.typed import canonical_json


@dataclass(frozen=True)
class Way:
    """One way to get a model: a step per seed. In the map, ``width`` is that of the model pruned; see ``sizes``."""

    arm: str
    data: DataSpec
    model: str
    width: int
    depth: int
    density: float
    fraction: float
    steps: tuple[TrainStep | FineTuneStep | StructuredStep | NarrowTuneStep | DistillStep, ...]

    @property
    def case(self) -> tuple[str, int]:
        """Only ways of one model and horizon are compared."""
        return self.model, self.data.pred_len

    @property
    def size(self) -> tuple[str, int, int, int]:
        return *self.case, self.width, self.depth


def size_ways(config: RightSizing, base: Base) -> list[Way]:
    """Dense models of every width and depth; the large one pruned to the size of each smaller one of its depth, and
    that smaller one taught by the large one."""
    ways, smaller = [], sorted(config.widths, reverse=True)
    depths = [config.e_layers, *(depth for depth in config.depths if depth != config.e_layers)]
    for data in base.specs:
        for model in config.models:
            sizes = [(width, depth) for depth in depths for width in (config.d_model, *smaller)]
            dense = {size: _dense_ways(config, data, model, *size) for size in sizes}
            ways += [way for pair in dense.values() for way in pair]
            large, teacher = dense[config.d_model, config.e_layers]
            for width in smaller:
                small, longer = dense[width, config.e_layers]
                ways += _pruned_ways(config, large, _parameters(small) / _parameters(large), width)
                ways.append(_taught(config, longer, teacher))
    return ways


def map_ways(config: RightSizing, base: Base) -> list[Way]:
    """Per share of the data: every width, dense and pruned to every density, each trained on. No arm in between."""
    ways = []
    fractions, widths = sorted({*config.fractions, 1.0}), sorted([*config.widths, config.d_model])
    for data, model, fraction, width in product(base.specs, config.models, fractions, widths):
        dense, longer = _dense_ways(config, data, model, width, config.e_layers, fraction)
        ways.append(longer)
        for density in sorted(config.map_densities, reverse=True):
            _, tuned = _pruned_ways(config, dense, density, width)
            ways.append(tuned)
    return ways


def _dense_ways(
    config: RightSizing, data: DataSpec, model: str, width: int, depth: int, fraction: float = 1.0
) -> tuple[Way, Way]:
    """After ``epochs``, and after ``fine_tune_epochs`` more."""
    steps = _trained(config, data, model, width, depth, fraction)
    longer = tuple(
        FineTuneStep(trained=step, scope="layer", densities=[1.0], train=_longer(config, step)) for step in steps
    )
    shared = {"data": data, "model": model, "width": width, "depth": depth, "density": 1.0, "fraction": fraction}
    return Way("dense", steps=steps, **shared), Way("dense longer", steps=longer, **shared)


def _pruned_ways(config: RightSizing, dense: Way, density: float, width: int) -> tuple[Way, Way]:
    """``dense`` narrowed to the share ``density`` of its parameters, and trained on."""
    narrow = tuple(StructuredStep(trained=step, density=density) for step in dense.steps)
    tuned = tuple(NarrowTuneStep(trained=s, density=density, train=_longer(config, s)) for s in dense.steps)
    shared = {name: getattr(dense, name) for name in ("data", "model", "depth", "fraction")}
    shared |= {"width": width, "density": density}
    return Way("pruned", steps=narrow, **shared), Way("fine-tuned", steps=tuned, **shared)


def _taught(config: RightSizing, small: Way, teacher: Way) -> Way:
    """``small`` trained alike, but on the forecasts of ``teacher`` as well: that of the same seed."""
    steps = tuple(
        DistillStep(teacher=large, student=step.trained, train=step.train, weight=config.distill_weight)
        for step, large in zip(small.steps, teacher.steps, strict=True)
    )
    return replace(small, arm="distilled", steps=steps)


def _trained(
    config: RightSizing, data: DataSpec, model: str, width: int, depth: int, fraction: float = 1.0
) -> tuple[TrainStep, ...]:
    """A dense training per seed."""
    hyper = config.sized(width, depth)
    return tuple(train_step(data, model, hyper, config.recipe(), seed, fraction) for seed in config.seeds)


def _longer(config: RightSizing, step: TrainStep) -> TrainConfig:
    """The recipe of the epochs after those of ``step``, none of them stopped early."""
    return step.train.continued(config.fine_tune_epochs, config.fine_tune_learning_rate)


def _parameters(dense: Way) -> int:
    return _count(dense.model, canonical_json(dense.steps[0].hyper))


@lru_cache(maxsize=1024)
def _count(model: str, hyper: str) -> int:
    return measure.count_parameters(outline(model, **json.loads(hyper)))
