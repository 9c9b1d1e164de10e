import numpy as np
import pandas as pd
import pytest

from tsprune.errors import UserError
from tsprune.report.text import banner, describe_parameters, headline
from tsprune.study.pruning_sweep import words


def plain(text):
    return text.replace("\u00a0", " ").replace("\n\n", " ")


@pytest.fixture
def say(make_cells, make_naive, make_limits):
    """The words.verdict for given limits, with everything else unremarkable unless given."""

    def build(limits, cells=None, naive=None, **kwargs):
        models = list(dict.fromkeys(model for model, _ in limits))
        cells = make_cells(models=models) if cells is None else cells
        return plain(words.verdict(cells, make_naive() if naive is None else naive, make_limits(limits, **kwargs)))

    return build


def test_it_answers_with_the_runs_own_numbers(say):
    text = say({("Autoformer", "layer"): 0.4096, ("DLinear", "layer"): 0.8})
    assert text.startswith(
        "On ETTh1 (horizon 96, 2 seeds), without retraining and with each layer cut alike, **Autoformer** keeps"
        " its accuracy (MSE within 5 % of dense) down to density 0.41, the lowest tried (59 % of the weights removed);"
        " **DLinear** down to 0.8 (20 % removed). "
    )


def test_models_with_one_limit_share_one_clause_and_the_furthest_comes_first(say):
    text = say({("A", "layer"): 0.8, ("B", "layer"): 0.64, ("C", "layer"): 0.64})
    assert "**B** and **C** keep their accuracy (MSE within 5 % of dense) down to density 0.64" in text
    assert text.index("**B**") < text.index("**A**")


def test_the_range_over_seeds_is_given_where_they_differ(say):
    assert "down to density 0.58 (42 % of the weights removed; seeds 0.51 to 0.64)" in say(
        {("A", "layer"): (0.512, 0.64)}
    )


def test_a_model_that_cannot_be_cut_at_all_is_said_so(say):
    text = say({("A", "layer"): 0.64, ("B", "layer"): np.nan})
    assert "**B** does not keep it even at the first cut (density 0.8)." in text
    text = say({("A", "layer"): np.nan, ("B", "layer"): np.nan})
    assert "**A** and **B** do not keep their accuracy (MSE within 5 % of dense) even at the first cut" in text


def test_of_many_models_only_the_ends_are_named(say):
    limits = {"A": 0.8, "B": 0.512, "C": 0.64, "D": 0.64, "E": 0.8}
    text = say({(name, "layer"): limit for name, limit in limits.items()})
    assert "**B** keeps its accuracy (MSE within 5 % of dense) furthest on average, down to density 0.51" in text
    assert "; **A** and **E** least far, down to 0.8 (20 % removed); **C** and **D** lie between, see the" in text
    text = say({(name, "layer"): limit for name, limit in (limits | {"A": np.nan}).items()})
    assert "; **A** does not keep it even at the first cut (density 0.8); **C**, **D**, and **E** lie between" in text
    text = say({(name, "layer"): limit for name, limit in limits.items()}, seeds=1)
    assert "furthest" not in text and "least far" not in text
    text = say({(name, "layer"): np.nan for name in limits})
    assert "none of the 5 models keeps its accuracy (MSE within 5 % of dense) even at the first cut" in text


@pytest.mark.parametrize(
    ("layer", "other", "claim"),
    [
        (0.64, 0.512, "**A** (to 0.51) can be cut further"),
        (0.512, 0.64, "**A** (to 0.64) less far"),
        (0.512, np.nan, "**A** (not at all) less far"),
        (0.64, 0.64, "for **A** the limits differ by no more than the seeds do"),
        ((0.512, 0.64), (0.4096, 0.512), "for **A** the limits differ by no more than the seeds do"),
        ((0.64, 0.8), (0.4096, 0.512), "**A** (to 0.46) can be cut further"),
    ],
)
def test_scopes_are_compared_only_beyond_the_spread_of_the_seeds(say, layer, other, claim):
    assert f"With one threshold for the whole model instead, {claim}." in say(
        {("A", "layer"): layer, ("A", "global"): other}
    )


def test_one_seed_compares_nothing_and_says_so(say, make_cells):
    limits = {("A", "layer"): 0.64, ("A", "global"): 0.512}
    text = say(limits, make_cells(models=["A"], seeds=(1,)), seeds=1)
    assert "one seed)" in text
    assert "With one threshold for the whole model instead: **A** down to 0.51." in text
    assert "further" not in text and "less far" not in text
    assert text.endswith("One seed only: the spread over seeds is unknown, so no model is called better than another.")


def test_a_model_at_the_repeat_last_level_has_not_survived(say, make_cells):
    def rise(model, scope, density, seed):
        return 2.6 if model == "A" and scope == "global" and density < 0.6 else 1.1

    text = say({("A", "layer"): 0.64, ("B", "layer"): 0.64}, make_cells(rise, models=["A", "B"]))
    assert "No better than repeating the last value, so not survived: **A** at density 0.51 (global)." in text


def test_seeds_that_disagree_about_repeat_last_are_no_claim(say, make_cells):
    text = say({("A", "layer"): 0.64}, make_cells(lambda m, s, d, seed: 3.5 if seed == 2 else 2.0, models=["A"]))
    assert "not survived" not in text
    assert "For **A** the seeds disagree whether the level of repeating the last value is reached." in text


