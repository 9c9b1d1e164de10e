"""Study 03: equal sizes by construction, equal training, matches on every axis, and choices that never see the test."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import profiles
import pytest
import torch
from helpers import Recorder

from tsprune.errors import UserError
from tsprune.steps import train_on
from tsprune.steps.latency import LatencyStep
from tsprune.steps.narrow import StructuredStep
from tsprune.study.base.shared import base_steps
from tsprune.study.right_sizing.cells import RightSizingCells, affordable, match
from tsprune.study.right_sizing.config import RightSizing
from tsprune.study.right_sizing.result import COSTS, RIVALS, TRAINING, WHOLE
from tsprune.study.right_sizing.ways import map_ways, size_ways
from tsprune.training import TrainResult


def in_threads() -> ThreadPoolExecutor:
    """An executor that starts no process."""
    return ThreadPoolExecutor(2)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> dict:
    """The smoke profile on a series of 40 days, so that every training is over in no time."""
    hours = np.arange(960)
    series = {name: np.sin(2 * np.pi * hours / period) + hours / 1e3 for name, period in (("a", 24), ("b", 12))}
    csv = tmp_path_factory.mktemp("data") / "mine.csv"
    pd.DataFrame({"date": pd.date_range("2024-01-01", periods=960, freq="h"), **series}).to_csv(csv, index=False)
    changes = {"dataset": str(csv), "batch_size": 64, "seeds": [1, 2], "jobs": 1}
    return profiles.parameters("smoke", "03_right_sizing") | changes


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def config(smoke, store):
    return RightSizing.parse(smoke | {"store": store})


@pytest.fixture(scope="module")
def result(config):
    return RightSizingCells(config).run(make_executor=in_threads, progress=Recorder())


def arms(frame: pd.DataFrame, arm: str) -> pd.DataFrame:
    return frame[frame["arm"] == arm]


def test_every_size_has_every_arm_and_the_pruned_ones_as_many_parameters(result, config):
    assert result.failures == 0
    seeds = len(config.seeds)
    assert result.sizes.groupby("arm").size().to_dict() == {
        "dense": 2 * seeds,
        "dense longer": 2 * seeds,
        "pruned": seeds,
        "fine-tuned": seeds,
        "distilled": seeds,
    }
    (small,) = arms(result.sizes, "dense").query("width == 4")["parameters"].unique()
    for arm in ("pruned", "fine-tuned"):
        assert arms(result.sizes, arm)["parameters"].between(0.99 * small, 1.01 * small).all()
    assert set(arms(result.sizes, "distilled")["parameters"]) == {small}
    assert result.sizes[list(COSTS)].notna().all(axis=None)
    assert not result.cells["key"].duplicated().any()
    assert set(result.sizes["key"]) | set(result.data_map["key"]) == set(result.cells["key"])


def test_every_model_is_trained_equally_long(config):
    base = base_steps(config)
    for way in (*size_ways(config, base), *map_ways(config, base)):
        for step in way.steps:
            begun = step.student if way.arm == "distilled" else getattr(step, "trained", step)
            assert begun.train.epochs == config.epochs
            if way.arm in ("dense longer", "fine-tuned", "distilled"):
                assert step.train.epochs == step.train.patience == config.fine_tune_epochs
    shared = {step.key for step in base.dense}
    assert shared <= {step.key for way in size_ways(config, base) for step in way.steps}


def test_a_distilled_model_has_the_seed_size_and_batches_of_a_dense_one_and_the_teacher_of_its_seed(config):
    ways = size_ways(config, base_steps(config))
    (taught,) = [way for way in ways if way.arm == "distilled"]
    (alone,) = [way for way in ways if way.arm == "dense longer" and way.width == taught.width]
    (large,) = [way for way in ways if way.arm == "dense longer" and way.width == config.d_model]
    for step, own, teacher in zip(taught.steps, alone.steps, large.steps, strict=True):
        assert (step.student, step.train, step.teacher) == (own.trained, own.train, teacher)
        assert step.student.seed == teacher.trained.seed and step.weight == config.distill_weight


def test_distilled_models_are_compared_with_every_rival(result):
    table = result.distilled.set_index("rival")
    assert list(table.index) == list(RIVALS) and set(table["width"]) == {4} and set(table["seeds"]) == {2}
    ours = arms(result.sizes, "distilled")["mse"].mean()
    longer = arms(result.sizes, "dense longer").groupby("width")["mse"].mean()
    for rival, mse in {
        "alone": longer[4],
        "pruned": arms(result.sizes, "pruned")["mse"].mean(),
        "fine-tuned": arms(result.sizes, "fine-tuned")["mse"].mean(),
        WHOLE: longer[8],
    }.items():
        assert table.loc[rival, "relative"] == pytest.approx(ours / mse - 1)
        assert table.loc[rival, "low"] <= table.loc[rival, "relative"] <= table.loc[rival, "high"]
    assert table.loc["affordable", "match_width"] == 4


def test_what_training_took_is_added_up_from_its_parts(result):
    sizes = result.sizes.groupby(["arm", "width"])[[*TRAINING, "macs_executed"]].mean()
    forecast = sizes["macs_executed"]
    windows = sizes["training_macs"]["dense"] / 3 / forecast["dense"]  # seen in one training, the same for all
    seen, large, small = windows[8], forecast["dense"][8], forecast["dense"][4]
    assert windows[4] == pytest.approx(seen) and seen > 100
    wanted = {
        ("dense longer", 4): (6 * small * seen, 0),
        ("dense longer", 8): (6 * large * seen, 0),
        ("pruned", 4): (3 * large * seen, 3 * large * seen),
        ("fine-tuned", 4): (3 * (large + forecast["fine-tuned"][4]) * seen, 3 * large * seen),
        ("distilled", 4): ((6 * small + 8 * large) * seen, 8 * large * seen),
    }
    for place, (every, of_large) in wanted.items():
        found = sizes.loc[place, ["training_macs", "training_macs_large"]].tolist()
        assert found == pytest.approx([every, of_large]), place
    assert sizes["training_mib"].between(50, 5000).all()
    assert (sizes["training_s"] >= sizes["training_s_large"]).all() and (sizes["training_s"] > 0).all()
    assert ((sizes["training_s_large"] > 0) == (sizes["training_macs_large"] > 0)).all()


def test_comparisons_pair_fine_tuned_with_the_dense_model_of_equal_cost(result):
    tuned = arms(result.comparison, "fine-tuned").set_index("axis")
    assert list(tuned.index) == [*COSTS, WHOLE]
    assert tuned.loc["parameters", ["match_width", "seeds"]].tolist() == [4, 2]
    ours = arms(result.sizes, "fine-tuned")["mse"].mean()
    longer = arms(result.sizes, "dense longer").groupby("width")["mse"].mean()
    assert tuned.loc["parameters", "relative"] == pytest.approx(ours / longer[4] - 1)
    assert tuned.loc[WHOLE, "relative"] == pytest.approx(ours / longer[8] - 1)
    found = tuned.dropna(subset=["match_cost"]).drop(index=WHOLE)
    assert (found["match_cost"] <= 1.05 * found["cost"]).all()
    assert pd.isna(tuned.loc[WHOLE, "largest_width"])
    assert tuned["low"].le(tuned["relative"]).where(tuned["relative"].notna(), True).all()


def test_the_map_has_every_share_width_and_density_and_is_read_by_validation(result):
    cells = result.data_map.groupby(["data_fraction", "width", "density_asked"])
    assert set(cells.groups) == {(f, w, d) for f in (0.2, 1.0) for w in (4, 8) for d in (0.5, 1.0)}
    means = cells[["val_mse", "mse"]].mean()
    for choice in result.choices.to_dict("records"):
        own = means.loc[choice["data_fraction"]]
        assert own["val_mse"].idxmin() == (choice["width"], choice["density_asked"])
        assert choice["mse"] == pytest.approx(own["mse"][choice["width"], choice["density_asked"]])
    assert result.choices["data_fraction"].tolist() == [0.2, 1.0]


def test_a_second_run_repeats_the_first_and_computes_nothing(result, config):
    progress = Recorder()
    again = RightSizingCells(config).run(make_executor=in_threads, progress=progress)
    for name in ("cells", "sizes", "comparison", "data_map", "choices"):
        pd.testing.assert_frame_equal(getattr(result, name), getattr(again, name))
    assert all("steps" in line for line in progress.news)


def test_the_match_is_the_best_by_validation_within_five_percent():
    dense = pd.Series({"tiny": 20.0, "small": 90.0, "equal": 104.0, "large": 106.0, "unknown": float("nan")})
    val = pd.Series({"tiny": 0.5, "small": 0.3, "equal": 0.4, "large": 0.2, "unknown": 0.1})
    assert list(affordable(100.0, dense).index) == ["tiny", "small", "equal"]
    assert match(affordable(100.0, dense), val) == "small"
    assert match(affordable(101.0, dense), val) == "large"
    assert match(affordable(30.0, dense), val) == "tiny"
    assert match(affordable(10.0, dense), val) is None
    assert match(affordable(float("nan"), dense), val) is None


def test_the_match_is_chosen_by_validation_and_never_by_test(result, config):
    """A smaller dense model that is better by validation alone takes the place of the largest affordable one."""
    cells = RightSizingCells(config)
    cells.run(make_executor=in_threads, progress=Recorder())
    sizes = result.sizes.copy()
    longer = sizes["arm"] == "dense longer"
    sizes.loc[longer & (sizes["width"] == 4), ["parameters", "val_mse", "mse"]] = [1.0, 0.1, 9.0]
    sizes.loc[longer & (sizes["width"] == 8), ["parameters", "val_mse", "mse"]] = [2.0, 0.2, 1.0]
    table = cells._comparison(sizes)
    row = table[(table["arm"] == "fine-tuned") & (table["axis"] == "parameters")].iloc[0]
    assert (row["match_width"], row["largest_width"]) == (4, 8)
    assert row["largest_relative"] != row["relative"] and row["largest_seeds"] == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"models": ["iTransformer", "DLinear"]}, "nothing in DLinear can be narrowed"),
        ({"depths": [2]}, "e_layers = 1, the depth of the model that is pruned, must be among them"),
        ({"widths": [8]}, "8 is not below d_model = 8"),
        ({"map_densities": [0.5, 0.5]}, "appears twice"),
        ({"map_densities": [1.0]}, "less than 1"),
        ({"distill_weight": 0.0}, "greater than 0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(smoke, change, words):
    with pytest.raises(UserError, match=words):
        RightSizing.parse(smoke | {"store": "x"} | change)


def test_failed_cells_and_lost_latencies_are_rows_and_the_rest_is_compared(smoke, tmp_path, monkeypatch):
    """The first seed cannot be narrowed (memory), fine-tuning diverges, nothing can be timed."""
    run = StructuredStep.run

    def out_of_memory(step, store):
        if step.trained.seed == 1:
            torch.empty(2**60)
        return run(step, store)

    def no_clock(step, store):
        raise UserError("no clock")

    bad = TrainResult(status="diverged", reason="loss not finite at epoch 1, step 7")
    monkeypatch.setattr(StructuredStep, "run", out_of_memory)
    monkeypatch.setattr(train_on, "train", lambda *a, **k: bad)
    monkeypatch.setattr(LatencyStep, "run", no_clock)
    config = RightSizing.parse(smoke | {"store": str(tmp_path), "fractions": [1.0], "widths": [4]})
    result = RightSizingCells(config).run(make_executor=in_threads, progress=Recorder())
    sizes = result.sizes.groupby("arm")["status"].agg(list).to_dict()
    assert sizes["pruned"] == ["out of memory", "ok"]
    assert sizes["fine-tuned"] == ["failed", "diverged"]
    assert sizes["distilled"] == ["failed", "failed"]  # without a teacher
    assert result.distilled["relative"].isna().all() and not result.distilled["clear"].any()
    assert "out of memory" in arms(result.sizes, "fine-tuned")["reason"].iloc[0]
    assert "step 7" in arms(result.sizes, "fine-tuned")["reason"].iloc[1]
    assert arms(result.cells, "latency")["reason"].tolist() == ["no clock"]
    assert result.sizes["latency_1_ms"].isna().all()
    assert not result.comparison["clear"].any()
    assert result.comparison.loc[result.comparison["arm"] == "fine-tuned", "reason"].notna().all()
    assert result.choices.empty
    assert result.failures == (result.cells["status"] != "ok").sum() > 0


def test_trainings_that_diverge_before_an_epoch_is_over_are_rows_without_a_cost(smoke, tmp_path):
    changes = {"store": str(tmp_path), "fractions": [1.0], "seeds": [1], "learning_rate": 1e30}
    result = RightSizingCells(RightSizing.parse(smoke | changes)).run(make_executor=in_threads, progress=Recorder())
    assert set(arms(result.sizes, "dense")["status"]) == {"diverged"}
    assert result.sizes[["training_macs", "training_s"]].isna().all(axis=None) and result.failures == len(result.cells)


def test_a_floor_is_told_with_the_size_that_was_reached(smoke, tmp_path):
    config = RightSizing.parse(
        smoke | {"store": str(tmp_path), "fractions": [1.0], "seeds": [1], "map_densities": [0.01]}
    )
    result = RightSizingCells(config).run(make_executor=in_threads, progress=Recorder())
    floors = result.cells[result.cells["reason"].notna()]
    assert set(floors["status"]) == {"ok"}
    assert floors["reason"].str.contains("is the least at max_ratio").all()
    assert set(floors["density_asked"]) == {0.01}
    assert not result.comparison["clear"].any()
