"""Tables of study 05; the frames they read are described in :mod:`tsprune.study.pals.result`."""

import pandas as pd
from pandas.io.formats.style import Styler

from tsprune.report.cases import CASE
from tsprune.report.frames import NoRows, finished, need
from tsprune.report.outcomes import counts_table
from tsprune.report.status import not_run
from tsprune.report.tables import claim, labelled, mean_and_spread, styled
from tsprune.report.text import NBSP, counted, interval, interval_words, none_of, percent, spread_text
from tsprune.study.pals.result import (
    CELLS,
    CODE,
    COMPARISONS,
    CONTROL,
    COSTS,
    PAPER,
    SEARCHED,
    TOLD,
    alike_words,
    density_reached,
    rivals_alike,
)


def arms(cells: pd.DataFrame) -> Styler:
    """Dense, PALS, its search and every rival: final density, errors, costs of inference and training beside dense.

    ``mean ± standard deviation`` over the seeds; a word where none finished.
    """
    need(cells, "cells", [*CELLS, "mae", *COSTS])
    shown = _model_by_model(cells[cells["group"].isin(["dense", "control", "PALS", "search", *TOLD])])
    rows = {}
    for (model, pred_len, arm), own in shown.groupby([*CASE, "arm"], sort=False):
        done = finished(own)
        rows[model, f"{pred_len}", arm] = {
            "density": density_reached(done),
            "MSE": mean_and_spread(own, "mse"),
            "MAE": mean_and_spread(own, "mae"),
            "multiply-adds": _share(done["macs_share"]),
            "of training": _share(done["training_macs_share"]),
        }
    caption = (
        f"Test errors on scaled data, {spread_text(cells)}. Density: share of prunable weights kept. "
        "Multiply-adds of inference and of training: shares of dense's if zeros were skipped; masks themselves save no "
        "time." + (" A search is charged for all of its runs." if (cells["group"] == "search").any() else "")
    )
    return styled(labelled(rows, ["model", "horizon", "trained as"], cells), caption)


def rivals(cells: pd.DataFrame, comparisons: pd.DataFrame) -> Styler | None:
    """Every rival beside PALS and beside dense: differences of the test MSE with their intervals; in italics what is
    within the noise. None where there is no rival.

    A rival that is as sparse as meant only late chooses its best epoch among the last ones: it stands beside dense that
    chooses among the same ones too.
    """
    need(cells, "cells", CELLS)
    need(comparisons, "comparisons", COMPARISONS)
    shown = _model_by_model(cells[cells["group"].isin(TOLD)])
    if shown.empty:
        return None
    pairs = comparisons.set_index([*CASE, "arm", "against"])
    rows = {}
    for (model, pred_len, arm), own in shown.groupby([*CASE, "arm"], sort=False):
        controls = [name for name in comparisons["against"].unique() if name.startswith(CONTROL)]
        beside = {
            "PALS against it": [(CODE, arm)],
            "against dense": [(arm, "dense")],
            "against dense of the same epochs": [(arm, name) for name in controls],
        }
        row = {"density": density_reached(finished(own)), "MSE": mean_and_spread(own, "mse")}
        for column, ways in beside.items():
            found = [pairs.loc[(model, pred_len, *way)] for way in ways if (model, pred_len, *way) in pairs.index]
            row[column] = claim(interval(found[0]), found[0]["clear"]) if found else ""
        rows[model, f"{pred_len}", arm] = row
    caption = (
        f"Rivals as published, except for density and interval. Relative difference in test MSE; in italics: within "
        f"the noise. {interval_words(comparisons)} Dense of the same epochs: its best epoch is one of those at which "
        "the rival had reached its density."
    )
    return styled(labelled(rows, ["model", "horizon", "trained as"], cells), caption)


def ablations(cells: pd.DataFrame, comparisons: pd.DataFrame) -> Styler | None:
    """PALS as in its code with one thing changed: density, MSE, and the difference with its 95 % interval; in italics
    what is within the noise. None where nothing was changed."""
    need(cells, "cells", CELLS)
    need(comparisons, "comparisons", COMPARISONS)
    changed = cells[cells["group"].isin(["ablation", "signal", "sensitivity"])]
    if changed.empty:
        return None
    pairs = comparisons[comparisons["against"] == CODE].set_index([*CASE, "arm"])
    base = cells[(cells["arm"] == CODE) & pd.MultiIndex.from_frame(cells[CASE]).isin(changed.set_index(CASE).index)]
    shown = _model_by_model(pd.concat([base, changed]))
    rows = {}
    for (model, pred_len, arm), own in shown.groupby([*CASE, "arm"], sort=False):
        known = (model, pred_len, arm) in pairs.index
        rows[model, f"{pred_len}", arm] = {
            "density": density_reached(finished(own)),
            "MSE": mean_and_spread(own, "mse"),
            "against it": _against(pairs.loc[(model, pred_len, arm)]) if known else _uncompared(own),
        }
    caption = (
        f"{CODE} (first row of each model) with one thing changed. Against it: relative difference in test MSE with "
        f"its interval; in italics: within the noise. {interval_words(comparisons)}"
    )
    return styled(labelled(rows, ["model", "horizon", "changed"], cells), caption)


