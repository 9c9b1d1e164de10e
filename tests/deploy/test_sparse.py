"""Masked forecasters without their zeros: the same forecasts, sparse where that is faster, and said where it is not."""

import pickle

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from tests.models.small import example, small_model
from tsprune.deploy import sparse
from tsprune.deploy.kernels import DENSE, Choice, load, paths
from tsprune.deploy.sparse import sparsify
from tsprune.deploy.sparse_layers import (
    SparseAverage,
    SparseConvolution,
    SparseFeedForward,
    SparseLinear,
    sparse_form,
    stored_bytes,
)
from tsprune.errors import UserError
from tsprune.layers.decomposition import MovingAverage
from tsprune.layers.encoder_decoder import FeedForward
from tsprune.models import list_models
from tsprune.pruners import apply_masks, magnitude_masks


@pytest.fixture(autouse=True, scope="module")
def runs():
    """A word where no kernel runs."""
    try:
        load(paths()[0])
    except UserError as error:
        pytest.skip(f"no path of the kernel runs here: {error}")


def masked(name, density=0.3, **changes):
    torch.manual_seed(3)
    model = small_model(name, **changes)
    apply_masks(model, magnitude_masks(model, density=density, scope="layer"))
    return model


@pytest.mark.parametrize("name", list_models(trainable=True))
def test_every_forecaster_forecasts_the_same(name):
    model = masked(name, e_layers=2)
    found = sparsify(model, 3, measured=False)
    assert found.path == Choice(paths()[0]) and found.difference < 1e-5 and found.whole.empty
    assert not any(module.training for module in found.model.modules())
    inputs = example(model, batch=5)
    with torch.inference_mode():
        torch.testing.assert_close(found.model(*inputs), model.eval()(*inputs), atol=1e-5, rtol=0)
    layers = found.layers.set_index("layer")
    assert layers["weights"].sum() == sum(p.numel() for p in model.parameters() if p.dim() >= 2)
    left = {row.runs.split()[-1] for row in layers.itertuples() if row.runs != "sparse"}
    assert left <= {"LSTM", "Conv1d", "TwoStageAttention", "Crossformer"}
    assert not left or name in ("LSTM", "TCN", "Crossformer")


def test_pieces_that_hold_weights_have_their_own_forms():
    informer, autoformer = (sparsify(masked(name, e_layers=2), 2, measured=False).model for name in MODELS)
    assert isinstance(informer.encoder.distilling[0].convolution, SparseConvolution)
    assert isinstance(informer.encoder.layers[0].feed_forward, SparseFeedForward)
    assert isinstance(informer.encoder.layers[0].attention.query, SparseLinear)
    kinds = {type(module).__name__ for module in autoformer.modules()}
    assert {"SparseTokens", "SparseTrend", "SparseFeedForward"} <= kinds and "FeedForward" not in kinds


MODELS = ("Informer", "Autoformer")


@pytest.mark.parametrize("name", ["Autoformer", "FEDformer", "DLinear"])
def test_moving_averages_leave_out_the_zeros_of_their_matrix_wherever_they_are_shared(name):
    model = small_model(name)  # no weight is masked
    found = sparsify(model, 2, measured=False)
    modules = [module for _, module in found.model.named_modules(remove_duplicate=False)]
    before = sum(isinstance(m, MovingAverage) for _, m in model.named_modules(remove_duplicate=False))
    assert sum(isinstance(m, SparseAverage) for m in modules) == before > 0
    assert not any(isinstance(m, MovingAverage) for m in modules)
    inputs = example(model, batch=3)
    with torch.inference_mode():
        torch.testing.assert_close(found.model(*inputs), model.eval()(*inputs), atol=1e-6, rtol=0)
    rows = found.layers.set_index("layer")
    trend = rows[rows["runs"] == "sparse"].iloc[0]
    average = next(m for m in model.modules() if isinstance(m, MovingAverage))
    assert trend["weights"] == 0 and trend["density"] == (average.counts > 0).double().mean().item()
    assert stored_bytes(found.model) == stored_bytes(model)  # a matrix that is made anew is nothing to store


def test_what_has_no_sparse_form_is_left():
    relu, silu = FeedForward(4, 8, 0.0, "relu"), FeedForward(4, 8, 0.0, "gelu")
    silu.activation = nn.SiLU()
    assert sparse_form(relu) is not None and sparse_form(silu) is None
    assert sparse_form(nn.Conv1d(2, 2, 3)) is not None
    for convolution in (nn.Conv1d(2, 2, 3, dilation=2), nn.Conv1d(2, 2, 3, padding=1), nn.Conv1d(2, 2, 3, groups=2)):
        assert sparse_form(convolution) is None
    assert sparse_form(nn.LSTM(2, 2)) is None and sparse_form(nn.LayerNorm(2)) is None


