"""Training: reproducible beside anything, stops when it should, streams its scores."""

import copy
import itertools
import math
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tests.models.small import example, small_model
from tsprune import training
from tsprune.data import load_table, make_splits
from tsprune.errors import UserError
from tsprune.layers import Dropout
from tsprune.measure import prediction_intervals
from tsprune.models import save_checkpoint
from tsprune.pruners import HeldMasks, density, magnitude_masks, prunable_weights, structured_prune
from tsprune.pruners.dynamic import Sparsity
from tsprune.pruners.methods import METHODS, make_method
from tsprune.training import TrainConfig, evaluate, learning_rate, resolve_device, train


@pytest.fixture(scope="module")
def splits():
    table = load_table("synthetic")
    whole = make_splits(table, seq_len=12, label_len=6, pred_len=4)
    few = torch.arange(0, 150)
    return whole.train.subset(few), whole.val.subset(few[:37]), whole.test.subset(few[:45])


class Tiny(nn.Module):
    """A forecaster with dropout, small enough to train in milliseconds."""

    def __init__(self, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)
        self.inner = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), Dropout(0.2), nn.Linear(16, 4))

    def forward(self, x_enc, x_mark_enc, x_dec, x_mark_dec):
        return self.inner(x_enc.transpose(1, 2)).transpose(1, 2)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_same_seed_same_weights_bit_for_bit_whatever_runs_beside(splits):
    train_windows, val_windows, _ = splits
    config = TrainConfig(epochs=3)

    def one(seed, model):
        train(model, train_windows, val_windows, config, seed=seed)
        return weights(model)

    start = Tiny()
    alone = one(5, copy.deepcopy(start))
    stop = threading.Event()

    def noise():
        while not stop.is_set():
            torch.randn(100)

    beside = threading.Thread(target=noise)
    beside.start()
    results = {}
    other = threading.Thread(target=lambda: results.update(other=one(6, copy.deepcopy(start))))
    other.start()
    together = one(5, copy.deepcopy(start))
    other.join()
    stop.set()
    beside.join()
    assert torch.equal(alone, together)
    assert not torch.equal(alone, results["other"])


def test_steps_are_those_of_torchs_adam_bit_for_bit():
    ours, theirs = Tiny(), Tiny()
    settings = {"lr": 0.01, "fused": True}
    optimizers = training.Adam(ours.parameters(), **settings), torch.optim.Adam(theirs.parameters(), **settings)
    for step in range(5):
        for model, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad(set_to_none=True)
            torch.manual_seed(step)
            model.inner[:2](torch.randn(8, 12)).square().sum().backward()
            optimizer.step()
        optimizers[0].load_state_dict(copy.deepcopy(optimizers[0].state_dict()))
    assert torch.equal(weights(ours), weights(theirs)) and not torch.equal(weights(ours), weights(Tiny()))
    mine, his = (optimizer.state_dict() for optimizer in optimizers)
    assert mine["param_groups"] == his["param_groups"]
    assert all(torch.equal(mine["state"][p][name], x) for p, of in his["state"].items() for name, x in of.items())


