"""Training and evaluation of a forecaster: knows a model and batches, no notebook and no file name."""

import copy
import math
import os
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from inspect import unwrap
from typing import Annotated, Any, Literal, Protocol

import torch
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer
from torch import Tensor, nn

from tsprune.allocator import keep_freed_memory
from tsprune.captured import Captured, generators, passes
from tsprune.cudnn import whole_float32
from tsprune.errors import UserError
from tsprune.layers import evaluation, seed_dropout
from tsprune.typed import Config

# How often the training loop looks at the loss: a look makes a GPU wait, so not at every step.
_LOOK_EVERY = 50


class TrainConfig(Config):
    """The recipe. The defaults are the first paper's protocol (arXiv 2412.12883): Adam, 5e-4, batch 32, 10 epochs,
    early stopping; neither schedule nor gradient clipping is named there, so both are off."""

    learning_rate: Annotated[float, Field(gt=0)] = 5e-4
    batch_size: Annotated[int, Field(ge=1)] = 32
    epochs: Annotated[int, Field(ge=1)] = 10
    patience: Annotated[int, Field(ge=1)] = 3
    """Epochs without a better validation MSE before training stops."""
    schedule: Literal["constant", "type1", "cosine"] = "constant"
    """``type1``: halved after every epoch from the second on (Informer and its successors); ``cosine``: to zero."""
    gradient_clip: Annotated[float, Field(gt=0)] | None = None
    """Largest gradient norm; None: not clipped."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """``bfloat16``: autocast in the forward pass, validation and test included; weights and optimiser stay float32."""
    matmul: Literal["highest", "medium"] = "highest"
    """How training computes products of float32 matrices: ``medium`` lets torch round their factors to bfloat16, where
    the processor is faster at that (``torch.set_float32_matmul_precision``). Validation and test stay exact."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    eval_batch_size: Annotated[int, Field(ge=1)] = 32
    """Windows per batch in validation and test; it changes no score, except under ``as_published``."""
    protocol: Literal["full", "as_published"] = "full"
    """``full``: every validation and test window counts. ``as_published``: the last incomplete batch is dropped, as
    in the code of Informer, FEDformer and PALS."""

    @property
    def drops_last(self) -> bool:
        """Whether validation and test leave out a last incomplete batch: then scores depend on ``eval_batch_size``."""
        return self.protocol == "as_published"

    @model_serializer(mode="wrap")
    def _without_what_was_always_so(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves ``matmul`` out where it is exact: a recipe keeps the identity of before there was a choice."""
        values = dump(self)
        if self.matmul == "highest":
            values.pop("matmul", None)
        return values

    def continued(self, epochs: int, learning_rate: float) -> "TrainConfig":
        """This recipe for training on: other epochs and rate, never stopped early."""
        return self.model_copy(update={"epochs": epochs, "patience": epochs, "learning_rate": learning_rate})


class Windows(Protocol):
    """What training needs of a split (``tsprune.data.Windows``)."""

    count: int
    """Number of series that windows are cut from, more than one in pooled data; evaluation reads it, and ``series``."""
    series: Tensor | None
    """In pooled data, the number of the series that each window belongs to, long."""

    def __len__(self) -> int: ...
    def batches(self, batch_size: int, *, generator: torch.Generator | None = None, drop_last: bool = False): ...


class Controller(Protocol):
    """Something that holds a model sparse while it is trained (``tsprune.pruners.HeldMasks``, ``Sparsity``)."""

    def attach(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Called before the first step."""

    def mask_gradients(self) -> None:
        """Called before gradients are clipped: keeps only the gradients of weights that exist."""

    def after_step(self, loss: Tensor) -> None:
        """Called after each step of the optimiser, while the gradients are still there; ``loss`` is that step's,
        detached."""

    @property
    def settled(self) -> bool:
        """Whether the model is as sparse as intended: only then may an epoch be the best."""

    def masks_now(self) -> dict[str, Tensor]:
        """The masks, kept with the weights of the best epoch."""

    def set_masks(self, masks: dict[str, Tensor]) -> None:
        """Go back to the masks of the best epoch; its weights are there already."""

    def state_dict(self) -> dict:
        """What is needed to go on after an interruption."""

    def load_state_dict(self, state: dict) -> None:
        """Go back to :meth:`state_dict`, after :meth:`attach`; weights and optimiser are there already."""


@dataclass(frozen=True)
class Scores:
    """Mean squared and mean absolute error on scaled data, over windows, steps and variates, each counted once.

    The means by part are there for paired tests over windows and for errors in the data's units by column; float64, on
    the CPU.
    """

    mse: float
    mae: float
    windows: int
    window_mse: Tensor = field(repr=False, compare=False)  # (windows,), in time order
    column_mse: Tensor = field(repr=False, compare=False)  # (columns,); of pooled data (series,)
    column_mae: Tensor = field(repr=False, compare=False)  # (columns,); of pooled data (series,)


@dataclass
class TrainResult:
    """The outcome of a training. ``status`` is ``ok`` or ``diverged``; if diverged, ``reason`` names the step."""

    status: str = "ok"
    reason: str | None = None
    best_epoch: int = 0
    best_val_mse: float = math.inf
    history: list[dict] = field(default_factory=list)
    """A record per epoch: ``epoch``, ``learning_rate``, ``train_mse``, ``val_mse``, ``val_mae``."""
    windows_seen: int = 0
    seconds_per_epoch: float = float("nan")
    """Mean over epochs, validation included."""

    @property
    def epochs_run(self) -> int:
        return len(self.history)


def device_type(name: str) -> str:
    """``cpu`` or ``cuda``; ``auto`` is CUDA where there is a device, else the CPU."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def resolve_device(name: str) -> torch.device:
    """The device of that :func:`device_type`. Raises :class:`UserError` for CUDA on a machine without it."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device = 'cuda': torch finds no CUDA device here; allowed: auto, cpu")
    return torch.device(device_type(name))


