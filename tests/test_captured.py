"""Trainings whose passes are replayed from a CUDA graph are those of one operator after the other. There is no GPU here
(tests/test_cuda.py has what needs one): a graph is played by a stand-in that computes the same passes again, from the
same memory into the same memory, and takes its random numbers only when it is replayed, as CUDA does."""

import gc
import weakref
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch

from tests.models.small import small_model
from tsprune import captured
from tsprune.captured import Captured
from tsprune.data import load_table, make_splits
from tsprune.pruners.dynamic import Sparsity
from tsprune.pruners.methods import make_method
from tsprune.training import TrainConfig, _Training, train

FULL = 10  # of the windows below, of 32 each; then one of 12


class StandIn:
    """Of torch.cuda.CUDAGraph."""

    def __init__(self):
        self.replays = 0

    def plays(self, holder, places, samples, loss, gradients):
        self.given = weakref.ref(holder), places, samples, loss, gradients

    def replay(self):
        self.replays += 1
        holder, places, samples, loss, gradients = self.given
        holder = holder()
        with holder._samples_at_hand() as instead, torch.enable_grad():
            for (module, _), (_, sample) in zip(instead, samples, strict=True):
                module.sample = sample
            again = holder.loss(places)
            used = [p for p, at in zip(holder.parameters, gradients, strict=True) if at is not None]
            found = torch.autograd.grad(again, used)
        loss.copy_(again.detach())
        for place, new in zip((at for at in gradients if at is not None), found, strict=True):
            place.copy_(new)


@pytest.fixture
def cuda(monkeypatch):
    """CUDA's part in :mod:`tsprune.captured`, played on the CPU; the graphs that were made."""
    graphs = []
    capture = Captured._capture

    @contextmanager
    def recording(graph, capture_error_mode):
        assert capture_error_mode == "thread_local"
        sources, buffers = captured.generators(graph.model()), list(graph.model().buffers())
        states, values = [source.get_state() for source in sources], [buffer.clone() for buffer in buffers]
        try:
            yield
        finally:  # what is captured is not computed yet
            for source, state in zip(sources, states, strict=True):
                source.set_state(state)
            for buffer, value in zip(buffers, values, strict=True):
                buffer.copy_(value)

    def captures(self, batch):
        monkeypatch.setattr(StandIn, "model", weakref.ref(self.model), raising=False)
        found = capture(self, batch)
        if found is not None:
            found.graph.plays(self, type(batch)(*found.places), found.samples, found.loss, found.gradients)
            graphs.append(found.graph)
        return found

    stream = SimpleNamespace(wait_stream=lambda other: None)
    for name, fake in {
        "Stream": lambda: stream,
        "current_stream": lambda: stream,
        "set_stream": lambda to: None,
        "stream": lambda to: nullcontext(),
        "CUDAGraph": StandIn,
        "graph": recording,
    }.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    monkeypatch.setattr(Captured, "_capture", captures)
    monkeypatch.setattr(_Training, "replays_on", frozenset({"cpu"}))
    return graphs


def trained(name, config=None, method=None):
    """What a small training came to, and everything that its model holds."""
    table = load_table("synthetic")
    splits = make_splits(table, seq_len=24, label_len=12, pred_len=18)
    torch.manual_seed(0)
    model = small_model(name, enc_in=table.width, dec_in=table.width, c_out=table.width, dropout=0.1)
    controller = Sparsity(make_method(method, every=4, until=0.7), steps=2 * FULL + 2, seed=3) if method else None
    windows, config = splits.train.subset(torch.arange(32 * FULL + 12)), config or TrainConfig(epochs=2)
    done = train(model, windows, splits.val.subset(torch.arange(40)), config, seed=3, controller=controller)
    assert done.status == "ok"
    return done.history, torch.cat([value.flatten().double() for value in model.state_dict().values()])


def alike(one, other):
    assert one[0] == other[0] and torch.equal(one[1], other[1])


@pytest.mark.parametrize("name", ["Transformer", "Informer", "PatchTST", "LSTM"])
def test_a_training_is_that_of_one_operator_after_the_other(name, request):
    plain = trained(name)
    graphs = request.getfixturevalue("cuda")
    alike(trained(name), plain)
    assert [graph.replays for graph in graphs] == [2 * FULL - captured._BEFORE]


@pytest.mark.parametrize("method", ["pals", "rigl", "gmp"])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_a_sparse_training_too_whatever_its_method_does_with_gradients(method, clip, request):
    config = TrainConfig(epochs=2, gradient_clip=clip)
    plain = trained("Transformer", config, method)
    graphs = request.getfixturevalue("cuda")
    alike(trained("Transformer", config, method), plain)
    assert len(graphs) == 1


def test_what_cannot_be_captured_is_trained_operator_by_operator_and_says_so(cuda, monkeypatch):
    @contextmanager
    def refused(graph, capture_error_mode):
        yield
        raise RuntimeError("operation not permitted when stream is capturing\nand more")

    plain = trained("DLinear")
    monkeypatch.setattr(torch.cuda, "graph", refused)
    told = r"DLinear: no CUDA graph \(operation not permitted when stream is capturing\); trained operator by operator"
    with pytest.warns(UserWarning, match=told) as warned:
        alike(trained("DLinear"), plain)
    assert len(warned) == 1


def test_informer_samples_keys_anew_at_every_replay(cuda):
    seen = []
    attention = next(m for m in small_model("Informer").modules() if isinstance(m, captured.ProbSparseAttention))
    draw = type(attention).draw

    def noted(self):
        seen.append(draw(self))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(attention), "draw", noted)
        trained("Informer")
    assert len({tuple(sample.flatten().tolist()) for sample in seen}) > 0.9 * len(seen) > 2 * FULL


def test_a_training_that_is_over_holds_no_memory(cuda):
    table = load_table("synthetic")
    splits = make_splits(table, seq_len=24, label_len=12, pred_len=18)
    model = small_model("DLinear", enc_in=table.width, dec_in=table.width, c_out=table.width)
    gc.disable()
    try:
        train(model, splits.train.subset(torch.arange(320)), splits.val, TrainConfig(epochs=1), seed=1)
        held = weakref.ref(model)
        del model
        assert held() is None
    finally:
        gc.enable()
