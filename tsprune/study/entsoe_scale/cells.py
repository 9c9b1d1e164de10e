"""Study 04: does more data need a bigger model, and does pruning change the answer? From a config to tidy tables."""

import math
from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
import pandas as pd

from tsprune.data import Splits
from tsprune.engine.step import Step
from tsprune.report.cases import of_case
from tsprune.report.text import counted, percent
from tsprune.steps.artifacts import load_scores
from tsprune.steps.train import TrainStep
from tsprune.steps.week import WeekStep, week_frame
from tsprune.study.base.cells import Cells, difference_columns
from tsprune.study.base.shared import Base, base_steps, further_bases
from tsprune.study.entsoe_scale.chosen import by_seed, tells_apart
from tsprune.study.entsoe_scale.config import EntsoeScale
from tsprune.study.entsoe_scale.forecasts import (
    LastWeek,
    last_week,
    mean_load,
    steps_of_week,
    typical_columns,
)
from tsprune.study.entsoe_scale.groups import Group, dense_steps, scale_groups, shares
from tsprune.study.entsoe_scale.result import LAST_WEEK, SCALING, SEASONAL, STRUCTURES, WIDTHS, ScaleResult

_ARMS = {"train": "dense", "prune": "pruned", "structured": "pruned"}


class EntsoeScaleCells(Cells[EntsoeScale, ScaleResult]):
    """Dense models of every width on every share of the data, trained on; the widest pruned and trained on."""

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        return scale_groups(self.config, self.base)

    @cached_property
    def others(self) -> tuple[tuple[Base, ...], tuple[str, ...]]:
        """The other datasets, each once; a note per dataset that could not be had."""
        configs = (self.config.on(dataset) for dataset in self.config.more_datasets)
        return further_bases(self.base, (base_steps(config, self.tables) for config in configs))

    @cached_property
    def elsewhere(self) -> tuple[TrainStep, ...]:
        """Dense trainings of every width on every share of the other datasets."""
        return tuple(
            step
            for base in self.others[0]
            for spec in base.specs
            for model in self.config.models
            for fraction in shares(self.config)
            for seeds in dense_steps(self.config, spec, model, fraction).values()
            for step in seeds
        )

    def own(self) -> Iterator[Step]:
        """The steps on the study's own dataset."""
        return (step for group in self.groups for step in group.steps())

    def steps(self) -> Iterable[Step]:
        return (*self.own(), *self.elsewhere)

    @cached_property
    def splits(self) -> dict[int, Splits]:
        """By horizon, where the models are."""
        device = self.base.dense[0].train.device
        return {spec.pred_len: spec.splits(device) for spec in self.base.specs}

    def gather(self) -> ScaleResult:
        cells = self._cells()
        widths = self.widths(cells)
        reference = cells[cells["key"].isin({step.key for step in self.base.dense})]
        common = self.common(reference) | {"cells": self._with_lost_week(cells)}
        common["data_notes"] = (*self.data_notes(), *self.left_out(), *self.others[1])
        common["naive"] = pd.concat([common["naive"], *self.weekly_rows()], ignore_index=True)
        common["protocol"] |= self._protocol()
        return ScaleResult(
            **common,
            widths=widths,
            differences=self.differences(widths),
            countries=self.countries(),
            scaling=self.scaling(cells),
            week=self.week(),
        )

    def _with_lost_week(self, cells: pd.DataFrame) -> pd.DataFrame:
        """A week of forecasts that came to none is told where cells without a result are, with the size of its model:
        a hole would make decimals of whole numbers."""
        if not self.shown or self.ok(self.shown):
            return cells
        of = cells.loc[cells["key"] == self.shown.of.key, ["width", "windows_train"]].iloc[0]
        return pd.concat([cells, self.frame([self.shown]).assign(arm="week", **of)], ignore_index=True)

    def val(self, step: Step) -> float:
        """Validation MSE of the weights that were kept; NaN for a step that looks at no validation window."""
        row = self.rows[step.key]
        tried = [record["val_mse"] for record in row["detail"].get("history", ())]
        found = [value for value in tried if value is not None]
        return min(found) if row["status"] == "ok" and found else math.nan

    def _cells(self) -> pd.DataFrame:
        steps = tuple(self.own())
        cells = self.frame(steps)
        cells["key"] = [step.key for step in steps]
        cells["arm"] = [_ARMS.get(step.kind) or step.arm for step in steps]
        trained = [getattr(step, "trained", step) for step in steps]
        cells["width"] = [step.hyper["d_model"] for step in trained]
        cells["data_fraction"] = [step.fraction for step in trained]
        cells["windows_train"] = [self.windows(step.data.pred_len, step.fraction) for step in trained]
        size = {
            step.key: group.sizes[width]
            for group in self.groups
            for width in group.dense
            for step in group.dense[width]
        }
        cells["parameters_left"] = cells["density_all"] * [size[step.key] for step in trained]
        cells["val_mse"] = [self.val(step) for step in steps]
        naive = {step.data.pred_len: self.rows[step.key]["result"].get("mse") for step in self.naive}
        cells["mse_relative"] = cells["mse"] / cells["pred_len"].map(naive)
        return cells

    @property
    def naive(self) -> tuple[Step, ...]:
        """The seasonal naive forecast of each horizon."""
        return tuple(step for step in self.base.naive if step.model == "SeasonalNaive")

    def windows(self, pred_len: int, fraction: float) -> int:
        """Different training windows in the most recent share ``fraction``."""
        return max(1, round(fraction * len(self.splits[pred_len].train)))

    def left_out(self) -> Iterator[str]:
        """A line per horizon on the windows that touch a gap too long to be filled."""
        for pred_len, splits in self.splits.items():
            lost = splits.left_out
            parts = [
                f"{lost[name]:,} of {lost[name] + len(getattr(splits, name)):,} {words} windows"
                for name, words in (("train", "training"), ("val", "validation"), ("test", "test"))
            ]
            if any(lost.values()):
                yield f"left out at horizon {pred_len}, because they touch such a gap: {', '.join(parts)}"

    def widths(self, cells: pd.DataFrame) -> pd.DataFrame:
        """``ScaleResult.widths``."""
        dense = cells[cells["arm"] == "dense"]
        records = []
        for _, own in dense.groupby(["model", "pred_len", "data_fraction"], sort=False):
            done = own[own["status"] == "ok"]
            if done.empty:
                continue
            val = own.pivot(index="seed", columns="width", values="val_mse")
            whole = val.dropna().index
            # Else a width that came to nothing at a hard seed would win by the easy ones.
            fair = done[done["seed"].isin(whole)] if len(whole) else done
            means = fair.groupby("width", sort=False)[["val_mse", "mse"]].mean()
            best = means["val_mse"].idxmin()
            records.append(
                own.iloc[0][["model", "pred_len", "data_fraction", "windows_train"]].to_dict()
                | {"width": best, **means.loc[best].to_dict()}
                | {"told": tells_apart(val), "by_seed": by_seed(val), "seeds": len(whole)}
            )
        return pd.DataFrame(records, columns=[*WIDTHS, "val_mse"])

    def differences(self, widths: pd.DataFrame) -> pd.DataFrame:
        """``ScaleResult.differences``."""
        records = []
        for group in self.groups:
            for question, names, pair in self.questions(group, widths):
                records.append(
                    {
                        "model": group.model,
                        "pred_len": group.pred_len,
                        "data_fraction": group.fraction,
                        "windows_train": self.windows(group.pred_len, group.fraction),
                        "question": question,
                        "density": pair[0][0].protocol()["density_asked"],
                        "ours": names[0],
                        "others": names[1],
                        "share_ours": self.share(group, pair[0]),
                        "share_others": self.share(group, pair[1]),
                    }
                    | difference_columns(self.compare(*pair))
                )
        return pd.DataFrame(records)

    def share(self, group: Group, steps: tuple[Step, ...]) -> float:
        """Parameters that are left, over those of the widest dense model: mean over the seeds, NaN where one failed."""
        left = [self.rows[step.key]["result"].get("density_all", math.nan) for step in steps]
        trained = getattr(steps[0], "trained", steps[0])
        return float(np.mean(left)) * group.sizes[trained.hyper["d_model"]] / group.sizes[group.widest]

    def questions(self, group: Group, widths: pd.DataFrame) -> Iterator[tuple]:
        """What is compared within a group: the question, words for both sides, and their steps by seed."""
        wide, small = group.widest, group.smallest
        own = of_case(widths, group.model, group.pred_len)
        chosen = own.sort_values("windows_train")["width"].tolist()
        if chosen and chosen[0] != chosen[-1]:
            few, many = chosen[0], chosen[-1]
            yield "best", (f"d_model {many}", f"d_model {few}"), (group.dense[many], group.dense[few])
        yield "width", (f"d_model {wide}", f"d_model {small}"), (group.dense[wide], group.dense[small])
        for (structure, density), tuned in group.tuned.items():
            share = self.share(group, tuned)
            near = group.nearest(density if math.isnan(share) else share)
            names = f"d_model {wide}, {structure} {density:g}, fine-tuned", f"d_model {near}, trained as long"
            yield structure, names, (tuned, group.longer[near])

    @cached_property
    def weeks(self) -> dict[int, LastWeek]:
        """By horizon, the errors of what people in the field would forecast: the same time a week before. None of it
        where the data do not reach back so far."""
        steps, found = steps_of_week(self.base.table.dates), {}
        for naive in self.naive if steps else ():
            pred_len, count = naive.data.pred_len, self.rows[naive.key]["result"].get("windows_test")
            if (week := last_week(self.base.table.values, self.splits[pred_len].test, steps, count)) is not None:
                found[pred_len] = week
        return found

    def weekly_rows(self) -> Iterator[pd.DataFrame]:
        """The table ``naive``'s row of the value a week before, by horizon."""
        for pred_len, week in self.weeks.items():
            mse, mae = week.scaled(self.splits[pred_len].std)
            row = {"dataset": self.base.table.name, "pred_len": pred_len, "model": "LastWeek", "mse": mse, "mae": mae}
            yield pd.DataFrame([row | {"status": "ok", "reason": None}])

    def scaling(self, cells: pd.DataFrame) -> pd.DataFrame:
        """Dense trainings on the study's dataset, then on the others."""
        dense = cells.loc[cells["arm"] == "dense", list(SCALING)]
        if not self.elsewhere:
            return dense.reset_index(drop=True)
        others = self.frame(self.elsewhere)
        others["width"] = [step.hyper["d_model"] for step in self.elsewhere]
        others["data_fraction"] = [step.fraction for step in self.elsewhere]
        others["windows_train"] = [self.rows[step.key]["result"].get("windows_train") for step in self.elsewhere]
        return pd.concat([dense, others[list(SCALING)]], ignore_index=True)

    def countries(self) -> pd.DataFrame:
        """Errors by column of the naive forecasts and of :meth:`best`."""
        records = []
        for naive in self.naive:
            pred_len = naive.data.pred_len
            splits = self.splits[pred_len]
            load = mean_load(self.base.table.values, splits.test, self.rows[naive.key]["result"].get("windows_test"))
            found = []
            for kind, words, steps in [("naive", SEASONAL, (naive,)), *self.best(pred_len)]:
                if self.ok(*steps):
                    scaled = np.stack([load_scores(self.store, step.key)["column_mae"].numpy() for step in steps])
                    found.append((kind, words, scaled * splits.std))
            if pred_len in self.weeks:
                found.insert(1, ("week", LAST_WEEK, self.weeks[pred_len].mae[None]))
            for kind, words, mae in found:
                records.append(
                    pd.DataFrame(
                        {
                            "pred_len": pred_len,
                            "column": self.base.table.columns,
                            "load": load,
                            "kind": kind,
                            "forecaster": words,
                            "mae": mae.mean(0),
                            "percent": 100 * mae.mean(0) / load,
                            "percent_low": 100 * mae.min(0) / load,
                            "percent_high": 100 * mae.max(0) / load,
                        }
                    )
                )
        return pd.concat(records, ignore_index=True) if records else pd.DataFrame()

    def best(self, pred_len: int) -> list[tuple[str, str, tuple[Step, ...]]]:
        """Kind, words and steps of the dense model that is best by validation on all the data, trained as long as a
        pruned one where that came to a model, and of the best way to prune the widest of its kind to about the size of
        the smallest."""
        full = [group for group in self.groups if group.pred_len == pred_len and group.fraction == 1]
        dense = [(group, width) for group in full for width in group.dense if self.ok(*group.dense[width])]
        if not dense:
            return []
        group, width = min(dense, key=lambda choice: self.mean_val(choice[0].dense[choice[1]]))
        longer = self.ok(*group.longer[width])
        words = f"{group.model} {width}, dense{', trained as long' if longer else ''}"
        found = [("dense", words, group.longer[width] if longer else group.dense[width])]
        tuned = {s: group.tuned[s, group.density] for s in STRUCTURES if self.ok(*group.tuned[s, group.density])}
        if tuned:
            structure = min(tuned, key=lambda name: self.mean_val(tuned[name]))
            left = np.mean([self.rows[step.key]["result"]["density_all"] for step in tuned[structure]])
            words = f"{group.model} {group.widest}, {structure}, {100 * left:.0f} % kept, fine-tuned"
            found.append(("fine-tuned", words, tuned[structure]))
        return found

    def mean_val(self, steps: tuple[Step, ...]) -> float:
        return float(np.mean([self.val(step) for step in steps]))

    def then(self) -> tuple[Step, ...]:
        return (self.shown,) if self.shown else ()

    @cached_property
    def shown(self) -> WeekStep | None:
        """A week of the first horizon by the model that is best by validation among all that were trained to their
        end: dense, trained as long, or pruned and fine-tuned. None where there is none yet."""
        pred_len = self.config.pred_lens[0]
        steps = [step for group in self.groups if group.pred_len == pred_len for step in group.steps()]
        trained = [step for step in steps if not math.isnan(self.val(step))]
        if not trained:
            return None
        load = mean_load(self.base.table.values, self.splits[pred_len].test)
        return WeekStep(of=min(trained, key=self.val), columns=typical_columns(load))

    def week(self) -> pd.DataFrame:
        """The table of :attr:`shown`, with the model in words."""
        found = week_frame(self.rows[self.shown.key]) if self.shown else pd.DataFrame()
        if found.empty:
            return found
        best = self.shown.of
        start, told = getattr(best, "trained", best), best.protocol()
        pruned = f"{told.get('structure')} {told['density_asked']:g}, fine-tuned"
        how = {"dense": "dense", "dense longer": "dense, trained as long"}.get(told["method"], pruned)
        size = f"{start.model} {start.hyper['d_model']}, {how}"
        windows = self.windows(self.config.pred_lens[0], start.fraction)
        return found.assign(forecaster=f"{size} ({windows:,} training windows, seed {start.seed})")

    def _protocol(self) -> dict[str, str]:
        """What this study adds to the protocol, as readable lines."""
        config, pred_len = self.config, self.config.pred_lens[0]
        told = ", ".join(f"{self.windows(pred_len, fraction):,} ({percent(fraction)})" for fraction in shares(config))
        return {
            "training windows": f"{told}: the most recent ones; every share gets the same number of steps, that of "
            "an epoch over all of them; scaling, validation and test are those of the whole dataset",
            "widths": f"d_model {', '.join(map(str, sorted({*config.widths, config.d_model})))}, d_ff in proportion",
            "pruning": "the widest model of each share of the data to densities "
            f"{', '.join(map(str, config.densities))}: structured (share of all parameters; widths narrowed together "
            "by group L2 importance) and unstructured (share of the prunable weights; magnitude, each tensor cut "
            "alike)",
            "after pruning": f"{counted(config.fine_tune_epochs, 'epoch')} on the same windows, Adam "
            f"{config.fine_tune_learning_rate:g}, schedule {config.schedule}, no early stop; the best epoch by "
            "validation MSE counts, the start included; dense models get the same before they are compared with pruned "
            "ones",
            "nearest in size": "the dense model whose number of parameters is nearest to the pruned one's, by ratio",
            "intervals": "95 %, paired block bootstrap over test windows and seeds; a block is as long as a window",
        }
