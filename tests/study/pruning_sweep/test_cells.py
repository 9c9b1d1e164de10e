"""The study end to end on synthetic data: shared trainings, tidy tables, limits, and numbers that repeat."""

import math
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
from helpers import Recorder

from tsprune.engine.progress import Progress
from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.models import load_checkpoint
from tsprune.models.dlinear import DLinear
from tsprune.pruners import Unprunable, depgraph_paper
from tsprune.steps import narrow as narrowing
from tsprune.steps.artifacts import MODEL_FILE
from tsprune.steps.latency import LatencyStep
from tsprune.study.base.shared import base_steps
from tsprune.study.pruning_sweep.cells import PruningSweepCells, pruning_limits
from tsprune.study.pruning_sweep.config import PruningSweep
from tsprune.study.pruning_sweep.result import AUTHORS, OURS, SOLVED
from tsprune.training import evaluate


def results(tidy: pd.DataFrame) -> pd.DataFrame:
    return tidy[tidy["kind"] == "result"].drop(columns=["threads"]).reset_index(drop=True)


@pytest.fixture(scope="module")
def swept(tmp_path_factory, small_sweep, few_hours):
    """A sweep that has run, to be looked at: its cells, and what they came to."""
    store = tmp_path_factory.mktemp("swept") / "store"
    cells = PruningSweepCells(PruningSweep.parse(dict(small_sweep | few_hours) | {"store": str(store)}))
    return cells, cells.run(make_executor=lambda: ThreadPoolExecutor(2), progress=Recorder(2))


def test_the_tables_are_tidy_and_complete(swept):
    _, result = swept
    assert result.failures == 0
    cells = result.cells
    assert len(cells) == 2 * 2 * 3  # models x scopes x densities
    assert set(cells["density_asked"]) == {1.0, 0.512, 0.1073741824}
    dense = cells[cells["density_asked"] == 1]
    assert (dense["mse_relative"] == 1).all()
    assert (abs(cells["density"] - cells["density_asked"]) < 0.02).all()
    assert (cells["density_all"] >= cells["density"]).all()
    assert set(result.naive["model"]) == {"RepeatLast", "SeasonalNaive"}
    protocol = {
        "dataset",
        "model",
        "seq_len",
        "pred_len",
        "seed",
        "density_asked",
        "device",
        "threads",
        "version_torch",
    }
    assert protocol <= set(result.tidy.columns)
    metrics = set(result.tidy["metric"])
    assert {"mse", "mae", "windows_test", "parameters", "epochs_run", "best_epoch", "windows_seen"} <= metrics
    assert {"macs_executed", "seconds_per_epoch", "peak_memory_mib", "density_all"} <= metrics
    assert {"parameters_live", "macs_if_zeros_skipped"} <= metrics
    costs = result.tidy.pivot(index="key", columns="metric", values="value").dropna(subset="macs_if_zeros_skipped")
    assert (costs["macs_if_zeros_skipped"] < costs["macs_executed"]).all()
    assert not result.tidy.duplicated(["key", "metric"]).any()
    # The densities of the layers add up to the density of the cell.
    for _, cell in cells.iterrows():
        same = ["model", "seed", "scope", "density_asked"]
        layers = result.layers[(result.layers[same] == cell[same]).all(axis=1)]
        kept = (layers["layer_density"] * layers["weights"]).sum() / layers["weights"].sum()
        assert kept == pytest.approx(cell["density"])


def test_same_seed_same_numbers_and_a_second_run_computes_nothing(swept, run, few):
    (cells, first), again = swept, Recorder()
    second = run(progress=again, store=str(cells.store.root), **few)
    assert "all steps done" in again.news[-1]
    assert len(again.news) == 2
    pd.testing.assert_frame_equal(first.tidy, second.tidy)
    elsewhere = run(**few)
    pd.testing.assert_frame_equal(results(first.tidy), results(elsewhere.tidy), check_exact=True)


