"""A small model that learns from a large one as well as from the data."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import ClassVar, Self

import torch
from pydantic import model_validator
from torch import Tensor, nn

from tsprune import measure
from tsprune.data import Splits, Windows
from tsprune.data.windows import Batch
from tsprune.engine.partial import Interruptible
from tsprune.engine.step import RESULTS_VERSION, Outcome, Step
from tsprune.engine.store import Store
from tsprune.pruners import layer_densities
from tsprune.shown import epochs_text
from tsprune.steps.artifacts import error_columns, model_file, scores_file
from tsprune.steps.data import DataSpec, first_windows
from tsprune.steps.model import ModelStep
from tsprune.steps.train import TrainStep, not_counted
from tsprune.steps.train_on import recipe_identity
from tsprune.steps.tune import FineTuneStep
from tsprune.training import TrainConfig, TrainResult, evaluate, train
from tsprune.typed import ZeroToOne


class DistillStep(ModelStep):
    """A small model trained on the truth and on the forecasts of a large one, then trained on as dense ones are.

    The loss is ``(1 - weight) * MSE(truth) + weight * MSE(teacher's forecast)``: the weighted average of two objectives
    of Hinton, Vinyals and Dean (arXiv 1503.02531, section 2), both squared errors as Ba and Caruana regress on a
    teacher's outputs (arXiv 1312.6184, section 2). Recipes, batches and initial weights are those of ``student``
    and of its dense training on, so that ``weight`` 0 is that model bit for bit.
    """

    kind: ClassVar[str] = "distill"
    teacher: FineTuneStep
    student: TrainStep
    """Data, size, recipe and seed of the small model; the step itself need not run."""
    train: TrainConfig
    """For the epochs after those of ``student``, from its best; the device is that of ``student``."""
    weight: ZeroToOne
    """Share of the teacher's forecast in the loss; the truth has the rest."""

    @model_validator(mode="after")
    def _of_one_dataset(self) -> Self:
        theirs, ours = self.teacher.place[0].identity(), self.student.data.identity()
        if theirs != ours:
            raise ValueError(f"teacher and student forecast different windows: {theirs} and {ours}")
        return self

    @property
    def needs(self) -> tuple[Step, ...]:
        return (self.teacher,)

    @property
    def place(self) -> tuple[DataSpec, str]:
        return self.student.place

    def identity(self) -> dict:
        return {
            "step": self.kind,
            "version": RESULTS_VERSION,
            "teacher": self.teacher.key,
            "student": self.student.key,
            "train": recipe_identity(self.train),
            "weight": self.weight,
        }

    @property
    def arm(self) -> str:
        return "distilled"

    @property
    def label(self) -> str:
        epochs = self.student.train.epochs + self.train.epochs
        return f"{self.student.label.removesuffix(': training')}: distilled from {self.master}, {epochs_text(epochs)}"

    @property
    def master(self) -> str:
        """The teacher in a word or two: its model, width and layers."""
        return self.teacher.trained.sized

    def protocol(self) -> dict:
        return self.student.protocol() | {
            "method": self.arm,
            "teacher": self.master,
            "distill_weight": self.weight,
        }

    def run(self, store: Store) -> Outcome:
        """Status ok: scores and the small model; diverged: the history to the training that did."""
        splits, device = self.student.data.splits(self.place[1]), self.place[1]
        model = self.student.build()
        windows = Taught(self.student.windows(splits), self.teacher.load(store), self.weight)
        with measure.PeakMemory(device) as peak, Interruptible(store, self.key) as partial:
            trainings, before = self._trainings(model, windows, splits, partial)
        detail = {"history": _history(*trainings)}
        if trainings[-1].status != "ok":
            return Outcome({}, detail, {}, status=trainings[-1].status, reason=trainings[-1].reason)
        first, then = trainings
        if not then.best_val_mse < first.best_val_mse:
            model.load_state_dict(before)
        scores = evaluate(model, splits.test, self.student.train)
        macs = measure.count_macs(model, first_windows(splits.train, 1))
        epochs = first.epochs_run + then.epochs_run
        result = {
            **error_columns(scores),
            "val_mse": min(first.best_val_mse, then.best_val_mse),
            "epochs_run": epochs,
            "windows_seen": first.windows_seen + then.windows_seen,
            "density": 1.0,
            "density_all": 1.0,
            "parameters": measure.count_parameters(model),
            "macs_executed": macs.macs_executed,
        }
        seconds = sum(part.seconds_per_epoch * part.epochs_run for part in trainings)
        cost = {"seconds_per_epoch": seconds / epochs, "peak_memory_mib": peak.mib}
        detail |= {"layers": layer_densities(model, {})} | not_counted(macs)
        about = self.about(result, before=store.row(self.teacher.key)["result"])
        return Outcome(result, detail, cost, files=scores_file(scores) | model_file(model, about=about))

    def _trainings(
        self, model: nn.Module, windows: "Taught", splits: Splits, partial: Interruptible
    ) -> tuple[list[TrainResult], dict[str, Tensor]]:
        """Both trainings, or only the first where that diverged, and the weights between them; a state that ``partial``
        found says where to go on."""

        def go(recipe: TrainConfig, seed: int, done: dict) -> TrainResult:
            """``done``: what the state says beside that of this training."""
            resume = found["training"] if found and found["stage"] == done["stage"] else None
            keep = lambda now: partial(done | {"training": now})  # noqa: E731
            return train(model, windows, splits.val, recipe, seed=seed, on_state=keep, resume=resume)

        found = partial.resume
        if found and found["stage"] == 1:
            first, before = TrainResult(**found["first"]), found["before"]
        else:
            first = go(self.student.train, self.student.seed, {"stage": 0})
            if first.status != "ok":
                return [first], {}
            before = {name: value.clone() for name, value in model.state_dict().items()}
        # The seed is that of the batches of a dense model that is trained on.
        done = {"stage": 1, "first": asdict(first), "before": before}
        return [first, go(self.train, self.student.seed + 1000, done)], before


class Taught:
    """Training windows whose truth is blended with a teacher's forecast: ``(1 - weight) * y + weight * forecast``.

    The squared error against the blend has the gradient of the weighted sum of both squared errors, and differs from
    that sum by ``weight * (1 - weight) * (y - forecast) ** 2``, which no weight of the student moves. So a training
    needs no second target. Forecasts are made batch by batch, anew in every pass: of all windows at once they
    would be as large as the dataset times the horizon.
    """

    def __init__(self, windows: Windows, teacher: nn.Module, weight: float):
        self.windows, self.teacher, self.weight = windows, teacher.eval(), weight

    def __len__(self) -> int:
        return len(self.windows)

    def batches(
        self, batch_size: int, *, generator: torch.Generator | None = None, drop_last: bool = False
    ) -> Iterator[Batch]:
        """As the windows' own, ``y`` (B, pred_len, C) blended."""
        for batch in self.windows.batches(batch_size, generator=generator, drop_last=drop_last):
            with torch.inference_mode():
                forecast = self.teacher(*batch[:4]).float()
            yield batch._replace(y=batch.y.lerp(forecast, self.weight))


def _history(*trainings: TrainResult) -> list[dict]:
    """A record per epoch over all trainings: ``stage``, ``epoch``, ``val_mse``. The training error is left out: it is
    that against the blend."""
    records = [(stage, record["val_mse"]) for stage, done in enumerate(trainings) for record in done.history]
    return [{"stage": stage, "epoch": i, "val_mse": mse} for i, (stage, mse) in enumerate(records, start=1)]