def test_neither_a_training_nor_a_narrowed_model_that_is_loaded_loads_torchs_compiler(tmp_path):
    model = small_model("iTransformer", enc_in=7, dec_in=7, c_out=7)
    narrow = structured_prune(model, example(model), target=0.5).model
    save_checkpoint(tmp_path / "narrow.safetensors", narrow)
    code = (
        "import sys\n"
        "from tsprune.data import load_table, make_splits\n"
        "from tsprune.models import load_checkpoint\n"
        "from tsprune.training import TrainConfig, train\n"
        "splits = make_splits(load_table('synthetic_short'), seq_len=24, label_len=12, pred_len=18)\n"
        "model, _ = load_checkpoint(sys.argv[1])\n"
        "assert train(model, splits.train, splits.val, TrainConfig(epochs=1, batch_size=256), seed=1).status == 'ok'\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "narrow.safetensors")], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:]


def test_scores_do_not_depend_on_the_batch_size(splits):
    model, test = Tiny(), splits[2]
    scores = [evaluate(model, test, TrainConfig(eval_batch_size=b)) for b in (1, 7, 32)]
    assert [s.windows for s in scores] == [45, 45, 45]
    for score in scores[1:]:
        assert score.mse == pytest.approx(scores[0].mse, rel=1e-6)
        assert score.mae == pytest.approx(scores[0].mae, rel=1e-6)


def test_a_forecast_of_another_shape_than_the_truth_is_refused_where_torch_would_stretch_one(splits):
    ones = make_splits(load_table("synthetic_short"), seq_len=12, label_len=6, pred_len=1)
    for run in (
        lambda: evaluate(Tiny(), ones.test, TrainConfig()),
        lambda: train(Tiny(), ones.train, ones.val, TrainConfig(epochs=1), seed=1),
        lambda: prediction_intervals(Tiny(), ones),
    ):
        with pytest.raises(
            UserError, match=r"^Tiny forecasts \(4, 7\) \(time steps, columns\), the windows hold \(1, 7\)"
        ):
            run()
    with pytest.raises(UserError, match="Identity has no parameters: there is nothing to train"):
        train(nn.Identity(), *splits[:2], TrainConfig(epochs=1), seed=1)


def test_as_published_drops_the_last_incomplete_batch(splits):
    scores = evaluate(Tiny(), splits[2], TrainConfig(eval_batch_size=32, protocol="as_published"))
    assert scores.windows == 32
    with pytest.raises(UserError, match="nothing to evaluate: 45 windows"):
        evaluate(Tiny(), splits[2], TrainConfig(eval_batch_size=64, protocol="as_published"))


def test_the_best_epoch_is_restored_and_patience_ends_the_training(splits):
    train_windows, val_windows, _ = splits
    model = Tiny()
    # A rate far too high: the validation error gets worse at once.
    config = TrainConfig(epochs=10, patience=2, learning_rate=0.3)
    done = train(model, train_windows, val_windows, config, seed=1)
    assert done.epochs_run == done.best_epoch + 2 < 10
    assert done.best_val_mse == min(record["val_mse"] for record in done.history)
    assert evaluate(model, val_windows, config).mse == pytest.approx(done.best_val_mse, rel=1e-12)
    assert done.windows_seen == done.epochs_run * len(train_windows)
    assert done.seconds_per_epoch > 0


def test_divergence_ends_with_the_step(splits):
    train_windows, val_windows, _ = splits

    class Breaks(Tiny):
        calls = 0

        def forward(self, *inputs):
            self.calls += self.training
            return super().forward(*inputs) * (math.nan if self.calls == 3 else 1)

    done = train(Breaks(), train_windows, val_windows, TrainConfig(), seed=1)
    assert (done.status, done.reason) == ("diverged", "loss not finite at epoch 1, step 3")
    assert done.history == []


def test_bfloat16_trains_and_keeps_float32_weights(splits):
    train_windows, val_windows, _ = splits
    model = Tiny()
    config = TrainConfig(epochs=2, precision="bfloat16")
    done = train(model, train_windows, val_windows, config, seed=1)
    assert done.status == "ok"
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    plain = TrainConfig(epochs=2)
    assert evaluate(model, val_windows, config).mse == pytest.approx(evaluate(model, val_windows, plain).mse, rel=0.05)


def test_products_are_rounded_in_training_only_and_afterwards_all_is_as_before(splits):
    train_windows, val_windows, _ = splits
    seen = {True: set(), False: set()}

    class Looks(Tiny):
        def forward(self, *inputs):
            seen[self.training].add(torch.get_float32_matmul_precision())
            return super().forward(*inputs)

    model, config = Looks(), TrainConfig(epochs=1, matmul="medium")
    looking = HeldMasks({})
    looking.after_step = lambda loss: evaluate(model, val_windows, config)  # as PALS does in the midst of training
    train(model, train_windows, val_windows, config, seed=1, controller=looking)
    assert seen == {True: {"medium"}, False: {"highest"}}
    assert torch.get_float32_matmul_precision() == "highest"


def test_exact_products_are_no_part_of_a_recipes_identity_and_others_are():
    assert "matmul" not in TrainConfig().model_dump()
    assert TrainConfig(matmul="medium").model_dump() == TrainConfig().model_dump() | {"matmul": "medium"}
    for config in (TrainConfig(), TrainConfig(matmul="medium")):
        assert TrainConfig.model_validate(config.model_dump()) == config


def test_schedules():
    def rates(name):
        return [learning_rate(TrainConfig(schedule=name, learning_rate=1.0, epochs=4), e) for e in (1, 2, 3, 4)]

    assert rates("constant") == [1, 1, 1, 1]
    assert rates("type1") == [1, 1, 0.5, 0.25]
    assert rates("cosine") == pytest.approx([1, 0.853553, 0.5, 0.146447], abs=1e-6)


def test_gradient_clipping_is_off_unless_asked(splits):
    train_windows, val_windows, _ = splits
    moved = {}
    for clip in (None, 1e-9):
        model = Tiny()
        before = weights(model)
        # SGD-like effect is hidden by Adam's scaling, so look at the first moments' size through one tiny clip.
        train(model, train_windows, val_windows, TrainConfig(epochs=1, gradient_clip=clip), seed=1)
        moved[clip] = float((weights(model) - before).norm())
    assert moved[None] > 5 * moved[1e-9]


@pytest.mark.parametrize("kind", ["held", "static", "pals"])
def test_clipping_sees_the_gradients_of_existing_weights_only(splits, monkeypatch, kind):
    train_windows, val_windows, _ = splits
    model, seen = Tiny(), []
    masks = magnitude_masks(model, 0.3, "global")
    steps = -(-len(train_windows) // 32)
    fields = {"density": 0.3} | ({"every": 2, "until": 1.0} if kind == "pals" else {})
    controller = HeldMasks(masks) if kind == "held" else Sparsity(make_method(kind, **fields), steps=steps)

    def clip(parameters, most):
        held = controller.masks_now()
        grads = {name: w.grad for name, w in prunable_weights(model).items()}
        seen.append(all((grads[name][~held[name]] == 0).all() and grads[name].any() for name in held))

    monkeypatch.setattr(nn.utils, "clip_grad_norm_", clip)
    config = TrainConfig(epochs=1, gradient_clip=0.1)
    train(model, train_windows, val_windows, config, seed=1, controller=controller)
    assert seen == [True] * steps


def test_a_controller_holds_the_masks(splits):
    train_windows, val_windows, _ = splits
    model = Tiny()
    masks = magnitude_masks(model, 0.3, "global")
    hold = HeldMasks(masks)
    done = train(model, train_windows, val_windows, TrainConfig(epochs=2), seed=1, controller=hold)
    assert done.status == "ok"
    assert density(model, {n: w != 0 for n, w in prunable_weights(model).items()}).kept == density(model, masks).kept


@pytest.mark.parametrize(
    ("method", "fields", "best"),
    [("static", {}, 1), ("pals", {"until": 1.0}, 1), ("gmp", {"until": 0.7}, 4), ("one_shot", {"at": 0.5}, 3)],
)
def test_the_masks_that_count_are_those_of_the_best_epoch(splits, monkeypatch, method, fields, best):
    """Every epoch is worse than the one before: the first counts, or the first that is as sparse as was asked."""
    train_windows, val_windows, _ = splits
    worse_and_worse = itertools.count(1.0)
    monkeypatch.setattr(training, "evaluate", lambda *_: SimpleNamespace(mse=next(worse_and_worse), mae=0.0))
    steps = 5 * -(-len(train_windows) // 32)
    sparsity = Sparsity(make_method(method, every=1, **fields), steps=steps)
    model, seen = Tiny(), []

    def look(record):
        seen.append(list(sparsity.kept))

    config = TrainConfig(epochs=5, patience=5)
    done = train(model, train_windows, val_windows, config, seed=1, controller=sparsity, on_epoch=look)
    assert done.best_epoch == best and len(seen) == 5
    assert sparsity.kept == seen[best - 1]
    assert all((w[~sparsity.masks_now()[name]] == 0).all() for name, w in prunable_weights(model).items())
    if method != "pals":
        assert sparsity.sparsity() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("method", "name"), [*((method, "Tiny") for method in METHODS), ("pals", "Informer"), ("pals", "DLinear")]
)
def test_an_interrupted_training_goes_on_bit_for_bit(splits, method, name):
    train_windows, val_windows, _ = splits
    fields = {"every": 2} | ({"density": 0.4, "regrown": "keep"} if method == "pals" else {})

    def go(**more):
        torch.manual_seed(0)
        sizes = {"enc_in": 7, "dec_in": 7, "c_out": 7, "seq_len": 12, "label_len": 6, "pred_len": 4, "dropout": 0.1}
        model = Tiny() if name == "Tiny" else small_model(name, **sizes)
        sparsity = Sparsity(make_method(method, **fields), steps=20, seed=3)
        config = TrainConfig(epochs=4, patience=4, schedule="cosine", learning_rate=0.01)
        done = train(model, train_windows, val_windows, config, seed=1, controller=sparsity, **more)
        return model, sparsity, done

    states = []
    model, sparsity, done = go(on_state=lambda state: states.append(copy.deepcopy(state)))
    again, other, finished = go(resume=states[1])
    assert len(states) == 4 and len(states[1]["result"]["history"]) == 2
    assert torch.equal(weights(model), weights(again))
    assert finished.seconds_per_epoch > 0
    finished.seconds_per_epoch = done.seconds_per_epoch
    assert finished == done
    assert other.log == sparsity.log and (len(other.log) > 0) == METHODS[method].updates
    for masks in (Sparsity.masks_now, lambda s: s.state_dict()["generator"]):
        torch.testing.assert_close(masks(sparsity), masks(other), rtol=0, atol=0)


def test_a_finished_training_resumed_is_as_it_ended(splits):
    train_windows, val_windows, _ = splits
    states, config = [], TrainConfig(epochs=2)
    model, again = Tiny(), Tiny()
    done = train(model, train_windows, val_windows, config, seed=1, on_state=states.append)
    finished = train(again, train_windows, val_windows, config, seed=1, resume=states[-1])
    assert torch.equal(weights(model), weights(again)) and finished.history == done.history


def test_cuda_without_a_device_is_a_clear_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto").type == "cpu"
    with pytest.raises(UserError, match="finds no CUDA device"):
        resolve_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_cuda_trains_bit_identically():
    table = load_table("synthetic")
    on_gpu = make_splits(table, seq_len=12, label_len=6, pred_len=4, device="cuda")
    few = torch.arange(0, 150)
    results = []
    for _ in range(2):
        model = Tiny().cuda()
        train(model, on_gpu.train.subset(few), on_gpu.val.subset(few), TrainConfig(epochs=2), seed=3)
        results.append(weights(model))
    assert torch.equal(*results)


def test_scores_over_all_by_window_and_by_column_are_means_of_the_errors(splits):
    model, test = Tiny().eval(), splits[2]
    batch = test.batch(torch.arange(len(test)))
    with torch.no_grad():
        error = model(*batch[:4]).double() - batch.y.double()
    scores = evaluate(model, test, TrainConfig(eval_batch_size=7))
    assert scores.mse == pytest.approx(float(error.square().mean()), rel=1e-6)
    assert scores.mae == pytest.approx(float(error.abs().mean()), rel=1e-6)
    torch.testing.assert_close(scores.window_mse, error.square().mean((1, 2)), rtol=1e-6, atol=0)
    torch.testing.assert_close(scores.column_mse, error.square().mean((0, 1)), rtol=1e-6, atol=0)
    torch.testing.assert_close(scores.column_mae, error.abs().mean((0, 1)), rtol=1e-6, atol=0)
    assert scores.mse == pytest.approx(float(scores.window_mse.mean()), rel=1e-12)


@pytest.mark.parametrize(("asked", "warn_only"), [(False, False), (True, False), (True, True)])
def test_what_was_asked_of_torch_before_a_training_on_a_gpu_holds_after_it(asked, warn_only):
    def now() -> tuple[bool, bool]:
        return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()

    before = now()
    torch.use_deterministic_algorithms(asked, warn_only=warn_only)
    try:
        with training._deterministic(torch.device("cuda")):
            assert now() == (True, True)
        assert now() == (asked, warn_only)
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
