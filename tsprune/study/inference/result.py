"""Study 06's tables: their columns and vocabulary, for the cells that fill them and for all that reads them."""

from dataclasses import dataclass

import pandas as pd

from tsprune.report.frames import need
from tsprune.study.base.result import StudyResult

EAGER, BFLOAT16, KERNEL = "PyTorch", "PyTorch, bfloat16", "sparse kernel"
ONNX, INT8 = "ONNX Runtime", "ONNX Runtime, int8"
GRAPH, GRAPH_BFLOAT16, GRAPH_TWO_OF_FOUR = "CUDA graph", "CUDA graph, bfloat16", "CUDA graph, bfloat16, 2:4"

DENSE, ZEROS, NARROW = "dense", "zeros", "narrow"


@dataclass(frozen=True)
class InferenceResult(StudyResult):
    """``cells`` has a row per model and horizon that was timed."""

    speeds: pd.DataFrame
    """A row per model, horizon, form (dense, zeros, narrow), share (of weights that are not zero, or of the widths),
    runtime and batch size: ``machine``, the name of the processor, or of the GPU where that is the ``device``;
    milliseconds of a forecast (``median_ms``, ``p5_ms``, ``p95_ms``); ``speedup`` over the dense model in eager
    PyTorch, float32, with the 95 % interval of that median (``speedup_low``, ``speedup_high``); ``trouble``, why it
    says nothing; ``load``, what else ran; ``macs_share`` of the multiply-adds, ``bytes`` of the weights, ``difference``
    of the forecast from that of the same model in eager float32; ``reason`` where it was not timed."""


SPEEDS = (
    *("dataset", "model", "pred_len", "machine", "form", "share", "runtime", "device", "batch", "threads", "repeats"),
    *("median_ms", "p5_ms", "p95_ms", "speedup", "speedup_p5", "speedup_p95", "speedup_low", "speedup_high", "others"),
    *("load", "trouble", "macs_share", "bytes", "difference", "reason"),
)


def timed(speeds: pd.DataFrame) -> pd.DataFrame:
    """The rows with a time. Raises NoRows for an empty table, UserError for a missing column."""
    need(speeds, "speeds", SPEEDS)
    return speeds[speeds["median_ms"].notna()]


def measured(speeds: pd.DataFrame) -> pd.DataFrame:
    """The rows with a time that may be spoken of: not those from a busy machine. Raises as :func:`timed`.

    A time that is not known to a tenth is an interval all the same: a range that left it out would be too narrow.
    """
    done = timed(speeds)
    return done[~disturbed(done)]


def disturbed(done: pd.DataFrame) -> pd.Series:
    """Which times say nothing: those without an interval, and those disturbed by the machine's load."""
    pairs = zip(done["load"].fillna("no time"), done["trouble"].fillna(""), strict=True)
    busy = pd.Series([load in trouble for load, trouble in pairs], index=done.index, dtype=bool)
    return busy | done["speedup_low"].isna()


def machine(speeds: pd.DataFrame) -> str:
    """What was timed on, by name: the page may be made elsewhere."""
    return " / ".join(sorted(speeds["machine"].dropna().unique()))


def on_gpu(done: pd.DataFrame) -> bool:
    """Whether these times, all of one device, are a GPU's."""
    return done["device"].iloc[0] == "cuda"


def kept(speeds: pd.DataFrame) -> pd.DataFrame:
    """Narrow models: ``gain``, their speedup over the dense model in the same runtime, and ``promise``, that over the
    ratio of the multiply-adds, which would be 1 if time went with them; ``trouble`` of either, and whether either was
    ``disturbed``."""
    done = timed(speeds)
    keys = ["model", "pred_len", "batch", "runtime"]
    dense = done[done["form"] == DENSE].set_index(keys)
    narrow = done[done["form"] == NARROW].copy()
    beside = dense.reindex(pd.MultiIndex.from_frame(narrow[keys]))
    narrow["gain"] = narrow["speedup"].to_numpy() / beside["speedup"].to_numpy()  # both over dense in eager PyTorch
    narrow["promise"] = narrow["gain"] * narrow["macs_share"]
    narrow["disturbed"] = disturbed(narrow).to_numpy() | disturbed(beside).to_numpy()
    narrow["trouble"] = narrow["trouble"].where(narrow["trouble"].notna(), beside["trouble"].to_numpy())
    return narrow
