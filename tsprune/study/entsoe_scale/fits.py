"""How the loss falls with the data: a power law fitted to it, and a band in which the law then lies."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsprune.study.base.student import student

LEVEL = 0.95
"""Of the bands and intervals."""


@dataclass(frozen=True)
class Law:
    """``mse = exp(at + slope * (ln(windows) - middle))``, by least squares of the logarithms.

    The errors around it are taken for independent, normal and equally wide, so that a line fitted to them has Student's
    distribution with ``points - 2`` degrees of freedom.
    """

    at: float
    slope: float
    middle: float
    deviation: float  # of the points from the line, by their degrees of freedom
    spread: float  # sum of the squared distances of ln(windows) from their mean
    points: int

    @property
    def reach(self) -> float:
        """Standard errors to either side that hold the line at LEVEL."""
        return student(LEVEL, self.points - 2)

    def twice(self) -> tuple[float, float, float]:
        """Relative change of the loss with twice the data, and the ends of its interval."""
        error = self.reach * self.deviation / math.sqrt(self.spread)
        return tuple(2**slope - 1 for slope in (self.slope, self.slope - error, self.slope + error))

    def band(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The law at a number of training ``windows``, and the ends of its band there."""
        away = np.log(windows) - self.middle
        line = self.at + self.slope * away
        error = self.reach * self.deviation * np.sqrt(1 / self.points + away**2 / self.spread)
        return np.exp(line), np.exp(line - error), np.exp(line + error)


def fitted(rows: pd.DataFrame) -> Law | None:
    """The law of ``rows`` (``windows_train``, ``mse``, a row per training that ended well); None for fewer than three,
    or if all have the same number of windows: then no line can be fitted."""
    if len(rows) < 3 or rows["windows_train"].nunique() < 2:
        return None
    x, y = np.log(rows["windows_train"].to_numpy(float)), np.log(rows["mse"].to_numpy(float))
    away = x - x.mean()
    spread = float(away @ away)
    slope = float(away @ y) / spread
    rest = y - y.mean() - slope * away
    deviation = math.sqrt(float(rest @ rest) / (len(y) - 2))
    return Law(float(y.mean()), slope, float(x.mean()), deviation, spread, len(y))
