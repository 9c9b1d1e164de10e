"""Two runs side by side: what differs in parameters and errors, out of their stores, and nothing computed."""

import errno
import json
import math
import os
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import yaml

from tsprune.batch.compare import compare_runs, side_by_side
from tsprune.batch.results import add_runs, check_anew
from tsprune.batch.runs import find_runs
from tsprune.engine.progress import Progress
from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.study.base import preflight
from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep
from tsprune.typed import digest


def cells(**mse) -> pd.DataFrame:
    """Two seeds of each; what follows a name are their errors."""
    return pd.DataFrame(
        {"model": name, "pred_len": 96, "scope": None, "density_asked": 1.0, "seed": seed, "mse": value}
        for name, values in mse.items()
        for seed, value in enumerate(values)
    )


def test_means_differences_and_spread_are_those_of_the_tables():
    table, alone = side_by_side(cells(M=(0.4, 0.6), K=(1, 1)), cells(M=(0.5, 0.7), N=(2, 2), L=(3, 3)))
    (row,) = table.to_dict("records")
    assert row["model"] == "M" and set(table) == {"model", "MSE of A", "MSE of B", "B over A", "spread"}
    assert math.isclose(row["MSE of A"], 0.5) and math.isclose(row["MSE of B"], 0.6)
    assert math.isclose(row["B over A"], 0.2) and math.isclose(row["spread"], 0.4)
    assert alone == {"A": 1, "B": 2}


def test_a_single_seed_has_no_spread_which_is_not_one_of_nothing():
    one, two = cells(M=(0.4,), K=(0.4, math.nan), L=(0.4,)), cells(M=(0.5,), K=(0.5, math.nan), L=(0.4, 0.6))
    spread = side_by_side(one, two)[0].set_index("model")["spread"]
    assert spread[["M", "K"]].isna().all() and math.isclose(spread["L"], 0.4)


@pytest.fixture
def run(tmp_path, smoke, few, threads):
    """A finished run of study 01 in a folder: ``run(name, **changes)``."""

    def run(name: str, **changes):
        small = {"models": ["DLinear"], "densities": [1.0, 0.5], "scopes": ["layer"], "jobs": 1}
        given = smoke | few | small | {"store": str(tmp_path / name / "store")} | changes
        given = PruningSweep.parse(given).model_dump(mode="json")
        PruningSweepCells(PruningSweep.parse(given)).run(make_executor=threads, progress=Progress())
        (tmp_path / name / "01_pruning_sweep.params.yaml").write_text(yaml.safe_dump(given))
        return tmp_path / name

    return run


def test_two_finished_runs_are_set_side_by_side(run, smoke):
    a, b = run("a"), run("b", learning_rate=0.01, densities=[1.0, 0.5, 0.25])
    text = compare_runs(str(a), str(b / "01_pruning_sweep.params.yaml"))
    assert f"  learning_rate  A {smoke['learning_rate']}  B 0.01" in text
    assert "densities" in text and "epochs" not in text and "store " not in text
    assert "1 more only in B" in text and "only in A" not in text
    assert len([line for line in text.splitlines() if line.lstrip().startswith("DLinear")]) == 2


def test_what_is_not_finished_is_refused_and_not_computed(run):
    a = run("a")
    path = a / "01_pruning_sweep.params.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"seeds": [1, 2]}))
    with pytest.raises(UserError, match=r"01_pruning_sweep is not finished in its store .*; run it again first"):
        compare_runs(str(a), str(a))


def everything(folder) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pruned(folder) -> Path:
    """The identity of one of the study's own steps in the store of a run."""
    return next(path for path in folder.rglob("config.json") if json.loads(path.read_text())["step"] == "prune")


def test_a_store_that_may_only_be_read_is_compared(run, monkeypatch):
    a = run("a")
    for recipe in (a / "store").rglob("step.json"):  # entries of before there were recipes
        manifest = recipe.with_name("manifest.json")
        manifest.write_text(json.dumps({k: v for k, v in json.loads(manifest.read_text()).items() if k != recipe.name}))
        recipe.unlink()
    refuse = OSError(errno.EROFS, os.strerror(errno.EROFS))
    monkeypatch.setattr(Store, "aside", lambda self: (_ for _ in ()).throw(refuse))
    before = everything(a)
    assert "+0.0%" in compare_runs(str(a), str(a))
    assert everything(a) == before


def test_a_failed_row_is_still_there_after_it_was_compared(run):
    a = run("a")
    store, config = Store(a / "store"), json.loads(pruned(a).read_text())
    row = store.row(digest(config))
    store.discard(digest(config))
    store.put(config, row | {"status": "failed", "reason": "as told", "result": {}})
    before = everything(a)
    with pytest.raises(UserError, match=r"01_pruning_sweep is not finished in its store .*; run it again first"):
        compare_runs(str(a), str(a))
    assert everything(a) == before


def test_a_damaged_row_is_named_by_compare_and_stays(run):
    a = run("a")
    path = pruned(a).with_name("row.json")
    path.write_text(path.read_text() + " ")
    with pytest.raises(UserError, match=r"was changed after it was written; run its study again to compute it anew"):
        compare_runs(str(a), str(a))
    assert path.exists()


def test_runs_of_another_device_are_compared_without_it(run, monkeypatch):
    a = run("a")
    monkeypatch.setattr(preflight, "resolve_device", lambda name: (_ for _ in ()).throw(UserError("no such device")))
    assert "all parameters are the same" in compare_runs(str(a), str(a))


def test_a_notebook_run_elsewhere_is_known_by_its_parameters(smoke, tmp_path):
    source = "\n".join(f"{name} = {value!r}" for name, value in smoke.items())
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})
    injected = nbformat.v4.new_code_cell("# Parameters\nepochs = 7", metadata={"tags": ["injected-parameters"]})
    path = tmp_path / "out.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell, injected]), path)
    (found,) = find_runs(str(path)).values()
    assert found.study == "01_pruning_sweep" and found.parameters == smoke | {"epochs": 7}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a Jupyter notebook"),
        ("{}", "is not a Jupyter notebook"),
        (nbformat.writes(nbformat.v4.new_notebook()), "its parameters fit no study"),
    ],
)
def test_what_is_no_run_is_refused_in_a_line(tmp_path, text, words):
    path = tmp_path / "x.ipynb"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        find_runs(str(path))
    for place in (tmp_path, tmp_path / "nowhere", tmp_path / "x.txt"):
        with pytest.raises(UserError, match="no run of a study there; give a folder of reports, or a report"):
            find_runs(str(place))


def test_of_the_folder_that_holds_the_folder_of_reports_the_right_one_is_named(tmp_path):
    """``tsprune study quick --output x`` puts its reports into x/quick."""
    (tmp_path / "quick").mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "quick" / "01_pruning_sweep.html").touch()
    with pytest.raises(UserError) as error:
        find_runs(str(tmp_path))
    assert str(error.value) == f"{tmp_path}: no run of a study there; give {tmp_path / 'quick'}"


def test_a_store_that_is_gone_is_not_said_to_be_unfinished(run, tmp_path):
    a, b = run("a"), run("b")
    (a / "store").rename(tmp_path / "elsewhere")
    for look in (lambda: compare_runs(str(a), str(b)), lambda: check_anew(str(a)), lambda: add_runs(str(a))):
        with pytest.raises(UserError, match=r"01_pruning_sweep is no longer at .*store; if it was moved"):
            look()
