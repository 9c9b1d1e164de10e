"""Prediction intervals by split conformal prediction: as wide as errors were on rows that trained nothing."""

import math
from numbers import Real
from typing import Annotated, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from tsprune.errors import UserError, unknown
from tsprune.shown import quoted
from tsprune.typed import Config, Numbers, as_tuple

LEVELS = (0.5, 0.8, 0.9, 0.95)


class Intervals(Config):
    """Half-widths of the intervals around a forecast, in scaled units: ``steps`` of a level times ``columns``.

    Of column c at step h an error counts as a multiple of the column's own root mean square error; of these multiples,
    those of all columns together, the interval takes the level's share (Lei et al. 2018, section 2.2, there for
    independent rows). Neighbouring windows are not independent, and later rows may differ: ``coverage`` is what the
    intervals covered on the test split.
    """

    levels: Numbers  # ascending, in (0, 1)
    steps: Annotated[tuple[Numbers, ...], BeforeValidator(as_tuple)]  # per level (pred_len,)
    columns: Numbers  # (columns,)
    coverage: Numbers  # per level: share of the test split's values within, over all steps and columns
    windows: Annotated[int, Field(ge=1)]  # of the validation split, that errors were taken from

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (
            not self.levels
            or list(self.levels) != sorted(set(self.levels))
            or not 0 < self.levels[0] <= self.levels[-1] < 1
        ):
            raise ValueError("levels ascend between 0 and 1")
        if not len(self.levels) == len(self.steps) == len(self.coverage) or len({*map(len, self.steps)}) > 1:
            raise ValueError("levels, steps and coverage belong together, steps with one number per time step")
        if any(number < 0 for numbers in (self.columns, *self.steps) for number in numbers):
            raise ValueError("widths are never below 0")
        if not all(0 <= share <= 1 for share in self.coverage):
            raise ValueError("a coverage is a share")
        return self

    def half_widths(self, level: float) -> np.ndarray:
        """(pred_len, columns) in scaled units. Raises :class:`UserError` for a level that is not there."""
        return np.outer(self.steps[self._place(level)], self.columns)

    def covered(self, level: float) -> float:
        """The ``coverage`` of a level. Raises as :meth:`half_widths`."""
        return self.coverage[self._place(level)]

    def _place(self, level: float) -> int:
        if not isinstance(level, Real):
            raise UserError(f"level = {quoted(level)}: not a number; allowed: {', '.join(map(str, self.levels))}")
        if level not in self.levels:
            raise UserError(unknown("level of intervals", f"{level:g}", self.levels))
        return self.levels.index(level)


def conformal(errors: np.ndarray, later: np.ndarray) -> Intervals:
    """Intervals from validation ``errors`` (windows, pred_len, columns) in scaled units; coverage on ``later`` ones.

    The half-width of a level is the ceil((n + 1) level)-th smallest of the n multiples at a step, the largest where
    there are fewer. Columns without any error have intervals without width and no part in those of others, nor in the
    coverage as long as there is no error in ``later`` either.
    """
    errors, later = np.abs(errors), np.abs(later)
    columns = np.sqrt(np.square(errors).mean((0, 1)))
    wide = columns > 0
    counted = wide | later.any((0, 1))
    multiples = errors[..., wide] / columns[wide] if wide.any() else np.zeros_like(errors)
    pooled = np.sort(multiples.swapaxes(0, 1).reshape(errors.shape[1], -1), axis=1)  # (pred_len, windows x columns)
    count = pooled.shape[1]
    steps = [pooled[:, min(math.ceil((count + 1) * level), count) - 1] for level in LEVELS]
    return Intervals(
        levels=LEVELS,
        steps=tuple(tuple(step.tolist()) for step in steps),
        columns=columns,
        coverage=tuple(
            float((later <= np.outer(step, columns))[..., counted].mean()) if counted.any() else 1.0 for step in steps
        ),
        windows=len(errors),
    )
