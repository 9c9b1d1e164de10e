"""What every study does the same way: load the data, run the missing steps, gather tables and the protocol."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import pandas as pd

from tsprune.engine.executors import cores, local_processes
from tsprune.engine.grid import run_grid
from tsprune.engine.progress import Progress, make_progress
from tsprune.engine.step import Step
from tsprune.engine.store import Store
from tsprune.places import resolve
from tsprune.study.base.config import StudyConfig
from tsprune.study.base.protocol import _protocol
from tsprune.study.base.published import compare_with_published
from tsprune.study.base.result import cell_columns, tidy
from tsprune.study.base.shared import Base, no_season


def run_steps(
    steps: Sequence[Step],
    config: StudyConfig,
    make_executor: Callable[[], Executor] | None,
    progress: Progress | None,
) -> dict[str, dict]:
    """Rows of ``steps`` by key; local processes and the progress that suits, unless others are given."""
    jobs = config.jobs or cores()
    return run_grid(
        steps,
        Store(resolve(config.store)),
        make_executor=make_executor or local_processes(jobs),
        jobs=jobs,
        progress=progress or make_progress(jobs),
    )


def common_tables(base: Base, rows: dict[str, dict], cells: pd.DataFrame, config: StudyConfig) -> dict:
    """The fields of :class:`StudyResult` that do not depend on the study."""
    naive = cell_columns([rows[step.key] for step in base.naive])
    return {
        "tidy": tidy(rows.values()),
        "cells": cells,
        "naive": naive[["dataset", "pred_len", "model", "mse", "mae", "status", "reason"]],
        "published": compare_with_published(cells, naive, config),
        "data_notes": (*base.table.notes, *no_season(base.table, config.seq_len)),
        "stands_in_for": base.table.stands_in_for,
        "protocol": _protocol(base, rows, config),
    }


def relative_to_dense(cells: pd.DataFrame, dense: pd.DataFrame) -> pd.Series:
    """MSE over the dense MSE of the same model, horizon and seed."""
    same = ["model", "pred_len", "seed"]
    reference = dense.drop_duplicates(same).set_index(same)["mse"]
    return cells["mse"] / reference.reindex(pd.MultiIndex.from_frame(cells[same])).to_numpy()
