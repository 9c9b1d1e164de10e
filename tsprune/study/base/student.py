"""Student's distribution: how far the mean of a few values may be from the true mean."""

import math


def student(level: float, freedom: int) -> float:
    """How many standard errors to either side hold ``level`` (0 to 1) of Student's distribution with ``freedom``
    degrees of freedom, 1 or more (Abramowitz & Stegun, 26.7.3 and 26.7.4)."""
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if _within(angle, freedom) < level else (low, angle)
    return math.sqrt(freedom) * math.tan(low)


def _within(angle: float, freedom: int) -> float:
    """Share of the distribution within ``sqrt(freedom) * tan(angle)`` of its middle."""
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(odd + 2, freedom + 1, 2):
        total += term
        term *= math.cos(angle) ** 2 * (k - 1) / k
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
