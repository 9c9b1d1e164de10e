"""Every step that ends with a model gives it back, whatever was kept, and a kill costs a training on no epoch."""

import json
from pathlib import Path

import pytest
import torch
from helpers import Recorder

from tsprune.engine.execute import RECIPE_FILE
from tsprune.engine.grid import run_grid
from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.models import load_checkpoint, read_about, save_checkpoint
from tsprune.pruners import prunable_weights
from tsprune.steps.distill import DistillStep
from tsprune.steps.given import GivenStep, checksum
from tsprune.steps.inference import InferenceStep
from tsprune.steps.latency import LatencyStep
from tsprune.steps.narrow import DepGraphStep, StructuredStep, ToTheEndStep
from tsprune.steps.prune import AuthorsStep, NMStep, PruneStep
from tsprune.steps.recipes import kinds, rebuild
from tsprune.steps.second_order import SecondOrderStep
from tsprune.steps.sensitivity import SensitivityStep
from tsprune.steps.serve import ServedLatencyStep, ServeStep
from tsprune.steps.sparse import SparseTrainStep
from tsprune.steps.train import NaiveStep
from tsprune.steps.tune import FineTuneStep, NarrowTuneStep, ScoreTuneStep
from tsprune.steps.week import WeekStep
from tsprune.study.base.shared import base_steps
from tsprune.study.pruning_sweep.config import PruningSweep
from tsprune.training import evaluate

MAKE = {
    "train": lambda t: t,
    "prune": lambda t: PruneStep(trained=t, scope="global", density=0.3),
    "nm": lambda t: NMStep(trained=t),
    "authors": lambda t: AuthorsStep(trained=t, density=0.3),
    "second_order": lambda t: SecondOrderStep(trained=t, density=0.3, calibration_windows=40),
    "structured": lambda t: StructuredStep(trained=t, density=0.5),
    "depgraph": lambda t: DepGraphStep(trained=t, density=0.7),
    "to_the_end": lambda t: ToTheEndStep(trained=t, steps=2),
    "fine_tune": lambda t: FineTuneStep(trained=t, scope="layer", densities=[0.6, 0.3], train=more(t, 2)),
    "narrow_tune": lambda t: NarrowTuneStep(trained=t, density=0.5, train=more(t, 1)),
    "score_tune": lambda t: ScoreTuneStep(
        trained=t, score="sparsegpt", density=0.3, calibration_windows=40, train=more(t, 1)
    ),
    "sparse_train": lambda t: SparseTrainStep(dense=t, method="gmp", fields={"every": 3, "density": 0.2}),
    "distill": lambda t: DistillStep(
        teacher=FineTuneStep(trained=t, scope="layer", densities=[1.0], train=more(t, 1)),
        student=t.model_copy(update={"hyper": t.hyper | {"d_model": 4, "d_ff": 8}}),
        train=more(t, 1),
        weight=0.5,
    ),
}


def given(trained):
    """A checkpoint of the model as its seed initialises it, in a file that lies with the data."""
    path = Path(trained.data.name).with_name("given.safetensors")
    save_checkpoint(path, trained.build())
    fields = {name: getattr(trained, name) for name in type(trained).model_fields}
    return GivenStep(**fields, checkpoint=str(path), sha256=checksum(str(path)))


MAKE["given"] = given
MASKED = {"prune", "nm", "authors", "second_order", "fine_tune", "score_tune", "sparse_train"}


def more(trained, epochs):
    return trained.train.continued(epochs, 1e-3)


@pytest.fixture
def trained(smoke, few):
    config = PruningSweep.parse(smoke | few | {"models": ["iTransformer"], "store": "unused"})
    return base_steps(config).dense[0]


@pytest.fixture
def run(store, threads):
    def run(*steps, keeps=lambda step: True):
        progress = Recorder(2)
        rows = run_grid(steps, store, make_executor=threads, jobs=2, progress=progress, keeps=keeps)
        return rows, progress.news

    return run


def score(step, model):
    data, device = step.place
    return evaluate(model, data.splits(device).test, getattr(step, "trained", getattr(step, "dense", step)).train).mse


def test_every_kind_of_step_is_made_here():
    assert {kind for kind, step in kinds().items() if step.keepsake} == set(MAKE)
    without = {NaiveStep, LatencyStep, InferenceStep, SensitivityStep, ServeStep, ServedLatencyStep, WeekStep}
    assert {step for step in kinds().values() if not step.keepsake} == without


