"""A mistake in a forecaster of one's own is one line with its place, when the class is registered or first run."""

import pytest
import torch
from torch import nn

from tests.models.small import example, small_model
from tsprune.errors import UserError
from tsprune.layers import Dropout, seed_dropout
from tsprune.models import ForecastConfig, Forecaster, base, register
from tsprune.models.base import all_but, need_all_registered


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr(base, "_registry", dict(base._registry))


def made(bases=(Forecaster,), module=__name__, **body):
    return type("Mine", bases, {"forecast": lambda self, x, *_: x[:, -1:], "__module__": module} | body)


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (made(bases=(nn.Module,)), "a forecaster is a subclass of Forecaster that defines forecast"),
        (made(forecast=Forecaster.forecast), "a forecaster is a subclass of Forecaster that defines forecast"),
        (made(Config=dict), "Config must be ForecastConfig or a subclass of it"),
        (made(Config=ForecastConfig()), "Config must be ForecastConfig or a subclass of it"),
        (made(uses="x_enc"), r"uses must be a tuple, such as \('x_enc',\)"),
        (made(uses=("x_end",)), "uses: unknown input 'x_end'; did you mean 'x_enc'"),
        (made(unused_config={"dmodel"}), "unused_config: unknown setting 'dmodel'; did you mean 'd_model'"),
    ],
)
def test_a_class_that_could_not_be_used_is_not_registered(cls, said):
    with pytest.raises(UserError, match=rf"^{__name__}.Mine: {said}") as error:
        register("Mine")(cls)
    assert "\n" not in str(error.value) and "Mine" not in base._registry


def test_a_name_is_needed_and_given_once():
    with pytest.raises(UserError, match=r"Mine: register needs a name, as in @register\('Mine'\)"):
        register(made())
    with pytest.raises(UserError, match=r"Mine: two forecasters are called 'DLinear'; tsprune.models.dlinear.DLinear"):
        register("DLinear")(made())


def test_a_misspelt_setting_is_not_left_unused_unsaid():
    with pytest.raises(UserError, match="all_but: unknown setting 'enc_inn'; did you mean 'enc_in'"):
        all_but("enc_inn")


def test_a_forecaster_that_was_left_out_of_the_registry_is_named():
    need_all_registered("tsprune.models")
    left_out = made(module="mine.linear")
    with pytest.raises(UserError, match=r"^mine.linear.Mine: a forecaster without @register\('Mine'\) above it$"):
        need_all_registered("mine")
    derived = register("Mine")(made((left_out,), module="mine.linear"))
    need_all_registered("mine")  # what others derive from need not be registered
    assert issubclass(derived, left_out)


def test_a_forecast_of_another_shape_is_named():
    register("Mine")(made(uses=("x_enc",)))
    model = small_model("Mine")
    with pytest.raises(UserError, match=r"Mine: forecast gives shape \(4, 1, 3\), expected \(batch, 18, 3\)"):
        model(*example(model))


def test_dropout_that_cannot_be_seeded_is_named():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.1), Dropout(0.1))
    with pytest.raises(UserError, match=r"Sequential: '1' is torch.nn.Dropout, .* take tsprune.layers.Dropout"):
        seed_dropout(model, 1)
    model[1].p = 0.0  # draws nothing
    seed_dropout(model, 1)
    assert model[2].generator.initial_seed() == 1
    assert torch.equal(model[1](torch.ones(3)), torch.ones(3))
