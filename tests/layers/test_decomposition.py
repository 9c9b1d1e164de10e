import pytest
import torch
from torch.nn import functional as F

from tests.models import golden
from tsprune.layers.decomposition import MovingAverage, SeasonalNorm, TrendProjection, decoder_start
from tsprune.models.reference import taps_out


def test_reference_decomposition():
    tensors, meta = golden.load("block_series_decomp.safetensors")
    for number, arguments in meta["cases"].items():
        case = golden.part(tensors, number)
        x = case["input/x"]
        trend = MovingAverage(x.shape[1], arguments["kernel"])(x)
        torch.testing.assert_close(trend, case["output/trend"], atol=1e-5, rtol=0)
        torch.testing.assert_close(x - trend, case["output/seasonal"], atol=1e-5, rtol=0)


def test_reference_seasonal_norm():
    tensors, _ = golden.load("block_my_layernorm.safetensors")
    norm = SeasonalNorm(tensors["input/x"].shape[-1])
    norm.norm.load_state_dict({name: tensors[f"weight/layernorm.{name}"] for name in ("weight", "bias")})
    torch.testing.assert_close(norm(tensors["input/x"]), tensors["output/y"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("kernel", [2, 5, 24])
def test_an_even_average_has_one_value_more_in_front(kernel):
    x = torch.randn(2, 30, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    front, back = x[:, :1].repeat(1, kernel // 2, 1), x[:, -1:].repeat(1, (kernel - 1) // 2, 1)
    padded = torch.cat([front, x, back], 1).transpose(1, 2)
    by_pooling = F.avg_pool1d(padded, kernel, stride=1).transpose(1, 2)
    torch.testing.assert_close(MovingAverage(30, kernel).double()(x), by_pooling, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("length", "kernel"), [(1, 25), (5, 1), (10, 25), (30, 7)])
def test_average_of_a_constant_is_the_constant(length, kernel):
    x = torch.full((2, length, 3), 1.7, dtype=torch.float64)
    torch.testing.assert_close(MovingAverage(length, kernel).double()(x), x, atol=1e-14, rtol=0)


@pytest.mark.parametrize("length", [1, 2, 9])
def test_trend_projection_is_a_circular_convolution(length):
    layer = TrendProjection(6, 4)
    kernel = torch.randn(4, 6, 3)
    layer.weight.data = taps_out(kernel)
    x = torch.randn(2, length, 6)
    padded = torch.cat([x[:, -1:], x, x[:, :1]], dim=1)
    torch.testing.assert_close(layer(x), F.conv1d(padded.transpose(1, 2), kernel).transpose(1, 2))
    assert TrendProjection(300, 7).weight.abs().max().item() == pytest.approx((3 * 300) ** -0.5, rel=0.01)


@pytest.mark.parametrize("label_len", [0, 3, 8])
def test_decoder_start(label_len):
    x = torch.randn(2, 8, 3)
    season, trend = decoder_start(x, x / 2, label_len, pred_len=5)
    assert season.shape == trend.shape == (2, label_len + 5, 3)
    torch.testing.assert_close((season + trend)[:, :label_len], x[:, 8 - label_len :])
    assert not season[:, label_len:].any()
    torch.testing.assert_close(trend[:, label_len:], x.mean(1, keepdim=True).expand(-1, 5, -1))
