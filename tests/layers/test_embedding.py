import math

import pytest
import torch
from torch.nn import functional as F

from tests.models import golden
from tsprune.layers.embedding import CircularTokens, DataEmbedding, PositionTable, sinusoid_table
from tsprune.models.reference import taps_in


@pytest.mark.parametrize("position", [True, False])
def test_reference_embedding(position):
    tensors, meta = golden.load("block_embeddings.safetensors")
    case = golden.part(tensors, "data_embedding" if position else "data_embedding_wo_pos")
    x, marks = tensors["input/x"], tensors["input/x_mark"]
    length = x.shape[1]
    embedding = DataEmbedding(x.shape[2], marks.shape[2], meta["d_model"], 0.0, length if position else None)
    embedding.value.weight.data = taps_in(case["weight/value_embedding.tokenConv.weight"])
    embedding.time.weight.data = case["weight/temporal_embedding.embed.weight"]
    torch.testing.assert_close(embedding(x, marks), case["output/y"], atol=1e-5, rtol=0)
    if position:
        assert torch.equal(embedding.position.table, case["output/pe"])


def test_table_of_every_fixture_bit_for_bit():
    for case in golden.model_cases():
        tensors, _ = golden.load(case["file"])
        if "buffer/pe" in tensors:
            assert torch.equal(sinusoid_table(*tensors["buffer/pe"].shape), tensors["buffer/pe"])


def test_table_is_not_saved_and_serves_shorter_inputs():
    table = PositionTable(20, 6)
    assert not table.state_dict()
    x = torch.zeros(2, 3, 12, 6)
    assert torch.equal(table(x)[1, 2], sinusoid_table(20, 6)[:12])
    assert sinusoid_table(9, 5).shape == (9, 5)


@pytest.mark.parametrize(("length", "channels"), [(1, 1), (2, 3), (17, 5)])
def test_tokens_are_a_circular_convolution(length, channels):
    tokens = CircularTokens(channels, 6)
    kernel = torch.randn(6, channels, 3)
    tokens.weight.data = taps_in(kernel)
    x = torch.randn(4, length, channels)
    padded = torch.cat([x[:, -1:], x, x[:, :1]], dim=1)
    torch.testing.assert_close(tokens(x), F.conv1d(padded.transpose(1, 2), kernel).transpose(1, 2))


def test_tokens_start_as_the_reference_does():
    weight = CircularTokens(7, 4096).weight
    assert weight.std().item() == pytest.approx(math.sqrt(2 / 21), rel=0.02)
    assert weight.mean().abs() < 0.01
