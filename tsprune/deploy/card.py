"""What an exported model says of itself. Needs no torch."""

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from tsprune import __version__
from tsprune.data.described import Described, Errors
from tsprune.errors import UserError
from tsprune.shown import plain
from tsprune.typed import Config, Names, Numbers, ZeroToOne

PREFIX = "tsprune."
"""What the name of every property in an ONNX file begins with; the value is JSON."""

Steps = Annotated[int, Field(ge=1, le=1_000_000)]
Run = Callable[[Mapping[str, np.ndarray]], np.ndarray]
"""From the inputs ``values`` and ``calendar`` of a network in real units to its forecast, all with a batch axis."""


class Unquantised(Config):
    """The float32 file that an int8 file was made of, so that it can be told what that changed."""

    bytes: Annotated[int, Field(ge=0)]
    errors: Errors = Field(default_factory=dict)  # test errors in scaled units; none where no data were at hand
    speedup: dict[str, Numbers]  # by batch: its time over the int8 file's, median, 5th and 95th percentile over rounds
    untimed: dict[str, str] = Field(default_factory=dict)  # by batch: why nothing is said of its speedup
    processor: str  # that the times were measured on, one thread


class Card(Described):
    """The data a model reads and forecasts, what it is known to reach, and what the network in the file is.

    In ``units`` real the file reads values in the data's own units and calendar fields as a calendar has them, and
    forecasts in those units; scaled, it is the bare network.
    """

    format: Literal[1] = 1
    units: Literal["real", "scaled"]
    model: str
    seq_len: Steps  # look-back, time steps
    label_len: Annotated[int, Field(ge=0, le=1_000_000)]  # known steps at the start of a decoder's input
    pred_len: Steps  # horizon, time steps
    freq: str  # names the finest calendar field (tsprune.data.calendar)
    calendar: Names = ()  # fields of the input `calendar`, in its order; none where the file has no such input
    weights: Literal["float32", "float64", "int8"] = "float32"
    unquantised: Unquantised | None = None  # of int8 weights
    density: ZeroToOne  # share of the prunable weights that is kept
    parameters: Annotated[int, Field(ge=0)]
    macs: Annotated[int, Field(ge=0)] | None = None  # multiply-adds that dense kernels execute per window, if known
    opset: Annotated[int, Field(ge=1)] | None = None  # of ONNX; None: not exported
    difference: Annotated[float, Field(ge=0)] | None = None  # largest from PyTorch, of int8 from float32, scaled units
    version: str = __version__  # of tsprune, when it was exported

    @model_validator(mode="after")
    def _lengths_fit(self) -> Self:
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("a column appears twice")
        if self.intervals:
            steps, columns = self.intervals.shape
            if (steps, columns) != (self.pred_len, len(self.columns)):
                raise ValueError(f"intervals are of {steps} time steps and {columns} columns")
        if self.label_len > self.seq_len:
            raise ValueError(f"label_len ({self.label_len}) must not exceed seq_len ({self.seq_len})")
        return self

    def properties(self) -> dict[str, str]:
        """The fields as properties of an ONNX file: prefixed names, values as JSON."""
        return {f"{PREFIX}{name}": json.dumps(value) for name, value in self.model_dump(mode="json").items()}

    @classmethod
    def of_properties(cls, properties: Mapping[str, str]) -> Self:
        """The opposite of :meth:`properties`. Raises :class:`UserError` for anything else."""
        try:
            values = {name.removeprefix(PREFIX): json.loads(text) for name, text in properties.items()}
        except (ValueError, RecursionError):
            raise UserError("its properties are not JSON") from None
        try:
            return cls.parse(values)
        except UserError as error:
            if (other := values.get("version")) == __version__:
                raise
            # What a later version has come to say is foreign here, and no damage.
            raise UserError(f"{error}\nit was written by tsprune {plain(other)}, this is {__version__}") from None
