"""Why a prune fails: known answers on a model where one group carries everything, and on tables made by hand."""

import math
from dataclasses import replace

import pandas as pd
import pytest
import torch
from helpers import Recorder
from torch import nn

from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.models import create_model
from tsprune.steps.sensitivity import Parts, SensitivityStep, evenly_spaced, parameter_groups
from tsprune.steps.train import TrainStep
from tsprune.study.base.shared import base_steps
from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep
from tsprune.study.why.cells import WhyCells
from tsprune.study.why.explain import alone_loss, explain, rank_predictors

PAIR = {"dataset": "D", "model": "M", "pred_len": 12}


class OneCarries(nn.Module):
    """Forecast by ``carrier`` alone, the least-squares solution of ``batch``: ``unused`` is never called, ``silenced``
    sees zeros, ``faint`` is 1e-7 small."""

    def __init__(self, batch):
        super().__init__()
        x, y = batch.x_enc.transpose(1, 2), batch.y.transpose(1, 2)
        (seq_len, pred_len) = x.shape[-1], y.shape[-1]
        self.carrier, self.faint, self.silenced, self.unused = (
            nn.Linear(seq_len, pred_len, bias=False) for _ in range(4)
        )
        with torch.no_grad():
            solution = torch.linalg.lstsq(x.reshape(-1, seq_len), y.reshape(-1, pred_len)).solution
            self.carrier.weight.copy_(solution.T)
            self.faint.weight.fill_(1e-7)

    def forward(self, x_enc, x_mark_enc=None, x_dec=None, x_mark_dec=None):
        x = x_enc.transpose(1, 2)
        return (self.carrier(x) + self.faint(x) + self.silenced(x * 0)).transpose(1, 2)


@pytest.fixture
def config(smoke, tmp_path):
    return PruningSweep.parse(smoke | {"models": ["DLinear"], "store": str(tmp_path / "store"), "jobs": 1})


def test_one_group_carries_all_of_the_loss_and_the_dead_weights_are_counted(config, monkeypatch):
    trained = base_steps(config.model_copy(update={"dataset": "synthetic"})).dense[0]
    windows = trained.data.splits("cpu").train
    model = OneCarries(windows.batch(torch.arange(len(windows))))
    monkeypatch.setattr(TrainStep, "load", lambda self, store: model)
    step = SensitivityStep(
        trained=trained, alone_at=(0.5, 0.1), scopes=("layer", "global"), joint=(0.5, 0.1), windows=40
    )
    done = step.run(Store(config.store))
    size = model.carrier.weight.numel()
    assert done.result["windows_test"] == 40
    weights = model.carrier.weight.detach()
    small = int(
        (weights.abs() < 0.01 * torch.cat([w.flatten() for w in model.parameters()]).square().mean().sqrt()).sum()
    )
    assert (done.result["weights"], done.result["dead"]) == (4 * size, 2 * size)
    assert done.result["near_zero"] == size + small
    assert done.result["mse_relative_without_free"] == pytest.approx(1, abs=1e-4)

    curves = pd.DataFrame(done.detail["curves"]).set_index(["group", "density_asked"])
    assert (curves.loc[["silenced", "unused"], "mse_relative"] == 1).all()
    assert curves.loc[("carrier", 0.1), "mse_relative"] > curves.loc[("carrier", 0.5), "mse_relative"]
    removed = weights.abs().flatten().sort()[0][: size - round(0.1 * size)]
    norm = removed.norm() / weights.norm()
    assert curves.loc[("carrier", 0.1), "norm_removed"] == pytest.approx(float(norm), rel=1e-5)

    cells = pd.DataFrame(done.detail["cells"]).set_index(["scope", "density_asked"])
    alone = curves.loc[("carrier", 0.1), "mse_relative"]
    assert cells.loc[("layer", 0.1), "mse_relative"] == pytest.approx(alone, abs=1e-4)
    cell = cells.loc[("layer", 0.1)]
    assert cell["removed"] == 4 * size - round(0.1 * 4 * size), "exact over the four tensors together"
    each = size - round(0.1 * size)
    assert cell["removed_dead"] - 2 * each in (0, 1) and cell["removed_near_zero"] - each - small in (0, 1)
    groups = pd.DataFrame(done.detail["cell_groups"]).set_index(["scope", "density_asked", "group"])
    assert groups.loc[("global", 0.5, "faint"), "density"] == pytest.approx(1 / size)

    row = {"status": "ok", "reason": None, "protocol": PAIR | {"seed": 1}, "result": done.result, "detail": done.detail}
    why = explain([row], sweep_cells(), standing(), ("layer", "global"))
    assert set(why.cells["top_group"]) == {"carrier"}
    by_layer = why.cells[why.cells["scope"] == "layer"]
    losses = (by_layer["mse_relative"] - 1).tolist()
    assert by_layer["predicted"].tolist() == pytest.approx(losses, abs=1e-3)


