"""Steps that train a pruned model further, with its masks held or after narrowing."""

from abc import abstractmethod
from functools import cached_property
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator
from torch import nn

from tsprune import measure
from tsprune.engine.step import Outcome, Step
from tsprune.engine.store import Store
from tsprune.pruners import apply_masks, density, layer_densities, magnitude_masks, nm_masks
from tsprune.pruners.masks import Masks
from tsprune.pruners.selection import Scope
from tsprune.shown import epochs_text
from tsprune.steps.artifacts import error_columns, model_file, scores_file
from tsprune.steps.by_score import pruned_by
from tsprune.steps.model import ModelStep
from tsprune.steps.narrow import InUnits, StructuredStep
from tsprune.steps.on_trained import OnTrained, pruning_columns
from tsprune.steps.prune import EXACT, PruneStep
from tsprune.steps.second_order import SecondOrderStep
from tsprune.steps.train_on import TrainOn, recipe_identity
from tsprune.training import TrainConfig


class FineTuneStep(OnTrained, ModelStep):
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
            raise ValueError(f"densities = {self.densities}: 2:4 allows only density 0.5")
        return self

    def what(self) -> dict:
        return {
            "score": "magnitude",
            "structure": self.structure,
            "scope": self.scope,
            "densities": self.densities,
            "start": self.start,
            "train": recipe_identity(self.train),
        } | ({"counts": EXACT} if self._counts_matter else {})

    @property
    def _counts_matter(self) -> bool:
        """Whether masks come from scope "layer" with weights to choose: a dense model trained longer chooses none."""
        return self.scope == "layer" and self.structure == "unstructured" and self.densities != [1.0]

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
        return f"{self.arm}, {how}, {epochs_text(self.train.epochs)}"

    def columns(self) -> dict:
        scope = "layer" if self.structure == "2:4" else self.scope
        return pruning_columns(self.arm, self.structure, scope, self.densities[-1])

    def run(self, store: Store) -> Outcome:
        """Status ok: scores and the model, masked; diverged: the history to the stage that did."""
        splits = self.trained.data.splits(self.trained.train.device)
        model, recipe = self.trained.load(store), self.train.model_copy(update={"epochs": self.epochs_a_stage})
        history, masks = [], {}
        with (
            measure.PeakMemory(self.trained.train.device) as peak,
            TrainOn(store, self.key, splits, recipe, self.trained) as training,
        ):
            for stage, wanted in enumerate(self.densities):
                if stage < training.stage:  # done before this process began
                    continue
                if training.resume is None:
                    masks = self._masks(model, wanted)
                    if self.start == "initial":
                        model.load_state_dict(self.trained.build().state_dict())
                    apply_masks(model, masks)
                else:
                    masks = {name: mask.to(self.place[1]) for name, mask in training.resume["masks"].items()}
                done, scores = training(model, history, stage=stage, masks=masks)
                if done.status != "ok":
                    return Outcome({}, {"history": history}, {}, status=done.status, reason=done.reason)
        achieved = density(model, masks)
        epochs = len(history) - len(self.densities)  # each stage has a record of the state before it
        result = {
            **error_columns(scores),
            "epochs_run": epochs,
            "windows_seen": epochs * len(self.trained.windows(splits)),
            "density": achieved.over_prunable,
            "density_all": achieved.over_all,
            "parameters": achieved.parameters,
        }
        cost = {"seconds_per_epoch": training.seconds / epochs, "peak_memory_mib": peak.mib}
        detail = {"history": history, "layers": layer_densities(model, masks)}
        about = self.about(result, before=store.row(self.trained.key)["result"])
        return Outcome(result, detail, cost, files=scores_file(scores) | model_file(model, masks, about))

    @property
    def epochs_a_stage(self) -> int:
        return self.train.epochs // len(self.densities)

    def _masks(self, model: nn.Module, wanted: float) -> Masks:
        return nm_masks(model).masks if self.structure == "2:4" else magnitude_masks(model, wanted, self.scope)


class TunePrunedStep(OnTrained, ModelStep):
    """Base of the steps that train on what another step has pruned, its masks held, tested after every epoch; the
    weights of the best validation MSE are kept, the state before the first epoch included."""

    train: TrainConfig
    """The device is that of ``trained``."""
    carried: ClassVar[tuple[str, ...]] = ("density", "density_all", "parameters")
    """Results of the pruned model that training on does not change."""

    @property
    @abstractmethod
    def pruned(self) -> ModelStep:
        """The step that prunes ``trained``."""

    @property
    @abstractmethod
    def arm(self) -> str:
        """What this is in a comparison."""

    @property
    def needs(self) -> tuple[Step, ...]:
        return (self.pruned,)

    def columns(self) -> dict:
        return self.pruned.columns() | {"method": self.arm}

    def run(self, store: Store) -> Outcome:
        splits = self.trained.data.splits(self.trained.train.device)
        (model, masks), history = self.pruned.load_masked(store), []
        with (
            measure.PeakMemory(self.trained.train.device) as peak,
            TrainOn(store, self.key, splits, self.train, self.trained) as training,
        ):
            done, scores = training(model, history, masks=masks)
        if done.status != "ok":
            return Outcome({}, {"history": history}, {}, status=done.status, reason=done.reason)
        before = store.row(self.pruned.key)["result"]
        result = {
            **error_columns(scores),
            "epochs_run": done.epochs_run,
            "windows_seen": done.windows_seen,
            **{name: before[name] for name in self.carried},
        }
        cost = {"seconds_per_epoch": done.seconds_per_epoch, "peak_memory_mib": peak.mib}
        about = self.about(result, before=store.row(self.trained.key)["result"])
        files = scores_file(scores) | model_file(model, masks, about)
        return Outcome(result, {"history": history}, cost, files=files)


class NarrowTuneStep(InUnits, TunePrunedStep):
    """A narrowed model trained on."""

    kind: ClassVar[str] = "narrow_tune"
    carried: ClassVar[tuple[str, ...]] = (*TunePrunedStep.carried, "macs_executed")
    density: float

    @cached_property
    def pruned(self) -> StructuredStep:
        return StructuredStep(trained=self.trained, density=self.density, multiple=self.multiple, inside=self.inside)

    def what(self) -> dict:
        return {"narrow": self.pruned.key, "train": recipe_identity(self.train)}

    @property
    def arm(self) -> str:
        return "fine-tuned"

    def words(self) -> str:
        epochs = epochs_text(self.train.epochs)
        return f"{self.arm}, structured, density {self.density:.3f}{self.units_text()}, {epochs}"


class ScoreTuneStep(TunePrunedStep):
    """A model pruned at once by a score other than magnitude trained on, the weights that second order moved as it
    left them."""

    kind: ClassVar[str] = "score_tune"
    score: str
    """One of ``tsprune.steps.by_score.list_ways()``."""
    density: float
    calibration_windows: Annotated[int, Field(ge=0)]
    """Training windows, evenly spaced, that the score looks at if it looks at any."""

    @property
    def pruned(self) -> PruneStep | SecondOrderStep:
        return pruned_by(self.trained, self.score, self.density, self.calibration_windows)

    def what(self) -> dict:
        return {"pruned": self.pruned.key, "train": recipe_identity(self.train)}

    @property
    def arm(self) -> str:
        return f"fine-tuned, {self.score}"

    def words(self) -> str:
        return f"{self.arm}, density {self.density:.3f}, {epochs_text(self.train.epochs)}"
