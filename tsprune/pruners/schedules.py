"""When: how a number goes from its first to its last value while ``progress`` goes from 0 to 1."""

import math
from collections.abc import Callable
from typing import Literal

Schedule = Literal["constant", "linear", "half cosine", "cubic"]


def constant(progress: float, start: float, end: float) -> float:
    """Stays at ``start``."""
    return start


def linear(progress: float, start: float, end: float) -> float:
    """The same step each time. Past 1 it stays at ``end``."""
    return end + (start - end) * (1 - min(1, progress))


def half_cosine(progress: float, start: float, end: float) -> float:
    """Slow, fast, slow (RigL: Evci et al. 2020, arXiv 1911.11134, section 3). Past 1 it stays at ``end``."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(1, progress)))


def cubic(progress: float, start: float, end: float) -> float:
    """Fast at first, slower and slower (Zhu & Gupta 2017, arXiv 1710.01878, equation 1). Past 1 it stays at ``end``."""
    return end + (start - end) * (1 - min(1, progress)) ** 3


SCHEDULES: dict[Schedule, Callable[[float, float, float], float]] = {
    "constant": constant,
    "linear": linear,
    "half cosine": half_cosine,
    "cubic": cubic,
}
