"""Two runs side by side: what differs in parameters and errors, out of their stores, and nothing computed."""

import math

import nbformat
import pandas as pd
import pytest
import yaml

from tsprune.batch.compare import compare_runs, side_by_side
from tsprune.batch.runs import find_runs
from tsprune.engine.progress import Progress
from tsprune.errors import UserError
from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep


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
