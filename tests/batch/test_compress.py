"""One user's question: what is asked and refused, what is chosen of a table, what is said, and a small run."""

import errno
import json
import math
import shlex
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from tests.helpers import Recorder
from tsprune import cli
from tsprune.batch.compress import run as running
from tsprune.batch.compress import words
from tsprune.batch.compress.choice import (
    DENIED,
    KEPT,
    OPEN,
    SPARSE_RUN,
    Answer,
    best_dense,
    cheaper,
    choose,
    files_table,
    front,
    verdicts,
)
from tsprune.batch.compress.figure import pareto
from tsprune.batch.compress.page import protocol, write_page
from tsprune.batch.compress.question import ask, command, parse_percent
from tsprune.batch.compress.run import Compressing, compress
from tsprune.batch.compress.ways import (
    DENSE,
    DISTILLED,
    FOUND,
    HALVED,
    KINDS,
    LONGER,
    MULTIPLE,
    NARROWED,
    ROUNDED,
    SMALLER,
    ZEROS,
    Way,
    ways,
)
from tsprune.data import load_table, make_splits
from tsprune.deploy import Forecaster
from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.measure import paired
from tsprune.models import About, create_model, load_checkpoint, save_checkpoint
from tsprune.pruners import magnitude_masks
from tsprune.report.text import plain_text
from tsprune.steps import serve
from tsprune.steps.given import GivenStep
from tsprune.steps.recipes import rebuild
from tsprune.steps.serve import ONNX_FILE, ServedLatencyStep, ServeStep
from tsprune.steps.train import TrainStep
from tsprune.study.base.config import StudyConfig
from tsprune.training import TrainConfig, evaluate

SMALL = {"d_model": 8, "n_heads": 2, "d_ff": 8, "e_layers": 1, "epochs": 1, "fine_tune_epochs": 1, "label_len": 12}
SMALL |= {"narrow_densities": [0.5], "sparse_densities": [0.2], "widths": [4]}
UNSAID = {"model": None, "seq_len": None, "pred_lens": None}  # the checkpoint says them


@pytest.fixture
def question(few, tmp_path):
    """A question about 900 hours that takes a second or two per step; keywords as :func:`ask` has them."""

    def make(**changed):
        asked = {"model": "iTransformer", "max_loss": "50%", "goal": "size", "budget": "20m"}
        asked |= {"seq_len": 24, "pred_lens": [8], "store": str(tmp_path / "store")} | SMALL
        return ask(few["dataset"], **asked | changed)

    return make


@pytest.fixture
def at_once(monkeypatch, rules_read_once):
    """Steps run in this process, in one thread, and files are timed in as many rounds as asked for on a busy machine
    too."""
    monkeypatch.setattr(serve.ServedLatencyStep, "longer", 1)
    compute = Compressing.compute

    def here(self, steps, **how):
        return compute(self, steps, **how | {"make_executor": lambda: ThreadPoolExecutor(1), "progress": Recorder()})

    monkeypatch.setattr(Compressing, "compute", here)


def test_the_command_of_a_question_asks_it_again(question, few, tmp_path, monkeypatch):
    monkeypatch.chdir(Path(few["dataset"]).parent)
    mine, found = str(checkpoint(question(), tmp_path)), []
    monkeypatch.setattr(running, "compress", lambda asked, folder: found.append(asked) or sys.exit(0))
    of_it = ("d_model", "n_heads", "d_ff", "e_layers", "label_len")
    for asked in (
        question(),
        question(model=None, budget="90s", goal="latency", max_loss="0.25%", date_column="date", seq_len=None),
        question(columns=["load", "temp, outside"]),
        question(model="Transformer", label_len=3, missing="interpolate", given=["schedule=constant"], e_layers=None),
        question(checkpoint=mine, **UNSAID | dict.fromkeys(of_it)),
    ):
        line = command(asked)
        assert str(tmp_path) not in line and "store" not in line
        monkeypatch.setattr(sys, "argv", shlex.split(line.replace("mine.safetensors", mine)))
        with pytest.raises(SystemExit):
            cli.main()
        assert found[-1].budget_hours == pytest.approx(asked.budget_hours)
        same = {name: getattr(asked, name) for name in ("store", "budget_hours")}
        assert found[-1].model_copy(update=same) == asked, line


@pytest.mark.parametrize(("text", "share"), [("2%", 0.02), ("0.5 %", 0.005), ("12.25%", 0.1225)])
def test_a_loss_is_a_percentage(text, share):
    assert parse_percent(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["2", "0.02", "0%", "100%", "-1%", "%", "2 percent", "nan%", "1e1%", ""])
def test_what_is_no_percentage_is_refused_with_what_is_one(text):
    with pytest.raises(
        UserError, match=r"--max-loss .*: expected a percentage above 0 and below 100, such as 2% or 0.5%"
    ):
        parse_percent(text)


