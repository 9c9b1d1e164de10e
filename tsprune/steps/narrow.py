"""Steps that narrow a trained model, without retraining: to a share of its parameters, or as the first paper and its
code do."""

import math
from abc import abstractmethod
from dataclasses import asdict, replace
from typing import Annotated, ClassVar

from pydantic import Field
from torch import nn

from tsprune import measure
from tsprune.data import Splits
from tsprune.engine.step import Outcome
from tsprune.engine.store import Store
from tsprune.pruners import Unprunable, depgraph_paper, depgraph_to_the_end, prunable_weights, structured_prune
from tsprune.pruners.structured import Inside, StructuredResult
from tsprune.steps.artifacts import model_file, scores_file
from tsprune.steps.data import first_windows
from tsprune.steps.model import ModelStep
from tsprune.steps.on_trained import OnTrained, live_result, pruning_columns
from tsprune.steps.train import not_counted
from tsprune.training import Scores, evaluate


class InUnits(ModelStep):
    """Base of the steps whose models lose units of a size that can be chosen, see ``structured_prune``."""

    multiple: Annotated[int, Field(ge=1)] = 1
    """Units of which widths become multiples."""
    inside: Inside = "head_dim"

    def units(self) -> dict:
        """The choice, for the identity and the protocol. What is at its finest is left out, so that rows of before
        there was a choice keep their identity."""
        finest = {"multiple": 1, "inside": "head_dim"}
        return {name: value for name in finest if (value := getattr(self, name)) != finest[name]}

    def units_text(self) -> str:
        """The same for the progress line."""
        heads = "" if self.inside == "head_dim" else ", by whole heads"
        return heads + ("" if self.multiple == 1 else f", widths in multiples of {self.multiple}")


class NarrowStep(OnTrained, ModelStep):
    """Base of the steps that narrow a trained model and keep the narrow one; tested without retraining."""

    def start(self, store: Store) -> tuple[nn.Module, Splits, tuple]:
        """The trained model, its data, and a batch of one window for a call."""
        splits = self.trained.data.splits(self.trained.train.device)
        return self.trained.load(store), splits, first_windows(splits.train, 1)

    def tested(self, found: StructuredResult, splits: Splits) -> tuple[Scores, float]:
        """Test errors of the narrow model, and the peak memory of testing it, in MiB."""
        with measure.PeakMemory(self.trained.train.device) as peak:
            scores = evaluate(found.model, splits.test, self.trained.train)
        return scores, peak.mib

    def outcome(
        self, store: Store, model: nn.Module, found: StructuredResult, scores: Scores, memory: float, splits: Splits
    ) -> Outcome:
        """What became of ``model``, tested with these ``scores``."""
        one = first_windows(splits.train, 1)
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
            cost={"peak_memory_mib": memory},
            status="ok" if finite else "diverged",
            reason=found.floor if finite else "the pruned model's forecast is not finite",
            files=scores_file(scores) | model_file(found.model, about=about) if finite else {},
        )


class ToDensityStep(NarrowStep):
    """Base of the steps that narrow a model once."""

    density: float
    """What is asked for; each subclass says of what."""

    @abstractmethod
    def narrow(self, model: nn.Module, one: tuple) -> StructuredResult:
        """Narrow ``model``; ``one`` is a batch of one window for its call."""

    def run(self, store: Store) -> Outcome:
        model, splits, one = self.start(store)
        found = self.narrow(model, one)
        return self.outcome(store, model, found, *self.tested(found, splits), splits)


class StructuredStep(InUnits, ToDensityStep):
    """Narrowed until the share ``density`` of all parameters is left. A ``reason`` says why not."""

    kind: ClassVar[str] = "structured"

    def what(self) -> dict:
        asked = {"score": "group-l2", "structure": "structured", "scope": "global", "density": self.density}
        return asked | self.units()

    def words(self) -> str:
        return f"density {self.density:.3f}, structured{self.units_text()}"

    def columns(self) -> dict:
        return pruning_columns("structured", "structured", "global", self.density) | self.units()

    def narrow(self, model: nn.Module, one: tuple) -> StructuredResult:
        return structured_prune(
            model,
            one,
            self.density,
            by="parameters",
            importance="group-l2",
            scope="global",
            multiple=self.multiple,
            inside=self.inside,
        )


class DepGraphStep(ToDensityStep):
    """Narrowed by the plain call of torch-pruning: the share ``1 - density`` of the channels is removed, whatever that
    leaves.

    Where the library breaks the model, that is the result: status ``broken``, and the reason.
    """

    kind: ClassVar[str] = "depgraph"

    def what(self) -> dict:
        return {"score": "group-l2", "structure": "structured", "scope": "layer", "density": self.density}

    def words(self) -> str:
        return f"density {self.density:.3f}, torch-pruning, ratio of channels"

    def columns(self) -> dict:
        return pruning_columns("depgraph_paper", "structured", "layer", self.density)

    def narrow(self, model: nn.Module, one: tuple) -> StructuredResult:
        return depgraph_paper(model, one, self.density)

    def run(self, store: Store) -> Outcome:
        try:
            return super().run(store)
        except Unprunable as error:
            return _broken(error)


class ToTheEndStep(NarrowStep):
    """Narrowed as the first paper's public code does (see ``depgraph_to_the_end``), tested each time on the way; the
    narrowest model is kept.

    ``detail["curve"]``: for each model on the way the share of the channels ``asked`` for, the shares ``density_all``
    of the parameters and ``macs_share`` of the multiply-adds that are left, and the test errors ``mse`` and ``mae``,
    None where the forecast is not finite. Where the library breaks the model on the way, the row says so and ends with
    the last that runs; status ``broken`` where there is none.
    """

    kind: ClassVar[str] = "to_the_end"
    steps: Annotated[int, Field(ge=1)]
    """Equal parts in which all channels are asked for."""

    def what(self) -> dict:
        return {"score": "group-l2", "structure": "structured", "scope": "global", "steps": self.steps}

    def words(self) -> str:
        return f"structured to the end in {self.steps} steps, the first paper's protocol"

    def columns(self) -> dict:
        return pruning_columns("authors", "structured", "global", 0.0)

    def run(self, store: Store) -> Outcome:
        model, splits, one = self.start(store)
        curve, stopped = [], None
        try:
            for found in depgraph_to_the_end(model, one, self.steps):
                scores, memory = self.tested(found, splits)
                curve.append(_point(found, scores))
        except Unprunable as error:
            if not curve:
                return _broken(error)
            stopped = str(error)
        end = self.outcome(store, model, found, scores, memory, splits)
        return replace(end, detail=end.detail | {"curve": curve}, reason=stopped or end.reason)


def _point(found: StructuredResult, scores: Scores) -> dict[str, float | None]:
    finite = math.isfinite(scores.mse)
    return {
        "asked": found.asked,
        "density_all": found.achieved,
        "macs_share": found.macs[1] / found.macs[0],
        "mse": scores.mse if finite else None,
        "mae": scores.mae if finite else None,
    }


def _broken(error: Unprunable) -> Outcome:
    return Outcome({}, {}, {}, status="broken", reason=str(error))
