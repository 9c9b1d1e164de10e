import pytest
import torch

from tests.models import golden
from tests.models.small import example, small_model
from tsprune.errors import UserError
from tsprune.models import load_checkpoint, pin_randomness, save_checkpoint
from tsprune.models.informer import Distilling


def test_reference_distilling():
    tensors, _ = golden.load("block_distil_conv.safetensors")
    x = tensors["input/x"]
    layer = Distilling(x.shape[2], x.shape[1])
    state = {key.replace("downConv", "convolution"): value for key, value in golden.part(tensors, "weight").items()}
    layer.load_state_dict(state)
    torch.testing.assert_close(layer.eval()(x), tensors["output/eval"], atol=1e-5, rtol=0)
    y = layer.train()(x)
    torch.testing.assert_close(y, tensors["output/train"], atol=1e-5, rtol=0)
    assert y.shape[1] == Distilling.halved(x.shape[1])
    for name, expected in golden.part(tensors, "after_train").items():
        torch.testing.assert_close(getattr(layer.norm, name), expected, atol=1e-5, rtol=0)


def test_sampled_keys_follow_the_seed_of_the_config():
    def samples(seed):
        return [layer.self_attention.sample for layer in small_model("Informer", sample_seed=seed).decoder.layers]

    assert torch.equal(samples(1)[0], samples(1)[0])
    assert not torch.equal(samples(1)[0], samples(2)[0])


def test_pinned_keys_survive_a_checkpoint(tmp_path):
    model = small_model("Informer").eval()
    layers = [m for m in model.modules() if hasattr(m, "sample")]
    before = model(*example(model))
    pin_randomness(model, index_samples=[torch.zeros_like(layer.sample) for layer in layers])
    pinned = model(*example(model))
    assert not torch.equal(before, pinned)
    save_checkpoint(tmp_path / "informer", model)
    assert torch.equal(load_checkpoint(tmp_path / "informer")[0](*example(model)), pinned)


def test_samples_that_do_not_fit():
    model = small_model("Informer")
    samples = [m.sample for m in model.modules() if hasattr(m, "sample")]
    with pytest.raises(UserError, match="4 attentions that sample keys, not 3"):
        pin_randomness(model, index_samples=samples[:3])
    with pytest.raises(UserError, match="index sample 2 has shape"):
        pin_randomness(model, index_samples=[*samples[:2], samples[2][1:], samples[3]])
    with pytest.raises(UserError, match="values from 0 to"):
        pin_randomness(model, index_samples=[samples[0] + 24, *samples[1:]])
    with pytest.raises(UserError, match="DLinear has 0 attentions that sample keys"):
        pin_randomness(small_model("DLinear"), index_samples=samples)
    with pytest.raises(UserError, match="no Fourier modes"):
        pin_randomness(model, modes={})
