"""What the verdicts and tables of all studies say alike: which run, which models, what differs, what is missing."""

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tsprune.report.status import NOT_RUN

if TYPE_CHECKING:
    from IPython.display import HTML

NBSP = "\u00a0"

UNKNOWN_UNIT = "the data's units"

SCOPES = {"layer": "each layer cut alike", "global": "one threshold for the whole model"}
"""Scopes of pruning, with the words for them, in the order of reading."""

RANKED = {"layer": "by layer", "output": "by output", "global": "over the whole model"}
"""Where weights were ranked, in the few words that a legend has room for."""

NAIVE = {
    "RepeatLast": "repeat last value",
    "SeasonalNaive": "seasonal naive",
    "LastWeek": "same time last week",
}
"""Names of the naive forecasts, with the words for them."""

_HIDDEN = 0xE000  # where no letter is: signs that :func:`literal` has made harmless wait there


def headline(markdown: str) -> str:
    """The first sentence of ``markdown`` as plain text, for an index or a subject line."""
    paragraphs = [p for p in re.split(r"\n\s*\n", markdown) if p.strip() and not p.lstrip().startswith("#")]
    text = _without_markup(paragraphs[0]) if paragraphs else ""
    return _shown(re.split(r"(?<=[.!?])\s+(?=[A-Z0-9])", text, maxsplit=1)[0])


def plain_text(markdown: str) -> str:
    """A paragraph of Markdown as plain text, on one line."""
    return _shown(_without_markup(markdown))


def _without_markup(markdown: str) -> str:
    """``markdown`` on one line without its signs; those that :func:`literal` made harmless are hidden."""
    hidden = re.sub(r"\\([!-/:-@[-`{-~])", lambda sign: chr(_HIDDEN + ord(sign[1])), markdown)
    text = re.sub(r"!\[[^]]*\]\([^)]*\)", "", hidden)
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"^\s*(>|[-*+]\s)\s*", "", text, flags=re.MULTILINE)
    text = re.sub(r"[*`$]|(?<!\w)_|_(?!\w)", "", text)
    return re.sub(r"[ \t\r\n]+", " ", text).strip()


def _shown(text: str) -> str:
    """``text`` with its hidden signs."""
    return "".join(chr(ord(sign) - _HIDDEN) if _HIDDEN <= ord(sign) < _HIDDEN + 128 else sign for sign in text)


def literal(name: object) -> str:
    """A name from the user's data as Markdown that shows it literally: no markup, formula, link or picture."""
    return re.sub(r"([\\`*\[\]<>$&!|~#{}@]|:(?=//)|(?<=www)\.|(?<!\w)_|_(?!\w))", r"\\\1", str(name))


def sized(verdict: str, size: str) -> str:
    """``verdict`` with the ``size`` of the run after its first paragraph, so that no first screen is without it; after
    the paragraph in italics that follows there, where one does."""
    first, _, rest = verdict.partition("\n\n")
    if remark := re.match(r"\*([^*\n][^\n]*)\*(?:\n\n|$)", rest):
        size, rest = f"{remark[1]} {size}", rest[remark.end() :]
    return "\n\n".join(part for part in (first, f"*{size}*", rest) if part)


def banner(text: str) -> "HTML":
    """A callout that cannot be missed: icon, the word Note, and ``text``, on a ground of its own."""
    from IPython.display import HTML

    return HTML(
        '<div role="note" class="banner" style="background:#fff4d6;color:#4a3500;border:1px solid #c98a00;'
        'border-left-width:6px;border-radius:6px;padding:.6em .9em;margin:.6em 0">'
        f'<strong><span aria-hidden="true">⚠</span> Note.</strong> {html.escape(text)}</div>'
    )


def describe_parameters(parameters: dict[str, Any]) -> str:
    """Parameters of a run in one line, long lists by their ends: ``dataset ETTh1 · densities 1, 0.8 … 0.107 (11)``."""
    return " · ".join(f"{name} {value_text(value)}" for name, value in parameters.items() if value is not None)


def value_text(value: Any) -> str:
    """One parameter or protocol value for people: short numbers, lists joined, long lists by their ends."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {value_text(v)}" for name, v in value.items())
    if isinstance(value, (list, tuple)):
        items = [value_text(v) for v in value] or ["none"]
        return ", ".join(items) if len(items) <= 6 else f"{items[0]}, {items[1]} … {items[-1]} ({len(items)})"
    # Of a file its name: a page that is shared tells nobody the folders of its maker.
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else str(value)


def on_data(names: Iterable[str]) -> str:
    """``On ETTh1``, ``On ETTh1 and Exchange``, ``On 3 datasets``: how a verdict's first sentence begins."""
    distinct = [literal(name) for name in dict.fromkeys(names)]
    return f"On {listed(distinct)}" if len(distinct) <= 2 else f"On {len(distinct)} datasets"


