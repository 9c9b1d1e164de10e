"""What training took in study 03: the model's own, and that of the large model that some ways to a small one need."""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from tsprune.engine.step import Step
from tsprune.steps.distill import DistillStep
from tsprune.steps.narrow import StructuredStep
from tsprune.steps.tune import FineTuneStep, NarrowTuneStep
from tsprune.study.right_sizing.result import TRAINING

PASSES = 3
"""Forecasts' worth of multiply-adds that training on a window takes: forward, gradients of activations, of weights."""


def spent(step: Step, rows: Mapping[str, dict]) -> dict[str, float]:
    """The columns TRAINING of the way that ends with ``step``; NaN where a part of it has no result."""
    own, large = _trainings(step)
    macs, seconds = (sum(_cost(rows, part)[i] for part in own) for i in range(2))
    macs_large, seconds_large = (sum(_cost(rows, part)[i] for part in large) for i in range(2))
    if isinstance(step, DistillStep):  # the teacher's forecasts; their seconds are within the student's epochs
        macs_large += _forecast(rows, step.teacher) * rows[step.key]["result"].get("windows_seen", math.nan)
    peak = np.max([rows[part.key]["cost"].get("peak_memory_mib", math.nan) for part in (*own, *large)])
    values = macs + macs_large, macs_large, seconds + seconds_large, seconds_large, peak
    return dict(zip(TRAINING, values, strict=True))


def _trainings(step: Step) -> tuple[Iterable[Step], Iterable[Step]]:
    """Those of the model's own, and those of the large model."""
    if isinstance(step, DistillStep):
        return (step,), (step.teacher.trained, step.teacher)
    if isinstance(step, NarrowTuneStep):
        return (step,), (step.trained,)
    if isinstance(step, StructuredStep):
        return (), (step.trained,)
    return ((step.trained, step) if isinstance(step, FineTuneStep) else (step,)), ()


def _cost(rows: Mapping[str, dict], step: Step) -> tuple[float, float]:
    """Multiply-adds and seconds of one training; NaN where it diverged, which may have been in the first epoch."""
    if rows[step.key]["status"] != "ok":
        return math.nan, math.nan
    result, cost = rows[step.key]["result"], rows[step.key]["cost"]
    macs = PASSES * _forecast(rows, step) * result.get("windows_seen", math.nan)
    return macs, cost.get("seconds_per_epoch", math.nan) * result.get("epochs_run", math.nan)


def _forecast(rows: Mapping[str, dict], step: Step) -> float:
    """Multiply-adds of one forecast. A dense model that is trained on keeps its shape, and was counted before."""
    counted = step.trained if isinstance(step, FineTuneStep) else step
    return rows[counted.key]["result"].get("macs_executed", math.nan)
