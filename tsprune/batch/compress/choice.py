"""Which file to take: what each costs, what it loses on the validation windows, and what the test windows say of that.

Files are chosen by validation errors; the test windows can only rule a choice out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsprune.batch.compress.question import Goal, Question
from tsprune.batch.compress.ways import DENSE, LONGER, MASKED, Way
from tsprune.steps.serve import ONNX_FILE, ServeStep

COSTS: Mapping[Goal, str] = {"latency": "ms_1", "size": "bytes", "macs": "macs"}
"""The column of the table that each goal makes small."""

SLACK: Mapping[Goal, float] = {"latency": 0.05, "size": 0.01, "macs": 0.0}
"""Two costs that differ by less than this share count as the same: for times the noise of a quiet machine, for sizes
what a file says of itself beside its weights."""

SPARSE_RUN = "float32, without zeros"
"""How a masked model runs whose layers leave the zeros out."""

TIMES = ("ms", "speedup", "speedup_low", "speedup_high")

MEAN = "mean of the training rows"
"""The naive forecast that is always the same."""

OVER = "the time was up"
"""Why a way that was not begun has no result."""

KEPT, OPEN, DENIED = "kept", "not certain", "denied"
"""What the test windows say about a loss: the whole interval is within the accepted loss; only the loss itself is, or
there is no interval; not even that."""


@dataclass(frozen=True)
class Answer:
    """The result. ``files``: a row per file, see :func:`files_table`; ``chosen`` and ``baseline`` are labels of it.

    ``naive``: a row per naive forecast with ``model``, ``mse`` and ``mae`` on the test windows. ``windows``: how many
    there are, by ``validation`` and ``test``; windows that are ``block`` apart have nothing in common.
    ``untried``: ways without a result by name, and why. ``steps``: for each row of ``files`` the step that made the
    file; for a model without its zeros, the step of the file with the same forecasts. ``busy``: why the times cannot be
    trusted, or why there are none; None if they can. ``halted``: why something was not begun although there was time.
    """

    question: Question
    dataset: str
    files: pd.DataFrame
    chosen: int
    baseline: int
    naive: pd.DataFrame
    windows: Mapping[str, int]
    block: int
    untried: dict[str, str]
    steps: Sequence[ServeStep]
    busy: str | None
    protocol: dict[str, str]
    notes: tuple[str, ...]
    seconds: float
    halted: str | None = None

    @property
    def cost(self) -> str:
        return COSTS[self.question.goal]

    @property
    def row(self) -> pd.Series:
        """Of the file that is recommended."""
        return self.files.loc[self.chosen]

    @property
    def dense(self) -> pd.Series:
        """Of the file that losses and gains are counted from."""
        return self.files.loc[self.baseline]

    @property
    def best_naive(self) -> pd.Series:
        """The row of the naive forecast of lowest test MSE."""
        return self.naive.loc[self.naive["mse"].idxmin()]

    @property
    def useless(self) -> bool:
        """Whether a naive forecast does as well as the file that is written."""
        return self.row["mse"] >= self.best_naive["mse"]

    @property
    def undecided(self) -> bool:
        """Whether times would decide but cannot be trusted: then the dense file is kept and nothing is recommended.
        A file that loses more than is accepted is out of the question whatever its time."""
        timed = self.question.goal == "latency" and self.busy is not None and self.chosen == self.baseline
        return timed and not within(rivals(self.files, self.baseline), self.question.max_loss).empty

    @property
    def untimed(self) -> bool:
        """Whether no time was measured; ``busy`` says why."""
        return bool(self.files["ms_1"].isna().all())

    @property
    def mark(self) -> str:
        """The label of the file that is written, in the table and in the figure."""
        return ONNX_FILE if self.undecided or self.useless else "recommended"


def files_table(
    found: Sequence[tuple[Way, ServeStep, dict]], times: Sequence[dict], sparse: Mapping[str, dict]
) -> pd.DataFrame:
    """A row per file: ``kind``, ``strength``, ``name``, ``weights``, ``file`` (the key of its step); ``mse`` and
    ``mae`` on the test windows, ``val_mse``; ``bytes``, ``parameters``, ``macs``, ``density``; and of one window
    (``_1``) and of 32 (``_32``) the time ``ms`` in milliseconds and ``speedup``, that of the dense file over it, with
    its 95 % interval ``speedup_low``, ``speedup_high``. Below them a row per masked model that runs without its zeros,
    with ``weights`` SPARSE_RUN and no size: what is kept of it is a checkpoint."""
    records = []
    for way, step, result in found:
        record = {"kind": way.kind, "strength": way.strength, "name": way.name, "weights": step.weights}
        record |= {name: result[name] for name in ("mse", "mae", "val_mse", "bytes", "parameters", "density")}
        records.append(record | {"file": step.key, "macs": result["macs_executed"]} | _times(times, step.key))
        if step.of.key in sparse:
            told = {"weights": SPARSE_RUN, "bytes": None, "macs": sparse[step.of.key]["macs"]}
            records.append(records[-1] | told | _times(times, step.of.key))
    table = pd.DataFrame(sorted(records, key=lambda record: record["weights"] == SPARSE_RUN))
    names = [f"{name}_{batch}" for batch in (1, 32) for name in TIMES]
    table = table.reindex(columns=[*table.columns.difference(names, sort=False), *names])
    return table.astype({name: float for name in ("bytes", "macs", *names)})


def _times(times: Sequence[dict], key: str) -> dict[str, float]:
    return {
        f"{name}_{row['batch']}": row["median_ms" if name == "ms" else name]
        for row in times
        if row["variant"] == key
        for name in TIMES
    }


def busy(times: Sequence[dict]) -> str | None:
    """Why times of one window cannot be trusted: what else the machine did, or how much they scatter."""
    return next((row["trouble"] for row in times if row["batch"] == 1 and row["trouble"]), None)


def best_dense(files: pd.DataFrame, given: bool) -> int:
    """The label of the float32 file that losses are counted from: the dense model of lower validation error; for a
    given checkpoint, that checkpoint."""
    kinds = [DENSE] if given else [DENSE, LONGER]
    dense = files[files["kind"].isin(kinds) & (files["weights"] == "float32")]
    return dense["val_mse"].idxmin()


def verdicts(files: pd.DataFrame, max_loss: float) -> pd.Series:
    """KEPT, OPEN or DENIED per file."""
    found = np.select([files["test_loss"] > max_loss, ~(files["high"] <= max_loss)], [DENIED, OPEN], KEPT)
    return pd.Series(found, index=files.index)


def choose(files: pd.DataFrame, goal: Goal, max_loss: float, baseline: int) -> int:
    """The label of the cheapest file whose validation loss is accepted and which the test windows do not rule out;
    among costs that count as the same, the one of lowest loss. The baseline if none is cheaper."""
    found = within(cheaper(files, goal, baseline), max_loss)
    if found.empty:
        return baseline
    cost = found[COSTS[goal]]
    return found.loc[cost <= cost.min() * (1 + SLACK[goal]), "val_loss"].idxmin()


def within(files: pd.DataFrame, max_loss: float) -> pd.DataFrame:
    """The files whose validation loss is accepted and which the test windows do not rule out."""
    return files[(files["val_loss"] <= max_loss) & (files["verdict"] != DENIED)]


def rivals(files: pd.DataFrame, baseline: int) -> pd.DataFrame:
    """The files that hold another network than the baseline's: dense ones in float32 are alike, and so are those that
    keep their zeros."""
    same = files["kind"].isin([DENSE, LONGER]) & (files["weights"] == "float32") | _with_zeros(files)
    return files[~same].drop(baseline, errors="ignore")


def _with_zeros(files: pd.DataFrame) -> pd.Series:
    return files["kind"].isin(MASKED) & (files["weights"] != SPARSE_RUN)


def cheaper(files: pd.DataFrame, goal: Goal, baseline: int) -> pd.DataFrame:
    """The files that cost less than the baseline; for times, only if the interval of the speedup says so as well. A
    file that keeps its zeros is the same network: if it seems to cost less, that is noise."""
    cost = files[COSTS[goal]]
    found = files[(cost < cost[baseline] * (1 - SLACK[goal])) & ~_with_zeros(files)]
    return found[found["speedup_low_1"] > 1] if goal == "latency" else found


def front(files: pd.DataFrame, cost: str) -> pd.DataFrame:
    """The files that no other beats in cost and test error at once, by cost."""
    ordered = files[files[cost].notna()].sort_values([cost, "mse"])
    return ordered[ordered["mse"] < ordered["mse"].shift(fill_value=np.inf).cummin()]
