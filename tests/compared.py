"""A comparison of two models as the tables of studies have it, for tests of what is said of one."""


def interval(low: float, relative: float, high: float, seeds: int = 2) -> dict:
    """A relative difference of errors and its interval; clear where zero lies outside, with two seeds."""
    clear = seeds > 1 and (low > 0 or high < 0)
    return {"relative": relative, "low": low, "high": high, "seeds": seeds, "clear": clear}
