"""What the numbers of a study stand for, as readable lines."""

from tsprune.study.base.config import StudyConfig
from tsprune.study.base.shared import Base


def _naive_words(base: Base) -> str:
    steps = [step.hyper["season"] for step in base.naive if "season" in step.hyper]
    season = f"; the value one season, {steps[0]} time steps, before" if steps else ""
    return f"the last value{season}"


def protocol_lines(base: Base, rows: dict[str, dict], config: StudyConfig) -> dict[str, str]:
    """What the numbers stand for, as readable lines."""
    table = base.table
    done = [(step, rows[step.key]) for step in base.dense if rows[step.key]["status"] == "ok"]
    tested = [row["result"] for _, row in done] + [rows[step.key]["result"] for step in base.naive]
    windows = sorted({f"{r['windows_test']:,}" for r in tested if r.get("windows_test")})
    facts = {
        "dataset": f"{table.name}, {len(table.values):,} rows x {len(table.columns)} columns, from {table.source}",
        "look-back, label, horizons": f"{config.seq_len}, {config.label_len}, " + ", ".join(map(str, config.pred_lens)),
        "test windows": f"{' / '.join(windows)} ("
        + ("every window counted once)" if config.protocol == "full" else "last incomplete batch dropped)"),
        "naive forecasts": _naive_words(base),
        "errors": "on scaled data (mean 0, standard deviation 1 of the training rows), as in the papers",
        "models": f"d_model {config.d_model}, heads {config.n_heads}, encoder layers {config.e_layers}, decoder "
        f"layers {config.d_layers}, d_ff {config.d_ff}, dropout {config.dropout}",
        "training": f"Adam {config.learning_rate:g}, schedule {config.schedule}, batch {config.batch_size}, at most "
        f"{config.epochs} epochs, patience {config.patience}, {config.precision}",
        "seeds": ", ".join(map(str, config.seeds)),
    }
    if done:
        first = {step.model: row for step, row in reversed(done)}
        names = [name for name in config.models if name in first]
        facts["device"] = " / ".join(sorted({row["protocol"]["device"] for _, row in done}))
        facts["parameters"] = ", ".join(f"{name} {first[name]['result']['parameters']:,}" for name in names)
        facts["training time"] = ", ".join(
            f"{name} {first[name]['cost']['seconds_per_epoch']:.1f} s per epoch x {first[name]['result']['epochs_run']}"
            for name in names
        )
        peak = max(row["cost"]["peak_memory_mib"] for _, row in done)
        facts["peak memory"] = f"{peak:,.0f} MiB in the largest training process"
    return facts | _archived(rows)


def _archived(rows: dict[str, dict]) -> dict[str, str]:
    """How many rows were not computed here, and where they were; nothing where all were."""
    made = [row["made"] for row in rows.values() if row.get("archived")]
    if not made:
        return {}
    machines = sorted({f"{m['processor']}, {m['cores']} cores, accelerator {m['accelerator']}" for m in made})
    days = sorted({m["date"] for m in made})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return {"from the archive": f"{len(made):,} of {len(rows):,} steps, computed {when} on {' / '.join(machines)}"}
