"""The built-in series: made-up numbers of ETT shape, for tests and for machines that can reach no real data."""

import numpy as np
import pandas as pd

ROWS, SHORT, STEP, START, SEED = 17_420, 3_000, "1h", "2016-07-01", 20160701
COLUMNS = ("load_1", "load_2", "load_3", "load_4", "load_5", "load_6", "OT")
_DAY, _WEEK, _YEAR = 24, 7 * 24, 365.25 * 24


def synthetic_frame(rows: int) -> tuple[np.ndarray, pd.DatetimeIndex, tuple[str, ...]]:
    """Values (rows, 7), hourly dates and column names of the synthetic dataset; the same bits on every call.

    Six "loads" and one "oil temperature", as in ETT. Each load has a slow trend, a year, a daily shape with a
    harmonic, a weekly modulation of the day, noise shared by neighbouring channels and noise of its own with a memory
    of about a day. The temperature follows the loads with a lag of some hours, so that channels carry information
    about each other. Values are rounded to 1e-4: last-bit differences between mathematics libraries vanish, and a
    shorter table is the beginning of a longer one.
    """
    rng = np.random.default_rng(SEED)
    noise = _remember(rng.standard_normal((rows + 256, 7)))[256:]
    hours = np.arange(rows, dtype=np.float64)[:, None]
    channel = np.arange(6, dtype=np.float64)[None, :]

    day = 2 * np.pi * hours / _DAY - 0.5 * channel
    daily = np.sin(day) + 0.4 * np.sin(2 * day + channel)
    weekly = 1 + 0.3 * np.sin(2 * np.pi * hours / _WEEK + 0.2 * channel)
    yearly = 1.5 * np.cos(2 * np.pi * hours / _YEAR + 0.3 * channel)
    trend = (0.4 - 0.15 * channel) * hours / _YEAR
    shared = noise[:, :6] + 0.6 * np.roll(noise[:, :6], 1, axis=1)
    loads = (6 - 0.7 * channel) + 0.25 * trend + yearly + (2 - 0.2 * channel) * daily * weekly + 0.5 * shared

    lagged = np.concatenate([np.repeat(loads[:1].mean(1), 6), loads[:, :].mean(1)])[:rows]
    oil = 17 - 4 * np.cos(2 * np.pi * hours[:, 0] / _YEAR) + 1.2 * lagged + noise[:, 6]
    dates = pd.date_range(START, periods=rows, freq=STEP)
    return np.round(np.column_stack([loads, oil]), 4), dates, COLUMNS


def _remember(shocks: np.ndarray) -> np.ndarray:
    """Autoregressive noise of order one, coefficient 0.95, unit variance, cut after 256 hours (0.95**256 = 2e-6)."""
    kernel = 0.95 ** np.arange(257) * np.sqrt(1 - 0.95**2)
    return np.stack([np.convolve(column, kernel)[: len(column)] for column in shocks.T], axis=1)
