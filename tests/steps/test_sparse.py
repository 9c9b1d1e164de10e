"""Sparse training as a step: every method a cell, what it looks at, what it costs, and which epoch may be the best."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from tsprune import training
from tsprune.measure.macs import MacReport, Operation
from tsprune.pruners import prunable_weights
from tsprune.pruners.baselines import GMP
from tsprune.pruners.initial import initial_masks
from tsprune.pruners.methods import METHODS, make_method
from tsprune.steps.artifacts import load_scores
from tsprune.steps.sparse import CALIBRATION_WINDOWS, SparseTrainStep, training_macs


def recipe(dense, **changes):
    return dense.model_copy(update={"train": dense.train.model_copy(update=changes)})


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_sparse_training_is_a_cell(linear, store, run, method):
    step = SparseTrainStep(dense=linear, method=method, fields={"every": 3})
    row = run(step)[step.key]
    assert row["status"] == "ok", row["reason"]
    result, updates = row["result"], row["detail"]["updates"]
    assert row["protocol"]["method"] == method
    asked = row["protocol"]["density_asked"]
    assert asked is None if method == "pals" else result["density"] == pytest.approx(asked, abs=0.02)
    assert bool(updates) == METHODS[method].updates
    assert len(load_scores(store, step.key)["window_mse"]) == result["windows_test"]
    dense = result["training_macs_dense"]
    # Every batch counts as a full one.
    size, seen = linear.train.batch_size, result["windows_seen"] // result["epochs_run"]
    assert dense == 3 * result["macs_executed"] * size * -(-seen // size) * result["epochs_run"]
    if method == "dense":
        assert result["training_macs_if_zeros_skipped"] == dense
    if method in ("static", "set"):
        share = result["macs_if_zeros_skipped"] / result["macs_executed"]
        assert result["training_macs_if_zeros_skipped"] / dense == pytest.approx(share, rel=1e-3)
    if method == "pals":
        subset = len(step.subset(linear.data.splits("cpu").val))
        assert result["windows_looked_at"] == subset * len(updates)
        assert all(record["decision"] in ("shrink", "expand", "stable") for record in updates)


def test_signals_of_pals_are_told_apart_and_those_of_others_are_not(linear, run):
    def pals(signal):
        return SparseTrainStep(dense=linear, method="pals", fields={"every": 3}, signal=signal)

    steps = [pals(signal) for signal in ("whole", "subset", "training loss")]
    rows = run(*steps)
    looked = [rows[step.key]["result"]["windows_looked_at"] for step in steps]
    assert len({step.key for step in steps}) == 3 and looked[0] > looked[1] > looked[2] == 0
    gmp = [SparseTrainStep(dense=linear, method="gmp", fields={}, signal=s) for s in ("whole", "subset")]
    assert gmp[0].key == gmp[1].key


@pytest.mark.parametrize("signal", ["whole", "subset"])
def test_a_look_drops_no_window_where_the_protocol_drops_the_last_batch(linear, run, signal):
    """A batch of evaluation larger than the subset, and one that does not divide the validation set."""
    published = recipe(linear, protocol="as_published", eval_batch_size=100)
    step = SparseTrainStep(dense=published, method="pals", fields={"every": 3}, signal=signal)
    val = linear.data.splits("cpu").val
    assert len(step.subset(val)) < 100 < len(val) and len(val) % 100
    row = run(step)[step.key]
    assert row["status"] == "ok", row["reason"]
    looked = row["result"]["windows_looked_at"] / len(row["detail"]["updates"])
    assert looked == len(val if signal == "whole" else step.subset(val))
    assert row["result"]["windows_test"] == len(linear.data.splits("cpu").test) // 100 * 100


@pytest.mark.parametrize(("score", "exclude"), [("snip", []), ("synflow", ["seasonal"])])
def test_a_mask_chosen_by_a_score_looks_at_training_windows_of_the_seed(linear, store, run, score, exclude):
    """A window of ones has no seasonal part: nothing of SynFlow's reaches it."""
    fields = {"score": score, "distribution": "global", "density": 0.3, "exclude": exclude}
    step = SparseTrainStep(dense=linear, method="static", fields=fields)
    row = run(step)[step.key]
    assert row["status"] == "ok", row["reason"]
    splits, model = linear.data.splits("cpu"), linear.build()
    drawn = torch.randperm(len(splits.train), generator=torch.Generator().manual_seed(linear.seed))
    batch = splits.train.batch(drawn[:CALIBRATION_WINDOWS])
    assert (CALIBRATION_WINDOWS, linear.train.batch_size) == (128, 64), "two batches"
    batches = [(tuple(t[i : i + 64] for t in batch[:4]), batch.y[i : i + 64]) for i in (0, 64)]
    names = [name for name in prunable_weights(model) if not name.startswith(tuple(exclude))]
    expected = initial_masks(model, names, score, 0.3, "global", calibration=batches)
    kept = step.load_masked(store)[1]
    assert kept.keys() == set(names) and all(torch.equal(kept[name], expected[name]) for name in names)
    random = SparseTrainStep(dense=linear, method="static", fields={"density": 0.3})
    assert step.identity()["calibration"] == 128 and random.identity()["calibration"] is None


