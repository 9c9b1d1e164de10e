"""Figures, tables and words of study 06, on times as told."""

import pandas as pd
import pytest
from reading import as_read

from tests.study.inference.speeds import GPU_VARIANTS, VARIANTS, speeds
from tsprune.errors import UserError
from tsprune.report.frames import NoRows
from tsprune.report.text import headline
from tsprune.study.inference import figures, tables, words
from tsprune.study.inference.phrases import percents
from tsprune.study.inference.result import EAGER, GRAPH_TWO_OF_FOUR, KERNEL, NARROW, ONNX, kept
from tsprune.study.inference.words import break_even, verdict

LOAD = "2 cores, 1.0 of them busy with other processes"
TROUBLE = f"not measurable here: {LOAD}"
WIDE = "not measurable here: a speedup of 0.9 to 1.5 after 50 rounds"


def told(frame):
    return verdict(frame).replace("\u00a0", " ")


def test_the_answer_is_the_kernels_at_the_largest_batch():
    text = told(speeds(("Transformer", "FEDformer")))
    assert headline(text) == (
        "On AMD EPYC (1 thread, 32 windows at once), a zero-skipping kernel makes Transformer and FEDformer with 10 % "
        "of the weights 4.0 times as fast as dense in eager PyTorch."
    )
    assert "\n\nWith 5 % of the weights it is 6.0 times as fast." in text
    assert "is 3.0 times as fast in bfloat16, 2.0 times as fast in ONNX Runtime, and 2.5 times as fast in ONNX" in text
    assert "pay off against the best of these for **Transformer** and **FEDformer** up to a density of 0.1" in text
    assert "At a density of 0.05 the kernel gives 6.0 times at 1 window." in text
    assert "PyTorch keeps 75 % at 1 window and 75 % at 32 windows; ONNX Runtime keeps 100 % at 1 window" in text
    assert "Zeros in dense matrices give 1.0 times the dense speed here" in text and "not measurable" not in text


def test_where_two_intervals_meet_zeros_are_not_said_to_pay_off_nor_to_fail():
    frame = speeds()
    at = (frame["form"] == "zeros") & (frame["share"] == 0.5)
    frame.loc[at, ["speedup", "speedup_low", "speedup_high"]] = 3.2, 2.9, 3.5
    assert "for **Transformer** up to a density of 0.1 (at 0.5 it is unclear; best rival: in bfloat16)." in told(frame)


def test_a_share_that_is_not_all_of_the_promise_does_not_read_as_all():
    assert percents(pd.Series([0.6, 0.996])).replace("\u00a0", " ") == "60 to 99.6 %"


def test_two_densities_that_are_nearly_the_same_have_a_row_each():
    frame = speeds()
    near = frame[(frame["form"] == "zeros") & (frame["share"] == 0.1)].assign(share=0.104)
    rows = tables.speeds(pd.concat([frame, near])).data
    forms = rows.index.get_level_values("form")
    assert (forms == "zeros, density 0.104").sum() == (forms == "zeros, density 0.1").sum() > 0


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_the_first_sentence_is_short_however_many_forecasters_and_however_wide_the_ranges(device):
    about = {"device": device, "variants": GPU_VARIANTS if device == "cuda" else VARIANTS}
    about["machine"] = "NVIDIA H200" if device == "cuda" else "Intel Xeon CPU @ 2.20GHz"
    for models in (("A",), ("A", "B"), ("A", "B", "C"), tuple("ABCDEFG")):
        frame = speeds(models, **about)
        last = frame["model"] == models[-1]
        ends = ["speedup", "speedup_low", "speedup_high"]
        frame.loc[last & (frame["form"] != "dense"), ends] *= 1.5
        assert len(headline(words.verdict(frame)).split()) <= (40 if device == "cuda" else 36)


def test_only_forecasters_that_were_measured_so_are_named():
    frame = speeds(("A", "B", "C"))
    alone = headline(told(frame[~((frame["share"] == 0.1) & frame["model"].isin(["B", "C"]))]))
    assert "makes A with 10 % of the weights 4.0 times" in alone
    frame = speeds(("A", "B"), variants=GPU_VARIANTS, device="cuda", machine="NVIDIA H200")
    half = frame[~((frame["form"] == NARROW) & (frame["model"] == "B") & (frame["runtime"] == EAGER))]
    assert "), A cut to 25 % of its widths forecasts 1.2 times" in headline(told(half))


def test_a_narrow_model_without_a_dense_time_in_its_runtime_is_left_out():
    frame = speeds()
    lost = frame[~((frame["form"] == "dense") & (frame["runtime"] == ONNX))]
    assert "PyTorch keeps 75 %" in told(lost) and "ONNX Runtime keeps" not in told(lost)


