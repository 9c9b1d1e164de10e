"""Memory peaks of a process that are seen, and the room of a GPU."""

import resource
import sys
from types import SimpleNamespace

import pytest
import torch

from tsprune.measure import PeakMemory, memory, out_of_memory, places_on_gpu

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
    assert after.mib < big.mib - 30 or not memory._CLEAR.exists()


@on_linux
def test_memory_freed_before_does_not_hide_what_is_taken():
    blocks = [torch.ones(20 * MIB) for _ in range(10)]  # small enough for the allocator to keep
    del blocks
    with PeakMemory() as idle:
        pass
    with PeakMemory() as work:
        torch.ones(60 * MIB)
    assert work.mib == pytest.approx(idle.mib + 60, abs=5)


def test_where_the_mark_cannot_be_reset_it_is_that_since_the_process_began(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_CLEAR", tmp_path / "no such file")
    with PeakMemory() as peak:
        pass
    assert peak.mib == resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 2**10
    )


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
