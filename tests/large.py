"""Data as large as one likes: written, loaded, cut and evaluated as if memory could not hold them.

python large.py FOLDER ROWS COLUMNS
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
from pyarrow.parquet import ParquetWriter

from tsprune import measure
from tsprune.data import Table, load_table, make_splits, mapped
from tsprune.models import create_model
from tsprune.training import TrainConfig, evaluate

STEP = 2000
"""Rows that are written at a time."""


def write(path: Path, rows: int, columns: int) -> None:
    dates = pd.date_range("2000-01-01", periods=rows, freq="h")
    random, names = np.random.default_rng(0), [f"c{i}" for i in range(columns)]
    writer = None
    for begin in range(0, rows, STEP):
        values = np.round(random.standard_normal((min(STEP, rows - begin), columns)), 1)
        part = pyarrow.table([dates[begin : begin + STEP], *values.T], names=["date", *names])
        writer = writer or ParquetWriter(path, part.schema)
        writer.write_table(part)
    writer.close()


def tested(table: Table) -> int:
    """Cut the table into windows and evaluate a forecast on them; how many of the test split there are."""
    lengths = {"seq_len": 24, "label_len": 12, "pred_len": 24}
    splits, columns = make_splits(table, **lengths), len(table.columns)
    model = create_model("RepeatLast", enc_in=columns, dec_in=columns, c_out=columns, **lengths)
    return evaluate(model, splits.test, TrainConfig(device="cpu")).windows


if __name__ == "__main__":
    folder, rows, columns = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    mapped.memory = lambda: 1 << 30
    mapped.cache_folder = lambda: folder
    write(folder / "large.parquet", rows, columns)
    with measure.PeakMemory() as peak:
        windows = tested(load_table(str(folder / "large.parquet")))
    assert windows == int(0.2 * rows) - 23
    print(peak.mib)