@pytest.mark.parametrize(("freq", "season"), [("15min", 96), ("h", 24), ("D", 7), ("10min", 144)])
def test_the_seasonal_naive_forecast_knows_the_datas_season_or_is_left_out(smoke, tmp_path, freq, season):
    stamps = pd.date_range("2024-01-01", periods=2000, freq=freq).astype(str)
    path = tmp_path / "mine.csv"
    path.write_text("date,load\n" + "".join(f"{s},{i % season + i / 100}\n" for i, s in enumerate(stamps)))
    config = PruningSweep.parse(smoke | {"store": "x", "dataset": str(path), "seq_len": 96, "pred_lens": [96]})
    base = base_steps(config)
    seasonal = [step for step in base.naive if step.model == "SeasonalNaive"]
    assert [step.hyper for step in seasonal] == ([{"season": season}] if season <= 96 else [])
    if season == 96:
        result = seasonal[0].run(Store(tmp_path / "store")).result
        assert result["mae"] < 0.1, "one season back only the trend is missing"


def test_a_dense_training_is_shared_and_identity_is_what_matters(run, few):
    run(densities=[1.0, 0.5], **few)
    more = Recorder()
    run(progress=more, densities=[1.0, 0.5, 0.25], eval_batch_size=100, jobs=1, **few)
    assert not any("training" in line for line in more.news)
    assert sum("density 0.250" in line for line in more.news) == 4
    other = Recorder()
    run(progress=other, densities=[1.0], d_ff=20, **few)
    assert sum("training" in line for line in other.news) == 2


def test_a_stored_model_gives_the_stored_score(swept):
    sweep, _ = swept
    base, pruned, store = sweep.base, sweep.pruned, sweep.store
    step = base.dense[1]
    model, masks = load_checkpoint(store.artifact(step.key, MODEL_FILE))
    assert masks == {}
    scores = evaluate(model, step.data.splits("cpu").test, step.train)
    assert scores.mse == pytest.approx(store.row(step.key)["result"]["mse"], rel=1e-6)
    assert pruned[0].needs == (base.dense[0],)


def test_a_diverging_model_is_a_row_and_the_others_go_on(run, few, monkeypatch):
    forward = DLinear.forward
    monkeypatch.setattr(DLinear, "forward", lambda self, *x: forward(self, *x) * (math.nan if self.training else 1))
    result = run(**few)
    states = result.cells.groupby("model")["status"].unique().map(set).to_dict()
    assert states == {"DLinear": {"diverged", "failed"}, "Autoformer": {"ok"}}
    reasons = set(result.cells.loc[result.cells["model"] == "DLinear", "reason"])
    assert "loss not finite at epoch 1, step 1" in reasons
    assert any(r.startswith("needs DLinear") for r in reasons)
    assert result.failures == 6
    assert result.limits.set_index("model").loc["DLinear", "density"].isna().all()


def test_where_no_training_comes_to_an_end_there_are_tables_all_the_same(run, monkeypatch):
    forward = DLinear.forward
    monkeypatch.setattr(DLinear, "forward", lambda self, *x: forward(self, *x) * (math.nan if self.training else 1))
    others = {"structured_densities": [0.7], "authors_steps": 2, "authors_paper": True, "scores": ["magnitude", "lamp"]}
    result = run(models=["DLinear"], **others)
    assert set(result.every_cell["status"]) == {"diverged", "failed"} and set(result.ends["status"]) <= {
        "diverged",
        "failed",
    }


def test_a_budget_begins_one_seed_of_all_models_first_and_tells_what_is_left(run, monkeypatch):
    began = []
    monkeypatch.setattr(Progress, "begin", lambda self, step: began.append((step.protocol()["seed"], step.kind)))
    result = run(models=["DLinear"], seeds=[1, 2], budget_hours=1.0, jobs=1)
    trained = [seed for seed, _ in began if seed]
    assert trained == sorted(trained) and result.failures == 0
    none = run(models=["DLinear"], seeds=[3], budget_hours=0.0)
    assert none.missing.startswith("5 of 7 steps have not run yet (1 of 1 trainings, ") and none.failures == 0
    part = run(models=["DLinear"], seeds=[1, 3], budget_hours=0.0)
    assert set(part.cells.loc[part.cells["seed"] == 1, "status"]) == {"ok"}
    assert set(part.cells.loc[part.cells["seed"] == 3, "status"]) == {"not run"}


