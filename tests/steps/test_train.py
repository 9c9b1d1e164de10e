"""Steps outside a study: a share of the data, narrowed models trained on, latency."""

import math
from dataclasses import replace

import pytest
import torch
from helpers import Recorder

from tsprune.engine.grid import run_grid
from tsprune.errors import UserError
from tsprune.steps.artifacts import SCORES_FILE, load_scores
from tsprune.steps.compare import compare
from tsprune.steps.latency import LatencyStep
from tsprune.steps.narrow import DepGraphStep, StructuredStep
from tsprune.steps.prune import PruneStep
from tsprune.steps.train import NaiveStep
from tsprune.steps.train_on import TrainOn
from tsprune.steps.tune import FineTuneStep, NarrowTuneStep
from tsprune.study.base.shared import base_steps
from tsprune.study.pruning_sweep.config import PruningSweep
from tsprune.training import evaluate


@pytest.fixture
def trained(smoke):
    config = PruningSweep.parse(smoke | {"models": ["iTransformer"], "store": "unused"})
    return base_steps(config).dense[0]


def test_a_share_of_the_data_is_the_most_recent_and_gets_as_many_steps(trained):
    splits = trained.data.splits("cpu")
    every = splits.train.starts
    for fraction in (0.1, 0.3, 1.0):
        windows = trained.model_copy(update={"fraction": fraction}).windows(splits)
        assert len(windows) == len(every)
        distinct = windows.starts.unique()
        assert torch.equal(distinct, every[len(every) - round(fraction * len(every)) :])
    assert trained.model_copy(update={"fraction": 0.5}).key != trained.key


def test_steps_of_other_test_windows_are_others(trained):
    """As published the last incomplete batch is dropped, so that another batch size tests other windows."""

    def keys(**changes):
        recipe = trained.train.model_copy(update=changes)
        naive = NaiveStep(data=trained.data, model="RepeatLast", train=recipe)
        return {naive.key, trained.model_copy(update={"train": recipe}).key}

    assert keys(eval_batch_size=10) == keys(eval_batch_size=20)
    assert not keys(protocol="as_published", eval_batch_size=10) & keys(protocol="as_published", eval_batch_size=20)


def test_a_narrowed_model_is_trained_on_and_kept(trained, store, run):
    narrow = StructuredStep(trained=trained, density=0.5)
    tuned = NarrowTuneStep(trained=trained, density=0.5, train=trained.train)
    rows = run(tuned, narrow)
    before, after = rows[narrow.key]["result"], rows[tuned.key]["result"]
    assert (
        after["parameters"] == before["parameters"] < rows[narrow.key]["result"]["parameters"] / before["density_all"]
    )
    history = rows[tuned.key]["detail"]["history"]
    assert [record["epoch"] for record in history] == list(range(trained.train.epochs + 1))
    assert history[0]["test_mse"] == pytest.approx(before["mse"])
    best = min(history, key=lambda record: record["val_mse"])
    assert after["mse"] == pytest.approx(best["test_mse"])
    scores = evaluate(tuned.load(store), trained.data.splits("cpu").test, trained.train)
    assert scores.mse == pytest.approx(after["mse"])


