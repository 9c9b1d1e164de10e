"""What every registered model owes its users; a new model is held to it the moment it is registered."""

import copy

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.models.small import SMALL, example, small_config, small_model
from tsprune.errors import UserError
from tsprune.layers import plain_attention, seed_dropout
from tsprune.models import ForecastConfig, Forecaster, create_model, list_models, load_checkpoint, save_checkpoint
from tsprune.models.base import INPUTS

every_model = pytest.mark.parametrize("name", list_models())
trainable_model = pytest.mark.parametrize("name", list_models(trainable=True))

SHAPES = {
    "odd": {"seq_len": 23, "label_len": 11, "pred_len": 13},
    "odd label": {"seq_len": 24, "label_len": 7, "pred_len": 12},
    "one channel": dict.fromkeys(("enc_in", "dec_in", "c_out"), 1),
    "many channels": dict.fromkeys(("enc_in", "dec_in", "c_out"), 40),
    "long horizon": {"seq_len": 12, "label_len": 6, "pred_len": 40},
    "one step": {"pred_len": 1},
    "no label": {"label_len": 0},
    "full label": {"label_len": 24},
    "one head": {"n_heads": 1},
    "deep": {"e_layers": 3, "d_layers": 2},
    "flat": {"e_layers": 1},
    "relu": {"activation": "relu"},
    "minutes": {"freq": "t"},
}


@every_model
@pytest.mark.parametrize("case", SHAPES)
def test_output_shape(name, case):
    model = small_model(name, **SHAPES[case])
    for training in (True, False):
        for batch in (2, 1):
            y = model.train(training)(*example(model, batch))
            assert y.shape == (batch, model.config.pred_len, model.config.c_out)
            assert y.dtype == torch.float32 and y.isfinite().all()


class ColumnsFirst(torch.nn.Linear):
    """Gives its result in the layout in which two-of-four products come from a GPU's tensor cores."""

    def forward(self, x):
        rows = super().forward(x.reshape(-1, x.shape[-1]))
        return rows.T.contiguous().T.view(*x.shape[:-1], -1)


