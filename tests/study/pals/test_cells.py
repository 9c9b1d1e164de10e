"""Study 05: every arm under the dense recipe, decisions logged, signals compared, counts from our own table."""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import profiles
import pytest
from helpers import Recorder

from tsprune.errors import UserError
from tsprune.study.pals.cells import PalsCells, horizons
from tsprune.study.pals.config import SparseTraining
from tsprune.study.pals.published import published_sparsities
from tsprune.study.pals.result import ABLATIONS


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    store = {"store": str(tmp_path_factory.mktemp("store")), "jobs": 1}
    return profiles.parameters("smoke", "05_pals") | {"seeds": [1], **store}


def run(smoke):
    config = SparseTraining.parse(smoke)
    return PalsCells(config).run(make_executor=lambda: ThreadPoolExecutor(1), progress=Recorder())


@pytest.fixture(scope="module")
def result(smoke):
    return run(smoke)


def test_every_arm_has_its_cells_and_its_numbers(result, smoke):
    assert result.failures == 0
    cells = result.cells
    every = ["dense", "PALS as in its code", "PALS as in the paper", "gmp 0.5", "rigl 0.5"]
    few = ["signal: whole validation set", *ABLATIONS, "gamma 1.2, lambda 1.1", "every 10 steps"]
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


def test_updates_tell_the_trajectory(result):
    updates = result.updates
    assert set(updates["decision"]) <= {"shrink", "expand", "stable"}
    assert "gmp 0.5" not in set(updates["arm"])
    for _, cell in updates.groupby(["arm", "model", "seed"]):
        assert cell["step"].is_monotonic_increasing
        after = cell["sparsity"].to_numpy()[:-1]
        assert after == pytest.approx(cell["sparsity_before"].to_numpy()[1:])
    never = updates[updates["arm"] == "never expands"]
    assert "expand" not in set(never["decision"])


def test_the_signal_that_decided_agrees_with_itself(result):
    agreement = result.agreement.groupby("signal")["agreement"].agg(["min", "max"])
    assert agreement.loc["whole"].tolist() == [1, 1]
    assert (agreement["min"] >= 0).all() and set(agreement.index) == {"whole", "subset", "training loss"}


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


def test_a_second_run_reads_the_store(result, smoke):
    again = run(smoke)
    pd.testing.assert_frame_equal(result.cells, again.cells)
    pd.testing.assert_frame_equal(result.updates, again.updates)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ablation_models": ["FEDformer"]}, "ablation_models: unknown model 'FEDformer'"),
        ({"rivals": ["riggl"]}, "rivals.0 = 'riggl': unknown rival 'riggl'; did you mean 'rigl'"),
        ({"rivals": ["dense"]}, "unknown rival 'dense'"),
        ({"rivals": ["pals"]}, "unknown rival 'pals'"),
        ({"gamma": 1.0}, "greater than 1"),
        ({"signal": "half"}, "whole"),
    ],
)
def test_bad_parameters_are_a_clear_line(smoke, change, says):
    with pytest.raises(UserError, match=says):
        SparseTraining.parse(smoke | change)
