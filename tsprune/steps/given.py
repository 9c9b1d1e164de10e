"""A model that was trained elsewhere, instead of a training."""

import hashlib
from pathlib import Path
from typing import ClassVar

from tsprune import measure
from tsprune.deploy.files import read_whole
from tsprune.engine.step import RESULTS_VERSION, Outcome
from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.models import Forecaster, load_checkpoint
from tsprune.pruners import layer_densities
from tsprune.steps.artifacts import model_file, scores_file
from tsprune.steps.data import LIVE_WINDOWS, first_windows
from tsprune.steps.train import TrainStep, not_counted
from tsprune.training import evaluate


class GivenStep(TrainStep):
    """A checkpoint instead of a training: tested as it is. ``train`` and ``seed`` are those of what is done with it."""

    kind: ClassVar[str] = "given"
    checkpoint: str
    """Where it lies."""
    sha256: str
    """Of the file."""

    def identity(self) -> dict:
        return super().identity() | {"step": self.kind, "version": RESULTS_VERSION, "checkpoint": self.sha256}

    @property
    def label(self) -> str:
        return f"{super().label.removesuffix(': training')}, {Path(self.checkpoint).name}"

    def run(self, store: Store) -> Outcome:
        splits, model = self.data.splits(self.train.device), self._given().to(self.train.device)
        scores, few = evaluate(model, splits.test, self.train), first_windows(splits.train, LIVE_WINDOWS)
        macs = measure.count_macs(model, few)
        result = {
            "mse": scores.mse,
            "mae": scores.mae,
            "val_mse": evaluate(model, splits.val, self.train).mse,
            "windows_test": scores.windows,
            "parameters": measure.count_parameters(model),
            "density": 1.0,
            "density_all": 1.0,
            "macs_executed": macs.macs_executed,
            "parameters_live": measure.live_parameters(model, few, draws=2).live,
        }
        detail = {"layers": layer_densities(model, {})} | not_counted(macs)
        return Outcome(result, detail, {}, files=scores_file(scores) | model_file(model, about=self.about(result)))

    def _given(self) -> Forecaster:
        if checksum(self.checkpoint) != self.sha256:
            raise UserError(f"{self.checkpoint}: the file has changed since this began; start again")
        return load_checkpoint(self.checkpoint)[0]


def checksum(path: str) -> str:
    """sha256 of a file. Raises :class:`UserError` where it cannot be read."""
    return hashlib.sha256(read_whole(path)).hexdigest()
