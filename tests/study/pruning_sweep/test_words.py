"""Study 01's verdict: its first sentence, and that it says nothing that its tables deny."""

import re
from itertools import product

import numpy as np
import pandas as pd
import pytest
from compared import interval
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import details, first_sentence

from tsprune.errors import UserError
from tsprune.report.frames import NoRows
from tsprune.study.pruning_sweep import tables, words
from tsprune.study.pruning_sweep.result import AUTHORS, OURS


def plain(text):
    return re.sub(r"\n+(- )?", " ", text.replace("\u00a0", " "))


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
        "On ETTh1, forecasters can lose 20 % (**DLinear**) to 59 % (**Autoformer**) of each layer's weights "
        "without retraining before forecast errors rise by over 5 % (seeds agree). "
        "On ETTh1 (horizon 96, 2 seeds), with each layer cut alike, **Autoformer** keeps"
        " its accuracy (MSE within 5 % of dense) down to density 0.41, the lowest tried (59 % of the weights removed)."
        " **DLinear** goes down to 0.8 (20 % removed). "
    )


def test_where_those_that_can_be_pruned_furthest_forecast_badly_that_stands_beside_the_answer(say, make_cells):
    cells = make_cells(models=["A", "B", "C"])
    cells["mse"] = cells["mse"].where(cells["model"] == "A", cells["mse"] + 0.3)  # seasonal naive: 0.62
    text = say({("A", "layer"): 0.8, ("B", "layer"): 0.64, ("C", "layer"): 0.64}, cells)
    told = "*Even unpruned, **B** and **C** do not beat a naive forecast (seasonal naive): what forecasts badly has"
    assert f"(seeds agree). {told}" in text
    text = say({("A", "layer"): 0.64, ("B", "layer"): 0.64, ("C", "layer"): 0.8}, cells)
    assert "Even unpruned" not in text, "one that does forecast goes as far"


def test_models_with_one_limit_share_one_clause_and_the_furthest_comes_first(say):
    text = say({("A", "layer"): 0.8, ("B", "layer"): 0.64, ("C", "layer"): 0.64})
    assert "**B** and **C** keep their accuracy (MSE within 5 % of dense) down to density 0.64" in text
    assert "20 % (**A**) to 36 % (2 models) of each layer's weights" in text


def test_the_sentence_says_which_cut_it_speaks_of(say, make_cells):
    limits = {(model, scope): 0.8 if scope == "layer" else 1.0 for scope in ("layer", "global") for model in "AB"}
    text = say(limits)
    assert text.startswith("On ETTh1, forecasters can each lose 20 % of each layer's weights without retraining")
    assert (
        "With one threshold for the whole model instead, **A** (not at all) and **B** (not at all) cannot be "
        "cut as far." in text
    )
    one = {key: limit for key, limit in limits.items() if key[1] == "global"}
    text = say(one, make_cells(models=["A", "B"], scopes=["global"]))
    assert text.startswith("On ETTh1, removing 20 % of all weights together without retraining raises the forecast")
    text = say({("A", "global"): 0.64}, make_cells(models=["A"], scopes=["global"]))
    assert text.startswith("On ETTh1, **A** can lose 36 % of all weights together without retraining")


def test_the_longest_first_sentence_is_still_short_enough(say, make_cells):
    cells = make_cells(models=list("ABCDE"))
    cells["mse"] += 9 * (cells["model"] == "E")
    limits = {(model, "layer"): 1.0 if model in "AB" else 0.64 for model in "ABCDE"}
    assert first_sentence(say(limits, cells).split(". ")[0] + ".") == (
        "On ETTh1, 4 forecasters that beat repeating the last value can lose under 20 % (2 models) to 36 % (2 models) "
        "of each layer's weights before errors rise 5 % (seeds agree)."
    )


def test_a_first_sentence_that_must_say_most_is_still_short_enough(say, make_cells):
    cells = make_cells(models=list("ABCDE"))
    cells["mse"] += 9 * (cells["model"] == "E")
    limits = {(model, "layer"): (0.41, 1.0) if model in "AB" else (0.41, 0.64) for model in "ABCDE"}
    first = first_sentence(say(limits, cells).split(". ")[0] + ".")
    assert "lose 30 % (2 models) to 48 % (2 models) of each" in first and first.endswith(
        "5 % (seeds within 59 points)."
    )


def test_of_a_part_of_the_seeds_the_first_sentence_tells_how_far_they_lie_apart(say):
    text = say({("A", "layer"): (0.41, 0.8), ("B", "layer"): 0.64}, seeds=5, known=2)
    assert "by over 5 % (2 of 5 seeds, within 39 points)." in text


def test_the_range_over_seeds_is_given_where_they_differ(say):
    assert "down to density 0.58 (42 % of the weights removed; seeds 0.51 to 0.64)" in say(
        {("A", "layer"): (0.512, 0.64)}
    )