def test_every_structure_stands_beside_the_others(run, few, tmp_path, monkeypatch):
    def half_broken(model, one, density):
        if density < 0.5:
            raise Unprunable("torch-pruning breaks it")
        return depgraph_paper(model, one, density)

    monkeypatch.setattr(narrowing, "depgraph_paper", half_broken)
    others = few | {"structured_densities": [0.7, 0.4], "two_of_four": True, "latency_repeats": 2}
    result = run(models=["DLinear", "Transformer"], scopes=["layer"], **others)
    assert result.failures == 0  # that the library breaks a model is a result
    table = result.structures
    assert len(result.cells) == len(table[table["structure"] == "unstructured"])
    narrow = table[(table["method"] == "structured") & (table["model"] == "Transformer")]
    assert (abs(narrow["density_all"] - narrow["density_asked"]) < 0.03).all()  # a tiny model: few widths to choose
    assert (narrow["macs_share"] < 1).all() and narrow["macs_share"].is_monotonic_decreasing
    half = table[(table["structure"] == "2:4") & (table["model"] == "DLinear")]
    assert half["density"].item() == half["density_live"].item() / half["density_all"].item() * 0.5 == 0.5
    paper = table[table["method"] == "depgraph_paper"].set_index(["model", "density_asked"])
    assert abs(paper.loc[("Transformer", 0.7), "density_all"] - 0.7) > 0.1
    assert paper["status"].to_list() == ["ok", "broken"]
    assert paper.loc[("Transformer", 0.4), "reason"] == "torch-pruning breaks it"
    # The narrow model is kept, forecasts as its row says, and is as small as the row says.
    key = result.tidy.loc[result.tidy["step"] == "structured", "key"].iloc[0]
    store = Store(tmp_path / "store")
    model, _ = load_checkpoint(store.artifact(key, MODEL_FILE))
    row = store.row(key)["result"]
    assert sum(p.numel() for p in model.parameters()) == row["parameters"]
    # A second run does not try again what the library cannot do.
    again = Recorder()
    run(again, models=["DLinear", "Transformer"], scopes=["layer"], **others)
    assert "all steps done" in again.news[-1] and len(again.news) == 2
    _check_latency(result)


def test_two_of_four_and_masks_of_the_same_density_are_timed_each_with_its_own_share(run, few):
    half = {"densities": [1.0, 0.5], "scopes": ["layer"], "two_of_four": True, "latency_repeats": 2}
    latency = run(**few | half | {"models": ["DLinear"]}).latency
    assert set(latency["structure"].dropna()) == {"unstructured", "2:4"}
    assert pd.api.types.is_float_dtype(latency["macs_share"])


def _check_latency(result):
    timed = result.latency.groupby("model", sort=False)
    assert timed.size().to_dict() == {"DLinear": 3 * 3, "Transformer": 3 * 5}
    for _, rows in timed:
        kinds = rows["structure"].where(rows["method"] != "dense", "dense").tolist()
        assert kinds[:9] == ["dense"] * 3 + ["unstructured"] * 3 + ["2:4"] * 3
        assert set(rows["batch"]) == {1, 3, 32}
        assert (rows.loc[rows["method"] == "dense", ["macs_share", "speedup"]] == 1).all(axis=None)
    assert (result.latency["speedup_p5"] <= result.latency["speedup_p95"]).all()
    assert result.latency["macs_share"].notna().all()


def test_live_density_counts_what_nothing_reaches(run, few):
    cells = run(densities=[1.0, 0.02], models=["Autoformer"], **few).cells
    assert (cells.loc[cells["density_asked"] == 1, "density_live"] == 1).all()
    cut = cells[cells["density_asked"] < 1]
    assert (cut["density_live"] < cut["density_all"]).all()


def test_a_model_that_cannot_be_timed_is_a_row(run, few, monkeypatch):
    def fail(self, store):
        raise UserError("no clock")

    monkeypatch.setattr(LatencyStep, "run", fail)
    result = run(models=["DLinear"], two_of_four=True, latency_repeats=2, **few)
    assert result.latency[["model", "status", "reason"]].to_numpy().tolist() == [["DLinear", "failed", "no clock"]]
    assert result.failures == 1


