"""Rows that ship with the project: as they were when they come back, small, and refused where anything is wrong."""

import fcntl
import gc
import gzip
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import FakeStep, Recorder
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from tsprune.engine.grid import run_grid
from tsprune.engine.step import RESULTS_VERSION
from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.measure import paired_difference
from tsprune.steps.archive import Archive, project_archive, read, write
from tsprune.steps.artifacts import SCORES_FILE, load_scores
from tsprune.steps.narrow import StructuredStep
from tsprune.steps.packed import MOST, pack, unpack
from tsprune.steps.recipes import kinds
from tsprune.study.base.shared import base_steps
from tsprune.study.pruning_sweep.config import PruningSweep
from tsprune.typed import digest

MADE = {"date": "2026-11-26", "commit": "c", "processor": "p", "cores": 2, "accelerator": "none", "matmul": "highest"}


def scores(windows, columns: int = 2) -> dict[str, torch.Tensor]:
    parts = {
        name: torch.linspace(0.123456789, 1, columns, dtype=torch.float64) for name in ("column_mse", "column_mae")
    }
    return {"window_mse": torch.as_tensor(np.asarray(windows, float))} | parts


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "results")


def put(store: Store, name: str, windows=None, **changes) -> str:
    """An entry of a store; ``windows`` are its errors."""
    config = {"step": "prune", "name": name, "version": RESULTS_VERSION}
    row = {
        "kind": "prune",
        "key": digest(config),
        "status": "ok",
        "reason": None,
        "protocol": {"model": "M", "seed": 1},
    }
    mse = 0.5 if windows is None else float(np.mean(windows))
    row |= {"result": {"mse": mse, "mae": 0.4}, "detail": {}, "cost": {"seconds": 1.0}, "made": MADE} | changes
    row = {name: value for name, value in row.items() if value is not ...}
    files = {SCORES_FILE: lambda path: save_file(scores(windows), path)} if windows is not None else {}
    return store.put(config, row, files)


def test_processes_that_add_to_one_file_at_once_lose_no_row(store, tmp_path):
    code = (
        "import sys; from pathlib import Path; from tsprune.engine.store import Store\n"
        "from tsprune.steps.archive import Archive\n"
        "for key in sys.argv[3:]:\n"
        "    Archive(Path(sys.argv[1])).add('01_x', 'ETTh1', [key], Store(sys.argv[2]))\n"
    )
    keys = [put(store, str(n)) for n in range(60)]
    command = [sys.executable, "-c", code, str(tmp_path / "results"), str(store.root)]
    running = [subprocess.Popen([*command, *keys[n::2]], stderr=subprocess.PIPE, text=True) for n in range(2)]
    assert [process.communicate()[1] for process in running] == ["", ""]
    assert Archive(tmp_path / "results").lines.keys() == set(keys)


def test_where_nothing_can_be_locked_rows_are_added_and_that_is_told(store, archive, monkeypatch, capsys):
    monkeypatch.setattr(fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(37, "No locks available")))
    assert archive.add("01_x", "ETTh1", [put(store, "a")], store) == (1, 0)
    assert capsys.readouterr().err == (
        f"{archive.folder} cannot be locked (No locks available): let no other process add rows meanwhile\n"
    )


def test_a_row_comes_back_as_it_was_with_its_errors_and_says_where_from(store, archive, tmp_path):
    keys = [put(store, "a", np.arange(1, 11)), put(store, "b")]
    assert archive.add("01_x", "ETTh1", [*keys, "0" * 20], store) == (2, 1)
    assert archive.add("02_y", "ETTh1", keys, store) == (0, 0)
    other = Store(tmp_path / "other")
    assert [Archive(archive.folder).restore(key, other) for key in [*keys, "0" * 20]] == [True, True, False]
    for key in keys:
        assert other.row(key) == store.row(key) | {"archived": True}
        other.verify(key)
    back = load_scores(other, keys[0])
    np.testing.assert_allclose(back["window_mse"], np.arange(1, 11), rtol=1e-3)
    assert back["column_mse"].tolist() == [0.12346, 1.0]
    assert archive.add("03_z", "ETTh1", keys, other) == (0, 0), "what came from an archive is not archived again"
    assert archive.problems() == []