def test_a_model_that_cannot_be_cut_at_all_is_said_so(say):
    text = say({("A", "layer"): 0.64, ("B", "layer"): 1.0})
    assert "forecasters can lose under 20 % (**B**) to 36 % (**A**) of each layer's weights" in text
    assert "**B** does not keep its accuracy even at the first cut (density 0.8)." in text
    text = say({("A", "layer"): 1.0, ("B", "layer"): 1.0})
    assert "On ETTh1, removing 20 % of each layer's weights without retraining raises the forecast error of 2 " in text
    assert "**A** and **B** do not keep their accuracy (MSE within 5 % of dense) even at the first cut" in text


def test_a_seed_that_bears_the_first_cut_is_less_than_a_model_that_does(say):
    text = say({("A", "layer"): (0.8, 1.0), ("B", "layer"): 1.0})
    assert text.startswith("On ETTh1, forecasters can each lose under 20 % of each layer's weights without retraining")


def test_a_model_without_a_dense_result_is_not_said_to_lose_its_accuracy(say):
    text = say({("A", "layer"): 0.64, ("B", "layer"): np.nan})
    assert text.startswith("On ETTh1, **A** can lose 36 % of each layer's weights without retraining before its")
    assert "A dense training of **B** has no result." in text and "first cut" not in text
    text = say({("B", "layer"): np.nan})
    assert text.startswith("On ETTh1, how far forecasters can be pruned cannot be said: none finished unpruned")


def test_where_every_density_is_dense_nothing_is_said_of_pruning(say, make_cells, make_limits):
    cells = make_cells(models=["A"], densities=[1.0])
    text = say({("A", "layer"): 1.0, ("A", "global"): 1.0}, cells)
    assert text.startswith("On ETTh1, how far forecasters can be pruned was not asked: every density of this run is 1.")
    assert not re.search("nan|first cut|do not keep|limits differ", text) and "Test MSE when dense: **A** 0.515" in text
    with pytest.raises(NoRows, match="every density of this run is 1"):
        tables.counts(make_limits({("A", "layer"): 1.0}), [1.0])


def test_limits_that_read_alike_are_no_range(make_cells, make_naive, make_limits):
    cells = make_cells(models=["A"], horizons=(96, 720), scopes=["layer"])
    limits = pd.concat([make_limits({("A", "layer"): d}, pred_len=h) for h, d in ((96, 0.64), (720, 0.642))])
    text = plain(words.verdict(cells, make_naive(horizons=(96, 720)), limits))
    assert "down to density 0.64 (36 % of the weights removed)" in text


def test_what_has_not_run_is_no_limit(make_limits, make_cells, make_naive):
    limits = {("A", "layer"): 0.64, ("B", "layer"): 0.8, ("C", "layer"): np.nan}
    cells = make_cells(models=["A", "B", "C"], scopes=["layer"])
    known = {"A": 2, "B": 1, "C": 0}
    table = pd.concat(make_limits({key: value}, known=known[key[0]]) for key, value in limits.items())
    text = plain(words.verdict(cells, make_naive(), table))
    assert text.startswith("On ETTh1, forecasters can lose 20 % (**B**) to 36 % (**A**) of each layer's weights")
    assert "by over 5 % (1 to 2 seeds). " in text
    assert "**B** goes down to 0.8 (20 % removed; 1 of 2 seeds). Too little of **C** has run yet. " in text
    assert "first cut" not in text and "dense training" not in text and "furthest" not in text
    lost = plain(words.verdict(cells, make_naive(), table.assign(density=1.0, limit_low=1.0, limit_high=1.0, known=1)))
    assert "the forecast error of 3 forecasters by over 5 % (1 of 2 seeds)." in lost
    nothing = plain(words.verdict(cells, make_naive(), table[table["model"] == "C"]))
    assert nothing.startswith("On ETTh1, how far forecasters can be pruned cannot be said yet: too little has run.")


def test_models_are_compared_at_the_horizons_that_all_have_run(make_cells, make_naive, make_limits):
    """B has run at horizon 96 alone, where repeating the last value has 1.3; at 720 that has 9."""
    cells = make_cells(models=["A", "B"], horizons=(96, 720), scopes=["layer"])
    late = cells["pred_len"] == 720
    cells.loc[late, "mse"] *= 10
    cells.loc[late & (cells["model"] == "B"), ["mse", "mse_relative", "status"]] = [np.nan, np.nan, "not run"]
    naive = make_naive(horizons=(96, 720))
    naive.loc[naive["pred_len"] == 720, "mse"] = 9.0
    limits = pd.concat(
        [
            make_limits({("A", "layer"): 0.512, ("B", "layer"): 0.8}),
            make_limits({("A", "layer"): 1.0}, pred_len=720),
            make_limits({("B", "layer"): np.nan}, pred_len=720, known=0),
        ]
    )
    text = plain(words.verdict(cells, naive, limits))
    assert text.startswith("On ETTh1 (horizon 96), forecasters can lose 20 % (**B**) to 49 % (**A**) of each layer's")
    assert "Horizon 720 is left out of this comparison: too little of **B** has run yet." in text
    assert (
        "Test MSE when dense at horizon 96: **A** 0.515 and **B** 0.515; the best naive forecast (seasonal naive) has "
        "0.620." in text
    )
    assert "10 of 40 cells have not run yet (**B** 10) and are left out here." in text and "finish" not in text