def relative(**columns) -> pd.DataFrame:
    """A row per seed and density: its MSE over dense, NaN for a cell that failed, or the status of another."""
    densities = [1.0, 0.8, 0.64, 0.5]
    rows = [
        {"model": "M", "pred_len": 96, "scope": "layer", "seed": int(seed[1:]), "density_asked": d}
        | {"mse_relative": v if isinstance(v, (int, float)) else math.nan, "status": "ok" if v == v else "failed"}
        | ({"status": v} if isinstance(v, str) else {})
        for seed, values in columns.items()
        for d, v in zip(densities, values, strict=True)
    ]
    return pd.DataFrame(rows)


def test_limits_by_hand():
    limits = pruning_limits(relative(s1=[1, 0.99, 1.04, 1.2], s2=[1, 1.04, 1.09, 0.9])).set_index("tolerance")
    assert limits["density"].to_dict() == pytest.approx({0.0: 0.9, 0.05: 0.72, 0.1: 0.57})
    assert limits.loc[0.05, ["limit_low", "limit_high"]].tolist() == [0.64, 0.8]
    # Seed 2 is good again at 0.5, and at 10 % it never left: every higher density must hold too.
    assert limits.loc[0.1, "limit_low"] == 0.5
    assert (limits["sparsity"] == 1 - limits["density"]).all()


def test_a_failed_cell_ends_the_range():
    limits = pruning_limits(relative(s1=[1, 1, float("nan"), 1])).set_index("tolerance")
    assert (limits["density"] == 0.8).all()
    nothing = pruning_limits(relative(s1=[float("nan")] * 4))
    assert nothing["density"].isna().all()


def test_a_density_that_has_not_run_leaves_the_range_of_its_seed_unknown():
    limits = pruning_limits(relative(s1=[1, 1, "not run", 1.2], s2=[1, 1.02, 1.04, 1.2])).set_index("tolerance")
    # Seed 1 keeps 0.8, and what it does at 0.64 is not known: seed 2 alone says how far the model goes.
    assert limits.loc[0.05, ["density", "limit_low", "limit_high", "known", "seeds"]].tolist() == [
        0.64,
        0.64,
        0.64,
        1,
        2,
    ]
    ended = pruning_limits(relative(s1=[1, 1.2, "not run", "not run"])).set_index("tolerance")
    assert (ended["density"] == 1).all() and (ended["known"] == 1).all(), "what comes after the end of a range is idle"
    waiting = pruning_limits(relative(s1=[1, "not run", "not run", 1.3], s2=["not run"] * 4))
    assert waiting["density"].isna().all() and (waiting["known"] == 0).all()
    failed = pruning_limits(relative(s1=[float("nan"), "not run", "not run", "not run"], s2=[1, 1, 1, 1]))
    assert failed["density"].isna().all() and (failed["known"] == 2).all(), "a dense training that failed is no waiting"


def test_real_etth1_gives_the_published_repeat_last_error(run):
    """A whole-protocol check: split, scaling, windows and metric together give the published figure."""
    from tsprune.data import DataUnavailable, load_table

    try:
        load_table("ETTh1")
    except DataUnavailable:
        pytest.skip("ETTh1 is not here and cannot be downloaded")
    result = run(dataset="ETTh1", models=["DLinear"], seq_len=96, label_len=48, pred_lens=[96], densities=[1.0])
    row = result.published.set_index("model").loc["RepeatLast"]
    assert row["mse_here"] == pytest.approx(row["mse_published"], abs=1e-3)
    assert row["mae_here"] == pytest.approx(row["mae_published"], abs=1e-3)


