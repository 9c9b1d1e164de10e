"""A small model learns from a large one: what the loss is, what stays the same, and that a kill costs little."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tsprune.data import load_table, make_splits
from tsprune.errors import UserError
from tsprune.steps import distill
from tsprune.steps.artifacts import load_scores
from tsprune.steps.distill import DistillStep, Taught
from tsprune.steps.tune import FineTuneStep
from tsprune.study.base.shared import base_steps
from tsprune.study.pruning_sweep.config import PruningSweep
from tsprune.training import TrainResult


def longer(trained, epochs: int) -> FineTuneStep:
    return FineTuneStep(trained=trained, scope="layer", densities=[1.0], train=trained.train.continued(epochs, 1e-3))


@pytest.fixture
def large(smoke, few):
    config = PruningSweep.parse(smoke | few | {"models": ["iTransformer"], "epochs": 2, "store": "unused"})
    return base_steps(config).dense[0]


@pytest.fixture
def small(large):
    return large.model_copy(update={"hyper": large.hyper | {"d_model": 4, "d_ff": 8}})


@pytest.fixture
def make(large, small):
    def make(weight=0.5, epochs=2, **changes) -> DistillStep:
        of = {"teacher": longer(large, 1), "student": small, "train": small.train.continued(epochs, 1e-3)}
        return DistillStep(**of | {"weight": weight} | changes)

    return make


def test_without_a_share_for_the_teacher_it_is_the_small_model_trained_as_long_bit_for_bit(make, small, store, run):
    step, alone = make(weight=0.0), longer(small, 2)
    rows = run(step, alone)
    assert all(rows[s.key]["status"] == "ok" for s in (step, alone))
    for name in ("mse", "mae", "parameters"):
        assert rows[step.key]["result"][name] == rows[alone.key]["result"][name]
    ours, theirs = step.load(store).state_dict(), alone.load(store).state_dict()
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())
    epochs = [record["val_mse"] for record in rows[step.key]["detail"]["history"]]
    of_both = [r["val_mse"] for r in store.row(small.key)["detail"]["history"]]
    assert epochs == of_both + [r["val_mse"] for r in rows[alone.key]["detail"]["history"][1:]]


def test_the_row_says_what_it_took(make, small, store, run):
    step = make()
    rows = run(step, small)
    row, dense = rows[step.key], rows[small.key]
    result, windows = row["result"], dense["result"]["windows_train"]
    assert (result["epochs_run"], result["windows_seen"]) == (4, 4 * windows)
    assert [record["stage"] for record in row["detail"]["history"]] == [0, 0, 1, 1]
    assert [record["epoch"] for record in row["detail"]["history"]] == [1, 2, 3, 4]
    assert result["val_mse"] == min(record["val_mse"] for record in row["detail"]["history"])
    assert result["mse"] != dense["result"]["mse"]
    for name in ("parameters", "macs_executed", "windows_test", "density"):
        assert result[name] == dense["result"][name]
    assert row["protocol"]["method"] == "distilled" and row["protocol"]["distill_weight"] == 0.5
    assert row["protocol"]["teacher"] == "iTransformer 8x1"
    assert row["cost"]["seconds_per_epoch"] > 0
    assert float(load_scores(store, step.key)["window_mse"].mean()) == pytest.approx(result["mse"])


def test_the_teacher_alone_can_be_learned_from(make, run):
    steps = [make(weight=weight) for weight in (0.0, 0.5, 1.0)]
    rows = run(*steps)
    assert len({rows[step.key]["result"]["mse"] for step in steps}) == 3


def test_whatever_changes_the_numbers_changes_the_key(make, large, small):
    steps = [
        make(),
        make(weight=0.4),
        make(epochs=3),
        make(teacher=longer(large, 2)),
        make(teacher=longer(large.model_copy(update={"seed": 9}), 1)),
        make(student=small.model_copy(update={"seed": 9})),
        make(student=small.model_copy(update={"hyper": small.hyper | {"d_ff": 4}})),
    ]
    assert len({step.key for step in steps}) == len(steps)
    assert make(train=small.train.continued(2, 1e-3).model_copy(update={"eval_batch_size": 7})).key == steps[0].key


def test_a_teacher_of_other_windows_is_refused(make, large):
    other = large.model_copy(update={"data": large.data.model_copy(update={"seq_len": 48})})
    with pytest.raises(UserError, match="teacher and student forecast different windows"):
        make(teacher=longer(other, 1))
    with pytest.raises(UserError, match="less than or equal to 1"):
        make(weight=1.1)


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_distilling_goes_on_where_it_was_killed(make, run, killed, stop):
    """Killed in its first training, at its end, and while it is trained on."""
    step = make()
    run(*step.needs)
    assert killed(step, stop, ("scores.safetensors", step.keepsake)) == [0, 0, 1, 1]


@pytest.mark.parametrize("at", [1, 2])
def test_a_loss_that_is_not_finite_is_a_row_with_its_reason(make, run, monkeypatch, at):
    step, train, calls = make(), distill.train, []

    def fails(*args, **kwargs):
        calls.append(1)
        bad = TrainResult(status="diverged", reason="loss not finite at epoch 1, step 7")
        return bad if len(calls) == at else train(*args, **kwargs)

    monkeypatch.setattr(distill, "train", fails)
    row = run(step)[step.key]
    assert (row["status"], row["reason"]) == ("diverged", "loss not finite at epoch 1, step 7")
    assert row["result"] == {} and len(row["detail"]["history"]) == 2 * (at - 1)


def test_epochs_that_do_not_improve_are_taken_back(make, store, run, monkeypatch):
    step, train, calls, kept = make(), distill.train, [], {}

    def spoils(model, *args, **kwargs):
        calls.append(1)
        done = train(model, *args, **kwargs)
        if len(calls) == 1:
            kept.update({name: value.clone() for name, value in model.state_dict().items()})
            return done
        return TrainResult(best_val_mse=9e9, history=done.history, seconds_per_epoch=1.0)

    monkeypatch.setattr(distill, "train", spoils)
    run(step)
    assert all(torch.equal(value, kept[name]) for name, value in step.load(store).state_dict().items())


class Fixed(torch.nn.Module):
    """Forecasts one value."""

    def __init__(self, value: float, pred_len: int):
        super().__init__()
        self.value, self.pred_len = value, pred_len

    def forward(self, x_enc, *rest):
        return x_enc.new_full((len(x_enc), self.pred_len, x_enc.shape[2]), self.value)


@pytest.fixture(scope="module")
def windows():
    return make_splits(load_table("synthetic_short"), seq_len=24, label_len=12, pred_len=12).val


def test_a_quarter_for_the_teacher_is_a_quarter_of_the_way_to_its_forecast(windows):
    taught = Taught(windows, Fixed(2.0, 12), 0.25)
    assert len(taught) == len(windows)
    ours, plain = (list(w.batches(16, generator=torch.Generator().manual_seed(3))) for w in (taught, windows))
    assert [len(batch.y) for batch in ours] == [len(batch.y) for batch in plain]
    for batch, other in zip(ours, plain, strict=True):
        assert torch.allclose(batch.y, 0.75 * other.y + 0.5)
        assert torch.equal(batch.x_enc, other.x_enc) and torch.equal(batch.x_dec, other.x_dec)
    assert all(len(batch.y) == 16 for batch in taught.batches(16, drop_last=True))


@settings(deadline=None, max_examples=30)
@given(weight=st.floats(0, 1), teacher=st.floats(-3, 3), forecast=st.floats(-3, 3))
def test_the_blend_has_the_gradient_of_both_errors_and_a_value_that_differs_by_a_constant(
    windows, weight, teacher, forecast
):
    truth = next(iter(windows.batches(8))).y.double()
    blend = next(iter(Taught(windows, Fixed(teacher, 12), weight).batches(8))).y.double()
    loss = torch.nn.functional.mse_loss
    ours = torch.full_like(truth, forecast, requires_grad=True)
    both = torch.full_like(truth, forecast, requires_grad=True)
    other = torch.full_like(truth, teacher)
    loss(ours, blend).backward()
    total = (1 - weight) * loss(both, truth) + weight * loss(both, other)
    total.backward()
    assert torch.allclose(ours.grad, both.grad, atol=1e-6)
    between = total - loss(ours, blend)
    assert float(between.detach()) == pytest.approx(weight * (1 - weight) * float(loss(truth, other)), abs=1e-4)
