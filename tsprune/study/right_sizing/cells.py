"""Study 03: prune a large model, distil it, or train a small one? From a config to tidy tables.

Every model is trained alike, for ``epochs`` and then for ``fine_tune_epochs`` more from its best epoch. The one
difference is what happens in between, a pruned model is narrowed there, or what is learned from: a distilled one sees
the large one's forecasts beside the truth.
"""

from collections.abc import Iterable
from functools import cached_property

import pandas as pd

from tsprune.engine.step import Step
from tsprune.report.text import counted
from tsprune.steps.data import DataSpec
from tsprune.steps.latency import LatencyStep
from tsprune.steps.tune import FineTuneStep, NarrowTuneStep
from tsprune.study.base.cells import Cells
from tsprune.study.right_sizing.config import RightSizing
from tsprune.study.right_sizing.result import (
    CHOICES,
    COMPARISON,
    COSTS,
    DIFFERENCE,
    DISTILLED,
    LARGEST,
    RIVALS,
    SLACK,
    TRAINING,
    WHOLE,
    RightSizingResult,
)
from tsprune.study.right_sizing.spent import spent
from tsprune.study.right_sizing.ways import Way, map_ways, size_ways


class RightSizingCells(Cells[RightSizing, RightSizingResult]):
    """Every way to a model of every size; then the latency of what came of it."""

    @cached_property
    def of_sizes(self) -> list[Way]:
        return size_ways(self.config, self.base)

    @cached_property
    def of_map(self) -> list[Way]:
        return map_ways(self.config, self.base)

    def steps(self) -> Iterable[Step]:
        steps = [step for way in (*self.of_sizes, *self.of_map) for step in way.steps]
        return (*(need for step in steps for need in step.needs), *steps)

    def then(self) -> Iterable[Step]:
        return self.timed

    @cached_property
    def timed(self) -> list[LatencyStep]:
        """One per model and horizon: every size, dense and pruned, by the first seed that has a model."""
        of: dict[tuple[DataSpec, str], list[Step]] = {}
        for way in self.of_sizes:
            done = [step for step in way.steps if self.ok(step)]
            if done and way.arm in ("dense", "pruned"):
                of.setdefault((way.data, way.model), []).append(done[0])
        return [
            LatencyStep(name=f"{model} {data.label}-{data.pred_len}", of=tuple(steps))
            for (data, model), steps in of.items()
        ]

    @cached_property
    def clocked(self) -> list[dict]:
        """A record per model and batch size that was timed."""
        return [record for step in self.timed for record in self.rows[step.key]["detail"].get("latency", ())]

    def gather(self) -> RightSizingResult:
        sizes = self._frame(self.of_sizes).join(self._latency()).join(self._training())
        data_map = self._frame(self.of_map)
        cells = pd.concat([sizes, data_map], ignore_index=True).drop_duplicates("key", ignore_index=True)
        if lost := [step for step in self.timed if not self.ok(step)]:
            cells = pd.concat([cells, self.frame(lost).assign(arm="latency")], ignore_index=True)
        common = self.common(cells)
        common["protocol"] |= self._protocol()
        return RightSizingResult(
            **common,
            sizes=sizes,
            comparison=self._comparison(sizes),
            distilled=self._distilled(sizes),
            data_map=data_map,
            choices=self._choices(data_map),
        )

    def _frame(self, ways: list[Way]) -> pd.DataFrame:
        """A row per way and seed; ``way`` is its number in ``ways``."""
        pairs = [(way, step) for way in ways for step in way.steps]
        frame = self.frame(step for _, step in pairs)
        frame["way"] = [number for number, way in enumerate(ways) for _ in way.steps]
        frame["key"] = [step.key for _, step in pairs]
        for name in ("arm", "width", "depth", "density", "fraction"):
            column = {"density": "density_asked", "fraction": "data_fraction"}.get(name, name)
            frame[column] = [getattr(way, name) for way, _ in pairs]
        frame["val_mse"] = [_validation(self.rows[step.key]) for _, step in pairs]
        for i, (_, step) in enumerate(pairs):
            if frame.at[i, "status"] != "ok":
                continue
            if isinstance(step, FineTuneStep):  # holds masks of ones: what it started from was counted
                frame.at[i, "macs_executed"] = self.rows[step.trained.key]["result"].get("macs_executed")
            if isinstance(step, NarrowTuneStep):  # a floor that the narrowing came to
                frame.at[i, "reason"] = self.rows[step.pruned.key]["reason"]
        return frame.astype({"parameters": float})

    def _latency(self) -> pd.DataFrame:
        """``latency_1_ms`` and ``latency_32_ms`` in the order of :meth:`_frame`. Training on changes no width, so what
        it starts from was timed; what seeds differ in, when pruned, is a few widths."""
        times = {(record["key"], record["batch"]): record["median_ms"] for record in self.clocked}
        found: dict[tuple, dict[str, float]] = {}
        for way in self.of_sizes:
            sizes = [{b: times[step.key, b] for b in (1, 32)} for step in way.steps if (step.key, 1) in times]
            if sizes:
                found[_built(way)] = {f"latency_{batch}_ms": ms for batch, ms in sizes[0].items()}
        values = [found.get(_built(way), {}) for way in self.of_sizes for _ in way.steps]
        return pd.DataFrame(values, columns=["latency_1_ms", "latency_32_ms"], dtype=float)

    def _training(self) -> pd.DataFrame:
        """TRAINING in the order of :meth:`_frame`."""
        found = [spent(step, self.rows) for way in self.of_sizes for step in way.steps]
        return pd.DataFrame(found, columns=TRAINING, dtype=float)

    def _means(self, sizes: pd.DataFrame) -> pd.DataFrame:
        """The COSTS and ``val_mse`` of each way: means over the seeds that came to a model."""
        done = sizes[sizes["status"] == "ok"].groupby("way")[[*COSTS, "val_mse"]].mean()
        return done.reindex(range(len(self.of_sizes)))

    def _rivals(self, way: Way) -> list[int]:
        """The dense models trained as long that ``way`` is set against, as numbers of ways; the large one first."""
        return [i for i, other in enumerate(self.of_sizes) if other.case == way.case and other.arm == "dense longer"]

    def _comparison(self, sizes: pd.DataFrame) -> pd.DataFrame:
        """See :class:`RightSizingResult`."""
        means = self._means(sizes)
        records = [
            self._matched(number, axis, means)
            for number, way in enumerate(self.of_sizes)
            if way.arm in ("pruned", "fine-tuned")
            for axis in (*COSTS, WHOLE)
        ]
        return pd.DataFrame(records, columns=[*COMPARISON, *LARGEST, *DIFFERENCE])

    def _matched(self, number: int, axis: str, means: pd.DataFrame) -> dict:
        """The way of that number beside the dense model it is set against on ``axis``."""
        ways, way = self.of_sizes, self.of_sizes[number]
        rivals, cost = self._rivals(way), means["parameters" if axis == WHOLE else axis]
        within = affordable(cost[number], cost[rivals])
        found = rivals[0] if axis == WHOLE else match(within, means["val_mse"])
        record = {"model": way.model, "pred_len": way.data.pred_len, "arm": way.arm}
        record |= {"width": way.width, "depth": way.depth, "axis": axis, "cost": cost[number]}
        if found is None:
            reason = "no dense model costs as little" if pd.notna(cost[number]) else "no model to compare"
            return record | {"clear": False, "seeds": 0, "reason": reason}
        other = ways[found]
        record |= {"match_width": other.width, "match_depth": other.depth, "match_cost": cost[found]}
        record |= self._paired(way, other)
        return record if axis == WHOLE else record | self._against_largest(way, ways[within.idxmax()])

    def _against_largest(self, way: Way, largest: Way) -> dict:
        """The columns LARGEST."""
        found = {"width": largest.width, "depth": largest.depth} | self._paired(way, largest)
        return {name: found.get(name.removeprefix("largest_")) for name in LARGEST}

    def _distilled(self, sizes: pd.DataFrame) -> pd.DataFrame:
        """See :class:`RightSizingResult`."""
        ways, means = self.of_sizes, self._means(sizes)
        records = []
        for number, way in enumerate(ways):
            if way.arm != "distilled":
                continue
            rivals, parameters = self._rivals(way), means["parameters"]
            best = match(affordable(parameters[number], parameters[rivals]), means["val_mse"])
            same = {other.arm: other for other in ways if other.size == way.size}
            against = {"alone": same["dense longer"], "affordable": None if best is None else ways[best]}
            against |= {"pruned": same["pruned"], "fine-tuned": same["fine-tuned"], WHOLE: ways[rivals[0]]}
            for rival in RIVALS:
                other = against[rival]
                record = {"model": way.model, "pred_len": way.data.pred_len, "width": way.width, "depth": way.depth}
                record["rival"] = rival
                if other is None:
                    record |= {"clear": False, "seeds": 0, "reason": "no model to compare"}
                else:
                    record |= {"match_width": other.width, "match_depth": other.depth} | self._paired(way, other)
                records.append(record)
        return pd.DataFrame(records, columns=[*DISTILLED, *DIFFERENCE])

    def _paired(self, ours: Way, other: Way) -> dict:
        """The difference over the seeds for which both came to a model."""
        found = self.difference(ours.steps, other.steps)
        return found if found["seeds"] else found | {"reason": "no seed with a result on both sides"}

    def _choices(self, data_map: pd.DataFrame) -> pd.DataFrame:
        """See :class:`RightSizingResult`. Chosen by the mean validation MSE over the seeds, never by a test error; a
        width and density with a seed that failed is not chosen."""
        ways = self.of_map
        means = data_map.groupby("way")[["val_mse", "mse", "parameters"]].agg(lambda values: values.mean(skipna=False))
        names = ["model", "pred_len", "data_fraction"]
        groups = pd.DataFrame([(*way.case, way.fraction) for way in ways], columns=names)
        eligible = means["val_mse"].where(means["mse"].notna()).dropna()
        best = eligible.groupby([groups[name] for name in names], sort=False).idxmin()
        at = {(*way.case, way.fraction, way.width, way.density): way for way in ways}
        records = []
        for (model, pred_len, fraction), number in best.items():
            chosen, record = ways[number], {"model": model, "pred_len": pred_len, "data_fraction": fraction}
            record |= {"width": chosen.width, "density_asked": chosen.density, **means.loc[number]}
            if (model, pred_len, 1.0) in best.index:
                full = ways[best[model, pred_len, 1.0]]
                record |= {"full_width": full.width, "full_density": full.density}
                record |= self._paired(chosen, at[model, pred_len, fraction, full.width, full.density])
            records.append(record)
        return pd.DataFrame(records, columns=[*CHOICES, "full_width", "full_density", *DIFFERENCE])

    def _protocol(self) -> dict[str, str]:
        """What only this study's numbers stand for, as readable lines. Times that scatter tell of a busy machine."""
        config = self.config
        scatter = [record["p95_ms"] / record["median_ms"] for record in self.clocked]
        scattered = f"; 95th percentile up to {max(scatter):.1f} times the median" if scatter else ""
        load = max((f" ({record['load']})" for record in self.clocked), default="")
        widths = ", ".join(map(str, sorted([*config.widths, config.d_model])))
        return {
            "sizes": f"d_model {widths}, encoder layers {', '.join(map(str, sorted(config.depths)))}; d_ff in "
            "proportion to d_model, as many heads",
            "equal training": "every model, dense or pruned: the training above, then "
            f"{counted(config.fine_tune_epochs, 'epoch')} more from its best epoch (Adam "
            f"{config.fine_tune_learning_rate:g}, schedule {config.schedule}, no early stop; best epoch by validation "
            "MSE, the start included); pruned models are narrowed in between",
            "pruning": f"d_model {config.d_model} x {config.e_layers} layers narrowed to the number of parameters of "
            "each smaller dense model of its depth: group L2 importance, one ranking over the model",
            "distillation": "every smaller dense model of the large one's depth again: the same initial weights, "
            f"batches and epochs, the loss {config.distill_weight:g} times the squared error to the forecasts of the "
            f"large one (trained as long) and {1 - config.distill_weight:g} times that to the truth",
            "at no more cost": "the dense model with the lowest validation MSE, mean over the seeds, among those that "
            f"cost at most {1 + SLACK:g} times as much as the pruned one; on each axis apart",
            "cost of training": "a window trained on counts as three forecasts, one that the teacher forecasts as one; "
            "seconds as they passed here, several trainings side by side",
            "difference": "mean test MSE of one over that of the other, less 1; 95 % interval of a paired bootstrap "
            f"over seeds and over blocks of {config.seq_len} + horizon windows; claimed where it leaves out 0, and "
            "never from one seed",
            "latency": "median of 30 to 60 calls, all sizes of a model in turn, 1 thread, first seed, nothing else of "
            f"the study running{load}{scattered}",
            "map": "the most recent share of the training windows, as many steps whatever the share; all seeds; the "
            "best choice by validation MSE",
        }


def _built(way: Way) -> tuple:
    """The same for ways whose models have the same widths."""
    return *way.size, way.density


def _validation(row: dict) -> float:
    """Best validation MSE of a training or of training on, whose start counts; NaN for a model that is not trained."""
    history = [record["val_mse"] for record in row["detail"].get("history", ())]
    return min((value for value in history if value is not None), default=float("nan"))


def affordable(cost: float, dense: pd.Series) -> pd.Series:
    """Those of the costs ``dense`` that are not above ``(1 + SLACK) * cost``."""
    return dense[dense <= (1 + SLACK) * cost]


def match(within: pd.Series, val_mse: pd.Series) -> object | None:
    """Label of the model with the lowest validation MSE among those :func:`affordable`; None where there is none."""
    return None if within.empty else val_mse[within.index].idxmin()
