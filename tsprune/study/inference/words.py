"""The answer of study 06 in words: a first sentence to repeat, then rivals, narrow models, and the paper's claim."""

import math
from itertools import pairwise

import pandas as pd

from tsprune.report.text import bold, counted, density_labels, density_text, listed, percent
from tsprune.study.inference import gpu_words
from tsprune.study.inference.phrases import faster, percents, windows
from tsprune.study.inference.result import (
    BFLOAT16,
    DENSE,
    EAGER,
    GRAPH,
    GRAPH_BFLOAT16,
    INT8,
    KERNEL,
    ONNX,
    ZEROS,
    disturbed,
    kept,
    machine,
    measured,
    on_gpu,
    timed,
)

_RIVALS = {BFLOAT16: "in bfloat16", ONNX: "in ONNX Runtime", INT8: "in ONNX Runtime with 8-bit weights"}
_RIVALS |= {GRAPH: "as a CUDA graph", GRAPH_BFLOAT16: "as a CUDA graph in bfloat16"}


_NAMED = 2
"""At most so many models are named in the first sentence."""


def verdict(speeds: pd.DataFrame) -> str:
    """What zeros and narrow layers gain in time, as Markdown: at the largest batch first (on a GPU of narrow layers, on
    a CPU of the sparse kernel), then beside dense rivals, then at the other batch sizes, then the first paper's claim.

    Nothing is said of what could not be measured. Raises NoRows for an empty table, UserError for a missing column.
    """
    done, fine = timed(speeds), measured(speeds)
    if fine[fine["runtime"] != EAGER].empty:
        why = done.loc[done["trouble"].notna(), "trouble"]
        reason = why.iloc[0].removeprefix("not measurable here: ") if len(why) else "no other runtime is here"
        return (
            f"What pruning is worth in time could not be measured here: {reason}.\n\nThe tables below show the times "
            "as they were taken, without a claim. Run it again when the machine is idle."
        )
    most = fine["batch"].max()
    if on_gpu(fine):
        parts = [
            gpu_words.answer(speeds, most),
            gpu_words.fewer(speeds, most),
            _rivals(fine, most),
            gpu_words.two_of_four(fine, most),
        ]
    else:
        rows = fine[fine["batch"] == most]
        parts = [_answer(rows), _second(rows), _break_even(rows), _rivals(fine, most), _other_batches(fine, most)]
    parts += [_narrow(speeds), _claim(fine), _unmeasured(done)]
    first, *rest = [part for part in parts if part]
    return f"{first}\n\n{' '.join(rest)}"


def _answer(rows: pd.DataFrame) -> str:
    """The first sentence: the kernel at the lowest density, at the largest batch."""
    sparse = rows[(rows["form"] == ZEROS) & (rows["runtime"] == KERNEL)]
    threads = counted(rows["threads"].iloc[0], "thread")
    where = f"On {machine(rows)} ({threads}, {windows(rows['batch'].iloc[0])} at once)"
    if sparse.empty:
        return f"{where}, nothing can be said about the sparse kernel."
    own, *_ = _lowest(sparse)
    many = own["model"].nunique()
    names = bold(own["model"]) if many <= _NAMED else f"{many} forecasters"
    return (
        f"{where}, a zero-skipping kernel makes {names} with {percent(own['share'].iloc[0])} of the weights "
        f"{faster(own)} times as fast as dense in eager PyTorch."
    )


def _lowest(sparse: pd.DataFrame) -> list[pd.DataFrame]:
    """The rows of each of the two lowest shares of the weights, in the order of the table; not every forecaster was
    measured with both."""
    two = sparse[sparse["share"].isin(sorted(sparse["share"].unique())[:2])]
    return [own for _, own in two.groupby("share", sort=False)]


def _second(rows: pd.DataFrame) -> str:
    """The other share, which the first sentence has no room for."""
    _, *others = _lowest(rows[(rows["form"] == ZEROS) & (rows["runtime"] == KERNEL)]) or [rows]
    return "".join(
        f"With {percent(own['share'].iloc[0])} of the weights it is {faster(own)} times as fast." for own in others
    )


def _break_even(rows: pd.DataFrame) -> str:
    """Up to which density the kernel is faster than the dense model: read off between two densities where the lower one
    is clearly faster and the higher one clearly slower, else the highest at which no interval reaches down to 1."""
    sparse = rows[(rows["form"] == ZEROS) & (rows["runtime"] == KERNEL)]
    by_words: dict[str, list[str]] = {}
    for model, group in sparse.groupby("model", sort=False):
        by_words.setdefault(_gains(group.sort_values("share")), []).append(model)
    parts = [f"{bold(models)} gain{'s' if len(models) == 1 else ''} {words}" for words, models in by_words.items()]
    return f"Break-even at {windows(rows['batch'].iloc[0])}: {'; '.join(parts)}." if parts else ""