@pytest.mark.parametrize("kind", MAKE)
def test_a_step_gives_back_its_model_and_masks_and_makes_them_when_asked_for_where_only_numbers_are(
    trained, store, run, kind
):
    """As with an entry of before models were kept."""
    step = MAKE[kind](trained)
    rows, _ = run(step)
    row = rows[step.key]
    model, masks = step.load_masked(store)
    assert score(step, model) == pytest.approx(row["result"]["mse"], rel=1e-6)
    assert bool(masks) == (kind in MASKED)
    for name, weight in prunable_weights(model).items():
        if name in masks:
            assert (weight[~masks[name]] == 0).all()
    if masks:
        kept = sum(int(m.sum()) for m in masks.values())
        others = sum(w.numel() for n, w in prunable_weights(model).items() if n not in masks)
        every = sum(w.numel() for w in prunable_weights(model).values())
        assert (kept + others) / every == pytest.approx(row["result"]["density"])
    assert rebuild(store.artifact(step.key, RECIPE_FILE)) == step
    before = step.load(store).state_dict()
    store.drop(step.key, step.keepsake)
    store.drop(step.key, RECIPE_FILE)
    again, news = run(step)
    assert again == rows and "0 of them in the store" not in " ".join(news)
    assert rebuild(store.artifact(step.key, RECIPE_FILE)) == step
    after = step.load(store).state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert store.row(step.key) == rows[step.key]


def test_a_step_that_needs_a_model_that_is_gone_has_it_made_first_and_once(trained, store, run):
    rows, _ = run(trained)
    store.drop(trained.key, trained.keepsake)
    steps = [PruneStep(trained=trained, scope="layer", density=d) for d in (0.5, 0.4, 0.3)]
    _, news = run(*steps)
    assert sum(trained.label in line for line in news) == 1
    assert store.row(trained.key) == rows[trained.key]


def test_what_is_not_kept_is_only_there_while_it_is_needed(trained, store, run):
    tuned = MAKE["narrow_tune"](trained)
    run(tuned, keeps=lambda step: False)
    assert not store.has(tuned.key, tuned.keepsake)
    assert store.has(trained.key, trained.keepsake)  # another step of the run read it; the study drops it at its end
    assert json.loads(store.artifact(tuned.key, RECIPE_FILE).read_text())["kind"] == "narrow_tune"


@pytest.mark.parametrize(("keep", "left"), [("all", {"train", "prune"}), ("dense", {"train"}), ("none", set())])
def test_a_study_keeps_the_models_it_is_told_to(run_sweep, tmp_path, keep, left):
    result = run_sweep(keep=keep)
    store = Store(tmp_path / "store")
    kept = {
        store.row(key)["kind"]
        for key in store.entries()
        if store.has(key, kinds()[store.row(key)["kind"]].keepsake or "nothing")
    }
    assert kept == left
    again = run_sweep(keep=keep, counted=True)
    assert again.cells.equals(result.cells)


@pytest.fixture
def run_sweep(smoke, few, tmp_path, threads):
    from tsprune.study.pruning_sweep.cells import PruningSweepCells

    def run(keep, counted=False):
        given = {"models": ["DLinear"], "keep": keep, "store": str(tmp_path / "store")}
        progress = Recorder(2)
        result = PruningSweepCells(PruningSweep.parse(smoke | few | given)).run(
            make_executor=threads, progress=progress
        )
        if counted:
            assert not [line for line in progress.news if "MSE" in line], "nothing is computed again"
        return result

    return run


def test_a_saved_model_says_what_it_forecasts(trained, store, run):
    step = MAKE["fine_tune"](trained)
    row = run(step)[0][step.key]
    model, masks = load_checkpoint(store.artifact(step.key, step.keepsake))
    assert masks and score(step, model) == pytest.approx(row["result"]["mse"], rel=1e-6)
    assert len(step.densities) > 1 and row["result"]["epochs_run"] == step.train.epochs
    assert row["result"]["windows_seen"] == step.train.epochs * store.row(trained.key)["result"]["windows_train"]
    about = read_about(store.artifact(step.key, step.keepsake))
    splits, table = trained.data.splits("cpu"), trained.data.table()
    assert about.columns == table.columns and about.mean == tuple(splits.mean) and about.std == tuple(splits.std)
    assert (about.time_step, about.season, about.unit) == (table.time_step, table.season, None)
    assert about.protocol["key"] == step.key and about.protocol["seed"] == trained.seed
    assert [recipe["epochs"] for recipe in about.protocol["training"]] == [trained.train.epochs, step.train.epochs]
    assert about.protocol["method"] == "iterative" and about.density_achieved == row["result"]["density"]
    assert about.after == {"mse": row["result"]["mse"], "mae": row["result"]["mae"]}
    assert about.before["mse"] == store.row(trained.key)["result"]["mse"]


def test_a_step_that_ends_with_numbers_says_so(trained, store):
    naive = NaiveStep(data=trained.data, model="RepeatLast", train=trained.train)
    with pytest.raises(UserError, match="ends with numbers, not with a model"):
        naive.load(store)


@pytest.mark.parametrize(
    ("kind", "stages"), [("fine_tune", [0, 0, 1, 1]), ("narrow_tune", [0] * 4), ("score_tune", [0] * 4)]
)
@pytest.mark.parametrize("stop", [1, 3])
def test_training_on_goes_on_where_it_was_killed(trained, run, killed, kind, stages, stop):
    step = MAKE[kind](trained)
    step = step.model_copy(update={"train": more(trained, 4)})
    run(*step.needs)
    assert killed(step, stop, ("scores.safetensors", step.keepsake)) == stages
