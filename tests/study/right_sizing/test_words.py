"""Study 03's verdict: its first sentence, and that it says nothing that its tables deny."""

import re

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import details, first_sentence, read

from tsprune.study.right_sizing import tables, words
from tsprune.study.right_sizing.result import AXES, WHOLE

NAIVE = pd.DataFrame(
    {"pred_len": [96, 720] * 2, "model": ["RepeatLast"] * 2 + ["SeasonalNaive"] * 2, "mse": [1.3] * 2 + [0.9] * 2}
)
NO_CHOICES = pd.DataFrame(columns=["data_fraction"])


def sizes(models=("M",), horizons=(96,), seeds=(1, 2), mse: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": "ETTh1",
            "model": model,
            "pred_len": pred_len,
            "seed": seed,
            "arm": arm,
            "width": width,
            "depth": 2,
            "parameters": 9.0,
            "macs_executed": 9.0,
            "latency_1_ms": 1.0,
            "latency_32_ms": 1.0,
            "mse": mse,
            "status": "ok",
            "reason": None,
        }
        for model in models
        for pred_len in horizons
        for seed in seeds
        for arm, width in (("dense longer", 8), ("dense longer", 4), ("fine-tuned", 4))
    )


def row(model: str, low: float, relative: float, high: float, seeds: int = 2, **changes) -> dict:
    """Pruned and fine-tuned against dense at equal parameters; clear where zero lies outside, with two seeds."""
    return {
        "model": model,
        "pred_len": 96,
        "arm": "fine-tuned",
        "width": 4,
        "depth": 2,
        "axis": "parameters",
        "cost": 9.0,
        "match_width": 4.0,
        "match_depth": 2.0,
        "match_cost": 9.0,
        "reason": None,
        "relative": relative,
        "low": low,
        "high": high,
        "seeds": seeds,
        "clear": seeds > 1 and (low > 0 or high < 0),
    } | changes


def said(*rows: dict, **changes) -> str:
    return first_sentence(words.verdict(sizes(**changes), pd.DataFrame(rows), NO_CHOICES, NAIVE))


PRUNED, DENSE, SAME = ("M", -0.07, -0.041, -0.012), ("N", 0.03, 0.1, 0.12), ("K", -0.02, 0.01, 0.04)


def test_no_difference_comes_first_in_plain_words():
    assert said(row(*SAME)) == (
        "On ETTh1, pruning a large forecaster or training one of equal size makes no difference to forecast error "
        "beyond chance for K (-2.0 to +4.0 %)."
    )
    assert said(row(*SAME), row(*PRUNED)) == (
        "On ETTh1, pruning a large forecaster or training one of equal size makes no difference to forecast error "
        "beyond chance in 1 of 2 comparisons; furthest M, pruning -4.1 % (-7.0 to -1.2 %)."
    )


def test_who_wins_has_its_number_its_size_and_its_interval():
    assert said(row(*PRUNED)) == (
        "On ETTh1, pruning a large forecaster beats training one of equal size; pruning leaves 4.1 % less forecast "
        "error (M, 1.2 to 7.0 %)."
    )
    assert said(row(*DENSE), row(*DENSE), row(*SAME)) == (
        "On ETTh1, training a small forecaster beats pruning a large one to its size in 2 of 3 comparisons; pruning "
        "leaves up to 10 % more forecast error (N, 3.0 to 12 %)."
    )
    assert said(row(*DENSE), row(*PRUNED)) == (
        "On ETTh1, neither pruning a large forecaster nor training one of equal size wins throughout: pruning in 1, "
        "training in 1 of 2 comparisons; furthest N, pruning +10 % (+3.0 to +12 %)."
    )


def test_models_no_better_than_a_naive_forecast_are_the_answer_or_its_first_detail():
    assert said(row(*PRUNED), mse=0.95) == (
        "On ETTh1, M does no better than repeating past values, even unpruned, so what pruning changes matters little "
        "(mean of 2 seeds)."
    )
    both = pd.concat([sizes(), sizes(models=("N",), mse=0.95)])
    text = words.verdict(both, pd.DataFrame([row(*PRUNED)]), NO_CHOICES, NAIVE)
    assert first_sentence(text).startswith("On ETTh1, pruning")
    assert details(text).startswith("No size of **N** does better than the best naive forecast (")


