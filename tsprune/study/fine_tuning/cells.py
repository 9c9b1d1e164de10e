"""Study 02: what does fine-tuning after pruning bring back, and at what cost? From a config to tidy tables."""

from collections.abc import Iterable
from functools import cached_property

import pandas as pd

from tsprune.engine.step import Step
from tsprune.report.text import counted
from tsprune.steps.by_score import own_scope, pruned_by
from tsprune.steps.narrow import StructuredStep
from tsprune.steps.prune import NMStep, PruneStep
from tsprune.steps.second_order import SecondOrderStep
from tsprune.steps.train import TrainStep
from tsprune.steps.tune import FineTuneStep, NarrowTuneStep, ScoreTuneStep, TunePrunedStep
from tsprune.study.base.cells import Cells, relative_to_dense
from tsprune.study.base.shared import models_to_narrow
from tsprune.study.fine_tuning.config import FineTuning
from tsprune.study.fine_tuning.result import COMPARISONS, HISTORY, MAGNITUDE, FineTuningResult, by_score, compared


class FineTuningCells(Cells[FineTuning, FineTuningResult]):
    """Every arm, for every dense model. All arms train equally long after the dense training, except the rewound one,
    which starts over and gets the dense training's epochs as well."""

    def steps(self) -> Iterable[Step]:
        return self.arms

    @cached_property
    def arms(self) -> tuple[Step, ...]:
        """Every arm but the dense one."""
        narrow = models_to_narrow(self.base) if self.config.structured_densities else set()
        return tuple(step for trained in self.base.dense for step in self._arms_of(trained, trained.model in narrow))

    def _arms_of(self, trained: TrainStep, narrow: bool) -> Iterable[Step]:
        config = self.config
        recipe = trained.train.continued(config.fine_tune_epochs, config.fine_tune_learning_rate)
        again = trained.train.model_copy(update={"epochs": trained.train.epochs + config.fine_tune_epochs})
        shared = {"trained": trained, "scope": config.scope}
        yield FineTuneStep(**shared, densities=[1.0], train=recipe)
        for density in sorted(config.densities, reverse=True):
            yield PruneStep(**shared, density=density)
            yield FineTuneStep(**shared, densities=[density], train=recipe)
            if density in config.compared_densities:
                path = [density ** ((i + 1) / config.stages) for i in range(config.stages)]
                yield FineTuneStep(**shared, densities=[*path[:-1], density], train=recipe)
                yield FineTuneStep(**shared, densities=[density], start="initial", train=again)
                if config.score != MAGNITUDE:
                    seen = config.calibration_windows
                    way = {"score": config.score, "density": density, "calibration_windows": seen}
                    yield pruned_by(trained, config.score, density, seen)
                    yield ScoreTuneStep(trained=trained, **way, train=recipe)
        if config.two_of_four:
            yield NMStep(trained=trained)
            yield FineTuneStep(**shared, structure="2:4", densities=[0.5], train=recipe)
        for density in sorted(config.structured_densities, reverse=True) if narrow else ():
            yield StructuredStep(trained=trained, density=density)
            yield NarrowTuneStep(trained=trained, density=density, train=recipe)

    def gather(self) -> FineTuningResult:
        steps = (*self.base.dense, *self.arms)
        cells = self.frame(steps)
        cells["arm"] = [_arm(step) for step in steps]
        cells["structure"] = cells["structure"].fillna("unstructured")  # dense
        cells["mse_relative"] = relative_to_dense(cells, cells[cells["arm"] == "dense"])
        common = self.common(cells)
        common["protocol"] |= self._protocol()
        return FineTuningResult(**common, history=self._history(steps), comparisons=self._comparisons(steps))

    def _protocol(self) -> dict[str, str]:
        """What this study adds to the protocol, as readable lines."""
        config = self.config
        lines = {
            "pruning": f"magnitude, unstructured, scope {config.scope}; every weight tensor of two or more dimensions",
            "after pruning": f"{counted(config.fine_tune_epochs, 'epoch')}, Adam {config.fine_tune_learning_rate:g}, "
            f"schedule {config.schedule}, no early stop; the best epoch by validation MSE counts, the start included",
            "comparisons": "paired block bootstrap over seeds and test windows, blocks of one look-back and horizon, "
            "95 %",
        }
        if config.compared_densities:
            each = counted(config.fine_tune_epochs // config.stages, "epoch")
            lines["iterative"] = f"{config.stages} prunings, {each} after each"
            most = counted(config.epochs + config.fine_tune_epochs, "epoch")
            lines["rewound"] = f"same mask, initial weights, at most {most} with the recipe of the dense training"
        if config.score != MAGNITUDE and config.compared_densities:
            lines["other score"] = (
                f"{config.score}, scope {own_scope(config.score)}, on {config.calibration_windows} training windows, "
                "evenly spaced; weights that it says nothing about are cut to the same density by magnitude"
            )
        if config.two_of_four or config.structured_densities:
            lines["2:4 and structured"] = (
                "2 of each 4 along the input by magnitude; widths narrowed together by group L2 importance, solved for "
                "the share of all parameters; trained on as above"
            )
        return lines

    def _comparisons(self, steps: Iterable[Step]) -> pd.DataFrame:
        """Every pair of ``compared`` that was run, over the seeds with a result on both sides."""
        arms: dict[tuple, dict[int, Step]] = {}
        for step in steps:
            p = self.rows[step.key]["protocol"]
            place = (p["model"], p["pred_len"], p.get("structure"), p["density_asked"], _arm(step))
            arms.setdefault(place, {})[p["seed"]] = step
        records = []
        for (model, pred_len, structure, density, arm), ours in arms.items():
            for against in (other for one, other in compared(self.config.score) if one == arm):
                dense = against == "dense longer"
                place = (model, pred_len, "unstructured" if dense else structure, 1.0 if dense else density, against)
                others = arms.get(place)
                if others is None:
                    continue
                head = {"model": model, "pred_len": pred_len, "structure": structure, "density_asked": density}
                numbers = self.difference(ours.values(), [others[seed] for seed in ours])
                records.append(head | {"arm": arm, "against": against} | numbers)
        return pd.DataFrame(records, columns=[*COMPARISONS, "windows"])

    def _history(self, steps: Iterable[Step]) -> pd.DataFrame:
        """A row per epoch of every arm that trains on; ``mse_relative`` is to the dense model of the same seed."""
        dense = {step.key: self.rows[step.key]["result"].get("mse") for step in self.base.dense}
        records = [
            {
                **{name: self.rows[step.key]["protocol"][name] for name in HISTORY if name != "arm"},
                "arm": step.arm,
                **record,
                "mse_relative": record["test_mse"] / dense[step.trained.key],
            }
            for step in steps
            if isinstance(step, FineTuneStep | TunePrunedStep)
            for record in self.rows[step.key]["detail"].get("history", ())
            if record["test_mse"] is not None and dense[step.trained.key]
        ]
        return pd.DataFrame(records, columns=[*HISTORY, "stage", "epoch", "val_mse", "test_mse", "mse_relative"])


def _arm(step: Step) -> str:
    if isinstance(step, FineTuneStep | TunePrunedStep):
        return step.arm
    if isinstance(step, PruneStep | SecondOrderStep):
        return by_score("pruned", step.columns()["method"])
    return "dense" if isinstance(step, TrainStep) else "pruned"
