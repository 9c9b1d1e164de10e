"""What a model that leaves the project says of its data and its errors, in a checkpoint and in an ONNX file alike."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from tsprune.data.intervals import Intervals
from tsprune.typed import Columns, Config, Numbers

Errors = dict[str, float | None]


class Described(Config):
    """The data a model was made for, and what it is known to reach there.

    Numbers come back bit for bit (float64). A column is scaled as ``(value - mean) / std``; a forecast is brought back
    by ``value * std + mean``. What is not known is left out.
    """

    columns: Columns = ()  # names of the variables, in the order of the model's input and output
    mean: Numbers = ()  # (columns,) in the data's unit
    std: Numbers = ()  # (columns,) in the data's unit, above 0
    unit: str | None = None  # of all columns: 'MW', '°C'
    time_step: str | None = None  # as pandas writes it: '1h', '15min', '7D'
    season: Annotated[int, Field(ge=1)] | None = None  # time steps after which the series may be expected to repeat
    dataset: str | None = None  # its label
    fingerprint: str | None = None  # sha256 of the data (``Table.fingerprint``)
    before: Errors = Field(default_factory=dict)  # test errors by name before pruning, in scaled units
    after: Errors = Field(default_factory=dict)  # and after it
    intervals: Intervals | None = None  # around forecasts

    @model_validator(mode="after")
    def _scaling_is_whole(self) -> Self:
        counts = {name: len(getattr(self, name)) for name in ("columns", "mean", "std")}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{name} has {count}" for name, count in counts.items())
            raise ValueError(f"columns, mean and std must be given together, one of each per variable: {listed}")
        for name, std in zip(self.columns, self.std, strict=True):
            if not std > 0:
                raise ValueError(f"std of column '{name}' is {std}: it must be above 0 (1 for a constant column)")
        return self
