"""No forward pass loops over samples, time steps, heads, delays or Fourier modes, and none waits for a number."""

import inspect

import pytest
from torch.utils._python_dispatch import TorchDispatchMode

from tests.models.small import example, small_model
from tsprune.models import list_models
from tsprune.models.base import model_class


class Recorder(TorchDispatchMode):
    """Writes down the names of the operators that run."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(str(function.overloadpacket))
        return function(*args, **(kwargs or {}))


def operators(model, batch=3):
    inputs = example(model, batch)
    with Recorder() as recorder:
        model(*inputs)
    return recorder.names


SMALLER = {"factor": 1, "n_heads": 1}
LARGER = {
    "samples": {},
    "heads": {"n_heads": 8},
    "delays and sampled keys": {"factor": 4},
    "time steps": {"seq_len": 30, "label_len": 15, "pred_len": 60},
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("what", LARGER)
@pytest.mark.parametrize("name", list_models())
def test_operators_do_not_multiply(name, what, training):
    small = small_model(name, **SMALLER).train(training)
    large = small_model(name, **SMALLER | LARGER[what]).train(training)
    few = operators(small)
    many = operators(large, batch=16 if what == "samples" else 3)
    assert len(many) <= 1.3 * len(few) + 5  # TCN gets a block more for a longer look-back


def test_operators_do_not_multiply_with_fourier_modes():
    few = operators(small_model("FEDformer", modes=1).eval())
    many = operators(small_model("FEDformer", modes=12).eval())
    assert len(many) <= len(few) + 5


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", list_models())
def test_no_number_leaves_the_tensors(name, training):
    """``.item()`` and its kin wait for the device; they show as one operator."""
    model = small_model(name, dropout=0.1).train(training)
    names = operators(model)
    assert not {"aten.item", "aten._local_scalar_dense", "aten.nonzero"} & set(names)
    assert ".item()" not in inspect.getsource(inspect.getmodule(model_class(name)))
