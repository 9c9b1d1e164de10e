"""On a GPU: forecasts are the CPU's, trainings repeat bit for bit, every score, pruner and method works there, what was
trained there is saved and read where there is none, graphs forecast as their models do, and steps share the memory."""

import copy
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import profiles
import pytest
import torch
from helpers import FakeStep, Recorder

from tests.models.small import example, small_model
from tsprune.cudnn import whole_float32
from tsprune.data import load_table, make_splits
from tsprune.deploy.cuda import Graphed, pack_two_of_four
from tsprune.deploy.sparse_layers import stored_bytes
from tsprune.engine.executors import local_processes
from tsprune.engine.grid import run_grid
from tsprune.engine.store import Store
from tsprune.layers import seed_dropout
from tsprune.measure import live_parameters, places_on_gpu, share_gpu
from tsprune.models import list_models, load_checkpoint, save_checkpoint
from tsprune.models.base import model_class
from tsprune.pruners import apply_masks, depgraph_paper, list_scores, nm_masks, score_weights, select, structured_prune
from tsprune.pruners.dynamic import Sparsity
from tsprune.pruners.methods import METHODS, make_method
from tsprune.pruners.ranking import largest, largest_anywhere
from tsprune.steps.runtimes import ON
from tsprune.study.inference import figures, tables, words
from tsprune.study.inference.cells import InferenceCells
from tsprune.study.inference.config import Inference
from tsprune.training import TrainConfig, evaluate, train

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")

TRAINABLE = list_models(trainable=True)

NARROW = [name for name in TRAINABLE if small_model(name).axes()]


def on_gpu(name, **changes):
    torch.manual_seed(0)
    model = small_model(name, **changes).eval()
    return model.cuda(), [x.cuda() for x in example(model)]


@pytest.mark.parametrize("name", list_models())
def test_a_forecast_is_that_of_the_cpu(name):
    model, inputs = on_gpu(name)
    with torch.no_grad(), whole_float32():
        there = model(*inputs).cpu()
        here = model.cpu()(*[x.cpu() for x in inputs])
    torch.testing.assert_close(there, here, rtol=1e-4, atol=1e-5)


def trained(name, config, sparsity=None):
    """A small model after a training of a few batches, full ones and others; what it came to, and its parameters."""
    table = load_table("synthetic")
    splits = make_splits(table, seq_len=24, label_len=12, pred_len=18, device="cuda")
    few = torch.arange(0, 300)
    torch.manual_seed(0)
    model = small_model(name, enc_in=table.width, dec_in=table.width, c_out=table.width, dropout=0.1).cuda()
    controller = sparsity(model, splits) if sparsity else None
    done = train(model, splits.train.subset(few), splits.val.subset(few), config, seed=3, controller=controller)
    assert done.status == "ok" and done.epochs_run == config.epochs
    return done.history, torch.cat([value.detach().flatten().double() for value in model.state_dict().values()])


def operator_by_operator(monkeypatch):
    monkeypatch.setattr("tsprune.captured._BEFORE", 10**6)


@pytest.mark.filterwarnings("error:.*no CUDA graph")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", TRAINABLE)
def test_a_training_repeats_bit_for_bit_and_is_that_of_one_operator_after_the_other(name, precision, monkeypatch):
    config = TrainConfig(epochs=2, precision=precision)
    (history, end), (again, same) = trained(name, config), trained(name, config)
    assert history == again and torch.equal(end, same)
    operator_by_operator(monkeypatch)
    history, same = trained(name, config)
    assert history == again and torch.equal(end, same)


@pytest.mark.parametrize("method", METHODS)
def test_a_sparse_training_is_that_of_one_operator_after_the_other(method, monkeypatch):
    def sparsity(model, splits):
        signal = partial(looked_at, model, splits.val.subset(torch.arange(40)))
        return Sparsity(make_method(method, every=4, until=0.7), steps=20, seed=3, signal=signal)

    config = TrainConfig(epochs=2, gradient_clip=1.0)
    history, end = trained("Transformer", config, sparsity)
    operator_by_operator(monkeypatch)
    again, same = trained("Transformer", config, sparsity)
    assert history == again and torch.equal(end, same)


def looked_at(model, windows):
    return evaluate(model, windows, TrainConfig()).mse


