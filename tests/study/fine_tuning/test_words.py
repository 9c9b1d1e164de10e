"""Study 02's verdict: its first sentence, and that it says nothing that its tables deny."""

import re

import pandas as pd
import pytest
from compared import interval
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import details, first_sentence, read

from tsprune.errors import UserError
from tsprune.study.fine_tuning import tables, words
from tsprune.study.fine_tuning.result import compared, sparsest

NAIVE = pd.DataFrame({"pred_len": [96, 720], "model": "RepeatLast", "mse": 1.3})


def cells(models=("M",), horizons=(96,), seeds=(1, 2), dense: float = 1.0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": "ETTh1",
            "model": model,
            "pred_len": pred_len,
            "seed": seed,
            "structure": "unstructured",
            "arm": arm,
            "density_asked": density,
            "mse": dense,
            "mse_relative": 1.0,
            "status": "ok",
            "reason": None,
        }
        for model in models
        for pred_len in horizons
        for seed in seeds
        for arm, density in (("dense", 1.0), ("dense longer", 1.0), ("pruned", 0.1), ("fine-tuned", 0.1))
    )


def row(model: str, low: float, relative: float, high: float, seeds: int = 2, **changes) -> dict:
    """Fine-tuned against dense trained as long, at density 0.1; clear where zero lies outside, with two seeds."""
    return {
        "model": model,
        "pred_len": 96,
        "structure": "unstructured",
        "density_asked": 0.1,
        "arm": "fine-tuned",
        "against": "dense longer",
        **interval(low, relative, high, seeds),
    } | changes


def said(*rows: dict, **changes) -> str:
    return first_sentence(words.verdict(cells(**changes), pd.DataFrame(rows), NAIVE))


def test_a_wide_interval_is_not_called_no_difference():
    assert said(row("M", -0.34, -0.01, 0.66)) == (
        "On ETTh1, these seeds cannot tell whether removing 90 % of weights, then training further, changes "
        "forecast error for M (-34 to +66 %)."
    )
    assert said(row("M", -0.02, 0.01, 0.04)) == (
        "On ETTh1, removing 90 % of weights, then training further, "
        "changes forecast error by less than 5 % for M (-2.0 to +4.0 %)."
    )
    # The one that is known to be small is not counted with the one that is not known.
    assert said(row("M", -0.02, 0.01, 0.04), row("N", -0.22, 0.07, 0.49)) == (
        "On ETTh1, these seeds cannot tell whether removing 90 % of weights, then training further, changes "
        "forecast error in 1 of 2 cases (-22 to +49 %)."
    )


def test_the_details_tell_what_is_small_from_what_is_not_known():
    before = {"arm": "pruned", "relative": 0.5, "low": 0.4, "high": 0.6, "clear": True}
    rows = [row("M", -0.02, 0.01, 0.04), row("N", -0.22, 0.07, 0.49)]
    rows += [one | before for one in rows]
    text = details(words.verdict(cells(("M", "N")), pd.DataFrame(rows), NAIVE))
    assert "**M** from +50 % to +1.0 % (-2.0 to +4.0, no difference above 5 %)" in text
    assert "**N** from +50 % to +7.0 % (-22 to +49, unclear)" in text


def test_clear_differences_have_their_number_the_furthest_and_its_interval():
    rows = (row("M", 0.03, 0.05, 0.07), row("FEDformer", -0.3, -0.2, -0.1), row("N", 0.1, 0.15, 0.31))
    assert said(*rows) == (
        "On ETTh1, removing 90 % of weights, then training further, "
        "raises forecast error in 2 of 3 cases, lowers it in 1 (largest: FEDformer, -20 %, -30 to -10 %)."
    )
    assert said(rows[2], row("M", -0.2, 0.1, 0.3), row("K", -0.01, 0.0, 0.01)) == (
        "On ETTh1, removing 90 % of weights, then training further, "
        "raises forecast error in 1 of 3 cases (largest: N, +15 %, +10 to +31 %); 1 is unclear."
    )
    assert said(rows[1], row("K", -0.01, 0.0, 0.01)).endswith("-30 to -10 %); 1 ends within 5 %.")
    assert "90 % of parameters removed" in said(row("M", 0.03, 0.05, 0.07, structure="structured"))


def test_models_no_better_than_repeating_the_last_value_are_the_answer_or_its_first_detail():
    assert said(row("M", 0.03, 0.05, 0.07), dense=1.4) == (
        "On ETTh1, M does no better than repeating the last value, even unpruned, so what pruning changes matters "
        "little (mean of 2 seeds)."
    )
    both = pd.concat([cells(), cells(models=("N",), dense=1.4)])
    text = words.verdict(both, pd.DataFrame([row("M", 0.03, 0.05, 0.07)]), NAIVE)
    assert "M ends" in first_sentence(text)
    assert details(text).startswith("**N** is no better than repeating the last value, even dense.")


