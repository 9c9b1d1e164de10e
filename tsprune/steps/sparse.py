"""A training that is sparse from within: a method of sparse training decides which weights exist, step by step."""

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Literal, get_args

import torch
from torch import nn

from tsprune import measure
from tsprune.data import Splits, Windows
from tsprune.engine.partial import Interruptible
from tsprune.engine.step import RESULTS_VERSION, Outcome
from tsprune.engine.store import Store
from tsprune.models import Forecaster
from tsprune.pruners import density, layer_densities
from tsprune.pruners.baselines import Static
from tsprune.pruners.dynamic import Sparsity
from tsprune.pruners.masks import Masks
from tsprune.pruners.method import Method
from tsprune.pruners.methods import make_method
from tsprune.pruners.pals import PALS
from tsprune.pruners.scores import get_score
from tsprune.steps.artifacts import error_columns, model_file, scores_file
from tsprune.steps.data import DataSpec, first_windows
from tsprune.steps.model import ModelStep
from tsprune.steps.train import TrainStep, not_counted
from tsprune.training import Scores, TrainResult, evaluate, train

Signal = Literal["whole", "subset", "training loss"]

SIGNALS: tuple[Signal, ...] = get_args(Signal)

SIGNAL_SHARE = 0.2
"""Windows of the subset signal, as a share of the training windows between two updates. A training window costs about
three forward passes, so the signal costs about a fifteenth of the time between updates; of the smallest models, whose
optimiser has little to do, still less than a tenth (``benchmarks/sparse_training.py`` shows it)."""

CALIBRATION_WINDOWS = 128
"""Training windows that a mask chosen before the first step by a score looks at: as many as there are images in the
one batch of SNIP's authors (arXiv 1810.02340, section 5)."""