def train(
    model: nn.Module,
    train_windows: Windows,
    val_windows: Windows,
    config: TrainConfig,
    *,
    seed: int,
    controller: Controller | None = None,
    on_epoch: Callable[[dict], None] | None = None,
    on_state: Callable[[dict], None] | None = None,
    resume: dict | None = None,
) -> TrainResult:
    """Train ``model`` in place and leave it with the weights of its best epoch (by validation MSE).

    Shuffling and dropout draw from generators of their own, seeded here, so the weights depend on the seed and not
    on what else runs in the process. A loss that is not finite ends the training with status ``diverged``.

    ``controller`` may hold the model sparse; the masks that count are those of the best epoch, and patience begins once
    the controller is settled. ``on_epoch`` sees the record of each epoch, and may add to it.

    ``on_state`` is given the training's state after each epoch, except one that ends it early: dicts and lists of
    numbers, words and tensors. Copy or write them at once, because further training changes them. A training with the
    same arguments and this state as ``resume`` goes on bit for bit as if it had never been interrupted.
    """
    keep_freed_memory()
    training = _Training(model, config, seed, controller)
    if resume:
        training.go_on_from(resume)
    with _deterministic(training.device):
        for epoch in range(training.result.epochs_run + 1, config.epochs + 1):
            record = training.epoch(epoch, train_windows, val_windows)
            if record is None:
                break
            if on_epoch:
                on_epoch(record)
            if training.ends_with(record):
                break
            if on_state:
                on_state(training.state())
    training.go_back_to_best()
    return training.result


class Adam(torch.optim.Adam):
    """torch's bit for bit, whose methods load torch's compiler at their first call: a worker, which does not use that,
    would take a third longer to start."""

    add_param_group = unwrap(torch.optim.Adam.add_param_group)
    load_state_dict = unwrap(torch.optim.Adam.load_state_dict)
    state_dict = unwrap(torch.optim.Adam.state_dict)
    step = torch.no_grad()(unwrap(torch.optim.Adam.step))
    zero_grad = unwrap(torch.optim.Adam.zero_grad)


