"""What an experiment is made of. A step is a pure function from its config, and the steps it needs, to a row.

A step's identity is the hash of everything its numbers depend on: the data's fingerprint and not its path, the full
model config, the recipe, the seed, and the identities of the steps it needs.
"""

import math
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn

from tsprune import measure
from tsprune.data import Splits, load_table, make_splits
from tsprune.errors import UserError
from tsprune.models import create_model, load_checkpoint, save_checkpoint
from tsprune.pruners import apply_masks, density, hold_masks, layer_densities, magnitude_masks, pruned
from tsprune.pruners.magnitude import Scope
from tsprune.pruners.masks import Masks
from tsprune.study.store import Store
from tsprune.training import TrainConfig, evaluate, resolve_device, train
from tsprune.typed import Config, digest

MODEL_FILE = "model.safetensors"

# Raised when the numbers of a step change their meaning: stored rows of older versions are then no longer found.
RESULTS_VERSION = 1

# Windows on which a parameter must have an effect to count as live: a ReLU unit may be silent on a few.
_LIVE_WINDOWS = 32

# Weights are drawn from torch's global generator, which threads share: one model is built at a time.
_BUILDING = threading.Lock()


@dataclass(frozen=True)
class Outcome:
    """What a step came to: numbers that repeat bit for bit (``result``), structured extras (``detail``), numbers that
    do not repeat (``cost``), and a model to keep."""

    result: dict[str, float | int | None]
    detail: dict
    cost: dict[str, float | None]
    status: str = "ok"
    reason: str | None = None
    model: nn.Module | None = None

    def write(self, folder: Path) -> None:
        if self.model is not None:
            save_checkpoint(folder / MODEL_FILE, self.model)


class DataSpec(Config):
    """A dataset and the windows cut from it. ``name`` and the options of reading say where to load it again;
    ``fingerprint`` says which values it must then have."""

    name: str
    label: str
    fingerprint: str
    columns: int
    seq_len: int
    label_len: int
    pred_len: int
    freq: str
    raw: bool = False
    missing: Literal["error", "interpolate"] = "error"
    date_column: str | None = None
    time_step: str | None = None

    def identity(self) -> dict:
        return self.model_dump(include={"label", "fingerprint", "seq_len", "label_len", "pred_len", "freq"})

    def splits(self, device: str) -> Splits:
        """Load the windows; one copy per process is kept for the steps that follow."""
        return _splits(self, device)

    def protocol(self) -> dict:
        return {"dataset": self.label, **self.model_dump(include={"seq_len", "label_len", "pred_len", "freq"})}


@lru_cache(maxsize=2)
def _splits(spec: DataSpec, device: str) -> Splits:
    table = load_table(
        spec.name, raw=spec.raw, missing=spec.missing, date_column=spec.date_column, time_step=spec.time_step
    )
    if table.fingerprint != spec.fingerprint:
        raise UserError(f"{spec.name}: the data changed while the study was running; start it again")
    return make_splits(
        table,
        seq_len=spec.seq_len,
        label_len=spec.label_len,
        pred_len=spec.pred_len,
        freq=spec.freq,
        device=device,
    )


class Step(Config, ABC):
    """Base of all steps; see the module's text."""

    kind: ClassVar[str]

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


class NaiveStep(Step):
    """Test error of a forecast that learns nothing."""

    kind: ClassVar[str] = "naive"
    data: DataSpec
    model: str
    train: TrainConfig

    def identity(self) -> dict:
        return {
            "step": self.kind,
            "version": RESULTS_VERSION,
            "data": self.data.identity(),
            "model": self.model,
            "protocol": self.train.protocol,
        }

    @property
    def label(self) -> str:
        return f"{self.model} {self.data.label}-{self.data.pred_len}"

    def protocol(self) -> dict:
        return {**self.data.protocol(), "model": self.model, "seed": None, "method": "naive"}

    def run(self, store: Store) -> Outcome:
        model = create_model(self.model, **_geometry(self.data))
        scores = evaluate(model, self.data.splits("cpu").test, self.train)
        return Outcome({"mse": scores.mse, "mae": scores.mae, "windows_test": scores.windows}, {}, {})


class TrainStep(Step):
    """Dense training, and the test error of its best epoch. Every study that needs this model shares it."""

    kind: ClassVar[str] = "train"
    data: DataSpec
    model: str
    hyper: dict
    """The model's full config, as ``model.config.model_dump()`` gives it."""
    train: TrainConfig
    """With the device resolved: never ``auto``."""
    seed: int

    def identity(self) -> dict:
        # Neither score depends on the evaluation's batch size, unless incomplete batches are dropped.
        published = self.train.protocol == "as_published"
        return {
            "step": self.kind,
            "version": RESULTS_VERSION,
            "data": self.data.identity(),
            "model": self.model,
            "hyper": self.hyper,
            "train": self.train.model_dump(exclude=set() if published else {"eval_batch_size"}),
            "seed": self.seed,
        }

    @property
    def label(self) -> str:
        return f"{self.model} {self.data.label}-{self.data.pred_len} seed {self.seed}: training"

    def protocol(self) -> dict:
        return {
            **self.data.protocol(),
            "model": self.model,
            "seed": self.seed,
            "method": "dense",
            "density_asked": 1.0,
            "device": self.train.device,
            "threads": torch.get_num_threads(),
            "protocol": self.train.protocol,
            **{f"version_{name}": number for name, number in measure.versions().items()},
        }

    def build(self) -> nn.Module:
        """The model as its seed initialises it, on its device."""
        with _BUILDING, torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            model = create_model(self.model, **self.hyper)
        return model.to(self.train.device)

    def run(self, store: Store) -> Outcome:
        splits = self.data.splits(self.train.device)
        model = self.build()
        with measure.PeakMemory(self.train.device) as peak:
            done = train(model, splits.train, splits.val, self.train, seed=self.seed)
        result = {
            "parameters": measure.count_parameters(model),
            "epochs_run": done.epochs_run,
            "best_epoch": done.best_epoch,
            "windows_seen": done.windows_seen,
            "windows_train": len(splits.train),
            "windows_val": len(splits.val),
        }
        if done.status == "ok":
            scores = evaluate(model, splits.test, self.train)
            few = splits.train.batch(torch.arange(min(_LIVE_WINDOWS, len(splits.train))))[:4]
            result |= {
                "mse": scores.mse,
                "mae": scores.mae,
                "val_mse": done.best_val_mse,
                "windows_test": scores.windows,
                "density": 1.0,
                "density_all": 1.0,
                "macs_executed": measure.count_macs(model, few).macs_executed,
                "parameters_live": measure.live_parameters(model, few, draws=2).live,
            }
        return Outcome(
            result=result,
            detail={"history": done.history, "layers": layer_densities(model, {})},
            cost={"seconds_per_epoch": done.seconds_per_epoch, "peak_memory_mib": peak.mib},
            status=done.status,
            reason=done.reason,
            model=model if done.status == "ok" else None,
        )


