"""Study 01: how far can a forecaster be pruned without retraining? From a config to tidy tables."""

from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

import pandas as pd

from tsprune.engine.step import NOT_RUN, Step
from tsprune.steps.latency import LatencyStep
from tsprune.steps.narrow import DepGraphStep, StructuredStep
from tsprune.steps.prune import NMStep, PruneStep
from tsprune.steps.train import TrainStep
from tsprune.study.base.cells import Cells, of_dense, relative_to_dense
from tsprune.study.base.shared import Base, models_to_narrow
from tsprune.study.pruning_sweep.config import PruningSweep
from tsprune.study.pruning_sweep.ending import ToTheEnd
from tsprune.study.pruning_sweep.result import CHANNELS, TOLERANCES, SweepResult
from tsprune.study.pruning_sweep.scored import ByAuthors, ByScore
from tsprune.study.why.cells import WhyCells
from tsprune.study.why.look_backs import APART, MODEL, apart_lines, dense_base

Structure = NMStep | StructuredStep | DepGraphStep


class PruningSweepCells(Cells[PruningSweep, SweepResult]):
    """Every dense model pruned every way; the steps of :class:`tsprune.study.why.cells.WhyCells` are run along."""

    @cached_property
    def base(self) -> Base:
        return dense_base(self.config, self.tables)

    @cached_property
    def pruned(self) -> tuple[PruneStep, ...]:
        """A step per dense model, scope and density below 1."""
        return tuple(
            PruneStep(trained=trained, scope=scope, density=density)
            for trained in self.base.dense
            for scope in self.config.scopes
            for density in sorted(self.config.densities, reverse=True)
            if density < 1
        )

    @cached_property
    def structures(self) -> tuple[Structure, ...]:
        """2:4, structured pruning and a ratio of channels, for every dense model that has widths to narrow (DLinear
        has none)."""
        steps: list[Structure] = []
        for trained in self.base.dense:
            if self.config.two_of_four:
                steps.append(NMStep(trained=trained))
            if trained.model in self.narrow:
                for kind in (StructuredStep, DepGraphStep) if self.config.depgraph_paper else (StructuredStep,):
                    steps += [
                        kind(trained=trained, density=density)
                        for density in sorted(self.config.structured_densities, reverse=True)
                    ]
        return tuple(steps)

    @cached_property
    def narrow(self) -> set[str]:
        return models_to_narrow(self.base)

    @cached_property
    def timed(self) -> tuple[LatencyStep, ...]:
        """Per horizon and model, first seed: dense, masked at the lowest density (zeros in place), 2:4, structured."""
        config = self.config
        if not config.latency_repeats:
            return ()
        lowest = min(config.densities)
        timed = [s for s in self.pruned if s.density == lowest and s.scope == config.scopes[0]]
        timed += [s for s in self.structures if not isinstance(s, DepGraphStep)]
        by_dense: dict[str, list[Step]] = defaultdict(list)
        for step in timed:
            by_dense[step.trained.key].append(step)
        steps = []
        for trained in self.base.dense:
            if trained.seed == config.seeds[0]:
                variants = (trained, *by_dense[trained.key])
                steps.append(LatencyStep(name=trained.model, of=variants, repeats=config.latency_repeats))
        return tuple(step for step in steps if len(step.of) > 1)

    @cached_property
    def by_score(self) -> ByScore:
        return ByScore(self)

    @cached_property
    def by_authors(self) -> ByAuthors:
        return ByAuthors(self)

    @cached_property
    def to_the_end(self) -> ToTheEnd:
        return ToTheEnd(self)

    def steps(self) -> Iterable[Step]:
        scored = (way.step for way in self.by_score.ways)
        authors = (*self.by_authors.steps, *self.to_the_end.steps)
        return (*self.pruned, *self.structures, *scored, *authors, *self.timed)

    def beside(self) -> Iterable[Step]:
        return WhyCells(self.config, tables=self.tables).plan()

    def gather(self) -> SweepResult:
        cells = self._cells()
        structures = self._structures(cells)
        common = self.common(cells)
        common["protocol"] |= self._protocol()
        if self.config.crossformer_own and (apart := apart_lines(self.base.dense)):
            common["protocol"] |= apart
            common["size"] += f" {APART}"
            common["published"] = common["published"][common["published"]["model"] != MODEL]
        return SweepResult(
            **common,
            layers=self._layers(),
            limits=pruning_limits(cells),
            structures=structures,
            scores=self.by_score.scores(),
            gains=self.by_score.gains(),
            authors=self.by_authors.table(),
            ends=self.to_the_end.table(),
            latency=self._latency(structures),
        )

    def _protocol(self) -> dict[str, str]:
        """What this study adds to the protocol, as readable lines."""
        lines = {
            "pruning": "one-shot magnitude, unstructured, no retraining; every weight tensor of two or more dimensions"
        }
        if self.structures:
            unable = sorted(set(self.config.models) - self.narrow)
            lines["2:4 and structured"] = (
                "one-shot magnitude, 2 of each 4 along the input; widths narrowed together by group L2 importance, one "
                "ranking over the model, solved for the share of parameters"
                + (f"; nothing to narrow in {', '.join(unable)}" if unable else "")
            )
        if any(isinstance(step, DepGraphStep) for step in self.structures):
            lines[CHANNELS] = (
                "pruning_ratio = 1 - density, group L2 importance, each layer alike; a share of channels, not of "
                "parameters"
            )
        if self.by_score.ways:
            config = self.config
            lines["other scores"] = (
                f"{', '.join(config.scores)}; ranked where their papers rank them, on {config.calibration_windows} "
                "training windows, evenly spaced; weights that a score says nothing about are cut to the same density "
                "by magnitude; gains by paired block bootstrap over seeds and test windows"
            )
        if self.by_authors.dense or self.to_the_end.dense:
            lines["first paper's protocol"] = (
                "one ranking over linear maps and convolutions, outputs 1 or 7 wide left out; FEDformer with 64 modes "
                "and a moving average of 24 steps"
            )
        if self.to_the_end.dense:
            lines["first paper's protocol, structured"] = (
                "torch-pruning, magnitude (L2), one ranking over the model, pruning_ratio 1.0 in "
                f"{self.config.authors_steps} steps, tested after each; outputs and projections into Fourier weights "
                "left out"
            )
        return lines

    def _cells(self) -> pd.DataFrame:
        """A row per model, horizon, seed, scope and density; dense stands once per scope, at density 1."""
        dense = self.frame(self.base.dense)
        dense = dense.assign(structure="unstructured", density_live=1.0).drop(columns="scope")
        dense = dense.merge(pd.DataFrame({"scope": self.config.scopes}), how="cross")
        frames = [dense, *([self.frame(self.pruned)] if self.pruned else [])]
        cells = pd.concat(frames, ignore_index=True)
        cells["mse_relative"] = relative_to_dense(cells, dense)
        order = ["model", "pred_len", "seed", "scope", "density_asked"]
        ranked = cells.assign(model=pd.Categorical(cells["model"], self.config.models, ordered=True))
        index = ranked.sort_values(order, ascending=[True, True, True, True, False]).index
        return cells.loc[index].reset_index(drop=True)

    def _structures(self, cells: pd.DataFrame) -> pd.DataFrame:
        """``cells`` and the other structures in one table, with the multiply-adds as a share of the dense model's.

        ``macs_share``: executed for structured, if zeros were skipped for masks (which no dense kernel does).
        """
        extra = self.frame(self.structures) if self.structures else cells.iloc[:0].drop(columns="mse_relative")
        dense = cells[cells["method"] == "dense"]
        extra["mse_relative"] = relative_to_dense(extra, dense)
        table = pd.concat([cells, extra], ignore_index=True) if len(extra) else cells.copy()
        cost = table["macs_if_zeros_skipped"].fillna(table["macs_executed"])
        table["macs_share"] = cost / of_dense("macs_executed", table, dense)
        return table

    def _latency(self, structures: pd.DataFrame) -> pd.DataFrame:
        """What was timed, with the columns that name the variant and its share of multiply-adds."""
        names = ["model", "pred_len", "seed", "method", "structure", "scope", "density_asked"]
        shares = structures.set_index(names)["macs_share"]
        records = []
        for step in self.timed:
            row = self.rows[step.key]
            state = {"status": row["status"], "reason": row["reason"]}
            order = [variant.key for variant in step.of]
            for record in sorted(row["detail"].get("latency", ()), key=lambda record: order.index(record["key"])):
                head = {name: self.rows[record["key"]]["protocol"].get(name) for name in names}
                share = 1.0 if head["method"] == "dense" else shares[tuple(head[name] for name in shares.index.names)]
                records.append(head | record | {"macs_share": share} | state)
            if row["status"] != "ok":
                records.append(self.rows[step.of[0].key]["protocol"] | state)
        timing = ["batch", "threads", "device", "repeats", "median_ms", "p5_ms", "p95_ms"]
        speedups = ["speedup", "speedup_p5", "speedup_p95", "load", "trouble"]
        return pd.DataFrame(records, columns=[*names, "macs_share", *timing, *speedups, "status", "reason"])

    def _layers(self) -> pd.DataFrame:
        """A row per cell and prunable tensor, dense included."""
        columns = ["model", "pred_len", "seed", "scope", "density_asked", "layer", "layer_density", "weights"]
        records = []
        for step in (*self.base.dense, *self.pruned):
            row = self.rows[step.key]
            for scope in self.config.scopes if isinstance(step, TrainStep) else [step.scope]:
                records += [row["protocol"] | {"scope": scope} | layer for layer in row["detail"].get("layers", ())]
        return pd.DataFrame(records, columns=columns)