def test_a_dense_model_stays_as_it_is():
    model = small_model("iTransformer")
    found = sparsify(model, 2)
    assert set(found.layers["runs"]) == {"dense: no zeros"} and found.whole.empty and found.difference == 0
    assert str(found).endswith(
        f"kernel: {paths()[0]}; batch 2; 0 of {len(found.layers)} layers run sparse: the model is unchanged"
    )


@pytest.fixture
def times(monkeypatch):
    """Times as told: of each layer 2 ms dense, and what a test says sparse; the whole in half the time."""
    told = {}

    def rounds(variants, batches, repeats, warmup):
        ms = {name: 2.0 if name.startswith(DENSE) else told.get(name.split()[1], 1.0) for name in variants}
        return pd.DataFrame([{"round": r, "variant": n, "ms": v} for r in range(repeats) for n, v in ms.items()])

    def whole(variants, batches, repeats):
        row = {"median_ms": 4.0, "speedup": 1.0, "trouble": None, "threads": 2, "load": "2 cores, nothing else running"}
        faster = row | {"median_ms": 2.0, "speedup": 2.0, "speedup_low": 1.9, "speedup_high": 2.1, "repeats": repeats}
        return pd.DataFrame([row, faster])

    monkeypatch.setattr(sparse, "latency_rounds", rounds)
    monkeypatch.setattr(sparse, "measure_latency", whole)
    return told


def test_a_layer_stays_dense_where_that_is_faster(times):
    times["encoder.layers.0.attention.key"] = 2.5
    found = sparsify(masked("Transformer", e_layers=1), 4)
    runs = found.layers.set_index("layer")["runs"]
    assert runs["encoder.layers.0.attention.key"] == "dense: faster"
    assert set(runs.drop("encoder.layers.0.attention.key")) == {"sparse"}
    attention = found.model.encoder.layers[0].attention
    assert type(attention.key) is nn.Linear and type(attention.query) is SparseLinear
    told = str(found)
    assert f"{len(runs) - 1} of {len(runs)} layers run sparse; 2 threads, 2 cores, nothing else running" in told
    assert "4 ms dense, 2 ms sparse, 2.00 times as fast (95 % interval 1.90 to 2.10, 10 rounds)" in told


def test_no_speed_is_said_where_it_could_not_be_measured(times, monkeypatch):
    trouble = "not measurable here: 2 cores, 1.0 of them busy with other processes"
    whole = sparse.measure_latency
    monkeypatch.setattr(sparse, "measure_latency", lambda *given, **how: whole(*given, **how).assign(trouble=trouble))
    told = str(sparsify(masked("DLinear"), 4))
    assert told.endswith(f"\nwhole model: {trouble}") and "times as fast" not in told


def test_times_are_measured():
    found = sparsify(masked("DLinear"), 2)
    assert (found.layers[["dense_ms", "sparse_ms"]] > 0).all(axis=None)
    assert found.whole.empty or found.whole["variant"].tolist() == ["dense", "sparse"]


def test_without_a_kernel_the_model_stays_and_the_reason_is_said(monkeypatch):
    monkeypatch.setattr(sparse, "best", lambda: Choice(DENSE, "found no C compiler (gcc, cc)"))
    model = masked("DLinear")
    found = sparsify(model, 2)
    assert set(found.layers["runs"]) == {"dense: no kernel"} and type(found.model.trend) is nn.Linear
    assert "kernel: dense (found no C compiler (gcc, cc))" in str(found)


def test_the_model_inside_a_wrapper_is_made_sparse_and_no_other_module():
    model = masked("DLinear")
    for given in (model, nn.DataParallel(model), torch.compile(model)):
        assert (sparsify(given, 2, measured=False).layers["runs"] == "sparse").all()
    with pytest.raises(UserError, match="Linear is not a registered forecaster"):
        sparsify(nn.Linear(2, 2), 2)
    prune.l1_unstructured(model.trend, "weight", 0.5)
    with pytest.raises(UserError, match=r"'trend.weight' is computed from other parameters"):
        sparsify(model, 2)


def test_sparse_layers_are_written_and_read_as_any_module_is():
    found = sparsify(masked("FEDformer"), 2, measured=False).model
    again, inputs = pickle.loads(pickle.dumps(found)), example(found, batch=2)  # noqa: S301 (our own)
    with torch.inference_mode():
        assert torch.equal(again(*inputs), found(*inputs))


def test_bad_input(monkeypatch):
    for given in ({"batch": 0}, {"batch": 1.5}, {"batch": "4"}):
        with pytest.raises(UserError, match=r"batch = (0|1.5|'4'): allowed are whole numbers of 1 or more"):
            sparsify(masked("DLinear"), **given)
    with pytest.raises(
        UserError, match=r"DLinear: the weights are torch.float64; sparse layers need float32: model.float\(\)"
    ):
        sparsify(masked("DLinear").double(), 2)
    monkeypatch.setattr(sparse, "TOLERANCE", -1.0)
    with pytest.raises(UserError, match="DLinear: the sparse layers' forecast differs from the dense one's by"):
        sparsify(masked("DLinear"), 2, measured=False)
