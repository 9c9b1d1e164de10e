"""Study 05: does the loss find the sparsity by itself, and what does each of PALS's mechanisms contribute?"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import combinations

import pandas as pd

from tsprune.engine.step import Step
from tsprune.pruners.methods import make_method
from tsprune.pruners.pals import PALS
from tsprune.report.text import density_labels
from tsprune.steps.sparse import SIGNALS, SparseTrainStep
from tsprune.steps.train import TrainStep
from tsprune.study.base.cells import SAME, Cells, difference_columns, of_dense, relative_to_dense
from tsprune.study.base.ended import sparsities_counted
from tsprune.study.base.published_sparsity import published_sparsities
from tsprune.study.pals.arms import (
    Arm,
    control,
    control_arms,
    equal_arms,
    planned_arms,
    search_labels,
    searched_arms,
    settles_in,
    whole_steps,
)
from tsprune.study.pals.config import SparseTraining
from tsprune.study.pals.published import published_horizons
from tsprune.study.pals.result import (
    CODE,
    COMPARISONS,
    PAPER,
    PUBLISHED,
    SEARCHED,
    TOLD,
    SparseTrainingResult,
    dense_from,
    wholly_searched,
)


class PalsCells(Cells[SparseTraining, SparseTrainingResult]):
    """PALS as in the paper and as in its code, its rivals, its mechanisms one by one, each on every dense recipe."""

    def steps(self) -> Iterable[Step]:
        return tuple(step for arm in self.planned for step in arm.steps)

    def then(self) -> Iterable[Step]:
        """Rivals at the density that PALS reached, and dense trainings that choose among the same last epochs as late
        rivals."""
        return tuple(step for arm in self.later for step in arm.steps)

    @cached_property
    def planned(self) -> tuple[Arm, ...]:
        return planned_arms(self.config, self.base.dense)

    @cached_property
    def later(self) -> tuple[Arm, ...]:
        """Steps that depend on the results of the planned arms."""
        equal = equal_arms(self.config, self.planned[0], self.rows)
        searched = searched_arms(self.config, self.planned, self.rows)
        return (*control_arms((*self.planned, *equal), self.rows), *searched, *equal)

    @property
    def arms(self) -> tuple[Arm, ...]:
        return (*self.planned, *self.later)

    def gather(self) -> SparseTrainingResult:
        cells = self._cells()
        common = self.common(cells)
        common["protocol"] |= self._protocol()
        alone = _why_alone(self.base.table.name, self.config.pred_lens)
        return SparseTrainingResult(
            **common,
            updates=self._updates(),
            agreement=self._agreement(),
            comparisons=self._comparisons(),
            horizons=horizons(cells),
            counts=_counts(cells, CODE),
            counts_searched=_counts(cells, SEARCHED) if wholly_searched(cells) else {},
            published_counts={} if alone else PUBLISHED,
            counts_alone=alone,
        )

    def _protocol(self) -> dict[str, str]:
        """What this study adds to the protocol, as readable lines."""
        config = self.config
        return {
            "sparse training": f"from the start, updates every {config.every} steps, the dense recipe and epochs for "
            "all; the best epoch by validation MSE counts, for methods with a schedule once they have reached their "
            "density",
            "PALS": f"gamma {config.gamma:g}, lambda {config.lam:g}, one setting for all; signal: {config.signal}"
            + (" of the validation windows" if config.signal == "subset" else ""),
            **({"PALS, searched": self._search()} if config.search else {}),
            **({"rivals": self._rivals()} if config.rivals else {}),
            "multiply-adds": "if zeros were skipped; of training: three forward passes' worth per window; gradients of "
            "all weights where the optimiser of PALS or an update reads them; validation signals at their density",
        }

    def _search(self) -> str:
        gammas, lams = (", ".join(f"{v:g}" for v in values) for values in (self.config.gammas, self.config.lams))
        return (
            f"per model the pair of gamma ({gammas}) and lambda ({lams}) of the lowest validation MSE, mean over the "
            "seeds; charged with what all pairs cost"
        )

    def _rivals(self) -> str:
        config = self.config
        densities = ["densities " + ", ".join(density_labels(config.densities).values())] if config.densities else []
        densities += ["the density of PALS of the same model and seed"] if config.at_pals_density else []
        return (
            f"{', '.join(config.rivals)} at {' and '.join(densities)}; every other choice as published, but for the "
            "interval between updates, which is the same for all"
        )

    def _cells(self) -> pd.DataFrame:
        """A row per arm, model, horizon and seed, dense ones first."""
        frames = []
        for arm in (Arm("dense", "dense", self.base.dense, "dense"), *self.arms):
            steps = arm.steps
            frame = self.frame(steps)
            for name in ("training_macs_if_zeros_skipped", "training_macs_dense"):
                frame[name] = [self.rows[step.key]["result"].get(name) for step in steps]
            for name in ("seconds_per_epoch", "peak_memory_mib"):
                frame[name] = [self.rows[step.key]["cost"].get(name) for step in steps]
            methods = [make_method(step.method, **step.fields) for step in steps if isinstance(step, SparseTrainStep)]
            for column, name in {"every": "every", "gamma": "gamma", "lam": "lam", "cap": "max_sparsity"}.items():
                frame[column] = [getattr(method, name, None) for method in methods] or None
                frame[column] = frame[column].astype(float)
            frame["epochs_from"] = [self._first_epoch(step) for step in steps]
            frames.append(frame.assign(arm=arm.label, group=arm.group, method=arm.method, runs=1))
        cells = pd.concat(frames, ignore_index=True)
        dense = cells[cells["group"] == "dense"]
        cells["mse_relative"] = relative_to_dense(cells, dense)
        cells["mae_relative"] = cells["mae"] / of_dense("mae", cells, dense)
        seconds = of_dense("seconds_per_epoch", cells, dense).astype(float)
        cells["time_share"] = cells["seconds_per_epoch"].astype(float) / seconds
        cells["macs_share"] = cells["macs_if_zeros_skipped"].fillna(cells["macs_executed"]) / cells["macs_executed"]
        trained = cells["training_macs_if_zeros_skipped"].astype(float) / cells["training_macs_dense"].astype(float)
        cells["training_macs_share"] = trained.fillna(1.0).where(cells["status"] == "ok")
        return self._charged(cells)

    def _first_epoch(self, step: TrainStep | SparseTrainStep) -> int | None:
        return settles_in(step, self.rows) if isinstance(step, SparseTrainStep) else 1

    def _charged(self, cells: pd.DataFrame) -> pd.DataFrame:
        """A search costs what all its runs cost, those of the same seed; one without a result is left out."""
        searched = cells["arm"] == SEARCHED
        tried = cells[cells["arm"].isin(search_labels(self.config)) & (cells["status"] == "ok")]
        by_seed = tried.groupby(SAME)
        costs = by_seed[["training_macs_share", "time_share"]].sum().assign(runs=by_seed.size())
        own = costs.reindex(pd.MultiIndex.from_frame(cells.loc[searched, SAME]))
        for name in costs:
            cells.loc[searched, name] = own[name].to_numpy()
        return cells

    def _updates(self) -> pd.DataFrame:
        """A row per update of every PALS cell that finished: step, decision, loss, sparsity before and after, also as
        PALS counts it."""
        records = []
        for arm in (*self.planned, *(arm for arm in self.later if arm.group == "search")):
            for step in arm.steps if arm.group != "rival" else ():
                row, made = self.rows[step.key], self._made(step)
                for update, counted in zip(made, sparsities_counted(made), strict=True):
                    names = ("step", "decision", "sparsity_before", "sparsity", "loss", "best_loss", "best_sparsity")
                    records.append(
                        {name: row["protocol"][name] for name in ("dataset", "model", "pred_len", "seed")}
                        | {"arm": arm.label, "group": arm.group}
                        | {name: update[name] for name in names}
                        | {"sparsity_counted": counted}
                        | {"removed": sum(update["removed"]), "grown": sum(update["grown"])}
                    )
        return pd.DataFrame(records)

    def _made(self, step: Step) -> Sequence[dict]:
        """The updates of a training that finished; of one that diverged a loss may be no number."""
        return self.rows[step.key]["detail"].get("updates", ()) if self.ok(step) else ()

    def _agreement(self) -> pd.DataFrame:
        """Per cell whose signal was the whole validation set: share of its decisions that another signal shares, each
        signal with its own best so far, at the sparsities that were reached."""
        records = []
        for step in whole_steps(self.config, self.planned):
            row, method = self.rows[step.key], PALS.parse(step.fields)
            head = {name: row["protocol"][name] for name in SAME}
            updates = self._made(step)
            for signal in SIGNALS if updates else ():
                share = _share_alike(method, updates, signal)
                records.append(head | {"signal": signal, "agreement": share, "updates": len(updates)})
        return pd.DataFrame(records, columns=[*SAME, "signal", "agreement", "updates"])

    def _comparisons(self) -> pd.DataFrame:
        """A row per model, horizon and pair of arms: test MSE of ``arm`` over that of ``against``, less one."""
        records = []
        for arm, steps, against, others in self._pairs():
            by_dense = {_trained(step).key: step for step in others}
            for model, pred_len in dict.fromkeys(_cell(step) for step in steps):
                own = [s for s in steps if _cell(s) == (model, pred_len) and _trained(s).key in by_dense]
                if not own:
                    continue
                found = self.compare(own, [by_dense[_trained(step).key] for step in own])
                if found is not None:
                    head = {"model": model, "pred_len": pred_len, "arm": arm, "against": against}
                    records.append(head | difference_columns(found))
        return pd.DataFrame(records, columns=COMPARISONS)

    def _pairs(self) -> Iterable[tuple[str, Sequence[Step], str, Sequence[Step]]]:
        """What is compared, see :class:`SparseTrainingResult`."""
        ours, dense = self.planned[0], self.base.dense
        rivals = [arm for arm in self.arms if arm.group in TOLD]
        yield ours.label, ours.steps, "dense", dense
        for other in self.arms:
            if other.label == PAPER or other in rivals:
                yield ours.label, ours.steps, other.label, other.steps
            elif other.group in ("signal", "ablation", "sensitivity", "search"):
                yield other.label, other.steps, ours.label, ours.steps
            if other.group in ("search", "control"):
                yield other.label, other.steps, "dense", dense
        for rival in rivals:
            yield rival.label, rival.steps, "dense", dense
            late: dict[int, list[SparseTrainStep]] = {}
            for step in rival.steps:
                if (epoch := settles_in(step, self.rows)) is not None and epoch > 1:
                    late.setdefault(epoch, []).append(step)
            for epoch, steps in late.items():
                yield rival.label, steps, dense_from(epoch), [control(step.dense, epoch) for step in steps]
        for one, other in combinations([arm for arm in rivals if arm.group == "equal"], 2):
            yield one.label, one.steps, other.label, other.steps


def horizons(cells: pd.DataFrame) -> pd.DataFrame:
    """Final sparsity (mean over seeds) of both variants of PALS and of its search per model and horizon, beside the
    published one."""
    ours = cells[cells["group"].isin(["PALS", "search"]) & (cells["status"] == "ok")]
    by = ["dataset", "model", "pred_len"]
    mean = 1 - ours.pivot_table(index=by, columns="arm", values="density", sort=False)
    names = {CODE: "sparsity_code", PAPER: "sparsity_paper", SEARCHED: "sparsity_searched"}
    table = mean.reindex(columns=list(names)).rename(columns=names).reset_index().rename_axis(columns=None)
    return table.merge(published_sparsities(), on=by, how="left")


def _share_alike(method: PALS, updates: Sequence[dict], signal: str) -> float:
    """Share of the decisions in ``updates`` that ``method`` would have taken by ``signal``, which has a best of its own
    so far, at the sparsities that were reached."""
    best_loss, best_sparsity, same = float("inf"), 1 - method.density, 0
    for update in updates:
        loss, now = update["losses"][signal], update["counted"]
        same += method.decide(loss, now, best_loss, best_sparsity) == update["decision"]
        if loss < best_loss:
            best_loss, best_sparsity = loss, now
    return same / len(updates)


def _trained(step: TrainStep | SparseTrainStep) -> TrainStep:
    """The dense training that a step is, or is held against."""
    return step if isinstance(step, TrainStep) else step.dense


def _cell(step: TrainStep | SparseTrainStep) -> tuple[str, int]:
    """Model and horizon."""
    return _trained(step).model, _trained(step).data.pred_len


def _counts(cells: pd.DataFrame, arm: str) -> dict[str, float]:
    """Models that are better with this ``arm`` than dense, errors averaged over horizons and seeds; mean reductions."""
    ours = cells[(cells["arm"] == arm) & (cells["status"] == "ok")]
    ours = ours.assign(dense_mse=ours["mse"] / ours["mse_relative"], dense_mae=ours["mae"] / ours["mae_relative"])
    numbers = ["mse", "mae", "dense_mse", "dense_mae", "density_all", "macs_share"]
    mean = ours.groupby("model", sort=False)[numbers].mean()
    return {
        "cells": len(mean),
        "better_mse": int((mean["mse"] < mean["dense_mse"]).sum()),
        "better_mae": int((mean["mae"] < mean["dense_mae"]).sum()),
        "parameters": 1 - float(mean["density_all"].mean()),
        "macs": 1 - float(mean["macs_share"].mean()),
    }


def _why_alone(dataset: str, pred_lens: Sequence[int]) -> str:
    """Why the paper's counts, whose cells are averages over four horizons, do not stand beside ours; else empty."""
    theirs = published_horizons(dataset)
    if set(pred_lens) == set(theirs):
        return ""
    return (
        "The paper counts a model on a dataset once, its errors averaged over horizons "
        f"{', '.join(map(str, theirs))}; this run has {', '.join(map(str, pred_lens))}, so the paper's counts do not "
        "stand beside these. The page of claims sets shares of cases, whatever their horizons, against the paper's."
    )
