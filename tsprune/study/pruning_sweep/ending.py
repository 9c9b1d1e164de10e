"""The part of study 01 that runs the first paper's structured pruning to its end, beside ours to a share."""

from functools import cached_property

import pandas as pd

from tsprune.engine.step import Step
from tsprune.steps.narrow import StructuredStep, ToTheEndStep
from tsprune.steps.train import TrainStep
from tsprune.study.base.cells import Cells, of_dense, relative_to_dense
from tsprune.study.base.shared import models_to_narrow
from tsprune.study.pruning_sweep.result import AUTHORS, ENDS, SOLVED
from tsprune.study.pruning_sweep.scored import as_authors_train


class ToTheEnd:
    """Both on the dense models of ``cells`` as that paper trains them, where a width may be narrowed."""

    def __init__(self, cells: Cells):
        self.cells, self.config = cells, cells.config

    @cached_property
    def dense(self) -> tuple[TrainStep, ...]:
        """The dense models; none where this is not asked for."""
        if not self.config.authors_steps:
            return ()
        able = models_to_narrow(self.cells.base)
        return tuple(trained for trained in as_authors_train(self.cells) if trained.model in able)

    @cached_property
    def theirs(self) -> tuple[ToTheEndStep, ...]:
        return tuple(ToTheEndStep(trained=trained, steps=self.config.authors_steps) for trained in self.dense)

    @cached_property
    def ours(self) -> tuple[StructuredStep, ...]:
        densities = sorted(self.config.structured_densities, reverse=True)
        return tuple(StructuredStep(trained=trained, density=d) for trained in self.dense for d in densities)

    @property
    def steps(self) -> tuple[Step, ...]:
        return (*self.dense, *self.theirs, *self.ours)

    def table(self) -> pd.DataFrame:
        """``SweepResult.ends``: dense stands under both protocols."""
        if not self.steps:
            return pd.DataFrame(columns=["dataset", *ENDS])
        dense = self.cells.frame(self.dense)
        ours = [self.cells.frame(self.ours).assign(protocol=SOLVED)] if self.ours else []
        both = [dense.assign(protocol=protocol) for protocol in (AUTHORS, SOLVED)]
        table = pd.concat([*both, pd.DataFrame(list(self._points())), *ours], ignore_index=True)
        table = table.reindex(columns=list(dict.fromkeys([*table, *ENDS])))  # without a result, rows have few of these
        table["asked"] = table["asked"].fillna(table["density_asked"])
        share = table["macs_executed"] / of_dense("macs_executed", table, dense)
        table["macs_share"] = table["macs_share"].fillna(share)
        table["mse_relative"] = relative_to_dense(table, dense)
        table = table.sort_values("model", key=lambda names: names.map(self.config.models.index), kind="stable")
        return table.reset_index(drop=True).reindex(columns=["dataset", *ENDS])

    def _points(self):
        """Rows of the models on the way; one that says why where there is none."""
        for step in self.theirs:
            row = self.cells.rows[step.key]
            state = {"status": row["status"], "reason": row["reason"]}
            head = row["protocol"] | {"protocol": AUTHORS}
            curve = row["detail"].get("curve", ())
            for point in curve:
                finite = {"status": "ok" if point["mse"] is not None else "diverged", "reason": None}
                yield head | point | (state if point is curve[-1] else finite)
            if not curve:
                yield head | {"asked": 0.0} | state