def pruning_limits(cells: pd.DataFrame) -> pd.DataFrame:
    """Per model, horizon, scope and tolerance: the lowest density up to which the MSE stays within it.

    For one seed a density counts when it and every higher density of the grid keep ``MSE <= (1 + tolerance) * dense
    MSE``; a failed cell ends the range, nothing is claimed beyond it. One that has not run, reached before the range
    has ended, leaves the range of that seed unknown. ``density`` is the mean over the ``known`` of the ``seeds``,
    ``limit_low`` and ``limit_high`` the lowest and highest of them; NaN where none is known or a dense training failed.
    """
    records = []
    for (model, pred_len, scope), group in cells.groupby(["model", "pred_len", "scope"], sort=False):
        seeds = [own.sort_values("density_asked", ascending=False) for _, own in group.groupby("seed")]
        for tolerance in TOLERANCES:
            found = [_lowest_within(own, tolerance) for own in seeds]
            reached = pd.Series([density for density in found if density is not None], dtype=float)
            density = reached.mean(skipna=False)
            records.append(
                {
                    "model": model,
                    "pred_len": pred_len,
                    "scope": scope,
                    "tolerance": tolerance,
                    "density": density,
                    "sparsity": 1 - density,
                    "limit_low": reached.min(skipna=False),
                    "limit_high": reached.max(skipna=False),
                    "known": len(reached),
                    "seeds": len(seeds),
                }
            )
    return pd.DataFrame(records)


def _lowest_within(seed: pd.DataFrame, tolerance: float) -> float | None:
    """``seed`` has a row per density, falling; NaN where its dense training failed, None where the range has not run
    to its end."""
    reached = float("nan")
    for density, relative, status in seed[["density_asked", "mse_relative", "status"]].itertuples(index=False):
        if status == NOT_RUN:
            return None
        if not relative <= 1 + tolerance:
            break
        reached = density
    return reached
