"""Dense training and naive forecasts: what every study starts from."""

from typing import ClassVar

import torch
from pydantic import Field

from tsprune import measure
from tsprune.data import Splits, Windows
from tsprune.engine.partial import Interruptible
from tsprune.engine.step import RESULTS_VERSION, Outcome, Step
from tsprune.engine.store import Store
from tsprune.models import Forecaster, create_model
from tsprune.models.base import model_class
from tsprune.pruners import layer_densities
from tsprune.seeded import seeded
from tsprune.steps.artifacts import error_columns, model_file, scores_file
from tsprune.steps.data import LIVE_WINDOWS, DataSpec, first_windows
from tsprune.steps.model import ModelStep
from tsprune.training import TrainConfig, device_type, evaluate, train
from tsprune.typed import AboveZero


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
            **({"eval_batch_size": self.train.eval_batch_size} if self.train.drops_last else {}),
        }

    @property
    def label(self) -> str:
        return f"{self.model} {self.data.label}-{self.data.pred_len}"

    def protocol(self) -> dict:
        return {**self.data.protocol(), "model": self.model, "seed": None, "method": "naive"}

    def run(self, store: Store) -> Outcome:
        model = create_model(self.model, **self.data.geometry(), **self.hyper)
        scores = evaluate(model, self.data.splits("cpu").test, self.train)
        return Outcome(error_columns(scores), {}, {}, files=scores_file(scores))


class TrainStep(ModelStep):
    """Dense training, and the test error of its best epoch. Every study that needs this model shares it."""

    kind: ClassVar[str] = "train"
    lasting: ClassVar[bool] = True
    data: DataSpec
    model: str
    hyper: dict
    """The model's full config, as ``model.config.model_dump()`` gives it."""
    train: TrainConfig
    """With the device resolved: never ``auto``."""
    seed: int
    fraction: AboveZero = 1.0
    """Share of the training windows used, the most recent ones. An epoch sees as many windows as all of them are, so
    that every share gets the same number of steps; the scaling is that of all training rows."""

    def identity(self) -> dict:
        return {
            "step": self.kind,
            "version": RESULTS_VERSION,
            "data": self.data.identity(),
            "model": self.model,
            "hyper": self.hyper,
            "train": self.train.model_dump(exclude=set() if self.train.drops_last else {"eval_batch_size"}),
            "seed": self.seed,
            "fraction": self.fraction,
        }

    @property
    def sized(self) -> str:
        """The model, and where it has them its width and encoder layers, as in ``iTransformer 64x2``."""
        return self.model + (f" {self.hyper['d_model']}x{self.hyper['e_layers']}" if "d_model" in self.hyper else "")

    @property
    def label(self) -> str:
        part = f" ({self.fraction:.0%})" if self.fraction < 1 else ""
        return f"{self.sized} {self.data.label}-{self.data.pred_len}{part} seed {self.seed}: training"

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

    def build(self) -> Forecaster:
        """The model as its seed initialises it, on its device."""
        with seeded(self.seed):
            model = create_model(self.model, **self.hyper)
        return model.to(self.train.device)

    @property
    def place(self) -> tuple[DataSpec, str]:
        return self.data, self.train.device

    def windows(self, splits: Splits) -> Windows:
        """The windows of one epoch: the most recent share ``fraction``, repeated to the number of all of them."""
        every = len(splits.train)
        recent = torch.arange(every - max(1, round(self.fraction * every)), every)
        return splits.train.subset(recent.repeat(-(-every // len(recent)))[:every])

    def run(self, store: Store) -> Outcome:
        """Status ok: scores, costs and the model; diverged: what the training came to, without scores and model."""
        splits = self.data.splits(self.train.device)
        model, windows = self.build(), self.windows(splits)
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
        detail = {"history": done.history, "layers": layer_densities(model, {})}
        cost = {"seconds_per_epoch": done.seconds_per_epoch, "peak_memory_mib": peak.mib}
        if done.status != "ok":
            return Outcome(result, detail, cost, status=done.status, reason=done.reason)
        return self._tested(model, splits, done.best_val_mse, result, detail, cost)

    def _tested(
        self, model: Forecaster, splits: Splits, val_mse: float, result: dict, detail: dict, cost: dict
    ) -> Outcome:
        """The outcome of a dense ``model``: what is known of it already, its test errors, what it takes to run."""
        scores = evaluate(model, splits.test, self.train)
        few = first_windows(splits.train, LIVE_WINDOWS)
        macs = measure.count_macs(model, few)
        result = result | {
            **error_columns(scores),
            "val_mse": val_mse,
            "density": 1.0,
            "density_all": 1.0,
            "macs_executed": macs.macs_executed,
            "parameters_live": measure.live_parameters(model, few, draws=2).live,
        }
        files = scores_file(scores) | model_file(model, about=self.about(result))
        return Outcome(result, detail | not_counted(macs), cost, files=files)


def not_counted(macs: measure.MacReport) -> dict:
    """A row's word for operators that the multiply-add counter does not know: its counts are too low without them."""
    return {"macs_unknown": sorted(macs.unsupported)} if macs.unsupported else {}


def train_step(
    data: DataSpec, model: str, hyper: dict, recipe: TrainConfig, seed: int, fraction: float = 1.0
) -> TrainStep:
    """A :class:`TrainStep` with everything resolved: the device named, the model's config complete and checked."""
    recipe = recipe.model_copy(update={"device": device_type(recipe.device)})
    full = model_class(model).Config.parse(data.geometry() | hyper, where=model).model_dump(mode="json")
    return TrainStep(data=data, model=model, hyper=full, train=recipe, seed=seed, fraction=fraction)
