"""What a checkpoint says about itself besides weights and config. Needs no torch."""

from typing import Annotated, Self

from pydantic import Field, JsonValue, model_validator

from tsprune import __version__
from tsprune.data.intervals import Intervals
from tsprune.typed import Columns, Config, Numbers, ZeroToOne

Facts = dict[str, JsonValue]
Errors = dict[str, float | None]


class About(Config):
    """The data a model was made for, so that it can forecast in the data's own units, and how it was made.

    Look-back, horizon and calendar features are in the model's config and not repeated here. Numbers come back bit for
    bit (float64). A column is scaled as ``(value - mean) / std``; a forecast is brought back by ``value * std + mean``.
    What is not known is left out. Raises :class:`UserError` (by :meth:`parse`) for wrong types and for ``columns``,
    ``mean`` and ``std`` of different lengths.
    """

    columns: Columns = ()  # names of the variables, in the order of the model's input
    mean: Numbers = ()  # (columns,) in the data's unit
    std: Numbers = ()  # (columns,) in the data's unit, above 0
    unit: str | None = None  # of all columns: 'MW', '°C'
    time_step: str | None = None  # as pandas writes it: '1h', '15min', '7D'
    season: Annotated[int, Field(ge=1)] | None = None  # time steps after which the series may be expected to repeat
    dataset: str | None = None  # its label
    fingerprint: str | None = None  # sha256 of the data (``Table.fingerprint``)
    protocol: Facts = Field(default_factory=dict)  # as in a row of results: recipe, seed, method and its settings
    density_asked: ZeroToOne | None = None  # of the prunable weights
    density_achieved: ZeroToOne | None = None
    before: Errors = Field(default_factory=dict)  # test errors by name, before pruning
    after: Errors = Field(default_factory=dict)  # and after it
    intervals: Intervals | None = None  # around forecasts
    version: str = __version__  # of tsprune, when this was written

    @model_validator(mode="after")
    def _check(self) -> Self:
        counts = {name: len(getattr(self, name)) for name in ("columns", "mean", "std")}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
            raise ValueError(f"columns, mean and std must be given together, one of each per variable: {listed}")
        for name, std in zip(self.columns, self.std, strict=True):
            if not std > 0:
                raise ValueError(f"std of column '{name}' is {std}: it must be above 0 (1 for a constant column)")
        if self.intervals and self.columns and self.intervals.shape[1] != len(self.columns):
            raise ValueError(f"intervals are of {self.intervals.shape[1]} columns, not {len(self.columns)}")
        return self
