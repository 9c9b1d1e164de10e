"""Tables of study 01: errors by density and how far each model goes, structures and what they gain, scores, the first
paper's own protocol; the frames they read are described in :mod:`tsprune.study.pruning_sweep.result`."""

from collections.abc import Hashable, Iterable
from itertools import product
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from tsprune.report.cases import CASE, of_case
from tsprune.report.failures import cause
from tsprune.report.frames import NoRows, finished, need, need_scopes, repeat_last
from tsprune.report.outcomes import counts_table
from tsprune.report.status import NOT_RUN
from tsprune.report.tables import Marked, claim, labelled, mean_and_spread, number_or_state, styled
from tsprune.report.text import (
    NAIVE,
    NBSP,
    RANKED,
    SCOPES,
    counted,
    density_labels,
    density_text,
    interval_words,
    listed,
    percent,
    short_interval,
    spread_text,
)
from tsprune.study.base.result import TOLERANCE
from tsprune.study.pruning_sweep.result import (
    AUTHORS,
    AUTHORS_COLUMNS,
    ENDS,
    GAINS,
    HALF,
    LATENCY,
    MAGNITUDE,
    OURS,
    SCORES,
    STRUCTURES,
    need_limits,
)


def targets(structures: pd.DataFrame) -> Styler:
    """Asked and achieved: structured pruning solved for the share of parameters, and torch-pruning given it as a
    ratio of channels.

    Means over the seeds. Raises UserError for an empty table, a missing column, and where nothing was narrowed.
    """
    need(structures, "structures", STRUCTURES)
    narrowed = structures[structures["structure"] == "structured"]
    if narrowed.empty:
        raise NoRows("table 'structures': no cell was narrowed")
    labels, rows = density_labels(narrowed["density_asked"]), {}
    for (model, pred_len, asked), group in narrowed.groupby(["model", "pred_len", "density_asked"], sort=False):
        by_channels = group["method"] == "depgraph_paper"
        ours, theirs = _reached(group[~by_channels]), _reached(group[by_channels])
        rows[model, f"{pred_len}", labels[asked]] = {
            **{f"solved: {name}": text for name, text in ours.items()},
            **({f"by channels: {name}": text for name, text in theirs.items()} if by_channels.any() else {}),
            "reason": "; ".join(_reasons(group)),
        }
    table = _without_idle_reasons(labelled(rows, ["model", "horizon", "asked"], narrowed))
    caption = (
        "Structured pruning asked for a share of all parameters. Solved: pruned until that share is left. By channels: "
        "torch-pruning asked to leave that share of each layer's channels."
    )
    return styled(table, caption)


def structures(structures: pd.DataFrame) -> Styler:
    """Parameters kept and live, multiply-adds and test MSE, for 2:4 and structured pruning."""
    need(structures, "structures", STRUCTURES)
    rows = {}
    other = structures[(structures["structure"] != "unstructured") & (structures["method"] != "depgraph_paper")]
    if other.empty:
        raise NoRows("table 'structures': no cell but unstructured ones")
    labels = density_labels(other["density_asked"])
    keys = ["model", "pred_len", "structure", "density_asked"]
    for (model, pred_len, structure, asked), group in other.groupby(keys, sort=False):
        done = finished(group)
        rows[model, f"{pred_len}", structure, labels[asked]] = {
            "parameters": _share(done["density_all"]),
            "live": _share(done["density_live"]),
            "multiply-adds": _share(done["macs_share"]),
            "MSE": mean_and_spread(group, "mse"),
            "over dense": f"{done['mse_relative'].mean():.2f}" if len(done) else "",
        }
    table = labelled(rows, ["model", "horizon", "structure", "asked"], other)
    caption = (
        f"What is left, and the test MSE ({spread_text(other)}). 2:4 is applied to each layer it fits; structured "
        "pruning is asked for a share of all parameters. Live: share left of the parameters that affect the forecast."
    )
    return styled(table, caption)


