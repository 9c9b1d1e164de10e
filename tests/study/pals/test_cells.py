"""Study 05: every arm under the dense recipe, decisions logged, signals compared, counts from our own table."""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import profiles
import pytest
from helpers import Recorder

from tsprune.errors import UserError
from tsprune.study.base.published_sparsity import published_sparsities
from tsprune.study.pals.arms import as_in_code, control_arms, equal_arms, planned_arms, searched_arms
from tsprune.study.pals.cells import PalsCells, _why_alone, horizons
from tsprune.study.pals.config import SparseTraining
from tsprune.study.pals.published import published_every, published_horizons
from tsprune.study.pals.result import ABLATIONS, CODE, PAPER, PUBLISHED, SEARCHED, at_pals, dense_from
from tsprune.study.pals.settling import first_epoch


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    store = {"store": str(tmp_path_factory.mktemp("store")), "jobs": 1}
    return profiles.parameters("smoke", "05_pals") | {"seeds": [1], **store}


def run(smoke, executors=None):
    """``executors``: where those go that steps ran on."""
    executors = [] if executors is None else executors

    def make():
        executors.append(ThreadPoolExecutor(1))
        return executors[-1]

    return PalsCells(SparseTraining.parse(smoke)).run(make_executor=make, progress=Recorder())


@pytest.fixture(scope="module")
def executors():
    return []


@pytest.fixture(scope="module")
def result(smoke, executors):
    return run(smoke, executors)


def test_steps_that_are_named_later_run_on_the_same_workers_and_none_stay(result, executors):
    (executor,) = executors
    assert at_pals("gmp") in set(result.cells["arm"])  # named once it was known to what density PALS comes
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(print)


def test_every_arm_has_its_cells_and_its_numbers(result, smoke):
    assert result.failures == 0
    cells = result.cells
    every = ["dense", CODE, PAPER, "gmp 0.5", "rigl 0.5", at_pals("gmp"), at_pals("rigl")]
    few = [SEARCHED, "signal: whole validation set", *ABLATIONS, "gamma 1.2, lambda 1.1", "every 10 steps"]
    seeds = len(smoke["seeds"])
    assert cells.groupby("arm").size().to_dict() == {
        **dict.fromkeys(every, 2 * seeds),
        **dict.fromkeys(few, seeds),
    }
    dense = cells[cells["group"] == "dense"]
    shares = ["mse_relative", "mae_relative", "macs_share", "training_macs_share", "time_share"]
    assert (dense[shares] == 1).all(axis=None)
    rivals = cells[cells["group"] == "rival"]
    assert (abs(rivals["density"] - 0.5) < 0.02).all()
    sparse = cells[cells["group"] != "dense"]
    assert ((sparse["macs_share"] < 1) & (sparse["training_macs_share"] > 0)).all()
    assert sparse["time_share"].notna().all()


def test_rivals_stand_at_the_density_that_pals_came_to(result):
    cells = result.cells.set_index(["arm", "model", "seed"])
    ours = result.cells[result.cells["arm"] == CODE].set_index(["model", "seed"])["density"]
    for rival in ("gmp", "rigl"):
        theirs = cells.loc[at_pals(rival)]
        assert theirs["density"].to_dict() == pytest.approx(ours.to_dict(), abs=1e-9)
        assert set(theirs["method"]) == {rival} and set(theirs["group"]) == {"equal"}
    pairs = result.comparisons.set_index(["arm", "against"]).index
    assert (CODE, at_pals("gmp")) in pairs and (at_pals("gmp"), at_pals("rigl")) in pairs


def test_a_search_is_charged_for_all_its_runs(result):
    """Two pairs: the setting of all and gamma 1.2; the better by validation counts, both are paid."""
    cells = result.cells[result.cells["model"] == "DLinear"].set_index("arm")
    found, tried = cells.loc[SEARCHED], cells.loc[[CODE, "gamma 1.2, lambda 1.1"]]
    assert found["runs"] == 2 and found["mse"] in tried["mse"].tolist() and found["gamma"] in (1.1, 1.2)
    for cost in ("training_macs_share", "time_share"):
        assert found[cost] == pytest.approx(tried[cost].sum())
    assert (result.cells.loc[result.cells["arm"] != SEARCHED, "runs"] == 1).all()
    made = result.updates[result.updates["model"] == "DLinear"].groupby("arm")["sparsity"].agg(list)
    assert made[SEARCHED] == made[CODE if found["gamma"] == 1.1 else "gamma 1.2, lambda 1.1"]
    assert result.counts_searched == {}, "iTransformer's setting was not searched"


