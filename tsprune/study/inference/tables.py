"""Tables of study 06: every time, what is kept of a narrow model's promise, and what a model weighs."""

import pandas as pd
from pandas.io.formats.style import Styler

from tsprune.report.frames import NoRows
from tsprune.report.tables import claim, labelled, styled
from tsprune.report.text import NBSP, counted, percent, short_number
from tsprune.study.inference.phrases import form_text, windows
from tsprune.study.inference.result import DENSE, EAGER, NARROW, kept, on_gpu, timed

_MIB = 2**20

_ITALICS = "In italics: not known to a tenth, or the machine was busy."


def speeds(speeds: pd.DataFrame) -> Styler:
    """Every form in every runtime: how many times as fast as the dense model in eager PyTorch at each batch size (of
    that model the milliseconds), what its weights take, and how far its forecasts are from those in eager float32."""
    done = timed(speeds)
    rows = {}
    keys = ["model", "pred_len", "form", "share", "runtime"]
    for (model, pred_len, form, share, runtime), group in done.groupby(keys, sort=False):
        first = group.iloc[0]
        speeds = {windows(row["batch"]): claim(_speed(row), _fine(row)) for row in group.to_dict("records")}
        rows[model, f"{pred_len}", form_text(form, share), runtime] = speeds | {
            "multiply-adds": percent(first["macs_share"]),
            "MiB": f"{first['bytes'] / _MIB:.1f}",
            "off by": "none" if runtime == EAGER else f"{first['difference']:.0e}",
        }
    threads = done["threads"].iloc[0]
    place = "on a GPU" if on_gpu(done) else counted(threads, "thread")
    caption = (
        "Times as fast as the dense model in eager PyTorch, float32 (which has its ms); in brackets the "
        f"95{NBSP}% interval of the median over up to {done['repeats'].max():.0f} rounds, {place}; "
        f"{done['load'].iloc[0]}. {_ITALICS} "
        "Multiply-adds: if zeros are skipped. MiB: of weights, in ONNX Runtime of the file. Off by: largest difference "
        "from the forecast of the same model in eager float32, on scaled data."
    )
    return styled(labelled(rows, ["model", "horizon", "form", "runtime"], done), caption)


def promise(speeds: pd.DataFrame) -> Styler:
    """Narrow models: how many times as fast as the dense one in the same runtime, over how many times fewer
    multiply-adds. Raises NoRows where nothing was narrowed."""
    found = kept(speeds)
    if found.empty:
        raise NoRows("table 'speeds': no narrow model was timed")
    rows = {}
    keys = ["model", "pred_len", "share", "runtime"]
    for (model, pred_len, share, runtime), group in found.groupby(keys, sort=False):
        fewer = {"fewer multiply-adds": f"{1 / group['macs_share'].iloc[0]:.1f}"}
        rows[model, f"{pred_len}", form_text(NARROW, share), runtime] = fewer | {
            windows(row["batch"]): claim(f"{row['gain']:.1f} ({percent(row['promise'])})", _fine(row))
            for row in group.to_dict("records")
        }
    caption = (
        "How many times fewer multiply-adds, and how many times as fast as the dense model in the same runtime; in "
        f"brackets: the speedup as a share of that factor. {_ITALICS}"
    )
    return styled(labelled(rows, ["model", "horizon", "form", "runtime"], found), caption)


def left_out(speeds: pd.DataFrame) -> str:
    """What was not timed and why, as Markdown; empty where everything was."""
    missing = speeds[speeds["reason"].notna()]
    lines = dict.fromkeys(f"- {row['runtime']}: {row['reason']}" for row in missing.to_dict("records"))
    return "\n".join(["Not timed:", "", *lines]) if lines else ""


def _fine(row: dict) -> bool:
    """Whether nothing speaks against its times."""
    return pd.isna(row["trouble"])


def _speed(row: dict) -> str:
    if row["form"] == DENSE and row["runtime"] == EAGER:
        return f"{short_number(row['median_ms'])}{NBSP}ms"
    interval = "" if pd.isna(row["speedup_low"]) else f" ({row['speedup_low']:.2f}–{row['speedup_high']:.2f})"
    return f"{row['speedup']:.2f}{interval}"