def where(cells: pd.DataFrame) -> str:
    """``On ETTh1 (horizons 96 and 192, 2 seeds)``: data, horizons, and the seeds that finished."""
    horizons = [str(value) for value in sorted(cells["pred_len"].unique())]
    of = f"horizon{'s' if len(horizons) > 1 else ''} {listed(horizons)}"
    return f"On {listed([literal(name) for name in cells['dataset'].unique()])} ({of}, {seeds_text(cells)})"


def counted(count: float, what: str) -> str:
    """``1 seed``, ``3 seeds``."""
    digits = ".0f" if count % 1 == 0 else ".6g"
    return f"{count:,{digits}} {what}{'' if count == 1 else 's'}"


def some_of(count: int, of: int, what: str) -> str:
    """``1 of 3 cells has``, ``2 of 3 cells have``, ``1 of 1 cell has``: to go on with what these have or have not."""
    return f"{count:,} of {counted(of, what)} {'has' if count == 1 else 'have'}"


def none_of(count: int, what: str) -> str:
    """``none of the 4 cells``; of one ``no cell``: to go on with what they have not done."""
    return f"none of the {counted(count, what)}" if count > 1 else f"no {what}"


def seeds_text(cells: pd.DataFrame) -> str:
    """``2 seeds``, ``one seed`` or ``no seed``, of the cells that finished; ``up to 5 seeds`` while some have not run
    yet."""
    count = cells.loc[cells["status"] == "ok", "seed"].nunique()
    some = "up to " if (cells["status"] == NOT_RUN).any() else ""
    return f"{some}{count} seeds" if count > 1 else "one seed" if count else "no seed"


def mean_text(cells: pd.DataFrame) -> str:
    """``mean of 2 seeds`` or ``one seed``: what an error without an interval rests on."""
    text = seeds_text(cells)
    return f"mean of {text}" if text.endswith("seeds") else text


def spread_text(cells: pd.DataFrame) -> str:
    """What a table's numbers are, for its caption."""
    text = seeds_text(cells)
    return f"mean ± standard deviation over {text}" if text.endswith("seeds") else text


def bold(names: Iterable[str]) -> str:
    """``**A**, **B**, and **C**``, each once."""
    return listed([f"**{name}**" for name in dict.fromkeys(names)])


def number(share: float) -> str:
    """A relative difference in percent without the sign for it, with a decimal below ten: ``+5.1``, ``−14``; from a
    ten-thousandth on what is not zero does not read as zero: ``+0.003``. What reads as zero is no decrease."""
    percents = 100 * share
    digits = 0 if abs(percents) >= 9.95 else 1
    if 1e-4 <= abs(percents) < 0.05:
        digits = -math.floor(math.log10(abs(percents)))
    return f"{round(percents, digits) + 0.0:+.{digits}f}".replace("-", "−")


def signed(share: float) -> str:
    """:func:`number` with the sign for percent: ``+5.1 %``."""
    return f"{number(share)}{NBSP}%"


def amount(share: float) -> str:
    """:func:`signed` without the sign."""
    return signed(abs(share)).removeprefix("+")


def ends(row: Mapping) -> str:
    """The interval of a difference, in percent: ``+3.0 to +7.2``."""
    return f"{number(row['low'])} to {number(row['high'])}"


def span(row: Mapping) -> str:
    """The interval of a clear difference without its sign: ``3.0 to 7.2 %``."""
    low, high = sorted((abs(row["low"]), abs(row["high"])))
    return f"{amount(low).removesuffix(f'{NBSP}%')} to {amount(high)}"


def between(least: str, most: str, unit: str = "") -> str:
    """``20 to 59``, or the one text that both are; a ``unit`` that ends both stands once: ``20 to 59 %``."""
    return most if least == most else f"{least.removesuffix(unit)} to {most}"


def interval(row: Mapping) -> str:
    """``+5.1 % (+3.0 to +7.2)``, of a difference that is known."""
    return "no result" if pd.isna(row["relative"]) else f"{signed(row['relative'])} ({ends(row)})"


def short_interval(row: Mapping) -> str:
    """:func:`interval` for a table whose caption says that it is percent: ``+5.1 (3.0…7.2)``; of a model and itself,
    ``the same``."""
    if not row["seeds"]:
        return "no result"
    if row["low"] == row["high"] == 0:
        return "the same"
    low, high = (number(row[end]).removeprefix("+") for end in ("low", "high"))
    return f"{number(row['relative'])} ({low}…{high})"


def interval_words(differences: pd.DataFrame) -> str:
    """What the intervals in ``differences`` rest on, for a caption; empty where none is compared."""
    seeds = differences["seeds"].max()
    if pd.isna(seeds):
        return ""
    if not seeds:
        return "Nothing could be compared yet."
    if seeds < 2:
        return "One seed: intervals over the test windows alone, no claim."
    return f"Intervals: 95{NBSP}%, over the test windows and the {seeds:.0f} seeds run; another seed may lie outside."