@pytest.mark.parametrize(
    ("changed", "say"),
    [
        ({"goal": "latancy"}, "--for: unknown goal 'latancy'; did you mean 'latency'?"),
        ({"budget": "0"}, "--budget 0: leaves no time to try anything"),
        ({"budget": "20"}, "--budget 20: expected a time, such as 2h, 30m or 90s"),
        ({"budget": "-1m"}, "--budget -1m: expected a time, such as 2h, 30m or 90s$"),
        ({"model": "iTransfomer"}, "did you mean 'iTransformer'?"),
        ({"model": "DLinear"}, "--model DLinear: nothing in DLinear can be narrowed"),
        ({"model": "DLinear"}, "no other size to prune it to. Allowed: Autoformer, Crossformer, FEDformer, "),
        ({"given": ["epoch=3"]}, "compress: unknown parameter 'epoch'; did you mean 'epochs'?"),
        ({"given": ["epochs"]}, "-p epochs: expected name=value"),
        ({"given": ["batch_size=8", "batch_size=9"]}, "-p batch_size=9: batch_size is given twice"),
        ({"given": ["max_loss=0.5"]}, "max_loss is set by its own option"),
        ({"given": ["fractions=[0.5]"]}, "all training windows are used here"),
        ({"given": ["protocol=as_published"]}, "protocol = 'as_published': allowed is 'full': a file is"),
        ({"given": ["seeds=[1, 2]"]}, "seeds = [1, 2]: 1 value at most, found 2"),
        ({"checkpoint": "x.safetensors"}, "--model and --checkpoint: give only one"),
        (
            {"checkpoint": "x.safetensors", "model": None, "pred_lens": None},
            "--look-back and --checkpoint: give only one",
        ),
        ({"checkpoint": "x.safetensors", "model": None, "seq_len": None}, "--horizon and --checkpoint: give only one"),
        ({"checkpoint": "x.safetensors"} | UNSAID, "no checkpoint at x.safetensors"),
    ],
)
def test_a_bad_question_is_one_line(question, changed, say):
    with pytest.raises(UserError) as error:
        question(**changed)
    assert say in f"{error.value}$" and "\n" not in str(error.value)


