import copy
import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tsprune.layers import Dropout, seed_dropout


def seeded(p=0.3, seed=5):
    layer = Dropout(p)
    seed_dropout(layer, seed)
    return layer


@given(p=st.floats(0.001, 0.9), seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_drops_with_probability_p_and_keeps_the_expectation(p, seed):
    layer = seeded(p, seed)
    y = layer(torch.ones(40_001, dtype=torch.float64))
    assert abs(layer.p - p) <= 0.5 / 65536
    assert set(y.unique().tolist()) <= {0.0, 1 / (1 - layer.p)}
    spread = (p / (1 - p) / y.numel()) ** 0.5
    assert abs(y.mean() - 1) < 6 * spread + 1e-4


def test_neighbours_are_independent():
    kept = seeded(0.5)(torch.ones(400_000)).bool().view(-1, 4).double()
    assert torch.corrcoef(kept.T).fill_diagonal_(0).abs().max() < 0.02


def test_of_almost_all_the_smallest_share_stays():
    y = seeded(1 - 1e-9)(torch.ones(400_000))
    assert set(y.unique().tolist()) == {0.0, 65536.0}


@pytest.mark.parametrize("layer", [Dropout(0.0), Dropout(0.4).eval()])
def test_identity_without_dropout(layer):
    x = torch.randn(3, 5)
    assert layer(x) is x


@pytest.mark.parametrize("shape", [(), (1,), (3, 5, 7), (0, 4)])
def test_any_shape_and_dtype(shape):
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        y = seeded()(torch.ones(shape, dtype=dtype))
        assert y.shape == shape and y.dtype == dtype


def test_thinning_leaves_the_gain_to_the_caller():
    full, thin = seeded(), seeded()
    x = torch.randn(1000)
    torch.testing.assert_close(thin.make_up(thin.thin(x)), full(x))
    thin.eval()
    assert thin.thin(x) is x and thin.make_up(x) is x


def test_gradient_has_the_same_mask():
    x = torch.ones(1000, requires_grad=True)
    y = seeded()(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_global_generator_is_untouched():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    seeded()(torch.ones(100))
    assert torch.equal(before, torch.get_rng_state())


def test_unseeded_follows_the_global_generator():
    layer = seeded()
    seed_dropout(layer, None)
    torch.manual_seed(1)
    first = layer(torch.ones(100))
    torch.manual_seed(1)
    assert torch.equal(first, layer(torch.ones(100)))


def two_layers(seed):
    model = nn.Sequential(Dropout(0.5), nn.Linear(64, 64, bias=False), Dropout(0.5))
    nn.init.eye_(model[1].weight)
    seed_dropout(model, seed)
    return model


def test_one_generator_for_the_whole_model_and_different_masks():
    model = two_layers(3)
    assert model[0].generator is model[2].generator
    x = torch.ones(64)
    assert not torch.equal(model[0](x), model[2](x))


def test_deep_copy_draws_the_same_masks_on_its_own():
    model = two_layers(3)
    model(torch.ones(64))
    clone = copy.deepcopy(model)
    assert clone[0].generator is clone[2].generator is not model[0].generator
    ours = [model(torch.ones(64)) for _ in range(3)]
    theirs = [clone(torch.ones(64)) for _ in range(3)]
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_not_in_the_state_dict():
    assert list(two_layers(3).state_dict()) == ["1.weight"]


def test_models_in_threads_do_not_disturb_each_other():
    def run(seed, into):
        model = two_layers(seed)
        into[seed] = torch.stack([model(torch.ones(64)) for _ in range(200)])

    alone, together = {}, {}
    for seed in range(4):
        run(seed, alone)
    threads = [threading.Thread(target=run, args=(seed, together)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(alone[seed], together[seed]) for seed in range(4))


@pytest.mark.parametrize("p", [-0.1, 1.0, 2])
def test_impossible_probability(p):
    with pytest.raises(ValueError, match="probability"):
        Dropout(p)