def unfinished(cells: pd.DataFrame) -> str:
    """``3 of 66 cells did not finish (**Transformer** 2 diverged, **DLinear** 1 failed)``, after how many have not run
    yet; empty where all finished."""
    waiting = cells[cells["status"] == NOT_RUN]
    bad = cells[~cells["status"].isin(["ok", NOT_RUN])]
    parts = []
    if len(waiting):
        named = ", ".join(f"**{name}** {count}" for name, count in waiting.groupby("model", sort=False).size().items())
        parts.append(f"{some_of(len(waiting), len(cells), 'cell')} not run yet ({named})")
    if len(bad):
        counts = bad.groupby(["model", "status"], sort=False).size()
        named = ", ".join(f"**{model}** {count} {status}" for (model, status), count in counts.items())
        parts.append(f"{len(bad)} of {counted(len(cells), 'cell')} did not finish ({named})")
    return ", ".join(parts)


def left_out(cells: pd.DataFrame) -> str:
    """:func:`unfinished` as a sentence of a verdict."""
    return f"{missing} and are left out." if (missing := unfinished(cells)) else ""


def readable_layer(name: str) -> str:
    """A parameter's name for people: ``encoder.layers.0.attention.query.weight`` -> ``encoder 0 attention query``."""
    parts = [part for part in name.split(".") if part not in ("weight", "layers")]
    return " ".join(parts).replace("_", " ")


def whole_count(count: int) -> str:
    """A number of weights in whole thousands: 853, 37k, 1.2M."""
    return f"{count / 1e6:.1f}M" if count >= 999_500 else f"{count / 1e3:.0f}k" if count >= 1e3 else str(count)


def short_count(value: float) -> str:
    """A count or a time in three digits: 853, 31.9k, 1.2M, 0.45."""
    value = float(f"{value:.3g}")  # else what rounds to a thousand of one unit is not one of the next
    for size, sign in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{sign}"
    return f"{value:.3g}"


def times(ratio: float) -> str:
    """How many times as much, as people say it: ``2.4 times``, ``290 times``."""
    return f"{ratio:.2g} times" if ratio < 10 else f"{float(f'{ratio:.2g}'):,.0f} times"


def density_text(density: float) -> str:
    """Two significant digits, as densities are spoken of: 1, 0.8, 0.41, 0.0043; more where these would hide that it is
    not all: 0.9996."""
    return f"{density:.{_tells_apart([density])}g}"


def density_labels(densities: Iterable[float]) -> dict[float, str]:
    """A short text per density, all with as many significant digits (two or more) as tell them, and dense, apart."""
    distinct = sorted(set(densities), reverse=True)
    digits = _tells_apart(distinct)
    return {d: f"{d:.{digits}g}" for d in distinct}


def _tells_apart(densities: Iterable[float]) -> int:
    """The fewest significant digits, two or more, with which no two of these and dense have the same text."""
    distinct = {*densities, 1.0}
    return next((n for n in range(2, 17) if len({f"{d:.{n}g}" for d in distinct}) == len(distinct)), 17)


def percent(share: float) -> str:
    """A share as percent, with decimals only where whole percents would hide the difference to 100 or, from a
    ten-thousandth of a percent on, to 0."""
    value = 100 * share
    digits = 0
    if 99 <= value < 100:
        digits = next((n for n in range(9) if round(value, n) < 100), 9)
    elif 1e-4 <= abs(value) <= 0.5:
        digits = next(n for n in range(1, 5) if round(value, n))
    # What rounds to nothing has no sign.
    return f"{round(value, digits) + 0.0:.{digits}f}{NBSP}%".replace("-", "−")


def error_text(value: float, like: float | None = None) -> str:
    """An MSE or MAE with the three to four digits that carry meaning; a spread with as many decimals as its mean. Where
    these are not all of its digits, or none of them, it has a power of ten."""
    size = value if like is None else like
    if max(value, size) >= 1e4 or 0 < size < 1e-3:
        return f"{value:.1e}"
    return f"{value:.{0 if size >= 1e3 else 1 if size >= 100 else 2 if size >= 10 else 3 if size >= 0.1 else 4}f}"


def listed(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b, and c``."""
    if len(parts) <= 2:
        return " and ".join(parts)
    return ", ".join(parts[:-1]) + ", and " + parts[-1]


def short_number(value: float) -> str:
    """A number in the data's units: three significant digits or whole units, with thousands separated."""
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:#.3g}"


def duration_text(length: pd.Timedelta) -> str:
    """``96 hours, 4 days``, ``45 minutes``, ``24 weeks``: in whole units, of days also where hours are whole."""
    hours, minutes = length / pd.Timedelta(hours=1), length / pd.Timedelta(minutes=1)
    days = hours / 24
    parts = []
    if days % 7 == 0 and days >= 28:
        parts.append(counted(days / 7, "week"))
    elif hours % 1 == 0 and hours <= 24 * 14:
        parts.append(counted(hours, "hour"))
    if days % 1 == 0 and (not parts or (days >= 2 and "hour" in parts[0])):
        parts.append(counted(days, "day"))
    return ", ".join(parts or [counted(minutes, "minute")])
