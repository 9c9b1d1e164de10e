"""Prediction intervals by split conformal prediction: as wide as errors were on rows that trained nothing."""

import math
from collections.abc import Iterable
from numbers import Real
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from tsprune.errors import UserError, unknown
from tsprune.shown import quoted
from tsprune.typed import Config, Numbers, as_tuple

LEVELS = (0.5, 0.8, 0.9, 0.95)


class Intervals(Config):
    """Half-widths of the intervals around a forecast, in scaled units: ``steps`` of a level times its ``columns``.

    Of column c at step h an error counts as a multiple of what the level's share of the column's own errors stay
    within; of these multiples, those of all columns together, the interval takes the level's share (Lei et al. 2018,
    section 2.2, there for independent rows). So a spike in one column, or errors of another distribution, leave the
    others' intervals alone. Neighbouring windows are not independent, and later rows may differ: ``coverage`` is what
    the intervals covered on the test split.
    """

    levels: Numbers  # ascending, in (0, 1)
    steps: Annotated[tuple[Numbers, ...], BeforeValidator(as_tuple)]  # per level (pred_len,)
    columns: Annotated[tuple[Numbers, ...], BeforeValidator(as_tuple)]  # per level (columns,)
    coverage: Numbers  # per level: share of the test split's values within, over all steps and columns
    windows: Annotated[int, Field(ge=1)]  # of the validation split, that errors were taken from

    @model_validator(mode="before")
    @classmethod
    def _of_every_level(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Files of before had one width per column, for all levels."""
        columns, levels = (as_tuple(given.get(name)) for name in ("columns", "levels"))
        old = isinstance(columns, tuple) and all(isinstance(width, Real) for width in columns)
        return given | {"columns": (columns,) * len(levels)} if old and isinstance(levels, tuple) else given

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (
            not self.levels
            or list(self.levels) != sorted(set(self.levels))
            or not 0 < self.levels[0] <= self.levels[-1] < 1
        ):
            raise ValueError("levels ascend between 0 and 1")
        per_level = self.steps, self.columns
        if {*map(len, (*per_level, self.coverage))} != {len(self.levels)} or any(
            len({*map(len, numbers)}) > 1 for numbers in per_level
        ):
            raise ValueError(
                "levels, steps, columns and coverage belong together, steps with a number per time step, columns with "
                "one per column"
            )
        if any(number < 0 for numbers in (*self.columns, *self.steps) for number in numbers):
            raise ValueError("widths are never below 0")
        if not all(0 <= share <= 1 for share in self.coverage):
            raise ValueError("a coverage is a share")
        return self

    def half_widths(self, level: float) -> np.ndarray:
        """(pred_len, columns) in scaled units. Raises :class:`UserError` for a level that is not there."""
        return _nested(self.steps, self.columns)[self._place(level)]

    @property
    def wide(self) -> np.ndarray:
        """Which columns (bool) have intervals of any width: the others had no errors in validation, or next to none."""
        return _nested(self.steps, self.columns).any((0, 1))

    @property
    def shape(self) -> tuple[int, int]:
        """Time steps and columns."""
        return len(self.steps[0]), len(self.columns[0])

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
    there are fewer. Columns whose errors are none, at this level, have intervals without width and no part in those of
    others, and those without any none in the coverage as long as there is no error in ``later`` either.
    """
    errors, later = np.abs(errors), np.abs(later)
    counted = errors.any((0, 1)) | later.any((0, 1))
    steps, columns = zip(*(_widths(errors, level) for level in LEVELS), strict=True)
    within = [later <= width for width in _nested(steps, columns)]
    return Intervals(
        levels=LEVELS,
        steps=steps,
        columns=columns,
        coverage=tuple(float(held[..., counted].mean()) if counted.any() else 1.0 for held in within),
        windows=len(errors),
    )


def _nested(steps: Iterable, columns: Iterable) -> np.ndarray:
    """(levels, pred_len, columns). No interval ends within one of a lower level, as products of shares may."""
    widths = [np.outer(step, column) for step, column in zip(steps, columns, strict=True)]
    return np.maximum.accumulate(widths)


def _widths(errors: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The half-widths of a level by step and by column, of absolute errors."""
    columns = _smallest(np.moveaxis(errors, 2, 0), level)
    wide = columns > 0
    multiples = errors[..., wide] / columns[wide] if wide.any() else np.zeros_like(errors)
    return _smallest(multiples.swapaxes(0, 1), level), columns


def _smallest(numbers: np.ndarray, level: float) -> np.ndarray:
    """Along the first axis: the ceil((n + 1) level)-th smallest of the n numbers, the largest where there are fewer."""
    rows = numbers.reshape(len(numbers), -1)
    place = min(math.ceil((rows.shape[1] + 1) * level), rows.shape[1]) - 1
    return np.partition(rows, place)[:, place]