def test_of_many_forecasters_the_first_sentence_gives_the_number():
    assert " 4 forecasters with " in words.verdict(speeds(models=("A", "B", "C", "D"))).split("\n\n")[0]
    assert "**A** and **B** with " in words.verdict(speeds(models=("A", "B"))).split("\n\n")[0]


def test_on_a_gpu_the_answer_is_that_of_narrower_models():
    frame = speeds(("Transformer", "FEDformer"), variants=GPU_VARIANTS, device="cuda", machine="NVIDIA H200")
    text = told(frame)
    assert headline(text) == (
        "On a GPU (NVIDIA H200, 32 windows at once), Transformer and FEDformer cut to 25 % of their widths "
        "forecast 1.2 times as fast as dense in eager PyTorch, 3.0 times with both as CUDA graphs."
    )
    assert "\n\nNarrowed so, a forecast takes 10.0 times fewer multiply-adds than dense." in text
    assert "1.5 times as fast in bfloat16, 2.0 times as fast as a CUDA graph, and 5.0 times as fast as a CUDA" in text
    assert "for the tensor cores, forecasts are 0.5 times as fast as with all weights, both as CUDA graphs" in text
    assert "in bfloat16 at 32 windows." in text
    assert "PyTorch keeps 12 % at 1 window and 12 % at 32 windows; CUDA graph keeps 30 % at 1 window" in text
    assert "sparse kernel" not in text and "A kernel that skips zeros" not in text
    drawn = figures.first(frame)
    assert [axes.get_title(loc="left") for axes in drawn.axes] == ["Transformer", "FEDformer"]
    lines = [text.get_text() for text in drawn.axes[0].get_yticklabels()]
    assert lines[::2] == ["PyTorch", "CUDA graph", GRAPH_TWO_OF_FOUR]
    assert "On NVIDIA H200, 32 windows at once" in drawn._supxlabel.get_text()
    assert figures.narrow(frame).axes[0].get_title(loc="left") == "Transformer, 1 window"
    assert "on a GPU" in tables.speeds(frame).to_html()
    alone = headline(told(frame[frame["model"] == "Transformer"]))
    assert "Transformer cut to 25 % of its widths forecasts 1.2 times as fast as dense" in alone
    without = headline(told(frame[frame["form"] != NARROW]))
    assert without == "On a GPU (NVIDIA H200, 32 windows at once), nothing can be said about narrower models."


def test_a_rival_that_is_faster_is_named():
    frame = speeds()
    frame.loc[frame["runtime"] == "PyTorch, bfloat16", ["speedup", "speedup_low", "speedup_high"]] = 10.0, 9.5, 10.5
    assert "against the best of these for **Transformer** at no density tried (best rival: in bfloat16)" in told(frame)


def test_the_break_even_lies_where_the_line_comes_to_one():
    frame = speeds()
    rows = frame[(frame["runtime"] == KERNEL) & (frame["batch"] == 32)]
    # From 4 at 0.1 to 1/2 at 0.5: log 4 is two thirds of the fall.
    assert break_even(rows["share"], rows["speedup"]) == pytest.approx(0.1 * 5 ** (2 / 3))
    assert break_even(rows["share"], rows["speedup"] + 1) == 0.5
    assert break_even(rows["share"], rows["speedup"] / 10) is None
    assert "Break-even at 32 windows: **Transformer** gains below a density of about 0.29." in told(frame)
    faster = {name: frame[name] + 1 for name in ("speedup", "speedup_low", "speedup_high")}
    assert "gains at every density tried, up to 0.5" in told(frame.assign(**faster))


def test_no_gain_is_told_where_the_interval_reaches_down_to_one():
    frame = speeds()
    half = (frame["runtime"] == KERNEL) & (frame["share"] == 0.5)
    frame.loc[half, ["speedup", "speedup_low", "speedup_high"]] = 1.03, 0.94, 1.14
    assert "**Transformer** gains up to a density of 0.1 (at 0.5 it is unclear)." in told(frame)
    frame.loc[frame["runtime"] == KERNEL, ["speedup", "speedup_low", "speedup_high"]] = 1.03, 0.94, 1.14
    assert "**Transformer** gains clearly at no density tried (at 0.05 it is unclear)." in told(frame)
    frame.loc[frame["runtime"] == KERNEL, ["speedup", "speedup_low", "speedup_high"]] = 0.5, 0.4, 0.6
    assert "**Transformer** gains at no density tried." in told(frame)


def test_nothing_is_said_of_what_could_not_be_measured():
    text = told(speeds(trouble=TROUBLE, load=LOAD))
    assert headline(text).startswith("What pruning is worth in time could not be measured here: 2 cores, 1.0 of them")
    assert "times as fast" not in text
    frame = speeds()
    frame.loc[(frame["runtime"] == KERNEL) & (frame["share"] == 0.05), ["trouble", "load"]] = TROUBLE, LOAD
    text = told(frame)
    assert "6.0" not in text and "2 of 20 times are not measurable here and are left out." in text
    frame.loc[frame["runtime"] == KERNEL, ["trouble", "load"]] = TROUBLE, LOAD
    assert headline(told(frame)).endswith("nothing can be said about the sparse kernel.")


