import pytest
import torch

from tests.models import golden
from tsprune.layers.probsparse import ProbSparseAttention

TENSORS, META = golden.load("block_prob_attention.safetensors")


def build(arguments, **options):
    width = arguments["H"] * arguments["E"]
    lengths = (arguments["L_Q"], arguments["L_K"])
    generator = torch.Generator().manual_seed(0)
    return ProbSparseAttention(
        width, arguments["H"], *lengths, arguments["factor"], generator, causal=arguments["mask_flag"], **options
    )


def heads(case):
    return (case[f"input/{name}"].flatten(2) for name in ("queries", "keys", "values"))


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("number", META["cases"])
def test_reference_block(number, transpose):
    case, arguments = golden.part(TENSORS, number), META["cases"][number]
    layer = build(arguments, transpose_heads=transpose).eval()
    assert (layer.n_sampled, layer.n_top) == (arguments["sample_k"], arguments["n_top"])
    layer.sample.copy_(case["random/index_sample"])
    context = case["output/context"]  # (batch, head, length, dim)
    expected = (context.transpose(1, 2) if transpose else context).reshape(context.shape[0], arguments["L_Q"], -1)
    torch.testing.assert_close(layer.mix(*heads(case)), expected, atol=1e-5, rtol=0)


def test_fresh_keys_in_training_the_same_in_evaluation():
    case, arguments = golden.part(TENSORS, "0"), META["cases"]["0"]
    first, second = build(arguments), build(arguments)
    assert torch.equal(first.sample, second.sample)
    q, k, v = heads(case)
    trained = [first.train().mix(q, k, v) for _ in range(8)]
    assert any(not torch.equal(trained[0], other) for other in trained)
    assert torch.equal(trained[0], second.train().mix(q, k, v))
    assert torch.equal(first.eval().mix(q, k, v), second.eval().mix(q, k, v))


def test_pinned_keys_stay_in_training():
    case, arguments = golden.part(TENSORS, "0"), META["cases"]["0"]
    layer = build(arguments)
    layer.pinned = True
    assert torch.equal(layer.train().mix(*heads(case)), layer.eval().mix(*heads(case)))


def test_all_queries_selected_is_full_attention():
    layer = ProbSparseAttention(8, 2, 10, 10, 30, torch.Generator(), transpose_heads=True).eval()
    q, k, v = torch.randn(3, 2, 10, 8)
    split = (layer.split_heads(x) for x in (q, k, v))
    full = torch.nn.functional.scaled_dot_product_attention(*split)
    torch.testing.assert_close(layer.mix(q, k, v), layer.merge_heads(full))
