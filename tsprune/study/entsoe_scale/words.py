"""Tables and verdict of study 04; the frames are those of :mod:`tsprune.report.entsoe_scale`."""

import pandas as pd

from tsprune.report.frames import finished, need
from tsprune.report.text import NBSP, amount, ends, error_text, interval_words, left_out, listed, percent, signed, where
from tsprune.study.entsoe_scale.figures import LINES
from tsprune.study.entsoe_scale.result import CELLS, DIFFERENCES, seasonal


def verdict(cells: pd.DataFrame, widths: pd.DataFrame, differences: pd.DataFrame, naive: pd.DataFrame) -> str:
    """The answer as Markdown: whether the best width grows with the data, then what pruning does to it.

    ``widths`` has the best width by validation per model, horizon and share of the data; a clause claims a difference
    only where ``clear`` is true in ``differences``, and gives percent and interval either way. Raises UserError for an
    empty table or a missing column.
    """
    need(cells, "cells", CELLS)
    done = finished(cells)
    if done.empty:
        reasons = listed([str(reason) for reason in cells["reason"].dropna().unique()[:3]])
        return f"**No cell finished** ({reasons}). There is no answer to read from this run."
    need(differences, "differences", DIFFERENCES)
    need(widths, "widths", ["model", "pred_len", "windows_train", "width", "mse"])
    several, widest = cells["pred_len"].nunique() > 1, cells["width"].max()
    answers, details = [], []
    for (model, pred_len), rows in differences.groupby(["model", "pred_len"], sort=False):
        name = f"**{model}** (horizon {pred_len})" if several else f"**{model}**"
        best = widths[(widths["model"] == model) & (widths["pred_len"] == pred_len)].set_index("windows_train")["width"]
        answers.append(_width_answer(name, best, widest, rows))
        details.append((name, _width_words(rows), _pruned_words(rows)))
    first = f"{where(cells)}, {'; '.join(answers)}."
    if len(details) == 1:
        body = "\n\n".join(details[0][1:])
    else:
        body = "\n".join(f"- {name}: {width} {pruned}" for name, width, pruned in details)
    return f"{first}\n\n{body}\n\n{_standing(widths, cells, naive)} {interval_words(differences)}"


def _width_answer(name: str, best: pd.Series, widest: int, rows: pd.DataFrame) -> str:
    """Does the best width grow with the data? Widths chosen by validation, claimed when the test errors say so."""
    if len(best) < 2:
        return f"{name} cannot be judged: the dense models finished for fewer than two shares of the data"
    few, many = best.index.min(), best.index.max()
    chosen = f"(by validation d_model {best[few]} with {few:,} training windows and d_model {best[many]} with {many:,}"
    if best[few] == best[many] == widest:
        return (
            f"the widest {name} tried, d_model {widest}, is the best by validation with {few:,} training windows "
            f"already and with {many:,}{_lead(rows, few, many)}"
        )
    if best[few] == best[many]:
        return (
            f"the best width of {name} does not grow with the data: d_model {best[few]} by validation with {few:,} "
            f"training windows and with {many:,}"
        )
    row = _row(rows, "best", many)
    if row is None or not row["clear"]:
        return f"whether more data needs another width of {name} is within the noise {chosen})"
    with_all = f"; with {many:,} the latter's test MSE is {_change(row)})"
    if row["relative"] > 0:
        return f"validation misjudges the best width of {name} {chosen}{with_all}"
    wanted = "a bigger" if best[many] > best[few] else "a smaller"
    return f"more data needs {wanted} {name} {chosen}{with_all}"


def _lead(rows: pd.DataFrame, few: int, many: int) -> str:
    """Whether the widest one's lead over the smallest depends on the data: claimed when the intervals do not meet."""
    first, last = (_row(rows, "width", n) for n in (few, many))
    if not (last["clear"] and last["relative"] < 0):
        return ""
    if last["high"] < first["low"]:
        return f", and its lead over {last['others']} grows with the data"
    if last["low"] > first["high"]:
        return f", and its lead over {last['others']} shrinks with more data"
    return ""


def _width_words(rows: pd.DataFrame) -> str:
    few, many = rows["windows_train"].min(), rows["windows_train"].max()
    found = [(n, _row(rows, "width", n)) for n in (few, many)]
    sample = found[0][1]
    parts = [f"{_change(row)} with {n:,}" for n, row in found]
    return f"The test MSE of {sample['ours']} is, against {sample['others']}, {listed(parts)} training windows."


def _pruned_words(rows: pd.DataFrame) -> str:
    """What pruning the widest model to the smallest one's size comes to, a clause per structure."""
    few, many = rows["windows_train"].min(), rows["windows_train"].max()
    clauses, better, worse = [], [], []
    structures = [structure for structure in LINES if structure in set(rows["question"])]
    for structure in structures:
        found = [(n, _row(rows, structure, n)) for n in (few, many)]
        last = found[-1][1]
        kept = "" if pd.isna(last["share_ours"]) else f" ({percent(last['share_ours'])} of its parameters kept)"
        clauses.append(f"{structure}{kept} {listed([f'{_change(row)} with {n:,}' for n, row in found])}")
        if last["clear"]:
            (better if last["relative"] < 0 else worse).append(structure)
    if better:
        how = "" if len(better) == len(structures) else f"{listed(better)}, "
        answer = (
            f"Pruning changes the answer: {how}cut to the small one's size the large model is the better of the two"
        )
    elif worse:
        how = "" if len(worse) == len(structures) else f"{listed(worse)}, "
        answer = f"Pruning is no way round: {how}cut to the small one's size the large model is the worse of the two"
    else:
        answer = "Cut to the small one's size, the large model is neither clearly better nor clearly worse"
    small = percent(rows["share_others"].iloc[0])
    return (
        f"{answer}. Pruned and fine-tuned, against the small dense model ({small} of the parameters) trained as long, "
        f"its test MSE is: {'; '.join(clauses)} training windows."
    )


def _standing(widths: pd.DataFrame, cells: pd.DataFrame, naive: pd.DataFrame) -> str:
    """What the best dense models are worth beside the seasonal naive forecast, and what is missing."""
    several = cells["pred_len"].nunique() > 1
    parts = []
    for pred_len, rows in widths.groupby("pred_len", sort=False):
        last = rows.sort_values("windows_train").groupby("model", sort=False).tail(1)
        found = [f"**{row['model']}** {error_text(row['mse'])}" for row in last.to_dict("records")]
        level = error_text(seasonal(naive)[pred_len])
        parts.append((f"at horizon {pred_len} " if several else "") + f"{listed(found)} (seasonal naive {level})")
    text = f"Test MSE at the width that validation chooses with all the data: {'; '.join(parts)}."
    return f"{text} {left_out(cells)}".strip()


def _row(rows: pd.DataFrame, question: str, windows: int) -> dict | None:
    found = rows[(rows["question"] == question) & (rows["windows_train"] == windows)].to_dict("records")
    return found[0] if found else None


def _change(row: dict) -> str:
    """``14 % lower (95 % interval −16 to −12)``; without a claim where it is not clear."""
    if pd.isna(row["relative"]):
        return "not known, a cell has no result,"
    if not row["clear"]:
        why = "within the noise" if row["seeds"] > 1 else "one seed, no claim"
        return f"{signed(row['relative'])} ({why}: {ends(row)})"
    return f"{amount(row['relative'])} {'lower' if row['relative'] < 0 else 'higher'} (95{NBSP}% interval {ends(row)})"
