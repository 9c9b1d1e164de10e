"""Parameters that notebooks 03 and 04 and `tsprune compress` share: models of several sizes beside a large one that
is pruned."""

from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from tsprune.models import list_models, narrows
from tsprune.study.base.config import ONCE, SOME, Positive, StudyConfig
from tsprune.typed import AboveZero


class Sizes(StudyConfig):
    """What notebooks 03 and 04 share: dense models of several widths, the widest one pruned, shares of the data."""

    models: Annotated[list[str], SOME, ONCE]
    """Forecasters that have a width to narrow; see tsprune.models.list_models()."""
    d_model: Positive
    """Width of the model that is pruned, the widest, channels (the papers: 512)."""
    n_heads: Positive
    """Attention heads, at every width (the papers: 8)."""
    d_ff: Positive
    """Width of its feed-forward blocks, channels (the papers: 2048); in proportion at other widths."""
    widths: Annotated[list[Positive], SOME, ONCE]
    """d_model of the smaller dense models, channels.

    ``d_model`` itself is always included."""
    fine_tune_epochs: Positive
    """Epochs of training after pruning."""
    fine_tune_learning_rate: Annotated[float, Field(gt=0)]
    """Learning rate of Adam after pruning."""
    fractions: Annotated[list[AboveZero], SOME, ONCE]
    """Shares of the training windows, the most recent ones; 1.0 is always included."""

    @field_validator("models")
    @classmethod
    def _can_be_narrowed(cls, names: list[str]) -> list[str]:
        for name in names:
            if not narrows(name):
                others = ", ".join(filter(narrows, list_models(trainable=True)))
                raise ValueError(
                    f"nothing in {name} can be narrowed, so there is no other size to prune it to. Allowed: {others}"
                )
        return names

    @model_validator(mode="after")
    def _widths_fit(self) -> Self:
        for width in self.widths:
            if width >= self.d_model:
                raise ValueError(f"widths: {width} is not below d_model = {self.d_model}, the model that is pruned")
            if width % self.n_heads:
                raise ValueError(f"widths: {width} is not a multiple of n_heads = {self.n_heads}")
        return self

    def every_width(self) -> list[int]:
        return [*self.widths, self.d_model]

    def sized(self, width: int, e_layers: int | None = None) -> dict[str, Any]:
        """:meth:`hyper` at another width (d_ff in proportion) and depth."""
        layers = {} if e_layers is None else {"e_layers": e_layers}
        return self.hyper() | {"d_model": width, "d_ff": max(1, round(self.d_ff * width / self.d_model))} | layers
