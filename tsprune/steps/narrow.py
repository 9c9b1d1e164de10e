"""Steps that narrow a trained model, without retraining: to a share of its parameters, or as the first paper did."""

import math
from abc import abstractmethod
from dataclasses import asdict
from typing import ClassVar

from torch import nn

from tsprune import measure
from tsprune.engine.step import Outcome
from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.pruners import depgraph_paper, prunable_weights, structured_prune
from tsprune.pruners.structured import StructuredResult
from tsprune.steps.artifacts import model_file, scores_file
from tsprune.steps.data import first_windows
from tsprune.steps.model import ModelStep
from tsprune.steps.on_trained import OnTrained, live_result, pruning_columns
from tsprune.steps.train import not_counted
from tsprune.training import evaluate


class NarrowStep(OnTrained, ModelStep):
    """Base of the steps that narrow a trained model and keep the narrow one; tested without retraining."""

    density: float
    """What is asked for; each subclass says of what."""

    @abstractmethod
    def narrow(self, model: nn.Module, one: tuple) -> StructuredResult:
        """Narrow ``model``; ``one`` is a batch of one window for its call."""

    def run(self, store: Store) -> Outcome:
        splits = self.trained.data.splits(self.trained.train.device)
        model = self.trained.load(store)
        one = first_windows(splits, 1)
        found = self.narrow(model, one)
        with measure.PeakMemory(self.trained.train.device) as peak:
            scores = evaluate(found.model, splits.test, self.trained.train)
        finite = math.isfinite(scores.mse)
        live = live_result(self.trained, store, found.model, splits) if finite else {}
        weights = {name: w.numel() for name, w in prunable_weights(model).items()}
        narrow = {name: w.numel() for name, w in prunable_weights(found.model).items()}
        macs = measure.count_macs(found.model, one)
        result = {
            "mse": scores.mse if finite else None,
            "mae": scores.mae if finite else None,
            "windows_test": scores.windows,
            "parameters": found.parameters[1],
            "density": sum(narrow.values()) / sum(weights.values()),
            "density_all": found.achieved,
            "macs_executed": macs.macs_executed,
        }
        about = self.about(result, before=store.row(self.trained.key)["result"])
        return Outcome(
            result=result | live,
            detail={"groups": [asdict(group) for group in found.groups], "floor": found.floor} | not_counted(macs),
            cost={"peak_memory_mib": peak.mib},
            status="ok" if finite else "diverged",
            reason=found.floor if finite else "the pruned model's forecast is not finite",
            files=scores_file(scores) | model_file(found.model, about=about) if finite else {},
        )


class StructuredStep(NarrowStep):
    """Narrowed until the share ``density`` of all parameters is left. A ``reason`` says why not."""

    kind: ClassVar[str] = "structured"

    def what(self) -> dict:
        return {"score": "group-l2", "structure": "structured", "scope": "global", "density": self.density}

    def words(self) -> str:
        return f"density {self.density:.3f}, structured"

    def columns(self) -> dict:
        return pruning_columns("structured", "structured", "global", self.density)

    def narrow(self, model: nn.Module, one: tuple) -> StructuredResult:
        return structured_prune(model, one, self.density, by="parameters", importance="group-l2", scope="global")


class DepGraphStep(NarrowStep):
    """Narrowed as the paper did: the share ``1 - density`` of the channels is removed, whatever that leaves.

    Where the library breaks the model, that is the result: status ``broken``, and the reason.
    """

    kind: ClassVar[str] = "depgraph"

    def what(self) -> dict:
        return {"score": "group-l2", "structure": "structured", "scope": "layer", "density": self.density}

    def words(self) -> str:
        return f"density {self.density:.3f}, DepGraph as published"

    def columns(self) -> dict:
        return pruning_columns("depgraph_paper", "structured", "layer", self.density)

    def narrow(self, model: nn.Module, one: tuple) -> StructuredResult:
        try:
            return depgraph_paper(model, one, self.density)
        except UserError as error:
            raise _Broken(str(error)) from error

    def run(self, store: Store) -> Outcome:
        try:
            return super().run(store)
        except _Broken as broken:
            return Outcome({}, {}, {}, status="broken", reason=str(broken))


class _Broken(Exception):
    """The pruned model does not run; the text says why."""
