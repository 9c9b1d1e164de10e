"""What the numbers of a study stand for, as readable lines."""

import pandas as pd

from tsprune.data import CATALOG, Table
from tsprune.measure.paired import FEW, enough
from tsprune.report.text import counted, duration_text, short_number
from tsprune.shown import listed
from tsprune.steps.compare import block_length
from tsprune.study.base.config import StudyConfig
from tsprune.study.base.shared import Base
from tsprune.study.base.units import scale_of, unit_of

_LISTED = 8
"""Columns whose scale is named one by one."""

_FEW_WINDOWS = f"; fewer than {FEW} of them share no time step: a clear difference here may not hold in another period"
_OVERLAP = "; neighbours overlap in all steps but one"


def _naive_words(base: Base) -> str:
    steps = [step.hyper["season"] for step in base.naive if "season" in step.hyper]
    season = f"; the value one season, {steps[0]} time steps, before" if steps else ""
    return f"the last value{season}"


def data_lines(table: Table, config: StudyConfig) -> dict[str, str]:
    """Which series are forecast, from when to when each split is, how far ahead, and in what units."""
    own = ", each a series of its own" if table.pooled else ""
    shape = f"{len(table.values):,} rows x {len(table.columns)} columns{own}"
    facts = {"dataset": f"{table.name}, {shape}, from {table.source}"}
    if table.offered:
        facts["columns"] = f"{len(table.columns)} of {table.offered}, chosen: {listed(list(table.columns))}"
    for name, (begin, end) in zip(
        ("training", "validation", "test"), table.split.borders(len(table.values)), strict=True
    ):
        facts[f"{name} rows"] = f"{_date(table.dates[begin])} to {_date(table.dates[end - 1])} ({end - begin:,} rows)"
    if table.catalog_name and (told := CATALOG[table.catalog_name].tested):
        facts["test rows"] += f"; {told}"
    facts["look-back"] = _steps(table, config.seq_len)
    facts["forecast"] = "; ".join(_steps(table, pred_len) for pred_len in config.pred_lens) + " ahead"
    facts["scaled error of 1"] = _scale(table)
    return facts


def _date(date: pd.Timestamp) -> str:
    return f"{date:%Y-%m-%d}" if date == date.normalize() else f"{date:%Y-%m-%d %H:%M}"


def _steps(table: Table, count: int) -> str:
    """A number of time steps, and how long they are where each is as long as the others."""
    lengths = pd.Series(table.dates).diff().dropna()
    text = counted(count, "time step")
    return f"{text} ({duration_text(count * lengths.iloc[0])})" if lengths.nunique() == 1 else text


def _scale(table: Table) -> str:
    scale, unit = scale_of(table), unit_of(table)
    order = scale.argsort(kind="stable")
    names = range(len(scale)) if len(scale) <= _LISTED else (order[0], order[len(order) // 2], order[-1])
    found = ", ".join(f"{table.columns[i]} {short_number(scale[i])}{f' {unit}' if unit else ''}" for i in names)
    which = "" if len(scale) <= _LISTED else "smallest, median and largest of the columns: "
    return f"{which}{found} (standard deviation of the training rows)"


def protocol_lines(base: Base, rows: dict[str, dict], config: StudyConfig) -> dict[str, str]:
    """What the numbers stand for, as readable lines."""
    table = base.table
    done = [(step, rows[step.key]) for step in base.dense if rows[step.key]["status"] == "ok"]
    tested = [row["result"] for _, row in done] + [rows[step.key]["result"] for step in base.naive]
    windows = sorted({f"{r['windows_test']:,}" for r in tested if r.get("windows_test")})
    few = any(not enough(row["result"]["windows_test"], block_length(step.protocol())) for step, row in done)
    facts = {
        **data_lines(table, config),
        "label": f"{config.label_len} known time steps given to the decoder",
        "test windows": f"{' / '.join(windows) or 'not known yet'} ({windows_counted(config)}"
        f"{_OVERLAP if config.eval_stride > 1 else ''}){_FEW_WINDOWS if few else ''}",
        "naive forecasts": _naive_words(base),
        "errors": "on scaled data (mean 0, standard deviation 1 of the training rows), as in the papers",
        "models": f"d_model {config.d_model}, heads {config.n_heads}, encoder layers {config.e_layers}, decoder "
        f"layers {config.d_layers}, d_ff {config.d_ff}, dropout {config.dropout}",
        "training": f"Adam {config.learning_rate:g}, schedule {config.schedule}, batch {config.batch_size}, at most "
        f"{counted(config.epochs, 'epoch')}, patience {config.patience}, {config.precision}"
        + ("" if config.matmul == "highest" else f", products of matrices at {config.matmul} precision"),
        "seeds": ", ".join(map(str, config.seeds)),
    }
    if done:
        first = {step.model: row for step, row in reversed(done)}
        names = [name for name in config.models if name in first]
        devices = " / ".join(sorted({row["protocol"]["device"] for _, row in done}))
        facts["device"] = (
            f"{devices}, where the dense models were trained; on another the same recipe ends with other errors"
        )
        facts["parameters"] = ", ".join(f"{name} {first[name]['result']['parameters']:,}" for name in names)
        facts["training time"] = ", ".join(
            f"{name} {_seconds(first[name]['cost']['seconds_per_epoch'])} s per epoch x "
            f"{first[name]['result']['epochs_run']}"
            for name in names
        )
        peak = max(row["cost"]["peak_memory_mib"] for _, row in done)
        facts["peak memory"] = f"{peak:,.0f} MiB in the largest training process"
    return facts | archived(rows)


def _seconds(value: float) -> str:
    """With a decimal; of less than a second two digits, so that no training reads as one that took no time."""
    return f"{value:.1f}" if value >= 0.95 else f"{value:.2g}"


def windows_counted(config: StudyConfig) -> str:
    """Which validation and test windows are in a mean."""
    if config.protocol == "as_published":
        return "last incomplete batch dropped"
    if config.eval_stride > 1:
        return f"one in {config.eval_stride}, evenly spaced, in validation too"
    return "every window counted once"


def archived(rows: dict[str, dict]) -> dict[str, str]:
    """How many rows were not computed here, and where they were; nothing where all were."""
    made = [row["made"] for row in rows.values() if row.get("archived")]
    if not made:
        return {}
    machines = sorted({f"{m['processor']}, {m['cores']} cores, accelerator {m['accelerator']}" for m in made})
    days = sorted({m["date"] for m in made})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return {"from the archive": f"{len(made):,} of {len(rows):,} steps, computed {when} on {' / '.join(machines)}"}
