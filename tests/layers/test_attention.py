import pytest
import torch

from tests.models import golden
from tsprune.layers import FullAttention, plain_attention, seed_dropout
from tsprune.layers.attention import FEW_KEYS, DeStationaryAttention, LengthFirstAttention


@pytest.mark.parametrize("causal", [None, 9])
def test_fused_and_plain_agree(causal):
    layer = FullAttention(12, 3, causal_length=causal).double()
    x, source = torch.randn(2, 4, 9, 12, dtype=torch.float64)
    source = x if causal else source
    fused = layer(x, source)
    with plain_attention(layer):
        assert not layer.fused
        torch.testing.assert_close(layer(x, source), fused, atol=1e-12, rtol=0)
    assert layer.fused


@pytest.mark.parametrize("keys", [3, FEW_KEYS, FEW_KEYS + 1])
def test_length_first_gives_the_same_whatever_the_number_of_keys(keys):
    layer = FullAttention(12, 3).double()
    turned = LengthFirstAttention(12, 3).double()
    turned.load_state_dict(layer.state_dict())
    x, source = torch.randn(2, 9, 12, dtype=torch.float64), torch.randn(2, keys, 12, dtype=torch.float64)
    found = turned(x.transpose(0, 1), source.transpose(0, 1)).transpose(0, 1)
    torch.testing.assert_close(found, layer(x, source), atol=1e-12, rtol=0)


def test_causal_attention_sees_no_future():
    layer = FullAttention(8, 2, dropout=0.1, causal_length=6).eval()
    x = torch.randn(2, 6, 8)
    changed = x.clone()
    changed[:, 4:] += 1
    torch.testing.assert_close(layer(changed, changed)[:, :4], layer(x, x)[:, :4])


def test_dropout_acts_on_the_attention_matrix_in_training_only():
    layer = FullAttention(8, 2, dropout=0.5)
    seed_dropout(layer, 0)
    x = torch.randn(64, 6, 8)
    clean = layer.eval()(x, x)
    noisy = torch.stack([layer.train()(x, x) for _ in range(400)])
    assert not torch.equal(noisy[0], clean)
    torch.testing.assert_close(noisy.mean(0), clean, atol=0.15, rtol=0)


def test_plain_attention_restores_after_an_error():
    layer = FullAttention(8, 2)
    with pytest.raises(ZeroDivisionError), plain_attention(layer):
        1 / 0  # noqa: B018
    assert layer.fused


@pytest.mark.parametrize("kind", [FullAttention, LengthFirstAttention])
def test_geometry_is_explicit_and_wrong_widths_are_loud(kind):
    layer = kind(8, 2)
    assert (layer.n_heads, layer.head_dim) == (2, 4)
    layer.query, layer.key, layer.value = (torch.nn.Linear(8, 6) for _ in range(3))
    with pytest.raises(RuntimeError):
        layer(torch.randn(4, 4, 8), torch.randn(4, 4, 8))


DS_TENSORS, DS_META = golden.load("block_ds_attention.safetensors")


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("number", DS_META["cases"])
def test_reference_de_stationary_attention(number, plain):
    case, arguments = golden.part(DS_TENSORS, number), DS_META["cases"][number]
    q, k = case["input/queries"], case["input/keys"]
    heads, width = q.shape[2], q.shape[2] * q.shape[3]
    layer = DeStationaryAttention(width, heads, causal_length=q.shape[1] if arguments["mask_flag"] else None)
    layer.fused = not plain
    for projection in (layer.query, layer.key, layer.value, layer.out):
        torch.nn.init.eye_(projection.weight)
        torch.nn.init.zeros_(projection.bias)
    layer.key, layer.value = torch.nn.Identity(), torch.nn.Identity()
    layer.mix, mix = (lambda q, k, v, bias: mix(q, k.flatten(2), case["input/values"].flatten(2), bias)), layer.mix
    tau = case.get("input/tau", torch.ones(q.shape[0], 1))
    y = layer(q.flatten(2), k, tau, case.get("input/delta"))
    torch.testing.assert_close(y, case["output/V"].flatten(2), atol=1e-5, rtol=0)