def test_a_study_takes_from_the_archive_what_its_store_has_not_and_computes_the_rest(store, archive, tmp_path):
    log = tmp_path / "log"
    log.touch()
    steps = [FakeStep(name=name, log=str(log)) for name in ("a", "b")]

    def run(into: Store) -> dict:
        fetch = lambda key: archive.restore(key, into)  # noqa: E731
        make = lambda: ThreadPoolExecutor(1)  # noqa: E731
        return run_grid(steps, into, make_executor=make, jobs=1, progress=Recorder(1), fetch=fetch)

    first = run(store)
    archive.add("01_x", "synthetic", [steps[0].key], store)
    second = run(Store(tmp_path / "other"))
    assert log.read_text().split() == ["a", "b", "b"]
    assert second[steps[0].key] == first[steps[0].key] | {"archived": True}
    assert second[steps[1].key]["result"] == first[steps[1].key]["result"] and "archived" not in second[steps[1].key]


@settings(max_examples=25)
@given(st.integers(1, 900), st.floats(1e-6, 1e9), st.integers(0, 99))
def test_errors_keep_three_digits_in_groups_of_equal_length(count, size, seed):
    windows = size * np.random.default_rng(seed).exponential(size=count)
    packed = pack(scores(windows))
    every, back = packed["every"], unpack(packed)["window_mse"].numpy()
    assert len(back) == count and -(-count // every) <= MOST
    for start in range(0, count, every):
        group = slice(start, start + every)
        np.testing.assert_allclose(back[group], windows[group].mean(), rtol=1e-3, atol=1e-7 * windows.mean())


def test_an_interval_out_of_the_archive_is_that_of_the_store_to_a_tenth_of_its_width():
    random = np.random.default_rng(1)
    base = np.convolve(random.exponential(size=3000), np.ones(96) / 96, "valid")
    sides = [
        np.stack([base * (1 + shift + 0.1 * random.standard_normal(len(base))) for _ in range(2)])
        for shift in (0.05, 0)
    ]
    kept = [np.stack([unpack(pack(scores(row)))["window_mse"].numpy() for row in side]) for side in sides]
    whole, grouped = (paired_difference(*both, block=192) for both in (sides, kept))
    width = whole.high - whole.low
    assert abs(whole.relative - grouped.relative) < 1e-3
    assert abs(whole.low - grouped.low) < width / 10 and abs(whole.high - grouped.high) < width / 10


def test_errors_that_are_all_zero_stay_so():
    assert unpack(pack(scores(np.zeros(5))))["window_mse"].tolist() == [0.0] * 5


def test_what_is_no_result_is_not_added_and_a_row_without_provenance_is_refused(store, archive):
    failed = put(store, "failed", status="failed")
    assert archive.add("01_x", "ETTh1", [failed], store) == (0, 1) and archive.files() == []
    assert archive.add("01_x", "ETTh1", [put(store, "bad", status="diverged")], store) == (1, 0)
    with pytest.raises(UserError, match="a row without its machine and date; compute it again"):
        archive.add("01_x", "ETTh1", [put(store, "old", made=...)], store)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config": {"version": 1}}, "the key is not that of its config"),
        ({"config": {"version": 1}}, "of results version 1, not"),
        ({"status": "failed"}, "status failed is not a result"),
        ({"result": {"mse": None}}, "a result without its test error"),
        ({"made": {"date": "x"}}, "provenance lacks accelerator, commit, cores, matmul, processor"),
        ({"made": MADE | {"date": "yesterday"}}, "yesterday is not a date"),
        ({"made": MADE | {"date": 20261126}}, "20261126 is not a date"),
        ({"made": None}, "no names with values: made"),
        ({"result": {"mse": "abc"}}, "mse abc is not a number"),
        ({"result": {"mse": float("nan")}}, "mse nan is not a number"),
        ({"result": {"mse": float("inf")}}, "mse inf is not a number"),
        ({"result": {"mse": True}}, "mse True is not a number"),
        ({"result": {"val_mse": -5.0}}, "val_mse -5.0 is negative"),
        ({"result": {"density_all": 1.5}}, "density_all 1.5 is above 1"),
        ({"protocol": {"density_asked": -0.5}}, "density_asked -0.5 is negative"),
        ({"status": "diverged", "result": {"mse": "abc"}}, "mse abc is not a number"),
        ({"config": {"version": float("nan")}}, "the key is not that of its config"),
        ({"errors": {"windows": 2}}, "its errors by part cannot be read"),
        ({"errors": pack(scores([1, 2])) | {"ratios": "AA"}}, "its errors by part cannot be read"),
        ({"errors": pack(scores([1, 2])) | {"every": 2}}, "its errors by part cannot be read"),
        ({"errors": pack(scores([1, 2])) | {"column_mae": [0.1, "x"]}}, "its errors by part cannot be read"),
        ({"errors": pack(scores([1, 2])) | {"column_mae": [0.1]}}, "column_mse has 2 values, column_mae 1"),
        ({"errors": pack(scores([0.4, 0.7]))}, "is not the mean of its errors by window, 0.55"),
        ({"kind": "nm"}, "kind nm is not that of its config, prune"),
        ({"more": 1}, "columns are not those of a row: more"),
        ({"cost": ...}, "columns are not those of a row: cost"),
    ],
)
def test_check_names_what_is_wrong_with_a_line(store, archive, change, words):
    archive.add("01_x", "ETTh1", [put(store, "a", [1, 2]), put(store, "b")], store)
    (path,) = archive.files()
    lines = read(path)
    lines[1] = {name: value for name, value in (lines[1] | change).items() if value is not ...}
    write_as_is(path, lines)
    (problem,) = Archive(archive.folder).problems()
    assert problem.startswith("01_x/ETTh1.jsonl.gz, line 2: ") and words in problem


