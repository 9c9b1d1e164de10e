"""What all verdicts say alike: the size of a run in one line, and who beats no naive forecast."""

import subprocess
import sys

import pandas as pd
import pytest

from tsprune.study.base.words import idle, is_papers_size, no_better, size_line, standing


def test_a_small_run_says_that_it_is_not_the_papers_size():
    assert size_line(32, 1, "2 cores") == (
        "Models of d_model 32 after 1 epoch on 2 cores; the papers: d_model 512, up to 10 epochs. Not the papers' size."
    )


@pytest.mark.parametrize(
    ("widths", "epochs", "same"),
    [(512, 10, True), ([512, 64, 128], 10, True), (512, 9, False), ([64, 32], 10, False), (1024, 10, False)],
)
def test_it_is_the_papers_size_only_with_their_width_and_their_epochs(widths, epochs, same):
    text = size_line(widths, epochs, "one GPU")
    assert text.endswith("This is the papers' size.") == same
    assert text.endswith("Not the papers' size.") == (not same)
    assert is_papers_size(text) == same


def test_several_widths_stand_in_order_each_once():
    text = size_line([512, 16, 32, 16], 10, "2 cores")
    assert text == "Models of d_model 16, 32, and 512 after up to 10 epochs on 2 cores. This is the papers' size."


BEST = pd.Series({("A", 96): 0.9, ("A", 720): 1.1, ("B", 96): 1.0, ("B", 720): 0.2}).rename_axis(["model", "pred_len"])


def test_no_better_means_not_below_the_naive_level_of_its_own_horizon():
    assert list(no_better(BEST, {96: 1.0, 720: 1.0}).index) == [("A", 720), ("B", 96)]
    assert list(no_better(BEST, {96: 1.0}).index) == [("B", 96)] and no_better(BEST, {}).empty


def test_models_that_beat_no_naive_forecast_are_named():
    cells = pd.DataFrame({"pred_len": [96, 720], "seed": [1, 2], "status": "ok"})
    levels = {96: 1.0, 720: 1.0}
    assert standing(BEST, levels, "x", cells) == (
        "**A** and **B** are no better than x at one horizon or more, even dense."
    )
    assert standing(BEST.iloc[[1, 3]], levels, "x", cells.iloc[1:]) == "**A** is no better than x, even dense."
    assert standing(BEST, {96: 2.0, 720: 2.0}, "x", cells) == idle(BEST, levels, "x", cells) == ""
    low = {96: 0.1, 720: 0.1}
    assert idle(BEST.iloc[:2], low, "x", cells) == (
        "**A** does no better than x, even unpruned, so what pruning changes matters little (mean of 2 seeds)"
    )
    assert idle(BEST, low, "x", cells).startswith("both forecasters do") and standing(BEST, low, "x", cells) == ""


def test_models_are_judged_at_the_horizons_that_have_a_naive_level_and_the_others_are_named():
    cells = pd.DataFrame({"pred_len": [96, 720], "seed": [1, 2], "status": "ok"})
    lost = "X has no result at horizon 720: forecasters are not judged by it there."
    assert standing(BEST, {96: 1.0}, "x", cells) == (
        f"**B** is no better than x at one horizon or more, even dense. {lost}"
    )
    assert idle(BEST, {96: 0.5}, "x", cells) == (
        "both forecasters do no better than x at horizon 96, even unpruned, so what pruning changes there matters "
        "little (mean of 2 seeds)"
    )
    assert standing(BEST, {96: 0.5}, "x", cells) == lost
    assert idle(BEST, {}, "x", cells) == ""
    assert standing(BEST, {}, "x", cells) == (
        "X has no result at horizons 96 and 720: forecasters are not judged by it there."
    )


def test_words_need_no_torch():
    studies = ("pruning_sweep", "why", "fine_tuning", "right_sizing", "entsoe_scale", "pals", "base")
    code = f"import sys, importlib\nfor name in {studies}: importlib.import_module(f'tsprune.study.{{name}}.words')\n"
    code += "print([name for name in ('torch', 'tsprune.steps', 'tsprune.engine') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
