"""Which data a step is on: a dataset by its content, and the windows cut from it."""

from functools import lru_cache
from typing import Any, Literal

import torch
from pydantic import model_validator

from tsprune.data import Splits, Table, Windows, load_table, make_splits
from tsprune.data.mapped import DATASETS_PER_PROCESS
from tsprune.errors import UserError
from tsprune.typed import Columns, Config

LIVE_WINDOWS = 32
"""Windows on which a parameter must have an effect to count as live: a ReLU unit may be silent on a few."""


READING = {"raw", "missing", "date_column", "time_step", "date_order", "encoding", "columns"}
"""The options of reading, as :func:`tsprune.data.load_table` takes them."""


class DataSpec(Config):
    """A dataset and the windows cut from it. ``name`` and the options of reading say where to load it again;
    ``fingerprint`` says which values it must then have."""

    name: str
    label: str
    fingerprint: str
    width: int
    """Columns of a window."""
    series: int = 1
    """How many windows are cut from; each window of pooled data is of one of them."""
    seq_len: int
    label_len: int
    pred_len: int
    freq: str
    raw: bool = False
    missing: Literal["error", "interpolate"] = "error"
    date_column: str | None = None
    time_step: str | None = None
    date_order: str | None = None
    encoding: str | None = None
    columns: Columns | None = None
    eval_stride: int = 1
    """Time steps between two validation or test windows."""

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, given: Any) -> Any:
        """Recipes in stores call the width ``columns``, as it was called before columns could be chosen."""
        if isinstance(given, dict) and isinstance(given.get("columns"), int):
            return {name: value for name, value in given.items() if name != "columns"} | {"width": given["columns"]}
        return given

    def identity(self) -> dict:
        what = self.model_dump(include={"label", "fingerprint", "seq_len", "label_len", "pred_len", "freq"})
        return what | self._stride()

    def _stride(self) -> dict:
        """Left out where every window counts, so that rows of before there was a choice keep their identity."""
        return {"eval_stride": self.eval_stride} if self.eval_stride > 1 else {}

    def every_window(self) -> "DataSpec":
        """The same data, with every validation and test window."""
        return self.model_copy(update={"eval_stride": 1})

    def table(self) -> Table:
        """The dataset; the last one is kept. Raises :class:`UserError` when its values are no longer those named."""
        table = _table(self.name, tuple(self.model_dump(include=READING).items()))
        if table.fingerprint != self.fingerprint:
            raise UserError(f"{self.name}: the data changed while the study was running; start it again")
        return table

    def splits(self, device: str) -> Splits:
        """The windows, scaled, on ``device``; the last DATASETS_PER_PROCESS are kept for the steps that follow. Raises
        :class:`UserError` as :meth:`table`."""
        return _splits(self, device)

    def geometry(self) -> dict:
        """The part of a model's config that the data fixes."""
        lengths = self.model_dump(include={"seq_len", "label_len", "pred_len", "freq"})
        return {"enc_in": self.width, "dec_in": self.width, "c_out": self.width} | lengths

    def protocol(self) -> dict:
        lengths = self.model_dump(include={"seq_len", "label_len", "pred_len", "freq"})
        series = {"series": self.series} if self.series > 1 else {}
        return {"dataset": self.label, **lengths, **self._stride(), **series}


def first_windows(windows: Windows, count: int) -> tuple[torch.Tensor, ...]:
    """The first ``count`` windows, or all where there are fewer, as a forecaster's four inputs."""
    return windows.batch(torch.arange(min(count, len(windows))))[:4]


@lru_cache(maxsize=1)
def _table(name: str, reading: tuple[tuple[str, Any], ...]) -> Table:
    return load_table(name, **dict(reading))


@lru_cache(maxsize=DATASETS_PER_PROCESS)
def _splits(spec: DataSpec, device: str) -> Splits:
    return make_splits(
        spec.table(),
        seq_len=spec.seq_len,
        label_len=spec.label_len,
        pred_len=spec.pred_len,
        freq=spec.freq,
        device=device,
        eval_stride=spec.eval_stride,
    )
