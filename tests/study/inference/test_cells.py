"""Study 06 from its parameters to its tables, on a tiny model: every form in every runtime, once."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import profiles
import pytest
import torch

from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.places import resolve
from tsprune.steps import runtimes
from tsprune.steps.archive import read
from tsprune.steps.inference import MACHINE
from tsprune.steps.runtimes import BFLOAT16, EAGER, INT8, ON, ONNX, RIVALS, SPARSE
from tsprune.study.inference import result as vocabulary
from tsprune.study.inference.cells import InferenceCells
from tsprune.study.inference.config import Inference
from tsprune.study.inference.elsewhere import timed_elsewhere
from tsprune.typed import digest


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    store = str(tmp_path_factory.mktemp("store"))
    here = partial(ThreadPoolExecutor, 1)  # in this process: what a test replaces is replaced there

    def run(**changes):
        given = profiles.parameters("smoke", "06_inference") | {"store": store, "jobs": 1} | changes
        return InferenceCells(Inference.parse(given)).run(make_executor=here)

    return run


def test_every_form_is_timed_in_every_runtime(run, monkeypatch):
    pytest.importorskip("onnxruntime", reason="the extra 'deploy' is not installed: ONNX files are not timed")
    monkeypatch.setattr(runtimes, "has_bfloat16", lambda: True)  # emulated, it is there as well
    result = run(models=["DLinear"], width_shares=[], runtimes=list(RIVALS))
    speeds = result.speeds
    assert speeds["reason"].isna().all() or "compiler" in speeds["reason"].dropna().iloc[0]
    found = speeds[speeds["batch"] == 4].set_index(["form", "share", "runtime"])
    dense = [("dense", 1.0, runtime) for runtime in (EAGER, BFLOAT16, ONNX, INT8)]
    zeros = [("zeros", 0.5, SPARSE), ("zeros", 0.1, SPARSE), ("zeros", 0.1, EAGER)]
    assert list(found.index) == [*dense, *zeros]
    assert (speeds["median_ms"] > 0).all() and set(speeds["threads"]) == {1}
    differences = found["difference"]
    assert differences[dense[0]] == 0 and differences[dense[2]] < 1e-5 and differences[zeros[0]] < 1e-5
    assert 1e-5 < differences[dense[1]] < 0.5 and 1e-5 < differences[dense[3]] < 0.5
    assert found["macs_share"][zeros[1]] < found["macs_share"][zeros[0]] < 1
    assert found["bytes"][zeros[1]] < found["bytes"][dense[0]]
    assert result.cells["status"].tolist() == ["ok"] and result.failures == 0


def test_bfloat16_that_would_be_emulated_is_not_timed(run, monkeypatch):
    monkeypatch.setattr(runtimes, "has_bfloat16", lambda: False)
    speeds = run(models=["DLinear"], width_shares=[], runtimes=[BFLOAT16], densities=[0.3]).speeds
    (reason,) = speeds["reason"].dropna().unique()
    assert reason.startswith("this processor has no instructions for it: PyTorch emulates it")
    assert speeds.loc[speeds["reason"].notna(), "runtime"].tolist() == [BFLOAT16]


def test_narrow_models_and_a_runtime_that_is_not_there(run, monkeypatch):
    def missing(package):
        raise UserError(f"{package} is not installed")

    monkeypatch.setattr(runtimes, "export_onnx", lambda *given: missing("onnx"))
    result = run(runtimes=[ONNX], densities=[0.2])
    lost = result.speeds[result.speeds["reason"].notna()]
    assert lost[["form", "runtime", "reason"]].to_numpy().tolist() == [
        [form, ONNX, "onnx is not installed"] for form in ("dense", "narrow")
    ]
    timed = vocabulary.timed(result.speeds)
    assert timed["form"].unique().tolist() == ["dense", "zeros", "narrow"] and set(timed["runtime"]) == {EAGER}
    assert 0 < timed.loc[timed["form"] == "narrow", "macs_share"].iloc[0] < 0.5
    assert "kernel" in result.protocol and "d_model 8" in result.size


def test_what_is_timed_takes_float32_whole_from_its_first_call_on(run, monkeypatch):
    seen = []

    def watched(*given):
        found = runtimes.runnable(*given)
        return found._replace(call=lambda *x: seen.append(torch.backends.cudnn.allow_tf32) or found.call(*x))

    monkeypatch.setattr("tsprune.steps.inference.runnable", watched)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    run(models=["DLinear"], width_shares=[], runtimes=[], seeds=[2])
    assert set(seen) == {False} and torch.backends.cudnn.allow_tf32


def test_the_pages_words_are_those_of_the_step():
    on_cpu = (vocabulary.KERNEL, vocabulary.ONNX, vocabulary.BFLOAT16, vocabulary.INT8)
    graphs = (vocabulary.GRAPH, vocabulary.GRAPH_BFLOAT16, vocabulary.GRAPH_TWO_OF_FOUR)
    assert {"cpu": on_cpu, "cuda": (vocabulary.BFLOAT16, *graphs)} == ON
    assert (vocabulary.EAGER, *on_cpu, *graphs) == (EAGER, *RIVALS)


def test_what_runs_elsewhere_alone_is_refused_and_what_runs_here_is_kept(monkeypatch):
    given = profiles.parameters("smoke", "06_inference") | {"runtimes": list(RIVALS)}
    assert Inference.parse(given).runtimes_there() == ON["cpu"]
    assert set(Inference.parse(given | {"device": "cuda"}).runtimes_there()) == set(ON["cuda"])
    with pytest.raises(UserError, match="runtimes: none of CUDA graph runs on device = 'cpu'; those that do: sparse "):
        Inference.parse(given | {"runtimes": ["CUDA graph"]})
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match="device = 'cuda': torch finds no CUDA device here"):
        InferenceCells(Inference.parse(given | {"device": "cuda"})).run()


def test_a_time_on_the_cpu_keeps_the_identity_of_before_there_was_a_choice(tmp_path):
    given = profiles.parameters("paper_etth1", "06_inference") | {"store": str(tmp_path)}
    step, *_ = InferenceCells(Inference.parse(given)).steps()
    lines = read(resolve("results") / "06_inference/ETTh1.jsonl.gz")
    (line,) = (line for line in lines if "device" not in line["config"] and line["config"]["model"] == step.model)
    there = {name: line["config"][name] for name in MACHINE}
    assert step.model_copy(update={"elsewhere": there}).key == line["key"] and "device" not in step.identity()
    on_gpu = step.model_copy(update={"device": "cuda"}).identity()
    assert on_gpu["device"] == "cuda" and not on_gpu.keys() & {"kernel", "runtime"}


def test_widths_that_are_none_are_refused():
    given = profiles.parameters("smoke", "06_inference")
    with pytest.raises(UserError, match=r"width_shares: 0\.9 of d_model = 8 gives no narrower model with n_heads = 2"):
        Inference.parse(given | {"width_shares": [0.9]})
    config = Inference.parse(given | {"width_shares": [0.5]})
    assert config.narrower(0.5)["d_model"] == 4 and config.narrower(0.5)["d_ff"] == 8


@pytest.mark.parametrize(("hours", "fetched"), [(None, False), (0.0, True)])
def test_times_that_ship_are_of_another_machine_and_taken_only_where_there_is_no_time_to_measure(
    monkeypatch, tmp_path, hours, fetched
):
    asked = []

    def run_grid(steps, store, *, fetch, **how):
        asked.extend(fetch(step.key) for step in steps)
        raise StopIteration

    monkeypatch.setattr("tsprune.study.base.cells.run_grid", run_grid)
    monkeypatch.setattr("tsprune.steps.archive.Archive.restore", lambda self, key, store: True)
    given = profiles.parameters("smoke", "06_inference") | {"store": str(tmp_path)}
    cells = InferenceCells(Inference.parse(given))
    with pytest.raises(StopIteration):
        cells.compute(cells.steps(), deadline=hours)
    assert asked == [fetched] * len(cells.steps())


def test_a_page_that_computes_nothing_shows_the_times_of_another_machine_by_its_name(tmp_path):
    given = profiles.parameters("paper_gpu", "06_inference") | {"store": str(tmp_path), "budget_hours": 0}
    cells = InferenceCells(Inference.parse(given))
    result = cells.run(make_executor=partial(ThreadPoolExecutor, 1))
    assert set(result.speeds["machine"]) == {"NVIDIA H200"} and set(result.speeds["device"]) == {"cuda"}
    assert "NVIDIA H200" in result.size and "accelerator NVIDIA H200" in result.protocol["from the archive"]
    (step, *_) = cells.steps()
    assert step.key in cells.archive.lines
    with pytest.raises(UserError, match="times of another machine are not measured on this one"):
        step.run(cells.store)


def test_a_page_that_computes_nothing_passes_over_a_damaged_row(tmp_path):
    given = profiles.parameters("paper_gpu", "06_inference") | {"store": str(tmp_path), "budget_hours": 0}
    (step, *_) = InferenceCells(Inference.parse(given | {"budget_hours": None})).steps()
    key = Store(tmp_path).put(step.identity(), {"status": "ok"})
    (tmp_path / key[:2] / key / "row.json").write_text("{}")
    result = InferenceCells(Inference.parse(given)).run(make_executor=partial(ThreadPoolExecutor, 1))
    assert set(result.speeds["machine"]) == {"NVIDIA H200"}


def test_of_several_machines_this_one_comes_first_then_the_newest_row():
    given = profiles.parameters("smoke", "06_inference")
    (step,) = InferenceCells(Inference.parse(given)).steps()

    def line(machine, date, **changes):
        config = step.identity() | changes | {"machine": [machine, "none", "2.13.0"]}
        return {"kind": "inference", "key": digest(config), "config": config, "made": {"date": date}}

    other, newer, wider = line("A", "2026-01-01"), line("B", "2026-02-01"), line("C", "2026-03-01", threads=7)
    assert timed_elsewhere(step, [wider]) is step
    assert timed_elsewhere(step, [other, newer, wider]).key == newer["key"]
    mine = {"kind": "inference", "key": step.key, "config": step.identity(), "made": {"date": "2025-01-01"}}
    assert timed_elsewhere(step, [other, mine, newer]) is step
