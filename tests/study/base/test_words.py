"""What all verdicts say alike: the size of a run in one line, and who beats no naive forecast."""

import subprocess
import sys

import pandas as pd
import pytest

from tsprune.errors import UserError
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
    with pytest.raises(UserError, match=r"no forecast to beat at horizon 720\. Has: \[96\]"):
        no_better(BEST, {96: 1.0})


def test_models_that_beat_no_naive_forecast_are_named():
    cells = pd.DataFrame({"pred_len": [96, 720], "seed": [1, 2], "status": "ok"})
    fallen = no_better(BEST, {96: 1.0, 720: 1.0})
    assert standing(fallen, "x", cells) == "**A** and **B** are no better than x at one horizon or more, even dense."
    assert standing(fallen.iloc[:1], "x", cells.iloc[:1]) == "**A** is no better than x, even dense."
    assert standing(fallen.iloc[:0], "x", cells) == ""
    assert idle(["A", "A"], "x", cells).startswith("**A** does no better than x, even unpruned")
    assert idle(["A", "B"], "x", cells).startswith("both forecasters do")
    assert idle(["A", "B", "C"], "x", cells).endswith("matters little (mean of 2 seeds)")


def test_words_need_no_torch():
    studies = ("pruning_sweep", "why", "fine_tuning", "right_sizing", "entsoe_scale", "pals", "base")
    code = f"import sys, importlib\nfor name in {studies}: importlib.import_module(f'tsprune.study.{{name}}.words')\n"
    code += "print([name for name in ('torch', 'tsprune.steps', 'tsprune.engine') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
