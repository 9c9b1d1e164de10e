"""Parameters of notebook 03."""

from typing import Annotated

from pydantic import ValidationInfo, field_validator

from tsprune.study.base.config import ONCE, SOME, Positive
from tsprune.study.base.sizes import Sizes
from tsprune.typed import AboveZero, Between


class RightSizing(Sizes):
    """Notebook 03: prune a large model, distil it, or train a small one?"""

    e_layers: Positive
    """Encoder layers of the model that is pruned (the papers: 2)."""
    depths: Annotated[list[Positive], SOME, ONCE]
    """Encoder layers of the dense models; e_layers is one of them."""
    fine_tune_epochs: Positive
    """Epochs of training after pruning; every dense model is trained as much longer."""
    distill_weight: AboveZero
    """Share of the large model's forecasts in the loss of a distilled one; the truth has the rest."""
    map_densities: Annotated[list[Between], SOME, ONCE]
    """Shares of its parameters to which every width is pruned in the map of data, width and density.

    Dense is always included."""

    @field_validator("depths")
    @classmethod
    def _pruned_depth_is_there(cls, depths: list[int], info: ValidationInfo) -> list[int]:
        pruned = info.data.get("e_layers")
        if pruned is not None and pruned not in depths:
            raise ValueError(f"e_layers = {pruned}, the depth of the model that is pruned, must be among them")
        return depths
