"""Study 02: what does training on after pruning bring back, and at what cost? From a config to tidy tables."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import pandas as pd

from tsprune.study.config import FineTuning
from tsprune.study.progress import Progress
from tsprune.study.pruning_steps import PruneStep
from tsprune.study.result import Base, StudyResult, base_steps, common_tables, relative_to_dense, run_steps
from tsprune.study.steps import TrainStep
from tsprune.study.tables import cell_columns
from tsprune.study.tuning_steps import FineTuneStep

ARMS = ("dense", "dense longer", "pruned", "fine-tuned", "iterative", "rewound")
"""Dense as trained; dense trained as much longer (the fair control); pruned and left; pruned once and trained on;
pruned step by step while training on; the pruned model's mask on the initial weights, trained from there."""


@dataclass(frozen=True)
class FineTuningResult(StudyResult):
    """``cells`` has a column ``arm`` (see ARMS); ``history`` a row per arm, density and epoch."""

    history: pd.DataFrame


def fine_tune_steps(config: FineTuning, base: Base) -> tuple[PruneStep | FineTuneStep, ...]:
    """Every arm but the dense one, for every dense model. All arms train equally long after the dense training, except
    the rewound one, which starts over and gets the dense training's epochs as well."""
    steps: list[PruneStep | FineTuneStep] = []
    for trained in base.dense:
        recipe = trained.train.model_copy(
            update={
                "epochs": config.fine_tune_epochs,
                "patience": config.fine_tune_epochs,
                "learning_rate": config.fine_tune_learning_rate,
            }
        )
        again = trained.train.model_copy(update={"epochs": trained.train.epochs + config.fine_tune_epochs})
        shared = {"trained": trained, "scope": config.scope}
        steps.append(FineTuneStep(**shared, densities=[1.0], train=recipe))
        for density in sorted(config.densities, reverse=True):
            path = [density ** ((i + 1) / config.stages) for i in range(config.stages)]
            steps += [
                PruneStep(**shared, density=density),
                FineTuneStep(**shared, densities=[density], train=recipe),
                FineTuneStep(**shared, densities=[*path[:-1], density], train=recipe),
                FineTuneStep(**shared, densities=[density], start="initial", train=again),
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
    steps = fine_tune_steps(config, base)
    rows = run_steps((*base.naive, *base.dense, *steps), config, make_executor, progress)
    everything = (*base.dense, *steps)
    cells = cell_columns([rows[step.key] for step in everything])
    cells["arm"] = [_arm(step) for step in everything]
    cells["mse_relative"] = relative_to_dense(cells, cells[cells["arm"] == "dense"])
    common = common_tables(base, rows, cells, config)
    common["protocol"] |= {
        "pruning": f"magnitude, unstructured, scope {config.scope}; every weight tensor of two or more dimensions",
        "after pruning": f"{config.fine_tune_epochs} epochs, Adam {config.fine_tune_learning_rate:g}, schedule "
        f"{config.schedule}, no early stop; the best epoch by validation MSE counts, the start included",
        "iterative": f"{config.stages} prunings, {config.fine_tune_epochs // config.stages} epochs after each",
        "rewound": f"same mask, initial weights, at most {config.epochs + config.fine_tune_epochs} epochs with the "
        "recipe of the dense training",
    }
    return FineTuningResult(**common, history=_history(everything, rows))


def _arm(step: TrainStep | PruneStep | FineTuneStep) -> str:
    return {"train": "dense", "prune": "pruned"}.get(step.kind) or step.arm


def _history(steps: tuple[TrainStep | PruneStep | FineTuneStep, ...], rows: dict[str, dict]) -> pd.DataFrame:
    """A row per epoch of every arm that trains on; ``mse_relative`` is to the dense model of the same seed."""
    dense = {step.key: rows[step.key]["result"].get("mse") for step in steps if step.kind == "train"}
    records = [
        {
            **{name: rows[step.key]["protocol"][name] for name in ("model", "pred_len", "seed", "density_asked")},
            "arm": step.arm,
            **record,
            "mse_relative": record["test_mse"] / dense[step.trained.key],
        }
        for step in steps
        if isinstance(step, FineTuneStep)
        for record in rows[step.key]["detail"].get("history", ())
        if record["test_mse"] is not None and dense[step.trained.key]
    ]
    columns = ["model", "pred_len", "seed", "density_asked", "arm", "stage", "epoch", "val_mse", "test_mse"]
    return pd.DataFrame(records, columns=[*columns, "mse_relative"])