def latency(latency: pd.DataFrame) -> Styler:
    """Measured speedup over the dense model at each batch size, beside the share of multiply-adds."""
    need(latency, "latency", LATENCY)
    latency = latency.assign(variant=[_variant(row) for row in latency.to_dict("records")])
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    reasons: dict[str, list[str]] = {}
    for (model, pred_len), group in latency.groupby(CASE, sort=False):
        bad = group[group["status"] != "ok"]
        for reason in bad["reason"].unique():
            reasons.setdefault(reason, []).append(model)
        for name, variant in group[group["status"] == "ok"].groupby("variant", sort=False):
            rows[model, f"{pred_len}", name] = {
                "multiply-adds": _share(variant["macs_share"]),
                **{f"batch {row['batch']:g}": _speedup(row) for row in variant.to_dict("records")},
            }
    why = "; ".join(f"{listed(list(dict.fromkeys(models)))} ({reason})" for reason, models in reasons.items())
    if not rows:
        raise NoRows(f"table 'latency': nothing was timed: {why}")
    table = labelled(rows, ["model", "horizon", "variant"], latency)
    first = latency[latency["status"] == "ok"].iloc[0]
    caption = (
        f"Measured speedup over the dense model (more than 1 is faster): median and, in brackets, 5th to 95th "
        f"percentile over {first['repeats']:.0f} rounds in which all variants took turns; {first['device']}, "
        f"{counted(first['threads'], 'thread')}, {first['load']}, first seed. "
        f"Multiply-adds: share of the dense model's; for masks, if zeros were skipped."
    )
    return styled(table, caption + (f" Not timed: {why}." if why else ""))


def _reasons(rows: pd.DataFrame) -> list[str]:
    """Why something went wrong or stopped short; that a cell has not run its status says."""
    told = rows.loc[(rows["status"] != NOT_RUN) & rows["reason"].notna(), "reason"]
    return [cause(reason) for reason in told.unique() if reason]


def _without_idle_reasons(table: pd.DataFrame) -> pd.DataFrame:
    """``table``, its column of reasons only where there is one."""
    return table if table["reason"].any() else table.drop(columns="reason")


def _reached(rows: pd.DataFrame) -> dict[str, str]:
    done = finished(rows)
    of = f" ({len(done)} of {len(rows)})" if len(done) < len(rows) else ""
    return {
        "parameters": _share(done["density_all"]) + of if len(done) else " / ".join(rows["status"].unique()),
        "multiply-adds": _share(done["macs_share"]),
        "over dense": f"{done['mse_relative'].mean():.2f}" if len(done) else "",
    }


def _share(values: pd.Series) -> str:
    """Mean share in percent with a decimal: a target within one percent has to be seen."""
    return f"{100 * values.mean():.1f}{NBSP}%" if len(values) else ""


def _speedup(row: dict) -> str:
    if row["method"] == "dense":
        return f"{row['median_ms']:.2f}{NBSP}ms"
    if pd.notna(row["trouble"]):
        return "not measurable"
    return f"{row['speedup']:.2f} ({row['speedup_p5']:.2f}–{row['speedup_p95']:.2f})"


def _variant(row: dict) -> str:
    if row["method"] == "dense":
        return "dense"
    if row["structure"] == "2:4":
        return "2:4 (masked)"
    what = "zeros in place" if row["structure"] == "unstructured" else "structured"
    return f"{what}, {density_text(row['density_asked'])}"


