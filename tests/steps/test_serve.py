"""What is timed of a masked model: its layers without their zeros, where they run so, and the same forecasts."""

from types import SimpleNamespace

import pytest
import torch

from tests.deploy.small import tiny
from tsprune.deploy.kernels import DENSE, best
from tsprune.deploy.sparse import sparsify
from tsprune.measure import count_macs
from tsprune.pruners import apply_masks, magnitude_masks
from tsprune.steps import runtimes, serve
from tsprune.study.base.shared import base_steps
from tsprune.study.pruning_sweep.config import PruningSweep

DRAW = torch.Generator().manual_seed(5)
WINDOWS = tuple(torch.randn(4, *shape, generator=DRAW) for shape in ((24, 3), (24, 4), (20, 3), (20, 4)))


def masked():
    model = tiny("iTransformer")
    masks = magnitude_masks(model, density=0.25, scope="layer")
    apply_masks(model, masks)
    return model, masks


@pytest.mark.skipif(best().path == DENSE, reason="no compiler for the kernel here")
def test_a_masked_model_runs_without_its_zeros_and_forecasts_the_same(monkeypatch):
    model, masks = masked()
    monkeypatch.setattr(serve, "sparsify", lambda model, batch: sparsify(model, batch, measured=False))
    threads = torch.get_num_threads()
    (call, given), told = serve._sparsified(model, masks, WINDOWS, threads=1)
    with torch.no_grad():
        torch.testing.assert_close(call(*given), model(*WINDOWS), rtol=1e-5, atol=1e-5)
    one = [window[:1] for window in WINDOWS]
    assert told["layers"] >= 1 and told["macs"] == count_macs(model, one, masks).macs_if_zeros_skipped
    assert told["macs"] < count_macs(model, one).macs_executed and torch.get_num_threads() == threads


def test_times_of_another_kernel_or_release_are_others(smoke, few, monkeypatch):
    trained = base_steps(PruningSweep.parse(smoke | few | {"store": "unused"})).dense[0]
    timed = serve.ServedLatencyStep(of=(serve.ServeStep(of=trained),))
    monkeypatch.setattr(serve, "best", lambda: SimpleNamespace(path="one"))
    monkeypatch.setattr(runtimes, "version_of", lambda package: {"onnxruntime": "1"}[package])
    here = timed.identity()
    assert timed.identity() == here
    monkeypatch.setattr(serve, "best", lambda: SimpleNamespace(path="two"))
    assert timed.identity() != here
    monkeypatch.setattr(serve, "best", lambda: SimpleNamespace(path="one"))
    monkeypatch.setattr(runtimes, "version_of", lambda package: {"onnxruntime": "2"}[package])
    assert timed.identity() != here


def test_one_without_a_layer_that_runs_so_is_not_timed():
    assert serve._sparsified(tiny("iTransformer"), {}, WINDOWS, threads=1) is None
