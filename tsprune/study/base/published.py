"""Published test errors beside ours, with what differs in the protocol."""

from importlib.resources import files

import pandas as pd

from tsprune.study.base.config import StudyConfig

# How the published figures were made, as far as their sources say (Autoformer family's defaults).
_PUBLISHED_WIDTH, _PUBLISHED_RATE, _PUBLISHED_EPOCHS = 512, 1e-4, 10


def published_errors() -> pd.DataFrame:
    """Columns model, dataset, pred_len, mse_published, mae_published, look_back, source; errors on scaled data."""
    with (files("tsprune.study.base") / "published.csv").open() as file:
        return pd.read_csv(file)


def compare_with_published(cells: pd.DataFrame, naive: pd.DataFrame, config: StudyConfig) -> pd.DataFrame:
    """Our dense and naive errors (mean over seeds) beside the published ones; empty where there are none."""
    dense = cells[cells["method"] == "dense"].drop_duplicates(["model", "pred_len", "seed"])
    ours = pd.concat([dense, naive], ignore_index=True)
    ours = ours.groupby(["model", "dataset", "pred_len"], as_index=False, sort=False)[["mse", "mae"]].mean()
    ours = ours.rename(columns={"mse": "mse_here", "mae": "mae_here"})
    both = ours.merge(published_errors(), on=["model", "dataset", "pred_len"])
    both["difference"] = both["mse_here"] - both["mse_published"]
    both["protocol"] = [
        _difference(config, look_back, model) for look_back, model in zip(both["look_back"], both["model"], strict=True)
    ]
    return both


def _difference(config: StudyConfig, look_back: int, model: str) -> str:
    """What is not as in the publication, in words."""
    differs = []
    if config.seq_len != look_back:
        differs.append(f"look-back {config.seq_len} (there {look_back})")
    if model in config.models:
        if model != "DLinear" and config.d_model != _PUBLISHED_WIDTH:
            differs.append(f"d_model {config.d_model} (there {_PUBLISHED_WIDTH})")
        if config.learning_rate != _PUBLISHED_RATE:
            differs.append(f"learning rate {config.learning_rate:g} (there {_PUBLISHED_RATE:g})")
        if config.epochs != _PUBLISHED_EPOCHS:
            differs.append(f"at most {config.epochs} epochs (there {_PUBLISHED_EPOCHS})")
        if config.schedule != "type1":
            differs.append(f"schedule {config.schedule} (there type1)")
    return "; ".join(differs) or "none known"