def write_as_is(path, lines) -> None:
    """Also what is no number, which tsprune writes to no file."""
    path.write_bytes(gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode()))


def test_a_number_of_a_training_that_diverged_need_be_none(store, archive):
    archive.add("01_x", "ETTh1", [put(store, "a")], store)
    (path,) = archive.files()
    (line,) = read(path)
    write_as_is(path, [line | {"status": "diverged", "result": {"mse": float("inf"), "mae": None}}])
    assert Archive(archive.folder).problems() == []


DATA = {"label": "ETTh1", "seq_len": 96, "label_len": 48, "pred_len": 24}
TRAINED = {"step": "train", "model": "M", "seed": 1, "data": DATA, "hyper": {"c_out": 2}, "version": RESULTS_VERSION}
TOLD = {"dataset": "ETTh1", "model": "M", "seed": 1, "seq_len": 96, "label_len": 48, "pred_len": 24}


@pytest.mark.parametrize(
    ("told", "columns", "words"),
    [
        ({}, 2, None),
        ({"seed": 77}, 2, "seed 77 is not that of its config, 1"),
        ({"dataset": "ETTh9"}, 2, "dataset ETTh9 is not that of its config, ETTh1"),
        ({"model": "N"}, 2, "model N is not that of its config, M"),
        ({"pred_len": 96}, 2, "pred_len 96 is not that of its config, 24"),
        ({}, 7, "column_mse and column_mae have 7 values, the data 2 columns"),
        ({"series": 7}, 7, None),
    ],
)
@pytest.mark.parametrize("itself", [True, False])
def test_what_a_row_says_is_what_the_training_says_that_it_goes_back_to(store, archive, told, columns, words, itself):
    errors = pack(scores([1, 2], columns))
    pruned = {"step": "prune", "trained": digest(TRAINED), "version": RESULTS_VERSION}
    archive.add("01_x", "ETTh1", [put(store, "a", [1, 2])], store)
    (path,) = archive.files()
    (line,) = read(path)
    line |= {"protocol": TOLD, "errors": pack(scores([1, 2]))}
    lines = [line | {"kind": config["step"], "config": config, "key": digest(config)} for config in (TRAINED, pruned)]
    lines[not itself] |= {"protocol": TOLD | told, "errors": errors}
    write_as_is(path, lines)
    found = Archive(archive.folder).problems()
    assert found == ([] if words is None else [f"01_x/ETTh1.jsonl.gz, line {2 - itself}: {words}"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config": ...}, "line 1: columns are not those of a row: config; `tsprune results check` lists all"),
        ({"protocol": None}, "line 1: no names with values: protocol"),
        ({"config": {"step": "prune"}}, "the key is not that of its config"),
        ({"errors": {"a": "!"}}, "its errors by part cannot be read"),
    ],
)
def test_a_study_is_given_no_row_that_it_could_not_use(store, archive, tmp_path, change, words):
    key = put(store, "a", [1, 2])
    archive.add("01_x", "ETTh1", [key], store)
    (path,) = archive.files()
    (line,) = read(path)
    write_as_is(path, [{name: value for name, value in (line | change).items() if value is not ...}])
    with pytest.raises(UserError) as error:
        Archive(archive.folder).restore(key, Store(tmp_path / "new"))
    assert words in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "new").exists()


