"""Which data a step is on: a dataset by its content, and the windows cut from it."""

from functools import lru_cache
from typing import Literal

from tsprune.data import Splits, load_table, make_splits
from tsprune.errors import UserError
from tsprune.typed import Config


class DataSpec(Config):
    """A dataset and the windows cut from it. ``name`` and the options of reading say where to load it again;
    ``fingerprint`` says which values it must then have."""

    name: str
    label: str
    fingerprint: str
    columns: int
    seq_len: int
    label_len: int
    pred_len: int
    freq: str
    raw: bool = False
    missing: Literal["error", "interpolate"] = "error"
    date_column: str | None = None
    time_step: str | None = None

    def identity(self) -> dict:
        return self.model_dump(include={"label", "fingerprint", "seq_len", "label_len", "pred_len", "freq"})

    def splits(self, device: str) -> Splits:
        """Load the windows; one copy per process is kept for the steps that follow."""
        return _splits(self, device)

    def protocol(self) -> dict:
        return {"dataset": self.label, **self.model_dump(include={"seq_len", "label_len", "pred_len", "freq"})}


@lru_cache(maxsize=2)
def _splits(spec: DataSpec, device: str) -> Splits:
    table = load_table(
        spec.name, raw=spec.raw, missing=spec.missing, date_column=spec.date_column, time_step=spec.time_step
    )
    if table.fingerprint != spec.fingerprint:
        raise UserError(f"{spec.name}: the data changed while the study was running; start it again")
    return make_splits(
        table,
        seq_len=spec.seq_len,
        label_len=spec.label_len,
        pred_len=spec.pred_len,
        freq=spec.freq,
        device=device,
    )


def _geometry(data: DataSpec) -> dict:
    """The part of a model's config that the data fixes."""
    return {
        "enc_in": data.columns,
        "dec_in": data.columns,
        "c_out": data.columns,
        "seq_len": data.seq_len,
        "label_len": data.label_len,
        "pred_len": data.pred_len,
        "freq": data.freq,
    }