def _gains(rows: pd.DataFrame) -> str:
    """Of one model, its densities from the lowest on."""
    slower = rows[rows["speedup_low"] <= 1]
    if slower.empty:
        return f"at every density tried, up to {density_text(rows['share'].max())}"
    first = slower.iloc[0]
    clear = rows[rows["share"] < first["share"]]
    if first["speedup_high"] < 1:
        density = break_even(rows["share"], rows["speedup"])
        return "at no density tried" if density is None else f"below a density of about {density:.2f}"
    unclear = f"at {density_text(first['share'])} it is unclear"
    if clear.empty:
        return f"clearly at no density tried ({unclear})"
    return f"up to a density of {density_text(clear['share'].max())} ({unclear})"


def break_even(shares: pd.Series, speedups: pd.Series) -> float | None:
    """The density at which a falling line through the points, both axes logarithmic, comes to 1: the highest density
    where all are above it, None where none is."""
    points = sorted(zip(shares, speedups, strict=True))
    if points[0][1] <= 1:
        return None
    for (low, fast), (high, slow) in pairwise(points):
        if slow <= 1:
            part = math.log(fast) / (math.log(fast) - math.log(slow))
            return low * (high / low) ** part
    return points[-1][0]


def _rivals(fine: pd.DataFrame, batch: float) -> str:
    """The dense model in other runtimes, and from which density zeros do not pay beside the best of them: they do where
    the two intervals are apart, and where these meet it is unclear."""
    rows = fine[fine["batch"] == batch]
    dense = rows[(rows["form"] == DENSE) & rows["runtime"].isin(_RIVALS)]
    if dense.empty:
        return ""
    parts = [
        f"{faster(dense[dense['runtime'] == name])} times as fast {words}"
        for name, words in _RIVALS.items()
        if name in set(dense["runtime"])
    ]
    text = f"At {windows(batch)} the dense model itself is {listed(parts)}."
    sparse = rows[(rows["form"] == ZEROS) & (rows["runtime"] == KERNEL)]
    if on_gpu(rows):
        return text
    lost: dict[str, list[str]] = {}
    for model, group in dense.groupby("model", sort=False):
        top = group.loc[group["speedup"].idxmax()]
        own = sparse[sparse["model"] == model]
        pays = own["speedup_low"] > top["speedup_high"]
        meet = density_labels(own.loc[~pays & (own["speedup_high"] >= top["speedup_low"]), "share"]).values()
        unclear = f"at {listed(list(meet))} it is unclear; " if meet else ""
        most = own.loc[pays, "share"].max()
        up_to = f"up to a density of {density_text(most)}" if pays.any() else "at no density tried"
        lost.setdefault(f"{up_to} ({unclear}best rival: {_RIVALS[top['runtime']]})", []).append(model)
    parts = [f"for {bold(models)} {words}" for words, models in lost.items()]
    return f"{text} Zeros pay off against the best of these {'; '.join(parts)}."


def _other_batches(fine: pd.DataFrame, most: float) -> str:
    rows = fine[(fine["form"] == ZEROS) & (fine["runtime"] == KERNEL) & (fine["batch"] != most)]
    if rows.empty:
        return ""
    lowest = rows[rows["share"] == rows["share"].min()]
    parts = [f"{faster(group)} times at {windows(batch)}" for batch, group in lowest.groupby("batch")]
    return f"At a density of {density_text(lowest['share'].iloc[0])} the kernel gives {listed(parts)}."


def _narrow(speeds: pd.DataFrame) -> str:
    """How much of the multiply-adds that are gone is time that is gone."""
    found = kept(speeds)
    found = found[~found["disturbed"]]
    parts = []
    for runtime, group in found.groupby("runtime", sort=False):
        by = [f"{percents(part['promise'])} at {windows(batch)}" for batch, part in group.groupby("batch")]
        parts.append(f"{runtime} keeps {listed(by)}")
    if not parts:
        return ""
    return f"Of the speedup that narrower models promise by their multiply-adds, {'; '.join(parts)}."


def _claim(fine: pd.DataFrame) -> str:
    """The first paper's claim, ours, and why."""
    masked = fine[(fine["form"] == ZEROS) & (fine["runtime"] == EAGER)]
    text = (
        "The first paper (arXiv 2412.12883) narrows models to a seventh of the multiply-adds and finds little gain in "
        "time; its code times eager PyTorch on a GPU at batch 3, where starting operators takes longer than computing."
    )
    if masked.empty:
        return text
    text = (
        f"{text} Zeros in dense matrices give {faster(masked)} times the dense speed here: a dense kernel "
        "multiplies by zero as by any other number."
    )
    return text if on_gpu(fine) else f"{text} A kernel that skips zeros changes that."


def _unmeasured(done: pd.DataFrame) -> str:
    """How many times are not spoken of, and how many have a wide interval and are spoken of by that."""
    lost = disturbed(done)
    wide = int((done["trouble"].notna() & ~lost).sum())
    parts = [f"{lost.sum()} of {len(done)} times are not measurable here and are left out."] if lost.any() else []
    if wide:
        are, its, more = ("is", "its", "") if wide == 1 else ("are", "their", "s")
        told = f"speeds beside dense in eager PyTorch include {its} 95 % interval{more}, all else {its} median{more}"
        parts.append(f"{wide} of {len(done)} times {are} not known to a tenth; {told}.")
    return " ".join(parts)