def counts(cells: pd.DataFrame, comparisons: pd.DataFrame) -> Styler:
    """How often PALS as in its code came out better or worse, over models and horizons: with its setting searched than
    dense and than with one setting; with one setting than dense, than rivals of its own density, than each rival, than
    the paper's variant. Raises UserError for an empty table or a missing column."""
    need(cells, "cells", CELLS)
    need(comparisons, "comparisons", COMPARISONS)
    alike = rivals_alike(cells, comparisons)
    ours = comparisons[comparisons["arm"] == CODE]
    searched = comparisons[comparisons["arm"] == SEARCHED]
    one = "one setting, " if len(searched) else ""
    groups = {
        f"its setting searched, against {name}": searched[searched["against"] == other]
        for other, name in (("dense", "dense"), (CODE, "one setting"))
        if (searched["against"] == other).any()
    }
    groups |= {f"{one}against {name}": rows for name, rows in ours.groupby("against", sort=False)}
    groups |= {f"{one}against {alike_words(cells)}": alike} if len(alike) else {}
    caption = (
        f"Comparisons of the test MSE of {CODE}, by what may be claimed. {_search_words(cells)}{interval_words(ours)}"
    )
    return counts_table(groups, caption)


def _search_words(cells: pd.DataFrame) -> str:
    """What a search is and costs, for a caption; empty where there is none."""
    searched = cells[cells["group"] == "search"]
    if searched.empty:
        return ""
    runs = searched["runs"].max()
    return (
        f"Its setting searched: gamma and lambda chosen by validation among {counted(runs, 'pair')}, as its authors "
        f"do: {counted(runs, 'training')} where dense and one setting take one. "
    )


def paper_counts(
    counts: dict[str, float], searched: dict[str, float], published: dict[str, float], alone: str = ""
) -> Styler:
    """The numbers of the paper's abstract (arXiv 2305.18382), from this run's cells with one setting and with it
    ``searched`` (empty where it was not), and as published.

    ``published`` may be empty: then ours stand alone, and ``alone`` says why. Raises UserError for a number that is
    missing.
    """
    ours = {"here, its setting searched": searched, "here, one setting": counts} if searched else {"here": counts}
    sources = ours | ({"paper": published} if published else {})
    need(pd.DataFrame(list(sources.values())), "counts", ["cells", *_COUNTS, "parameters", "macs"])
    if not counts["cells"]:
        raise NoRows("table 'cells': no model finished both dense and sparse")
    table = pd.DataFrame({words: _abstract(source) for words, source in sources.items()})
    caption = (
        "Models, errors averaged over horizons and seeds: better than dense on average, whether or not beyond the "
        f"noise. {alone}"
    )
    return styled(table, caption.strip())


_COUNTS = {"better_mse": "better than dense by MSE", "better_mae": "better than dense by MAE"}


def _abstract(source: dict[str, float]) -> dict[str, str]:
    better = {words: f"{source[name]} of {source['cells']}" for name, words in _COUNTS.items()}
    fewer = {"fewer parameters": "parameters", "fewer multiply-adds, if zeros were skipped": "macs"}
    return better | {words: percent(source[name]) for words, name in fewer.items()}


