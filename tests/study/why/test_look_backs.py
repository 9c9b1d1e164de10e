"""Crossformer as its own code looks back: which values, refused where there are none, and labelled on the page."""

import pytest

from tsprune.errors import UserError
from tsprune.study.base.shared import base_steps
from tsprune.study.pruning_sweep.config import PruningSweep
from tsprune.study.why import look_backs
from tsprune.study.why.look_backs import APART, OWN, Own, dense_base


@pytest.fixture
def config(smoke, few):
    given = smoke | few | {"models": ["DLinear", "Crossformer"], "crossformer_own": True, "store": "unused"}
    return PruningSweep.parse(given)


def test_it_has_the_values_of_its_code_and_the_other_models_have_the_studys(config, monkeypatch):
    plain = base_steps(config)
    monkeypatch.setitem(OWN, plain.dense[0].data.label, {12: Own(48, 6, 1e-5)})
    linear, cross = dense_base(config).dense
    assert linear == plain.dense[0]
    assert (cross.data.seq_len, cross.data.pred_len, cross.hyper["seq_len"], cross.hyper["seg_len"]) == (48, 12, 48, 6)
    assert [cross.hyper[name] for name in ("d_model", "d_ff", "n_heads", "e_layers", "factor")] == [256, 512, 4, 3, 10]
    assert (cross.train.learning_rate, cross.train.schedule, cross.train.epochs) == (1e-5, "type1", 20)
    assert dense_base(config.model_copy(update={"crossformer_own": False})).dense == plain.dense


def test_the_values_are_those_published_by_dataset_and_horizon():
    assert OWN["ETTh1"][96] == (168, 6, 1e-4) and OWN["ETTh1"][720] == (720, 24, 1e-5)
    assert OWN["ETTm1"][96] == (672, 12, 1e-4) and OWN["ETTm1"][192] == (672, 24, 1e-5)
    assert [OWN["Exchange"][h].seg_len for h in (96, 192, 336, 720)] == [6, 12, 24, 24]


def test_a_dataset_that_its_code_does_not_know_is_refused_before_anything_runs(config):
    with pytest.raises(UserError, match=r"no look-back for few at horizon 12\. Has: ETTh1 at 96, 192, 336, 720; ETTm1"):
        dense_base(config)


def test_the_page_says_that_its_errors_are_not_comparable(run, few, monkeypatch):
    given = few | {"densities": [1.0], "scopes": ["layer"]}
    assert APART not in run(**given, models=["DLinear"]).size
    monkeypatch.setattr(look_backs, "EPOCHS", 1)
    monkeypatch.setitem(look_backs._LARGE_WIDTHS, "d_model", 8)
    monkeypatch.setitem(look_backs._LARGE_WIDTHS, "d_ff", 8)
    monkeypatch.setitem(OWN, "few", {12: Own(48, 24, 1e-3)})
    result = run(**given, models=["DLinear", "Crossformer"], crossformer_own=True)
    assert result.failures == 0
    assert result.size.endswith(APART)
    told = result.protocol["Crossformer apart"]
    assert told.startswith(APART) and "horizon 12: look-back 48, segments of 24, d_model 8" in told
    seen = result.tidy.query("method == 'dense'").groupby("model")["seq_len"].first()
    assert seen.to_dict() == {"Crossformer": 48, "DLinear": 24}
    assert "Crossformer" not in set(result.published["model"])


def test_without_crossformer_there_is_nothing_to_label(run, few):
    result = run(**few, models=["DLinear"], densities=[1.0], crossformer_own=True)
    assert APART not in result.size and "Crossformer apart" not in result.protocol
