"""What the engine runs: a step is a pure function from its config, and the steps it needs, to a row."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from safetensors.torch import save_file
from torch import nn

from tsprune.engine.store import Store
from tsprune.models import save_checkpoint
from tsprune.training import Scores
from tsprune.typed import Config, digest

MODEL_FILE = "model.safetensors"

SCORES_FILE = "scores.safetensors"

# Raised when the numbers of a step change their meaning: stored rows of older versions are then no longer found.
RESULTS_VERSION = 3


@dataclass(frozen=True)
class Outcome:
    """What a step came to: numbers that repeat bit for bit (``result``), structured extras (``detail``), numbers that
    do not repeat (``cost``), test errors by window and column, and a model to keep."""

    result: dict[str, float | int | None]
    detail: dict
    cost: dict[str, float | None]
    status: str = "ok"
    reason: str | None = None
    model: nn.Module | None = None
    scores: Scores | None = None

    def write(self, folder: Path) -> None:
        if self.model is not None:
            save_checkpoint(folder / MODEL_FILE, self.model)
        if self.scores is not None:
            parts = {name: getattr(self.scores, name) for name in ("window_mse", "column_mse", "column_mae")}
            save_file(parts, folder / SCORES_FILE)


class Step(Config, ABC):
    """Base of all steps; see the module's text."""

    kind: ClassVar[str]
    alone: ClassVar[bool] = False
    """Whether no other step may run at the same time, as while time is measured."""

    @property
    def key(self) -> str:
        return digest(self.identity())

    @abstractmethod
    def identity(self) -> dict:
        """Everything the numbers depend on, as JSON values."""

    @property
    def needs(self) -> tuple["Step", ...]:
        """Steps that must be in the store before this one can run."""
        return ()

    @property
    @abstractmethod
    def label(self) -> str:
        """A few words for the progress line."""

    @abstractmethod
    def protocol(self) -> dict:
        """The columns that tell what the row's numbers stand for."""

    @abstractmethod
    def run(self, store: Store) -> Outcome:
        """Do the work."""
