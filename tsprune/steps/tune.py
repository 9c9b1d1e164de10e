"""Steps that train a pruned model on: with its masks held, or narrowed."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from torch import nn

from tsprune import measure
from tsprune.data import Splits
from tsprune.engine.step import MODEL_FILE, Outcome, Step
from tsprune.engine.store import Store
from tsprune.models import load_checkpoint
from tsprune.pruners import HeldMasks, apply_masks, density, layer_densities, magnitude_masks, nm_masks
from tsprune.pruners.magnitude import Scope
from tsprune.pruners.masks import Masks
from tsprune.steps.prune import OnTrained, StructuredStep, pruning_columns
from tsprune.steps.train import TrainStep
from tsprune.training import Controller, Scores, TrainConfig, TrainResult, evaluate, train


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
    structure: Literal["unstructured", "2:4"] = "unstructured"
    densities: Annotated[list[float], Field(min_length=1)]
    start: Literal["trained", "initial"] = "trained"
    train: TrainConfig
    """``epochs`` in all, a multiple of the number of stages; the device is that of ``trained``."""

    @model_validator(mode="after")
    def _stages_share_the_epochs(self) -> Self:
        if self.train.epochs % len(self.densities):
            raise ValueError(f"{self.train.epochs} epochs cannot be shared evenly by {len(self.densities)} stages")
        if self.structure == "2:4" and self.densities != [0.5]:
            raise ValueError(f"densities = {self.densities}: 2:4 has the one density 0.5")
        return self

    def what(self) -> dict:
        return {
            "score": "magnitude",
            "structure": self.structure,
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
        how = "2:4" if self.structure == "2:4" else f"density {self.densities[-1]:.3f}"
        return f"{self.arm}, {how}, {self.train.epochs} epochs"

    def columns(self) -> dict:
        scope = "layer" if self.structure == "2:4" else self.scope
        return pruning_columns(self.arm, self.structure, scope, self.densities[-1])

    def run(self, store: Store) -> Outcome:
        splits = self.trained.data.splits(self.trained.train.device)
        model = self.trained.load(store)
        recipe = self.train.model_copy(update={"epochs": self.train.epochs // len(self.densities)})
        history, masks, seconds = [], {}, 0.0
        with measure.PeakMemory(self.trained.train.device) as peak:
            for stage, wanted in enumerate(self.densities):
                masks = self._masks(model, wanted)
                if self.start == "initial":
                    model.load_state_dict(self.trained.build().state_dict())
                apply_masks(model, masks)
                held = HeldMasks(masks)
                done, scores = train_on(model, splits, recipe, self.trained, history, stage=stage, controller=held)
                seconds += done.seconds_per_epoch * done.epochs_run
                if done.status != "ok":
                    return Outcome({}, {"history": history}, {}, status=done.status, reason=done.reason)
        achieved = density(model, masks)
        epochs = sum(record["epoch"] > 0 for record in history)
        result = {
            "mse": scores.mse,
            "mae": scores.mae,
            "windows_test": scores.windows,
            "epochs_run": epochs,
            "windows_seen": epochs * len(self.trained.windows(splits)),
            "density": achieved.over_prunable,
            "density_all": achieved.over_all,
            "parameters": achieved.parameters,
        }
        cost = {"seconds_per_epoch": seconds / epochs, "peak_memory_mib": peak.mib}
        detail = {"history": history, "layers": layer_densities(model, masks)}
        return Outcome(result, detail, cost, scores=scores)

    def _masks(self, model: nn.Module, wanted: float) -> Masks:
        return nm_masks(model).masks if self.structure == "2:4" else magnitude_masks(model, wanted, self.scope)


class NarrowTuneStep(OnTrained):
    """A narrowed model trained on, tested after every epoch; the weights of the best validation MSE are kept, the
    state before the first epoch included."""

    kind: ClassVar[str] = "narrow_tune"
    density: float
    train: TrainConfig
    """The device is that of ``trained``."""

    @property
    def narrow(self) -> StructuredStep:
        """The step that narrows."""
        return StructuredStep(trained=self.trained, density=self.density)

    @property
    def needs(self) -> tuple[Step, ...]:
        return (self.narrow,)

    def what(self) -> dict:
        return {"narrow": self.narrow.key, "train": self.train.model_dump(exclude={"eval_batch_size", "device"})}

    @property
    def arm(self) -> str:
        return "fine-tuned"

    def words(self) -> str:
        return f"{self.arm}, structured, density {self.density:.3f}, {self.train.epochs} epochs"

    def columns(self) -> dict:
        return self.narrow.columns() | {"method": self.arm}

    def load(self, store: Store) -> nn.Module:
        """The model after training on, on its device. Raises ``Corrupt`` when the stored file was damaged."""
        model, _ = load_checkpoint(store.artifact(self.key, MODEL_FILE))
        return model.to(self.trained.train.device)

    def run(self, store: Store) -> Outcome:
        splits = self.trained.data.splits(self.trained.train.device)
        model, history = self.narrow.load(store), []
        with measure.PeakMemory(self.trained.train.device) as peak:
            done, scores = train_on(model, splits, self.train, self.trained, history)
        if done.status != "ok":
            return Outcome({}, {"history": history}, {}, status=done.status, reason=done.reason)
        before = store.row(self.narrow.key)["result"]
        result = {
            "mse": scores.mse,
            "mae": scores.mae,
            "windows_test": scores.windows,
            "epochs_run": done.epochs_run,
            "windows_seen": done.windows_seen,
            **{name: before[name] for name in ("density", "density_all", "parameters", "macs_executed")},
        }
        cost = {"seconds_per_epoch": done.seconds_per_epoch, "peak_memory_mib": peak.mib}
        return Outcome(result, {"history": history}, cost, model=model, scores=scores)


def train_on(
    model: nn.Module,
    splits: Splits,
    recipe: TrainConfig,
    trained: TrainStep,
    history: list[dict],
    *,
    stage: int = 0,
    controller: Controller | None = None,
) -> tuple[TrainResult, Scores]:
    """Train a pruned model in place on the windows of ``trained``, and keep the best state by validation MSE.

    Returns the test scores of that state as well. ``history`` gains a record per epoch: ``stage``, ``epoch`` (over all
    stages; 0 is the state before the first), ``val_mse``, ``test_mse``.
    """
    before = {name: value.clone() for name, value in model.state_dict().items()}
    start = evaluate(model, splits.val, recipe)
    offset = stage * recipe.epochs
    tests = [evaluate(model, splits.test, recipe)]
    history.append({"stage": stage, "epoch": offset, "val_mse": start.mse, "test_mse": tests[0].mse})

    def note(record: dict) -> None:
        tests.append(evaluate(model, splits.test, recipe))
        entry = {"stage": stage, "epoch": offset + record["epoch"], "val_mse": record["val_mse"]}
        history.append(entry | {"test_mse": tests[-1].mse})

    seed = trained.seed + 1000 * (stage + 1)  # other batches than those of the first epochs of training
    windows = trained.windows(splits)
    done = train(model, windows, splits.val, recipe, seed=seed, controller=controller, on_epoch=note)
    if done.status == "ok" and not done.best_val_mse < start.mse:
        model.load_state_dict(before)
        return done, tests[0]
    return done, tests[done.best_epoch]
