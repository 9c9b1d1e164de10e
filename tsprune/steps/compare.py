"""Compare two ways to get a model on the same test windows: the paired block bootstrap over stored errors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tsprune.engine.step import Step
from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.measure import Difference, paired_difference
from tsprune.steps.artifacts import load_scores


def compare(store: Store, rows: dict[str, dict], ours: Sequence[Step], others: Sequence[Step]) -> Difference | None:
    """Test MSE of ``ours`` relative to ``others``: one step per seed in each, in the same order of seeds.

    See :func:`block_length`. None where one of the steps has no result. Raises :class:`UserError` when seeds or test
    windows differ.
    """
    steps = [*ours, *others]
    if any(rows[step.key]["status"] != "ok" for step in steps):
        return None
    protocols = [step.protocol() for step in steps]
    seeds = [protocol["seed"] for protocol in protocols]
    same = {(p["dataset"], p["seq_len"], p["pred_len"], p.get("series", 1), p.get("eval_stride", 1)) for p in protocols}
    if seeds[: len(ours)] != seeds[len(ours) :] or len(same) != 1:
        raise UserError(f"nothing to pair: seeds {seeds}, windows of {sorted(same)}")
    errors = [np.stack([load_scores(store, s.key)["window_mse"].numpy() for s in side]) for side in (ours, others)]
    return paired_difference(*errors, block=block_length(protocols[0]))


def block_length(protocol: Mapping[str, Any]) -> int:
    """Windows in a block of the bootstrap: as many as begin in the time that one window spans, look-back and horizon,
    since so many overlap; of all series where data are pooled, whose windows of one time stand together."""
    length, stride = protocol["seq_len"] + protocol["pred_len"], protocol.get("eval_stride", 1)
    return -(-length // stride) * protocol.get("series", 1)
