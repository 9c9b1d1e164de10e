"""The notebook in batch: run, rendered, indexed, strict, and honest about failures."""

import json
import re
import subprocess
import sys
from pathlib import Path

import profiles
import pytest
import yaml
from pandas import date_range

from tsprune.batch import kernel
from tsprune.batch.notebooks import run_profile
from tsprune.batch.profiles import plan_profile
from tsprune.places import project_root
from tsprune.study.registry import STUDIES

ROOT = project_root()


# Five notebooks, each with a kernel and a worker of its own: a minute and a half on a quiet core.
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def smoke_run(tmp_path_factory):
    """The smoke profile, as ``tsprune study smoke`` runs it, a step at a time: starting workers costs more than it."""
    output = tmp_path_factory.mktemp("outputs")
    done = subprocess.run(
        [sys.executable, "-m", "tsprune", "study", "smoke", "--jobs", "1", "--output", str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return output, done


def test_the_smoke_profile_runs_and_leaves_what_was_promised(smoke_run):
    output, done = smoke_run
    assert done.returncode == 0, done.stderr
    assert "done" in done.stdout and "left" in done.stdout
    for name in STUDIES:
        assert {p.name for p in (output / "smoke").glob(f"{name}.*")} == {
            f"{name}.ipynb",
            f"{name}.html",
            f"{name}.params.yaml",
        }
        given = {"store": str(output / "store")} | ({"jobs": 1} if STUDIES[name].trains else {})
        effective = yaml.safe_load((output / "smoke" / f"{name}.params.yaml").read_text())
        assert effective == profiles.parameters("smoke", name) | given
        assert set(effective) == set(STUDIES[name].config.model_fields)
    index = (output / "smoke" / "index.html").read_text()
    assert all(f"{name}.html" in index for name in STUDIES)


def test_the_report_answers_first_and_asks_no_host(smoke_run):
    output, _ = smoke_run
    for name in STUDIES:
        page = (output / "smoke" / f"{name}.html").read_text()
        assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page)
        assert page.index('tag-verdict" id=') < page.index("<img") < page.rindex(">Protocol<")
        assert "cells did not finish" not in page
        # Models of a few channels cannot be cut to any share: whole units are too coarse.
        told = "Every cell has a result" in page or "could not be pruned to what was asked" in page
        assert told == STUDIES[name].trains


def test_a_failing_notebook_is_rendered_and_told_and_the_index_stands(tmp_path, capfd):
    """A dataset that is there when parameters are checked but cannot be used: the run fails, the report says how."""
    csv = tmp_path / "short.csv"
    rows = "\n".join(f"2024-01-01 {h:02d}:00,{h}.5" for h in range(20))
    csv.write_text(f"date,load\n{rows}\n")
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "01_pruning_sweep.yaml").write_text(f"dataset: {csv}\nmodels: [DLinear]\nseeds: [1]\n")
    runs = plan_profile(str(folder), output=str(tmp_path / "out"))
    assert run_profile(runs) == 1
    err = capfd.readouterr().err
    assert "01_pruning_sweep failed: UserError" in err
    page = (tmp_path / "out" / "mine" / "01_pruning_sweep.html").read_text()
    assert "This notebook failed" in page
    assert (tmp_path / "out" / "mine" / "index.html").exists()


def test_kernels_of_studies_side_by_side_share_no_socket_and_leave_none():
    with kernel._sockets() as one, kernel._sockets() as other:
        folders = [Path(of["ip"]).parent for of in (one, other)]
        assert one["transport"] == other["transport"] == "ipc" and folders[0] != folders[1]
        assert not any(folder.stat().st_mode & 0o77 for folder in folders), "nobody else may listen in"
    assert not any(folder.exists() for folder in folders)


def test_where_a_sockets_name_would_be_too_long_the_kernel_listens_at_ports(tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with kernel._sockets() as sockets:
        assert sockets.keys() == {"connection_file", "transport_encryption"}


def test_a_csv_of_ones_own_by_plain_papermill(tmp_path):
    """The README's other way to run: papermill alone, a CSV file, parameters on the command line."""
    csv = tmp_path / "mine.csv"
    stamps = date_range("2024-01-01", periods=900, freq="h").astype(str)
    csv.write_text("when,load\n" + "".join(f"{s},{(i % 24) + i / 100}\n" for i, s in enumerate(stamps)))
    out = tmp_path / "out.ipynb"
    done = subprocess.run(
        [
            *(
                str(Path(sys.executable).parent / "papermill"),
                str(ROOT / "notebooks" / "01_pruning_sweep.ipynb"),
                str(out),
            ),
            *("-f", str(ROOT / "params" / "smoke" / "common.yaml")),
            *("-f", str(ROOT / "params" / "smoke" / "01_pruning_sweep.yaml"), "--no-progress-bar"),
            *(
                "-p",
                "dataset",
                str(csv),
                "-p",
                "store",
                str(tmp_path / "store"),
                "-y",
                "{models: [DLinear], seeds: [7], latency_repeats: 0, jobs: 1, densities: [1.0, 0.512], "
                "structured_densities: [], two_of_four: false, scores: [], authors_paper: false}",
            ),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    text = json.dumps(json.loads(out.read_text()))
    assert "On mine" in text
    assert "DLinear" in text


@pytest.mark.slow  # tests/study/base/test_namespace.py gives a notebook's namespace the same cell, without a kernel
def test_plain_papermill_with_a_misspelt_parameter_is_refused_by_the_notebook(tmp_path):
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "papermill"), str(ROOT / "notebooks" / "01_pruning_sweep.ipynb")),
            *(str(tmp_path / "out.ipynb"), "--no-progress-bar", "-y", "{densitys: [0.5]}"),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode != 0
    assert "unknown parameter 'densitys'; did you mean 'densities'?" in done.stderr
