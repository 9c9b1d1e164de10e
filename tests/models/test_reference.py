"""Checkpoints of Time-Series-Library come in, and what does not fit is listed."""

import pytest
import torch

from tests.models import golden
from tsprune.errors import UserError
from tsprune.models import create_model, load_reference_state


@pytest.fixture
def case():
    tensors, meta = golden.load("Transformer_a.safetensors")
    return create_model("Transformer", **meta["config"]), golden.part(tensors, "weight")


def test_position_tables_are_accepted_and_ignored(case):
    model, state = case
    tables = {f"{side}_embedding.position_embedding.pe": torch.zeros(1, 5000, 16) for side in ("enc", "dec")}
    load_reference_state(model, state | tables)
    assert model.enc_embedding.position.table[0, 1] == 1


def test_unknown_and_missing_names_and_shapes_are_all_listed(case):
    model, state = case
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state["decoder.extra.weight"] = torch.zeros(1)
    state["encoder.attn_layers.7.norm1.bias"] = torch.zeros(16)
    del state["decoder.norm.bias"]
    state["decoder.projection.weight"] = torch.zeros(9, 16)
    with pytest.raises(UserError) as error:
        load_reference_state(model, state)
    text = str(error.value)
    assert "no place for: decoder.extra.weight, encoder.layers.7.norm1.bias" in text
    assert "lacks: decoder.norm.bias" in text
    assert "projection.weight has shape (9, 16), the model's is (7, 16)" in text
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_individual_maps_of_dlinear_must_be_complete():
    tensors, meta = golden.load("DLinear_b.safetensors")
    model = create_model("DLinear", **meta["config"], **meta["constructor_kwargs"])
    state = golden.part(tensors, "weight")
    del state["Linear_Trend.1.bias"]
    with pytest.raises(UserError, match=r"trend\.bias has shape"):
        load_reference_state(model, state)
