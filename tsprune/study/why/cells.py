"""Why does a prune fail? Which groups carried the loss, what of the removed was free, what predicts the loss.

The first seed of every model, on the study's dataset and on others, with the same recipe;
:mod:`tsprune.study.why.explain` makes the tables.
"""

from collections.abc import Iterable
from functools import cached_property

import pandas as pd

from tsprune.engine.step import Step
from tsprune.steps.sensitivity import SensitivityStep
from tsprune.steps.train import NaiveStep
from tsprune.study.base.cells import Cells
from tsprune.study.base.shared import Base, Tables, further_bases
from tsprune.study.why.config import Why
from tsprune.study.why.explain import explain
from tsprune.study.why.look_backs import dense_base
from tsprune.study.why.result import PAIR, WhyResult


class WhyCells(Cells[Why, WhyResult]):
    """``sweep``: the table ``cells`` of study 01 with the same config, for the test MSE of its cells."""

    def __init__(self, config: Why, sweep: pd.DataFrame | None = None, tables: Tables | None = None):
        super().__init__(config, tables)
        self.sweep = sweep

    @cached_property
    def found(self) -> tuple[tuple[Base, ...], tuple[str, ...]]:
        """Every dataset once, with its dense trainings of the first seed; a note per dataset that could not be had."""
        first = {"seeds": self.config.seeds[:1]}
        own, *others = (
            dense_base(self.config.on(dataset).model_copy(update=first), self.tables)
            for dataset in (self.config.dataset, *self.config.why_datasets)
        )
        further, notes = further_bases(own, others)
        return (own, *further), notes

    @cached_property
    def looks(self) -> tuple[SensitivityStep, ...]:
        """A step per dataset, horizon and model."""
        config = self.config
        return tuple(
            SensitivityStep(
                trained=trained,
                alone_at=tuple(sorted(config.why_densities, reverse=True)),
                scopes=tuple(config.scopes),
                joint=tuple(sorted((d for d in config.densities if d < 1), reverse=True)),
                windows=config.why_windows,
            )
            for base in self.found[0]
            for trained in base.dense
        )

    @cached_property
    def naive(self) -> dict[str, NaiveStep]:
        """By the key of each look, the naive forecast of its windows that its dense model is held against."""
        recipe = self.config.recipe()
        return {step.key: NaiveStep(data=step.trained.data, model="RepeatLast", train=recipe) for step in self.looks}

    def steps(self) -> Iterable[Step]:
        return self.looks

    def plan(self) -> tuple[Step, ...]:
        return (*self.naive.values(), *(step.trained for step in self.looks), *self.looks)

    def gather(self) -> WhyResult:
        standing = pd.DataFrame(
            {
                **{name: self.rows[step.key]["protocol"][name] for name in PAIR},
                "mse_dense": self.rows[step.trained.key]["result"].get("mse"),
                "mse_repeat_last": self.rows[self.naive[step.key].key]["result"].get("mse"),
            }
            for step in self.looks
        ).astype({"mse_dense": float, "mse_repeat_last": float})
        rows = [self.rows[step.key] for step in self.looks]
        return explain(rows, self.sweep, standing, tuple(self.config.scopes), self.found[1])
