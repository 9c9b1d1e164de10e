"""A model in bfloat16: another forecast by rounding alone, from weights that were turned once."""

import pytest
import torch

from tests.models.small import example, small_model
from tsprune.deploy.bfloat16 import InBfloat16
from tsprune.deploy.sparse_layers import stored_bytes


@pytest.mark.parametrize("name", ["Transformer", "Autoformer", "FEDformer", "iTransformer", "DLinear"])
def test_it_forecasts_as_the_model_does_up_to_rounding_in_half_the_bytes(name):
    model = small_model(name).eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    half = InBfloat16(model)
    with torch.inference_mode():
        ours, exact = half(*example(model)), model(*example(model))
    assert ours.dtype == torch.bfloat16
    assert (ours.float() - exact).abs().max() < 0.1 * exact.std() and not torch.equal(ours.float(), exact)
    assert all(weight.dtype == torch.bfloat16 for weight in half.model.parameters())
    assert stored_bytes(half.model) == stored_bytes(model) / 2
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