def test_a_dense_model_no_better_than_repeat_last_is_said_so(say, make_naive):
    text = say({("A", "layer"): 0.64}, naive=make_naive(mse=0.4))
    assert "**A** is no better than repeating the last value even when dense." in text


def test_all_well_is_said_too(say):
    assert say({("A", "layer"): 0.64}).endswith("No model falls to the level of repeating the last value.")


def test_cells_that_did_not_finish_are_named(say, make_cells):
    cells = make_cells(models=["A", "B"])
    lost = (cells["model"] == "B") & (cells["density_asked"] < 0.5)
    cells.loc[lost, ["mse", "mse_relative"]] = np.nan
    cells.loc[lost, "status"] = "diverged"
    text = say({("A", "layer"): 0.64, ("B", "layer"): 0.64}, cells)
    assert text.endswith("4 of 40 cells did not finish (**B** 4 diverged) and are left out here.")
    text = say({("A", "layer"): 0.64}, cells.assign(status="failed"))
    assert text.startswith("**No cell finished**: 40 of 40 cells did not finish (**A** 20 failed, **B** 20 failed).")


def test_several_horizons_are_a_range(make_cells, make_naive, make_limits):
    limits = pd.concat(make_limits({("A", "layer"): d}, pred_len=h) for d, h in ((0.512, 96), (0.8, 720)))
    cells = make_cells(
        lambda m, s, d, seed: 2.6 if d < 0.5 else 1.1, models=["A"], horizons=(96, 720), scopes=["layer"]
    )
    text = plain(words.verdict(cells, make_naive(horizons=(96, 720)), limits))
    assert "(horizons 96 and 720, 2 seeds)" in text
    assert "down to density 0.51 to 0.8 depending on the horizon (20 % to 49 % of the weights removed)" in text
    assert "**A** at density 0.41 (layer, horizon 96)" in text


def test_it_is_two_to_five_sentences(say, make_cells):
    cells = make_cells(models=["A"])
    cells.loc[0, "status"] = "failed"
    for text in (
        say({("A", "layer"): 0.64}),
        say({("A", "layer"): 0.64, ("A", "global"): 0.512}),
        say({("A", "layer"): 0.64, ("A", "global"): 0.512}, cells),
    ):
        assert 2 <= len([part for part in text.split(". ") if part]) <= 5


def test_missing_input_is_named(say, make_cells, make_naive):
    with pytest.raises(UserError, match=r"no row of tolerance 0\.05"):
        say({("A", "layer"): 0.64}, tolerances=(0.0,))
    with pytest.raises(UserError, match="'cells': column 'status' is missing"):
        say({("A", "layer"): 0.64}, make_cells().drop(columns="status"))
    with pytest.raises(UserError, match="no 'RepeatLast' of horizon 96"):
        say({("A", "layer"): 0.64}, naive=make_naive(horizons=(24,)))


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**A** holds to 0.41 (59 % gone). **B** does not.", "A holds to 0.41 (59 % gone)."),
        ("# Title\n\nIt *works* with `d_model` [here](x.html). More.", "It works with d_model here."),
        ("> Quoted\n> text! Next.", "Quoted text!"),
        ("- one\n- two", "one two"),
        ("![alt](x.png)Only this", "Only this"),
        ("", ""),
    ],
)
def test_headline_is_the_first_sentence_without_signs(markdown, text):
    assert headline(markdown) == text


def test_headline_of_a_verdict(say):
    text = say({("A", "layer"): 0.64, ("A", "global"): 0.512})
    assert headline(text).endswith("(36 % of the weights removed).")


def test_the_answer_is_a_paragraph_of_its_own(make_cells, make_naive, make_limits):
    cells, limits = make_cells(models=["A"]), make_limits({("A", "layer"): 0.64})
    answer, details = words.verdict(cells, make_naive(), limits).split("\n\n")
    assert answer.startswith("On ETTh1") and answer.endswith("removed).")
    assert details.endswith("No model falls to the level of repeating the last value.")


def test_the_dense_error_stands_beside_the_best_naive_forecast(say, make_cells, make_naive):
    cells = make_cells(models=["A"])
    dense = cells.loc[cells["density_asked"] == 1, "mse"].mean()
    text = say({("A", "layer"): 0.64}, cells)
    assert f"Test MSE when dense: **A** {dense:.3f}; the best naive forecast (seasonal naive) has 0.620." in text
    poor = cells.assign(mse=cells["mse"] + 0.2)
    assert "has 0.620, which **A** does not reach even dense." in say({("A", "layer"): 0.64}, poor)


def test_banner_has_an_icon_a_word_and_no_markup_from_its_text():
    shown = banner("<b>Synthetic</b> data")._repr_html_()
    assert "⚠" in shown and "Note" in shown and 'role="note"' in shown
    assert "&lt;b&gt;Synthetic" in shown


def test_describe_parameters_fits_a_line():
    parameters = {
        "dataset": "ETTh1",
        "models": ["A", "B"],
        "densities": [0.8**i for i in range(11)],
        "bf16": False,
        "x": None,
    }
    assert describe_parameters(parameters) == "dataset ETTh1 · models A, B · densities 1, 0.8 … 0.1074 (11) · bf16 no"