@pytest.fixture(scope="module")
def planned(smoke):
    """Cells of two models and seeds, nothing run, and a row for each: PALS at 0.2, 0.3, ...; validation as written."""
    config = SparseTraining.parse(smoke | {"seeds": [1, 2], "epochs": 4})
    cells = PalsCells(config)
    rows = {t.key: {"status": "ok", "result": {"windows_seen": 4 * 640, "epochs_run": 4}} for t in cells.base.dense}
    for arm in cells.planned:
        for place, step in enumerate(arm.steps):
            loss = 1.0 + place + (0 if arm.label == "gamma 1.2, lambda 1.1" else 0.5)
            rows[step.key] = {"status": "ok", "result": {"density": 0.2 + place / 10, "val_mse": loss}}
    return config, cells, rows


def test_where_pals_has_no_result_its_rivals_have_no_density(planned):
    config, cells, rows = planned
    first = cells.planned[0].steps[0]
    arms = equal_arms(config, cells.planned[0], rows | {first.key: {"status": "diverged", "result": {}}})
    assert [arm.label for arm in arms] == [at_pals("gmp"), at_pals("rigl")]
    assert [step.fields["density"] for step in arms[0].steps] == pytest.approx([0.3, 0.4, 0.5])
    assert equal_arms(config.model_copy(update={"at_pals_density": False}), cells.planned[0], rows) == []


def test_rivals_are_as_published_but_for_density_and_interval(planned):
    config, cells, _ = planned
    wide = config.model_copy(update={"rivals": ["gmp", "granet", "snip"]})
    arms = [arm for arm in planned_arms(wide, cells.base.dense) if arm.group == "rival"]
    fields = {arm.method: (arm.steps[0].method, arm.steps[0].fields) for arm in arms}
    assert fields == {
        "gmp": ("gmp", {"every": 5, "density": 0.5}),
        "granet": ("granet", {"every": 5, "density": 0.5}),
        "snip": ("static", {"every": 5, "density": 0.5, "score": "snip", "distribution": "global"}),
    }


def test_two_densities_of_a_rival_never_have_one_name(planned):
    config, cells, _ = planned
    near = config.model_copy(update={"rivals": ["gmp"], "densities": [0.12, 0.5, 0.123]})
    arms = [arm for arm in planned_arms(near, cells.base.dense) if arm.group == "rival"]
    found = [(arm.label, arm.steps[0].fields["density"]) for arm in arms]
    assert found == [("gmp 0.5", 0.5), ("gmp 0.123", 0.123), ("gmp 0.12", 0.12)]


def test_the_search_takes_the_lowest_validation_error_over_all_seeds_of_pairs_without_a_failure(planned):
    config, cells, rows = planned
    (arm,) = searched_arms(config, cells.planned, rows)
    assert [(step.dense.model, step.dense.seed, step.fields["gamma"]) for step in arm.steps] == [
        ("DLinear", 1, 1.2),
        ("DLinear", 2, 1.2),
    ]
    failed = rows | {arm.steps[1].key: {"status": "failed", "result": {}}}
    (arm,) = searched_arms(config, cells.planned, failed)
    assert [step.fields for step in arm.steps] == [{"every": 5} | as_in_code(config)] * 2
    assert searched_arms(config.model_copy(update={"search": False}), cells.planned, rows) == []


def test_a_late_method_has_a_dense_control_of_the_same_epochs(planned):
    """40 steps, updates every 5: GMP settles at step 25 of 28 (0.7), in the third epoch of ten steps; RigL at once."""
    _, cells, rows = planned
    (arm,) = control_arms(cells.planned, rows)
    assert (arm.label, arm.group) == (dense_from(3), "control")
    assert [step.dense.key for step in arm.steps] == [trained.key for trained in cells.base.dense]
    assert all((step.method, step.fields) == ("dense", {"settles_at": 0.75}) for step in arm.steps)


