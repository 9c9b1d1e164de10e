"""Study 02: masks held while training on, a fair control, and every arm under the same budget."""

import pandas as pd
import pytest
import torch
import yaml
from helpers import Recorder

from tsprune.errors import UserError
from tsprune.pruners import prunable_weights
from tsprune.study import FineTuning, run_fine_tuning, tuning_steps
from tsprune.study.places import project_root
from tsprune.study.result import base_steps
from tsprune.study.tuning_steps import FineTuneStep
from tsprune.training import TrainResult


@pytest.fixture
def smoke():
    path = project_root() / "params" / "smoke" / "02_fine_tuning.yaml"
    return yaml.safe_load(path.read_text()) | {"models": ["DLinear"], "seeds": [1], "jobs": 1}


@pytest.fixture
def config(smoke, tmp_path):
    return FineTuning.parse(smoke | {"store": str(tmp_path / "store")})


def test_every_arm_has_its_cells_and_its_epochs(config, threads):
    result = run_fine_tuning(config, make_executor=threads, progress=Recorder())
    assert result.failures == 0
    cells = result.cells
    assert cells.groupby("arm").size().to_dict() == {
        "dense": 1,
        "dense longer": 1,
        "pruned": 2,
        "fine-tuned": 2,
        "iterative": 2,
        "rewound": 2,
    }
    assert (cells.loc[cells["arm"] == "dense", "mse_relative"] == 1).all()
    asked = cells["density_asked"]
    assert (abs(cells["density"] - asked) < 0.01).all()
    epochs = result.history.groupby(["arm", "density_asked"])["epoch"].max()
    assert set(epochs[["fine-tuned", "iterative", "dense longer"]]) == {config.fine_tune_epochs}
    assert set(epochs["rewound"]) == {config.fine_tune_epochs + config.epochs}
    pruned = cells[cells["arm"] == "pruned"].set_index("density_asked")["mse"]
    start = result.history[(result.history["arm"] == "fine-tuned") & (result.history["epoch"] == 0)]
    assert start.set_index("density_asked")["test_mse"].to_dict() == pytest.approx(pruned.to_dict())
    again = run_fine_tuning(config, make_executor=threads, progress=Recorder())
    pd.testing.assert_frame_equal(result.cells, again.cells)


def test_masks_hold_and_the_rewound_model_starts_from_the_initial_weights(config, threads, monkeypatch):
    seen = {}
    running = []
    run, train_on = FineTuneStep.run, tuning_steps.train_on

    def spy_run(self, store):
        running.append(self)
        return run(self, store)

    def spy(model, *rest, stage, controller):
        before = {n: w.detach().clone() for n, w in prunable_weights(model).items()}
        done = train_on(model, *rest, stage=stage, controller=controller)
        after = {n: w.detach().clone() for n, w in prunable_weights(model).items()}
        step = running[-1]
        seen[step.arm, step.densities[-1], stage] = (before, controller.masks, after)
        return done

    monkeypatch.setattr(FineTuneStep, "run", spy_run)
    monkeypatch.setattr(tuning_steps, "train_on", spy)
    run_fine_tuning(config, make_executor=threads, progress=Recorder())
    trained = base_steps(config).dense[0]
    initial = dict(prunable_weights(trained.build()))
    assert len(seen) == 1 + 2 * (1 + config.stages + 1)
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

    monkeypatch.setattr(tuning_steps, "train", lambda *a, **k: bad)
    result = run_fine_tuning(config, make_executor=threads, progress=Recorder())
    states = result.cells.groupby("arm")["status"].agg(set).to_dict()
    assert states["dense"] == states["pruned"] == {"ok"}
    assert states["fine-tuned"] == states["rewound"] == {"diverged"}
    assert "step 7" in result.cells.loc[result.cells["arm"] == "iterative", "reason"].iloc[0]


def test_budgets_that_cannot_be_shared_are_refused(smoke):
    with pytest.raises(UserError, match="fine_tune_epochs = 3 cannot be shared evenly by stages = 2"):
        FineTuning.parse(smoke | {"fine_tune_epochs": 3, "store": "x"})