class SparseTrainStep(ModelStep):
    """A training as ``dense`` describes it (which need not have run), under a method of sparse training."""

    kind: ClassVar[str] = "sparse_train"
    dense: TrainStep
    method: str
    fields: dict
    """Fields of the method, as ``make_method`` takes them."""
    signal: Signal = "subset"
    """What a data-driven method looks at: the validation loss, on all windows or on a fixed random subset of them, or
    an average of the training loss."""
    words: str = ""
    """What tells this cell from others of the same method, for people; no part of the identity."""

    def identity(self) -> dict:
        method = make_method(self.method, **self.fields)
        return {
            "step": self.kind,
            "version": RESULTS_VERSION,
            "dense": self.dense.identity(),
            "method": self.method,
            "fields": method.model_dump(mode="json"),
            "signal": self._looks_at() if isinstance(method, PALS) else None,
            "calibration": CALIBRATION_WINDOWS if calibrates(method) else None,
        }

    @property
    def place(self) -> tuple[DataSpec, str]:
        return self.dense.place

    def _looks_at(self) -> str:
        return f"{self.signal} of {SIGNAL_SHARE:g}" if self.signal == "subset" else self.signal

    @property
    def label(self) -> str:
        return f"{self.dense.label.removesuffix(': training')}: {self.method} {self.words}".rstrip()

    def protocol(self) -> dict:
        method = make_method(self.method, **self.fields)
        asked = None if isinstance(method, PALS) else getattr(method, "density", 1.0)
        return self.dense.protocol() | {
            "method": self.method,
            "structure": "unstructured",
            "scope": getattr(method, "scope", "layer"),
            "density_asked": asked,
        }

    def run(self, store: Store) -> Outcome:
        """Status ok: scores, costs and the model; as the training's where that diverged: history and updates; failed:
        likewise, where no epoch ended as sparse as the method is to be."""
        recipe = self.dense.train
        splits = self.dense.data.splits(recipe.device)
        model, windows = self.dense.build(), self.dense.windows(splits)
        steps = recipe.epochs * -(-len(windows) // recipe.batch_size)
        method = make_method(self.method, **self.fields)
        calibration = self._calibration(windows) if calibrates(method) else None
        sparsity = Sparsity(method, steps=steps, seed=self.dense.seed, calibration=calibration)
        sparsity.signal = self._signal(model, splits, sparsity)
        with measure.PeakMemory(recipe.device) as peak, Interruptible(store, self.key) as partial:
            done = train(
                model,
                windows,
                splits.val,
                recipe,
                seed=self.dense.seed,
                controller=sparsity,
                on_state=partial,
                resume=partial.resume,
            )
        detail = {"history": done.history, "updates": sparsity.log, "layers": []}
        if done.status != "ok":
            return Outcome({}, detail, {}, status=done.status, reason=done.reason)
        if not done.best_epoch:
            reason = f"{self.method} was not as sparse as intended at the end of any epoch, so none is the best"
            return Outcome({}, detail, {}, status="failed", reason=reason)
        result, masks, scores, macs = self._result(model, splits, done, sparsity)
        detail |= {"layers": layer_densities(model, masks)} | not_counted(macs)
        cost = {"seconds_per_epoch": done.seconds_per_epoch, "peak_memory_mib": peak.mib}
        files = scores_file(scores) | model_file(model, masks, self.about(result))
        return Outcome(result, detail, cost, files=files)

    def _result(
        self, model: Forecaster, splits: Splits, done: TrainResult, sparsity: Sparsity
    ) -> tuple[dict, Masks, Scores, measure.MacReport]:
        """The numbers of the row, and what they are of."""
        recipe = self.dense.train
        masks, scores = sparsity.masks_now(), evaluate(model, splits.test, recipe)
        achieved = density(model, masks)
        one = first_windows(splits.train, 1)
        macs = measure.count_macs(model, one, masks)
        a_look = len(splits.val if self.signal == "whole" else self.subset(splits.val))
        forward = macs.macs_executed
        result = {
            **error_columns(scores),
            "val_mse": done.best_val_mse,
            "epochs_run": done.epochs_run,
            "best_epoch": done.best_epoch,
            "windows_seen": done.windows_seen,
            "parameters": achieved.parameters,
            "weights_kept": achieved.kept,
            "density": achieved.over_prunable,
            "density_all": achieved.over_all,
            "macs_executed": forward,
            "macs_if_zeros_skipped": macs.macs_if_zeros_skipped,
            "training_macs_if_zeros_skipped": training_macs(macs, sparsity, recipe.batch_size, a_look),
            "training_macs_dense": 3 * forward * sparsity.step * recipe.batch_size,
            "windows_looked_at": a_look * sum("losses" in record for record in sparsity.log),
        }
        return result, masks, scores, macs

    def _signal(self, model: nn.Module, splits: Splits, sparsity: Sparsity) -> Callable[[], float] | None:
        """What gives the validation loss on the windows that ``signal`` names; None for the training loss.

        Each look adds ``losses`` to the record of its update: what it saw, and the training loss. A look at all windows
        also adds the loss on the subset, to compare the signals by."""
        if self.signal == "training loss":
            return None
        chosen = self.subset(splits.val)
        windows = splits.val if self.signal == "whole" else chosen
        inside = torch.isin(windows.starts, chosen.starts).cpu()
        # A look is at all of its windows, also where validation and test drop an incomplete batch as published.
        recipe = self.dense.train.model_copy(update={"protocol": "full"})

        def look() -> float:
            scores = evaluate(model, windows, recipe)
            record = sparsity.log[-1]
            seen = {"subset": float(scores.window_mse[inside].mean()), self.signal: scores.mse}
            record["losses"] = seen | {"training loss": record["training_loss"]}
            return scores.mse

        return look

    def _calibration(self, windows: Windows) -> list[tuple[tuple[torch.Tensor, ...], torch.Tensor]]:
        """Batches of training windows drawn from the seed, as a forecaster's inputs and the forecast asked for."""
        generator = torch.Generator().manual_seed(self.dense.seed)
        drawn = torch.randperm(len(windows), generator=generator)[:CALIBRATION_WINDOWS]
        batches = windows.subset(drawn).batches(self.dense.train.batch_size)
        return [(tuple(batch[:4]), batch.y) for batch in batches]

    def subset(self, windows: Windows) -> Windows:
        """A fixed random subset, drawn from the seed, in time order."""
        every = make_method(self.method, **self.fields).every
        count = min(len(windows), max(1, round(SIGNAL_SHARE * every * self.dense.train.batch_size)))
        generator = torch.Generator().manual_seed(self.dense.seed)
        return windows.subset(torch.randperm(len(windows), generator=generator)[:count].sort().values)


def calibrates(method: Method) -> bool:
    """Whether ``method`` chooses its first mask by a score that looks at windows, or at least at their shape."""
    return isinstance(method, Static) and get_score(method.score).needs != "nothing"


def training_macs(macs: measure.MacReport, sparsity: Sparsity, batch_size: int, a_look: int) -> int:
    """Multiply-adds of a whole training if zeros were skipped, each stretch between two updates at its own densities.

    A step counts three forward passes per window: the forward pass, the gradients of activations, the gradients of
    weights. The third is a dense pass in steps where the gradients of missing weights are used:

    - at an update that grows by gradient;
    - where the optimiser's moments take them in (``mask_gradients`` and ``reset_moments`` are both off), in every step
      up to the last update at which weights came. Later ones reach no weight.

    A look at the validation loss is a forward pass of each of its ``a_look`` windows. Choosing a mask before the first
    step is not counted. Every step counts as a full batch, the last of an epoch too, as ``training_macs_dense`` does.
    """
    method = sparsity.method
    reads_all = not method.mask_gradients and not method.reset_moments
    last_grown = max((record["step"] for record in sparsity.log if any(record["grown"] or ())), default=0)
    total, last, kept = 0.0, 0, sparsity.started_with
    for record in [*sparsity.log, {"step": sparsity.step, "kept": kept, "grown": None}]:
        shares = zip(sparsity.names, kept, sparsity.sizes, strict=True)
        now = replace(macs, densities={name: k / size for name, k, size in shares}).macs_if_zeros_skipped
        steps = record["step"] - last
        dense_steps = 0
        if reads_all and record["step"] <= last_grown:
            dense_steps = steps
        elif record["grown"] is not None and method.grows_by_gradient:
            dense_steps = 1
        total += batch_size * (3 * now * steps + (macs.macs_executed - now) * dense_steps)
        if "losses" in record:
            total += a_look * now
        last, kept = record["step"], record["kept"]
    return round(total)
