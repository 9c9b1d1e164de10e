"""Study 04's tables: their columns and vocabulary, for the cells that fill them and for all that reads them."""

from dataclasses import dataclass

import pandas as pd

from tsprune.report.frames import need
from tsprune.report.text import NAIVE
from tsprune.study.base.result import StudyResult

SCOPE = "layer"
"""Unstructured masks cut each tensor alike."""

STRUCTURES = ("structured", "unstructured")

SLACK = 0.05
"""Two models count as equally large whose parameters differ by no more, as a share."""


@dataclass(frozen=True)
class ScaleResult(StudyResult):
    """``cells``: a row per model, horizon, share of the data, size and seed. Its column ``arm`` is ``dense``, ``dense
    longer`` (trained as long as a pruned model in all), ``pruned`` or ``fine-tuned``; ``width`` is
    d_model before pruning, ``windows_train`` the number of different training windows, ``parameters_left`` those not
    pruned, ``val_mse`` the best validation MSE, ``mse_relative`` the test MSE over the seasonal naive forecast's."""

    widths: pd.DataFrame
    """Per model, horizon and share of the data: the width with the lowest validation MSE, its mean over the seeds that
    have a result at every width (where there is none, over all that the width has); whether validation can tell it from
    the others (``told``), what each of those seeds alone would choose (``by_seed``), and how many ``seeds`` those
    are."""
    differences: pd.DataFrame
    """Per model, horizon and share of the data: test MSE of ``ours`` relative to ``others``, with a 95 % interval
    (``low``, ``high``). ``question`` is ``width`` (widest against smallest), ``best`` (the width that validation
    chooses with all the data against the one it chooses with the least, where they differ), ``structured`` or
    ``unstructured`` (the widest, pruned to ``density`` and fine-tuned, against the dense model nearest in parameters,
    trained as long). ``share_ours``, ``share_others``: parameters of either over the widest one's."""
    countries: pd.DataFrame
    """Per horizon, column and forecaster: mean absolute error in the data's units and as percent of the load."""
    scaling: pd.DataFrame
    """A row per dense training on the study's dataset and on others: test MSE by width and training windows."""
    week: pd.DataFrame
    """Per column and time: truth, forecast, seasonal naive forecast, in the data's units."""


WIDTHS = ("model", "pred_len", "data_fraction", "windows_train", "width", "mse", "told", "by_seed", "seeds")

CELLS = (
    *("dataset", "model", "pred_len", "seed", "arm", "structure", "width", "density_asked", "data_fraction"),
    *("windows_train", "parameters_left", "mse", "mse_relative", "status", "reason"),
)


SEASONAL, LAST_WEEK = NAIVE["SeasonalNaive"], NAIVE["LastWeek"]
"""Naive forecasts by column: the last season (a day of hourly values) repeated, and the value a week before."""

SCALING = ("dataset", "model", "pred_len", "width", "seed", "data_fraction", "windows_train", "mse", "status", "reason")


def seasonal(naive: pd.DataFrame) -> dict[int, float]:
    """MSE of the seasonal naive forecast by horizon, as far as it is known."""
    return _levels(naive, "SeasonalNaive")


def weekly(naive: pd.DataFrame) -> dict[int, float]:
    """MSE of the value of the same time a week before by horizon; none where data do not reach back so far."""
    return _levels(naive, "LastWeek")


def to_beat(naive: pd.DataFrame) -> dict[int, float]:
    """The lower of both by horizon, of one alone where the other is not known."""
    season, week = seasonal(naive), weekly(naive)
    return {pred_len: min(of[pred_len] for of in (season, week) if pred_len in of) for pred_len in season | week}


def _levels(naive: pd.DataFrame, model: str) -> dict[int, float]:
    need(naive, "naive", ["model", "pred_len", "mse"])
    rows = naive[(naive["model"] == model) & naive["mse"].notna()]
    return dict(zip(rows["pred_len"], rows["mse"], strict=True))


def with_error(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells that ended well, also where the naive forecast has no result that ``mse_relative`` is relative to."""
    return cells[(cells["status"] == "ok") & cells["mse"].notna()]


def need_countries(countries: pd.DataFrame) -> None:
    """Raise UserError for a missing column, NoRows for an empty table."""
    columns = ["pred_len", "column", "load", "kind", "forecaster", "mae", "percent", "percent_low", "percent_high"]
    need(countries, "countries", columns)


DIFFERENCES = (
    *("model", "pred_len", "windows_train", "question", "density", "ours", "others", "share_ours", "share_others"),
    *("relative", "low", "high", "clear", "seeds"),
)

QUESTIONS = {
    "width": "widest against smallest",
    "best": "chosen with all the data against chosen with the least",
    "structured": "widest narrowed, against the dense one nearest in size",
    "unstructured": "widest masked, against the dense one nearest in size",
}
"""What ``differences`` compare, with the words for it."""


def size_text(arm: str, width: int, structure: str | float, density: float, texts: dict[float, str]) -> str:
    """A size for people; ``texts`` has the text of each density."""
    if arm == "dense":
        return f"d_model {width}"
    if arm == "dense longer":
        return f"d_model {width}, trained as long"
    return f"d_model {width}, {structure} {texts[density]}, {'as cut' if arm == 'pruned' else arm}"