def test_scores_stand_beside_magnitude_of_the_same_scope_and_the_first_papers_protocol_beside_ours(run, few):
    given = few | {"seeds": [1, 2], "models": ["DLinear", "FEDformer"], "densities": [1.0, 0.5], "scopes": ["global"]}
    ways = {"scores": ["magnitude", "wanda", "random"], "score_densities": [0.5], "calibration_windows": 40}
    result = run(**given, **ways, authors_paper=True)
    assert result.failures == 0
    scores = result.scores.groupby(["model", "score", "scope"], dropna=False).size()
    for model in ("DLinear", "FEDformer"):
        assert (
            scores[model, "dense"].item() == scores[model, "wanda", "output"] == scores[model, "random", "layer"] == 2
        )
        assert scores[model, "magnitude"].to_dict() == {"layer": 2, "output": 2}
    seen = result.scores.set_index("score")["calibration_seconds"]
    assert (seen["wanda"] > 0).all() and seen[["magnitude", "random", "dense"]].isna().all()
    gains = result.gains.set_index(["model", "score"])
    assert len(gains) == 2 * 2 and (gains["seeds"] == 2).all()
    mse = result.scores.groupby(["model", "score", "scope"])["mse"].mean()
    wanted = mse["FEDformer", "wanda", "output"] / mse["FEDformer", "magnitude", "output"] - 1
    assert gains.loc[("FEDformer", "wanda"), "relative"] == pytest.approx(wanted)
    authors = result.authors[result.authors["density_asked"] < 1].set_index(["model", "protocol"])
    assert len(authors) == 2 * 2 * 2
    assert authors.loc[("FEDformer", AUTHORS), "fourier"].between(0.1, 1).all()
    assert (authors.loc[("DLinear", AUTHORS), "fourier"] == 0).all()
    theirs, ours = (authors.loc[("FEDformer", way), "density_all"].mean() for way in (AUTHORS, OURS))
    assert theirs > ours + 0.1
    every = result.every_cell
    assert len(every) == len(result.structures) + 2 * 2 * 2 + 2 * 2


def test_scores_are_compared_as_two_of_four_too_and_keep_as_many_weights(run, few):
    given = few | {"models": ["DLinear", "FEDformer"], "densities": [1.0], "scopes": ["layer"], "two_of_four": True}
    ways = {"scores": ["wanda", "obs", "sparsegpt", "taylor"], "score_densities": [0.3], "calibration_windows": 40}
    result = run(**given, **ways)
    assert result.failures == 0
    half = result.scores[result.scores["structure"] == "2:4"]
    assert set(half["score"]) == {"magnitude", *ways["scores"]} and (half["scope"] == "layer").all()
    assert (half.groupby("model")["density"].nunique() == 1).all(), "the same weights can go under every score"
    alone = result.structures[result.structures["structure"] == "2:4"].set_index("model")["mse"]
    plain = half[half["score"] == "magnitude"].set_index("model")["mse"]
    assert plain.to_dict() == alone.to_dict()
    gains = result.gains[result.gains["structure"] == "2:4"].set_index(["model", "score"])
    assert len(gains) == 2 * 4
    wanda = half[half["score"] == "wanda"].set_index("model")["mse"]
    assert gains.loc[("FEDformer", "wanda"), "relative"] == pytest.approx(wanda["FEDformer"] / plain["FEDformer"] - 1)
    assert run(**given, **ways | {"score_densities": []}).gains.empty


def test_the_first_papers_structured_pruning_goes_to_its_end_beside_ours_on_the_same_models(run, few):
    given = few | {"models": ["DLinear", "FEDformer"], "densities": [1.0], "scopes": ["layer"], "authors_steps": 3}
    result = run(**given, structured_densities=[0.9])
    assert result.failures == 0
    ends = result.ends
    assert set(ends["model"]) == {"FEDformer"}, "DLinear has no width to narrow"
    way = ends[ends["protocol"] == AUTHORS]
    assert way["asked"].tolist() == [1 - k / 3 for k in range(len(way))] and len(way) >= 2
    for share in ("density_all", "macs_share"):
        assert way[share].iloc[0] == 1 and (way[share].diff().dropna() < 0).all()
    told = ends[(ends["protocol"] == SOLVED) & (ends["asked"] < 1)]
    assert told["asked"].tolist() == [0.9] and told["density_all"].item() == pytest.approx(0.9, abs=0.02)
    assert (ends.loc[ends["asked"] == 1, "mse_relative"] == 1).all() and ends["mse"].notna().all()
    assert "in 3 steps" in result.protocol["first paper's protocol, structured"]


@pytest.mark.parametrize(
    ("change", "words"), [({"scores": ["wnada"]}, "did you mean 'wanda'"), ({"scores": ["obs"] * 2}, "twice")]
)
def test_an_unknown_score_is_told_with_the_closest(smoke, change, words):
    with pytest.raises(UserError, match=words):
        PruningSweep.parse(smoke | {"store": "x"} | change)
