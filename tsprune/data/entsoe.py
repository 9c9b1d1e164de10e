"""ENTSO-E: the load of 15 countries, by the hour or by its quarters, built from one file of readings per country."""

import io
from collections.abc import Mapping

import numpy as np
import pandas as pd

from tsprune.data.cleaning import Rule, Sentinel, SuddenLevels

COUNTRIES = ("at", "be", "ch", "de", "dk", "es", "fr", "gb", "ie", "it", "lu", "nl", "no", "pt", "se")
QUARTERS = ("at", "be", "de", "nl")
"""Those that publish every quarter of an hour. Luxembourg does, too, but drops in and out."""
FIRST, END = "2015-01-01", "2020-08-01"  # UTC; some countries' files go on longer

# How the hourly table is cleaned, and what that touches: share of the 48,936 hours per country that is missing in the
# file or found bad, then the hours found bad, after a look at every episode.
#   lu 2.67 % (663 zeros, 611)   ie 0.74 % (0)    ch 0.39 % (191)  no 0.30 % (29)   gb 0.28 % (130)
#   se 0.22 % (51 zeros, 7)      at 0.15 % (72)   fr 0.14 % (1)    es 0.08 % (3)    dk 0.03 % (11)
#   be, de, it, nl, pt: nothing.
# A country never uses nothing, so a zero is a reading that failed. The levels are chosen so that no public holiday is
# touched: Italy's Easter Monday of 2018 falls to 0.47 of the usual hour, but no hour of it steps by more than 1.20,
# while every drop-out and doubled hour steps by 1.25 or more on both sides. Luxembourg is noisy from 2017-12 on
# (readings that come and go); what moves there without a sudden step is left as it is.
# Quarter hours, by the same levels: the three days of at that hours have too (2015-11-28, 12-24, 12-28), and in de the
# last quarter before the clocks go forward, in four of six years; nothing in be and nl, and again no holiday.
RULES: tuple[Rule, ...] = (Sentinel(0.0), SuddenLevels(low=0.72, high=1.30, step=1.25, days=(1, 2, 7, 14)))


def build(files: Mapping[str, bytes], step: str = "1h", first: str = FIRST, end: str = END) -> bytes:
    """The table as CSV text, from the text of one file per country (keys: country codes, in column order).

    A file has the columns ``start`` (time with offset), ``end`` and ``load`` (MW), a row per quarter, half or whole
    hour. Each value of the table is the mean of the readings that start in that ``step``, rounded to 0.001 MW; one
    without a reading is empty. Rows go from ``first`` to before ``end``. Nothing is filled or removed here.
    """
    times = pd.date_range(first, end, freq=step, name="date", inclusive="left")
    columns = {}
    for country, content in files.items():
        readings = pd.read_csv(io.BytesIO(content), usecols=["start", "load"])
        start = pd.DatetimeIndex(pd.to_datetime(readings["start"], utc=True)).tz_localize(None)
        load = pd.Series(readings["load"].to_numpy(np.float64), index=start.floor(step))
        columns[country] = load.groupby(level=0).mean().round(3).reindex(times)
    table = pd.DataFrame(columns, index=times)
    return table.to_csv(date_format="%Y-%m-%d %H:%M:%S", lineterminator="\n").encode()
