import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models import golden
from tsprune.layers import AutoCorrelation
from tsprune.layers.autocorrelation import circulant, circular_diagonal_sums

TENSORS, META = golden.load("block_autocorrelation.safetensors")


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("number", META["cases"])
def test_reference_block(number, exact, training):
    case, arguments = golden.part(TENSORS, number), META["cases"][number]
    mode = "train" if training else "eval"
    expected = case.get(f"output/{mode}_irfft_n_equals_L" if exact else f"output/{mode}", case[f"output/{mode}"])
    heads, width = arguments["H"], arguments["H"] * arguments["E"]
    layer = AutoCorrelation(width, heads, arguments["L"], arguments["factor"], exact_odd_lags=exact).train(training)
    q, k, v = (case[f"input/{name}"].flatten(2) for name in ("queries", "keys", "values"))
    assert layer.top_k == arguments["top_k"]
    torch.testing.assert_close(layer.mix(q, k, v), expected.flatten(2), atol=1e-5, rtol=0)


@given(length=st.integers(1, 12), batch=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_shifted_rows_are_circular_diagonals(length, batch):
    x = torch.randn(batch, length, length, dtype=torch.float64)
    w = torch.randn(batch, length, dtype=torch.float64)
    sums = [sum(x[:, t, (t + tau) % length] for t in range(length)) for tau in range(length)]
    torch.testing.assert_close(circular_diagonal_sums(x), torch.stack(sums, dim=1))
    # The two are transposes of each other: <x, circulant(w)> = <diagonal sums of x, w>.
    torch.testing.assert_close((circulant(w) * x).sum((1, 2)), (circular_diagonal_sums(x) * w).sum(1))


def test_finds_the_period():
    time = torch.arange(48.0)
    x = torch.sin(2 * torch.pi * time / 12).view(1, -1, 1).repeat(1, 1, 4)
    layer = AutoCorrelation(4, 2, 48, factor=1).eval()
    weights = layer.delay_matrix(x, x)[0, 0]
    assert set(weights.nonzero().flatten().tolist()) <= {0, 12, 24, 36}


def test_training_shares_delays_and_evaluation_does_not():
    layer = AutoCorrelation(8, 2, 24, factor=1)
    q, k = torch.randn(2, 5, 24, 8)
    shared = layer.train().delay_matrix(q, k)[:, 0] > 0
    assert (shared == shared[0]).all()
    layer.eval()
    torch.testing.assert_close(layer.delay_matrix(q[:1], k[:1]), layer.delay_matrix(q, k)[:1])


@pytest.mark.parametrize("length", [1, 2, 3])
def test_tiny_lengths_have_at_least_one_delay(length):
    x = torch.randn(2, length, 4)
    assert AutoCorrelation(4, 2, length, factor=30).mix(x, x, x).isfinite().all()
