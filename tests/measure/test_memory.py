"""Memory peaks that are seen, of a process, a forward pass and a training step."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from tests.models.small import example, small_model
from tsprune.measure import PeakMemory, forward_memory, memory, out_of_memory, places_on_gpu, training_memory

MIB = 2**20 // 4  # float32 elements in a MiB

on_linux = pytest.mark.skipif(not memory._CLEAR.exists(), reason="the high-water mark can be reset on Linux only")


def test_peak_memory_sees_an_allocation_and_starts_anew():
    with PeakMemory() as small:
        pass
    with PeakMemory() as big:
        block = torch.ones(64 * 2**20, dtype=torch.uint8)
        del block
    with PeakMemory() as after:
        pass
    assert big.mib > small.mib + 50
    assert after.mib < big.mib - 30 or "since its start" in after.what


@on_linux
def test_memory_freed_before_does_not_hide_what_is_taken():
    blocks = [torch.ones(20 * MIB) for _ in range(10)]  # small enough for the allocator to keep
    del blocks
    with PeakMemory() as idle:
        pass
    with PeakMemory() as work:
        torch.ones(60 * MIB)
    assert work.mib == pytest.approx(idle.mib + 60, abs=5)


class Block(nn.Module):
    """16 MiB of weights; takes and gives back 64 MiB, returns 32 MiB."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(16 * MIB))
        self.register_buffer("again", self.weight.detach())  # shares the memory: counts once

    def forward(self, x):
        big = x.new_ones(64 * MIB)
        return x.new_ones(32 * MIB).mul_(big[0] * self.weight[0])


@on_linux
def test_forward_pass_by_hand():
    model, inputs = Block(), (torch.ones(8 * MIB), None)
    state = torch.get_rng_state()
    assert forward_memory(model.train(), inputs[:1]) == pytest.approx(16 + 8 + 64 + 32, abs=8)
    assert model.training and torch.equal(state, torch.get_rng_state())


@on_linux
def test_training_step_by_hand():
    model = nn.Linear(2048, 2048, bias=False)  # 16 MiB
    before = model.weight.detach().clone()
    # Weights, two moments, the gradient; forecasts are small.
    assert training_memory(model, (torch.randn(4, 2048),)) == pytest.approx(4 * 16, abs=8)
    assert torch.equal(model.weight, before) and model.weight.grad is None


@on_linux
@pytest.mark.parametrize("name", ["Transformer", "LSTM", "DLinear"])
def test_a_training_step_needs_more_than_a_forecast(name):
    model = small_model(name, d_model=64, d_ff=128, dropout=0.1)
    inputs, state = example(model, 64), torch.get_rng_state()
    held = sum(t.nbytes for t in [*model.parameters(), *inputs]) / 2**20
    assert held < forward_memory(model, inputs) < training_memory(model, inputs) + 1
    assert torch.equal(state, torch.get_rng_state()) and model.training


def test_unknown_where_the_mark_cannot_be_reset(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_CLEAR", tmp_path / "no such file")
    assert torch.tensor(forward_memory(nn.Linear(2, 2), (torch.ones(1, 2),))).isnan()


def test_a_gpu_has_room_for_a_step_per_eight_gib_and_one_at_least(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for gib, places in ((80, 10), (79.2, 9), (6, 1)):
        found = SimpleNamespace(total_memory=int(gib * 2**30))
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _, found=found: found)
        assert places_on_gpu() == places


def test_memory_that_ran_out_is_told_from_other_errors_of_a_gpu():
    assert out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert out_of_memory(torch.AcceleratorError("CUDA error: out of memory"))
    assert not out_of_memory(torch.AcceleratorError("CUDA error: unknown error"))
    assert not out_of_memory(RuntimeError("a word on out of memory"))
