"""A step that prunes by second order and lets the weights that stay make up for those that go."""

from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from tsprune.engine.step import Outcome
from tsprune.engine.store import Store
from tsprune.pruners import apply_masks, magnitude_scores, nm_masks, second_order_prune, select
from tsprune.steps.artifacts import SCORES_FILE, model_file
from tsprune.steps.calibration import calibration, calibration_cost
from tsprune.steps.model import ModelStep
from tsprune.steps.on_trained import OnTrained, pruning_columns
from tsprune.steps.prune import INSTEAD, tested_under


class SecondOrderStep(OnTrained, ModelStep):
    """Second-order pruning that moves the weights that stay (see ``second_order_prune``), each layer cut alike, tested
    without retraining. What its Hessians do not reach is cut by magnitude as in :class:`PruneStep`, or as in
    :class:`NMStep`: as many weights as there."""

    kind: ClassVar[str] = "second_order"
    structure: Literal["unstructured", "2:4"] = "unstructured"
    density: float = 0.5
    calibration_windows: Annotated[int, Field(ge=1)]
    """Training windows, evenly spaced."""

    @model_validator(mode="after")
    def _half_of_each_four(self) -> Self:
        if self.structure == "2:4" and self.density != 0.5:
            raise ValueError(f"density = {self.density}: 2:4 allows only density 0.5")
        return self

    def what(self) -> dict:
        asked = {"score": "obs", "update": True, "structure": self.structure, "density": self.density}
        return asked | {"calibration_windows": self.calibration_windows}

    def words(self) -> str:
        return f"density {self.density:.3f}, {self.structure}, second order with update"

    def columns(self) -> dict:
        return pruning_columns("sparsegpt", self.structure, "layer", self.density)

    def run(self, store: Store) -> Outcome:
        model = self.trained.load(store)
        pattern = (2, 4) if self.structure == "2:4" else None
        with calibration_cost(self.trained) as cost:
            batches = calibration(self.trained, self.calibration_windows)
            found = second_order_prune(model, batches, self.density, pattern=pattern)
        masks, left = found.masks, found.left
        plain = {name: score for name, score in magnitude_scores(model).items() if name in left}
        more = select(plain, self.density, "layer") if pattern is None else nm_masks(model, *pattern, plain).masks
        masks = masks | more
        left = {name: f"{why}; {INSTEAD}" if name in more else why for name, why in left.items()}
        apply_masks(found.model, masks)
        tested = tested_under(self.trained, store, found.model, masks, left)
        files = {}
        if tested.status == "ok":
            about = self.about(tested.result, before=store.row(self.trained.key)["result"])
            files = {SCORES_FILE: tested.files[SCORES_FILE]} | model_file(found.model, masks, about)
        return replace(tested, cost=tested.cost | cost, files=files)
