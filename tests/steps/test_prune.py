"""A trained model cut by any score: as many weights as asked, the same windows looked at each time, what it cost."""

from itertools import pairwise

import pytest
import torch
from helpers import Recorder

from tsprune.engine.grid import run_grid
from tsprune.errors import UserError
from tsprune.pruners import (
    Unprunable,
    authors_masks,
    depgraph_to_the_end,
    list_scores,
    magnitude_masks,
    nm_masks,
    prunable_weights,
)
from tsprune.steps import narrow
from tsprune.steps.by_score import list_ways, own_scope, pruned_by
from tsprune.steps.calibration import BATCH, calibration
from tsprune.steps.narrow import ToTheEndStep
from tsprune.steps.prune import AuthorsStep, NMStep, PruneStep
from tsprune.steps.second_order import SecondOrderStep
from tsprune.steps.tune import FineTuneStep
from tsprune.study.base.shared import base_steps
from tsprune.study.pruning_sweep.config import PruningSweep
from tsprune.training import evaluate


@pytest.fixture
def trainings(smoke, few):
    """Dense trainings by model; FEDformer's Fourier weights are seen by no score that looks at inputs."""
    config = PruningSweep.parse(smoke | few | {"models": ["FEDformer", "Crossformer"], "store": "unused"})
    return {step.model: step for step in base_steps(config).dense}


@pytest.fixture
def run(store, threads):
    def run(*steps):
        rows = run_grid(steps, store, make_executor=threads, jobs=2, progress=Recorder(2))
        return [rows[step.key] for step in steps]

    return run


def kept(masks) -> int:
    return sum(int(mask.sum()) for mask in masks.values())


def test_every_way_keeps_as_many_weights_as_magnitude(trainings, store, run):
    trained = trainings["FEDformer"]
    plain = PruneStep(trained=trained, scope="layer", density=0.3)
    steps = [plain, *(pruned_by(trained, way, 0.3, 40) for way in list_ways())]
    rows = run(*steps)
    total = sum(w.numel() for w in prunable_weights(trained.load(store)).values())
    for step, row in zip(steps, rows, strict=True):
        assert row["status"] == "ok", row["reason"]
        assert abs(row["result"]["weights_kept"] - round(0.3 * total)) <= 1, step.words()
        masks = step.load_masked(store)[1]
        assert masks.keys() == prunable_weights(trained.load(store)).keys()
        assert kept(masks) == row["result"]["weights_kept"]


def test_what_a_score_says_nothing_about_is_named_and_cut_by_magnitude(trainings, store, run):
    trained = trainings["FEDformer"]
    rows = run(*(pruned_by(trained, way, 0.3, 40) for way in ("wanda", "obs", "sparsegpt")))
    plain = magnitude_masks(trained.load(store), 0.3, "layer")
    for row in rows:
        why = row["detail"]["left"]["encoder_block.weights.real"]
        assert why == ("not the weight of a Linear, Conv1d or LSTM but of ComplexWeights; ranked by magnitude instead")
    masks = pruned_by(trained, "obs", 0.3, 40).load_masked(store)[1]
    both = [name for name in rows[1]["detail"]["left"] if int(plain[name].sum()) == int(masks[name].sum())]
    assert both and all(torch.equal(masks[name], plain[name]) for name in both)


def test_calibration_costs_are_told_where_there_is_calibration(trainings, run):
    trained = trainings["FEDformer"]
    plain, wanda, half = run(
        PruneStep(trained=trained, scope="output", density=0.3),
        pruned_by(trained, "wanda", 0.3, 40),
        NMStep(trained=trained, score="wanda", calibration_windows=40),
    )
    assert plain["cost"].keys() == {"peak_memory_mib"} | plain["cost"].keys() - {"calibration_seconds"}
    for row in (wanda, half):
        assert row["cost"]["calibration_seconds"] > 0 and row["cost"]["calibration_memory_mib"] > 0
    assert half["protocol"]["structure"] == "2:4" and half["protocol"]["method"] == "wanda"


def test_calibration_windows_are_those_of_training_evenly_spaced_and_the_same_each_time(trainings):
    trained = trainings["FEDformer"]
    windows = trained.data.splits("cpu").train
    batches = calibration(trained, 40)
    sizes = [len(target) for _, target in batches]
    assert sizes == [BATCH, 40 - BATCH]
    (inputs, _), (again, _) = next(iter(batches)), next(iter(batches))
    assert torch.equal(inputs[0], again[0])
    assert torch.equal(inputs[0][0], windows.batch(torch.tensor([0])).x_enc[0])
    last = list(batches)[-1][1][-1]
    assert torch.equal(last, windows.batch(torch.tensor([len(windows) - 1])).y[0])
    assert len(calibration(trained, 10**6).windows) == len(windows)