def test_a_model_that_looks_at_a_value_is_trained_operator_by_operator(monkeypatch):
    forecast = model_class("DLinear").forecast

    def looks(self, x, *rest):
        return forecast(self, x * float(x.abs().max() > 0), *rest)

    config = TrainConfig(epochs=2)
    history, end = trained("DLinear", config)
    monkeypatch.setattr(model_class("DLinear"), "forecast", looks)
    with pytest.warns(UserWarning, match="DLinear: no CUDA graph .*trained operator by operator"):
        again, same = trained("DLinear", config)
    assert history == again and torch.equal(end, same)


@pytest.mark.parametrize("score", list_scores())
@pytest.mark.parametrize("name", TRAINABLE)
def test_scores_rank_as_many_weights_as_asked(score, name):
    model, inputs = on_gpu(name)
    scores = score_weights(score, model, [(inputs, torch.ones_like(model(*inputs)).detach())], seed=3).scores
    total = sum(s.numel() for s in scores.values())
    for scope in ("layer", "global"):
        assert sum(int(m.sum()) for m in select(scores, 0.5, scope).values()) == round(0.5 * total)
    assert {m.device.type for m in nm_masks(model, scores=scores).masks.values()} <= {"cuda"}


@pytest.mark.parametrize("name", NARROW)
def test_widths_are_narrowed_to_the_target_of_the_cpu(name):
    torch.manual_seed(0)
    model = small_model(name, d_model=32, d_ff=64)
    inputs = example(model)
    here = structured_prune(copy.deepcopy(model), inputs, 0.41)
    there = structured_prune(model.cuda(), [x.cuda() for x in inputs], 0.41)
    assert there.achieved == here.achieved
    assert {p.device.type for p in there.model.parameters()} == {"cuda"}


@pytest.mark.parametrize("count", [0, 1, 5_000, 150_000, 199_999, 200_000])
def test_the_largest_are_those_of_the_cpu_ties_included(count):
    scores = [torch.randn(200_000).mul(100).round().div(100), torch.randn(300, 700)]
    here = [*largest(scores, [count, count]), *largest_anywhere(scores, count + len(scores), one_each=True)]
    scores = [score.cuda() for score in scores]
    there = [*largest(scores, [count, count]), *largest_anywhere(scores, count + len(scores), one_each=True)]
    assert all(torch.equal(own.cpu(), other) for own, other in zip(there, here, strict=True))


def test_torch_pruning_takes_there_what_it_takes_on_the_cpu():
    torch.manual_seed(0)
    model = small_model("Transformer", d_model=32, d_ff=64)
    inputs = example(model)
    here = depgraph_paper(copy.deepcopy(model), inputs, 0.8)
    assert depgraph_paper(model.cuda(), [x.cuda() for x in inputs], 0.8).achieved == here.achieved < 0.8