def test_a_horizon_without_a_naive_result_is_named_and_nothing_is_said_of_it(make_cells, make_naive, make_limits):
    cells, naive = make_cells(models=["A"], horizons=(96, 720)), make_naive(horizons=(96, 720))
    limits = pd.concat([make_limits({("A", "layer"): 0.512}, pred_len=h) for h in (96, 720)])
    naive.loc[(naive["pred_len"] == 720) & (naive["model"] == "RepeatLast"), "mse"] = np.nan
    lost = "Repeating the last value has no result at horizon 720: forecasters are not judged by it there."
    text = words.verdict(cells, naive, limits)
    assert first_sentence(text).startswith("On ETTh1, A can lose 49 %") and f"- {lost}" in text
    assert "best naive forecast (seasonal naive)" in text, "of what is known at both horizons"
    none = words.verdict(cells, naive.assign(mse=np.nan), limits)
    assert first_sentence(none).startswith("On ETTh1, A can lose 49 %")
    assert "falls to the level" not in none and "horizons 96 and 720" in none


def test_the_longest_first_sentence_about_some_horizons_is_short_enough(make_cells, make_naive, make_limits):
    cells = make_cells(models=list("ABCDE"), horizons=(96, 192, 720))
    cells["mse"] += 9 * (cells["model"] == "E")
    limits = {(model, "layer"): 1.0 if model in "AB" else 0.64 for model in "ABCDE"}
    rest = [make_limits({("A", "layer"): np.nan}, pred_len=720, known=0)]
    rest += [make_limits({(model, "layer"): 0.64}, pred_len=720) for model in "BCDE"]
    table = pd.concat([*(make_limits(limits, pred_len=h) for h in (96, 192)), *rest])
    assert first_sentence(words.verdict(cells, make_naive(horizons=(96, 192, 720)), table)).startswith(
        "On ETTh1 (2 horizons), 4 forecasters that beat repeating the last value can lose under 20 % to 36 % of each "
    )


def test_an_error_that_one_seed_has_says_so(say, make_cells):
    cells = make_cells(models=["A", "B"], scopes=["layer"])
    lost = (cells["model"] == "B") & (cells["seed"] == 2)
    cells.loc[lost, ["mse", "mse_relative", "status"]] = [np.nan, np.nan, "not run"]
    limits = {("A", "layer"): 0.64, ("B", "layer"): 0.64}
    text = say(limits, cells)
    assert "Test MSE when dense: **B** 0.510 (1 of 2 seeds) and **A** 0.515;" in text
    assert "Of what has run so far, no model falls to the level of repeating the last value." in text
    worse = cells.assign(mse=cells["mse"] + 9 * (cells["model"] == "B"))
    assert "**B** (1 of 2 seeds) is no better than repeating the last value even when dense." in say(limits, worse)


def test_a_scope_is_not_compared_by_a_single_seed(make_cells, make_naive, make_limits):
    limits = [make_limits({(m, "layer"): 0.64 for m in "ABC"}), make_limits({("A", "global"): 0.512})]
    limits += [make_limits({("B", "global"): 1.0}, known=1), make_limits({("C", "global"): np.nan}, known=0)]
    text = plain(words.verdict(make_cells(models=["A", "B", "C"]), make_naive(), pd.concat(limits)))
    assert (
        "instead, **A** (to 0.51) can be cut further; for **B** a single seed cannot tell; too little of **C** has "
        "run yet." in text
    )


def test_of_many_models_only_the_ends_are_named(say):
    limits = {"A": 0.8, "B": 0.512, "C": 0.64, "D": 0.64, "E": 0.8}
    text = say({(name, "layer"): limit for name, limit in limits.items()})
    assert "**B** keeps its accuracy (MSE within 5 % of dense) furthest on average, down to density 0.51" in text
    assert ". **A** and **E** go least far, down to 0.8 (20 % removed). **C** and **D** lie between (see the" in text
    text = say({(name, "layer"): limit for name, limit in (limits | {"A": 1.0}).items()})
    assert (
        ". **A** does not keep its accuracy even at the first cut (density 0.8). **C**, **D**, and **E** lie between"
        in text
    )
    text = say({(name, "layer"): limit for name, limit in limits.items()}, seeds=1)
    assert "furthest" not in text and "least far" not in text
    text = say({(name, "layer"): 1.0 for name in limits})
    assert "none of the 5 models keeps its accuracy (MSE within 5 % of dense) even at the first cut" in text


