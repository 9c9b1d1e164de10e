"""Crossformer as its own published code looks back, cuts segments and trains, which no other model on a page does."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from tsprune.errors import UserError
from tsprune.report.text import counted
from tsprune.steps.train import TrainStep, train_step
from tsprune.study.base.shared import Base, Tables, base_steps
from tsprune.study.why.config import Why

MODEL = "Crossformer"

APART = f"{MODEL} looks back and trains as in its own code: its errors are not comparable with the other models'."
"""The label of a page on which it does."""


class Own(NamedTuple):
    """What that code chooses for a dataset and horizon: look-back and segment in time steps, the rate of Adam."""

    seq_len: int
    seg_len: int
    rate: float


_SMALL = {
    96: Own(336, 6, 5e-4),
    192: Own(336, 12, 5e-4),
    336: Own(336, 24, 5e-4),
    720: Own(720, 24, 5e-5),
}

OWN: dict[str, dict[int, Own]] = {
    "ETTh1": {96: Own(168, 6, 1e-4)} | dict.fromkeys((192, 336, 720), Own(720, 24, 1e-5)),
    "ETTm1": {96: Own(672, 12, 1e-4)} | dict.fromkeys((192, 336, 720), Own(672, 24, 1e-5)),
    "Exchange": _SMALL,
    "ECL": _SMALL,
}
"""By dataset and horizon, from the first paper's public code, which has Crossformer's (arXiv 2412.12883)."""

EPOCHS = 20
"""Of a training, at most."""

_LARGE_WIDTHS = {"d_model": 256, "d_ff": 512, "n_heads": 4}
_SMALL_WIDTHS = {"d_model": 64, "d_ff": 128, "n_heads": 2}


def dense_base(config: Why, tables: Tables | None = None) -> Base:
    """What the study starts from, Crossformer as its own code has it where ``config`` asks for that.

    Raises :class:`UserError` for a dataset or horizon that its code has no values for.
    """
    base = base_steps(config, tables)
    if not config.crossformer_own:
        return base
    return replace(base, dense=tuple(_own(step) if step.model == MODEL else step for step in base.dense))


def apart_lines(dense: Iterable[TrainStep]) -> dict[str, str]:
    """The label and what it means, for a page's protocol; empty without Crossformer."""
    own = {step.data.pred_len: step for step in dense if step.model == MODEL}
    parts = [
        f"horizon {h}: look-back {s.data.seq_len}, segments of {s.hyper['seg_len']}, d_model {s.hyper['d_model']}, "
        f"Adam {s.train.learning_rate:g} {s.train.schedule}, at most {counted(s.train.epochs, 'epoch')}"
        for h, s in own.items()
    ]
    return {f"{MODEL} apart": f"{APART} {'; '.join(parts)}"} if parts else {}


def _own(step: TrainStep) -> TrainStep:
    name, pred_len = step.data.label, step.data.pred_len
    if pred_len not in OWN.get(name, {}):
        known = "; ".join(f"{data} at {', '.join(map(str, horizons))}" for data, horizons in OWN.items())
        raise UserError(f"crossformer_own: its code has no look-back for {name} at horizon {pred_len}. Has: {known}")
    own, small = OWN[name][pred_len], OWN[name] is _SMALL
    hyper = {"e_layers": 3, "factor": 10, "dropout": 0.2, "seg_len": own.seg_len}
    hyper |= _SMALL_WIDTHS if small else _LARGE_WIDTHS
    schedule = "constant" if small else "type1"
    recipe = step.train.model_copy(update={"learning_rate": own.rate, "schedule": schedule, "epochs": EPOCHS})
    return train_step(step.data.model_copy(update={"seq_len": own.seq_len}), MODEL, hyper, recipe, step.seed)
