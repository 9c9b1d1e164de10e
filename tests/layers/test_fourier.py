import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models import golden
from tsprune.layers.fourier import (
    FourierBlock,
    FourierCrossBlock,
    FourierLayer,
    forward_matrix,
    inverse_matrix,
    select_modes,
)
from tsprune.models.fedformer import modes_first

TENSORS, META = golden.load("block_fourier_block.safetensors")
CROSS_TENSORS, CROSS_META = golden.load("block_fourier_cross_attention.safetensors")


def load_weights(block, case):
    block.weights.real.data = modes_first(case["weight/weights1"])
    block.weights.imag.data = modes_first(case["weight/weights2"])


@pytest.mark.parametrize("number", META["cases"])
def test_reference_block(number):
    case, arguments = golden.part(TENSORS, number), META["cases"][number]
    heads, dim = case["input/q"].shape[2:]
    block = FourierBlock(heads, dim, arguments["L"], case["random/modes"].tolist())
    load_weights(block, case)
    torch.testing.assert_close(block(case["input/q"].flatten(2)), case["output/y"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("number", CROSS_META["cases"])
def test_reference_cross_block(number):
    case, arguments = golden.part(CROSS_TENSORS, number), CROSS_META["cases"][number]
    heads, dim = case["input/q"].shape[2:]
    lengths = (arguments["L"], arguments["S"])
    modes = (case["random/modes_q"].tolist(), case["random/modes_kv"].tolist())
    block = FourierCrossBlock(heads, dim, *lengths, *modes, arguments["activation"])
    load_weights(block, case)
    q, k = case["input/q"].flatten(2), case["input/k"].flatten(2)
    torch.testing.assert_close(block(q, k), case["output/y"], atol=1e-5, rtol=0)


@given(length=st.integers(1, 40), data=st.data())
@settings(max_examples=40, deadline=None)
def test_matrices_are_the_transform(length, data):
    every = list(range(length // 2 + 1))
    modes = data.draw(st.lists(st.sampled_from(every), unique=True, min_size=1).map(sorted))
    x = torch.randn(length, dtype=torch.float64)
    spectrum = torch.fft.rfft(x)[modes]
    torch.testing.assert_close(forward_matrix(modes, length) @ x, torch.cat([spectrum.real, spectrum.imag]))
    full = torch.zeros(length // 2 + 1, dtype=torch.complex128)
    full[modes] = torch.randn(len(modes), dtype=torch.complex128)
    parts = torch.cat([full[modes].real, full[modes].imag])
    torch.testing.assert_close(parts @ inverse_matrix(modes, length), torch.fft.irfft(full, n=length))


def test_modes_beyond_the_spectrum_are_skipped():
    assert not forward_matrix([3, 9], 10)[[1, 3]].any()
    assert not inverse_matrix([3, 9], 10)[[1, 3]].any()


def test_exact_bins_keep_the_frequency():
    modes, length = [2, 5], 24
    time = torch.arange(length, dtype=torch.float64)
    wave = torch.cos(2 * torch.pi * 5 * time / length).view(1, -1, 1)
    for exact, expected in ((True, 5), (False, 1)):
        block = FourierBlock(1, 1, length, modes, exact_bins=exact).double()
        spectrum = torch.fft.rfft(block(wave)[0, 0, 0]).abs()
        assert spectrum.argmax() == expected


def test_selection():
    generator = torch.Generator().manual_seed(0)
    assert select_modes(20, 4, "low", generator) == [0, 1, 2, 3]
    drawn = select_modes(20, 4, "random", generator)
    assert drawn == sorted(set(drawn)) and len(drawn) == 4 and max(drawn) < 10
    assert select_modes(20, 64, "random", generator) == list(range(10))


def test_heads_are_put_back_when_asked():
    block = FourierBlock(2, 3, 8, [0, 1])
    x = torch.randn(2, 8, 6)
    published, paper = (FourierLayer(6, 2, uses_keys=False, transpose_heads=t) for t in (False, True))
    paper.load_state_dict(published.state_dict())
    mixed = block(published.query(x))
    torch.testing.assert_close(published(x, x, block), published.out(mixed.reshape(2, 8, 6)))
    torch.testing.assert_close(paper(x, x, block), paper.out(mixed.flatten(1, 2).transpose(1, 2)))
