"""Study 02: masks held while training on, a fair control, and every arm under the same budget."""

import pandas as pd
import profiles
import pytest
import torch
from helpers import Recorder

from tsprune.errors import UserError
from tsprune.pruners import prunable_weights
from tsprune.steps import train_on
from tsprune.steps.tune import FineTuneStep
from tsprune.study.base.protocol import protocol_lines
from tsprune.study.base.shared import base_steps
from tsprune.study.fine_tuning.cells import FineTuningCells
from tsprune.study.fine_tuning.config import FineTuning
from tsprune.training import TrainResult


@pytest.fixture
def smoke():
    given = {"models": ["DLinear"], "seeds": [1], "structured_densities": [], "two_of_four": False, "jobs": 1}
    return profiles.parameters("smoke", "02_fine_tuning") | given


@pytest.fixture
def config(smoke, tmp_path):
    return FineTuning.parse(smoke | {"store": str(tmp_path / "store")})


def test_few_test_windows_and_a_short_training_are_told(config, threads):
    cells = FineTuningCells(config)
    rows = cells.compute([*cells.base.dense, *cells.base.naive], make_executor=threads)
    (dense,) = cells.base.dense
    rows[dense.key]["cost"]["seconds_per_epoch"] = 0.0162
    assert "0.016 s per epoch" in protocol_lines(cells.base, rows, config)["training time"]
    for windows, few in ((5 * 36, False), (5 * 36 - 1, True)):  # look-back 24, horizon 12
        rows[dense.key]["result"]["windows_test"] = windows
        told = protocol_lines(cells.base, rows, config)["test windows"]
        assert ("fewer than 5 of them share no time step" in told) == few


def test_every_arm_has_its_cells_and_its_epochs(config, threads):
    result = FineTuningCells(config).run(make_executor=threads, progress=Recorder())
    assert result.failures == 0
    cells = result.cells
    assert cells.groupby("arm").size().to_dict() == {
        "dense": 1,
        "dense longer": 1,
        "pruned": 2,
        "fine-tuned": 2,
        "iterative": 1,
        "rewound": 1,
        "pruned, sparsegpt": 1,
        "fine-tuned, sparsegpt": 1,
    }
    assert set(cells.loc[cells["arm"].isin(["iterative", "rewound"]), "density_asked"]) == {0.1073741824}
    assert (cells.loc[cells["arm"] == "dense", "mse_relative"] == 1).all()
    asked = cells["density_asked"]
    assert (abs(cells["density"] - asked) < 0.01).all()
    epochs = result.history.groupby(["arm", "density_asked"])["epoch"].max()
    assert set(epochs[["fine-tuned", "iterative", "dense longer", "fine-tuned, sparsegpt"]]) == {
        config.fine_tune_epochs
    }
    assert set(epochs["rewound"]) == {config.fine_tune_epochs + config.epochs}
    pruned = cells[cells["arm"] == "pruned"].set_index("density_asked")["mse"]
    start = result.history[(result.history["arm"] == "fine-tuned") & (result.history["epoch"] == 0)]
    assert start.set_index("density_asked")["test_mse"].to_dict() == pytest.approx(pruned.to_dict())
    first = result.history.set_index(["arm", "epoch"])["test_mse"]["fine-tuned, sparsegpt", 0].item()
    assert first == pytest.approx(cells.loc[cells["arm"] == "pruned, sparsegpt", "mse"].item())
    again = FineTuningCells(config).run(make_executor=threads, progress=Recorder())
    pd.testing.assert_frame_equal(result.cells, again.cells)


def test_masks_hold_and_the_rewound_model_starts_from_the_initial_weights(config, threads, monkeypatch):
    seen = {}
    running = []
    run, go_on = FineTuneStep.run, train_on.TrainOn.__call__

    def spy_run(self, store):
        running.append(self)
        return run(self, store)

    def spy(self, model, history, *, stage, masks):
        before = {n: w.detach().clone() for n, w in prunable_weights(model).items()}
        done = go_on(self, model, history, stage=stage, masks=masks)
        after = {n: w.detach().clone() for n, w in prunable_weights(model).items()}
        step = running[-1]
        seen[step.arm, step.densities[-1], stage] = (before, masks, after)
        return done

    monkeypatch.setattr(FineTuneStep, "run", spy_run)
    monkeypatch.setattr(train_on.TrainOn, "__call__", spy)
    FineTuningCells(config).run(make_executor=threads, progress=Recorder())
    trained = base_steps(config).dense[0]
    initial = dict(prunable_weights(trained.build()))
    assert len(seen) == 1 + 2 + config.stages + 1
    for (arm, density, stage), (before, masks, after) in seen.items():
        for name, mask in masks.items():
            assert (after[name][~mask] == 0).all()
            if arm == "rewound":
                assert torch.equal(before[name], initial[name] * mask)
                assert torch.equal(mask, seen["fine-tuned", density, 0][1][name])
        if arm == "iterative" and stage:
            earlier = seen[arm, density, stage - 1][1]
            assert all(not (mask & ~earlier[name]).any() for name, mask in masks.items())
    assert all(mask.all() for mask in seen["dense longer", 1.0, 0][1].values())


