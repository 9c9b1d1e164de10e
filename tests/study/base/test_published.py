"""Published errors stand beside the data they were published for, known by its content, with what differs named."""

import pandas as pd
import pytest
from reading import read

from tsprune.report.tables import published_table
from tsprune.study.base.published import compare_with_published, published_errors
from tsprune.study.pruning_sweep.config import PruningSweep

PAPER = {"d_model": 512, "n_heads": 8, "d_ff": 2048, "e_layers": 2, "learning_rate": 1e-4, "epochs": 10}


@pytest.fixture
def config(smoke):
    size = PAPER | {"schedule": "type1", "batch_size": 32, "seq_len": 96, "label_len": 48, "moving_avg": 25}
    return PruningSweep.parse(smoke | size | {"models": ["Autoformer"], "pred_lens": [96], "store": "x"})


@pytest.fixture
def cells():
    row = {"method": "dense", "model": "Autoformer", "dataset": "mine", "pred_len": 96, "mse": 0.5, "mae": 0.4}
    row |= {"status": "ok"}
    return pd.DataFrame([row | {"seed": 1}, row | {"seed": 2, "mse": 0.7}])


NAIVE = pd.DataFrame(
    [{"model": "RepeatLast", "dataset": "mine", "pred_len": 96, "mse": 1.0, "mae": 0.9, "status": "ok"}]
)


def test_only_the_datas_content_puts_published_errors_beside_ours(cells, config):
    """A file of one's own may be called ETTh1, and ETTh1 may lie in a file of another name."""
    assert compare_with_published(cells.assign(dataset="ETTh1"), NAIVE, config, None).empty
    found = compare_with_published(cells, NAIVE, config, "ETTh1").set_index("model").loc[["Autoformer"]].iloc[0]
    there = published_errors().query("model == 'Autoformer' and dataset == 'ETTh1' and pred_len == 96").iloc[0]
    assert found["mse_here"] == pytest.approx(0.6) and found["mse_published"] == there["mse_published"]
    assert found["difference"] == pytest.approx(0.6 - there["mse_published"])


def test_of_a_model_that_failed_the_table_says_so_and_not_that_it_was_not_run(cells, config):
    lost = cells.assign(mse=float("nan"), mae=float("nan"), status=["diverged", "failed"])
    rows, _ = read(published_table(compare_with_published(lost, NAIVE, config, "ETTh1")))
    shown = next(row for row in rows if row[0] == "Autoformer")
    assert shown.count("diverged / failed") == 3 and "not run" not in shown
    half = compare_with_published(lost.assign(status=["failed", "not run"]), NAIVE, config, "ETTh1")
    assert any("failed / not run" in row for row in read(published_table(half))[0])


def test_every_difference_of_protocol_is_named(cells, config):
    assert set(compare_with_published(cells, NAIVE, config, "ETTh1")["protocol"]) == {"none known"}
    other = {"batch_size": 64, "d_ff": 64, "e_layers": 1, "d_model": 32, "learning_rate": 1e-3, "schedule": "cosine"}
    told = compare_with_published(cells, NAIVE, config.model_copy(update=other), "ETTh1")
    words = told.set_index("model").loc["Autoformer", "protocol"]
    words = words if isinstance(words, str) else words.iloc[0]
    for wanted in (
        "d_model 32 (there 512)",
        "d_ff 64 (there 2048)",
        "encoder layers 1 (there 2)",
        "batch 64 (there 32)",
    ):
        assert wanted in words
    assert "learning rate 0.001 (there 0.0001)" in words and "schedule cosine (there type1)" in words


def test_whose_code_drops_the_last_batch_of_the_test_split_is_told(cells, config):
    """FEDformer's does, Autoformer's does not."""
    cells = pd.concat([cells, cells.assign(model="FEDformer")])
    config = config.model_copy(update={"models": ["Autoformer", "FEDformer"]})
    every, dropped = "every test window", "last incomplete batch of the test split left out"
    for protocol, said in (
        ("full", {"FEDformer": every}),
        ("as_published", dict.fromkeys(("Autoformer", "RepeatLast"), dropped)),
    ):
        found = compare_with_published(cells, NAIVE, config.model_copy(update={"protocol": protocol}), "ETTh1")
        told = dict(zip(found["model"], found["protocol"], strict=True))
        assert {model for model, words in told.items() if "batch" in words} == said.keys()
        assert all(told[model].startswith(words) for model, words in said.items())
        assert told["FEDformer"].endswith("moving average 25 (there 24); Fourier modes 32 (there 64)")


def test_that_not_every_test_window_counts_here_is_told(cells, config):
    cells = pd.concat([cells, cells.assign(model="FEDformer")])
    found = compare_with_published(cells, NAIVE, config.model_copy(update={"eval_stride": 5}), "ETTh1")
    for model, words in zip(found["model"], found["protocol"], strict=True):
        there = "all but those of the last incomplete batch" if model == "FEDformer" else "all"
        assert words.startswith(f"one test window in 5 (there {there})")


def test_cleaned_data_and_other_arithmetic_are_differences_too(cells, config):
    """With Weather's -9999 left in, repeating the last value has the published error, .259; without them, .326."""
    for raw, told in ((False, "faulty values filled in (there left as they are)"), (True, "none known")):
        found = compare_with_published(cells, NAIVE, config.model_copy(update={"raw": raw}), "Weather")
        assert set(found["protocol"]) == {told}
    half = compare_with_published(cells, NAIVE, config.model_copy(update={"precision": "bfloat16"}), "ETTh1")
    assert set(half["protocol"]) == {"precision bfloat16 (there float32)", "none known"}, "a naive forecast has none"
