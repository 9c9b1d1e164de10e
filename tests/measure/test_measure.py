"""Counts checked by hand, a memory peak that is seen, a stamp that says where and with what."""

import torch
from torch import nn

import tsprune
from tsprune.measure import PeakMemory, count_parameters, environment, versions


def test_parameters_count_tied_tensors_once():
    model = nn.ModuleList([nn.Linear(3, 5), nn.Linear(3, 5, bias=False)])
    assert count_parameters(model) == 15 + 5 + 15
    model[1].weight = model[0].weight
    assert count_parameters(model) == 20


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


def test_stamp():
    stamp = environment()
    assert stamp["torch"].startswith("2.13.0")
    assert stamp["tsprune"] == tsprune.__version__
    assert stamp["processor"]
    assert stamp["date"].endswith("UTC")
    assert set(versions()) <= set(stamp)