@st.composite
def comparisons(draw) -> pd.DataFrame:
    """Differences of their own for some models, horizons, sizes and axes, with and without fine-tuning."""
    models = draw(st.lists(st.sampled_from(["PatchTST", "iTransformer", "M"]), min_size=1, max_size=3, unique=True))
    axes = ["parameters", *draw(st.lists(st.sampled_from([*AXES][1:]), unique=True, max_size=2))]
    rows = []
    for model in models:
        for pred_len in draw(st.sampled_from([(96,), (96, 720)])):
            for width in draw(st.sampled_from([(4,), (4, 16)])):
                for axis in axes:
                    for arm in ("fine-tuned", "pruned"):
                        low, relative, high = sorted(draw(st.tuples(*[st.floats(-0.9, 2)] * 3)))
                        seeds = draw(st.sampled_from([0, 1, 2, 2, 2]))
                        low, relative, high = (low, relative, high) if seeds else (np.nan,) * 3
                        of = {"pred_len": pred_len, "width": width, "axis": axis, "arm": arm}
                        rows.append(row(model, low, relative, high, seeds, **of))
    return pd.DataFrame(rows)


@settings(deadline=None, max_examples=80)
@given(comparisons())
def test_the_first_sentence_is_short_and_agrees_with_the_table(table):
    text = first_sentence(words.verdict(sizes(table["model"].unique(), (96, 720)), table, NO_CHOICES, NAIVE))
    rows = table[(table["axis"] == "parameters") & (table["arm"] == "fine-tuned") & (table["seeds"] > 1)]
    pruned, dense = rows[rows["high"] < 0], rows[rows["low"] > 0]
    same = len(rows) - len(pruned) - len(dense)
    if rows.empty:
        assert "nothing is claimed" in text or "no answer" in text
    elif 2 * same >= len(rows):
        assert "makes no difference" in text and (f"in {same} of {len(rows)} comparisons" in text or len(rows) == 1)
    elif len(pruned) and len(dense):
        assert f"pruning in {len(pruned)}, training in {len(dense)} of {len(rows)} comparisons" in text
    else:
        winner = "pruning a large forecaster beats" if len(pruned) else "training a small forecaster beats"
        won = len(pruned) + len(dense)
        assert winner in text and (f"in {won} of {len(rows)} comparisons" in text or len(rows) == 1)
    clear = pd.concat([pruned, dense])
    if len(clear):
        most = clear.iloc[clear["relative"].abs().to_numpy().argmax()]
        assert most["model"] in text
        size = abs(100 * most["relative"])
        assert f"{size:.{1 if size < 9.95 else 0}f} %" in text


@settings(deadline=None, max_examples=60)
@given(comparisons())
def test_what_the_details_say_of_each_model_and_of_the_unpruned_one_is_so_in_the_table(table):
    models = table["model"].unique()
    text = details(words.verdict(sizes(models, (96, 720)), table, NO_CHOICES, NAIVE))
    rows = table[(table["axis"] == "parameters") & (table["arm"] == "fine-tuned")]
    clauses = re.search(r"At equal parameters: (.*?)\. ", text + " ").group(1).split("; ")
    for model, clause in zip(models, clauses, strict=True):
        own = rows[(rows["model"] == model) & (rows["seeds"] > 1)]
        assert ("fine-tuned beats it" in clause) == (own["high"] < 0).any()
        assert bool(re.search(r"dense d_model \d+(, horizon \d+,)? beats", clause)) == (own["low"] > 0).any()
        assert ("do not differ" in clause) == (len(own) > 0 and not own["clear"].any())
        assert ("cannot be compared" in clause) == own.empty
    whole = table[(table["axis"] == WHOLE) & (table["arm"] == "fine-tuned") & (table["seeds"] > 1)]
    counted = re.search(r"not pruned, the pruned and fine-tuned ones are (.*?) of (\d+)", text)
    assert bool(counted) == (len(whole) > 0)
    if counted:
        assert int(counted.group(2)) == len(whole)
        told = {word: int(count) for word, count in re.findall(r"(worse|better|noise) in (\d+)", counted.group(1))}
        found = {
            "worse": (whole["low"] > 0).sum(),
            "better": (whole["high"] < 0).sum(),
            "noise": (~whole["clear"]).sum(),
        }
        assert told == {word: count for word, count in found.items() if count}


@settings(deadline=None, max_examples=30)
@given(comparisons())
def test_the_counts_add_up_to_the_rows_of_the_table(table):
    rows, _ = read(tables.counts(table))
    shown = [[int(cell) for cell in line[1:]] for line in rows[1:]]
    assert sum(line[-1] for line in shown) == len(table)
    assert all(sum(line[:-1]) == line[-1] for line in shown)
    assert [cell for cell in rows[0] if cell][:2] == ["pruned wins", "dense wins"]


def test_counts_say_what_is_equal_and_what_was_not_fine_tuned():
    table = pd.DataFrame([row(*PRUNED), row(*SAME), row(*DENSE, arm="pruned"), row(*SAME, axis=WHOLE)])
    rows, _ = read(tables.counts(table))
    assert rows[1:] == [
        ["equal parameters", "1", "0", "1", "2"],
        ["against the large one, not pruned", "0", "0", "1", "1"],
        ["equal parameters, without fine-tuning", "0", "1", "0", "1"],
    ]