def test_rows_that_go_back_to_each_other_or_to_none_end_the_look(store, archive):
    archive.add("01_x", "ETTh1", [put(store, "a")], store)
    (path,) = archive.files()
    (line,) = read(path)
    rings = [line | {"key": key, "config": line["config"] | {"trained": other}} for key, other in ("ab", "ba", "cd")]
    write_as_is(path, rings)
    told = Archive(archive.folder).problems()
    assert len(told) == 3 and all(problem.endswith("the key is not that of its config") for problem in told)


def test_check_names_a_key_that_stands_twice_and_a_file_that_is_none(store, archive):
    archive.add("01_x", "ETTh1", [put(store, "a")], store)
    (path,) = archive.files()
    write(path.with_name("twin.jsonl.gz"), read(path))
    path.with_name("odd.jsonl.gz").write_bytes(b"odd")
    path.with_name("list.jsonl.gz").write_bytes(gzip.compress(json.dumps([1]).encode()))
    path.with_name("empty.jsonl.gz").touch()
    told = "\n".join(Archive(archive.folder).problems())
    assert "empty.jsonl.gz: not an archive of rows (it holds none)" in told
    assert "01_x/twin.jsonl.gz, line 1: key" in told and "is also in 01_x/ETTh1.jsonl.gz, line 1" in told
    assert "odd.jsonl.gz: not an archive of rows" in told and "list.jsonl.gz: not an archive of rows" in told
    assert gc.isenabled(), "reading, which goes without, ended by an error"


def test_rows_computed_anew_are_equal_or_named_with_what_differs(store, archive, tmp_path):
    archive.add("01_x", "ETTh1", [put(store, "a"), put(store, "b"), put(store, "c")], store)
    anew = Store(tmp_path / "anew")
    keys = [put(anew, "a"), put(anew, "b", result={"mse": 0.25, "mae": 0.4}, made=MADE | {"processor": "q"})]
    archive.restore(put(store, "c"), anew)
    equal, times, (other,) = archive.anew([*keys, put(store, "c"), put(anew, "not there")], anew)
    assert (equal, times) == (1, 0)
    assert other == f"prune M 1 ({keys[1][:8]}): mse 0.25 now, 0.5 in the archive, there on p"
    third = Store(tmp_path / "third")
    assert archive.anew([put(third, "a", status="diverged", result={})], third).others == [
        f"prune M 1 ({keys[0][:8]}): diverged now, ok in the archive"
    ]


