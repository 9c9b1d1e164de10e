"""Study 01's tables: their columns and vocabulary, for the cells that fill them and for all that reads them."""

from dataclasses import dataclass

import pandas as pd

from tsprune.errors import UserError
from tsprune.report.frames import need
from tsprune.study.base.result import TOLERANCE, StudyResult

TOLERANCES = (0.0, TOLERANCE, 0.10)


@dataclass(frozen=True)
class SweepResult(StudyResult):
    """``cells`` has the unstructured ones; the other tables show other ways to prune beside them."""

    layers: pd.DataFrame
    """A row per cell and prunable tensor: which share of its weights is left."""
    limits: pd.DataFrame
    """Per model, horizon, scope and tolerance: the lowest density at which the test MSE lies within the tolerance of
    dense, mean and range over the ``known`` of the ``seeds``: those that have run to the end of their range."""
    structures: pd.DataFrame
    """Every structure side by side: ``cells`` plus 2:4, structured, and CHANNELS (method ``depgraph_paper``,
    status ``broken`` where it breaks a model), with ``macs_share`` (of the dense model's multiply-adds: executed where
    it is structured, if zeros were skipped where it is masked), ``density_all`` (of all parameters) and
    ``density_live`` (of the dense model's live parameters)."""
    scores: pd.DataFrame
    """A row per model, horizon, seed, way to choose weights (``score``; magnitude at every ``scope`` that another is
    ranked in), ``structure`` (unstructured, HALF) and density, dense as score ``dense``: see SCORES."""
    gains: pd.DataFrame
    """A row per model, horizon, score, structure and density: its test MSE over magnitude's of the same scope, less one
    (``relative``), with the interval of the paired block bootstrap: see GAINS."""
    authors: pd.DataFrame
    """A row per model, horizon, seed, ``protocol`` (AUTHORS, OURS) and density, dense included: see AUTHORS_COLUMNS."""
    ends: pd.DataFrame
    """A row per model, horizon, seed, ``protocol`` (AUTHORS, SOLVED) and share asked, dense included: see ENDS."""
    latency: pd.DataFrame
    """A row per model, horizon, variant and batch size, first seed; speedups are over the dense model. One row with
    the ``reason`` for a model that could not be timed."""

    @property
    def states(self) -> pd.Series:
        return pd.concat([super().states, self.latency["status"]])

    @property
    def every_cell(self) -> pd.DataFrame:
        """Cells of all tables, each once: those of ``structures``, of other scores, of the first paper's protocol."""
        scored = self.scores[~self.scores["score"].isin([MAGNITUDE, "dense"])]
        authors = self.authors[self.authors["protocol"] == AUTHORS].query("density_asked < 1")
        ends = self.ends[self.ends["protocol"] == AUTHORS].query("asked < 1").rename(columns={"asked": "density_asked"})
        others = [
            scored.assign(structure=scored["score"] + scored["structure"].map(lambda s: f", {s}" if s == HALF else "")),
            authors.assign(structure="first paper's protocol"),
            ends.assign(structure="structured, first paper's protocol"),
        ]
        return pd.concat([self.structures, *(table for table in others if len(table))], ignore_index=True)


CHANNELS = "torch-pruning, ratio of channels"
"""Structured pruning by the plain call of the library: a ratio of channels, each layer alike (method
``depgraph_paper``). The first paper's code asks it for something else, see AUTHORS."""

HALF = "2:4"
"""The structure of which two of each four neighbouring weights stay."""

MAGNITUDE, RANDOM, UPDATED = "magnitude", "random", "sparsegpt"

SCORES = (
    *("model", "pred_len", "seed", "score", "structure", "scope", "density_asked", "density", "mse", "mse_relative"),
    *("calibration_seconds", "calibration_memory_mib", "status", "reason"),
)

GAINS = (
    *("dataset", "model", "pred_len", "score", "structure", "scope", "density_asked"),
    *("relative", "low", "high", "clear", "seeds"),
)

AUTHORS, OURS = "as its authors do", "over all weights"
"""The first paper's own protocol, and one ranking over all prunable weights."""

AUTHORS_COLUMNS = (
    *("model", "pred_len", "seed", "protocol", "density_asked", "density_all", "untouched", "fourier"),
    *("mse", "mse_relative", "status", "reason"),
)
"""``density_all``: share of all parameters that are not zero, which the first paper draws its errors against.
``untouched``: share of all parameters in weights that its protocol leaves alone; ``fourier``: in Fourier weights."""

SOLVED = "solved for a share"
"""Structured pruning that is told the share of the parameters to leave."""

ENDS = (
    *("model", "pred_len", "seed", "protocol", "asked", "density_all", "macs_share"),
    *("mse", "mse_relative", "status", "reason"),
)
"""Structured pruning as the first paper's code runs it to its end, a row per model on the way, beside ours. ``asked``:
of AUTHORS the share of the channels that was to be left by then, of SOLVED that of the parameters; ``density_all`` and
``macs_share``: of the parameters and of the multiply-adds left. A ``reason`` on the way says why it went no further."""

STRUCTURES = (
    *("model", "pred_len", "seed", "method", "structure", "scope", "density_asked", "density_all", "density_live"),
    *("macs_share", "mse", "mse_relative", "status", "reason"),
)

LATENCY = (
    *("model", "pred_len", "method", "structure", "density_asked", "macs_share", "batch", "threads", "repeats"),
    *("device", "median_ms", "speedup", "speedup_p5", "speedup_p95", "load", "trouble", "status", "reason"),
)


def need_limits(limits: pd.DataFrame) -> pd.DataFrame:
    """``limits`` itself: ``density`` lies between ``limit_low`` and ``limit_high``, all three being densities.

    Raises UserError naming the model of a row where it does not, as when one of them is a sparsity.
    """
    columns = ["model", "pred_len", "scope", "tolerance", "density", "limit_low", "limit_high", "known", "seeds"]
    need(limits, "limits", columns)
    slack = 1e-6
    wrong = (limits["density"] < limits["limit_low"] - slack) | (limits["density"] > limits["limit_high"] + slack)
    if wrong.any():
        row = limits[wrong].iloc[0]
        raise UserError(
            f"table 'limits': model {row['model']}, scope {row['scope']}: density {row['density']:g} does not lie "
            f"between limit_low {row['limit_low']:g} and limit_high {row['limit_high']:g} (all are densities)"
        )
    return limits
