"""Steps that make a trained model sparse: masks by magnitude, n of m, narrower layers, and training on with masks."""

import math
from abc import abstractmethod
from dataclasses import asdict
from functools import partial
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator

from tsprune import measure
from tsprune.data import Splits
from tsprune.pruners import (
    apply_masks,
    density,
    hold_masks,
    layer_densities,
    magnitude_masks,
    nm_masks,
    prunable_weights,
    pruned,
    structured_prune,
)
from tsprune.pruners.magnitude import Scope
from tsprune.pruners.masks import Masks
from tsprune.study.steps import RESULTS_VERSION, Outcome, Step, TrainStep
from tsprune.study.store import Store
from tsprune.training import TrainConfig, evaluate, train


class OnTrained(Step):
    """Base of the steps that start from a trained model."""

    trained: TrainStep

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


class PruneStep(OnTrained):
    """One-shot unstructured magnitude pruning of a trained model, tested without retraining."""

    kind: ClassVar[str] = "prune"
    scope: Scope
    density: float

    def what(self) -> dict:
        return {"score": "magnitude", "structure": "unstructured", "scope": self.scope, "density": self.density}

    def words(self) -> str:
        return f"density {self.density:.3f} by {self.scope}"

    def columns(self) -> dict:
        return _columns("magnitude", "unstructured", self.scope, self.density)

    def run(self, store: Store) -> Outcome:
        model = self.trained.load(store)
        return _test_masked(self.trained, model, magnitude_masks(model, self.density, self.scope))


class NMStep(OnTrained):
    """One-shot n:m magnitude masks (2:4 by default) on a trained model, tested without retraining."""

    kind: ClassVar[str] = "nm"
    n: int = 2
    m: int = 4

    def what(self) -> dict:
        return {"score": "magnitude", "structure": self.words()}

    def words(self) -> str:
        return f"{self.n}:{self.m}"

    def columns(self) -> dict:
        return _columns("magnitude", self.words(), "layer", self.n / self.m)

    def run(self, store: Store) -> Outcome:
        model = self.trained.load(store)
        masks, left = nm_masks(model, self.n, self.m)
        return _test_masked(self.trained, model, masks, left=left)


class StructuredStep(OnTrained):
    """A trained model narrowed to a share of its parameters, tested without retraining; the narrow model is kept."""

    kind: ClassVar[str] = "structured"
    density: float
    """Share of all parameters to be left."""

    def what(self) -> dict:
        return {"score": "group-l2", "structure": "structured", "scope": "global", "density": self.density}

    def words(self) -> str:
        return f"density {self.density:.3f}, structured"

    def columns(self) -> dict:
        return _columns("structured", "structured", "global", self.density)

    def run(self, store: Store) -> Outcome:
        splits = self.trained.data.splits(self.trained.train.device)
        model = self.trained.load(store)
        one = splits.train.batch(torch.zeros(1, dtype=torch.long))[:4]
        found = structured_prune(model, one, self.density, by="parameters", importance="group-l2", scope="global")
        with measure.PeakMemory(self.trained.train.device) as peak:
            scores = evaluate(found.model, splits.test, self.trained.train)
        finite = math.isfinite(scores.mse)
        weights = {name: w.numel() for name, w in prunable_weights(model).items()}
        narrow = {name: w.numel() for name, w in prunable_weights(found.model).items()}
        return Outcome(
            result={
                "mse": scores.mse if finite else None,
                "mae": scores.mae if finite else None,
                "windows_test": scores.windows,
                "parameters": found.parameters[1],
                "density": sum(narrow.values()) / sum(weights.values()),
                "density_all": found.achieved,
                "macs_executed": measure.count_macs(found.model, one).macs_executed,
            },
            detail={"groups": [asdict(group) for group in found.groups], "floor": found.floor},
            cost={"peak_memory_mib": peak.mib},
            status="ok" if finite else "diverged",
            reason=None if finite else "the pruned model's forecast is not finite",
            model=found.model,
        )


def _columns(method: str, structure: str, scope: str, density: float) -> dict:
    return {"method": method, "structure": structure, "scope": scope, "density_asked": density}


def _test_masked(trained: TrainStep, model, masks: Masks, left: dict[str, str] | None = None) -> Outcome:
    """Test error and counts of ``model`` under ``masks``; ``left`` says which weights have none, and why."""
    splits = trained.data.splits(trained.train.device)
    with measure.PeakMemory(trained.train.device) as peak, pruned(model, masks):
        scores = evaluate(model, splits.test, trained.train)
    achieved = density(model, masks)
    macs = measure.count_macs(model, splits.train.batch(torch.zeros(1, dtype=torch.long))[:4], masks)
    finite = math.isfinite(scores.mse)
    return Outcome(
        result={
            "mse": scores.mse if finite else None,
            "mae": scores.mae if finite else None,
            "windows_test": scores.windows,
            "parameters": achieved.parameters,
            "weights_kept": achieved.kept,
            "macs_executed": macs.macs_executed,
            "macs_if_zeros_skipped": macs.macs_if_zeros_skipped,
            "density": achieved.over_prunable,
            "density_all": achieved.over_all,
        },
        detail={"layers": layer_densities(model, masks), "left": left or {}},
        cost={"peak_memory_mib": peak.mib},
        status="ok" if finite else "diverged",
        reason=None if finite else "the pruned model's forecast is not finite",
    )


