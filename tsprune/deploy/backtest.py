"""How well a forecaster would have done: the last rows forecast from those before them, beside naive forecasts."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tsprune.deploy.card import Card
from tsprune.deploy.forecaster import Forecaster
from tsprune.deploy.look_back import Rows, last_rows
from tsprune.errors import UserError
from tsprune.shown import plain, shown_dates

MOST_SHOWN = 20
"""Columns whose errors are printed one by one."""


@dataclass(frozen=True)
class Backtest:
    """Errors of a forecaster and of naive forecasts; ``naive`` says what each of these repeats, by the word that its
    columns begin with."""

    by_origin: pd.DataFrame  # per forecast, by its last known date: mse, mae, last_mse, ... in scaled units
    by_column: pd.DataFrame  # a row per column: mae, last_mae, ... in the data's own units
    left_out: int  # values that are not there to be compared with; NaN above where none of a mean is
    naive: dict[str, str]
    within: dict[float, float]  # by level: share of values within the prediction intervals; none where there are none
    card: Card

    def __str__(self) -> str:
        card, whole = self.card, self.by_origin.mean()
        origins = self.by_origin.set_axis(shown_dates(self.by_origin.index))
        table = pd.concat([origins, whole.to_frame("mean").T])
        columns = self.by_column.iloc[:MOST_SHOWN].rename(index=plain)
        hidden = len(self.by_column) - len(columns)
        return "\n".join(
            [
                f"forecasts: {len(self.by_origin)} of {card.pred_len} time steps, each from the {card.seq_len} before",
                *(f"{word}: {repeated}" for word, repeated in self.naive.items()),
                "",
                "errors in standard deviations of the training rows, by the last known time step",
                table.to_string(float_format="{:.4f}".format),
                "",
                f"mean absolute error in {card.unit or 'units of the data'}, by column",
                columns.to_string(float_format="{:.5g}".format),
                *([f"and {hidden} more columns"] if hidden else []),
                *([f"not counted: {self.left_out} values that were filled in"] if self.left_out else []),
                *(
                    f"within the {level:.0%} intervals: {share:.1%} of the values"
                    for level, share in self.within.items()
                ),
            ]
        )


def backtest(forecaster: Forecaster, frame: pd.DataFrame, forecasts: int, filled: np.ndarray | None = None) -> Backtest:
    """The last ``forecasts`` times ``pred_len`` rows of ``frame``, one horizon after the other, each forecast from the
    ``seq_len`` rows before it and no later one.

    The naive forecasts repeat the last value and, where the look-back holds one, the last season. Values that are
    ``filled`` in, bool in the shape of ``frame``, are forecast from but not compared with. Raises :class:`UserError` as
    :meth:`Forecaster.predict`, and where all of them are.
    """
    card = forecaster.card
    if forecasts < 1:
        raise UserError(f"a back-test of {forecasts} forecasts: expected at least 1")
    needed = card.seq_len + forecasts * card.pred_len
    rows = last_rows(frame, card, needed, f"a back-test of {forecasts} forecasts of {card.pred_len} time steps")
    naive = _naive(card)
    made_up = np.zeros(frame.shape, bool) if filled is None else filled
    truths = np.ma.array(rows.numbers, mask=made_up[-needed:])
    origins, errors = [], {"": [], **{f"{word}_": [] for word in naive}}
    for end in range(card.seq_len, needed, card.pred_len):
        past = Rows(rows.numbers[end - card.seq_len : end], rows.dates[end - card.seq_len : end])
        truth = truths[end : end + card.pred_len]
        origins.append(past.dates[-1])
        errors[""].append(forecaster.after(past).numbers - truth)
        for word, (rows_back, _) in naive.items():
            errors[f"{word}_"].append(past.numbers[np.arange(card.pred_len) % rows_back - rows_back] - truth)
    stacked = {prefix: np.ma.stack(each) for prefix, each in errors.items()}  # (forecasts, pred_len, columns)
    own = stacked[""]
    if own.mask.all():
        raise UserError(
            f"every value of the last {forecasts * card.pred_len} rows was filled in; there is nothing to compare with"
        )
    measured = {"mse": np.square, "mae": np.abs}
    by_origin = {
        f"{prefix}{name}": measure(error / np.array(card.std)).mean((1, 2)).filled(np.nan)
        for prefix, error in stacked.items()
        for name, measure in measured.items()
    }
    by_column = {f"{prefix}mae": np.abs(error).mean((0, 1)).filled(np.nan) for prefix, error in stacked.items()}
    return Backtest(
        pd.DataFrame(by_origin, index=pd.DatetimeIndex(origins, name="origin")),
        pd.DataFrame(by_column, index=list(card.columns)),
        int(own.mask.sum()),
        {word: repeated for word, (_, repeated) in naive.items()},
        _within(forecaster, own),
        card,
    )


def _naive(card: Card) -> dict[str, tuple[int, str]]:
    """The naive forecasts that the look-back has room for, by the word that their columns begin with: how many rows
    back they look, and what they repeat."""
    found = {"last": (1, "the last value, repeated")}
    if card.season is not None and 1 < card.season <= card.seq_len:
        found["seasonal"] = card.season, f"the value one season ({card.season} time steps) before"
    return found


def _within(forecaster: Forecaster, errors: np.ma.MaskedArray) -> dict[float, float]:
    """By level of the card's intervals, the share of ``errors`` (forecasts, pred_len, columns) that lie within them. A
    column without errors, here and in validation, is left out, as it is of the card's coverage."""
    intervals = forecaster.card.intervals
    if not intervals:
        return {}
    counted = intervals.wide | (np.abs(errors).max((0, 1)) > 0).filled(False)
    if errors.mask[..., counted].all():
        return {}
    return {
        level: float((np.abs(errors) <= forecaster.half_widths(level))[..., counted].mean())
        for level in intervals.levels
    }
