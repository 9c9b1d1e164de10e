"""Forecasts in the data's own units, with dates, from an ONNX file (no torch) or a checkpoint."""

import os
from typing import Self

import numpy as np
import pandas as pd

from tsprune.data.calendar import calendar_fields, field_names
from tsprune.data.timesteps import fixed_length, following
from tsprune.deploy.card import Card, Run
from tsprune.deploy.files import named
from tsprune.deploy.look_back import Rows, last_rows
from tsprune.deploy.onnx_file import read_onnx
from tsprune.deploy.session import Session
from tsprune.errors import UserError
from tsprune.places import is_barred
from tsprune.shown import listed, quoted, shown_date


class _Sent(Session):
    """A session that other processes can be given, and that can be copied: the file's bytes go there, to be loaded
    anew, as the runtime's own session can do neither."""

    def __init__(self, content: bytes, name: str):
        super().__init__(content, name)
        self._content = content

    def __reduce__(self) -> tuple[type[Self], tuple[bytes, str]]:
        return type(self), (self._content, self.name)


class Forecaster:
    """``Forecaster.load(path).predict(frame)``. ``card``: what the file says of itself. It can be copied, pickled and
    so sent to workers, whole: they need not have the file."""

    def __init__(self, card: Card, run: Run, name: str):
        self.card, self._run, self._name = card, run, name
        if card.units != "real":
            raise UserError(
                f"{name} was exported in scaled units and cannot read your data; export it with --units real"
            )
        if card.time_step is None:
            raise UserError(f"{name} does not say the time step of its data, so its forecasts would have no dates")
        try:
            fixed_length(card.time_step)  # refuses what is not a step
            if card.calendar not in ((), field_names(card.freq)):
                raise UserError(f"calendar = {listed(card.calendar)}: not the fields of freq = {quoted(card.freq)}")
        except UserError as error:
            raise UserError(f"{name}: {error}") from None

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """From an ONNX file in real units, with onnxruntime and numpy; from a checkpoint, with torch.

        Nothing in the file is run. Raises :class:`UserError`, one line, for one that cannot be read, was not written by
        tsprune, is damaged, or lacks columns, scale or time step.
        """
        name = named(path)
        if _is_checkpoint(path):
            from tsprune.deploy.from_checkpoint import from_checkpoint

            return cls(*from_checkpoint(path), name)
        card, content = read_onnx(path)
        return cls(card, _Sent(content, name).run, name)

    def predict(self, frame: pd.DataFrame, level: float | None = None) -> pd.DataFrame:
        """The ``pred_len`` time steps after the last of ``frame``: dates as the index, the same columns and units.

        ``frame``: a row per time step and at least ``seq_len`` of them, dates as its index, columns those of
        ``card.columns`` in that order. With a ``level`` (0.9) each column NAME is followed by NAME_low and NAME_high,
        the ends of the interval that is meant to hold that share of values. Raises :class:`UserError` for any other
        frame (:func:`last_rows`) and a level that the file does not have.
        """
        width = None if level is None else self.half_widths(level)
        forecast = self.after(last_rows(frame, self.card, self.card.seq_len, "a forecast"))
        names = list(self.card.columns)
        found = pd.DataFrame(forecast.numbers, index=forecast.dates.rename("date"), columns=names)
        if width is None:
            return found
        low, high = (found - width).add_suffix("_low"), (found + width).add_suffix("_high")
        order = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
        if len(set(order)) < len(order):
            raise UserError(
                "a column has the name of the end of another's interval (_low, _high); rename it in the data"
            )
        return pd.concat([found, low, high], axis=1)[order]

    def half_widths(self, level: float) -> np.ndarray:
        """Of the intervals around a forecast, (pred_len, columns) in the data's own units."""
        if self.card.intervals is None:
            raise UserError(
                f"{self._name} has no prediction intervals; `tsprune models save` and `export KEY` add them"
            )
        return self.card.intervals.half_widths(level) * np.array(self.card.std)

    def after(self, rows: Rows) -> Rows:
        """The forecast after ``seq_len`` rows that :func:`last_rows` has checked."""
        card = self.card
        try:
            future = following(rows.dates[-1], card.time_step, card.pred_len)
        except (pd.errors.OutOfBoundsDatetime, pd.errors.OutOfBoundsTimedelta, OverflowError):
            raise UserError(
                f"{self._name}: {card.pred_len} steps of {quoted(card.time_step)} after "
                f"{shown_date(rows.dates[-1], rows.dates)} end later than any date that pandas can hold"
            ) from None
        inputs = {"values": rows.numbers[None]}
        if card.calendar:
            inputs["calendar"] = calendar_fields(rows.dates.append(future), card.freq)[None]
        forecast = self._run(inputs)
        wanted = (np.float64, (1, card.pred_len, len(card.columns)))
        if (forecast.dtype, forecast.shape) != wanted or not np.isfinite(forecast).all():
            raise UserError(
                f"{self._name}: the forecast is not {card.pred_len} rows of {len(card.columns)} finite values"
                f"{_out_of_range(rows.numbers, card)}"
            )
        return Rows(forecast[0], future)


def _out_of_range(values: np.ndarray, card: Card) -> str:
    """What to say of a value that, scaled, has no square in single precision: models compute in it."""
    with np.errstate(over="ignore"):
        away = np.abs((values - card.mean) / np.array(card.std))
    row, column = np.unravel_index(np.argmax(away), away.shape)
    if away[row, column] <= np.sqrt(np.finfo(np.float32).max):
        return ""
    return f": column {quoted(card.columns[column])} holds {values[row, column]:g}; is that a reading?"


def _is_checkpoint(path: str | os.PathLike) -> bool:
    """Whether a file begins as one of safetensors does: eight bytes, then JSON; one that is shorter is what it is
    called. What is no file is none; one that cannot be read raises :class:`UserError`."""
    if is_barred(path):
        raise UserError(f"{named(path)} cannot be read: no permission to enter its folder")
    if not os.path.isfile(path):
        return False
    try:
        with open(path, "rb") as file:
            kind = file.read(9)[8:]
            return kind == b"{" or (not kind and os.fspath(path).endswith(".safetensors"))
    except OSError as error:
        raise UserError(f"{named(path)} cannot be read: {error.strerror}") from None