def test_second_order_with_its_update_keeps_the_model_and_not_masks_alone(trainings, store, run):
    trained = trainings["FEDformer"]
    free, half = SecondOrderStep(trained=trained, density=0.3, calibration_windows=40), None
    half = SecondOrderStep(trained=trained, structure="2:4", calibration_windows=40)
    run(free, half)
    dense = dict(prunable_weights(trained.load(store)))
    model, masks = free.load_masked(store)
    name = "encoder.layers.0.feed_forward.expand.weight"
    name = name if name in dense else next(n for n in dense if "feed_forward" in n)
    weight = dict(prunable_weights(model))[name]
    assert not torch.equal(weight[masks[name]], dense[name][masks[name]]), "weights that stay have moved"
    assert (weight[~masks[name]] == 0).all()
    grouped = half.load_masked(store)[1]
    assert grouped.keys() == nm_masks(trained.load(store)).masks.keys(), "what has no Hessian goes by magnitude"
    assert grouped and all((m.unflatten(1, (-1, 4)).sum(-1) == 2).all() for m in grouped.values())
    with pytest.raises(UserError, match=r"density = 0\.4: 2:4 allows only density 0\.5"):
        SecondOrderStep(trained=trained, structure="2:4", density=0.4, calibration_windows=40)


def test_the_first_papers_protocol_leaves_what_its_code_leaves(trainings, store, run):
    for model, widths in (("FEDformer", {1, 7}), ("Crossformer", {1, 2})):  # the data has two columns
        step = AuthorsStep(trained=trainings[model], density=0.3)
        (row,) = run(step)
        wanted = authors_masks(step.trained.load(store), 0.3, widths)
        masks = step.load_masked(store)[1]
        assert masks.keys() == wanted.masks.keys() and row["detail"]["left"] == wanted.left
        assert all(torch.equal(masks[name], mask) for name, mask in wanted.masks.items())
        assert row["result"]["density"] > 0.3


def test_to_the_end_has_a_point_for_every_model_on_the_way_and_keeps_the_last(trainings, store, run):
    trained = trainings["FEDformer"]
    step = ToTheEndStep(trained=trained, steps=3)
    (row,) = run(step)
    assert row["status"] == "ok", row["reason"]
    curve, dense = row["detail"]["curve"], store.row(trained.key)["result"]
    assert [point["asked"] for point in curve] == [1 - k / 3 for k in range(1, len(curve) + 1)]
    for share in ("density_all", "macs_share"):
        assert all(b[share] < a[share] for a, b in pairwise([{share: 1.0}, *curve]))
    model = step.load(store)
    scores = evaluate(model, trained.data.splits("cpu").test, trained.train)
    end = curve[-1]
    assert (end["mse"], end["mae"]) == (row["result"]["mse"], row["result"]["mae"]) == (scores.mse, scores.mae)
    assert end["density_all"] == row["result"]["density_all"] == row["result"]["parameters"] / dense["parameters"]
    assert sum(p.numel() for p in model.parameters()) == row["result"]["parameters"]
    assert end["macs_share"] == pytest.approx(row["result"]["macs_executed"] / dense["macs_executed"])


@pytest.mark.parametrize("ran", [0, 1])
def test_to_the_end_of_a_model_that_breaks_ends_with_the_last_that_ran(trainings, run, monkeypatch, ran):
    def half(model, one, steps):
        yield from list(depgraph_to_the_end(model, one, steps))[:ran]
        raise Unprunable("torch-pruning breaks it")

    monkeypatch.setattr(narrow, "depgraph_to_the_end", half)
    (row,) = run(ToTheEndStep(trained=trainings["FEDformer"], steps=2))
    assert (row["status"], row["reason"]) == ("ok" if ran else "broken", "torch-pruning breaks it")
    assert len(row["detail"].get("curve", ())) == ran


def test_identities_stay_where_numbers_stay_and_change_where_they_change(trainings):
    trained = trainings["FEDformer"]
    plain = {"score": "magnitude", "structure": "unstructured", "scope": "global", "density": 0.3}
    assert PruneStep(trained=trained, scope="global", density=0.3).what() == plain
    layer = PruneStep(trained=trained, scope="layer", density=0.3).what()
    assert layer == plain | {"scope": "layer", "counts": "exact"}
    assert NMStep(trained=trained).what() == {"score": "magnitude", "structure": "2:4"}
    more = {"trained": trained, "train": trained.train}
    assert "counts" not in FineTuneStep(**more, scope="layer", densities=[1.0]).what()
    assert "counts" not in FineTuneStep(**more, scope="layer", structure="2:4", densities=[0.5]).what()
    assert "counts" not in FineTuneStep(**more, scope="global", densities=[0.3]).what()
    assert FineTuneStep(**more, scope="layer", densities=[0.3]).what()["counts"] == "exact"
    wanda = {windows: pruned_by(trained, "wanda", 0.3, windows).key for windows in (40, 80)}
    assert wanda[40] != wanda[80]
    assert pruned_by(trained, "random", 0.3, 40) == pruned_by(trained, "random", 0.3, 80)


def test_a_score_that_looks_at_data_needs_windows_and_an_unknown_one_is_told(trainings):
    trained = trainings["FEDformer"]
    with pytest.raises(UserError, match="calibration_windows = 0: score 'wanda' looks at data and needs at least 1"):
        PruneStep(trained=trained, scope="output", density=0.3, score="wanda")
    with pytest.raises(UserError, match="unknown score 'wando'; did you mean 'wanda'"):
        PruneStep(trained=trained, scope="layer", density=0.3, score="wando")


def test_every_score_of_the_registry_is_a_way_with_a_scope():
    assert set(list_ways()) == {*list_scores(), "sparsegpt"}
    assert {way: own_scope(way) for way in ("magnitude", "wanda", "lamp", "obs", "sparsegpt")} == {
        "magnitude": "layer",
        "wanda": "output",
        "lamp": "global",
        "obs": "layer",
        "sparsegpt": "layer",
    }
