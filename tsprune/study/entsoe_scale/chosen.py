"""Which width validation chooses, and whether it can tell the widths apart at all."""

import numpy as np
import pandas as pd


def tells_apart(val: pd.DataFrame) -> bool:
    """Whether the validation MSE ``val`` (a row per seed, a column per width) says which width is best: every seed has
    its lowest at the same one, and no other lies closer to it by their means than the seeds of either do to each
    other. One seed says nothing, and a seed without a result at some width is left out."""
    val = val.dropna()
    if len(val) < 2:
        return False
    means, spread = val.mean(), val.max() - val.min()
    best = means.idxmin()
    ahead = means.drop(best) - means[best]
    return bool((val.idxmin(axis=1) == best).all() and (ahead > np.maximum(spread.drop(best), spread[best])).all())


def by_seed(val: pd.DataFrame) -> tuple[int, ...]:
    """The widths that single seeds would choose, each once, rising."""
    return tuple(sorted({int(width) for width in val.dropna().idxmin(axis=1)}))
