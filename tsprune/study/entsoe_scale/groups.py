"""What study 04 trains: a group of steps per model, horizon and share of the data; nothing is run."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from tsprune import measure
from tsprune.engine.step import Step
from tsprune.models import outline
from tsprune.steps.data import DataSpec
from tsprune.steps.narrow import StructuredStep
from tsprune.steps.prune import PruneStep
from tsprune.steps.train import TrainStep, train_step
from tsprune.steps.tune import FineTuneStep, NarrowTuneStep
from tsprune.study.base.shared import Base
from tsprune.study.entsoe_scale.config import EntsoeScale
from tsprune.study.entsoe_scale.result import SCOPE


@dataclass(frozen=True)
class Group:
    """What one model is trained to on one share of the data: steps by seed, sizes falling."""

    model: str
    pred_len: int
    fraction: float
    dense: dict[int, tuple[TrainStep, ...]]
    """By width."""
    longer: dict[int, tuple[FineTuneStep, ...]]
    """By width: the dense ones trained as long in all as a pruned one."""
    pruned: dict[tuple[str, float], tuple[PruneStep | StructuredStep, ...]]
    """By structure and density."""
    tuned: dict[tuple[str, float], tuple[FineTuneStep | NarrowTuneStep, ...]]

    @property
    def smallest(self) -> int:
        return min(self.dense)

    @property
    def widest(self) -> int:
        return max(self.dense)

    def steps(self) -> Iterator[Step]:
        for seeds in (*self.dense.values(), *self.longer.values(), *self.pruned.values(), *self.tuned.values()):
            yield from seeds

    @cached_property
    def sizes(self) -> dict[int, int]:
        """Parameters of the dense models, by width."""
        return {width: _count(steps[0]) for width, steps in self.dense.items()}

    @property
    def density(self) -> float:
        """The density asked that comes closest to the smallest model's share of the widest one's parameters."""
        share = self.sizes[self.smallest] / self.sizes[self.widest]
        return min((density for _, density in self.tuned), key=lambda density: abs(math.log(density / share)))

    def nearest(self, share: float) -> int:
        """The width whose dense model is closest to ``share`` of the widest one's parameters, by their ratio."""
        widest = self.sizes[self.widest]
        return min(self.sizes, key=lambda width: abs(math.log(self.sizes[width] / widest / share)))


def _count(step: TrainStep) -> int:
    return measure.count_parameters(outline(step.model, **step.hyper))


def scale_groups(config: EntsoeScale, base: Base) -> tuple[Group, ...]:
    """A :class:`Group` per horizon, model and share of the data; nothing is run."""
    return tuple(
        _group(config, spec, model, fraction)
        for spec in base.specs
        for model in config.models
        for fraction in shares(config)
    )


def dense_steps(config: EntsoeScale, spec: DataSpec, model: str, fraction: float) -> dict[int, tuple[TrainStep, ...]]:
    """Dense trainings by width, widest first, and by seed."""
    return {
        width: tuple(
            train_step(spec, model, config.sized(width), config.recipe(), seed, fraction=fraction)
            for seed in config.seeds
        )
        for width in sorted({*config.widths, config.d_model}, reverse=True)
    }


def shares(config: EntsoeScale) -> list[float]:
    """Of the training windows, rising, all of them last."""
    return sorted({*config.fractions, 1.0})


def _group(config: EntsoeScale, spec: DataSpec, model: str, fraction: float) -> Group:
    dense = dense_steps(config, spec, model, fraction)
    widest = dense[max(dense)]
    again = widest[0].train.continued(config.fine_tune_epochs, config.fine_tune_learning_rate)
    pruned, tuned = {}, {}
    for density in sorted(config.densities, reverse=True):
        masks = {"scope": SCOPE, "train": again}
        pruned["structured", density] = tuple(StructuredStep(trained=step, density=density) for step in widest)
        tuned["structured", density] = tuple(
            NarrowTuneStep(trained=step, density=density, train=again) for step in widest
        )
        pruned["unstructured", density] = tuple(
            PruneStep(trained=step, scope=SCOPE, density=density) for step in widest
        )
        tuned["unstructured", density] = tuple(
            FineTuneStep(trained=step, densities=[density], **masks) for step in widest
        )
    return Group(
        model=model,
        pred_len=spec.pred_len,
        fraction=fraction,
        dense=dense,
        longer={
            width: tuple(FineTuneStep(trained=s, scope=SCOPE, densities=[1.0], train=again) for s in steps)
            for width, steps in dense.items()
        },
        pruned=pruned,
        tuned=tuned,
    )
