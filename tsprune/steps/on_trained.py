"""What all steps that start from a trained model have in common."""

from abc import abstractmethod

from torch import nn

from tsprune import measure
from tsprune.data import Splits
from tsprune.engine.step import RESULTS_VERSION, Step
from tsprune.engine.store import Store
from tsprune.pruners.masks import Masks
from tsprune.steps.data import DataSpec, first_windows
from tsprune.steps.given import GivenStep
from tsprune.steps.train import TrainStep

# Enough to tell live parameters apart (as many are found with 32 windows and two draws), and quick.
_LIVE_WINDOWS = 8


class OnTrained(Step):
    """Base of the steps that start from a trained model."""

    trained: TrainStep | GivenStep

    @property
    def place(self) -> tuple[DataSpec, str]:
        return self.trained.place

    @property
    def needs(self) -> tuple[Step, ...]:
        return (self.trained,)

    def identity(self) -> dict:
        return {"step": self.kind, "version": RESULTS_VERSION, "trained": self.trained.key} | self.what()

    @property
    def label(self) -> str:
        return f"{self.trained.label.removesuffix(': training')}: {self.words()}"

    def protocol(self) -> dict:
        return self.trained.protocol() | self.columns()

    @abstractmethod
    def what(self) -> dict:
        """What is done to the trained model, as JSON values: its part of the identity."""

    @abstractmethod
    def words(self) -> str:
        """The same in a few words, for the progress line."""

    @abstractmethod
    def columns(self) -> dict:
        """The same as protocol columns: method, structure, scope, density_asked."""


def pruning_columns(method: str, structure: str, scope: str | None, density: float | None) -> dict:
    """The columns of :meth:`OnTrained.columns`; None for what does not apply."""
    return {"method": method, "structure": structure, "scope": scope, "density_asked": density}


def live_result(
    trained: TrainStep, store: Store, model: nn.Module, splits: Splits, masks: Masks | None = None
) -> dict[str, float | int]:
    """Parameters that still have an effect on the forecast, and as a share of the dense model's."""
    few = first_windows(splits.train, _LIVE_WINDOWS)
    live = measure.live_parameters(model, few, draws=1, masks=masks).live
    return {"parameters_live": live, "density_live": live / store.row(trained.key)["result"]["parameters_live"]}
