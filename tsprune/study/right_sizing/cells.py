"""Study 03: prune a large model, fine-tune it, or train a small one? From a config to tidy tables.

Every model is trained alike, for ``epochs`` and then for ``fine_tune_epochs`` more from its best epoch. The one
difference is what happens in between: a pruned model is narrowed there, a dense one is not.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass

import pandas as pd
import torch

from tsprune import measure
from tsprune.engine.progress import Progress
from tsprune.engine.step import Step
from tsprune.engine.store import Store
from tsprune.models import create_model
from tsprune.places import resolve
from tsprune.steps.compare import compare
from tsprune.steps.data import DataSpec
from tsprune.steps.latency import LatencyStep
from tsprune.steps.prune import StructuredStep
from tsprune.steps.train import TrainStep, train_step
from tsprune.steps.tune import FineTuneStep, NarrowTuneStep
from tsprune.study.base.cells import common_tables, run_steps
from tsprune.study.base.result import cell_columns
from tsprune.study.base.shared import Base, base_steps
from tsprune.study.right_sizing.config import RightSizing
from tsprune.study.right_sizing.result import COSTS, SLACK, WHOLE, RightSizingResult
from tsprune.training import TrainConfig


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
    steps: tuple[TrainStep | FineTuneStep | StructuredStep | NarrowTuneStep, ...]

    @property
    def case(self) -> tuple[str, int]:
        """Only ways of one model and horizon are compared."""
        return self.model, self.data.pred_len


def size_ways(config: RightSizing, base: Base) -> list[Way]:
    """Dense models of every width and depth, and the large one pruned to the size of each smaller one of its depth."""
    ways, smaller = [], sorted(config.widths, reverse=True)
    depths = [config.e_layers, *(depth for depth in config.depths if depth != config.e_layers)]
    for data in base.specs:
        for model in config.models:
            sizes = [(width, depth) for depth in depths for width in (config.d_model, *smaller)]
            dense = {size: _dense_ways(config, data, model, *size) for size in sizes}
            ways += [way for pair in dense.values() for way in pair]
            large = dense[config.d_model, config.e_layers][0]
            for width in smaller:
                small = dense[width, config.e_layers][0]
                ways += _pruned_ways(config, large, _parameters(small) / _parameters(large), width)
    return ways


def map_ways(config: RightSizing, base: Base) -> list[Way]:
    """Per share of the data: every width, dense and pruned to every density, each trained on. No arm in between."""
    ways = []
    for data in base.specs:
        for model in config.models:
            for fraction in sorted({*config.fractions, 1.0}):
                for width in sorted([*config.widths, config.d_model]):
                    dense, longer = _dense_ways(config, data, model, width, config.e_layers, fraction)
                    ways.append(longer)
                    for density in sorted(config.map_densities, reverse=True):
                        ways.append(_pruned_ways(config, dense, density, width)[1])
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
    with torch.device("meta"):
        return measure.count_parameters(create_model(dense.model, **dense.steps[0].hyper))


def run_right_sizing(
    config: RightSizing,
    *,
    make_executor: Callable[[], Executor] | None = None,
    progress: Progress | None = None,
) -> RightSizingResult:
    """Run what is missing and gather the tables. Raises :class:`tsprune.errors.UserError` before anything runs."""
    base = base_steps(config)
    of_sizes, of_map = size_ways(config, base), map_ways(config, base)
    steps = [step for way in (*of_sizes, *of_map) for step in way.steps]
    before = [need for step in steps for need in step.needs]
    steps = [*base.naive, *base.dense, *before, *steps]
    rows = run_steps(steps, config, make_executor, progress)
    timed = latency_steps(of_sizes, rows)
    rows = run_steps([*steps, *timed], config, make_executor, progress)
    sizes = _frame(of_sizes, rows).join(_latency(of_sizes, rows, timed))
    data_map = _frame(of_map, rows)
    cells = pd.concat([sizes, data_map], ignore_index=True).drop_duplicates("key", ignore_index=True)
    lost = [rows[step.key] for step in timed if rows[step.key]["status"] != "ok"]
    if lost:
        cells = pd.concat([cells, cell_columns(lost).assign(arm="latency")], ignore_index=True)
    store = Store(resolve(config.store))
    common = common_tables(base, rows, cells, config)
    common["protocol"] |= _protocol(config, _clocked(rows, timed))
    return RightSizingResult(
        **common,
        sizes=sizes,
        comparison=_comparison(of_sizes, sizes, rows, store),
        data_map=data_map,
        choices=_choices(of_map, data_map, rows, store),
    )


def latency_steps(ways: Iterable[Way], rows: dict[str, dict]) -> list[LatencyStep]:
    """One per model and horizon: every size, dense and pruned, by the first seed that came to a model."""
    of: dict[tuple[DataSpec, str], list[Step]] = {}
    for way in ways:
        done = [step for step in way.steps if rows[step.key]["status"] == "ok"]
        if done and way.arm in ("dense", "pruned"):
            of.setdefault((way.data, way.model), []).append(done[0])
    return [
        LatencyStep(name=f"{model} {data.label}-{data.pred_len}", of=tuple(steps))
        for (data, model), steps in of.items()
    ]


def _latency(ways: list[Way], rows: dict[str, dict], timed: list[LatencyStep]) -> pd.DataFrame:
    """``latency_1_ms`` and ``latency_32_ms`` in the order of :func:`_frame`. Training on changes no width, so what it
    starts from was timed; what seeds differ in, when pruned, is a few widths."""
    times = {(record["key"], record["batch"]): record["median_ms"] for record in _clocked(rows, timed)}
    found: dict[tuple, dict[str, float]] = {}
    for way in ways:
        sizes = [{b: times[step.key, b] for b in (1, 32)} for step in way.steps if (step.key, 1) in times]
        if sizes:
            found[_built(way)] = {f"latency_{batch}_ms": ms for batch, ms in sizes[0].items()}
    values = [found.get(_built(way), {}) for way in ways for _ in way.steps]
    return pd.DataFrame(values, columns=["latency_1_ms", "latency_32_ms"], dtype=float)


def _clocked(rows: dict[str, dict], timed: list[LatencyStep]) -> list[dict]:
    """A record per model and batch size that was timed."""
    return [record for step in timed for record in rows[step.key]["detail"].get("latency", ())]


def _built(way: Way) -> tuple:
    """The same for ways whose models have the same widths."""
    return *way.case, way.width, way.depth, way.density


def _frame(ways: list[Way], rows: dict[str, dict]) -> pd.DataFrame:
    """A row per way and seed; ``way`` is its number in ``ways``."""
    pairs = [(way, step) for way in ways for step in way.steps]
    frame = cell_columns([rows[step.key] for _, step in pairs])
    frame["way"] = [number for number, way in enumerate(ways) for _ in way.steps]
    frame["key"] = [step.key for _, step in pairs]
    for name in ("arm", "width", "depth", "density", "fraction"):
        column = {"density": "density_asked", "fraction": "data_fraction"}.get(name, name)
        frame[column] = [getattr(way, name) for way, _ in pairs]
    frame["val_mse"] = [_validation(rows[step.key]) for _, step in pairs]
    for i, (_, step) in enumerate(pairs):
        if frame.at[i, "status"] != "ok":
            continue
        if isinstance(step, FineTuneStep):  # holds masks of ones: what it started from was counted
            frame.at[i, "macs_executed"] = rows[step.trained.key]["result"]["macs_executed"]
        if isinstance(step, NarrowTuneStep):  # a floor that the narrowing came to
            frame.at[i, "reason"] = rows[step.narrow.key]["reason"]
    return frame.astype({"parameters": float})


def _validation(row: dict) -> float:
    """Best validation MSE of a training or of training on, whose start counts; NaN for a model that is not trained."""
    history = [record["val_mse"] for record in row["detail"].get("history", ())]
    return min((value for value in history if value is not None), default=float("nan"))


def match(cost: float, dense: pd.Series) -> object | None:
    """Label of the dense model with the largest cost not above ``(1 + SLACK) * cost``; None where none is so cheap."""
    affordable = dense[dense <= (1 + SLACK) * cost]
    return None if affordable.empty else affordable.idxmax()


def _comparison(ways: list[Way], sizes: pd.DataFrame, rows: dict[str, dict], store: Store) -> pd.DataFrame:
    """See :class:`RightSizingResult`. Costs are means over the seeds."""
    costs = sizes.groupby("way")[list(COSTS)].mean()
    records = []
    for number, way in enumerate(ways):
        if way.arm not in ("pruned", "fine-tuned"):
            continue
        rivals = [i for i, other in enumerate(ways) if other.case == way.case and other.arm == "dense longer"]
        for axis in (*COSTS, WHOLE):
            cost = costs["parameters" if axis == WHOLE else axis]
            found = rivals[0] if axis == WHOLE else match(cost[number], cost[rivals])
            record = {
                **{"model": way.model, "pred_len": way.data.pred_len, "arm": way.arm},
                **{"width": way.width, "depth": way.depth, "axis": axis, "cost": cost[number]},
            }
            if found is None:
                known = pd.notna(cost[number])
                reason = "no dense model costs as little" if known else "no model to compare"
                record |= {"clear": False, "seeds": 0, "reason": reason}
            else:
                other = ways[found]
                record |= {"match_width": other.width, "match_depth": other.depth, "match_cost": cost[found]}
                record |= _paired(store, rows, way, other)
            records.append(record)
    columns = ["model", "pred_len", "arm", "width", "depth", "axis", "cost", "match_width", "match_depth", "match_cost"]
    return pd.DataFrame(records, columns=[*columns, *_PAIRED])


_PAIRED = ("relative", "low", "high", "clear", "seeds", "reason")


def _paired(store: Store, rows: dict[str, dict], ours: Way, other: Way) -> dict:
    """The difference over the seeds for which both came to a model."""
    pairs = [
        pair
        for pair in zip(ours.steps, other.steps, strict=True)
        if all(rows[step.key]["status"] == "ok" for step in pair)
    ]
    if not pairs:
        return {"clear": False, "seeds": 0, "reason": "no seed with a result on both sides"}
    difference = compare(store, rows, *zip(*pairs, strict=True))
    return {name: getattr(difference, name) for name in ("relative", "low", "high", "clear", "seeds")}


def _choices(ways: list[Way], data_map: pd.DataFrame, rows: dict[str, dict], store: Store) -> pd.DataFrame:
    """See :class:`RightSizingResult`. Chosen by the mean validation MSE over the seeds, never by a test error; a width
    and density with a seed that failed is not chosen."""
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
            record |= _paired(store, rows, chosen, at[model, pred_len, fraction, full.width, full.density])
        records.append(record)
    columns = ["model", "pred_len", "data_fraction", "width", "density_asked", "parameters", "val_mse", "mse"]
    return pd.DataFrame(records, columns=[*columns, "full_width", "full_density", *_PAIRED])


def _protocol(config: RightSizing, clocked: list[dict]) -> dict[str, str]:
    """What only this study's numbers stand for, as readable lines. Times that scatter tell of a busy machine."""
    scatter = max((record["p95_ms"] / record["median_ms"] for record in clocked), default=float("nan"))
    widths = ", ".join(map(str, sorted([*config.widths, config.d_model])))
    return {
        "sizes": f"d_model {widths}, encoder layers {', '.join(map(str, sorted(config.depths)))}; d_ff in proportion "
        "to d_model, as many heads",
        "equal training": f"every model, dense or pruned: the training above, then {config.fine_tune_epochs} epochs "
        f"more from its best epoch (Adam {config.fine_tune_learning_rate:g}, schedule {config.schedule}, no early "
        "stop; best epoch by validation MSE, the start included); pruned models are narrowed in between",
        "pruning": f"d_model {config.d_model} x {config.e_layers} layers narrowed to the number of parameters of each "
        "smaller dense model of its depth: group L2 importance, one ranking over the model",
        "equal cost": f"the dense model with the largest cost not above {1 + SLACK:g} times the pruned one's; on each "
        "axis apart",
        "difference": "mean test MSE of one over that of the other, less 1; 95 % interval of a paired bootstrap over "
        f"seeds and over blocks of {config.seq_len} + horizon windows; claimed where it leaves out 0, and never from "
        "one seed",
        "latency": "median of 30 calls, all sizes of a model in turn, 1 thread, first seed, nothing else of the study "
        f"running; 95th percentile up to {scatter:.1f} times the median",
        "map": "the most recent share of the training windows, as many steps whatever the share; all seeds; the best "
        "choice by validation MSE",
    }