def test_a_horizon_without_a_naive_result_costs_only_what_is_said_of_it():
    rows, lost = pd.DataFrame([row("M", 0.03, 0.05, 0.07)]), NAIVE.assign(mse=[1.3, float("nan")])
    text = words.verdict(cells(horizons=(96, 720)), rows, lost)
    assert "M ends 5.0 % above the forecast error" in first_sentence(text)
    without = "Repeating the last value has no result at horizon 720: forecasters are not judged by it there."
    assert details(text).startswith(without)
    assert without in details(words.verdict(cells(horizons=(96, 720), seeds=(1,)), rows.assign(seeds=1), lost))
    assert first_sentence(words.verdict(cells(horizons=(96, 720), dense=1.4), rows, lost)) == (
        "On ETTh1, M does no better than repeating the last value at horizon 96, even unpruned, so what pruning "
        "changes there matters little (mean of 2 seeds)."
    )
    assert "M ends 5.0 %" in first_sentence(words.verdict(cells(), rows, NAIVE.assign(mse=float("nan"))))


def test_a_structure_that_is_not_compared_with_dense_trained_as_long_has_no_empty_clause():
    rows = [row("M", 0.1, 0.2, 0.3), row("M", 0.1, 0.2, 0.3, structure="2:4", against="pruned")]
    assert "; with 2:4" not in details(words.verdict(cells(), pd.DataFrame(rows), NAIVE))


def test_without_a_pair_to_compare_there_is_no_answer():
    lost = row("M", float("nan"), float("nan"), float("nan"), seeds=0)
    assert said(lost).endswith("no pruned forecaster finished together with the unpruned one trained as long.")
    with pytest.raises(UserError, match="no row of fine-tuned against dense longer"):
        said(row("M", 0.1, 0.2, 0.3, arm="pruned"))


def test_better_at_one_horizon_and_worse_at_another_is_not_called_no_difference():
    pair = {"arm": "iterative", "against": "fine-tuned"}
    rows = [row("M", 0.1, 0.2, 0.3), row("M", 0.1, 0.2, 0.3, **pair), row("M", -0.3, -0.2, -0.1, pred_len=720, **pair)]
    text = details(words.verdict(cells(horizons=(96, 720)), pd.DataFrame(rows), NAIVE))
    assert "is better at one horizon and worse at another for **M**." in text and "no difference" not in text


def test_what_a_better_choice_of_weights_is_worth_before_and_after_training_on():
    before = {"arm": "pruned, obs", "against": "pruned"}
    after = {"arm": "fine-tuned, obs", "against": "fine-tuned"}
    rows = [
        row("M", 0.1, 0.2, 0.3),
        row("M", -0.4, -0.3, -0.2, **before),
        row("N", -0.5, -0.4, -0.3, **before),
        row("M", -0.1, 0.0, 0.1, **after),
        row("N", -0.2, -0.1, -0.05, **after),
    ]
    text = details(words.verdict(cells(("M", "N")), pd.DataFrame(rows), NAIVE))
    assert (
        "Before fine-tuning, choosing weights by **obs** instead of magnitude (density 0.1) lowers the MSE of **M** "
        "(-30 %, -40 to -20) and **N** (-40 %, -50 to -30). After fine-tuning, that choice (density 0.1) lowers the "
        "MSE of **N** (-10 %, -20 to -5.0); it has no clear effect for **M**. "
        "Of 2 cases where it is clearly better before, 1 still is after."
    ) in text
    gone = [r for r in rows if r["arm"] != "fine-tuned, obs"]
    text = details(words.verdict(cells(("M", "N")), pd.DataFrame([*gone, row("M", -0.1, 0.0, 0.1, **after)]), NAIVE))
    assert text.count("In the one case where it is clearly better before, it is no longer after.") == 1, (
        "where both are known"
    )


@st.composite
def comparisons(draw) -> pd.DataFrame:
    """Every pair of arms for some models, horizons, structures and densities, with differences of their own."""
    models = draw(st.lists(st.sampled_from(["DLinear", "FEDformer", "M"]), min_size=1, max_size=3, unique=True))
    cuts = st.sampled_from([("unstructured", 0.1), ("unstructured", 0.3), ("structured", 0.2), ("2:4", 0.5)])
    cuts = draw(st.lists(cuts, min_size=1, unique=True))
    score = draw(st.sampled_from(["magnitude", "wanda"]))
    rows = []
    for model in models:
        for pred_len in draw(st.sampled_from([(96,), (96, 720)])):
            for structure, density in cuts:
                for arm, against in compared(score):
                    low, relative, high = sorted(draw(st.tuples(*[st.floats(-0.9, 2)] * 3)))
                    seeds = draw(st.sampled_from([0, 1, 2, 2, 2]))
                    low, relative, high = (low, relative, high) if seeds else (float("nan"),) * 3
                    pair = {"pred_len": pred_len, "structure": structure, "density_asked": density}
                    rows.append(row(model, low, relative, high, seeds, arm=arm, against=against, **pair))
    return pd.DataFrame(rows)