def test_a_wide_interval_is_in_the_ranges_and_is_told():
    frame = speeds(("Transformer", "FEDformer"))
    row = (
        (frame["model"] == "FEDformer") & (frame["form"] == NARROW) & (frame["runtime"] == ONNX) & (frame["batch"] == 1)
    )
    frame.loc[row, ["median_ms", "speedup", "trouble"]] = (
        8.0 / 2,
        2.0,
        WIDE,
    )  # as fast as dense there: a quarter is kept
    text = told(frame)
    assert "ONNX Runtime keeps 25 to 100 % at 1 window and 100 % at 32 windows" in text
    assert text.endswith(
        "1 of 40 times is not known to a tenth; speeds beside dense in eager PyTorch include its 95 % interval, all "
        "else its median."
    )
    frame.loc[row, "load"], frame.loc[row, "trouble"] = LOAD, TROUBLE
    assert "ONNX Runtime keeps 100 % at 1 window" in told(frame), "what other work slowed down is no measurement"


def test_a_speed_that_is_not_known_to_a_tenth_is_told_by_its_interval():
    frame = speeds()
    wide = (frame["batch"] == 32) & frame["runtime"].isin([KERNEL, ONNX]) & (frame["form"] != NARROW)
    frame.loc[wide, "trouble"] = WIDE
    frame.loc[wide, "speedup_low"], frame.loc[wide, "speedup_high"] = frame["speedup"] - 0.5, frame["speedup"] + 0.6
    text = told(frame)
    assert "3.5 to 4.6 times as fast as dense in eager PyTorch." in text
    assert "With 5 % of the weights it is 5.5 to 6.6 times as fast." in text
    assert "is 3.0 times as fast in bfloat16, 1.5 to 2.6 times as fast in ONNX Runtime, and 2.5 times" in text


def test_what_is_kept_of_a_promise_is_within_a_runtime():
    found = kept(speeds(batches=(1,))).set_index("runtime")
    assert found.loc[EAGER, ["gain", "promise"]].tolist() == pytest.approx([3, 0.75])
    assert found.loc[ONNX, ["gain", "promise"]].tolist() == pytest.approx([4, 1])
    frame = speeds(batches=(1,))
    frame.loc[(frame["runtime"] == ONNX) & (frame["form"] != NARROW), "trouble"] = TROUBLE
    trouble = kept(frame).set_index("runtime")["trouble"]
    assert trouble[ONNX] == TROUBLE and trouble.isna()[EAGER]


def test_tables_have_every_time_and_mark_what_is_no_claim():
    frame = speeds()
    frame.loc[frame["runtime"] == ONNX, "trouble"] = TROUBLE
    html = tables.speeds(frame).to_html()
    for word in ("64.0 ms", "4.00 (3.80–4.20)", "zeros, density 0.05", "widths x 0.5", "1e-07", "nothing else running"):
        assert word in as_read(html), word
    assert html.count("fallen") == 1 + 4  # the rule, and two rows at two batch sizes
    html = tables.promise(frame).to_html().replace("\u00a0", " ")
    assert "4.0 (100 %)" in html and "3.0 (75 %)" in html


def test_what_was_not_timed_has_its_reason():
    frame = speeds()
    assert tables.left_out(frame) == ""
    lost = frame.iloc[[2]].assign(median_ms=float("nan"), reason="onnxruntime is not installed")
    told = tables.left_out(lost)
    assert told == "Not timed:\n\n- ONNX Runtime: onnxruntime is not installed"


def test_figures_have_a_panel_per_model_and_batch():
    for draw in (figures.first, figures.narrow):
        figure = draw(speeds(("Transformer", "FEDformer")))
        titles = [axes.get_title(loc="left") for axes in figure.axes]
        assert titles == [f"{m}, {w}" for m in ("Transformer", "FEDformer") for w in ("1 window", "32 windows")]
    assert "Hollow" not in figures.zeros(speeds())._supxlabel.get_text()
    assert "Hollow" in figures.zeros(speeds(trouble=TROUBLE))._supxlabel.get_text()


def test_an_empty_table_is_a_clear_line():
    empty = speeds().iloc[:0]
    for function in (words.verdict, figures.first, figures.narrow, tables.speeds, tables.promise):
        with pytest.raises(UserError, match="table 'speeds' has no rows"):
            function(empty)
    with pytest.raises(UserError, match="no narrow model was timed"):
        tables.promise(speeds().query("form != 'narrow'"))
    with pytest.raises(NoRows, match="nothing of this was timed"):
        figures.narrow(speeds().query("form != 'narrow'"))