def sweep(cells: pd.DataFrame, naive: pd.DataFrame) -> Styler:
    """MSE and MAE of each model, densities as columns, the naive forecasts beneath, a block per horizon and scope.

    ``mean ± standard deviation`` over the seeds (sample standard deviation; none for one seed). A dagger marks an
    MSE no better than repeating the last value; a word stands where no seed finished, a count where some did.
    Raises UserError for an empty table, a missing column, an unknown scope.
    """
    need(
        cells, "cells", ["model", "pred_len", "seed", "scope", "density_asked", "mse", "mae", "mse_relative", "status"]
    )
    need(naive, "naive", ["pred_len", "model", "mse", "mae"])
    levels, texts = repeat_last(naive), density_labels(cells["density_asked"])
    columns = {
        density: texts[density] + (" (dense)" if density == 1 else "") for density in sorted(texts, reverse=True)
    }
    rows, scopes, dagger = {}, need_scopes(cells), ""
    for pred_len in sorted(cells["pred_len"].unique()):
        last = levels.get(pred_len, float("nan"))
        for scope, model in product(scopes, cells["model"].unique()):
            own = of_case(cells[cells["scope"] == scope], model, pred_len)
            squared, absolute = _errors_by_density(own, columns, last)
            place = (f"{pred_len}", scope, model)
            rows |= {(*place, "MSE"): squared, (*place, "MAE"): absolute}
            if any(isinstance(cell, Marked) for cell in squared.values()):
                dagger = " † on average no better than repeating the last value."
        for forecast in naive[naive["pred_len"] == pred_len].to_dict("records"):
            for error in ("MSE", "MAE"):
                label = (f"{pred_len}", "naive", NAIVE.get(forecast["model"], forecast["model"]), error)
                text = Marked(number_or_state(forecast, error.lower()), "naive")
                rows[label] = dict.fromkeys(columns.values(), text)
    table = labelled(rows, ["horizon", "scope", "model", "error"], cells).reindex(columns=columns.values())
    caption = f"MSE and MAE on the test split, scaled data ({spread_text(cells)}), by asked density.{dagger}"
    return styled(table, caption)


def _errors_by_density(
    own: pd.DataFrame, columns: dict[float, str], last: float
) -> tuple[dict[str, str], dict[str, str]]:
    """MSE and MAE of one model at the densities it has; marked where the MSE is no better than ``last``, that of the
    last value."""
    squared, absolute = {}, {}
    for density, column in columns.items():
        group = own[own["density_asked"] == density]
        if len(group):
            text = mean_and_spread(group, "mse")
            squared[column] = Marked(f"{text} †") if finished(group)["mse"].mean() >= last else text
            absolute[column] = mean_and_spread(group, "mae")
    return squared, absolute


def limits(limits: pd.DataFrame) -> Styler:
    """Largest sparsity that keeps the MSE within +0 %, +5 %, +10 % of dense, per model (and horizon) and scope.

    ``limits`` holds ``density``, the lowest density kept (mean over the ``known`` of the ``seeds``; NaN: none is known,
    or a seed's dense training failed), with its lowest and highest value over these in ``limit_low`` and
    ``limit_high``; the table shows what is removed.
    Raises UserError for an empty table, a missing column, an unknown scope.
    """
    need_limits(limits)
    scopes, tolerances = need_scopes(limits), sorted(limits["tolerance"].unique())
    by = ["model"] if limits["pred_len"].nunique() == 1 else CASE
    rows: dict[Hashable, dict[tuple[str, str], str]] = {}
    for row in limits.to_dict("records"):
        label = row["model"] if by == ["model"] else (row["model"], f"{row['pred_len']}")
        rows.setdefault(label, {})[row["scope"], _tolerance(row["tolerance"])] = _removed(row)
    columns = pd.MultiIndex.from_product([scopes, [_tolerance(t) for t in tolerances]])
    index = pd.Index(list(rows)) if by == ["model"] else pd.MultiIndex.from_tuples(rows, names=["model", "horizon"])
    table = pd.DataFrame(list(rows.values()), index=index).reindex(columns=columns).fillna("not run")
    table = table.rename(columns={scope: f"{scope} ({SCOPES[scope]})" for scope in scopes}, level=0)
    seeds = int(limits["seeds"].max())
    spread = "mean over the seeds, in brackets the lowest and highest" if seeds > 1 else "one seed"
    if limits["known"].between(1, limits["seeds"] - 1).any():
        spread += f"; n of {seeds}: seeds known so far, where not all are"
    caption = (
        "Share of the prunable weights that can be removed before the test MSE rises by more than the column says "
        f"({spread})."
    )
    return styled(table, caption)


