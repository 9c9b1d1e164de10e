"""Published test errors beside ours, with what differs in the protocol."""

from importlib.resources import files

import pandas as pd

from tsprune.data import CATALOG
from tsprune.models.fedformer import FEDformerConfig
from tsprune.study.base.config import StudyConfig

# How the published figures were made, as far as their sources say (Autoformer family's defaults): field, value, words.
_RECIPE = (
    ("batch_size", 32, "batch"),
    ("learning_rate", 1e-4, "learning rate"),
    ("epochs", 10, "at most this many epochs:"),
    ("schedule", "type1", "schedule"),
    ("precision", "float32", "precision"),
)
_SIZE = (
    ("d_model", 512, "d_model"),
    ("d_ff", 2048, "d_ff"),
    ("e_layers", 2, "encoder layers"),
    ("d_layers", 1, "decoder layers"),
)
_MOVING_AVG, _MODES = 24, 64
"""Of FEDformer's own code; the trend's moving average and the Fourier modes here are Time-Series-Library's."""

_DROPS = ("FEDformer",)
"""Whose own code leaves the last incomplete batch of the test split out."""


def published_errors() -> pd.DataFrame:
    """Columns model, dataset, pred_len, mse_published, mae_published, look_back, source; errors on scaled data."""
    with (files("tsprune.study.base") / "published.csv").open() as file:
        return pd.read_csv(file)


def compare_with_published(
    cells: pd.DataFrame, naive: pd.DataFrame, config: StudyConfig, dataset: str | None
) -> pd.DataFrame:
    """Our dense and naive errors (mean over seeds) beside those published of ``dataset``; empty where there are none.
    ``status`` has every state of the seeds: where there is no error, why.

    ``dataset`` is the name in the catalogue of the data at hand, known by its content and not by its label; None for
    any other data.
    """
    dense = cells[cells["method"] == "dense"].drop_duplicates(["model", "pred_len", "seed"])
    ours = pd.concat([dense, naive], ignore_index=True).assign(dataset=dataset or "")
    by = ours.groupby(["model", "dataset", "pred_len"], sort=False)
    means = by[["mse", "mae"]].mean().rename(columns={"mse": "mse_here", "mae": "mae_here"})
    ours = means.assign(status=by["status"].agg(lambda states: " / ".join(states.unique()))).reset_index()
    both = ours.merge(published_errors(), on=["model", "dataset", "pred_len"])
    both["difference"] = both["mse_here"] - both["mse_published"]
    both["protocol"] = [
        _difference(config, *place) for place in zip(both["dataset"], both["look_back"], both["model"], strict=True)
    ]
    return both


def _difference(config: StudyConfig, dataset: str, look_back: int, model: str) -> str:
    """What is not as in the publication, in words."""
    differs = [f"look-back {config.seq_len} (there {look_back})"] if config.seq_len != look_back else []
    if CATALOG[dataset].rules and not config.raw:
        differs.append("faulty values filled in (there left as they are)")
    if config.eval_stride > 1:
        there = "all but those of the last incomplete batch" if model in _DROPS else "all"
        differs.append(f"one test window in {config.eval_stride} (there {there})")
    elif config.protocol == "full" and model in _DROPS:
        differs.append("every test window (there not those of the last incomplete batch)")
    if config.protocol == "as_published" and model not in _DROPS:
        differs.append("last incomplete batch of the test split left out (there not)")
    if model in config.models:
        size = () if model == "DLinear" else _SIZE
        differs += [
            f"{words} {getattr(config, name)} (there {there})"
            for name, there, words in (*size, *_RECIPE)
            if getattr(config, name) != there
        ]
    if model == "FEDformer":
        differs += [
            f"{words} {here} (there {there})"
            for words, here, there in (
                ("moving average", config.moving_avg, _MOVING_AVG),
                ("Fourier modes", FEDformerConfig.model_fields["modes"].default, _MODES),
            )
            if here != there
        ]
    return "; ".join(differs) or "none known"