def test_a_store_that_cannot_be_written_to_is_told_before_anything_runs(question, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file is a file, not a folder; choose another folder with --store$"):
        compress(question(store=str(tmp_path / "file" / "store")), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--output", "--store"])
def test_an_empty_name_of_a_folder_is_refused(few, capsys, monkeypatch, option):
    monkeypatch.setattr(sys, "argv", ["tsprune", "compress", few["dataset"], option, ""])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2 and capsys.readouterr().err == f"tsprune: {option}: the folder name is empty\n"


def test_a_question_that_is_refused_leaves_no_folder(question, tmp_path):
    with pytest.raises(UserError, match="too few rows"):
        compress(question(pred_lens=[400]), tmp_path / "new" / "out")
    assert not (tmp_path / "new").exists() and not (tmp_path / "store").exists()


def test_of_what_is_constant_nothing_is_compressed_and_a_column_of_it_is_no_matter(question, tmp_path):
    rows = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=300, freq="h"), "load": 3.0, "wind": 0.0})
    rows.to_csv(tmp_path / "still.csv", index=False)
    still = question().model_copy(update={"dataset": str(tmp_path / "still.csv")})
    with pytest.raises(UserError, match=r"^still: every column is constant in the training and validation rows; "):
        compress(still, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    rows.assign(load=range(300)).to_csv(tmp_path / "still.csv", index=False)
    Compressing(still).check()


def test_a_file_that_is_not_there_and_a_column_that_is_not_there_are_one_line_each(question, few, capsys, monkeypatch):
    for typed, say in (
        (["none.csv"], "there is no such file"),
        ([few["dataset"], "--date-column", "when"], "unknown date column 'when'. Allowed: date, load, wind"),
        (
            [few["dataset"], "--horizon", "400"],
            "too few rows: the val split has 90 of the 900 rows, --horizon = 400 needs 400; choose a shorter one",
        ),
        (
            [few["dataset"], "--look-back", "900"],
            "the train split has 630 of the 900 rows, --look-back + --horizon = 900 + 24 needs 924; choose a shorter",
        ),
        ([few["dataset"], "--max-loss", "2"], "a percentage"),
    ):
        monkeypatch.setattr(sys, "argv", ["tsprune", "compress", *typed])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        assert end.value.code == 2 and out == "" and say in err.splitlines()[0]


def test_ways_go_from_dense_over_one_of_each_kind_to_other_strengths(question):
    asked = question(narrow_densities=[0.5, 0.2], widths=[4, 2], goal="macs")
    found = ways(asked, asked.data_spec(load_table(asked.dataset), 8))
    first = [DENSE, LONGER, NARROWED, SMALLER, DISTILLED, HALVED, ZEROS, FOUND]
    assert [way.kind for way in found] == [*first, NARROWED, SMALLER, DISTILLED]
    narrow, small = f"{NARROWED} (20% of the parameters left)", [f"{kind} (d_model 2)" for kind in first[3:5]]
    assert [way.name for way in found[8:]] == [narrow, *small]
    assert len({way.step.key for way in found}) == len(found) and set(KINDS) == {*first, ROUNDED}
    for_size = ways(asked.model_copy(update={"goal": "size"}), asked.data_spec(load_table(asked.dataset), 8))
    assert [way.kind for way in for_size] == [*first[:5], *first[2:5], HALVED, ZEROS, FOUND]  # no file is smaller


def test_smaller_models_have_fewer_heads_and_not_narrower_ones_as_far_as_these_divide_the_width(question):
    def heads(d_model, n_heads, widths):
        asked = question(d_model=d_model, n_heads=n_heads, widths=widths)
        found = ways(asked, asked.data_spec(load_table(asked.dataset), 8))
        return [way.step.trained.hyper["n_heads"] for way in found if way.kind == SMALLER]

    assert heads(128, 8, []) == [4, 2]
    assert heads(64, 1, [32]) == [1]
    assert heads(24, 6, [18]) == [3]  # four of six do not divide 18


def test_rounded_widths_are_tried_beside_the_others_where_time_is_the_goal_and_the_model_wide_enough(question):
    def tried(**changed):
        asked = question(d_model=16, widths=[8], narrow_densities=[0.5, 0.2], **changed)
        return ways(asked, asked.data_spec(load_table(asked.dataset), 8))

    found = tried(goal="latency")
    assert [way.kind for way in found[2:5]] == [NARROWED, ROUNDED, SMALLER]
    assert [way.name for way in found if way.kind == ROUNDED] == [
        f"narrowed, widths in multiples of 8 ({share}% of the parameters left)" for share in (50, 20)
    ]
    plain, rounded = found[2].step, found[3].step
    assert (plain.multiple, rounded.multiple) == (1, MULTIPLE) and plain.density == rounded.density
    assert len({way.step.key for way in found}) == len(found)
    for goal in ("size", "macs"):
        assert {way.step.key for way in tried(goal=goal)} == {way.step.key for way in found if way.kind != ROUNDED}
    asked = question(goal="latency")
    assert ROUNDED not in {way.kind for way in ways(asked, asked.data_spec(load_table(asked.dataset), 8))}


@pytest.mark.parametrize(
    ("model", "n_heads", "inside"),
    [
        ("iTransformer", 4, "n_heads"),
        ("iTransformer", 2, "head_dim"),
        ("Informer", 4, "head_dim"),
        ("TCN", 4, "head_dim"),
    ],
)
def test_whole_heads_go_where_a_model_has_enough_of_them_and_lets_them_go(question, model, n_heads, inside):
    asked = question(model=model, d_model=16, n_heads=n_heads)
    found = ways(asked, asked.data_spec(load_table(asked.dataset), 8))
    assert {way.step.inside for way in found if way.kind in (NARROWED, ROUNDED)} == {inside}


def table(*rows) -> pd.DataFrame:
    """Files by (kind, weights, ms, bytes, validation loss, test loss); an interval is 1 % to either side."""
    names = ["kind", "weights", "ms_1", "bytes", "val_loss", "test_loss"]
    files = pd.DataFrame(rows, columns=names).assign(
        strength="", name=lambda t: t["kind"], parameters=1000, density=1.0
    )
    files = files.assign(macs=files["bytes"], low=files["test_loss"] - 0.01, high=files["test_loss"] + 0.01)
    files = files.assign(mse=0.4 * (1 + files["test_loss"]), mae=0.3, val_mse=0.4 * (1 + files["val_loss"]))
    for name, by in (("speedup", 1.0), ("speedup_low", 0.95), ("speedup_high", 1.05)):
        files = files.assign(**{f"{name}_{batch}": by * 2.0 / files["ms_1"] for batch in (1, 32)})
    return files.assign(ms_32=files["ms_1"] * 20, verdict=verdicts(files, 0.02))


FILES = table(
    (DENSE, "float32", 2.00, 1000, 0.0, 0.0),
    (NARROWED, "float32", 1.02, 400, 0.01, 0.005),
    (SMALLER, "float32", 1.00, 300, 0.015, 0.015),
    (DISTILLED, "float32", 0.50, 200, 0.05, 0.05),
    (ZEROS, "float32", 0.10, 1000, 0.0, 0.0),
    (NARROWED, "int8", 0.90, 150, 0.019, 0.05),
)


def test_the_cheapest_is_chosen_whose_loss_is_accepted_and_not_denied_and_costs_that_are_alike_count_as_one():
    assert FILES["verdict"].tolist() == [KEPT, KEPT, OPEN, DENIED, KEPT, DENIED]
    assert choose(FILES, "latency", 0.02, 0) == 1  # 1.02 and 1.00 ms are the same; of the two it loses less
    assert choose(FILES, "size", 0.02, 0) == 2
    assert choose(FILES, "size", 0.001, 0) == 0  # none: stay with dense
    lenient = FILES.assign(verdict=verdicts(FILES, 0.5))
    assert choose(lenient, "latency", 0.5, 0) == 3 and choose(lenient, "macs", 0.5, 0) == 5


@pytest.mark.parametrize(("ms", "kind"), [(0.8, ROUNDED), (1.2, NARROWED)])
def test_rounded_widths_are_recommended_where_their_time_says_so(ms, kind):
    files = table(
        (DENSE, "float32", 2.00, 1000, 0.0, 0.0),
        (NARROWED, "float32", 1.00, 400, 0.010, 0.005),
        (ROUNDED, "float32", ms, 410, 0.012, 0.005),
    )
    assert files["kind"][choose(files, "latency", 0.02, 0)] == kind


def test_zeros_are_never_cheaper_whatever_a_clock_says_nor_is_what_costs_nearly_as_much():
    assert ZEROS not in set(cheaper(FILES, "latency", 0)["kind"])
    close = table((DENSE, "float32", 2.0, 1000, 0.0, 0.0), (NARROWED, "float32", 1.95, 999, 0.0, 0.0))
    assert cheaper(close, "latency", 0).empty and cheaper(close, "size", 0).empty
    assert len(cheaper(close.assign(bytes=[1000, 980]), "size", 0)) == 1


def test_the_front_holds_what_no_other_beats_in_both():
    assert front(FILES, "bytes").index.tolist() == [5, 2, 1, 4] or front(FILES, "bytes").index.tolist() == [5, 2, 1, 0]
    assert front(FILES, "ms_1").index.tolist() == [4]


def test_losses_count_from_the_better_dense_model_or_from_the_checkpoint_that_was_given():
    files = table((DENSE, "float32", 2, 9, 0.1, 0), (LONGER, "int8", 2, 9, -0.1, 0), (LONGER, "float32", 2, 9, 0.0, 0))
    assert best_dense(files, given=False) == 2 and best_dense(files, given=True) == 0


@pytest.fixture
def found(question):
    def make(files=FILES, goal="latency", max_loss="2%", naive=0.9, busy=None, windows=160) -> Answer:
        asked = question(goal=goal, max_loss=max_loss)
        levels = pd.DataFrame([{"dataset": "few", "pred_len": 8, "model": "RepeatLast", "mse": naive, "mae": 0.5}])
        chosen = choose(files, goal, asked.max_loss, 0)
        untried = {"zeros by PALS": "the time was up"}
        counts = {"validation": windows, "test": 300}
        told = {"dataset": "few"}, (), 61.0
        return Answer(asked, "few_*x*", files, chosen, 0, levels, counts, 32, untried, (), busy, *told)

    return make


def test_the_verdict_says_what_to_take_what_it_gains_and_how_sure_it_is(found):
    said = words.verdict(found()).replace("\u00a0", " ")
    assert said.startswith(
        "On few\\_\\*x\\*, 8 steps ahead, take **iTransformer narrowed**: 2 times as fast (1.02 ms a "
        "window instead of 2.00 ms a window), at a test MSE +0.5 % against the dense model's. The 95 % interval of "
        "this change over the test windows is −0.5 to +1.5 %; all of it lies within the 2 % that you accept."
    )
    assert "is 1.96 (95 % interval 1.86 to 2.06)." in said and "trusted" not in said
    assert (
        "reaches beyond the 2\u00a0% that you accept, so the loss is probably within it, not certainly"
        in words.verdict(found(goal="size"))
    )
    assert "1.4 KiB" not in said and "naive" not in said


def test_times_that_are_not_to_be_trusted_are_told_where_a_time_is_the_goal(found):
    told = "2 cores, 1.4 of them busy with other processes"
    assert f"**The times cannot be trusted** ({told}): run this again" in words.verdict(found(busy=told))
    slow = FILES.assign(speedup_low_1=0.9)
    said = words.verdict(found(slow, busy=told))
    assert f"**nothing can be said about times on this machine now** ({told}): run this again" in said
    assert said.endswith("Until then model.onnx is iTransformer dense.")
    assert told not in words.verdict(found(busy=told, goal="size"))


def test_where_there_was_no_time_for_anything_else_it_asks_for_more_and_calls_nothing_tried(found):
    said = words.verdict(found(FILES.iloc[:1]))
    assert "**the time was too short** for anything that might cost less than iTransformer dense" in said
    assert "nothing tried" not in said and "--budget" in said


def test_where_nothing_is_within_the_loss_a_busy_machine_changes_nothing(found):
    said = words.verdict(found(busy="1.4 cores busy", max_loss="0.1%")).replace("\u00a0", " ")
    assert "**nothing tried makes iTransformer cheaper** within a loss of 0.1 %: keep it dense." in said
    assert "Of the others, narrowed comes closest: its loss is +1.0 %" in said and "busy" not in said


def test_what_is_kept_for_want_of_times_is_not_called_recommended(found, tmp_path):
    told = "2 cores, 1.4 of them busy"
    for files, goal, mark, other in (
        (FILES.assign(speedup_low_1=0.9), "latency", "model.onnx", "recommended"),
        (FILES, "size", "recommended", "model.onnx"),
    ):
        answer = found(files, goal, busy=told)
        write_page(answer, tmp_path / "page.html")
        page = (tmp_path / "page.html").read_text()
        assert f"← {mark}" in page and f"← {other}" not in page
        assert mark in [text.get_text() for text in pareto(answer).legends[0].get_texts()]
        assert f"<strong>The times cannot be trusted</strong> ({told})" in page


def test_a_speedup_whose_interval_holds_one_is_none_and_zeros_count_where_they_are_left_out():
    noisy = FILES.assign(speedup_low_1=0.9)
    assert cheaper(noisy, "latency", 0).empty and len(cheaper(noisy, "size", 0)) == 4
    sparse = FILES.assign(weights=FILES["weights"].where(FILES["kind"] != ZEROS, SPARSE_RUN))
    assert choose(sparse, "latency", 0.02, 0) == 4
    rows = [{"variant": "m", "batch": 1, "median_ms": 0.4, "speedup": 5, "speedup_low": 4, "speedup_high": 6}]
    result = {"mse": 1.0, "mae": 1.0, "val_mse": 1.0, "bytes": 9, "parameters": 3, "density": 0.1, "macs_executed": 30}
    file = SimpleNamespace(key="f", weights="float32", of=SimpleNamespace(key="m"))
    made = files_table([(Way(ZEROS, "", None), file, result)], rows, {"m": {"macs": 3}})
    assert made["weights"].tolist() == ["float32", SPARSE_RUN] and made["file"].tolist() == ["f", "f"]
    assert made["ms_1"].tolist()[1] == 0.4 and math.isnan(made["ms_1"][0]) and made["macs"].tolist() == [30, 3]
    assert "run without its zeros" in words.named(made.loc[1])


def test_where_nothing_is_within_the_loss_it_says_so_and_names_the_closest(found):
    said = words.verdict(found(max_loss="0.1%")).replace("\u00a0", " ")
    assert "**nothing tried makes iTransformer cheaper** within a loss of 0.1 %: keep it dense." in said
    assert "Of the cheaper files, narrowed comes closest: its loss is +1.0 % on the validation windows" in said


@pytest.mark.parametrize(
    ("naive", "loss", "says"),
    [
        (
            0.39,
            "2%",
            "**The dense model is no better than a naive forecast** (repeat last value: MSE 0.390, dense 0.400); "
            "model.onnx is no better either (0.402). Train it longer, or on more data, before you compress it.",
        ),
        (
            0.401,
            "2%",
            "**The dense model is hardly better than a naive forecast** (repeat last value: MSE 0.401, dense 0.400): "
            "the loss that you accept is larger than its lead, and model.onnx is no better (0.402).",
        ),
        (
            0.405,
            "2%",
            "**The dense model is hardly better than a naive forecast** (repeat last value: MSE 0.405, dense 0.400): "
            "the loss that you accept is larger than its lead.",
        ),
        (
            0.3,
            "0.1%",
            "**The dense model is no better than a naive forecast** (repeat last value: MSE 0.300, dense 0.400). Train",
        ),
    ],
)
def test_a_model_that_a_naive_forecast_does_as_well_as_is_told_first(found, naive, loss, says):
    assert words.verdict(found(naive=naive, max_loss=loss)).startswith(says)


def test_a_smaller_model_that_beats_the_naive_forecast_where_the_dense_one_does_not_is_called_that(found):
    better = FILES.assign(mse=[0.4, 0.35, *FILES["mse"][2:]])
    assert "dense 0.400); model.onnx is better (0.350)." in words.verdict(found(better, naive=0.39))


def test_how_few_windows_a_choice_rests_on_is_told_where_they_are_few(found):
    assert "The choice rests on" not in words.verdict(found(windows=160))
    few = found(windows=159)
    assert " The choice rests on 159 validation windows, which overlap: they span less than 5 times" in words.verdict(
        few
    )
    assert " The choice rests on 1 validation window: it spans less than 5 times" in words.verdict(found(windows=1))
    said = protocol(few)["windows"]
    assert (
        said == "159 for validation, 300 for the test (every window counted once); neighbours overlap, those 32 apart "
        "do not"
    )


def test_the_page_says_which_windows_count(found):
    answer = found()
    some = replace(answer, question=answer.question.model_copy(update={"eval_stride": 5}))
    assert "300 for the test (one in 5, evenly spaced, in validation too); " in protocol(some)["windows"]


def test_the_model_card_says_whether_the_file_beats_a_naive_forecast(found):
    told = "On the same test windows it is {} than the best naive forecast (repeat last value): MSE 0.402 against {}."
    assert words.on_card(found()) == told.format("better", "0.900")
    assert words.on_card(found(naive=0.3)) == told.format("**no better**", "0.300")


def test_the_page_has_the_answer_the_front_every_file_and_what_was_not_tried(found, tmp_path):
    answer = found(goal="size")
    (axes,) = pareto(answer).axes
    assert (
        axes.get_xlabel() == "Bytes of the file (log scale)" and axes.get_ylabel() == "Test MSE, % above that of\ndense"
    )
    write_page(answer, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert (
        "at a loss of at most 2\u00a0%? 20 minutes allowed, 1.0 taken." in page
        and "what had begun" not in page
        and "cannot be trusted" not in page
    )
    assert "smaller from the start ← recommended" in page and page.count("<img") == 1
    assert "160 for validation, 300 for the test (every window counted once); neighbours overlap" in page
    assert "The time was up: zeros by PALS." in page and "tsprune forecast model.onnx data.csv" in page
    assert str(Path.home()) not in page and str(tmp_path) not in page


def test_more_time_than_was_given_is_said_with_why(found):
    long = replace(found(), seconds=1500.0)
    assert words.times_taken(long) == "20 minutes allowed, 25.0 taken: what had begun was finished."


def test_too_few_test_windows_for_an_interval_leave_it_open_how_certain_a_loss_is(found, tmp_path):
    none = FILES.assign(low=float("nan"), high=float("nan"))
    none.loc[0, ["low", "high"]] = 0.0  # of the dense model against itself
    files = none.assign(verdict=verdicts(none, 0.02))
    assert files["verdict"].tolist() == [KEPT, OPEN, OPEN, DENIED, OPEN, DENIED]
    answer = found(files)
    said = words.verdict(answer)
    assert "the test windows span less than 5 times look-back and horizon" in said and "nan" not in said
    write_page(answer, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert ">+0.5\u00a0%<" in page and ">nan" not in page and "(nan" not in page


def test_a_file_that_a_naive_forecast_does_as_well_as_is_not_called_recommended(found, tmp_path):
    said = words.verdict(found(naive=0.39))
    assert "8 steps ahead, the one to take would be **iTransformer narrowed**" in said
    assert "cheaper** within a loss of 0.1\u00a0%. Of the" in words.verdict(found(naive=0.39, max_loss="0.1%"))
    write_page(found(naive=0.39), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "← model.onnx" in page and "recommended" not in page and "than a naive forecast</strong>" in page


def test_what_was_left_for_lack_of_time_is_counted_where_nothing_was_found(found):
    assert "1 more were not tried for lack of time" not in words.verdict(found())
    one = words.verdict(found(max_loss="0.1%"))
    assert one.endswith("1 more was not tried for lack of time: allow more with --budget.")
    two = replace(found(max_loss="0.1%"), untried={"a": "the time was up", "b": "the time was up", "c": "failed: x"})
    assert words.verdict(two).endswith("2 more were not tried for lack of time: allow more with --budget.")


def test_of_zeros_is_said_what_was_tested_of_them_and_nothing_where_none_were(found):
    tested = "of the masked models that were tested, none within the loss has a layer that runs faster"
    assert tested in words.untried(found())
    assert "Zeros" not in words.untried(found(FILES[FILES["kind"] != ZEROS]))


def test_int8_is_made_before_the_files_of_models_with_zeros(question, monkeypatch):
    made = []

    def compute(self, steps, **how):
        steps = list(steps)
        made.extend((step.of.kind, step.weights) for step in steps if isinstance(step, ServeStep))
        return {step.key: {"status": "ok", "result": {"val_mse": 1.0}, "cost": {"seconds": 1.0}} for step in steps}

    monkeypatch.setattr(Compressing, "compute", compute)
    monkeypatch.setattr(Compressing, "gather", lambda self: SimpleNamespace(busy=None))
    run = Compressing(question())
    run.run()
    zeros = next(way.step for way in run.ways if way.kind == FOUND)
    assert made.index(("train", "int8")) < made.index((zeros.kind, "float32"))


def test_what_comes_last_has_the_time_that_it_took_at_first(question, monkeypatch):
    """The dense training 30 s, others 9 s, files 7 s at best, the time of one file 2 s, of a budget of 1200 s."""
    begun = []

    def compute(self, steps, deadline=None, **how):
        steps = list(steps)
        begun.append((steps, deadline and deadline - began))
        took = {TrainStep: 30.0, ServedLatencyStep: 2.0}
        seconds = {step.key: took.get(type(step), 9.0) for step in steps}
        seconds |= {step.key: 7.0 for step in steps if isinstance(step, ServeStep) and step.weights == "int8"}
        row = {"status": "ok", "result": {"val_mse": 1.0}}
        return {step.key: row | {"cost": {"seconds": seconds[step.key]}} for step in steps}

    monkeypatch.setattr(Compressing, "compute", compute)
    monkeypatch.setattr(Compressing, "gather", lambda self: SimpleNamespace(busy=None))
    run = Compressing(question())
    began = time.monotonic()
    run.run()
    (first, until), (probe, _), (rest, trainings), (_, files), _, (last, none) = begun
    first, rest = ({step.key for step in steps} for steps in (first, rest))
    assert {way.name for way in run.ways if way.step.key in first} == {DENSE, LONGER, f"{SMALLER} (d_model 4)"}
    assert until == pytest.approx(0.7 * 1200, abs=1) and probe[0].of == (ServeStep(of=run.ways[0].step),)
    times = 2.0 * len(run.ways)
    assert files == pytest.approx(1200 - times - 7, abs=1) and trainings == pytest.approx(files - 7 - 30 - 9, abs=1)
    assert {way.step.key for way in run.ways} <= first | rest and not first & rest
    assert none is None and last == [run.timed]


def test_the_naive_forecasts_count_every_window_as_files_do(question, at_once):
    run = Compressing(question(given=["eval_batch_size=50"]))
    test = run.base.specs[0].splits("cpu").test
    assert len(test) % 50
    run._add(run.base.naive)
    levels = run._naive(test).set_index("model")
    assert run.rows[run.base.naive[0].key]["result"]["windows_test"] == len(test)
    y = test.batch(range(len(test))).y.double()
    assert levels.loc[running.MEAN, "mse"] == pytest.approx(y.square().mean().item())
    assert levels.loc[running.MEAN, "mae"] == pytest.approx(y.abs().mean().item())


def test_another_text_is_not_written_over_and_nothing_runs(question, tmp_path):
    mine = tmp_path / "out" / "model.md"
    mine.parent.mkdir()
    mine.write_text("# My model\n")
    with pytest.raises(UserError, match=r"model\.md is there and is not a model card"):
        compress(question(), mine.parent)
    assert [*mine.parent.iterdir()] == [mine] and mine.read_text() == "# My model\n"


def test_a_run_ends_with_a_page_and_a_file_that_forecasts_and_starts_from_the_store_again(
    question, few, tmp_path, at_once, monkeypatch
):
    monkeypatch.setattr(running, "ways", lambda *given: ways(*given)[:3:2])
    asked = question()
    answer = compress(asked, tmp_path / "out")
    files = answer.files
    assert files["kind"].tolist()[:2] == [DENSE, NARROWED] and set(files["weights"]) == {"float32", "int8"}
    assert (files["bytes"] > 0).all() and (files["ms_1"] > 0).all() and files["test_loss"].notna().all()
    again = compress(asked, tmp_path / "out")
    same = [name for name in files if not name.startswith(("ms_", "speedup"))]  # a busy machine is timed anew
    assert again.files[same].equals(files[same]) and again.chosen == answer.chosen
    assert again.seconds < answer.seconds
    table = load_table(few["dataset"])
    rows = pd.DataFrame(table.values, index=table.dates, columns=list(table.columns))
    forecaster = Forecaster.load(tmp_path / "out" / ONNX_FILE)
    assert forecaster.predict(rows).shape == (8, 2) and forecaster.card.weights == answer.row["weights"]
    assert forecaster.card.after["mse"] == pytest.approx(answer.row["mse"], rel=1e-4)
    assert (tmp_path / "out" / "model.md").read_text().startswith("# Model card: model.onnx")
    card = (tmp_path / "out" / "model.md").read_text()
    assert "| seed | 1 |" in card and "| training 1 | " in card and f"`{command(asked)}`" in card
    assert str(tmp_path) not in card and f"`tsprune export {answer.steps[answer.chosen].of.key} model.onnx" in card
    assert files["low"].notna().all()
    monkeypatch.setattr(paired, "FEW", 1000)
    without = Compressing(asked).run().files
    assert without.index[without["low"].notna()].tolist() == [answer.baseline]


def test_a_run_for_latency_makes_tests_and_times_rounded_widths_too(question, tmp_path, at_once, monkeypatch):
    monkeypatch.setattr(
        running, "ways", lambda *given: [way for way in ways(*given) if way.kind in (DENSE, ROUNDED)][:2]
    )
    asked = question(goal="latency", d_model=32, d_ff=32)
    run = Compressing(asked)
    answer = compress(asked, tmp_path / "out")
    files = answer.files
    assert set(files["kind"]) == {DENSE, ROUNDED}
    assert (files["ms_1"] > 0).all() and files["speedup_low_1"].notna().all()
    widths = {axis.name: axis.width for axis in run.ways[1].step.load(run.store).axes()}
    assert widths["d_model"] in (8, 16, 24) and widths["encoder.layers.0.feed_forward.d_ff"] in (8, 16, 24, 32)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "narrowed, widths in multiples of 8 (50% of the parameters left)" in page


def test_a_time_that_is_too_short_for_more_still_gives_the_dense_file_and_says_what_was_left(
    question, tmp_path, at_once
):
    asked = question().model_copy(update={"budget_hours": 1e-9, "checkpoint": str(checkpoint(question(), tmp_path))})
    answer = compress(asked, tmp_path / "out")
    assert answer.files["kind"].tolist() == [DENSE] and answer.chosen == answer.baseline
    assert answer.untried[LONGER] == "the time was up" and len(answer.untried) == 8
    wanted = {step.model for step in Compressing(asked).base.naive} | {running.MEAN}
    assert set(answer.naive["model"]) == wanted, "the best of all is what the file is held against"
    assert (tmp_path / "out" / ONNX_FILE).exists()


def test_what_a_full_disk_leaves_undone_is_laid_to_it_and_not_to_the_time(question, tmp_path, at_once, monkeypatch):
    monkeypatch.setattr(running, "ways", lambda *given: ways(*given)[:3])
    put, stored, tried = Store.put, [], []

    def full(self, config, row, files=None):
        if "serve" in stored:
            tried.append(row["kind"])
            raise OSError(errno.ENOSPC, "No space left on device")
        stored.append(row["kind"])
        return put(self, config, row, files)

    monkeypatch.setattr(Store, "put", full)
    answer = compress(question(goal="latency", jobs=1), tmp_path / "out")
    disk = f"the disk of {tmp_path / 'store'} is full"
    assert answer.halted == disk and len(tried) == 1, "nothing more is computed in vain"
    assert disk in answer.untried.values() and "the time was up" not in answer.untried.values()
    said = plain_text(words.verdict(answer))
    assert "no model could be made that might cost less than iTransformer dense." in said and "too short" not in said
    assert f"The disk of {tmp_path / 'store'} is full; " in said and said.endswith("Make room and run this again.")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<strong>No time was measured</strong>" in page and "The time was up" not in page


@pytest.mark.parametrize("goal", ["latency", "size"])
def test_where_no_time_could_be_measured_the_reason_is_told(found, tmp_path, goal):
    times = [name for name in FILES if name.startswith(("ms_", "speedup"))]
    answer = found(FILES.assign(**dict.fromkeys(times, float("nan"))), goal, busy="failed: OSError: full")
    said = words.verdict(answer)
    told = "**nothing can be said about times on this machine now** (failed: OSError: full): run this again; everything"
    assert (told in said) == (goal == "latency") and "quiet" not in said
    write_page(answer, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<img") == (goal == "size") and "<strong>No time was measured</strong> (failed: OSErr" in page


def test_what_answers_another_question_is_kept_and_told_and_the_same_question_is_renewed(
    question, tmp_path, at_once, capsys
):
    asked = question().model_copy(update={"budget_hours": 1e-9, "checkpoint": str(checkpoint(question(), tmp_path))})
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "report.html").write_text("mine")
    (folder / "model.safetensors").write_text("mine too")

    def ask_again(**changed) -> tuple[list[str], dict[str, bytes]]:
        compress(asked.model_copy(update=changed), folder)
        told = [line for line in capsys.readouterr().out.splitlines() if "another question" in line]
        return told, {path.name: path.read_bytes() for path in folder.iterdir()}

    told, first = ask_again()
    assert told == [
        f"{folder}: the files there answer another question (its .params.yaml cannot be read) and are kept as "
        "report.previous.html, model.previous.safetensors"
    ]
    assert (first["report.previous.html"], first["model.previous.safetensors"]) == (b"mine", b"mine too")
    told, renewed = ask_again(budget_hours=2e-9)
    assert told == [] and renewed.keys() == first.keys() and renewed["report.previous.html"] == b"mine"
    told, other = ask_again(max_loss=0.25)
    assert len(told) == 1 and "another question (max_loss) and are kept as report.previous.params.yaml, " in told[0]
    for name in ("report.html", "model.onnx", "model.md", "report.params.yaml"):
        assert other[name.replace(".", ".previous.", 1)] == renewed[name]
    assert other["report.html"] != renewed["report.html"]


@pytest.mark.parametrize("name", ["report.html", "model.onnx", "model.safetensors", "model.previous.safetensors"])
def test_an_answer_takes_the_place_of_nothing_that_it_is_made_from(question, few, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(Path(few["dataset"]).read_bytes())
    with pytest.raises(UserError, match=rf"{name} is the file that is read; choose another file to write$"):
        compress(question().model_copy(update={"dataset": str(path)}), tmp_path)


def checkpoint(asked: StudyConfig, folder: Path, **about) -> Path:
    """An untrained model of the question's size for its data."""
    torch.manual_seed(3)
    table = load_table(asked.dataset)
    spec = asked.data_spec(table, 8)
    model = create_model("iTransformer", **spec.geometry() | asked.hyper())
    splits = spec.splits("cpu")
    said = {"columns": table.columns, "mean": splits.mean, "std": splits.std, "time_step": "1h"} | about
    save_checkpoint(folder / "mine.safetensors", model, about=About(**said))
    return folder / "mine.safetensors"


def test_a_checkpoint_stands_in_the_place_of_the_training_and_comes_back_from_its_recipe(question, tmp_path):
    path = checkpoint(question(), tmp_path)
    asked = question(checkpoint=str(path), **UNSAID)
    assert (asked.d_model, asked.seq_len, asked.pred_lens, asked.models) == (8, 24, [8], ["iTransformer"])
    cells = Compressing(asked)
    dense = cells.ways[0].step
    assert isinstance(dense, GivenStep)
    outcome = dense.run(cells.store)
    model, _ = load_checkpoint(path)
    splits = make_splits(load_table(asked.dataset), seq_len=24, label_len=12, pred_len=8)
    assert outcome.result["mse"] == pytest.approx(evaluate(model, splits.test, TrainConfig()).mse)
    narrowed = cells.ways[2].step
    assert narrowed.key  # as every run asks first
    (tmp_path / "step.json").write_text(json.dumps(narrowed.recipe()))
    assert rebuild(tmp_path / "step.json") == narrowed
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(UserError, match="the file has changed since this began"):
        dense.run(cells.store)


@pytest.mark.parametrize(
    ("about", "say"),
    [
        ({"columns": ("load", "sun")}, "the checkpoint reads load, sun; few has load, wind$"),
        ({"columns": ("wind", "load")}, "the checkpoint reads .*; few has .*; take these with --columns wind,load$"),
        ({"mean": (0.0, 0.0)}, "the checkpoint was trained on other rows"),
    ],
)
def test_a_checkpoint_of_other_data_is_refused_before_anything_runs(question, tmp_path, about, say):
    path = checkpoint(question(), tmp_path, **about)
    asked = question(checkpoint=str(path), **UNSAID)
    with pytest.raises(UserError, match=say):
        Compressing(asked).run()
    assert not math.isnan(asked.max_loss)


def test_a_checkpoint_of_a_model_that_cannot_be_narrowed_is_what_is_blamed(question, tmp_path):
    path = tmp_path / "linear.safetensors"
    save_checkpoint(path, create_model("DLinear", enc_in=2, dec_in=2, c_out=2, seq_len=24, label_len=12, pred_len=8))
    with pytest.raises(UserError) as error:
        question(checkpoint=str(path), **UNSAID)
    assert str(error.value).startswith(f"--checkpoint {path}: nothing in DLinear can be narrowed")


def test_a_pruned_checkpoint_is_refused(question, tmp_path):
    model, _ = load_checkpoint(checkpoint(question(), tmp_path))
    save_checkpoint(tmp_path / "cut.safetensors", model, magnitude_masks(model, 0.5, "layer"))
    with pytest.raises(UserError, match="this model is already pruned; give the dense model"):
        question(checkpoint=str(tmp_path / "cut.safetensors"), **UNSAID)
    save_checkpoint(tmp_path / "whole.safetensors", model, magnitude_masks(model, 1.0, "layer"))
    assert question(checkpoint=str(tmp_path / "whole.safetensors"), **UNSAID).d_model == 8
