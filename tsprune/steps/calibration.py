"""The windows that a score looks at, and what looking costs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tsprune import measure
from tsprune.data import Windows
from tsprune.pruners import Scored, score_weights
from tsprune.pruners.scores import get_score
from tsprune.steps.train import TrainStep

BATCH = 32
"""Windows per calibration batch: fixed, because gradients are added up batch by batch."""


@dataclass(frozen=True)
class Batches:
    """Windows as calibration batches ``(inputs, target)``, made anew each time they are gone through."""

    windows: Windows

    def __iter__(self) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
        for batch in self.windows.batches(BATCH):
            yield batch[:4], batch.y


def calibration(trained: TrainStep, count: int) -> Batches:
    """``count`` training windows of ``trained``, evenly spaced; all of them if there are fewer."""
    windows = trained.data.splits(trained.train.device).train
    return Batches(windows.subset(evenly_spaced(len(windows), count)))


def needs_calibration(score: str) -> bool:
    """Whether the score looks at data. Raises :class:`tsprune.errors.UserError` for an unknown one."""
    return get_score(score).needs != "nothing"


def score_trained(score: str, trained: TrainStep, model: nn.Module, windows: int) -> Scored:
    """The score of every prunable weight of ``model``, on ``windows`` training windows of ``trained`` where it looks
    at any; what is drawn is drawn with the seed of ``trained``."""
    batches = calibration(trained, windows) if needs_calibration(score) else None
    return score_weights(score, model, batches, trained.seed)


def count_problem(score: str, windows: int) -> str | None:
    """The problem, if there is one, with this number of calibration windows for a score."""
    if needs_calibration(score) and windows < 1:
        return f"calibration_windows = {windows}: score '{score}' looks at data and needs at least 1"
    return None


@contextmanager
def calibration_cost(trained: TrainStep) -> Iterator[dict[str, float]]:
    """Inside the block scores are computed; afterwards the row's columns of what that cost."""
    device, cost = trained.train.device, {}
    trained.data.splits(device)  # loading data is not part of it
    with measure.PeakMemory(device) as peak:
        start = time.perf_counter()
        yield cost
        if device == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    cost |= {"calibration_seconds": seconds, "calibration_memory_mib": peak.mib}


def evenly_spaced(count: int, wanted: int) -> Tensor:
    """Numbers of ``wanted`` of ``count`` windows, from the first to the last (of 1, the first); all where there are
    fewer."""
    if wanted >= count:
        return torch.arange(count)
    return torch.linspace(0, count - 1, wanted, dtype=torch.float64).round().long()
