"""Parquet files whose values would not fit in memory: looked over and cleaned a group of columns at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from tsprune.data.mapped import BLOCK, fits
from tsprune.data.parsing import parse_frame
from tsprune.errors import UserError
from tsprune.shown import listed
from tsprune.typed import composed

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_VALUE = 8  # bytes, as every value is a float64 once it is read


@dataclass(frozen=True)
class Large:
    """A parquet file, the name of its column of dates, and those of its values in the file's order."""

    file: "ParquetFile"
    date: str
    names: tuple[str, ...]

    def groups(self, columns: Sequence[str]) -> Iterator[tuple[pd.DataFrame, list[str]]]:
        """The dates with some of ``columns``, as many as make a block, and the names of these."""
        stored = _stored(self.file)
        dates = [stored[self.date]] if self.date in stored else []  # an index without a name comes by itself
        count = max(1, BLOCK // (_VALUE * self.file.metadata.num_rows))
        for begin in range(0, len(columns), count):
            group = list(columns[begin : begin + count])
            read = [*dates, *(stored[name] for name in group)]
            yield self.file.read(columns=read, use_pandas_metadata=True).to_pandas(), group


def _stored(file: "ParquetFile") -> dict[str, str]:
    """Names in the file by those that its columns go by."""
    return {composed(name.strip()): name for name in file.schema_arrow.names}


def open_large(path: Path, date_column: str | None) -> Large | None:
    """The file, if it is a parquet file too large for memory; None where it is not. Raises UserError as
    :func:`tsprune.data.parsing.parse_frame` where its first rows are no table with dates."""
    try:  # where forecasts are made of CSV files pyarrow need not be
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import ParquetFile
    except ModuleNotFoundError:
        return None
    try:
        file = ParquetFile(path)
    except (OSError, ArrowInvalid, UnicodeEncodeError):
        return None  # another kind of file, a damaged one, a name that pyarrow refuses: reading it later reports that
    size = _VALUE * file.metadata.num_rows * file.metadata.num_columns
    if fits(size):
        return None
    head = parse_frame(next(file.iter_batches(batch_size=200)).to_pandas(), date_column=date_column)
    if joined := [note for note in head.notes if note.startswith("dates are")]:
        raise UserError(f"{joined[0]}, which is not possible for a file too large for memory; put them into one")
    names = tuple(name for name in head.frame if name != head.date)
    if beside := [name for name in names if name not in _stored(file)]:
        raise UserError(f"its index holds {listed(beside)} beside the dates; save these as columns, or not at all")
    return Large(file, head.date, names)
