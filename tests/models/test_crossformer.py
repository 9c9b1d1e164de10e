import pytest
import torch

from tests.models import golden
from tsprune.models.crossformer import SegmentMerging, TwoStageAttention, two_stage_rules
from tsprune.models.reference import from_reference


class Rules:
    """The part of a model that a translation reads."""

    name = "block"
    reference_rules = two_stage_rules("(block)", "ours")

    @staticmethod
    def regroup_reference(state):
        return {f"block.{name}": tensor for name, tensor in state.items()}


BLOCKS, META = golden.load("block_two_stage_attention.safetensors")
MERGES, MERGE_META = golden.load("block_seg_merging.safetensors")


@pytest.mark.parametrize("number", META["cases"])
def test_reference_two_stage_attention(number):
    case, a = golden.part(BLOCKS, number), META["cases"][number]
    layer = TwoStageAttention(a["seg_num"], a["factor"], a["d_model"], a["n_heads"], a["d_ff"], 0.0)
    ours, unknown, _ = from_reference(Rules, golden.part(case, "weight"))
    assert not unknown
    layer.load_state_dict({name.removeprefix("ours."): tensor for name, tensor in ours.items()})
    y = layer(case["input/x"].movedim(2, 0)).movedim(0, 2)
    torch.testing.assert_close(y, case["output/y"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("number", MERGE_META["cases"])
def test_reference_merging(number):
    case, a = golden.part(MERGES, number), MERGE_META["cases"][number]
    layer = SegmentMerging(a["d_model"], a["win_size"], a["seg_num"])
    state = golden.part(case, "weight")
    layer.load_state_dict({name.replace("linear_trans", "linear"): tensor for name, tensor in state.items()})
    y = layer(case["input/x"].movedim(2, 0)).movedim(0, 2)
    torch.testing.assert_close(y, case["output/y"], atol=1e-5, rtol=0)


def test_merging_more_segments_than_there_are():
    assert SegmentMerging(4, 5, 2).order.tolist() == [0, 1, 0, 0, 1]