def test_widths_in_multiples_are_another_step_and_those_of_one_are_the_step_that_rows_have(trained, store, run):
    trained = trained.model_copy(update={"hyper": trained.hyper | {"d_model": 32, "d_ff": 48}})
    plain = StructuredStep(trained=trained, density=0.5)
    assert plain.key == StructuredStep(trained=trained, density=0.5, multiple=1).key
    # As it was before there were multiples: the rows that ship are found by it.
    what = {"score": "group-l2", "structure": "structured", "scope": "global", "density": 0.5}
    assert plain.identity() == {"step": "structured", "version": 3, "trained": trained.key} | what
    assert plain.columns().keys() == {"method", "structure", "scope", "density_asked"}
    tuned = NarrowTuneStep(trained=trained, density=0.5, multiple=8, train=trained.train)
    assert tuned.key != NarrowTuneStep(trained=trained, density=0.5, train=trained.train).key
    rows = run(tuned)
    assert rows[tuned.key]["protocol"]["multiple"] == store.row(tuned.pruned.key)["protocol"]["multiple"] == 8
    assert "widths in multiples of 8" in tuned.label and "multiples" not in plain.label
    widths = {axis.name: axis.width for axis in tuned.load(store).axes()}
    assert widths["d_model"] in (8, 16, 24) and all(widths[name] % 8 == 0 for name in widths if "d_ff" in name)
    assert rows[tuned.key]["result"]["density_all"] == pytest.approx(0.5, abs=0.05)
    with pytest.raises(UserError, match="greater than or equal to 1"):
        StructuredStep(trained=trained, density=0.5, multiple=0)


def test_whole_heads_are_another_step_and_features_of_heads_the_step_that_rows_have(trained, store, run):
    trained = trained.model_copy(update={"hyper": trained.hyper | {"d_model": 32, "n_heads": 4}})
    plain = NarrowTuneStep(trained=trained, density=0.5, train=trained.train)
    assert plain.key == plain.model_copy(update={"inside": "head_dim"}).key and "heads" not in plain.label
    tuned = NarrowTuneStep(trained=trained, density=0.5, inside="n_heads", train=trained.train)
    assert tuned.key != plain.key and "by whole heads" in tuned.label
    row = run(tuned)[tuned.key]
    assert row["protocol"]["inside"] == store.row(tuned.pruned.key)["protocol"]["inside"] == "n_heads"
    kinds = {axis.kind: axis.width for axis in tuned.load(store).axes()}
    assert kinds["head_dim"] == 8 and kinds["n_heads"] < 4


def test_what_a_step_starts_from_is_that_of_its_own_fields(trained):
    tuned = NarrowTuneStep(trained=trained, density=0.5, train=trained.train)
    assert tuned.pruned is tuned.pruned and tuned.needs == (StructuredStep(trained=trained, density=0.5),)
    assert tuned.model_copy(update={"density": 0.25}).pruned == StructuredStep(trained=trained, density=0.25)


def test_two_of_four_is_held_while_training_on(trained, run):
    step = FineTuneStep(trained=trained, scope="layer", structure="2:4", densities=[0.5], train=trained.train)
    row = run(step)[step.key]
    assert row["protocol"]["structure"] == "2:4"
    layers = {layer["layer"]: layer["layer_density"] for layer in row["detail"]["layers"]}
    assert set(layers.values()) <= {0.5, 1.0} and 0.5 in layers.values()
    with pytest.raises(UserError, match="2:4 allows only density"):
        FineTuneStep(trained=trained, scope="layer", structure="2:4", densities=[0.3], train=trained.train)


def test_the_papers_protocol_misses_the_density_it_was_asked_for(trained, run):
    steps = [kind(trained=trained, density=0.5) for kind in (DepGraphStep, StructuredStep)]
    paper, ours = (run(*steps)[step.key] for step in steps)
    assert paper["protocol"]["method"] == "depgraph_paper"
    assert abs(ours["result"]["density_all"] - 0.5) < 0.02 < abs(paper["result"]["density_all"] - 0.5)


def test_test_errors_by_window_and_column_lie_beside_every_row(trained, store, run):
    steps = [
        trained,
        NaiveStep(data=trained.data, model="RepeatLast", train=trained.train),
        PruneStep(trained=trained, scope="layer", density=0.5),
        StructuredStep(trained=trained, density=0.5),
        FineTuneStep(trained=trained, scope="layer", densities=[0.5], train=trained.train),
    ]
    for key, row in run(*steps).items():
        parts = load_scores(store, key)
        assert len(parts["window_mse"]) == row["result"]["windows_test"]
        assert len(parts["column_mae"]) == trained.data.width
        assert float(parts["window_mse"].mean()) == pytest.approx(row["result"]["mse"])
        assert float(parts["column_mae"].mean()) == pytest.approx(row["result"]["mae"])


