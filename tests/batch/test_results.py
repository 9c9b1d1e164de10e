"""A run beside the archive that ships: what came out otherwise is named, and the exit status tells."""

import gzip
import hashlib
import json
import sys
from copy import deepcopy

import pytest
import torch
import yaml

from tsprune import cli
from tsprune.engine.progress import Progress
from tsprune.engine.store import Store
from tsprune.steps.archive import Archive, project_archive, read, write
from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep


@pytest.mark.parametrize("command", ["verdicts", "list"])
@pytest.mark.parametrize("mse", ["abc", -5.0, float("nan")])
def test_rows_that_are_wrong_are_told_in_a_line_by_what_reads_them_all(tmp_path, monkeypatch, capsys, command, mse):
    (path, *_) = project_archive().files()
    lines = deepcopy(read(path))  # which all that read it share
    lines[0]["result"]["mse"] = lines[1]["result"]["mse"] = mse
    wrong = tmp_path / "results" / "01_x" / "ETTh1.jsonl.gz"
    wrong.parent.mkdir(parents=True)
    wrong.write_bytes(gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode()))
    monkeypatch.setattr("tsprune.batch.results.project_archive", lambda: Archive(tmp_path / "results"))
    monkeypatch.setattr(sys, "argv", ["tsprune", "results", command])
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (2, "")
    assert err.startswith(f"tsprune: rows that ship with the project: 01_x/ETTh1.jsonl.gz, line 1: mse {mse} is ")
    assert err.endswith(" (and 1 more); `tsprune results check` lists them all\n") and err.count("\n") == 1


@pytest.fixture
def run(tmp_path, smoke, few, threads, monkeypatch):
    """A finished run of study 01 with times, its place, and an archive of all its rows."""
    archive = Archive(tmp_path / "results")
    monkeypatch.setattr("tsprune.batch.results.project_archive", lambda: Archive(archive.folder))
    small = {"models": ["DLinear"], "densities": [1.0, 0.5], "scopes": ["layer"], "jobs": 1, "latency_repeats": 2}
    config = PruningSweep.parse(smoke | few | small | {"store": str(tmp_path / "store")})
    cells = PruningSweepCells(config)
    cells.run(make_executor=threads, progress=Progress())
    given = yaml.safe_dump(config.model_dump(mode="json"))
    (tmp_path / "01_pruning_sweep.params.yaml").write_text(given)
    archive.add("01_pruning_sweep", "few", [step.key for step in cells.every_step()], Store(config.store))
    return archive, tmp_path


def check(place, monkeypatch, capsys) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["tsprune", "results", "check", str(place)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code or 0, capsys.readouterr().out


def test_a_run_that_came_out_as_before_ends_with_0_and_says_what_is_not_compared(run, monkeypatch, capsys):
    archive, place = run
    status, told = check(place, monkeypatch, capsys)
    compared = len([line for line in archive.lines.values() if line["kind"] != "latency"])
    assert status == 0 and compared > 3
    assert told == (
        f"01_pruning_sweep, few: of {compared} rows that were computed anew and are in the archive, {compared} are "
        f"equal bit for bit; {len(archive.lines) - compared} more hold times, which cannot be compared\n"
    )


def test_a_run_with_one_number_of_one_epoch_otherwise_ends_with_1_and_names_it(run, monkeypatch, capsys):
    archive, place = run
    (path,) = archive.files()
    lines = deepcopy(read(path))
    (trained,) = (line for line in lines if line["kind"] == "train")
    trained["detail"]["history"][0]["train_mse"] = 0.125
    write(path, lines)
    status, told = check(place, monkeypatch, capsys)
    compared = len([line for line in lines if line["kind"] != "latency"])
    assert status == 1 and f"of {compared} rows" in told and f", {compared - 1} are equal" in told
    assert "now, 0.125 in the archive" in told.splitlines()[1] and "history 1 train_mse" in told


def test_rows_of_uncommitted_code_or_of_versions_of_their_own_are_added_with_a_word(run, monkeypatch, capsys):
    archive, place = run
    (path,) = archive.files()
    lines = read(path)
    monkeypatch.setattr(sys, "argv", ["tsprune", "results", "add", str(place)])

    def added(kind: str, **protocol) -> str:
        """What is said where the rows of this kind are new and the others have this in their protocol."""
        write(path, [line | {"protocol": line["protocol"] | protocol} for line in lines if line["kind"] != kind])
        for row in (place / "store").glob("??/*/row.json"):
            commit = {"commit": "0123abcd-dirty"}
            told = json.loads(row.read_text())
            row.write_text(json.dumps(told | {"made": told["made"] | commit}))
            manifest = json.loads(row.with_name("manifest.json").read_text())
            manifest["row.json"] = hashlib.sha256(row.read_bytes()).hexdigest()
            row.with_name("manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code
        return capsys.readouterr().out

    assert added("none").endswith(f"01_pruning_sweep, few: 0 of {len(lines)} steps added\n")
    assert added("train").endswith(
        "1 of 8 steps added; 1 of them made by code that was not committed (0123abcd-dirty)\n".replace(
            "8", str(len(lines))
        )
    )
    said = added("train", version_torch="1.0")
    assert f"; 1 of them by torch {torch.__version__}, as no row before\n" in said and "pandas" not in said


@pytest.mark.parametrize("command", ["check", "add"])
def test_a_row_that_is_damaged_in_the_store_is_a_line(run, monkeypatch, capsys, command):
    _, place = run
    (damaged, *_) = sorted((place / "store").glob("??/*/row.json"))
    damaged.write_text("{}")
    monkeypatch.setattr(sys, "argv", ["tsprune", "results", command, str(place)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (2, "")
    assert err == f"tsprune: {damaged} was changed after it was written; run its study again to compute it anew\n"
