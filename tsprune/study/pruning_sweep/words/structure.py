"""Zeros, 2:4 and narrower layers in words: what was asked and reached, and what it gains in time."""

import pandas as pd

from tsprune.report.frames import finished, need
from tsprune.report.text import NBSP, between, bold, listed, percent
from tsprune.study.pruning_sweep.result import STRUCTURES


def structures(structures: pd.DataFrame, latency: pd.DataFrame) -> str:
    """What was asked and what was reached, and what it gains in time, as Markdown; empty where nothing is narrowed.

    ``latency`` may be empty. A speedup is called one only where its 5th percentile over the rounds lies above 1.
    """
    need(structures, "structures", STRUCTURES)
    sentences = [_targets(structures), _speed(latency)]
    return " ".join(sentence for sentence in sentences if sentence)


def _targets(structures: pd.DataFrame) -> str:
    """How far structured pruning lies from what was asked, and torch-pruning asked for a ratio of channels."""
    narrowed = structures[structures["structure"] == "structured"]
    by_channels = narrowed["method"] == "depgraph_paper"
    ours, theirs = finished(narrowed[~by_channels]), finished(narrowed[by_channels])
    if ours.empty:
        return ""
    asked = listed([percent(d) for d in sorted(ours["density_asked"].unique(), reverse=True)])
    off = 100 * (ours["density_all"] - ours["density_asked"]).abs().max()
    text = f"Asked to leave {asked} of the parameters, structured pruning ends at most {off:.1f} percentage points off"
    floors = ours[ours["reason"].notna()]
    if len(floors):
        text += f" (as close as it could get for {listed(sorted(floors['model'].unique()))})"
    if by_channels.any():
        parts = []
        for density, group in sorted(theirs.groupby("density_asked"), reverse=True):
            low, high = group["density_all"].min(), group["density_all"].max()
            parts.append(f"{between(percent(low), percent(high))} for {percent(density)}")
        broken = bold(narrowed.loc[narrowed["status"] == "broken", "model"])
        if parts:
            text += f"; torch-pruning, asked for the same share of channels, leaves {listed(parts)}"
        if broken:
            text += (
                f", and breaks {broken}"
                if parts
                else f"; torch-pruning, asked for the same share of channels, breaks {broken}"
            )
    return text + "."


def _speed(latency: pd.DataFrame) -> str:
    """Speedups at the largest batch: zeros in place, and the narrowest models; those that could be measured."""
    done = latency[(latency["status"] == "ok") & (latency["method"] != "dense")]
    if done.empty:
        return ""
    done = done[done["batch"] == done["batch"].max()]
    if done["trouble"].notna().all():
        return f"The gain in time is {done['trouble'].iloc[0]}."
    done = done[done["trouble"].isna()]
    text = f"Measured at batch {done['batch'].iloc[0]:g}, "
    zeros, narrow = done[done["structure"] != "structured"], done[done["structure"] == "structured"]
    parts = []
    if len(zeros):
        parts.append(f"zeros in dense matrices (masks, 2:4) give {_range(zeros)} times the dense speed")
    if len(narrow):
        narrow = narrow[narrow["density_asked"] == narrow["density_asked"].min()]
        clear = bold(narrow.loc[narrow["speedup_p5"] > 1, "model"])
        which = f"faster in 95{NBSP}% of the rounds: {clear}" if clear else "none faster beyond the spread"
        share = percent(narrow["density_asked"].iloc[0])
        parts.append(f"models narrowed to {share} of the parameters {_range(narrow)} times ({which})")
    return text + ", ".join(parts) + "."


def _range(rows: pd.DataFrame) -> str:
    """To a tenth: the rounds lie further apart than a hundredth."""
    return between(f"{rows['speedup'].min():.1f}", f"{rows['speedup'].max():.1f}")
