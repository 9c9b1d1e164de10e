"""Splits, scaler and windows: the whole dataset is one float32 tensor, a batch is a lookup by row number.

The tensor lies in a file where memory would not hold it (:mod:`tsprune.data.mapped`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from tsprune.data.calendar import time_features
from tsprune.data.catalog import SPLITS
from tsprune.data.mapped import blocks, empty, release
from tsprune.data.scale import scaling
from tsprune.data.table import Table
from tsprune.errors import UserError
from tsprune.shown import plain, quoted, shown_date


class Batch(NamedTuple):
    """What one forward pass needs and what it is compared with. B windows, C columns, M calendar features; float32.

    The decoder's input is the last ``label_len`` known values followed by zeros; its marks cover the same rows, so the
    calendar of the horizon is known (as in Informer, AAAI 2021, section 3).
    """

    x_enc: torch.Tensor  # (B, seq_len, C)
    x_mark_enc: torch.Tensor  # (B, seq_len, M)
    x_dec: torch.Tensor  # (B, label_len + pred_len, C)
    x_mark_dec: torch.Tensor  # (B, label_len + pred_len, M)
    y: torch.Tensor  # (B, pred_len, C)

    def same_shape(self, forecast: torch.Tensor, model: object) -> torch.Tensor:
        """``forecast`` itself. Raises UserError if its shape differs from that of ``y``: torch would broadcast a
        dimension of 1 and give a meaningless error."""
        if forecast.shape != self.y.shape:
            found, wanted = (tuple(some.shape[1:]) for some in (forecast, self.y))
            raise UserError(
                f"{type(model).__name__} forecasts {found} (time steps, columns), the windows hold {wanted}; give both "
                "the same pred_len and columns"
            )
        return forecast


class Windows:
    """The windows of one split: ``starts`` (long) holds the first row of each, in time order.

    ``values`` (rows, C) and ``marks`` (rows, M) are those of the whole dataset and are shared by all splits. For pooled
    data they hold ``count`` series of equal length, one after the other; windows of the same time are neighbours.
    """

    def __init__(
        self,
        values: torch.Tensor,
        marks: torch.Tensor,
        starts: torch.Tensor,
        *,
        seq_len: int,
        label_len: int,
        pred_len: int,
        count: int = 1,
    ):
        self.values, self.marks, self.starts, self.count = values, marks, starts, count
        self.seq_len, self.label_len, self.pred_len = seq_len, label_len, pred_len
        self._values, self._marks = _sliding(values, seq_len + pred_len), _sliding(marks, seq_len + pred_len)

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def series(self) -> torch.Tensor | None:
        """For pooled data, the number of the series that each window belongs to, long; otherwise None."""
        return self.starts // (len(self.values) // self.count) if self.count > 1 else None

    def batch(self, index: torch.Tensor | Sequence[int]) -> Batch:
        """The windows with these numbers (whole ones, shape (B,), each in 0 .. len - 1), in this order."""
        first = self.starts[torch.as_tensor(index, device=self.starts.device)]
        values, marks = self._values.index_select(0, first), self._marks.index_select(0, first)
        known = self.seq_len - self.label_len
        x_dec = values[:, known:].clone()
        x_dec[:, self.label_len :] = 0
        return Batch(
            x_enc=values[:, : self.seq_len],
            x_mark_enc=marks[:, : self.seq_len],
            x_dec=x_dec,
            x_mark_dec=marks[:, known:],
            y=values[:, self.seq_len :],
        )

    def batches(
        self, batch_size: int, *, generator: torch.Generator | None = None, drop_last: bool = False
    ) -> Iterator[Batch]:
        """One pass over the windows: in time order, or shuffled once per pass if a ``generator`` is given.

        The order is drawn with one ``torch.randperm`` on the generator's device, so it depends on the generator's
        state and the number of windows alone. ``drop_last`` leaves out a last batch that is not full.
        """
        if batch_size < 1:
            raise UserError(f"batch_size = {batch_size}: expected at least 1 window per batch")
        count = len(self)
        if generator is None:
            order = torch.arange(count)
        else:
            order = torch.randperm(count, generator=generator, device=generator.device)
        order = order.to(self.starts.device)
        for index in order[: count - count % batch_size if drop_last else count].split(batch_size):
            if len(index):
                yield self.batch(index)

    def subset(self, index: torch.Tensor) -> "Windows":
        """Only the windows with these numbers, in this order; values and marks stay shared."""
        return Windows(
            self.values,
            self.marks,
            self.starts[index.to(self.starts.device)],
            seq_len=self.seq_len,
            label_len=self.label_len,
            pred_len=self.pred_len,
            count=self.count,
        )


def _sliding(rows: torch.Tensor, length: int) -> torch.Tensor:
    """Every run of ``length`` rows as a view (runs, length, columns): one lookup copies a window as one block."""
    rows = rows.contiguous()
    count, columns = rows.shape
    return rows.as_strided((count - length + 1, length, columns), (columns, columns, 1))


@dataclass(frozen=True, eq=False)
class Splits:
    """Train, validation and test windows of a table, scaled with mean and standard deviation of the train rows."""

    train: Windows
    val: Windows
    test: Windows
    mean: np.ndarray  # (C,) float64, in the data's units
    std: np.ndarray  # (C,) float64, population standard deviation; 1 where a column is constant
    left_out: dict[str, int]  # per split: windows that would touch a blocked row

    def inverse(self, values: np.ndarray | torch.Tensor) -> np.ndarray | torch.Tensor:
        """Scaled values (..., C) in the data's own units, as what they came in (array or tensor, same dtype).

        Raises UserError for another number of columns; numpy and torch would broadcast a single one to all."""
        if values.shape[-1] != len(self.std):
            raise UserError(f"{values.shape[-1]} columns cannot be scaled back, the data has {len(self.std)}")
        if isinstance(values, torch.Tensor):
            like = {"dtype": values.dtype, "device": values.device}
            return values * torch.as_tensor(self.std, **like) + torch.as_tensor(self.mean, **like)
        return (values * self.std + self.mean).astype(values.dtype, copy=False)


def make_splits(
    table: Table,
    *,
    seq_len: int,
    label_len: int,
    pred_len: int,
    freq: str = "h",
    device: str | torch.device = "cpu",
    eval_stride: int = 1,
) -> Splits:
    """Windows of ``seq_len`` known and ``pred_len`` asked rows, per split of the table's rule.

    Protocol (tests/golden/data_protocol.json): borders from ``table.split``; validation and test begin ``seq_len``
    rows early, so that their first forecast starts at the border; every column is scaled with mean and population
    standard deviation of the train rows in float64 (a zero deviation counts as 1), then cast to float32. A split of
    n rows (look-back included) has n - seq_len - pred_len + 1 windows; with ``eval_stride`` validation and test have
    those only whose first row is a multiple of it behind that of the first window. Windows that touch a row that
    ``table.blocked`` names are left out and counted in ``Splits.left_out``.

    Raises UserError if lengths are out of range, if a split is too short for one window, if values are missing, or if
    the train rows do not tell a column's scale (``table.unscaled``): a line per problem.
    """
    if not isinstance(table, Table):
        raise UserError(f"a {type(table).__name__} is not a table; load_table makes one from a name or a file")
    lengths = {"seq_len": seq_len, "label_len": label_len, "pred_len": pred_len}
    starts, left_out = window_starts(table, **lengths, eval_stride=eval_stride)
    mean, std = scaling(table.values[slice(*table.split.borders(len(table.values))[0])])
    scaled = empty(table.values.shape, np.float32)
    for rows in blocks(table.values):
        scaled[rows] = (table.values[rows] - mean) / std
        release(scaled)
    marks = time_features(table.dates, freq).astype(np.float32)
    if table.pooled:
        scaled, marks = scaled.T.reshape(-1, 1), np.tile(marks, (table.series, 1))
    values, marks = torch.as_tensor(scaled, device=device), torch.as_tensor(marks, device=device)
    windows = (
        Windows(
            values,
            marks,
            torch.as_tensor(first, device=device),
            **lengths,
            count=table.series,
        )
        for first in starts.values()
    )
    return Splits(*windows, mean=mean, std=std, left_out=left_out)


def window_starts(
    table: Table, *, seq_len: int, label_len: int, pred_len: int, eval_stride: int = 1
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """The first row of each window, by split (train, val, test), and how many are left out; no window is built. Of
    pooled data the rows of the second series follow those of the first; windows are in order of time, series by series.

    Raises UserError as :func:`make_splits`.
    """
    lengths = {"seq_len": (seq_len, 1), "label_len": (label_len, 0), "pred_len": (pred_len, 1)}
    for name, (length, least) in (lengths | {"eval_stride": (eval_stride, 1)}).items():
        if not isinstance(length, int | np.integer) or length < least:
            raise UserError(f"{name} = {length}: expected a whole number of at least {least}")
    if label_len > seq_len:
        raise UserError(
            f"label_len = {label_len}: at most seq_len = {seq_len} is allowed, it repeats the end of the look-back"
        )
    _refuse_missing(table)

    borders = table.split.borders(len(table.values))
    unscaled = [f"{plain(table.name)}: {line}" for line in table.unscaled]
    problems = [*_too_short(table, borders, seq_len, pred_len), *unscaled]
    if problems:
        raise UserError("\n".join(problems))

    blocked = np.pad(table.blocked.reshape(len(table.blocked), -1).cumsum(0), ((1, 0), (0, 0)))
    series = len(table.values) * np.arange(table.series)
    length = seq_len + pred_len
    found, left_out = {}, {}
    for split, (name, (begin, end)) in enumerate(zip(SPLITS, borders, strict=True)):
        starts = np.arange(begin - seq_len if split else begin, end - length + 1, eval_stride if split else 1)
        free = blocked[starts + length] == blocked[starts]
        found[name], left_out[name] = (starts[:, None] + series)[free], int((~free).sum())
        strided = split and eval_stride > 1
        if not free.any():
            every = ", or eval_stride = 1" if strided else ""
            problems.append(
                f"{table.name}: each of the {free.size} windows of the {name} split touches a filled gap; "
                f"choose a shorter seq_len or pred_len, or fewer columns{every}"
            )
        elif strided and not free.any(0).all():
            missed = table.columns[int(np.argmin(free.any(0)))]
            problems.append(
                f"{table.name}: eval_stride = {eval_stride} leaves series {quoted(missed)} no window of the {name} "
                "split; choose a smaller one"
            )
    if problems:
        raise UserError("\n".join(problems))
    return found, left_out


def _refuse_missing(table: Table) -> None:
    count, first = 0, None
    for rows in blocks(table.values):
        missing = np.isnan(table.values[rows])
        if missing.any():
            row, column = np.argwhere(missing)[0]
            first = first or (rows.start + row, column)
            count += int(missing.sum())
    if first:
        row, column = first
        raise UserError(
            f"{table.name}: {count} values are missing, the first at {shown_date(table.dates[row], table.dates)} in "
            f"column {quoted(table.columns[column])}; windows need every value, so leave out raw"
        )


def _too_short(table: Table, borders: tuple, seq_len: int, pred_len: int) -> list[str]:
    """A line for each split that is too short for a single window: what it has, and what would fit."""
    lines = []
    for split, (name, (begin, end)) in enumerate(zip(SPLITS, borders, strict=True)):
        need = pred_len if split else seq_len + pred_len
        if end - begin < need:
            what = f"pred_len = {pred_len}" if split else f"seq_len + pred_len = {seq_len} + {pred_len}"
            lines.append(
                f"{table.name}: too few rows: the {name} split has {end - begin} of the {len(table.values)} rows, "
                f"{what} needs {need}; choose a shorter one or bring more rows"
            )
    return lines
