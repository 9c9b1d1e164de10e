"""Steps that mask a trained model, without retraining: by a score, n of m, by the first paper's own rule."""

import math
from abc import abstractmethod
from dataclasses import replace
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from tsprune import measure
from tsprune.engine.step import Outcome, Step
from tsprune.engine.store import Store
from tsprune.measure.macs import MacReport
from tsprune.models import Forecaster
from tsprune.pruners import (
    Selection,
    apply_masks,
    authors_masks,
    density,
    layer_densities,
    magnitude_scores,
    nm_masks,
    prunable_weights,
    pruned,
    select,
)
from tsprune.pruners.masks import Masks
from tsprune.steps.artifacts import MASKS_FILE, load_masks, masks_file, scores_file
from tsprune.steps.calibration import calibration_cost, count_problem, needs_calibration, score_trained
from tsprune.steps.data import first_windows
from tsprune.steps.model import ModelStep
from tsprune.steps.on_trained import OnTrained, live_result, pruning_columns
from tsprune.steps.train import TrainStep, not_counted
from tsprune.training import evaluate
from tsprune.typed import digest

# Multiply-adds of dense models by model and config: masks change no shape, so a process traces each model once.
_TRACED: dict[str, MacReport] = {}

EXACT = "exact"
"""How scope "layer" counts: the tensors together keep exactly what is asked. It is part of an identity, to tell such
rows from older ones, in which each tensor was rounded by itself."""

INSTEAD = "ranked by magnitude instead"
"""What becomes of a weight that a score says nothing about."""


class MaskStep(OnTrained, ModelStep):
    """Base of the steps that mask a trained model and keep the masks; tested without retraining."""

    keepsake: ClassVar[str | None] = MASKS_FILE

    @property
    def reads(self) -> tuple[Step, ...]:
        """The weights are those of the trained model, and the masks follow from them."""
        return (self.trained,)

    @abstractmethod
    def mask(self, model: nn.Module) -> tuple[Masks, dict[str, str]]:
        """The masks for the trained ``model``, and which weights have none, with the reason."""

    def load_masked(self, store: Store) -> tuple[Forecaster, Masks]:
        """The masked model, its zeros stored as any other weight, and the masks."""
        model = self.trained.load(store)
        if store.has(self.key, MASKS_FILE):
            shapes = {name: weight.shape for name, weight in prunable_weights(model).items()}
            masks = load_masks(store.artifact(self.key, MASKS_FILE), shapes)
            masks = {name: mask.to(self.place[1]) for name, mask in masks.items()}
        else:
            masks = self.mask(model)[0]
        apply_masks(model, masks)
        return model, masks

    def run(self, store: Store) -> Outcome:
        model = self.trained.load(store)
        masks, left = self.mask(model)
        return tested_under(self.trained, store, model, masks, left)


class ScoredStep(MaskStep):
    """Base of the steps that mask a trained model by a score of its weights, whatever the structure."""

    score: str = "magnitude"
    """One of ``tsprune.pruners.list_scores()``."""
    calibration_windows: Annotated[int, Field(ge=0)] = 0
    """Training windows, evenly spaced, that the score looks at if it looks at any."""

    @model_validator(mode="after")
    def _score_is_known_and_has_its_windows(self) -> Self:
        if problem := count_problem(self.score, self.calibration_windows):
            raise ValueError(problem)
        return self

    def looks_at(self) -> dict:
        """The part of the identity that says how much data the score has seen, or nothing."""
        return {"calibration_windows": self.calibration_windows} if needs_calibration(self.score) else {}

    def by_score(self) -> str:
        """The score for the progress line, where it is not magnitude."""
        return "" if self.score == "magnitude" else f", {self.score}"

    def scores(self, model: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, str]]:
        """Scores of the weights that have one, magnitudes of the others, and why those have none."""
        found = score_trained(self.score, self.trained, model, self.calibration_windows)
        plain = {name: score for name, score in magnitude_scores(model).items() if name not in found.scores}
        return found.scores, plain, {name: f"{why}; {INSTEAD}" for name, why in found.left.items()}

    def run(self, store: Store) -> Outcome:
        model = self.trained.load(store)
        with calibration_cost(self.trained) as cost:
            masks, left = self.mask(model)
        found = tested_under(self.trained, store, model, masks, left)
        return replace(found, cost=found.cost | cost) if needs_calibration(self.score) else found