@pytest.mark.parametrize(
    ("method", "fields", "epoch"),
    [
        ("gmp", {}, 7),  # its last update, 700, is the last step of epoch 7
        ("gmp", {"until": 0.71}, 8),  # 710
        ("gmp", {"until": 1.0}, 10),
        ("granet", {}, 7),
        ("one_shot", {"at": 0.31}, 4),
        ("one_shot", {"at": 0.3}, 3),
        ("static", {"score": "snip"}, 1),
        ("rigl", {}, 1),
        ("pals", {}, 1),
        ("gmp", {"every": 800}, None),  # no update: its training fails and says so
    ],
)
def test_the_first_epoch_that_may_be_the_best(method, fields, epoch):
    """Ten epochs of a hundred steps, updates every ten."""
    assert first_epoch(method, {"every": 10} | fields, 100, 10) == epoch


def test_late_methods_are_compared_with_dense_of_the_same_epochs_and_with_dense(smoke):
    changes = {"epochs": 2, "models": ["DLinear"], "ablation_models": [], "search": False, "densities": []}
    result = run(smoke | changes | {"protocol": "as_published", "signal": "subset"})
    assert result.failures == 0, "also where the last incomplete batch is dropped"
    against = result.comparisons.groupby("arm")["against"].agg(set)
    assert against[at_pals("gmp")] == {"dense", dense_from(2), at_pals("rigl")}
    assert against[at_pals("rigl")] == {"dense"} and against[dense_from(2)] == {"dense"}
    cells = result.cells.set_index("arm")
    assert cells["epochs_from"].to_dict() == dict.fromkeys(cells.index, 1) | {at_pals("gmp"): 2, dense_from(2): 2}
    assert cells.loc[dense_from(2), ["density", "training_macs_share"]].tolist() == [1, 1]


def test_the_papers_counts_stand_beside_counts_of_the_same_kind_only(result):
    assert result.published_counts == {} and "over horizons 96, 192, 336, 720; this run has 12" in result.counts_alone
    assert "the paper's counts do not stand beside these" in result.counts_alone
    assert published_horizons("ILI") == [24, 36, 48, 60] and published_horizons("ETTh1") == [96, 192, 336, 720]
    assert _why_alone("ETTm2", [720, 336, 192, 96]) == "" and _why_alone("ETTm2", [96]) and PUBLISHED["cells"] == 30


def test_the_papers_interval_is_that_of_the_dataset_and_the_parameters_comment_has_both():
    assert (published_every("ILI"), published_every("ETTh1"), published_every("a file of one's own")) == (5, 20, 20)
    told = SparseTraining.model_fields["every"].description
    assert f"the paper: {published_every('ETTh1')}, on ILI {published_every('ILI')}" in told


def test_updates_tell_the_trajectory(result):
    updates = result.updates
    assert set(updates["decision"]) <= {"shrink", "expand", "stable"}
    assert "gmp 0.5" not in set(updates["arm"])
    for _, cell in updates.groupby(["arm", "model", "seed"]):
        assert cell["step"].is_monotonic_increasing
        after = cell["sparsity"].to_numpy()[:-1]
        assert after == pytest.approx(cell["sparsity_before"].to_numpy()[1:])
    alone, counted = updates["sparsity"], updates["sparsity_counted"]
    theirs = updates["arm"] == PAPER
    assert counted[theirs].to_list() == pytest.approx(alone[theirs].to_list())
    assert (counted > alone)[~theirs].all()
    never = updates[updates["arm"] == "never expands"]
    assert "expand" not in set(never["decision"])


def test_the_signal_that_decided_agrees_with_itself(result):
    agreement = result.agreement.groupby("signal")["agreement"].agg(["min", "max"])
    assert agreement.loc["whole"].tolist() == [1, 1]
    assert (agreement["min"] >= 0).all() and set(agreement.index) == {"whole", "subset", "training loss"}


def test_the_signal_of_pals_itself_is_no_change_of_it(smoke):
    few = smoke | {"signal": "whole", "rivals": [], "search": False, "gammas": [smoke["gamma"]], "lams": [smoke["lam"]]}
    result = run(few)
    assert "signal" not in set(result.cells["group"])
    told = result.agreement.set_index("signal")["agreement"]
    assert told["whole"] == 1 and set(result.agreement["model"]) == set(smoke["ablation_models"])