def the_first_sentence_is_short_and_agrees_with_the_table(table, said):
    text = first_sentence(said)
    rows = sparsest(table)
    known = rows[rows["seeds"] > 1]
    worse, better = known[known["low"] > 0], known[known["high"] < 0]
    if known.empty:
        assert "nothing is claimed" in text or "no answer" in text
        return
    clear = pd.concat([worse, better])
    noise = known[~known["clear"]]
    small = noise[(noise["low"] >= -0.05) & (noise["high"] <= 0.05)]
    assert ("cannot tell" in text or "unclear" in text) == (len(noise) > len(small))
    assert ("5 %." in text or "less than 5 %" in text) == (len(noise) == len(small) > 0)
    assert (clear.empty or len(known) == 1) == ("raises" not in text and "lowers" not in text)
    for side, word in ((worse, "raises"), (better, "lowers")):
        for count in re.findall(rf"{word} (?:forecast error|it) in (\d+)", text):
            assert int(count) == len(side)
    if "largest" in text:
        name = re.search(r"largest: (\w+),", text).group(1)
        assert name == clear.iloc[clear["relative"].abs().to_numpy().argmax()]["model"]


def what_the_details_call_better_worse_or_no_difference_is_so_in_the_table(table, said):
    text = details(said)
    told_of = {
        "iterative": "Pruning step by step",
        "rewound": "Starting over",
        "pruned, wanda": "Before fine-tuning, choosing",
        "fine-tuned, wanda": "After fine-tuning, that choice",
    }
    for arm, words_of in told_of.items():
        rows = table[(table["structure"] == "unstructured") & (table["arm"] == arm) & (table["seeds"] > 1)]
        rows = rows[rows["density_asked"] == rows["density_asked"].min()]
        found = re.search(
            rf"{words_of}.*? (?=After fine-tuning|Of \\d|Pruning|Starting over|Intervals|One seed|$)", text + " "
        )
        assert bool(found) == (len(rows) > 0)
        for clause in found.group(0).split("; it ") if found else ():
            for name in set(re.findall(r"\*\*(\w+)\*\*", clause)) - {"wanda"}:
                own = rows[rows["model"] == name]
                if "lowers" in clause or "raises" in clause:
                    sign = -1 if "lowers" in clause else 1
                    assert own["clear"].any() and (own.loc[own["clear"], "relative"] * sign > 0).all()
                elif "no clear effect" in clause or "no difference" in clause:
                    assert not own["clear"].any()
                    assert ("no difference above" in clause) == (
                        own["low"].min() >= -0.05 and own["high"].max() <= 0.05
                    )


def how_often_an_advantage_survives_is_counted_from_the_table(table, said):
    text = details(said)
    rows = table[(table["structure"] == "unstructured") & (table["seeds"] > 1)]
    both = {arm: rows[rows["arm"] == arm] for arm in ("pruned, wanda", "fine-tuned, wanda")}
    lowest = table[(table["structure"] == "unstructured") & (table["arm"] == "fine-tuned, wanda")][
        "density_asked"
    ].min()
    sets = {
        arm: {(r.model, r.pred_len): r.high < 0 for r in own[own["density_asked"] == lowest].itertuples()}
        for arm, own in both.items()
    }
    shared = sets["pruned, wanda"].keys() & sets["fine-tuned, wanda"].keys()
    won = [case for case in shared if sets["pruned, wanda"][case]]
    still = sum(sets["fine-tuned, wanda"][case] for case in won)
    if len(won) == 1:
        how = "still is" if still else "is no longer"
        assert f"In the one case where it is clearly better before, it {how} after." in text
    elif won:
        found = re.search(r"Of (\d+) cases where it is clearly better before, (\d+) still (is|are) after", text)
        assert found.groups() == (str(len(won)), str(still), "is" if still == 1 else "are")
    else:
        assert "clearly better before" not in text


def the_counts_add_up_to_the_rows_of_the_table(table, said):
    rows, _ = read(tables.counts(table))
    shown = [[int(cell) for cell in line[1:-1]] for line in rows[1:]]
    assert sum(line[-1] for line in shown) == len(table)
    assert all(sum(line[:-1]) == line[-1] for line in shown)
    assert sum(line[0] for line in shown) == int((table["clear"] & (table["relative"] < 0)).sum())


@settings(deadline=None, max_examples=30)
@given(comparisons())
def test_what_is_said_and_counted_is_what_the_table_says(table):
    """One example for all: to say it takes longer than to check it."""
    said = words.verdict(cells(table["model"].unique(), (96, 720)), table, NAIVE)
    for agrees in (
        the_first_sentence_is_short_and_agrees_with_the_table,
        what_the_details_call_better_worse_or_no_difference_is_so_in_the_table,
        how_often_an_advantage_survives_is_counted_from_the_table,
        the_counts_add_up_to_the_rows_of_the_table,
    ):
        agrees(table, said)