@pytest.mark.parametrize("method", METHODS)
def test_a_method_of_sparse_training_ends_where_it_should(method):
    model, inputs = on_gpu("Transformer")
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    sparsity = Sparsity(make_method(method, every=2, until=0.7), steps=6, seed=3)
    sparsity.attach(model, optimizer)
    for _ in range(6):
        loss = (model(*inputs) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        sparsity.after_step(loss.detach())
    assert sparsity.kept == [int(mask.sum()) for mask in sparsity.masks]
    assert all((weight[~mask] == 0).all() for weight, mask in zip(sparsity.weights, sparsity.masks, strict=True))


@pytest.mark.parametrize("name", TRAINABLE)
def test_a_checkpoint_of_the_gpu_is_read_without_it(name, tmp_path):
    model, inputs = on_gpu(name)
    save_checkpoint(tmp_path / "model.safetensors", model)
    again, _ = load_checkpoint(tmp_path / "model.safetensors")
    assert {p.device.type for p in again.parameters()} == {"cpu"}
    with torch.no_grad(), whole_float32():
        torch.testing.assert_close(again.eval()(*[x.cpu() for x in inputs]), model(*inputs).cpu(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TRAINABLE)
def test_parameters_that_matter_are_those_of_the_cpu(name):
    model, inputs = on_gpu(name)
    there = live_parameters(model, inputs)
    here = live_parameters(copy.deepcopy(model).cpu(), [x.cpu() for x in inputs])
    assert {n: int(mask.sum()) for n, mask in there.masks.items()} == {n: int(m.sum()) for n, m in here.masks.items()}
    seed_dropout(model, 1, "cuda")
    assert live_parameters(model, inputs).live == there.live


@pytest.mark.parametrize("name", TRAINABLE)
def test_a_graph_forecasts_as_its_model_does_at_every_batch_size(name):
    model, inputs = on_gpu(name)
    graph = Graphed(model)
    with torch.inference_mode(), whole_float32():
        for size in (1, 2, 1):
            few = [None if x is None else x[:size] + size for x in inputs]
            torch.testing.assert_close(graph(*few), model(*few), rtol=1e-5, atol=1e-6)


def test_a_graph_that_was_captured_in_inference_mode_is_called_outside_of_it():
    model, inputs = on_gpu("Transformer")
    graph = Graphed(model)
    with torch.inference_mode():
        before = graph(*inputs).clone()
    with torch.no_grad():
        torch.testing.assert_close(graph(*inputs), before)


def test_two_weights_of_four_forecast_as_their_zeros_and_take_less():
    model, inputs = on_gpu("Transformer", d_model=64, d_ff=128)
    apply_masks(model, nm_masks(model).masks)
    half = copy.deepcopy(model).to(torch.bfloat16)
    before = stored_bytes(half)
    assert pack_two_of_four(half) and stored_bytes(half) < 0.8 * before
    with torch.inference_mode(), whole_float32():
        packed = Graphed(half, torch.bfloat16)(*inputs).float()
        torch.testing.assert_close(packed, model(*inputs), rtol=0.1, atol=0.1)


def test_the_study_of_speed_times_every_form_in_what_a_gpu_has(tmp_path):
    given = profiles.parameters("smoke", "06_inference") | {"store": str(tmp_path), "jobs": 1, "device": "cuda"}
    given |= {
        "models": ["Transformer"],
        "d_model": 64,
        "d_ff": 128,
        "width_shares": [0.5],
        "runtimes": list(ON["cuda"]),
    }
    cells = InferenceCells(Inference.parse(given))
    result = cells.run(make_executor=lambda: ThreadPoolExecutor(1))
    assert result.failures == 0 and result.speeds["reason"].isna().all()
    assert set(result.speeds["device"]) == {"cuda"} and set(result.speeds["runtime"]) == {"PyTorch", *ON["cuda"]}
    assert result.speeds.loc[result.speeds["runtime"] == "CUDA graph", "difference"].max() < 1e-5
    assert "On a GPU (" in words.verdict(result.speeds) and torch.cuda.get_device_name() in result.size
    assert tables.speeds(result.speeds) and tables.promise(result.speeds) and figures.first(result.speeds)


def test_a_process_that_loses_the_gpu_ends_and_its_step_runs_again(tmp_path):
    log = tmp_path / "log"
    log.touch()
    steps = [FakeStep(name=f"{act}{i}", log=str(log), act=act) for i, act in enumerate(["gpu-fault-once", "on-gpu"])]
    rows = run_grid(steps, Store(tmp_path), make_executor=local_processes(1), jobs=1, progress=Recorder(1))
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert log.read_text().split().count("gpu-fault-once0") == 2


def test_a_step_at_the_papers_size_has_room_in_its_place_and_gives_it_back():
    assert places_on_gpu() == max(1, torch.cuda.get_device_properties(0).total_memory // 2**33)
    with local_processes(1)() as worker:  # a process of its own: what others leave behind is none of it
        most, left = worker.submit(memory_of_a_training).result()
    assert most < 2**33 and left <= 2**28  # the workspaces of cuBLAS stay


def memory_of_a_training():
    """Bytes held at most, and afterwards: of a training of which a graph was captured."""
    table = load_table("synthetic")
    splits = make_splits(table, seq_len=96, label_len=48, pred_len=96, device="cuda")
    size = {"d_model": 512, "d_ff": 2048, "n_heads": 8, "e_layers": 2, "seq_len": 96, "label_len": 48, "pred_len": 96}
    model = small_model("FEDformer", enc_in=table.width, dec_in=table.width, c_out=table.width, **size).cuda()
    config = TrainConfig(epochs=1, eval_batch_size=256)
    train(model, splits.train.subset(torch.arange(320)), splits.val, config, seed=1)
    del model, splits
    most = torch.cuda.max_memory_reserved()
    share_gpu()
    return most, torch.cuda.memory_reserved()