def test_counts_are_those_of_our_own_table(result):
    ours = result.cells[result.cells["arm"] == "PALS as in its code"]
    mean = ours.groupby("model")[["mse_relative", "mae_relative", "density_all", "macs_share"]].mean()
    assert result.counts == {
        "cells": 2,
        "better_mse": (mean["mse_relative"] < 1).sum(),
        "better_mae": (mean["mae_relative"] < 1).sum(),
        "parameters": pytest.approx(1 - mean["density_all"].mean()),
        "macs": pytest.approx(1 - mean["macs_share"].mean()),
    }


def test_pals_is_compared_with_what_there_is_and_a_changed_pals_with_pals(result):
    mse, code = result.cells.groupby(["model", "arm"])["mse"].mean(), "PALS as in its code"
    pairs = result.comparisons.set_index(["model", "arm", "against"])["relative"]
    for arm, against in ((code, "dense"), (code, "gmp 0.5"), ("never expands", code), ("every 10 steps", code)):
        wanted = mse["DLinear", arm] / mse["DLinear", against] - 1
        assert pairs["DLinear", arm, against] == pytest.approx(wanted)
    compared = set(result.comparisons["arm"]) | set(result.comparisons["against"])
    assert compared == set(result.cells["arm"])
    assert not result.comparisons["clear"].any(), "one seed claims nothing"


def test_settings_stand_beside_the_numbers(result):
    cells = result.cells.groupby("arm")[["gamma", "lam", "every", "cap"]].first()
    assert cells.loc["PALS as in its code"].tolist() == [1.1, 1.1, 5, 0.9]
    assert cells.loc["gamma 1.2, lambda 1.1"].tolist() == [1.2, 1.1, 5, 0.9]
    assert cells.loc["no cap", "cap"] == 0.99 and cells.loc["every 10 steps", "every"] == 10
    assert cells.loc["gmp 0.5", "every"] == 5 and cells.loc["gmp 0.5", ["gamma", "lam", "cap"]].isna().all()


def test_final_sparsity_stands_beside_the_published_one(result):
    ours = result.horizons.set_index("model")
    code = result.cells[result.cells["arm"] == "PALS as in its code"].groupby("model")["density"].mean()
    assert (1 - ours["sparsity_code"]).to_dict() == pytest.approx(code.to_dict())
    assert ours["sparsity_published"].isna().all(), "nothing is published for synthetic data"
    published = published_sparsities()
    assert len(published) == 6 * 5 * 4 and published["tolerance"].eq(0.02).all() and published["source"].notna().all()
    by_model = published.groupby("model")["sparsity_published"].mean().round(2).to_dict()
    assert by_model["Nonstationary_Transformer"] == 0.69 and by_model["Informer"] == 0.58
    assert published["sparsity_published"].mean() == pytest.approx(0.664, abs=5e-4)


def test_without_a_finished_pals_the_tables_are_there(result):
    assert horizons(result.cells.assign(status="failed")).empty


def test_of_a_training_that_diverged_after_an_update_nothing_is_told_but_that(smoke, tmp_path):
    few = {"models": ["DLinear"], "rivals": [], "densities": [], "at_pals_density": False, "search": False}
    result = run(smoke | few | {"store": str(tmp_path), "gammas": [1.1], "intervals": [5], "learning_rate": 1e30})
    assert "diverged" in set(result.cells["status"]) and result.failures == len(result.cells)
    assert result.updates.empty and result.agreement.empty and result.comparisons.empty


def test_a_second_run_reads_the_store(result, smoke):
    again = run(smoke)
    pd.testing.assert_frame_equal(result.cells, again.cells)
    pd.testing.assert_frame_equal(result.updates, again.updates)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ablation_models": ["FEDformer"]}, "ablation_models: FEDformer is not one of models = "),
        ({"rivals": ["riggl"]}, "rivals.0 = 'riggl': unknown rival 'riggl'; did you mean 'rigl'"),
        ({"rivals": ["dense"]}, "unknown rival 'dense'"),
        ({"rivals": ["pals"]}, "unknown rival 'pals'"),
        ({"gamma": 1.0}, "greater than 1"),
        ({"signal": "half"}, "whole"),
        ({"densities": [], "at_pals_density": False}, r"densities = \[\]: rivals need one"),
        ({"ablation_models": []}, "search = True: needs ablation_models"),
        ({"gammas": [1.1], "lams": [1.1]}, "search = True: .* two or more pairs"),
    ],
)
def test_bad_parameters_are_a_clear_line(smoke, change, says):
    with pytest.raises(UserError, match=says):
        SparseTraining.parse(smoke | change)
