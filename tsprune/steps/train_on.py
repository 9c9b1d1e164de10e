"""Further training of a trained model: tested after every epoch, the best state kept, resumed after being killed."""

import math
from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn

from tsprune.data import Splits
from tsprune.engine.partial import Interruptible
from tsprune.engine.store import Store
from tsprune.pruners import HeldMasks
from tsprune.pruners.masks import Masks
from tsprune.steps.train import TrainStep
from tsprune.training import Scores, TrainConfig, TrainResult, evaluate, train


def recipe_identity(recipe: TrainConfig) -> dict:
    """The part of an identity that says how a model is trained on. Device and batches of the tests are those of the
    training that it goes back to, which says them."""
    return recipe.model_dump(exclude={"eval_batch_size", "device"})


class TrainOn:
    """Trains a pruned model on, on the windows of ``trained``, and goes on where a killed process left it.

    A context, as :class:`~tsprune.engine.partial.Interruptible` is. Called once per stage.
    """

    def __init__(self, store: Store, key: str, splits: Splits, recipe: TrainConfig, trained: TrainStep):
        self.splits, self.recipe, self.trained = splits, recipe, trained
        self.partial = Interruptible(store, key)
        self.resume = self.partial.resume
        self.stage = 0
        """The stage that begins or goes on; those before it are done."""
        self.seconds = 0.0
        """Spent on the stages that are done."""

    def __enter__(self) -> Self:
        with self.partial:  # a state that lacks these does not fit
            if self.resume is not None:
                self.stage, self.seconds = self.resume["stage"], self.resume["seconds"]
        return self

    def __exit__(self, *error) -> None:
        self.partial.__exit__(*error)

    def __call__(
        self, model: nn.Module, history: list[dict], *, stage: int = 0, masks: Masks | None = None
    ) -> tuple[TrainResult, Scores]:
        """Train ``model`` in place, under ``masks``, and keep the best state by validation MSE.

        Returns the test scores of that state as well. ``history`` gains a record per epoch: ``stage``, ``epoch`` (over
        all stages; 0 is the state before the first), ``val_mse``, ``test_mse``.
        """
        resume, self.resume = self.resume, None

        def tell(epoch: int, val_mse: float, test_mse: float) -> None:
            over_all = stage * self.recipe.epochs + epoch
            history.append({"stage": stage, "epoch": over_all, "val_mse": val_mse, "test_mse": test_mse})

        if resume is None:
            course = self._begin(model)
            tell(0, course.start, course.first.mse)
        else:
            course, history[:] = _Course.of(resume), resume["history"]

        def note(record: dict) -> None:
            scores = evaluate(model, self.splits.test, self.recipe)
            course.note(record["val_mse"], scores)
            tell(record["epoch"], record["val_mse"], scores.mse)

        def keep(state: dict) -> None:
            now = {"stage": stage, "seconds": self.seconds, "masks": masks, "history": history, "training": state}
            self.partial(now | course.state())

        done = train(
            model,
            self.trained.windows(self.splits),
            self.splits.val,
            self.recipe,
            seed=self.trained.seed + 1000 * (stage + 1),  # other batches than those of the first epochs of training
            controller=HeldMasks(masks) if masks else None,
            on_epoch=note,
            on_state=keep,
            resume=None if resume is None else resume["training"],
        )
        self.seconds += done.seconds_per_epoch * done.epochs_run
        if done.status == "ok" and course.start <= done.best_val_mse:
            model.load_state_dict(course.before)
            return done, course.first
        return done, course.scores

    def _begin(self, model: nn.Module) -> "_Course":
        before = {name: value.clone() for name, value in model.state_dict().items()}
        start = evaluate(model, self.splits.val, self.recipe).mse
        first = evaluate(model, self.splits.test, self.recipe)
        return _Course(before, start, first, math.inf, first)


@dataclass
class _Course:
    """What a stage began with, and the best it has come to."""

    before: dict[str, Tensor]
    """The model's state before the first epoch."""
    start: float
    """Its validation MSE."""
    first: Scores
    """Its test scores."""
    best: float
    """The least validation MSE after an epoch; infinite before there is one."""
    scores: Scores
    """The test scores at ``best``."""

    @classmethod
    def of(cls, state: dict) -> "_Course":
        """As :meth:`state` gave it."""
        first, scores = Scores(**state["first"]), Scores(**state["scores"])
        return cls(state["before"], state["start"], first, state["best"], scores)

    def state(self) -> dict:
        """Numbers, tensors and dicts of them."""
        return vars(self) | {"first": vars(self.first), "scores": vars(self.scores)}

    def note(self, val_mse: float, scores: Scores) -> None:
        """After an epoch."""
        if val_mse < self.best:
            self.best, self.scores = val_mse, scores