class FineTuneStep(OnTrained):
    """A pruned model trained on with its masks held, tested after every epoch.

    ``densities`` has one entry per stage: ``[d]`` prunes once, ``[a, b, d]`` prunes step by step with the epochs
    shared evenly among the stages, ``[1.0]`` is the dense model trained as much longer (the fair control). With
    ``start="initial"`` the masks come from the trained weights and the values from the seed's initialisation: is it
    the mask, or the weights?

    The weights kept are those of the best validation MSE in the last stage, the state before its first epoch included.
    """

    kind: ClassVar[str] = "fine_tune"
    scope: Scope
    densities: Annotated[list[float], Field(min_length=1)]
    start: Literal["trained", "initial"] = "trained"
    train: TrainConfig
    """``epochs`` in all, a multiple of the number of stages; the device is that of ``trained``."""

    @model_validator(mode="after")
    def _stages_share_the_epochs(self) -> Self:
        if self.train.epochs % len(self.densities):
            raise ValueError(f"{self.train.epochs} epochs cannot be shared evenly by {len(self.densities)} stages")
        return self

    def what(self) -> dict:
        return {
            "score": "magnitude",
            "structure": "unstructured",
            "scope": self.scope,
            "densities": self.densities,
            "start": self.start,
            "train": self.train.model_dump(exclude={"eval_batch_size", "device"}),
        }

    @property
    def arm(self) -> str:
        """What this is in a comparison: dense longer, fine-tuned, iterative or rewound."""
        if self.start == "initial":
            return "rewound"
        if len(self.densities) > 1:
            return "iterative"
        return "dense longer" if self.densities == [1.0] else "fine-tuned"

    def words(self) -> str:
        return f"{self.arm}, density {self.densities[-1]:.3f}, {self.train.epochs} epochs"

    def columns(self) -> dict:
        return _columns(self.arm, "unstructured", self.scope, self.densities[-1])

    def run(self, store: Store) -> Outcome:
        splits = self.trained.data.splits(self.trained.train.device)
        model = self.trained.load(store)
        recipe = self.train.model_copy(update={"epochs": self.train.epochs // len(self.densities)})
        history, masks, seconds = [], {}, 0.0
        with measure.PeakMemory(self.trained.train.device) as peak:
            for stage, wanted in enumerate(self.densities):
                masks = magnitude_masks(model, wanted, self.scope)
                if self.start == "initial":
                    model.load_state_dict(self.trained.build().state_dict())
                apply_masks(model, masks)
                done = self._stage(model, splits, recipe, masks, stage, history)
                seconds += done.seconds_per_epoch * done.epochs_run
                if done.status != "ok":
                    return Outcome({}, {"history": history}, {}, status=done.status, reason=done.reason)
        scores, achieved = evaluate(model, splits.test, recipe), density(model, masks)
        epochs = sum(record["epoch"] > 0 for record in history)
        result = {
            "mse": scores.mse,
            "mae": scores.mae,
            "windows_test": scores.windows,
            "epochs_run": epochs,
            "windows_seen": epochs * len(splits.train),
            "density": achieved.over_prunable,
            "density_all": achieved.over_all,
            "parameters": achieved.parameters,
        }
        cost = {"seconds_per_epoch": seconds / epochs, "peak_memory_mib": peak.mib}
        return Outcome(result, {"history": history, "layers": layer_densities(model, masks)}, cost)

    def _stage(self, model, splits: Splits, recipe: TrainConfig, masks: Masks, stage: int, history: list[dict]):
        """Train one stage in place; ``history`` gains a record per epoch, epoch 0 being the state it starts from."""
        before = {name: value.clone() for name, value in model.state_dict().items()}
        start = evaluate(model, splits.val, recipe)
        offset = stage * recipe.epochs
        test = evaluate(model, splits.test, recipe)
        history.append({"stage": stage, "epoch": offset, "val_mse": start.mse, "test_mse": test.mse})

        def note(record: dict) -> None:
            test = evaluate(model, splits.test, recipe)
            entry = {"stage": stage, "epoch": offset + record["epoch"], "val_mse": record["val_mse"]}
            history.append(entry | {"test_mse": test.mse})

        hold = partial(hold_masks, masks=masks)
        seed = self.trained.seed + 1000 * (stage + 1)  # other batches than those of the first epochs of training
        done = train(model, splits.train, splits.val, recipe, seed=seed, controller=hold, on_epoch=note)
        if done.status == "ok" and not done.best_val_mse < start.mse:
            model.load_state_dict(before)
        return done
