"""Study 02: what does training on after pruning bring back, and at what cost? From a config to tidy tables."""

from collections.abc import Callable
from concurrent.futures import Executor

import pandas as pd

from tsprune.engine.progress import Progress
from tsprune.engine.step import Step
from tsprune.engine.store import Store
from tsprune.places import resolve
from tsprune.steps.compare import compare
from tsprune.steps.prune import NMStep, PruneStep, StructuredStep
from tsprune.steps.train import TrainStep
from tsprune.steps.tune import FineTuneStep, NarrowTuneStep
from tsprune.study.base.cells import common_tables, relative_to_dense, run_steps
from tsprune.study.base.result import cell_columns
from tsprune.study.base.shared import Base, base_steps, models_to_narrow
from tsprune.study.fine_tuning.config import FineTuning
from tsprune.study.fine_tuning.result import COMPARED, COMPARISONS, HISTORY, FineTuningResult


def fine_tune_steps(config: FineTuning, base: Base) -> tuple[Step, ...]:
    """Every arm but the dense one, for every dense model. All arms train equally long after the dense training, except
    the rewound one, which starts over and gets the dense training's epochs as well."""
    steps: list[Step] = []
    narrow = models_to_narrow(base) if config.structured_densities else set()
    for trained in base.dense:
        recipe = trained.train.continued(config.fine_tune_epochs, config.fine_tune_learning_rate)
        again = trained.train.model_copy(update={"epochs": trained.train.epochs + config.fine_tune_epochs})
        shared = {"trained": trained, "scope": config.scope}
        steps.append(FineTuneStep(**shared, densities=[1.0], train=recipe))
        for density in sorted(config.densities, reverse=True):
            steps += [
                PruneStep(**shared, density=density),
                FineTuneStep(**shared, densities=[density], train=recipe),
            ]
            if density in config.compared_densities:
                path = [density ** ((i + 1) / config.stages) for i in range(config.stages)]
                steps += [
                    FineTuneStep(**shared, densities=[*path[:-1], density], train=recipe),
                    FineTuneStep(**shared, densities=[density], start="initial", train=again),
                ]
        if config.two_of_four:
            steps += [
                NMStep(trained=trained),
                FineTuneStep(**shared, structure="2:4", densities=[0.5], train=recipe),
            ]
        for density in sorted(config.structured_densities, reverse=True) if trained.model in narrow else ():
            steps += [
                StructuredStep(trained=trained, density=density),
                NarrowTuneStep(trained=trained, density=density, train=recipe),
            ]
    return tuple(steps)


def run_fine_tuning(
    config: FineTuning,
    *,
    make_executor: Callable[[], Executor] | None = None,
    progress: Progress | None = None,
) -> FineTuningResult:
    """Run what is missing and gather the tables. Raises :class:`tsprune.errors.UserError` before anything runs."""
    base = base_steps(config)
    steps = (*base.dense, *fine_tune_steps(config, base))
    rows = run_steps((*base.naive, *steps), config, make_executor, progress)
    cells = cell_columns([rows[step.key] for step in steps])
    cells["arm"] = [_arm(step) for step in steps]
    cells["structure"] = cells["structure"].fillna("unstructured")  # dense
    cells["mse_relative"] = relative_to_dense(cells, cells[cells["arm"] == "dense"])
    common = common_tables(base, rows, cells, config)
    common["protocol"] |= {
        "pruning": f"magnitude, unstructured, scope {config.scope}; every weight tensor of two or more dimensions",
        "after pruning": f"{config.fine_tune_epochs} epochs, Adam {config.fine_tune_learning_rate:g}, schedule "
        f"{config.schedule}, no early stop; the best epoch by validation MSE counts, the start included",
        "iterative": f"{config.stages} prunings, {config.fine_tune_epochs // config.stages} epochs after each",
        "rewound": f"same mask, initial weights, at most {config.epochs + config.fine_tune_epochs} epochs with the "
        "recipe of the dense training",
        "comparisons": "paired block bootstrap over seeds and test windows, blocks of one look-back and horizon, 95 %",
    }
    if config.two_of_four or config.structured_densities:
        common["protocol"]["2:4 and structured"] = (
            "2 of each 4 along the input by magnitude; widths narrowed together by group L2 importance, solved for the "
            "share of all parameters; trained on as above"
        )
    store = Store(resolve(config.store))
    return FineTuningResult(**common, history=_history(steps, rows), comparisons=_comparisons(store, steps, rows))


def _arm(step: Step) -> str:
    if isinstance(step, FineTuneStep | NarrowTuneStep):
        return step.arm
    return "dense" if isinstance(step, TrainStep) else "pruned"


def _comparisons(store: Store, steps: tuple[Step, ...], rows: dict[str, dict]) -> pd.DataFrame:
    """Every pair of COMPARED that was run, over the seeds with a result on both sides."""
    arms: dict[tuple, dict[int, Step]] = {}
    for step in steps:
        p = rows[step.key]["protocol"]
        place = (p["model"], p["pred_len"], p.get("structure"), p["density_asked"], _arm(step))
        arms.setdefault(place, {})[p["seed"]] = step
    records = []
    for (model, pred_len, structure, density, arm), ours in arms.items():
        for against in (other for one, other in COMPARED if one == arm):
            dense = against == "dense longer"
            place = (model, pred_len, "unstructured" if dense else structure, 1.0 if dense else density, against)
            others = arms.get(place)
            if others is None:
                continue
            seeds = [s for s in ours if all(rows[side[s].key]["status"] == "ok" for side in (ours, others))]
            found = compare(store, rows, [ours[s] for s in seeds], [others[s] for s in seeds]) if seeds else None
            numbers = vars(found) | {"clear": found.clear} if found else {"clear": False, "seeds": 0, "windows": 0}
            head = {"model": model, "pred_len": pred_len, "structure": structure, "density_asked": density}
            records.append(head | {"arm": arm, "against": against} | numbers)
    return pd.DataFrame(records, columns=[*COMPARISONS, "windows"])


def _history(steps: tuple[Step, ...], rows: dict[str, dict]) -> pd.DataFrame:
    """A row per epoch of every arm that trains on; ``mse_relative`` is to the dense model of the same seed."""
    dense = {step.key: rows[step.key]["result"].get("mse") for step in steps if isinstance(step, TrainStep)}
    records = [
        {
            **{name: rows[step.key]["protocol"][name] for name in HISTORY if name != "arm"},
            "arm": step.arm,
            **record,
            "mse_relative": record["test_mse"] / dense[step.trained.key],
        }
        for step in steps
        if isinstance(step, FineTuneStep | NarrowTuneStep)
        for record in rows[step.key]["detail"].get("history", ())
        if record["test_mse"] is not None and dense[step.trained.key]
    ]
    return pd.DataFrame(records, columns=[*HISTORY, "stage", "epoch", "val_mse", "test_mse", "mse_relative"])