@pytest.mark.parametrize(
    ("layer", "other", "claim"),
    [
        (0.64, 0.512, "**A** (to 0.51) can be cut further"),
        (0.512, 0.64, "**A** (to 0.64) cannot be cut as far"),
        (0.512, 1.0, "**A** (not at all) cannot be cut as far"),
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
    assert "further" not in text and "as far" not in text
    assert text.endswith("One seed only: the spread over seeds is unknown, so no model is called better than another.")


def test_a_model_at_the_repeat_last_level_has_not_survived(say, make_cells):
    def rise(model, scope, density, seed):
        return 2.6 if model == "A" and scope == "global" and density < 0.6 else 1.1

    text = say({("A", "layer"): 0.64, ("B", "layer"): 0.64}, make_cells(rise, models=["A", "B"]))
    assert "No better than repeating the last value once pruned: **A** at density 0.51 (global)." in text


def test_seeds_that_disagree_about_repeat_last_are_no_claim(say, make_cells):
    text = say({("A", "layer"): 0.64}, make_cells(lambda m, s, d, seed: 3.5 if seed == 2 else 2.0, models=["A"]))
    assert "once pruned" not in text
    told = "No better than repeating the last value on average, but not with every seed: "
    assert f"{told}**A** at density 0.8 (layer and global)." in text


def test_where_some_seeds_fall_before_all_do_both_are_told(say, make_cells):
    def rise(model, scope, density, seed):
        return 2.6 if density < 0.5 else 5.0 if density < 0.6 and seed == 2 else 1.1

    text = say({("A", "layer"): 0.64}, make_cells(rise, models=["A"]))
    assert "repeating the last value once pruned: **A** at density 0.41 (layer and global)" in text
    assert "on average, but not with every seed: **A** at density 0.51 (layer and global)." in text


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
    assert text == (
        "On ETTh1, no forecaster could be tested: no cell finished. 40 of 40 cells did not finish "
        "(**A** 20 failed, **B** 20 failed)."
    )


def test_cells_that_have_not_run_are_told_from_those_that_did_not_finish(say, make_cells):
    cells = make_cells(models=["A"])
    states = cells["density_asked"].map({0.512: "not run", 0.4096: "failed"}).fillna("ok")
    lost = cells.assign(status=states, mse_relative=cells["mse_relative"].where(states == "ok"))
    assert say({("A", "layer"): 0.64}, lost).endswith(
        "4 of 20 cells have not run yet (**A** 4), 4 of 20 cells did not finish (**A** 4 failed) and are left out here."
    )
    assert say({("A", "layer"): 0.64}, cells.assign(status="not run")) == (
        "On ETTh1, no forecaster has been tested yet. 20 of 20 cells have not run yet (**A** 20)."
    )


def test_several_horizons_are_a_range(make_cells, make_naive, make_limits):
    limits = pd.concat(make_limits({("A", "layer"): d}, pred_len=h) for d, h in ((0.512, 96), (0.8, 720)))
    cells = make_cells(
        lambda m, s, d, seed: 2.6 if d < 0.5 else 1.1, models=["A"], horizons=(96, 720), scopes=["layer"]
    )
    text = plain(words.verdict(cells, make_naive(horizons=(96, 720)), limits))
    assert "(horizons 96 and 720, 2 seeds)" in text
    assert text.startswith("On ETTh1, **A** can lose 20 % to 49 % of each layer's weights without retraining")
    assert "down to density 0.51 to 0.8 depending on the horizon (20 % to 49 % of the weights removed)" in text
    assert "**A** at density 0.41 (layer, horizon 96)" in text


def test_it_is_three_to_six_sentences(say, make_cells):
    cells = make_cells(models=["A"])
    cells.loc[0, "status"] = "failed"
    for text in (
        say({("A", "layer"): 0.64}),
        say({("A", "layer"): 0.64, ("A", "global"): 0.512}),
        say({("A", "layer"): 0.64, ("A", "global"): 0.512}, cells),
    ):
        assert 3 <= len([part for part in text.split(". ") if part]) <= 6


def test_missing_input_is_named(say, make_cells, make_naive):
    with pytest.raises(UserError, match=r"no row of tolerance 0\.05"):
        say({("A", "layer"): 0.64}, tolerances=(0.0,))
    with pytest.raises(UserError, match="'cells': column 'status' is missing"):
        say({("A", "layer"): 0.64}, make_cells().drop(columns="status"))


def test_the_answer_is_a_paragraph_of_its_own(make_cells, make_naive, make_limits):
    cells, limits = make_cells(models=["A"]), make_limits({("A", "layer"): 0.64})
    answer, told = words.verdict(cells, make_naive(), limits).split("\n\n")
    assert answer.startswith("On ETTh1") and answer.endswith("(seeds agree).")
    assert told.endswith("No model falls to the level of repeating the last value.")


def test_the_dense_error_stands_beside_the_best_naive_forecast(say, make_cells):
    cells = make_cells(models=["A"])
    dense = cells.loc[cells["density_asked"] == 1, "mse"].mean()
    text = say({("A", "layer"): 0.64}, cells)
    assert f"Test MSE when dense: **A** {dense:.3f}; the best naive forecast (seasonal naive) has 0.620." in text
    poor = cells.assign(mse=cells["mse"] + 0.2)
    assert "has 0.620, which **A** does not beat even when dense." in say({("A", "layer"): 0.64}, poor)


def test_models_that_beat_no_naive_forecast_are_left_out_of_the_answer_or_are_the_answer(
    say, make_cells, make_naive, make_limits
):
    limits = {("A", "layer"): 0.4096, ("B", "layer"): 0.8, ("C", "layer"): 0.64}
    cells = make_cells(models=["A", "B", "C"])
    poor = cells.assign(mse=cells["mse"] + 3 * (cells["model"] == "A"))
    text = say(limits, poor)
    assert text.startswith(
        "On ETTh1, 2 forecasters that beat repeating the last value can lose 20 % (**B**) to 36 % (**C**)"
    )
    text = say(limits, cells.assign(mse=cells["mse"] + 3 * (cells["model"] != "B")))
    assert text.startswith(
        "On ETTh1, only **B** beats repeating the last value; it can lose 20 % of each layer's weights before"
    )
    waiting = pd.concat([make_limits({("B", "layer"): 0.8}), make_limits({("D", "layer"): np.nan}, known=0)])
    both = make_limits({("A", "layer"): 0.4096})
    text = plain(words.verdict(poor[poor["model"] != "C"], make_naive(), pd.concat([both, waiting])))
    assert text.startswith("On ETTh1, so far only **B** beats repeating the last value; it can lose 20 %")
    text = say(limits, cells, naive=make_naive(mse=0.1))
    assert text.startswith("On ETTh1, all 3 forecasters do no better than repeating the last value, even unpruned, so")
    both = pd.concat([cells, cells.assign(pred_len=720, mse=9.0)])
    text = plain(words.verdict(both, make_naive(horizons=(96, 720)), pd.concat(_limits(limits, h) for h in (96, 720))))
    assert text.startswith(
        "On ETTh1, none of 3 forecasters beats repeating the last value at every horizon even before"
    )


def _limits(limits: dict, pred_len: int) -> pd.DataFrame:
    rows = [
        {
            "model": model,
            "pred_len": pred_len,
            "scope": scope,
            "tolerance": 0.05,
            "seeds": 2,
            "density": density,
            "limit_low": density,
            "limit_high": density,
            "known": 2,
        }
        for (model, scope), density in limits.items()
    ]
    return pd.DataFrame(rows)


GRID = (1.0, 0.8, 0.64, 0.512, 0.4096)


@st.composite
def runs(draw) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Cells, naive forecasts and limits of one to five models that have nothing to do with each other."""
    models = draw(
        st.lists(
            st.sampled_from(["DLinear", "FEDformer", "A", "Nonstationary_Transformer", "TCN"]),
            min_size=1,
            max_size=5,
            unique=True,
        )
    )
    horizons, seeds = draw(st.sampled_from([(96,), (96, 720)])), draw(st.sampled_from([(1,), (1, 2)]))
    scopes = draw(st.sampled_from([("layer",), ("global",), ("layer", "global")]))
    mse = {(m, h, s): draw(st.floats(0.2, 2.0)) for m in models for h in horizons for s in seeds}
    cells = [
        {
            "dataset": "ETTh1",
            "model": m,
            "pred_len": h,
            "seed": s,
            "scope": scope,
            "density_asked": d,
            "mse": mse[m, h, s] * (2 - d),
            "mse_relative": 2 - d,
            "status": "ok",
        }
        for (m, h, s) in mse
        for scope in scopes
        for d in GRID
    ]
    naive = [
        {"dataset": "ETTh1", "pred_len": h, "model": name, "mse": value, "mae": 1.0}
        for h in horizons
        for name, value in (("RepeatLast", draw(st.floats(0.1, 2.5))), ("SeasonalNaive", 0.7))
    ]
    limits = []
    for m, h, scope in product(models, horizons, scopes):
        reached = draw(st.lists(st.sampled_from(GRID), min_size=len(seeds), max_size=len(seeds)))
        lost = draw(st.integers(0, 9)) == 0
        low, high, mean = (np.nan,) * 3 if lost else (min(reached), max(reached), sum(reached) / len(reached))
        limits.append(
            {
                "model": m,
                "pred_len": h,
                "scope": scope,
                "tolerance": 0.05,
                "seeds": len(seeds),
                "density": mean,
                "limit_low": low,
                "limit_high": high,
                "known": len(seeds),
            }
        )
    return pd.DataFrame(cells), pd.DataFrame(naive), pd.DataFrame(limits)


@settings(deadline=None, max_examples=25)
@given(runs())
def test_the_first_sentence_is_short_and_every_number_in_it_is_that_of_the_tables(run):
    cells, naive, limits = run
    text = first_sentence(words.verdict(*run))
    level = naive[naive["model"] == "RepeatLast"].set_index("pred_len")["mse"]
    dense = cells[cells["density_asked"] == 1].groupby(["model", "pred_len"])["mse"].mean()
    below = {model for (model, pred_len), mse in dense.items() if mse >= level[pred_len]}
    scope = "layer" if "layer" in set(limits["scope"]) else "global"
    models, first = set(limits["model"]), limits[limits["scope"] == scope]
    rows = first[~first["model"].isin(below)].dropna(subset="density")
    if all(mse >= level[pred_len] for (_, pred_len), mse in dense.items()):
        assert "no better than repeating the last value, even unpruned" in text
    elif below == models:
        assert "repeating the last value at every horizon" in text
    elif rows.empty:
        assert "cannot be said" in text
    else:
        assert ("each layer's weights" in text, "all weights together" in text) == (scope == "layer", scope == "global")
        assert ("that beat" in text or "only" in text) <= bool(below)
        for model in models - set(rows["model"]):
            assert f" {model}" not in text and f"({model}" not in text, "a model without a result is not named"
        removed = [int(number) for number in re.findall(r"(\d+) %", text)]
        spread = re.findall(r"within (\d+) points\)", text)
        assert spread == [f"{100 * (rows['limit_high'] - rows['limit_low']).max():.0f}"] * len(spread)
        if (rows["density"] >= 1).all():
            assert removed == [20, 5]
            return
        least, most = (max(20, round(100 * (1 - d))) for d in (rows["density"].max(), rows["density"].min()))
        assert removed in ([least, most, 5], [most, 5])
        assert ("under 20 %" in text) == (rows["density"] > 0.8).any()
        for name, density in zip(re.findall(r"\(([A-Za-z_]+)\)", text), ("max", "min"), strict=False):
            at = rows.loc[rows["model"] == name, "density"]
            assert round(100 * (1 - at)).isin(removed).any() or (at > 0.8).any(), density


@settings(deadline=None, max_examples=25)
@given(runs())
def test_which_scope_goes_further_and_which_model_has_fallen_is_what_the_tables_say(run):
    cells, naive, limits = run
    told = details(words.verdict(*run))
    if limits["seeds"].max() < 2:
        assert "further" not in told and "as far" not in told and "furthest" not in told
    first, second = (limits[limits["scope"] == scope].set_index(["model", "pred_len"]) for scope in ("layer", "global"))
    for model in limits["model"].unique() if len(first) and len(second) and limits["seeds"].max() > 1 else ():
        a, b = first.loc[[model]].dropna(subset="density"), second.loc[[model]].dropna(subset="density")
        both = a.index.intersection(b.index)
        further = len(both) > 0 and (b.loc[both, "limit_high"] < a.loc[both, "limit_low"]).all()
        claimed = re.search(r"instead, (.*?) can be cut further", told)
        assert bool(claimed and f"**{model}**" in claimed.group(1)) == further
    level = naive[naive["model"] == "RepeatLast"].set_index("pred_len")["mse"]
    lost = cells[cells["mse"].to_numpy() >= level[cells["pred_len"]].to_numpy()]
    assert ("No model falls to the level of repeating the last value" in told) == lost.empty or len(lost)
    if lost.empty:
        assert "once pruned" not in told and "even when dense" not in told


def gain(model: str, score: str, low: float, relative: float, high: float, seeds: int = 2, **changes) -> dict:
    """A score against magnitude at density 0.1; clear where zero lies outside, with two seeds."""
    return {
        "dataset": "ETTh1",
        "model": model,
        "pred_len": 96,
        "score": score,
        "structure": "unstructured",
        "scope": "layer",
        "density_asked": 0.1,
        **interval(low, relative, high, seeds),
    } | changes


def scored(seconds: float | None = 0.4) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": "ETTh1",
            "model": "M",
            "pred_len": 96,
            "seed": 1,
            "score": score,
            "structure": "unstructured",
            "scope": "layer",
            "density_asked": 0.1,
            "density": 0.1,
            "mse": 1.0,
            "mse_relative": 2.0,
            "calibration_seconds": seconds if score == "wanda" else None,
            "calibration_memory_mib": 1.0,
            "status": "ok",
            "reason": None,
        }
        for score in ("magnitude", "wanda")
    )


def test_the_score_that_beats_magnitude_most_often_comes_first_with_its_furthest_case():
    rows = [
        gain("A", "wanda", -0.3, -0.2, -0.1),
        gain("B", "wanda", -0.1, 0.0, 0.1),
        gain("A", "obs", -0.5, -0.4, -0.3),
        gain("B", "obs", -0.4, -0.28, -0.24),
        gain("A", "random", 0.5, 0.6, 0.7),
        gain("B", "random", -0.1, 0.6, 0.7),
        gain("B", "obs", -0.9, -0.9, -0.9, density_asked=0.4),
        gain("A", "wanda", -0.3, -0.2, -0.1, density_asked=0.5, structure="2:4"),
        gain("B", "wanda", 0.1, 0.2, 0.3, density_asked=0.5, structure="2:4"),
        gain("B", "random", 0.1, 0.2, 0.3, density_asked=0.5, structure="2:4"),
    ]
    text = words.scores(scored(), pd.DataFrame(rows))
    assert first_sentence(text) == (
        "On ETTh1, at density 0.1 without retraining, obs beats magnitude in 2 of 2 cases, most for A, "
        "-40 % (-50 to -30 %)."
    )
    assert details(text).startswith(
        "Against magnitude ranked in the same scope, at density 0.1: **wanda** better in 1, worse in 0 of 2; "
        "**obs** better in 2, worse in 0 of 2. Random choice, the yardstick, is better than magnitude in 0, worse "
        "in 1 of 2; where it is not worse (**B**), size is not shown to choose better than chance. "
        "As 2:4, which keeps half of every layer it fits: **wanda** better in 1, worse in 1 of 2. "
        "Calibration takes at most 0.4 seconds a model (**wanda** on **M**). Intervals:"
    )


def test_scores_that_beat_magnitude_as_often_are_both_named():
    rows = [gain("A", "wanda", -0.3, -0.2, -0.1), gain("A", "obs", -0.5, -0.4, -0.3), gain("A", "lamp", -0.5, 0, 0.3)]
    assert first_sentence(words.scores(scored(), pd.DataFrame(rows))) == (
        "On ETTh1, at density 0.1 without retraining, wanda and obs each beat magnitude in 1 of 1 case, most by "
        "obs for A, -40 % (-50 to -30 %)."
    )


def test_no_gain_beyond_chance_and_one_seed_are_no_claim():
    noise = [gain(m, s, -0.1, -0.05, 0.1) for m in ("A", "B") for s in ("wanda", "obs")]
    assert first_sentence(words.scores(scored(None), pd.DataFrame(noise))) == (
        "On ETTh1, at density 0.1 without retraining, none of 2 other scores beats magnitude beyond chance in any of 2 "
        "cases."
    )
    one = pd.DataFrame([gain("A", "wanda", -0.3, -0.2, -0.1, seeds=1)])
    text = words.scores(scored(), one)
    assert "nothing is claimed" in text and "beats" not in text and "%" not in text
    lost = pd.DataFrame([gain("A", "wanda", np.nan, np.nan, np.nan, seeds=0), gain("A", "obs", 0.1, 0.2, 0.3)])
    text = words.scores(scored(None), lost)
    assert "obs does not beat magnitude beyond chance in the one case." in first_sentence(text)
    assert "wanda" not in text, "a score without a result is not spoken of"
    with pytest.raises(UserError, match="'gains': column 'scope' is missing"):
        words.scores(scored(), lost.drop(columns="scope"))


clear = st.sampled_from([(-0.3, -0.2, -0.1), (-0.1, 0.0, 0.1), (0.1, 0.2, 0.3)])


@st.composite
def gains(draw) -> pd.DataFrame:
    """Differences of their own, for every model, score and density."""
    models = draw(st.lists(st.sampled_from(["DLinear", "Nonstationary_Transformer", "M"]), min_size=1, unique=True))
    names = draw(st.lists(st.sampled_from(["wanda", "obs", "sparsegpt", "random"]), min_size=1, unique=True))
    rows = []
    densities = draw(st.sampled_from([(0.1,), (0.4, 0.1), (0.6, 0.5)]))
    for model, name, density in product(models, names, densities):
        low, relative, high = sorted(draw(st.tuples(*[st.floats(-0.9, 2)] * 3)))
        seeds = draw(st.sampled_from([0, 1, 2, 2, 2]))
        low, relative, high = (low, relative, high) if seeds else (np.nan,) * 3
        rows.append(gain(model, name, low, relative, high, seeds, density_asked=density))
        if density == densities[-1] and draw(st.booleans()):
            rows.append(gain(model, name, *draw(clear), structure="2:4", density_asked=0.5))
    return pd.DataFrame(rows)


@settings(deadline=None, max_examples=30)
@given(gains())
def test_what_is_said_of_scores_is_short_and_is_what_the_table_says(table):
    text = words.scores(scored(), table)
    first = first_sentence(text)
    single, half = table[table["structure"] != "2:4"], table[table["structure"] == "2:4"]
    rows = single[single["density_asked"] == single["density_asked"].min()]
    known = rows[rows["seeds"] > 1]
    tried = known[known["score"] != "random"]
    better = tried[tried["high"] < 0].groupby("score").size()
    claim = r"retraining, (.*?) (?:beats|each beat) magnitude in (\d+) of \d+ cases(?: \(worse in (\d+)\))?"
    claim = re.search(claim, first)
    assert bool(claim) == (len(better) > 0)
    if claim:
        worse = tried[tried["low"] > 0].groupby("score").size().reindex(better.index, fill_value=0)
        named = set(re.findall(r"\w+", claim.group(1))) - {"and"}
        for name in named:
            assert (int(claim.group(2)), int(claim.group(3) or 0)) == (better[name], worse[name])
            assert (better - worse)[name] == (better - worse).max()
        won = tried[tried["score"].isin(named) & (tried["high"] < 0)]
        assert f"for {won.loc[won['relative'].idxmin(), 'model']}, " in first
    if table["seeds"].max() < 2:
        return
    told = details(text)
    for name, own in half[half["score"] != "random"].groupby("score"):
        good, bad = (own["high"] < 0).sum(), (own["low"] > 0).sum()
        assert f"**{name}** better in {good}, worse in {bad} of {len(own)}" in told.split("As 2:4")[1]
    told = told.split("As 2:4")[0]
    for name, good, bad, of in re.findall(r"\*\*(\w+)\*\* better in (\d+), worse in (\d+) of (\d+)", told):
        own = tried[tried["score"] == name]
        assert (int(good), int(bad), int(of)) == ((own["high"] < 0).sum(), (own["low"] > 0).sum(), len(own))
    random = known[known["score"] == "random"]
    assert ("yardstick" in told) == (len(random) > 0)
    if len(random):
        assert f"better than magnitude in {(random['high'] < 0).sum()}, worse in {(random['low'] > 0).sum()} of" in told


def by_authors(**left: float) -> pd.DataFrame:
    """Rows of both protocols at densities 1, 0.4 and 0.1, by the share of all parameters never pruned."""
    return pd.DataFrame(
        {
            "dataset": "ETTh1",
            "model": model,
            "pred_len": 96,
            "seed": seed,
            "protocol": protocol,
            "density_asked": density,
            "density_all": density if protocol == OURS else share + density * (1 - share),
            "untouched": share if protocol == AUTHORS and density < 1 else np.nan,
            "fourier": share * (model == "FEDformer") if protocol == AUTHORS and density < 1 else np.nan,
            "mse": 1 / density,
            "mse_relative": 1 / density,
            "status": "ok",
            "reason": None,
        }
        for model, share in left.items()
        for seed in (1, 2)
        for protocol in (OURS, AUTHORS)
        for density in (1.0, 0.4, 0.1)
    )


def test_what_the_first_papers_protocol_leaves_is_said_with_fedformers_fourier_weights():
    text = words.authors(by_authors(Transformer=0.02, FEDformer=0.6))
    assert first_sentence(text) == (
        "On ETTh1, the first paper's protocol, asked for density 0.1, leaves 12 % (Transformer) to 64 % (FEDformer) of "
        "all parameters."
    )
    assert details(text).startswith(
        "In **FEDformer** the Fourier weights, which it never prunes, are 60 % of all parameters, more than "
        "half: no density goes below that."
    )
    alone = words.authors(by_authors(FEDformer=0.3))
    assert first_sentence(alone).endswith("leaves 37 % of FEDformer, all parameters counted.")
    assert "more than half" not in alone
    assert words.authors(by_authors(A=0.1).assign(status="failed")).endswith("has no result.")
    rows = by_authors(A=0.1)
    waiting = rows.assign(status=rows["status"].mask(rows["density_asked"] < 1, "not run"))
    assert words.authors(waiting).endswith("the first paper's protocol has not run yet.")
    later = pd.concat([by_authors(A=0.1, B=0.2), by_authors(A=0.9).assign(pred_len=720)])
    assert first_sentence(words.authors(later)).endswith("leaves 19 % (A) to 28 % (B) of all parameters at horizon 96.")


@settings(deadline=None, max_examples=30)
@given(
    st.dictionaries(st.sampled_from(["A", "FEDformer", "Nonstationary_Transformer"]), st.floats(0.0, 0.9), min_size=1)
)
def test_the_ends_of_what_the_first_papers_protocol_leaves_are_those_of_the_table(left):
    text = first_sentence(words.authors(by_authors(**left)))
    shares = {name: f"{100 * (share + 0.1 * (1 - share)):.0f} %" for name, share in left.items()}
    assert all(shares[name] == share for share, name in re.findall(r"(\d+ %) \((\w+)\)", text))