def test_groups_are_parts_of_blocks_and_tensors_where_groups_are_few():
    shape = {"seq_len": 24, "label_len": 12, "pred_len": 12, "d_model": 8, "n_heads": 2, "d_ff": 16}
    groups = parameter_groups(create_model("Autoformer", **shape, e_layers=1))
    assert groups["encoder.layers.0.feed_forward"] == [
        "encoder.layers.0.feed_forward.up.weight",
        "encoder.layers.0.feed_forward.down.weight",
    ]
    assert {"enc_embedding", "projection", "decoder.layers.0.cross_attention"} <= set(groups)
    assert parameter_groups(create_model("DLinear", **shape)) == {n: [n] for n in ("seasonal.weight", "trend.weight")}
    # The numbers of layers in a Sequential are not blocks: tau is one group of the model.
    assert len(parameter_groups(create_model("Nonstationary_Transformer", **shape))["tau"]) > 1


def test_free_weights_and_norms_by_hand():
    model = nn.ModuleDict({name: nn.Linear(2, 2, bias=False) for name in "abcd"})
    with torch.no_grad():
        for name in "abcd":
            model[name].weight.copy_(torch.tensor([[3.0, 4.0], [0.001, 12.0]]))
    live = {f"{name}.weight": torch.tensor([[True, name != "a"], [True, True]]) for name in "abcd"}
    parts = Parts.of(model, live)
    assert [(r["group"], r["weights"], r["dead"], r["near_zero"]) for r in parts.records()] == [
        ("a", 4, 1, 1),
        *((name, 4, 0, 1) for name in "bcd"),
    ]
    masks = {name: torch.tensor([[False, False], [True, True]]) for name in live}
    assert parts.kept(masks, ["a.weight"]) == {
        "density": 0.5,
        "norm_removed": pytest.approx(5 / math.sqrt(169 + 1e-6)),
    }
    assert parts.removed(masks) == {"removed": 8, "removed_dead": 1, "removed_near_zero": 0}
    assert sum(int((~mask).sum()) for mask in parts.without_free().values()) == 5


def test_windows_are_evenly_spaced_ends_included():
    assert evenly_spaced(10, 4).tolist() == [0, 3, 6, 9]
    assert evenly_spaced(3, 8).tolist() == [0, 1, 2]
    assert len(set(evenly_spaced(100, 99).tolist())) == 99


def test_a_loss_between_two_points_is_linear_in_the_squared_norm():
    curve = pd.DataFrame({"norm_removed": [0.0, 0.5, 1.0], "mse_relative": [1.0, 1.2, 2.0]})
    assert alone_loss(curve, 0.0) == 0
    assert alone_loss(curve, 0.25) == pytest.approx(0.05)  # a quarter of the way to 0.25 = 0.5 ** 2
    assert alone_loss(curve, math.sqrt(0.625)) == pytest.approx(0.6)
    assert alone_loss(curve, 1.0) == pytest.approx(1)
    assert alone_loss(curve.assign(mse_relative=[1.0, 1.2, None]), 0.9) == math.inf


def standing(**values) -> pd.DataFrame:
    return pd.DataFrame([PAIR | {"mse_dense": 0.5, "mse_repeat_last": 1.0} | values])


def sweep_cells(relative: dict[float, float] | None = None, scope: str = "layer") -> pd.DataFrame:
    """The study's own cells, by density; the dense one among them."""
    columns = [*PAIR, "scope", "density_asked", "seed", "mse_relative", "status"]
    given = {1.0: 1.0} | (relative or {})
    rows = [[*PAIR.values(), scope, d, 1, value, "ok"] for d, value in given.items()]
    return pd.DataFrame(rows if relative else [], columns=columns)