def test_a_dense_training_may_choose_its_best_epoch_among_the_last_ones(linear, run, monkeypatch):
    """Every epoch is worse than the one before: the best is the first that may be."""
    honest, worse_and_worse = training.evaluate, itertools.count(1.0)

    def evaluate(*of):
        scores = honest(*of)
        return replace(scores, mse=scores.mse + next(worse_and_worse))

    monkeypatch.setattr(training, "evaluate", evaluate)
    three = recipe(linear, epochs=3, patience=3)
    steps = [
        SparseTrainStep(dense=three, method="dense", fields={"settles_at": at}) for at in (0.0, 1 / 3, 2 / 3, 0.99)
    ]
    rows = run(three, *steps)
    plain, *others = (rows[step.key]["result"] for step in (three, *steps))
    assert plain["best_epoch"] == 1 and [other["best_epoch"] for other in others] == [1, 1, 2, 3]
    assert [other["mse"] == plain["mse"] for other in others] == [True, True, False, False], "bit for bit"


def test_a_training_that_is_never_as_sparse_as_meant_is_a_failure_with_a_reason(linear, run, monkeypatch):
    monkeypatch.setattr(GMP, "settled", lambda self, sparsity: False)
    step = SparseTrainStep(dense=linear, method="gmp", fields={"every": 3})
    row = run(step)[step.key]
    assert (row["status"], row["result"]) == ("failed", {})
    assert row["reason"] == "gmp was not as sparse as intended at the end of any epoch, so none is the best"
    assert len(row["detail"]["history"]) == linear.train.epochs


# What a training costs, by hand ------------------------------------------------------------------------------------

COUNT = MacReport((Operation("", "addmm", "Linear", 100, ("w",)),), {}, {}, {"w": (10,)}, {"w": 1.0})
"""One layer of ten weights, 100 multiply-adds per window when dense: 10 for each weight."""


def trained(method: str, log: list[tuple], start: int = 10, steps: int = 10, **fields) -> SimpleNamespace:
    """Ten steps; ``log`` has ``(step, weights kept afterwards, weights that came, whether it looked)``."""
    records = [
        {"step": step, "kept": [kept], "grown": None if grown is None else [grown]} | ({"losses": {}} if looked else {})
        for step, kept, grown, looked in log
    ]
    return SimpleNamespace(
        method=make_method(method, **fields), log=records, started_with=[start], names=["w"], sizes=[10], step=steps
    )


@pytest.mark.parametrize(
    ("training", "forward_passes"),
    [
        # Dense: three a step. Static at half: half of that, and nothing for gradients of weights that never come.
        (trained("dense", []), 30),
        (trained("static", [], start=5), 15),
        # GMP: dense for 4 steps, half for 6; what is gone stays gone.
        (trained("gmp", [(4, 5, None, False)]), 3 * (4 + 6 * 0.5)),
        # SET exchanges at random: no gradient of a missing weight is asked for.
        (trained("set", [(4, 5, 2, False)], start=5), 15),
        # RigL: at its update the gradients of weights are those of all weights, half a pass more.
        (trained("rigl", [(4, 5, 2, False)], start=5), 15 + 0.5),
        # PALS: the optimiser reads all gradients up to the last growth (at 8): half a pass more in steps 5 to 8. Its
        # looks, of two windows each, are forward passes at the density before the update.
        (trained("pals", [(4, 5, 1, True), (8, 5, 1, True)]), 3 * (4 + 6 * 0.5) + 4 * 0.5 + (2 * 1 + 2 * 0.5) / 4),
        # The same with moments of new weights reset: only the update itself needs all gradients.
        (
            trained("pals", [(4, 5, 1, False), (8, 5, 1, False)], reset_moments=True),
            3 * (4 + 6 * 0.5) + 0.5,
        ),
    ],
)
def test_multiply_adds_of_a_training_by_hand(training, forward_passes):
    assert training_macs(COUNT, training, batch_size=4, a_look=2) == round(4 * 100 * forward_passes)