def test_a_fine_tuning_that_diverges_is_a_row(config, threads, monkeypatch):
    bad = TrainResult(status="diverged", reason="loss not finite at epoch 1, step 7")

    monkeypatch.setattr(train_on, "train", lambda *a, **k: bad)
    result = FineTuningCells(config).run(make_executor=threads, progress=Recorder())
    states = result.cells.groupby("arm")["status"].agg(set).to_dict()
    assert states["dense"] == states["pruned"] == {"ok"}
    assert states["fine-tuned"] == states["rewound"] == {"diverged"}
    assert "step 7" in result.cells.loc[result.cells["arm"] == "iterative", "reason"].iloc[0]


def test_other_structures_are_trained_on_and_every_comparison_is_paired(smoke, few, tmp_path, threads):
    given = smoke | few | {"models": ["iTransformer", "DLinear"], "seeds": [1, 2]}
    given |= {"structured_densities": [0.5], "two_of_four": True}
    config = FineTuning.parse(given | {"densities": [0.5], "compared_densities": [0.5], "store": str(tmp_path)})
    result = FineTuningCells(config).run(make_executor=threads, progress=Recorder())
    assert result.failures == 0
    cells = result.cells
    arms = cells.groupby(["model", "structure"])["arm"].agg(set).to_dict()
    both = {"pruned", "fine-tuned"}
    assert arms["iTransformer", "structured"] == arms["iTransformer", "2:4"] == arms["DLinear", "2:4"] == both
    assert ("DLinear", "structured") not in arms  # it has nothing to narrow
    assert set(result.history["structure"]) == {"unstructured", "structured", "2:4"}
    found = result.comparisons.set_index(["model", "structure", "arm", "against"])
    assert len(found) == 7 + 7 + 3 + 3 + 3
    assert (found["seeds"] == 2).all() and (found["low"] <= found["high"]).all()
    mse = cells.groupby(["model", "structure", "arm"])["mse"].mean()
    row = found.loc[("iTransformer", "structured", "fine-tuned", "dense longer")]
    wanted = mse["iTransformer", "structured", "fine-tuned"] / mse["iTransformer", "unstructured", "dense longer"] - 1
    assert row["relative"] == pytest.approx(wanted)
    assert row["clear"] == (row["low"] > 0 or row["high"] < 0)


def test_a_seed_without_a_result_is_left_out_of_the_comparison(smoke, few, tmp_path, threads, monkeypatch):
    given = smoke | few | {"seeds": [1, 2], "densities": [0.5], "compared_densities": [], "store": str(tmp_path)}
    config = FineTuning.parse(given)
    run = FineTuneStep.run

    def fail(self, store):
        if self.trained.seed == 2 and self.arm == "fine-tuned":
            raise MemoryError("as told")
        return run(self, store)

    monkeypatch.setattr(FineTuneStep, "run", fail)
    result = FineTuningCells(config).run(make_executor=threads, progress=Recorder())
    assert result.cells["status"].tolist().count("out of memory") == 1
    found = result.comparisons.set_index(["arm", "against"])
    assert found["seeds"].to_dict()["fine-tuned", "dense longer"] == 1
    assert found["seeds"].to_dict()["pruned", "dense longer"] == 2
    assert not found["clear"]["fine-tuned", "dense longer"]


def test_densities_to_compare_must_be_among_those_pruned_to(smoke):
    with pytest.raises(UserError, match=r"compared_densities: 0\.3 is not one of densities"):
        FineTuning.parse(smoke | {"compared_densities": [0.3], "store": "x"})


def test_budgets_that_cannot_be_shared_are_refused(smoke):
    with pytest.raises(UserError, match="fine_tune_epochs = 3 cannot be shared evenly by stages = 2"):
        FineTuning.parse(smoke | {"fine_tune_epochs": 3, "store": "x"})


def test_without_another_score_there_is_no_arm_of_it_and_an_unknown_one_is_told(smoke, tmp_path):
    config = FineTuning.parse(smoke | {"score": "magnitude", "store": str(tmp_path)})
    assert not [step for step in FineTuningCells(config).arms if step.kind == "score_tune"]
    with pytest.raises(UserError, match="unknown score 'wnada'; did you mean 'wanda'"):
        FineTuning.parse(smoke | {"score": "wnada", "store": "x"})