def counts(limits: pd.DataFrame, densities: Iterable[float]) -> Styler:
    """How many models (and horizons) keep the MSE within the tolerance of dense at each density, with every known seed,
    of those that any is known of.

    Kept at a density means kept at every higher one of the grid too, as in ``limits``. Raises UserError for an empty
    table, a missing column, an unknown scope, no row of the tolerance.
    """
    need_limits(limits)
    rows_of = limits[(limits["tolerance"] - TOLERANCE).abs() < 1e-9]
    texts = density_labels(density for density in densities if density < 1)
    if not texts:
        raise NoRows("table 'limits': every density of this run is 1")
    rows = {}
    for scope in need_scopes(rows_of):
        own = rows_of[(rows_of["scope"] == scope) & (rows_of["known"] > 0)]
        kept = {text: int((own["limit_high"] <= density + 1e-9).sum()) for density, text in texts.items()}
        rows[f"{scope} ({SCOPES[scope]})"] = {
            text: f"{count} of {len(own)}" if len(own) else "not run yet" for text, count in kept.items()
        }
    table = need(pd.DataFrame(list(rows.values()), index=pd.Index(list(rows))), "limits of the tolerance", [])
    what = "models" if limits["pred_len"].nunique() == 1 else "models and horizons"
    every = " with every seed" if rows_of["seeds"].max() > 1 else ""
    caption = f"How many {what} keep the MSE within {percent(TOLERANCE)} of dense down to each density{every}."
    return styled(table, " ".join(filter(None, [caption, _not_counted(rows_of)])))


def _not_counted(rows: pd.DataFrame) -> str:
    """What is not counted as too little of it has run, and what rests on fewer seeds; empty where all is known."""
    waiting = [
        f"{(own['known'] == 0).sum()} of {len(own)} by {scope}"
        for scope, own in ((scope, rows[rows["scope"] == scope]) for scope in need_scopes(rows))
        if (own["known"] == 0).any()
    ]
    fewer = ((rows["known"] > 0) & (rows["known"] < rows["seeds"])).sum()
    parts = [f"not counted, as too little has run yet: {listed(waiting)}"] if waiting else []
    parts += [f"{fewer} counted with fewer seeds than asked for"] if fewer else []
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _removed(row: dict[str, Any]) -> str:
    if pd.isna(row["density"]):
        return "no result" if row["known"] else "not run yet"
    least, most = percent(1 - row["limit_high"]), percent(1 - row["limit_low"])
    spread = [f"{least.split(NBSP)[0]}–{most}"] if least != most else []
    spread += [f"{row['known']} of {row['seeds']}"] if row["known"] < row["seeds"] else []
    return percent(1 - row["density"]) + (f" ({'; '.join(spread)})" if spread else "")


def _tolerance(share: float) -> str:
    return f"+{percent(share)}"


def scores(scores: pd.DataFrame, gains: pd.DataFrame) -> Styler:
    """Magnitude's MSE over dense at every scope, and what each other score changes of it: the relative difference of
    the test MSE with its 95 % interval, in percent; in italics what is no claim.

    Raises UserError for an empty table or a missing column.
    """
    need(scores, "scores", SCORES)
    need(gains, "gains", GAINS)
    texts, rows = _asked_texts(gains), {}
    keys = ["model", "pred_len", "structure", "density_asked"]
    for (model, pred_len, structure, density), group in gains.groupby(keys, sort=False):
        cell = of_case(scores, model, pred_len)
        cell = cell[(cell["structure"] == structure) & (cell["density_asked"] == density)]
        by_scope = cell[cell["score"] == MAGNITUDE].groupby("scope", sort=False)
        plain = {f"{MAGNITUDE}, {RANKED[scope]}": _over_dense(own) for scope, own in by_scope}
        records = {row["score"]: row for row in group.to_dict("records")}
        states = {name: cell.loc[cell["score"].isin([name, MAGNITUDE]), "status"] for name in records}
        gained = {name: claim(_gain(row, states[name]), row["clear"]) for name, row in records.items()}
        rows[model, f"{pred_len}", texts[structure, density]] = plain | gained
    table = labelled(rows, ["model", "horizon", "density"], gains)
    table = table[sorted(table.columns, key=lambda name: not name.startswith(MAGNITUDE))]
    ranked = gains[gains["structure"] != HALF].drop_duplicates("score")
    where = ", ".join(f"{score} {RANKED[scope]}" for score, scope in zip(ranked["score"], ranked["scope"], strict=True))
    caption = (
        f"Magnitude: test MSE over dense. Other scores ({where}): change of the test MSE against magnitude ranked in "
        f"the same scope, in percent (below 0: better). {interval_words(gains)} In italics: within the noise, no claim."
        + (f" {HALF} ranks within every four neighbours." if (gains["structure"] == HALF).any() else "")
    )
    return styled(table, caption)


