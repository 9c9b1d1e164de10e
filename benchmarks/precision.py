"""What faster arithmetic does to a forecaster's error: dense trainings in float32, bfloat16 and with rounded products.

    python benchmarks/precision.py                          all models, ETTh1 and ILI, seeds 1 to 3, d_model 64
    python benchmarks/precision.py --datasets ILI --d-model 512 --models Transformer Autoformer --arithmetic bfloat16

Horizon 96 (ILI: 24), the recipe of the quick study, but up to three epochs. A change is the test MSE over that of
float32 with the same seed, less one: mean, and from the lowest to the highest seed. `seeds` is how far float32 itself
lies from its mean, for comparison. Rows are kept in --store, so that a run goes on where it was stopped.
No part of the tests.
"""

import argparse

import pandas as pd

from tsprune.batch.profiles import plan_profile
from tsprune.models import list_models
from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep

ARITHMETIC = {
    "float32": {},
    "bfloat16": {"precision": "bfloat16"},
    "products rounded": {"matmul": "medium"},
}
LENGTHS = {"ILI": {"seq_len": 36, "label_len": 18, "pred_lens": [24]}}


def errors(given: argparse.Namespace, dataset: str, arithmetic: str) -> list[dict]:
    """A row per model and seed with its test MSE; what could not be trained is told and left out."""
    (run,) = plan_profile("quick", only=["01_pruning_sweep"])
    size = {"d_model": given.d_model, "d_ff": 4 * given.d_model, "e_layers": 2, "epochs": given.epochs}
    asked = {"dataset": dataset, "models": given.models, "seeds": given.seeds, "store": given.store, "jobs": given.jobs}
    parameters = run.parameters | LENGTHS.get(dataset, {}) | size | asked | ARITHMETIC[arithmetic]
    cells = PruningSweepCells(PruningSweep.parse(parameters))
    rows, found = cells.compute(cells.base.dense), []
    for step in cells.base.dense:
        row = rows[step.key]
        if row["status"] == "ok":
            named = {"dataset": dataset, "model": step.model, "seed": step.seed, "arithmetic": arithmetic}
            found.append(named | {"mse": row["result"]["mse"]})
        else:
            print(f"{step.label}: {row['reason']}")
    return found


def spread(values: pd.Series) -> str:
    return f"{values.min():+.2%} to {values.max():+.2%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list_models(trainable=True))
    parser.add_argument("--datasets", nargs="+", default=["ETTh1", "ILI"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--d-model", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--arithmetic", nargs="+", default=list(ARITHMETIC)[1:], choices=list(ARITHMETIC)[1:])
    parser.add_argument("--jobs", type=int, default=0)
    parser.add_argument("--store", default="outputs/store")
    given = parser.parse_args()
    asked = ["float32", *given.arithmetic]
    rows = [row for dataset in given.datasets for name in asked for row in errors(given, dataset, name)]
    wide = pd.DataFrame(rows).pivot(index=["dataset", "model", "seed"], columns="arithmetic", values="mse")
    others = given.arithmetic
    print(f"| dataset | model | float32 MSE | seeds | {' | '.join(others)} |\n|{'---|' * (4 + len(others))}")
    for (dataset, model), mse in wide.groupby(level=["dataset", "model"], sort=False):
        mean = mse["float32"].mean()
        changes = (mse[name] / mse["float32"] - 1 for name in others)
        cells = [f"{change.mean():+.2%} ({spread(change)})" for change in changes]
        print(f"| {dataset} | {model} | {mean:.4f} | {spread(mse['float32'] / mean - 1)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