class PruneStep(Step):
    """One-shot unstructured magnitude pruning of a trained model, tested without retraining."""

    kind: ClassVar[str] = "prune"
    trained: TrainStep
    scope: Scope
    density: float

    def identity(self) -> dict:
        return {
            "step": self.kind,
            "version": RESULTS_VERSION,
            "trained": self.trained.key,
            "score": "magnitude",
            "structure": "unstructured",
            "scope": self.scope,
            "density": self.density,
        }

    @property
    def needs(self) -> tuple[Step, ...]:
        return (self.trained,)

    @property
    def label(self) -> str:
        base = self.trained.label.removesuffix(": training")
        return f"{base}: density {self.density:.3f} by {self.scope}"

    def protocol(self) -> dict:
        return {
            **self.trained.protocol(),
            "method": "magnitude",
            "structure": "unstructured",
            "scope": self.scope,
            "density_asked": self.density,
        }

    def run(self, store: Store) -> Outcome:
        splits = self.trained.data.splits(self.trained.train.device)
        model, _ = load_checkpoint(store.artifact(self.trained.key, MODEL_FILE))
        model.to(self.trained.train.device)
        masks = magnitude_masks(model, self.density, self.scope)
        with measure.PeakMemory(self.trained.train.device) as peak, pruned(model, masks):
            scores = evaluate(model, splits.test, self.trained.train)
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
            detail={"layers": layer_densities(model, masks)},
            cost={"peak_memory_mib": peak.mib},
            status="ok" if finite else "diverged",
            reason=None if finite else "the pruned model's forecast is not finite",
        )


class FineTuneStep(Step):
    """A pruned model trained on with its masks held, tested after every epoch.

    ``densities`` has one entry per stage: ``[d]`` prunes once, ``[a, b, d]`` prunes step by step with the epochs
    shared evenly among the stages, ``[1.0]`` is the dense model trained as much longer (the fair control). With
    ``start="initial"`` the masks come from the trained weights and the values from the seed's initialisation: is it
    the mask, or the weights?

    The weights kept are those of the best validation MSE in the last stage, the state before its first epoch included.
    """

    kind: ClassVar[str] = "fine_tune"
    trained: TrainStep
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

    def identity(self) -> dict:
        return {
            "step": self.kind,
            "version": RESULTS_VERSION,
            "trained": self.trained.key,
            "score": "magnitude",
            "structure": "unstructured",
            "scope": self.scope,
            "densities": self.densities,
            "start": self.start,
            "train": self.train.model_dump(exclude={"eval_batch_size", "device"}),
        }

    @property
    def needs(self) -> tuple[Step, ...]:
        return (self.trained,)

    @property
    def arm(self) -> str:
        """What this is in a comparison: dense longer, fine-tuned, iterative or rewound."""
        if self.start == "initial":
            return "rewound"
        if len(self.densities) > 1:
            return "iterative"
        return "dense longer" if self.densities == [1.0] else "fine-tuned"

    @property
    def label(self) -> str:
        base = self.trained.label.removesuffix(": training")
        return f"{base}: {self.arm}, density {self.densities[-1]:.3f}, {self.train.epochs} epochs"

    def protocol(self) -> dict:
        return {
            **self.trained.protocol(),
            "method": self.arm,
            "structure": "unstructured",
            "scope": self.scope,
            "density_asked": self.densities[-1],
        }

    def run(self, store: Store) -> Outcome:
        splits = self.trained.data.splits(self.trained.train.device)
        model, _ = load_checkpoint(store.artifact(self.trained.key, MODEL_FILE))
        model.to(self.trained.train.device)
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


def _geometry(data: DataSpec) -> dict:
    """The part of a model's config that the data fixes."""
    return {
        "enc_in": data.columns,
        "dec_in": data.columns,
        "c_out": data.columns,
        "seq_len": data.seq_len,
        "label_len": data.label_len,
        "pred_len": data.pred_len,
        "freq": data.freq,
    }


def train_step(data: DataSpec, model: str, hyper: dict, recipe: TrainConfig, seed: int) -> TrainStep:
    """A :class:`TrainStep` with everything resolved: the device named, the model's config complete and checked."""
    recipe = recipe.model_copy(update={"device": resolve_device(recipe.device).type})
    with torch.device("meta"):
        full = create_model(model, **_geometry(data), **hyper).config.model_dump(mode="json")
    return TrainStep(data=data, model=model, hyper=full, train=recipe, seed=seed)