def _asked_texts(gains: pd.DataFrame) -> dict[tuple[str, float], str]:
    """What was asked, by structure and density: a density, or the pattern, which has but one."""
    texts = density_labels(gains["density_asked"])
    pairs = gains[["structure", "density_asked"]].drop_duplicates().itertuples(index=False, name=None)
    return {(structure, d): HALF if structure == HALF else texts[d] for structure, d in pairs}


def gains(gains: pd.DataFrame) -> Styler:
    """How often each score came out how against magnitude, over models and horizons, by density, and as 2:4."""
    need(gains, "gains", GAINS)
    texts = _asked_texts(gains)
    groups = {
        f"{score}, {'' if structure == HALF else 'density '}{texts[structure, density]}": group
        for (score, structure, density), group in gains.groupby(["score", "structure", "density_asked"], sort=False)
    }
    caption = f"Test MSE against magnitude ranked in the same scope, by what may be claimed. {interval_words(gains)}"
    return counts_table(groups, caption)


def authors(authors: pd.DataFrame) -> Styler:
    """What the first paper's protocol leaves of all parameters, and the MSE over dense, beside one ranking over all
    weights. Means over the seeds. Raises UserError for an empty table or a missing column."""
    need(authors, "authors", AUTHORS_COLUMNS)
    pruned = authors[authors["density_asked"] < 1]
    labels, rows = density_labels(pruned["density_asked"]), {}
    for (model, pred_len, asked), group in pruned.groupby(["model", "pred_len", "density_asked"], sort=False):
        row = {"never pruned": _share(group["untouched"].dropna())}
        for protocol in (OURS, AUTHORS):
            own = group[group["protocol"] == protocol]
            row |= {f"{protocol}: left": _share(finished(own)["density_all"]), f"{protocol}: MSE": _over_dense(own)}
        rows[model, f"{pred_len}", labels[asked]] = row
    table = labelled(rows, ["model", "horizon", "asked"], pruned)
    caption = (
        "Share of all parameters that the first paper's protocol never prunes, share left, and test MSE over dense, "
        "for the same density asked."
    )
    return styled(table, caption)


def ends(ends: pd.DataFrame) -> Styler:
    """Structured pruning to its end as the first paper's code runs it, and ours told a share: what was asked of each
    model and what is left. Means over the seeds. Raises UserError for an empty table or a missing column."""
    need(ends, "ends", ENDS)
    pruned = ends[ends["asked"] < 1].assign(reason=ends["reason"].fillna(""))
    labels, rows = density_labels(pruned["asked"]), {}
    keys = ["model", "pred_len", "protocol", "asked"]
    for (model, pred_len, protocol, asked), group in pruned.groupby(keys, sort=False):
        what = "channels" if protocol == AUTHORS else "parameters"
        rows[model, f"{pred_len}", protocol, f"{labels[asked]} of the {what}"] = {
            **_reached(group),
            "reason": "; ".join(_reasons(group)),
        }
    table = _without_idle_reasons(labelled(rows, ["model", "horizon", "pruned", "asked to stay"], pruned))
    caption = (
        "Structured pruning step by step to its end, ours asked for a share: what is left, and MSE over dense. A step "
        "that takes nothing has no row."
    )
    return styled(table, caption)


def _over_dense(rows: pd.DataFrame) -> str:
    done = finished(rows)["mse_relative"]
    of = f" ({len(done)} of {len(rows)})" if len(done) < len(rows) else ""
    return f"{done.mean():.2f}{of}" if len(done) else " / ".join(rows["status"].unique())


def _gain(row: dict[str, Any], states: Iterable[str]) -> str:
    """A gain with its interval; where there is none, whether it may yet come: ``states`` are those of both sides."""
    may_come = not row["seeds"] and set(states) <= {"ok", NOT_RUN}
    return NOT_RUN if may_come else short_interval(row)
