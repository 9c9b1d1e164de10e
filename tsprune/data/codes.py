"""Values that stand for "no reading": -9999, 9.96921e36, the ends of integer types."""

import numpy as np
import pandas as pd

# Codes of instruments and archives, and the ends of integer types; as they are written and as single precision rounds.
_WRITTEN = (
    *(sign * nines for nines in (99, 999, 9999, 99999, 999999, 9999999) for sign in (-1, 1)),
    *(sign * nines for nines in (99.9, 999.9, 9999.9, 99999.9, 99.99, 999.99, 9999.99, 99999.99) for sign in (-1, 1)),
    *(sign * code for code in (999.25, 6999, 7777, 7999, 8888, 8999, 1e10, 1e15, 1e20, 9.999e20) for sign in (-1, 1)),
    *(-888.8, -888.88, -8888.8, -8888.88),
    *(-32768, -32767, 32767, 65535, -2147483648, -2147483647, 2147483647, 4294967295, -9223372036854775808),
)
_WEAK = (-1.0, -7.0, -8.0, -9.0, -77.0, -88.0, -777.0, -888.0)
"""Codes that may well be readings: they count as one only where they come again, far apart."""
_HUGE = 1e30  # from here on (netCDF 9.96921e36, GIS -3.4e38, archives 1e34) whatever stands apart is a code
NOTHING = frozenset(
    (
        *("nan", "na", "n/a", "n.a.", "n.a", "null", "none", "nil", "nat", "?", ".", "..", "...", "*", r"\n"),
        *("missing", "no data", "nodata", "not available"),
    )
)
"""Words and signs for no reading beside those that pandas knows, in whatever case. Not '-': to some that is a zero."""
CODES = frozenset(float(rounded) for code in _WRITTEN for rounded in (code, np.float32(code)))
_ARRAY = np.array(sorted(CODES))


def find_codes(frame: pd.DataFrame) -> dict[str, dict[float, np.ndarray]]:
    """Values that look like "no reading": column -> value -> the rows (numbers) that hold it.

    A value counts as one if it is a usual code (-9999, 9.96921e36) and stands apart: negative where all others of its
    column are not, or farther from the nearest other than these are from each other (codes do not count as others). A
    small one (-1) must be three times as far, and come three times.
    """
    found: dict[str, dict[float, np.ndarray]] = {}
    for name in frame:
        values = frame[name].to_numpy()
        rest = values[np.isfinite(values)]
        for _ in range(4):
            code = _code(rest)
            if code is None:
                break
            found.setdefault(name, {})[code] = np.flatnonzero(values == code)
            rest = rest[rest != code]
    return found


def _code(values: np.ndarray) -> float | None:
    if len(values) < 3:
        return None
    for end in (float(values.min()), float(values.max())):
        weak = end in _WEAK
        if end not in CODES and not weak and abs(end) < _HUGE:
            continue
        others = values[~np.isin(values, _ARRAY) & (values != end)]
        if len(others) < 2:
            continue
        low, high = float(others.min()), float(others.max())
        if weak:
            if 0 < 3 * (high - low) < low - end and np.count_nonzero(values == end) >= 3:
                return end
        elif (end < 0 <= low) or min(abs(end - low), abs(end - high)) > high - low:
            return end
    return None
