"""What an experiment is made of. A step is a pure function from its config, and the steps it needs, to a row.

A step's identity is the hash of everything its numbers depend on: the data's fingerprint and not its path, the full
model config, the recipe, the seed, and the identities of the steps it needs.
"""

import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tsprune import measure
from tsprune.data import Splits, Windows, load_table, make_splits
from tsprune.errors import UserError
from tsprune.models import create_model, load_checkpoint, save_checkpoint
from tsprune.models.base import model_class
from tsprune.pruners import layer_densities
from tsprune.study.interruption import Interruptible
from tsprune.study.store import Store
from tsprune.training import Scores, TrainConfig, evaluate, resolve_device, train
from tsprune.typed import Config, digest

MODEL_FILE = "model.safetensors"
SCORES_FILE = "scores.safetensors"

# Raised when the numbers of a step change their meaning: stored rows of older versions are then no longer found.
RESULTS_VERSION = 3

# Windows on which a parameter must have an effect to count as live: a ReLU unit may be silent on a few.
_LIVE_WINDOWS = 32

# Weights are drawn from torch's global generator, which threads share: one model is built at a time.
_BUILDING = threading.Lock()


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


def load_scores(store: Store, key: str) -> dict[str, Tensor]:
    """Test errors of a step by part, float64: ``window_mse`` (windows,), ``column_mse``, ``column_mae`` (columns,)."""
    return load_file(store.artifact(key, SCORES_FILE))


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


class NaiveStep(Step):
    """Test error of a forecast that learns nothing."""

    kind: ClassVar[str] = "naive"
    data: DataSpec
    model: str
    train: TrainConfig
    hyper: dict = Field(default_factory=dict)
    """What the model's config needs beside the data's geometry."""

    def identity(self) -> dict:
        return {
            "step": self.kind,
            "version": RESULTS_VERSION,
            "data": self.data.identity(),
            "model": self.model,
            "hyper": self.hyper,
            "protocol": self.train.protocol,
        }

    @property
    def label(self) -> str:
        return f"{self.model} {self.data.label}-{self.data.pred_len}"

    def protocol(self) -> dict:
        return {**self.data.protocol(), "model": self.model, "seed": None, "method": "naive"}

    def run(self, store: Store) -> Outcome:
        model = create_model(self.model, **_geometry(self.data), **self.hyper)
        scores = evaluate(model, self.data.splits("cpu").test, self.train)
        return Outcome({"mse": scores.mse, "mae": scores.mae, "windows_test": scores.windows}, {}, {}, scores=scores)


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
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the training windows used, the most recent ones. An epoch sees as many windows as all of them are, so
    that every share gets the same number of steps; the scaling is that of all training rows."""

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
            "fraction": self.fraction,
        }

    @property
    def label(self) -> str:
        size = f" {self.hyper['d_model']}x{self.hyper['e_layers']}" if "d_model" in self.hyper else ""
        part = f" ({self.fraction:.0%})" if self.fraction < 1 else ""
        return f"{self.model}{size} {self.data.label}-{self.data.pred_len}{part} seed {self.seed}: training"

    def protocol(self) -> dict:
        return {
            **self.data.protocol(),
            "model": self.model,
            "seed": self.seed,
            "method": "dense",
            "density_asked": 1.0,
            "d_model": self.hyper.get("d_model"),
            "e_layers": self.hyper.get("e_layers"),
            "data_fraction": self.fraction,
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

    def load(self, store: Store) -> nn.Module:
        """The model as its best epoch left it, on its device. Raises ``Corrupt`` when the stored file was damaged."""
        model, _ = load_checkpoint(store.artifact(self.key, MODEL_FILE))
        return model.to(self.train.device)

    def windows(self, splits: Splits) -> Windows:
        """The windows of one epoch: the most recent share ``fraction``, repeated to the number of all of them."""
        every = len(splits.train)
        recent = torch.arange(every - max(1, round(self.fraction * every)), every)
        return splits.train.subset(recent.repeat(-(-every // len(recent)))[:every])

    def run(self, store: Store) -> Outcome:
        splits = self.data.splits(self.train.device)
        model, windows, scores = self.build(), self.windows(splits), None
        with measure.PeakMemory(self.train.device) as peak, Interruptible(store, self.key) as partial:
            done = train(
                model,
                windows,
                splits.val,
                self.train,
                seed=self.seed,
                on_state=partial,
                resume=partial.resume,
            )
        result = {
            "parameters": measure.count_parameters(model),
            "epochs_run": done.epochs_run,
            "best_epoch": done.best_epoch,
            "windows_seen": done.windows_seen,
            "windows_train": len(windows.starts.unique()),
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
            scores=scores,
        )


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


def train_step(
    data: DataSpec, model: str, hyper: dict, recipe: TrainConfig, seed: int, fraction: float = 1.0
) -> TrainStep:
    """A :class:`TrainStep` with everything resolved: the device named, the model's config complete and checked."""
    recipe = recipe.model_copy(update={"device": resolve_device(recipe.device).type})
    full = model_class(model).Config.parse(_geometry(data) | hyper, where=model).model_dump(mode="json")
    return TrainStep(data=data, model=model, hyper=full, train=recipe, seed=seed, fraction=fraction)
