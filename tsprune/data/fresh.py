"""Electricity load as the ENTSO-E Transparency Platform has it now: fetched through entsoe-py, kept in the user's
cache.

It is for the user who fetched it, and is not distributed with the project.
"""

import io
import logging
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import pandas as pd

from tsprune.data.entsoe import COUNTRIES, build
from tsprune.data.sources import cache_folder
from tsprune.errors import UserError, unknown
from tsprune.whole import write_whole

KEY = "ENTSOE_API_KEY"
STEPS = ("1h", "15min")

PAUSE = 0.5
"""Seconds between two requests. The platform takes 400 a minute, and shuts out for ten minutes who sends more."""
PATIENCE = (5, 15, 60, 120, 300, 600)
"""Seconds that are waited after a request that the platform was too busy for, each time longer; then it is given up."""
SECONDS = 120  # for an answer
SETTLED = pd.Timedelta("7D")
"""How long ago load must be to be kept: what is younger is still revised, and asked for anew."""

_HOW = (
    "register at https://transparency.entsoe.eu, ask transparency@entsoe.eu for 'Restful API access', and generate a "
    "token under 'My account settings'"
)


def fresh_load(countries: Sequence[str], start: str, end: str, step: str = "1h") -> bytes:
    """The load of ``countries`` (codes as in the catalogue: at, be, ...) in MW from ``start`` to before ``end`` (UTC),
    as CSV text with a column ``date``: means over each ``step``, empty where there is no reading (:func:`build`).

    Asked for half a month at a time: the platform refuses more than a month (since September 2026). Each part is kept,
    so that a load that was stopped goes on where it was. Raises UserError, one line: for what cannot be asked for,
    without a key or with one that is refused, and when the platform does not answer for long.
    """
    for country in countries:
        if country not in COUNTRIES:
            raise UserError(unknown("country", country, COUNTRIES))
    if step not in STEPS:
        raise UserError(unknown("step", step, STEPS))
    begin, stop = _time("start", start), _time("end", end)
    now = pd.Timestamp.now("UTC").floor("h")
    if not begin < stop <= now:
        raise UserError(f"start = {start}, end = {end}: start must come before end, and both before {now:%Y-%m-%d}")
    client, files = _client(), {}
    for country in dict.fromkeys(countries):
        parts = [_part(client, country, *half, now) for half in halves(begin, stop)]
        files[country] = b"start,load\n" + b"".join(part.partition(b"\n")[2] for part in parts)
    text = build(files, step, begin.tz_localize(None), stop.tz_localize(None))
    table = pd.read_csv(io.BytesIO(text), index_col="date")
    if silent := [country for country in table if table[country].isna().all()]:
        raise UserError(f"the platform has no load of {', '.join(silent)} from {start} to {end}; leave them out")
    return text


def halves(begin: pd.Timestamp, end: pd.Timestamp) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """The half months, from the first to the 16th and on to the next first, that hold the time from ``begin`` to
    ``end``: the same ones whatever is asked for, so that they can be kept."""
    found, at = [], begin.normalize().replace(day=1 if begin.day < 16 else 16)
    while at < end:
        after = at.replace(day=16) if at.day == 1 else at.replace(day=1) + pd.DateOffset(months=1)
        found.append((at, after))
        at = after
    return found


def _time(name: str, text: str) -> pd.Timestamp:
    try:
        return pd.Timestamp(text, tz="UTC").floor("h")
    except ValueError as error:
        raise UserError(f"{name} = '{text}' is not a date; write it like 2024-01-31") from error


def _client() -> Any:
    key = os.environ.get(KEY, "").strip()
    if not key:
        raise UserError(f"{KEY} is not set; it holds your key to the ENTSO-E Transparency Platform. To get one, {_HOW}")
    try:
        from entsoe import EntsoePandasClient
    except ModuleNotFoundError as error:
        raise UserError("entsoe-py is not installed; pip install 'tsprune[entsoe]' installs it") from error
    logging.getLogger("entsoe").setLevel(logging.ERROR)  # it announces tries that it does not make
    return EntsoePandasClient(api_key=key, retry_count=1, retry_delay=0, timeout=SECONDS)


def _part(client: Any, country: str, begin: pd.Timestamp, end: pd.Timestamp, now: pd.Timestamp) -> bytes:
    """The readings of half a month as CSV (``start``, ``load``), from the cache where they are kept."""
    path = cache_folder() / "entsoe_fresh" / f"{country}_{begin:%Y-%m-%d}.csv"
    if path.is_file():
        return path.read_bytes()
    print(f"ENTSO-E: load of {country} from {begin:%Y-%m-%d}", file=sys.stderr)
    load = _ask(client, country, begin, min(end, now))
    content = load.to_csv(index_label="start", header=["load"], lineterminator="\n").encode()
    if end <= now - SETTLED:
        write_whole(path, content)
    return content


def _ask(client: Any, country: str, begin: pd.Timestamp, end: pd.Timestamp) -> pd.Series:
    """One request, sent again with patience while the platform is busy. MW by the time (UTC) that a reading begins."""
    import requests
    from entsoe.exceptions import NoMatchingDataError

    what = f"load of {country} from {begin:%Y-%m-%d}"
    for wait in (*PATIENCE, None):
        time.sleep(PAUSE)
        try:
            load = client.query_load(country.upper(), start=begin, end=end)["Actual Load"].tz_convert("UTC")
            break
        except NoMatchingDataError:
            return pd.Series(dtype=float)
        except requests.HTTPError as error:
            status = error.response.status_code
            if status in (401, 403):
                raise UserError(f"the ENTSO-E platform refuses the key in {KEY} (status {status}); {_HOW}") from None
            if status != 429 and status < 500:
                # The text of the error has the address, and that the key.
                raise UserError(f"the ENTSO-E platform refuses {what} (status {status})") from None
            reason = f"status {status}"
        except (requests.ConnectionError, requests.Timeout) as error:
            reason = "timed out" if isinstance(error, requests.Timeout) else "no connection"
        except (AttributeError, KeyError, ValueError):  # what entsoe-py raises for a page without load
            reason = "an answer without load"
        if wait is not None:
            print(f"ENTSO-E: {what}: {reason}; again in {wait} s", file=sys.stderr)
            time.sleep(wait)
    else:
        raise UserError(
            f"the ENTSO-E platform did not send {what} in {len(PATIENCE) + 1} tries: {reason}; what came before is "
            "kept: run it again later to go on"
        )
    return load[(load.index >= begin) & (load.index < end)]