@trainable_model
@pytest.mark.parametrize("keys", [24, 200])
def test_a_linear_layer_may_give_its_result_in_another_layout(name, keys):
    lengths = {"seq_len": keys, "label_len": keys // 2, "pred_len": 18}
    model = small_model(name, **lengths).eval()
    with torch.no_grad():
        before = model(*example(model))
        for module in model.modules():
            if type(module) is torch.nn.Linear:
                module.__class__ = ColumnsFirst
        torch.testing.assert_close(model(*example(model)), before)


@every_model
def test_class_says_what_it_is(name):
    model = small_model(name)
    assert isinstance(model, Forecaster) and isinstance(model.config, ForecastConfig)
    assert model.name == name and type(model).__doc__
    assert model.trainable == bool(list(model.parameters()))
    assert model.unused_config <= set(ForecastConfig.model_fields)
    for layer in model.output_layers():
        assert any(layer is module for module in model.modules())
    assert bool(model.output_layers()) == model.trainable, "output_layers() gives the layers that write the forecast"


@every_model
def test_config_rebuilds_the_model(name):
    torch.manual_seed(0)
    model = small_model(name)
    torch.manual_seed(0)
    again = create_model(model.name, **model.config.model_dump())
    assert again.config == model.config
    for (key, ours), (other, theirs) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert key == other and torch.equal(ours, theirs)


ELSEWHERE = {
    "dec_in": 5,
    "label_len": 3,
    "d_model": 16,
    "n_heads": 4,
    "e_layers": 3,
    "d_layers": 3,
    "d_ff": 20,
    "factor": 1,
    "moving_avg": 7,
    "dropout": 0.5,
    "freq": "t",
    "activation": "relu",
    "distil": False,
}


@every_model
def test_unused_settings_change_nothing(name):
    torch.manual_seed(0)
    model = small_model(name)
    inputs = [x if which in model.uses else None for which, x in zip(INPUTS, example(model), strict=True)]
    for setting in sorted(model.unused_config):
        torch.manual_seed(0)
        other = small_model(name, **{setting: ELSEWHERE[setting]})
        seed_dropout(other, 0)
        for training in (True, False):
            assert torch.equal(model.train(training)(*inputs), other.train(training)(*inputs)), setting
            model.load_state_dict(other.state_dict())  # batch norms have moved on together


@every_model
def test_used_settings_change_something(name):
    torch.manual_seed(0)
    model = small_model(name)
    for setting in sorted(set(ELSEWHERE) - model.unused_config - {"dec_in"}):
        torch.manual_seed(0)
        other = small_model(name, **{setting: ELSEWHERE[setting]})
        if other.input_shapes() != model.input_shapes():
            continue
        seed_dropout(other, 0)
        if setting == "dropout":
            other.train()
        else:
            model.eval(), other.eval()
        same_parameters = [p.shape for p in model.parameters()] == [p.shape for p in other.parameters()]
        assert not same_parameters or not torch.equal(model(*example(model)), other(*example(model))), setting


@every_model
def test_evaluation_is_deterministic_and_independent_of_the_batch(name):
    torch.manual_seed(0)
    model = small_model(name, dropout=0.3).eval().double()
    inputs = example(model, 5, dtype=torch.float64)
    torch.manual_seed(1)
    y = model(*inputs)
    assert y.dtype == torch.float64
    torch.manual_seed(2)
    assert torch.equal(model(*inputs), y)
    for chosen in ([0], [3], [4, 1]):
        part = model(*(x[chosen] for x in inputs))
        torch.testing.assert_close(part, y[chosen], atol=1e-10, rtol=0)


@trainable_model
def test_gradient_reaches_every_parameter(name):
    torch.manual_seed(0)
    model = small_model(name)
    model(*example(model)).square().mean().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, f"{key} has no effect on the output"
        assert parameter.grad.isfinite().all(), key


@trainable_model
def test_seeded_training_repeats_whatever_the_global_generator_does(name):
    def train():
        torch.manual_seed(0)
        model = small_model(name, dropout=0.2)
        seed_dropout(model, 7)
        torch.manual_seed(train.calls)
        train.calls += 1
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        for step in range(3):
            optimizer.zero_grad()
            model(*example(model, seed=step)).square().mean().backward()
            optimizer.step()
        return model.state_dict()

    train.calls = 1
    first, second = train(), train()
    assert all(torch.equal(first[key], second[key]) for key in first)


@every_model
def test_saved_and_loaded_model_forecasts_the_same(name, tmp_path):
    model = small_model(name, dropout=0.1).eval()
    masks = {key: torch.rand_like(p) > 0.5 for key, p in model.named_parameters() if p.dim() > 1}
    save_checkpoint(tmp_path / "model.safetensors", model, masks)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    loaded, loaded_masks = load_checkpoint(tmp_path / "model.safetensors")
    assert torch.equal(before, torch.get_rng_state())
    assert loaded.name == name and loaded.config == model.config
    assert torch.equal(loaded(*example(model)), model(*example(model)))
    assert masks.keys() == loaded_masks.keys()
    assert all(loaded_masks[key].dtype == torch.bool and torch.equal(loaded_masks[key], masks[key]) for key in masks)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


@every_model
def test_deep_copy_is_independent(name):
    model = small_model(name).eval()
    clone = copy.deepcopy(model)
    expected = model(*example(model))
    with torch.no_grad():
        for parameter in clone.parameters():
            parameter.zero_()
    assert torch.equal(model(*example(model)), expected)


@every_model
def test_autocast_stays_close(name):
    torch.manual_seed(0)
    model = small_model(name).eval()
    exact = model(*example(model))
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(*example(model))
    assert rough.isfinite().all()
    assert (rough - exact).abs().mean() < 0.1 * exact.abs().mean() + 0.02


@trainable_model
def test_autocast_trains(name):
    model = small_model(name, dropout=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(*example(model)).square().mean()
    loss.backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad.dtype == torch.float32 and parameter.grad.isfinite().all(), key


@every_model
def test_plain_attention_gives_the_same(name):
    model = small_model(name).eval().double()
    inputs = example(model, dtype=torch.float64)
    with plain_attention(model):
        plain = model(*inputs)
    torch.testing.assert_close(plain, model(*inputs), atol=1e-10, rtol=0)


class Operators(TorchDispatchMode):
    """The operators that run, by name, and the types of what they give."""

    def __init__(self):
        super().__init__()
        self.names, self.dtypes = set(), set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **kwargs or {})
        self.names.add(str(func))
        self.dtypes |= {tensor.dtype for tensor in tree_leaves(found) if isinstance(tensor, torch.Tensor)}
        return found


@every_model
def test_a_forecast_takes_no_complex_number_no_transform_and_no_chance(name):
    """Which other runtimes have not."""
    model = small_model(name).eval()
    inputs = example(model)
    with torch.no_grad(), Operators() as ran:
        model(*inputs)
    assert ran.names and not [op for op in ran.names if "complex" in op or "fft" in op or "rand" in op]
    assert not ran.dtypes & {torch.complex64, torch.complex128}


@pytest.mark.slow  # tests/deploy/test_export.py exports each forecaster, narrowed, at any batch
@pytest.mark.filterwarnings("ignore:The tensor attributes .* were assigned during export")  # nn.LSTM's own
@every_model
def test_exports_with_a_dynamic_batch(name):
    model = small_model(name).eval()
    batch = torch.export.Dim("batch", min=2, max=1024)
    program = torch.export.export(model, tuple(example(model, 3)), dynamic_shapes=[{0: batch}] * 4)
    other = example(model, 7, seed=1)
    torch.testing.assert_close(program.module()(*other), model(*other), atol=1e-5, rtol=1e-4)


MORE_THAN_ONE_GRAPH = {"LSTM": "torch.compile leaves nn.LSTM to its own kernel, outside the graph"}


@every_model
def test_compiles_to_one_graph(name):
    model = small_model(name).eval()
    torch.compiler.reset()
    compiled = torch.compile(model, backend="eager", fullgraph=name not in MORE_THAN_ONE_GRAPH)
    torch.testing.assert_close(compiled(*example(model)), model(*example(model)))


@every_model
def test_wrong_shapes_are_named(name):
    model = small_model(name)
    for position, which in enumerate(INPUTS):
        length, width = model.input_shapes()[which]
        for wrong in (
            None,
            torch.zeros(2, length, width + 1),
            torch.zeros(2, length + 1, width),
            torch.zeros(length, width),
        ):
            inputs = example(model)
            inputs[position] = wrong
            if which in model.uses:
                with pytest.raises(UserError, match=rf"{name}: {which} .* expected \(batch, {length}, {width}\)"):
                    model(*inputs)
            else:
                model(*inputs)
        if which in model.uses and position:
            inputs = example(model)
            inputs[position] = inputs[position][:1]  # which torch would stretch to all windows
            with pytest.raises(
                UserError, match=rf"{name}: {which} has 1 windows, but the inputs before it have {len(inputs[0])}"
            ):
                model(*inputs)


@every_model
def test_bad_settings_are_named_one_line_each(name):
    with pytest.raises(UserError, match="did you mean 'pred_len'"):
        create_model(name, pred_lenn=3)
    with pytest.raises(UserError) as error:
        create_model(name, seq_len="96", pred_len=0, dropout=1.5, freq="hourly")
    lines = str(error.value).splitlines()
    assert len(lines) == 4 and all(line.startswith(f"{name}: ") for line in lines)
    with pytest.raises(UserError, match=r"label_len \(30\) must not exceed seq_len \(24\)"):
        small_model(name, label_len=30)
    if "n_heads" not in small_model(name).unused_config:
        with pytest.raises(UserError, match=r"d_model \(8\) must be a multiple of n_heads \(3\)"):
            small_model(name, n_heads=3)


def test_two_problems_two_lines():
    with pytest.raises(UserError) as error:
        create_model("Autoformer", **small_config("Autoformer", n_heads=3, c_out=2))
    lines = str(error.value).splitlines()
    assert len(lines) == 2 and all(line.startswith("Autoformer: ") for line in lines)


def test_unknown_model_has_the_closest_name():
    with pytest.raises(UserError, match="unknown model 'Autofomer'; did you mean 'Autoformer'"):
        create_model("Autofomer", **SMALL)


def test_registry_lists_trainable_and_naive():
    assert {"RepeatLast", "SeasonalNaive"} == set(list_models(trainable=False))
    assert set(list_models()) == set(list_models(trainable=True)) | set(list_models(trainable=False))
    assert {"Transformer", "Autoformer", "DLinear"} <= set(list_models(trainable=True))
