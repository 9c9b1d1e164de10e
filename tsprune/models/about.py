"""What a checkpoint says about itself besides weights and config. Needs no torch."""

from typing import Self

from pydantic import Field, JsonValue, model_validator

from tsprune import __version__
from tsprune.data.described import Described
from tsprune.typed import ZeroToOne

Facts = dict[str, JsonValue]


class About(Described):
    """The data a model was made for, so that it can forecast in the data's own units, and how it was made.

    Look-back, horizon and calendar features are in the model's config and not repeated here. Raises :class:`UserError`
    for wrong types and for ``columns``, ``mean`` and ``std`` of different lengths.
    """

    protocol: Facts = Field(default_factory=dict)  # as in a row of results: recipe, seed, method and its settings
    density_asked: ZeroToOne | None = None  # of the prunable weights
    density_achieved: ZeroToOne | None = None
    version: str = __version__  # of tsprune, when this was written

    @model_validator(mode="after")
    def _intervals_fit(self) -> Self:
        if self.intervals and self.columns and self.intervals.shape[1] != len(self.columns):
            raise ValueError(f"intervals are of {self.intervals.shape[1]} columns, not {len(self.columns)}")
        return self
