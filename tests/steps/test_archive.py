"""Rows that ship with the project: as they were when they come back, small, and refused where anything is wrong."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor

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
from tsprune.steps.archive import MOST, Archive, pack, read, unpack, write
from tsprune.steps.artifacts import SCORES_FILE, load_scores
from tsprune.steps.narrow import StructuredStep
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
def store(tmp_path):
    return Store(tmp_path / "store")


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
    row |= {"result": {"mse": 0.5, "mae": 0.4}, "detail": {}, "cost": {"seconds": 1.0}, "made": MADE} | changes
    row = {name: value for name, value in row.items() if value is not ...}
    files = {SCORES_FILE: lambda path: save_file(scores(windows), path)} if windows is not None else {}
    return store.put(config, row, files)


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
        ({"status": "failed"}, "status failed is no result"),
        ({"result": {"mse": None}}, "a result without its test error"),
        ({"made": {"date": "x"}}, "provenance lacks accelerator, commit, cores, matmul, processor"),
        ({"more": 1}, "columns are not those of a row: more"),
        ({"cost": ...}, "columns are not those of a row: cost"),
    ],
)
def test_check_names_what_is_wrong_with_a_line(store, archive, change, words):
    archive.add("01_x", "ETTh1", [put(store, "a", [1, 2]), put(store, "b")], store)
    (path,) = archive.files()
    lines = read(path)
    lines[1] = {name: value for name, value in (lines[1] | change).items() if value is not ...}
    write(path, lines)
    problems = Archive(archive.folder).problems()
    assert any(problem.startswith("01_x/ETTh1.jsonl.gz, line 2: ") and words in problem for problem in problems)


def test_check_names_a_key_that_stands_twice_and_a_file_that_is_none(store, archive):
    archive.add("01_x", "ETTh1", [put(store, "a")], store)
    (path,) = archive.files()
    write(path.with_name("twin.jsonl.gz"), read(path))
    path.with_name("odd.jsonl.gz").write_bytes(b"odd")
    path.with_name("list.jsonl.gz").write_bytes(gzip.compress(json.dumps([1]).encode()))
    told = "\n".join(Archive(archive.folder).problems())
    assert "01_x/twin.jsonl.gz, line 1: key" in told and "stands in 01_x/ETTh1.jsonl.gz, line 1 as well" in told
    assert "odd.jsonl.gz: not an archive of rows" in told and "list.jsonl.gz: not an archive of rows" in told


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
        ({"windows": [1, 2]}, {}, None),
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
    from tsprune.batch.results import archive

    assert archive().problems() == []


def test_shipped_rows_of_narrowed_models_are_those_of_the_steps_of_today(smoke):
    from tsprune.batch.results import archive

    trained = base_steps(PruningSweep.parse(smoke | {"store": "unused"})).dense[0]
    shipped = [line["config"] for line in archive().lines.values() if line["kind"] == "structured"]
    assert shipped
    for config in shipped:
        today = StructuredStep(trained=trained, density=config["density"])
        assert today.identity() | {"trained": config["trained"]} == config