UPDATES = {"updates": [{"step": 1, "kept": [7, 8]}, {"step": 2, "kept": [6, 5]}], "layers": []}
WEEK = {"kind": "week", "result": {}, "detail": {"week": {"date": ["x", "y"], "forecast": [1.5, 2.5]}}}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"detail": UPDATES}, {"detail": UPDATES}, None),
        (
            {"detail": UPDATES},
            {"detail": UPDATES | {"updates": [UPDATES["updates"][0], {"step": 2, "kept": [6, 4]}]}},
            "updates 2 kept 2 4 now, 5 in the archive",
        ),
        (
            {"detail": UPDATES},
            {"detail": UPDATES | {"updates": UPDATES["updates"][:1]}},
            "updates 1 long now, 2 long in the archive",
        ),
        (WEEK, WEEK, None),
        (
            WEEK,
            WEEK | {"detail": {"week": {"date": ["x", "y"], "forecast": [1.5, 2.0]}}},
            "week forecast 2 2.0 now, 2.5 in the archive",
        ),
        ({"detail": {"history": []}}, {"detail": {}}, "history None now, 0 long in the archive"),
        ({"windows": [1, 2]}, {"windows": [1 + 2**-40, 2 - 2**-40]}, None),
        ({"windows": [1, 3]}, {"windows": [2, 2]}, "errors window_mse 2 2.0 now, 3.0 in the archive"),
        ({"windows": [0.25, 0.75]}, {}, None),
        (
            {"detail": {"layers": [*range(9)]}},
            {"detail": {"layers": [*range(9, 18)]}},
            "layers 5 13 now, 4 in the archive (and 4 more)",
        ),
    ],
)
def test_all_that_repeats_is_compared_and_not_the_result_alone(store, archive, tmp_path, old, new, words):
    archive.add("01_x", "ETTh1", [put(store, "a", **old)], store)
    anew = Store(tmp_path / "anew")
    equal, times, others = archive.anew([put(anew, "a", **new)], anew)
    if words is None:
        assert (equal, times, others) == (1, 0, [])
    else:
        assert (equal, times) == (0, 0) and others[0].endswith(words)


def test_rows_that_hold_nothing_but_times_are_not_compared(store, archive, tmp_path):
    assert {kind for kind, step in kinds().items() if step.alone} == {"latency", "inference", "served_latency"}
    times = {"kind": "latency", "result": {}, "detail": {"latency": [{"median_ms": 1.0}]}}
    archive.add("01_x", "ETTh1", [put(store, "a", **times), put(store, "b")], store)
    anew = Store(tmp_path / "anew")
    keys = [put(anew, "a", **times), put(anew, "b")]
    assert archive.anew(keys, anew) == (1, 1, [])


def test_equal_rows_give_equal_files_in_any_order(store, archive, tmp_path):
    archive.add("01_x", "ETTh1", [put(store, "a"), put(store, "b")], store)
    (path,) = archive.files()
    write(tmp_path / "again.gz", reversed(read(path)))
    assert (tmp_path / "again.gz").read_bytes() == path.read_bytes()


def test_the_rows_that_ship_with_the_project_are_sound():
    assert project_archive().problems() == []


def test_shipped_rows_of_narrowed_models_are_those_of_the_steps_of_today(smoke):
    trained = base_steps(PruningSweep.parse(smoke | {"store": "unused"})).dense[0]
    shipped = [line["config"] for line in project_archive().lines.values() if line["kind"] == "structured"]
    assert shipped
    for config in shipped:
        today = StructuredStep(trained=trained, density=config["density"])
        assert today.identity() | {"trained": config["trained"]} == config


def test_a_file_that_is_being_written_is_not_read(archive, monkeypatch):
    """A process that is killed meanwhile leaves it so."""
    path, seen, whole = archive.folder / "01_x" / "ETTh1.jsonl.gz", [], Path.write_bytes
    write(path, [{"key": "a"}])

    def half(self, content):
        whole(self, content[:9])
        seen.extend(line["key"] for file in Archive(archive.folder).files() for line in read(file))
        return whole(self, content)

    monkeypatch.setattr(Path, "write_bytes", half)
    write(path, [{"key": "b"}])
    assert seen == ["a"]
    assert [line["key"] for line in read(path)] == ["b"]


def test_a_file_that_was_written_anew_is_read_anew(store, archive):
    for name in ("a", "b"):
        archive.add("01_x", "ETTh1", [put(store, name)], store)
        assert Archive(archive.folder).lines.keys() == archive.lines.keys()
    assert len(archive.lines) == 2