def overhead(cells: pd.DataFrame) -> Styler:
    """Measured time of an epoch: dense in seconds, every other way to train as a share of it (lowest to highest); and
    the peak of memory."""
    need(cells, "cells", [*CELLS, "time_share", "seconds_per_epoch", "peak_memory_mib"])
    done = finished(cells[cells["group"].isin(["dense", "control", "PALS", "search", "signal", "sensitivity", *TOLD])])
    if done.empty:
        raise NoRows(f"table 'cells': {none_of(len(cells), 'cell')} finished")
    rows = {}
    for (model, pred_len, arm), own in _model_by_model(done).groupby([*CASE, "arm"], sort=False):
        shares, peak = own["time_share"], own["peak_memory_mib"].astype(float).mean()
        spread = f" ({shares.min():.2f}–{shares.max():.2f})" if len(shares) > 1 else ""
        dense = own["group"].iloc[0] == "dense"
        rows[model, f"{pred_len}", arm] = {
            "time per epoch": f"{own['seconds_per_epoch'].astype(float).mean():.2f}{NBSP}s"
            if dense
            else f"{shares.mean():.2f}{spread}",
            "memory, MiB": "" if pd.isna(peak) else f"{peak:,.0f}",
        }
    caption = (
        "Wall-clock time of an epoch, validation included: dense in seconds, the others as multiples of dense with the "
        "same seed (lowest to highest seed). Trainings may run side by side, so other work on the machine is included, "
        "and a multiple below one is no speed-up: masks save no time. A search adds up its runs. "
        "benchmarks/sparse_training.py takes turns and counts processor time. "
        "Memory: the peak in training, of the process with data and libraries, or allocated on a GPU."
    )
    return styled(labelled(rows, ["model", "horizon", "trained as"], cells), caption)


def horizons(horizons: pd.DataFrame) -> Styler:
    """Final sparsity by model and prediction length, as found here and as published."""
    need(horizons, "horizons", ["dataset", *CASE, "sparsity_code", "sparsity_paper", "sparsity_published"])
    need(horizons, "horizons", ["sparsity_searched", "tolerance", "source"])
    table = pd.DataFrame(
        {
            "dataset": horizons["dataset"].astype(str),
            "horizon": horizons["pred_len"].astype(str),
            CODE: horizons["sparsity_code"].map(_sparsity),
            PAPER: horizons["sparsity_paper"].map(_sparsity),
            SEARCHED: horizons["sparsity_searched"].map(lambda value: "" if pd.isna(value) else _sparsity(value)),
            "published": [
                "none" if pd.isna(value) else f"{value:.2f} ± {tolerance:.2f}"
                for value, tolerance in zip(horizons["sparsity_published"], horizons["tolerance"], strict=True)
            ],
            "source": horizons["source"].fillna("").astype(str),
        }
    ).set_axis(pd.Index(list(horizons["model"])))
    table = table.drop(columns=[] if horizons["sparsity_searched"].notna().any() else SEARCHED)
    caption = (
        "Final sparsity (mean over seeds), beside what is published for this dataset, model and prediction length: "
        "width 512, ten epochs, gamma and lambda chosen among nine by validation loss."
    )
    return styled(table, caption)


def agreement(agreement: pd.DataFrame) -> Styler | None:
    """How often a cheaper signal decides as the whole validation set did; None where that was not run."""
    if agreement.empty:
        return None
    need(agreement, "agreement", [*CASE, "seed", "signal", "agreement", "updates"])
    rows = {}
    for (model, pred_len), own in agreement.groupby(CASE, sort=False):
        shares = own.groupby("signal", sort=False)["agreement"]
        rows[f"{model}, horizon {pred_len}"] = {signal: _mean_and_range(of) for signal, of in shares} | {
            "updates": f"{own['updates'].max()}"
        }
    table = pd.DataFrame(list(rows.values()), index=pd.Index(list(rows)))
    caption = (
        "Share of the decisions taken on the whole validation set that each signal would have taken too, at the same "
        "updates (mean; lowest to highest seed where they differ)."
    )
    return styled(table, caption)


def _against(pair: pd.Series) -> str:
    """The difference with its interval; a switch that never acted leaves the same training."""
    return claim("the same" if pair["low"] == pair["high"] == 0 else interval(pair), pair["clear"])


def _uncompared(rows: pd.DataFrame) -> str:
    """Why there is no difference."""
    if rows["arm"].iloc[0] == CODE:
        return ""
    return "too few seeds yet" if (rows["status"] == "ok").any() and not_run(rows["status"]) else "no result"


def _mean_and_range(shares: pd.Series) -> str:
    mean, low, high = (percent(value) for value in (shares.mean(), shares.min(), shares.max()))
    return mean if low == high else f"{mean} ({low} to {high})"


def _share(values: pd.Series) -> str:
    return "" if values.isna().all() else f"{values.mean():.2f}"


def _sparsity(value: float) -> str:
    return "no result" if pd.isna(value) else f"{value:.2f}"


def _model_by_model(cells: pd.DataFrame) -> pd.DataFrame:
    """All rows of a model and horizon together, otherwise in their order."""
    order = cells["model"].map({model: place for place, model in enumerate(cells["model"].unique())})
    return cells.assign(_order=order).sort_values(["_order", "pred_len"], kind="stable").drop(columns="_order")
