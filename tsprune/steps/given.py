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
from tsprune.steps.train import TrainStep
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
        val_mse = evaluate(model, splits.val, self.train).mse
        parameters, layers = measure.count_parameters(model), layer_densities(model, {})
        return self._tested(model, splits, val_mse, {"parameters": parameters}, {"layers": layers}, {})

    def _given(self) -> Forecaster:
        if checksum(self.checkpoint) != self.sha256:
            raise UserError(f"{self.checkpoint}: the file has changed since this began; start again")
        return load_checkpoint(self.checkpoint)[0]


def checksum(path: str) -> str:
    """sha256 of a file. Raises :class:`UserError` where it cannot be read."""
    return hashlib.sha256(read_whole(path)).hexdigest()