class PruneStep(ScoredStep):
    """One-shot unstructured pruning of a trained model by a score, tested without retraining.

    Weights that the score says nothing about (``detail["left"]``) are cut to the same density by magnitude, ranked
    among themselves: else a score would win by what it does not prune.
    """

    kind: ClassVar[str] = "prune"
    scope: Selection
    density: float

    def what(self) -> dict:
        asked = {"score": self.score, "structure": "unstructured", "scope": self.scope, "density": self.density}
        return asked | counted(self.scope) | self.looks_at()

    def words(self) -> str:
        return f"density {self.density:.3f} by {self.scope}{self.by_score()}"

    def columns(self) -> dict:
        return pruning_columns(self.score, "unstructured", self.scope, self.density)

    def mask(self, model: nn.Module) -> tuple[Masks, dict[str, str]]:
        scores, plain, left = self.scores(model)
        return select(scores, self.density, self.scope) | select(plain, self.density, self.scope), left


class NMStep(ScoredStep):
    """One-shot n:m masks (2:4 by default) on a trained model by a score, tested without retraining."""

    kind: ClassVar[str] = "nm"
    n: int = 2
    m: int = 4

    def what(self) -> dict:
        return {"score": self.score, "structure": self.structure} | self.looks_at()

    @property
    def structure(self) -> str:
        return f"{self.n}:{self.m}"

    def words(self) -> str:
        return f"{self.structure}{self.by_score()}"

    def columns(self) -> dict:
        return pruning_columns(self.score, self.structure, "layer", self.n / self.m)

    def mask(self, model: nn.Module) -> tuple[Masks, dict[str, str]]:
        scores, plain, left = self.scores(model)
        found = nm_masks(model, self.n, self.m, scores | plain)
        return found.masks, left | found.left


class AuthorsStep(MaskStep):
    """Magnitude masks as the first paper's public code sets them (see ``authors_masks``), tested without retraining."""

    kind: ClassVar[str] = "authors"
    density: float
    """Of the weights that the protocol ranks, not of all."""

    def what(self) -> dict:
        return {"score": "magnitude", "structure": "unstructured", "variant": "authors", "density": self.density}

    def words(self) -> str:
        return f"density {self.density:.3f}, the first paper's protocol"

    def columns(self) -> dict:
        return pruning_columns("authors", "unstructured", "global", self.density)

    def mask(self, model: nn.Module) -> tuple[Masks, dict[str, str]]:
        # That code leaves outputs as wide as the data's columns, which it takes to be 7 but for Crossformer.
        columns = self.trained.data.width if self.trained.model == "Crossformer" else 7
        return authors_masks(model, self.density, {1, columns})


def counted(scope: Selection) -> dict:
    """The part of an identity that says how scope "layer" counts; nothing for the others."""
    return {"counts": EXACT} if scope == "layer" else {}


def _macs(trained: TrainStep, model: nn.Module, one: tuple, masks: Masks) -> MacReport:
    """Multiply-adds of ``model``, which has the widths of ``trained``, under ``masks``."""
    key = digest([trained.model, trained.hyper])
    if key not in _TRACED:
        _TRACED[key] = measure.count_macs(model, one)
    return _TRACED[key].with_masks(masks)


def tested_under(trained: TrainStep, store: Store, model: nn.Module, masks: Masks, left: dict[str, str]) -> Outcome:
    """Test error and counts of ``model`` under ``masks``; ``left`` says which weights have none, and why."""
    splits = trained.data.splits(trained.train.device)
    with measure.PeakMemory(trained.train.device) as peak, pruned(model, masks):
        scores = evaluate(model, splits.test, trained.train)
    achieved = density(model, masks)
    macs = _macs(trained, model, first_windows(splits.train, 1), masks)
    finite = math.isfinite(scores.mse)
    live = live_result(trained, store, model, splits, masks) if finite else {}
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
        }
        | live,
        detail={"layers": layer_densities(model, masks), "left": left} | not_counted(macs),
        cost={"peak_memory_mib": peak.mib},
        status="ok" if finite else "diverged",
        reason=None if finite else "the pruned model's forecast is not finite",
        files=scores_file(scores) | masks_file(masks) if finite else {},
    )