def test_damaged_test_errors_are_named_and_computed_again(trained, store, threads):
    def run():
        progress = Recorder(2)
        run_grid([trained], store, make_executor=threads, jobs=2, progress=progress)
        return " ".join(progress.news)

    run()
    (store.folder(trained.key) / SCORES_FILE).write_bytes(b"half")
    assert f"damaged in the store, will be computed again: {store.folder(trained.key) / SCORES_FILE}" in run()
    assert len(load_scores(store, trained.key)["window_mse"]) > 0
    assert "damaged" not in run()


def test_latency_is_measured_beside_the_dense_model(trained, run):
    narrow = StructuredStep(trained=trained, density=0.2)
    masked = PruneStep(trained=trained, scope="layer", density=0.2)
    step = LatencyStep(name="iTransformer", of=(trained, narrow, masked), batch_sizes=(1, 4), repeats=3)
    records = run(step)[step.key]["detail"]["latency"]
    assert {(r["key"], r["batch"]) for r in records} == {(s.key, b) for s in step.of for b in (1, 4)}
    assert all(r["median_ms"] > 0 and r["threads"] == 1 for r in records)
    assert all(r["speedup"] == 1 for r in records if r["key"] == trained.key)
    assert {r["repeats"] for r in records} <= {3, 6}  # three have no interval yet; where others crowd, none will have


def test_two_steps_are_compared_on_the_same_windows(trained, store, run):
    again = trained.model_copy(update={"seed": 2})
    cut = [PruneStep(trained=t, scope="layer", density=0.1) for t in (trained, again)]
    rows = run(trained, again, *cut)
    found = compare(store, rows, cut, [trained, again])
    mse = {key: row["result"]["mse"] for key, row in rows.items()}
    wanted = sum(mse[s.key] for s in cut) / (mse[trained.key] + mse[again.key]) - 1
    assert found.relative == pytest.approx(wanted) and found.seeds == 2
    assert found.low <= found.relative <= found.high
    rows[again.key]["status"] = "diverged"
    assert compare(store, rows, cut, [trained, again]) is None
    with pytest.raises(UserError, match=r"nothing to pair: seeds \[1, 2, 1\]"):
        compare(store, run(*cut, trained), cut, [trained])


def test_a_start_without_a_finite_error_is_no_best(linear, store, run, monkeypatch):
    """One window that a pruned model cannot forecast makes its validation error NaN, which nothing is less than."""
    run(linear)
    splits, model, history = linear.data.splits("cpu"), linear.load(store), []
    first = iter([math.nan])

    def evaluated(*given):
        scores = evaluate(*given)
        return replace(scores, mse=next(first, scores.mse))

    monkeypatch.setattr("tsprune.steps.train_on.evaluate", evaluated)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with TrainOn(store, "a" * 20, splits, linear.train.continued(1, 1e-3), linear) as training:
        _, scores = training(model, history)
    assert scores.mse == history[-1]["test_mse"] == evaluate(model, splits.test, linear.train).mse
    assert not all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    "make",
    [lambda t: t, lambda t: FineTuneStep(trained=t, scope="layer", densities=[0.5], train=t.train.continued(1, 1e-3))],
)
def test_a_test_error_that_is_not_finite_is_no_result_and_says_so(linear, store, run, monkeypatch, make):
    step = make(linear)
    run(*step.needs)

    def overflowing(*given):
        return replace(evaluate(*given), mse=math.inf)

    monkeypatch.setattr("tsprune.steps.train.evaluate", overflowing)
    monkeypatch.setattr("tsprune.steps.train_on.evaluate", overflowing)
    row = run(step)[step.key]
    assert (row["status"], row["reason"]) == ("diverged", "mse is not finite")
    assert not store.has(step.key, step.keepsake)
