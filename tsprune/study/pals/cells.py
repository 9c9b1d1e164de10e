"""Study 05: does the loss find the sparsity by itself, and what does each of PALS's mechanisms contribute?"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property

import pandas as pd

from tsprune.engine.step import Step
from tsprune.pruners.methods import make_method
from tsprune.pruners.pals import PALS
from tsprune.steps.sparse import SIGNALS, SparseTrainStep
from tsprune.steps.train import TrainStep
from tsprune.study.base.cells import Cells, relative_to_dense
from tsprune.study.pals.config import SparseTraining
from tsprune.study.pals.published import published_sparsities
from tsprune.study.pals.result import ABLATIONS, CODE, COMPARISONS, PAPER, PUBLISHED, SparseTrainingResult


@dataclass(frozen=True)
class Arm:
    """One way to train: a step per dense training."""

    label: str
    group: str  # "PALS", "rival", "signal", "ablation", "sensitivity"
    steps: tuple[SparseTrainStep, ...]


class PalsCells(Cells[SparseTraining, SparseTrainingResult]):
    """PALS as in the paper and as in its code, its rivals, its mechanisms one by one, each on every dense recipe."""

    def steps(self) -> Iterable[Step]:
        return tuple(step for arm in self.arms for step in arm.steps)

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """PALS as in its code and as in the paper, every rival at every density; for ``ablation_models`` also the
        ablations, and gamma, lambda and the interval between updates."""
        config = self.config
        found = [self._arm(CODE, "PALS", "pals", self._pals())]
        found.append(self._arm(PAPER, "PALS", "pals", {"gamma": config.gamma, "lam": config.lam}))
        for rival in config.rivals:
            for density in sorted(config.densities, reverse=True):
                found.append(self._arm(f"{rival} {density:.2g}", "rival", rival, {"density": density}))
        few = tuple(trained for trained in self.base.dense if trained.model in config.ablation_models)
        if few:
            found.append(self._arm("signal: whole validation set", "signal", "pals", self._pals(), few, "whole"))
            found += [
                self._arm(label, "ablation", "pals", self._pals(**switch), few) for label, switch in ABLATIONS.items()
            ]
            grid = [(f"gamma {gamma:g}, lambda {lam:g}", {"gamma": gamma, "lam": lam}) for gamma, lam in config.grid()]
            grid += [(f"every {every} steps", {"every": every}) for every in config.intervals if every != config.every]
            found += [self._arm(label, "sensitivity", "pals", self._pals(**switch), few) for label, switch in grid]
        return tuple(found)

    def _arm(
        self,
        label: str,
        group: str,
        method: str,
        fields: dict,
        trained: tuple[TrainStep, ...] | None = None,
        signal: str | None = None,
    ) -> Arm:
        own, words = {"every": self.config.every} | fields, label.removeprefix(method).strip()
        signal = signal or self.config.signal
        return Arm(
            label,
            group,
            tuple(
                SparseTrainStep(dense=dense, method=method, fields=own, signal=signal, words=words)
                for dense in trained or self.base.dense
            ),
        )

    def _pals(self, **switches) -> dict:
        """Fields of PALS as its code runs it, with ``switches`` on top."""
        method = PALS.variant("code", **{"gamma": self.config.gamma, "lam": self.config.lam} | switches)
        return method.model_dump(mode="json", exclude_unset=True)

    def gather(self) -> SparseTrainingResult:
        cells = self._cells()
        common = self.common(cells)
        common["protocol"] |= self._protocol()
        return SparseTrainingResult(
            **common,
            updates=self._updates(),
            agreement=self._agreement(),
            comparisons=self._comparisons(),
            horizons=horizons(cells),
            counts=_counts(cells),
            published_counts=PUBLISHED,
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
            "rivals": ", ".join(config.rivals) + " at densities " + ", ".join(f"{d:.2g}" for d in config.densities),
            "multiply-adds": "if zeros were skipped; of training: three forward passes' worth per window, updates and "
            "validation signals included",
        }

    def _cells(self) -> pd.DataFrame:
        """A row per arm, model, horizon and seed, dense ones first."""
        frames = []
        groups = [("dense", "dense", self.base.dense), *((arm.label, arm.group, arm.steps) for arm in self.arms)]
        for label, group, steps in groups:
            frame = self.frame(steps)
            for name in ("training_macs_if_zeros_skipped", "training_macs_dense"):
                frame[name] = [self.rows[step.key]["result"].get(name) for step in steps]
            frame["seconds_per_epoch"] = [self.rows[step.key]["cost"].get("seconds_per_epoch") for step in steps]
            methods = [make_method(step.method, **step.fields) for step in steps if isinstance(step, SparseTrainStep)]
            for column, name in {"every": "every", "gamma": "gamma", "lam": "lam", "cap": "max_sparsity"}.items():
                frame[column] = [getattr(method, name, None) for method in methods] or None
                frame[column] = frame[column].astype(float)
            frames.append(frame.assign(arm=label, group=group))
        cells = pd.concat(frames, ignore_index=True)
        dense = cells[cells["group"] == "dense"]
        cells["mse_relative"] = relative_to_dense(cells, dense)
        same = ["model", "pred_len", "seed"]
        own = dense.set_index(same).reindex(pd.MultiIndex.from_frame(cells[same]))
        cells["mae_relative"] = cells["mae"] / own["mae"].to_numpy()
        cells["time_share"] = (
            cells["seconds_per_epoch"].astype(float) / own["seconds_per_epoch"].astype(float).to_numpy()
        )
        cells["macs_share"] = cells["macs_if_zeros_skipped"].fillna(cells["macs_executed"]) / cells["macs_executed"]
        trained = cells["training_macs_if_zeros_skipped"].astype(float) / cells["training_macs_dense"].astype(float)
        cells["training_macs_share"] = trained.fillna(1.0).where(cells["status"] == "ok")
        return cells

    def _updates(self) -> pd.DataFrame:
        """A row per update of every PALS cell: step, share of the training, sparsity before and after, loss,
        decision."""
        records = []
        for arm in self.arms:
            for step in arm.steps if arm.group != "rival" else ():
                row = self.rows[step.key]
                for update in row["detail"].get("updates", ()):
                    names = ("step", "decision", "sparsity_before", "sparsity", "loss", "best_loss", "best_sparsity")
                    records.append(
                        {name: row["protocol"][name] for name in ("dataset", "model", "pred_len", "seed")}
                        | {"arm": arm.label, "group": arm.group}
                        | {name: update[name] for name in names}
                        | {"removed": sum(update["removed"]), "grown": sum(update["grown"])}
                    )
        return pd.DataFrame(records)

    def _agreement(self) -> pd.DataFrame:
        """Per cell whose signal was the whole validation set: share of its decisions that another signal shares, each
        signal with its own best so far, at the sparsities that were reached."""
        records = []
        for step in (step for arm in self.arms if arm.group == "signal" for step in arm.steps):
            row, method = self.rows[step.key], PALS.parse(step.fields)
            updates = row["detail"].get("updates", ())
            for signal in SIGNALS if updates else ():
                best_loss, best_sparsity, same = float("inf"), 1 - method.density, 0
                for update in updates:
                    loss, now = update["losses"][signal], update["counted"]
                    same += method.decide(loss, now, best_loss, best_sparsity) == update["decision"]
                    if loss < best_loss:
                        best_loss, best_sparsity = loss, now
                head = {name: row["protocol"][name] for name in ("model", "pred_len", "seed")}
                records.append(head | {"signal": signal, "agreement": same / len(updates), "updates": len(updates)})
        return pd.DataFrame(records, columns=["model", "pred_len", "seed", "signal", "agreement", "updates"])

    def _comparisons(self) -> pd.DataFrame:
        """A row per model, horizon and pair of arms: test MSE of ``arm`` over that of ``against``, less one."""
        ours, records = self.arms[0], []
        pairs = [((ours.label, ours.steps), ("dense", self.base.dense))]
        for other in self.arms[1:]:
            pair = (ours.label, ours.steps), (other.label, other.steps)
            pairs.append(pair if other.group in ("PALS", "rival") else pair[::-1])
        for (arm, steps), (against, others) in pairs:
            both = {_cell(step) for step in steps} & {_cell(step) for step in others}
            for model, pred_len in dict.fromkeys(_cell(step) for step in ours.steps if _cell(step) in both):
                sides = ([step for step in side if _cell(step) == (model, pred_len)] for side in (steps, others))
                found = self.compare(*sides)
                if found is not None:
                    records.append(
                        {"model": model, "pred_len": pred_len, "arm": arm, "against": against} | asdict(found)
                    )
                    records[-1]["clear"] = found.clear
        return pd.DataFrame(records, columns=COMPARISONS)


def horizons(cells: pd.DataFrame) -> pd.DataFrame:
    """Final sparsity (mean over seeds) of both variants of PALS per model and horizon, beside the published one."""
    ours = cells[(cells["group"] == "PALS") & (cells["status"] == "ok")]
    by = ["dataset", "model", "pred_len"]
    mean = 1 - ours.pivot_table(index=by, columns="arm", values="density", sort=False)
    names = {CODE: "sparsity_code", PAPER: "sparsity_paper"}
    table = mean.reindex(columns=list(names)).rename(columns=names).reset_index().rename_axis(columns=None)
    return table.merge(published_sparsities(), on=by, how="left")


def _cell(step: TrainStep | SparseTrainStep) -> tuple[str, int]:
    """Model and horizon."""
    trained = step if isinstance(step, TrainStep) else step.dense
    return trained.model, trained.data.pred_len


def _counts(cells: pd.DataFrame) -> dict[str, float]:
    """Cells (model x horizon, mean over seeds) in which PALS as in its code is better than dense; mean reductions."""
    ours = cells[(cells["arm"] == CODE) & (cells["status"] == "ok")]
    numbers = ["mse_relative", "mae_relative", "density_all", "macs_share"]
    mean = ours.groupby(["model", "pred_len"], sort=False)[numbers].mean()
    return {
        "cells": len(mean),
        "better_mse": int((mean["mse_relative"] < 1).sum()),
        "better_mae": int((mean["mae_relative"] < 1).sum()),
        "parameters": 1 - float(mean["density_all"].mean()),
        "macs": 1 - float(mean["macs_share"].mean()),
    }