class _Training:
    """A training on its way: the model, what moves it, and what it has come to so far."""

    replays_on = frozenset({"cuda"})
    """Types of devices where its passes are captured as a graph."""

    def __init__(self, model: nn.Module, config: TrainConfig, seed: int, controller: Controller | None):
        self.model, self.config, self.controller = model, config, controller
        first = next(model.parameters(), None)
        if first is None:
            raise UserError(f"{type(model).__name__} has no parameters: there is nothing to train")
        self.device = first.device
        seed_dropout(model, seed, self.device)
        self.shuffle = torch.Generator().manual_seed(seed)
        self.optimizer = Adam(model.parameters(), lr=config.learning_rate, fused=True)
        if controller:
            controller.attach(model, self.optimizer)
        self.generators = [self.shuffle, *generators(model)]
        loss = partial(_loss, model, config, self.device)
        if self.device.type in self.replays_on:
            self.passes = Captured(model, loss, config.batch_size)
        else:
            self.passes = partial(passes, loss, parameters=list(model.parameters()))
        self.result = TrainResult()
        self.best: tuple[dict, dict | None] | None = None
        """Weights and masks of the best epoch."""
        self.started = time.perf_counter()

    def epoch(self, number: int, train_windows: Windows, val_windows: Windows) -> dict | None:
        """Train and validate once; the record, which is in the result too. None: the loss was not finite."""
        rate = learning_rate(self.config, number)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with _products(self.config.matmul):
            train_mse, bad_step = self._steps(train_windows)
        if bad_step is not None:
            self._diverged(f"loss not finite at epoch {number}, step {bad_step}")
            return None
        scores = evaluate(self.model, val_windows, self.config)
        record = {"epoch": number, "learning_rate": rate, "train_mse": train_mse}
        record |= {"val_mse": scores.mse, "val_mae": scores.mae}
        self.result.windows_seen += len(train_windows)
        self.result.history.append(record)
        return record

    def _steps(self, windows: Windows) -> tuple[float, int | None]:
        """A step per batch: mean training MSE by window, and the first step whose loss was not finite (None if all
        were)."""
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        # The first bad step is kept on the device; it is looked at now and then, not at every step.
        never = torch.tensor(2**31, device=self.device)
        first_bad, seen = never.clone(), 0
        self.model.train()
        for step, batch in enumerate(windows.batches(self.config.batch_size, generator=self.shuffle), start=1):
            loss = self._step(batch)
            total += loss * len(batch.y)
            seen += len(batch.y)
            first_bad = torch.minimum(first_bad, torch.where(loss.isfinite(), never, step))
            if step % _LOOK_EVERY == 0 and first_bad < never:
                break
        if first_bad < never:
            return math.nan, int(first_bad)
        return float(total) / seen, None

    def _step(self, batch) -> Tensor:
        """One step of the optimiser; the loss, detached."""
        loss = self.passes(batch)
        if self.config.gradient_clip is not None:
            if self.controller:
                self.controller.mask_gradients()
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip)
        self.optimizer.step()
        if self.controller:
            self.controller.after_step(loss)
        return loss

    def ends_with(self, record: dict) -> bool:
        """Keep the epoch if it is the best; whether the training ends with it, by patience or because it diverged."""
        if not math.isfinite(record["val_mse"]):
            self._diverged(f"validation MSE not finite after epoch {record['epoch']}")
            return True
        if self.controller and not self.controller.settled:
            return False
        if record["val_mse"] < self.result.best_val_mse:
            self.result.best_val_mse, self.result.best_epoch = record["val_mse"], record["epoch"]
            masks = self.controller.masks_now() if self.controller else None
            self.best = copy.deepcopy(self.model.state_dict()), masks
            return False
        return record["epoch"] - self.result.best_epoch >= self.config.patience

    def _diverged(self, reason: str) -> None:
        self.result.status, self.result.reason = "diverged", reason

    def go_back_to_best(self) -> None:
        """Set weights and masks to those of the best epoch, where there is one, and note the time per epoch."""
        if self.result.history:
            self.result.seconds_per_epoch = (time.perf_counter() - self.started) / len(self.result.history)
        if self.best is not None:
            weights, masks = self.best
            self.model.load_state_dict(weights)
            if self.controller:
                self.controller.set_masks(masks)

    def state(self) -> dict:
        """What :func:`train` gives to ``on_state``."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generators": [generator.get_state() for generator in self.generators],
            "controller": self.controller.state_dict() if self.controller else None,
            "result": asdict(self.result),
            "best": self.best,
            "seconds": time.perf_counter() - self.started,
        }

    def go_on_from(self, state: dict) -> None:
        """Set everything to ``state``, as :meth:`state` gave it."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))  # its tensors would be taken as they are
        for generator, was in zip(self.generators, state["generators"], strict=True):
            generator.set_state(was)
        if self.controller:
            self.controller.load_state_dict(state["controller"])
        self.result, self.best = TrainResult(**copy.deepcopy(state["result"])), state["best"]
        self.started -= state["seconds"]


