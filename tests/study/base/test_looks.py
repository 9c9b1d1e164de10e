"""Models are told apart by their looks, which are the same on every page."""

from hypothesis import given
from hypothesis import strategies as st

from tsprune.models import list_models
from tsprune.study.base.looks import _ORDER, model_looks

TRAINED = list_models(trainable=True)


def test_a_place_is_that_of_a_forecaster():
    assert len(_ORDER) == len(set(_ORDER)) and set(_ORDER) <= set(TRAINED)


@given(st.lists(st.sampled_from(_ORDER[:10]), unique=True, min_size=1))
def test_the_look_of_a_model_does_not_hang_on_what_is_drawn_beside_it(models):
    assert list(model_looks(models)) == models
    for model, look in model_looks(models).items():
        assert look == model_looks([model])[model] == model_looks(_ORDER)[model]


@given(st.lists(st.sampled_from([*_ORDER, "mine", "another"]), unique=True, min_size=1, max_size=10))
def test_up_to_ten_models_all_look_different(models):
    assert len(set(model_looks(models).values())) == len(models)