def row(losses: dict[str, float], together: dict[float, float | None], free: int = 0, removed_free: int = 0) -> dict:
    """A model of equal groups of 100 weights; ``losses``: of each group alone once its norm is removed by half or more;
    ``together``: MSE over dense when all groups are cut to a density."""
    count = 100 * len(losses)
    cells, groups = [], []
    for density, relative in together.items():
        cell = {"scope": "layer", "density_asked": density, "density": density, "norm_removed": 0.5}
        removed = {"removed": round((1 - density) * count), "removed_dead": 0, "removed_near_zero": removed_free}
        cells.append(cell | removed | {"mse_relative": relative})
        groups += [cell | {"group": group} for group in losses]
    curves = [
        {"group": group, "density_asked": 0.1, "density": 0.1, "norm_removed": 0.5, "mse_relative": 1 + loss}
        for group, loss in losses.items()
    ]
    return {
        "status": "ok",
        "reason": None,
        "protocol": PAIR | {"seed": 1},
        "result": {
            "windows_test": 64,
            "weights": count,
            "dead": 0,
            "near_zero": free,
            "mse_relative_without_free": 1.0,
        },
        "detail": {
            "groups": [{"group": g, "weights": 100, "dead": 0, "near_zero": free // len(losses)} for g in losses],
            "curves": curves,
            "cells": cells,
            "cell_groups": groups,
        },
    }


@pytest.mark.parametrize(
    ("losses", "relative", "kind"),
    [
        ({"a": 0.001, "b": 0.0}, 1.04, "keeps"),
        ({"a": 0.3, "b": 0.01}, 1.4, "one group"),
        ({"a": 0.15, "b": 0.15, "c": 0.12}, 1.4, "many groups"),
        ({"a": 0.05, "b": 0.04}, 1.4, "together"),
        ({"a": 0.05, "b": 0.04}, None, "not finite"),
    ],
)
def test_each_kind_of_failure(losses, relative, kind):
    why = explain([row(losses, {0.8: 1.0, 0.5: relative})], sweep_cells(), standing(), ("layer",))
    condition = why.conditions.iloc[0]
    assert condition["kind"] == kind
    assert condition["keeps"] == (0.5 if kind == "keeps" else 0.8)
    assert condition["missed"] == (kind != "keeps")
    assert why.cells["predicted"].tolist() == pytest.approx([sum(losses.values())] * 2)
    if kind != "keeps":
        assert condition["first_density"] == 0.5
        assert condition["first_top_group"] == "a"
        assert condition["first_top_loss"] == pytest.approx(losses["a"])


def test_a_model_that_loses_free_weights_first_fails_once_working_ones_go():
    given = row({"a": 0.3, "b": 0.1}, {0.5: 1.0, 0.2: 1.4}, free=100, removed_free=100)
    why = explain([given], sweep_cells(), standing(), ("layer",))
    assert why.conditions.iloc[0]["kind"] == "free"
    assert why.cells["free_removed"].tolist() == pytest.approx([1, 100 / 160])
    assert why.cells["working_removed"].tolist() == pytest.approx([0, 0.6])


def test_the_studys_own_cells_on_all_test_windows_decide_what_misses():
    given = row({"a": 0.3, "b": 0.1}, {0.8: 1.0, 0.5: 1.4})
    tested = sweep_cells({0.8: 1.06, 0.5: 1.3})
    why = explain([given], tested, standing(), ("layer",))
    assert why.cells["missed"].tolist() == [True, True]
    assert why.cells["mse_relative_test"].tolist() == [1.06, 1.3]
    assert why.conditions.iloc[0]["kind"] == "unclear"
    diverged = tested.assign(mse_relative=[1.0, 1.0, math.nan], status=["ok", "ok", "diverged"])
    assert explain([given], diverged, standing(), ("layer",)).cells["missed"].tolist() == [False, True]


def test_a_cell_of_the_study_that_has_not_run_is_not_missed():
    """What its model did on the windows looked at decides until it has run: it kept the error there."""
    given = row({"a": 0.3, "b": 0.1}, {0.8: 1.0, 0.5: 1.4})
    waiting = sweep_cells({0.8: math.nan, 0.5: math.nan})
    waiting = waiting.assign(status=waiting["status"].mask(waiting["mse_relative"].isna(), "not run"))
    why = explain([given], waiting, standing(), ("layer",))
    assert why.cells["missed"].tolist() == [False, True]
    assert why.conditions.iloc[0]["keeps"] == 0.8


def test_a_model_that_has_not_run_is_no_failure():
    later = {"status": "not run", "reason": "has not run yet", "protocol": PAIR | {"model": "N"}}
    why = explain([later | {"result": {}, "detail": {}}], sweep_cells(), standing(), ("layer",))
    assert set(why.conditions["kind"]) == {"not run"} and why.failures == 0


def test_an_interval_is_known_where_a_draw_takes_one_pair_over_and_over():
    """Of 1000 draws of three pairs more than a hundred do; a pair has no rank among itself."""
    found = rank_predictors(table_of(3, lambda pair: pair / 10)).set_index("predictor")
    assert found.loc["predicted", ["low", "high"]].tolist() == pytest.approx([1, 1])


def test_a_model_without_a_result_is_named_and_counted():
    bad = {"status": "failed", "reason": "no luck", "protocol": PAIR | {"model": "N"}, "result": {}, "detail": {}}
    why = explain([row({"a": 0.3, "b": 0.1}, {0.5: 1.4}), bad], sweep_cells(), standing(), ("layer", "global"))
    assert why.failures == 1
    lost = why.conditions[why.conditions["model"] == "N"]
    assert set(lost["kind"]) == {"no result"}
    assert set(lost["reason"]) == {"no luck"}
    assert "1 without a result" in why._repr_mimebundle_()["text/plain"]
    assert explain([bad], sweep_cells(), standing(), ("layer",)).cells.empty


def table_of(pairs: int, predicted) -> pd.DataFrame:
    """Two densities; the loss grows with the pair's number, the norm falls with it."""
    return pd.DataFrame(
        {
            **{"dataset": "D", "model": f"M{pair}", "pred_len": 12, "scope": "layer", "density_asked": density},
            "mse_relative": 1 + pair / 10 + (1 - density),
            "sparsity": 1 - density,
            "working_removed": 1 - density,
            "norm_removed": -pair - density,
            "predicted": predicted(pair) + (1 - density),
        }
        for pair in range(pairs)
        for density in (0.5, 0.2)
    )


def test_predictors_are_ranked_at_equal_density_and_claims_stay_outside_the_noise():
    table = rank_predictors(table_of(10, lambda pair: pair / 10)).set_index("predictor")
    assert table["cells"].unique().tolist() == [20]
    assert table.loc["predicted", "same_density"] == pytest.approx(1)
    assert table.loc["norm_removed", "same_density"] == pytest.approx(-1)
    assert table.loc["predicted", "low"] > 0
    assert table["worse_than_best"].to_dict()["norm_removed"]
    assert math.isnan(table.loc["sparsity", "same_density"])
    assert table.loc["sparsity", "all_cells"] > 0
    noise = rank_predictors(table_of(6, lambda pair: (pair * 5) % 7)).set_index("predictor").loc["predicted"]
    assert noise["low"] < 0 < noise["high"]
    assert rank_predictors(table_of(2, lambda pair: pair))["same_density"].isna().all()
    alike = rank_predictors(table_of(6, lambda pair: pair / 10).assign(mse_relative=1.0))
    assert alike["same_density"].isna().all() and not alike["worse_than_best"].any()


def test_from_the_sweep_to_the_conditions_on_two_datasets(config, threads, tmp_path):
    csv = tmp_path / "mine.csv"
    stamps = pd.date_range("2024-01-01", periods=700, freq="h").astype(str)
    csv.write_text("date,load\n" + "".join(f"{s},{math.sin(i / 4) + i / 200:.4f}\n" for i, s in enumerate(stamps)))
    both = config.model_copy(update={"why_datasets": [str(csv), "synthetic_short"], "seeds": [1, 2]})
    sweep = PruningSweepCells(both).run(make_executor=threads, progress=Recorder())
    why = WhyCells(both, sweep.cells).run(make_executor=threads, progress=Recorder())
    assert why.failures == 0
    assert why.conditions["dataset"].unique().tolist() == ["synthetic_short", "mine"]  # each once
    assert len(why.cells) == 2 * 2 * 2  # datasets, scopes, densities below 1
    own = why.cells[why.cells["dataset"] == "synthetic_short"].merge(
        sweep.cells, on=["model", "scope", "density_asked", "seed"], suffixes=("", "_sweep")
    )
    assert own["mse_relative_test"].tolist() == own["mse_relative_sweep"].tolist()
    assert own["mse_relative"].tolist() == pytest.approx(own["mse_relative_sweep"].tolist(), rel=0.1)
    assert why.cells.loc[why.cells["dataset"] == "mine", "mse_relative_test"].isna().all()
    assert why.windows == both.why_windows
    assert (why.conditions[["mse_dense", "mse_repeat_last"]] > 0).all(axis=None)
    again = Recorder()
    second = WhyCells(both, sweep.cells).run(make_executor=threads, progress=again)
    assert "all steps done" in again.news[-1]
    pd.testing.assert_frame_equal(why.conditions, second.conditions)


def test_a_dataset_that_cannot_be_had_is_left_out_and_said(config, monkeypatch):
    table = config.load_data()
    others = {"synthetic_short": table, "Traffic": replace(table, stands_in_for="Traffic")}
    monkeypatch.setattr(PruningSweep, "load_data", lambda self: others[self.dataset])
    why = WhyCells(config.model_copy(update={"why_datasets": ["Traffic"]}))
    assert {step.trained.data.label for step in why.looks} == {"synthetic_short"}
    assert why.found[1] == ("Traffic is not available here and is left out.",)


def test_names_are_checked_before_the_first_hour(smoke):
    with pytest.raises(UserError, match="did you mean 'Exchange'"):
        PruningSweep.parse(smoke | {"store": "x", "why_datasets": ["Exchang"]})
    with pytest.raises(UserError, match="there is no such file"):
        PruningSweep.parse(smoke | {"store": "x", "why_datasets": ["./nowhere.csv"]})
