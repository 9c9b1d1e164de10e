"""What the functions of this floor ask of a frame, and the few words and numbers they all write alike."""

from collections.abc import Iterable, Sequence

import pandas as pd

from tsprune.errors import UserError, unknown

SCOPES = {"layer": "each layer cut alike", "global": "one threshold for the whole model"}
NBSP = "\u00a0"
NAIVE = {"RepeatLast": "repeat last value", "SeasonalNaive": "seasonal naive"}


def need(frame: pd.DataFrame, what: str, columns: Iterable[str]) -> pd.DataFrame:
    """``frame`` itself, once it has rows and every one of ``columns``.

    Raises UserError with the name of the table (``what``) and of the first column that is missing.
    """
    for column in columns:
        if column not in frame.columns:
            present = ", ".join(map(str, frame.columns)) or "none"
            raise UserError(f"table '{what}': column '{column}' is missing. Present: {present}")
    if frame.empty:
        raise UserError(f"table '{what}' has no rows")
    return frame


def need_scopes(frame: pd.DataFrame) -> list[str]:
    """The scopes in ``frame`` in reading order (layer, global). Raises UserError for one that has no words."""
    for scope in frame["scope"].unique():
        if scope not in SCOPES:
            raise UserError(unknown("scope", scope, SCOPES))
    return [scope for scope in SCOPES if scope in set(frame["scope"])]


def need_limits(limits: pd.DataFrame) -> pd.DataFrame:
    """``limits`` itself: ``density`` lies between ``limit_low`` and ``limit_high``, all three being densities.

    Raises UserError naming the model of a row where it does not, as when one of them is a sparsity.
    """
    need(limits, "limits", ["model", "pred_len", "scope", "tolerance", "density", "limit_low", "limit_high", "seeds"])
    slack = 1e-6
    wrong = (limits["density"] < limits["limit_low"] - slack) | (limits["density"] > limits["limit_high"] + slack)
    if wrong.any():
        row = limits[wrong].iloc[0]
        raise UserError(
            f"table 'limits': model {row['model']}, scope {row['scope']}: density {row['density']:g} does not lie "
            f"between limit_low {row['limit_low']:g} and limit_high {row['limit_high']:g} (all are densities)"
        )
    return limits


def finished(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells that ended well and have a number relative to dense."""
    return cells[(cells["status"] == "ok") & cells["mse_relative"].notna()]


def repeat_last(naive: pd.DataFrame) -> dict[int, float]:
    """MSE of repeating the last value, by pred_len. Raises UserError where the naive table lacks it."""
    need(naive, "naive", ["pred_len", "model", "mse"])
    rows = naive[naive["model"] == "RepeatLast"]
    if rows.empty:
        raise UserError("table 'naive' has no row of model 'RepeatLast'")
    return dict(zip(rows["pred_len"], rows["mse"], strict=True))


def level(levels: dict[int, float], pred_len: int) -> float:
    """The repeat-last MSE of one horizon. Raises UserError naming a horizon that the naive table lacks."""
    if pred_len not in levels:
        raise UserError(f"table 'naive' has no 'RepeatLast' of horizon {pred_len}. Has: {sorted(levels)}")
    return levels[pred_len]


def density_text(density: float) -> str:
    """Two significant digits, as densities are spoken of: 1, 0.8, 0.41, 0.0043."""
    return f"{density:.2g}"


def density_labels(densities: Iterable[float]) -> dict[float, str]:
    """A short text per density, all with as many significant digits (two or more) as tell them apart."""
    distinct = sorted(set(densities), reverse=True)
    digits = next((n for n in range(2, 17) if len({f"{d:.{n}g}" for d in distinct}) == len(distinct)), 17)
    return {d: f"{d:.{digits}g}" for d in distinct}


def percent(share: float) -> str:
    """A share as percent, with a decimal only where whole percents would hide the difference to 100."""
    value = 100 * share
    return f"{value:.1f}{NBSP}%" if 99 <= value < 100 else f"{value:.0f}{NBSP}%"


def error_text(value: float, like: float | None = None) -> str:
    """An MSE or MAE with the three to four digits that carry meaning; a spread with as many decimals as its mean."""
    size = value if like is None else like
    if max(value, size) >= 1e4:
        return f"{value:.1e}"
    return f"{value:.{0 if size >= 1e3 else 1 if size >= 100 else 2 if size >= 10 else 3 if size >= 0.1 else 4}f}"


def listed(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b, and c``."""
    if len(parts) <= 2:
        return " and ".join(parts)
    return ", ".join(parts[:-1]) + ", and " + parts[-1]