def evaluate(model: nn.Module, windows: Windows, config: TrainConfig) -> Scores:
    """Stream the windows through ``model`` in eval mode; sums in float64, so the batch size does not matter.

    Of ``config`` only ``eval_batch_size``, ``precision`` and ``protocol`` are used. Raises :class:`UserError` if there
    is no window (under ``as_published``: no full batch), and for forecasts of another shape than the windows'.
    """
    keep_freed_memory()
    drop_last = config.drops_last
    if not len(windows) or (drop_last and len(windows) < config.eval_batch_size):
        raise UserError(f"nothing to evaluate: {len(windows)} windows, batches of {config.eval_batch_size}")
    device = next(iter(model.parameters()), torch.empty(0)).device
    # What stays is made once: made batch by batch it would lie among what these give back, and the heap would grow by
    # megabytes a batch where columns are many (measured: 1,000 of them, 2.7 GiB after 1,250 batches).
    count = len(windows) - (len(windows) % config.eval_batch_size if drop_last else 0)
    errors = torch.empty(2, count, dtype=torch.float64, device=device)  # by window: squared, absolute
    seen, columns = 0, None
    with (
        evaluation(model),
        torch.inference_mode(),
        _autocast(device, config),
        whole_float32(),
        _products("highest"),
    ):
        for batch in windows.batches(config.eval_batch_size, drop_last=drop_last):
            error = _forecast(model, batch).double().sub_(batch.y)
            if columns is None:
                columns = torch.zeros(2, error.shape[2], dtype=torch.float64, device=device)
            square, steps = error.square().sum(1), error.shape[1]
            own = slice(seen, seen + len(error))
            errors[0, own] = square.mean(1) / steps
            errors[1, own] = error.abs_().mean((1, 2))
            columns += torch.stack([square.sum(0), error.sum((0, 1))])
            seen += len(error)
    errors, means = errors.cpu(), (columns / (seen * steps)).cpu()
    overall = [float(of.mean()) for of in means]
    if windows.count > 1:
        means = _by_series(errors, windows.series[:seen].cpu(), windows.count)
    return Scores(*overall, seen, errors[0].clone(), *means)


def _by_series(errors: Tensor, series: Tensor, count: int) -> Tensor:
    """Means (2, count) of ``errors`` (2, windows), each window of the series with its number; NaN without a window."""
    sums = torch.zeros(2, count, dtype=errors.dtype).index_add_(1, series, errors)
    return sums / series.bincount(minlength=count)


def learning_rate(config: TrainConfig, epoch: int) -> float:
    """Rate of ``epoch`` (counted from 1). ``type1`` keeps the first rate for two epochs, then halves it each time."""
    if config.schedule == "type1":
        return config.learning_rate * 0.5 ** max(epoch - 2, 0)
    if config.schedule == "cosine":
        return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (epoch - 1) / config.epochs))
    return config.learning_rate


def _loss(model: nn.Module, config: TrainConfig, device: torch.device, batch) -> Tensor:
    with _autocast(device, config):
        return nn.functional.mse_loss(_forecast(model, batch), batch.y)


def _forecast(model: nn.Module, batch) -> Tensor:
    return batch.same_shape(model(*batch[:4]).float(), model)


def _autocast(device: torch.device, config: TrainConfig):
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=config.precision == "bfloat16")


@contextmanager
def _products(precision: str):
    """Products of float32 matrices at torch's ``precision``, and afterwards as before."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def _deterministic(device: torch.device):
    """On CUDA, ask for deterministic kernels; the CPU's are deterministic for a given number of threads. With them
    torch would fill all new memory, too, a kernel each time, against reads of what was never written."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    fills = torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        with whole_float32():
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
        torch.utils.deterministic.fill_uninitialized_memory = fills
