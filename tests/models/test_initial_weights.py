"""Initial weights follow the distributions of the reference."""

import pytest
import torch

from tsprune.models import create_model


@pytest.mark.parametrize("name", ["Transformer", "Autoformer"])
def test_encoder_decoder(name):
    torch.manual_seed(0)
    model = create_model(name, d_model=256, n_heads=8, d_ff=512)
    assert model.enc_embedding.value.weight.std().item() == pytest.approx((2 / 21) ** 0.5, rel=0.03)
    for layer, fan_in in (
        (model.encoder.layers[0].feed_forward.down, 512),
        (model.encoder.layers[0].attention.query, 256),
    ):
        assert layer.weight.abs().max().item() == pytest.approx(fan_in**-0.5, rel=0.01)
        assert layer.weight.std().item() == pytest.approx((fan_in * 3) ** -0.5, rel=0.02)


@pytest.mark.parametrize("individual", [False, True])
def test_dlinear(individual):
    model = create_model("DLinear", individual=individual)
    for part in (model.seasonal, model.trend):
        assert torch.equal(part.weight, torch.full_like(part.weight, 1 / 96))
        assert 0.09 < part.bias.abs().max() < 96**-0.5
