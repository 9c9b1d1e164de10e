"""Study 03's verdict: its first sentence, and that it says nothing that its tables deny."""

import re

import numpy as np
import pandas as pd
import pytest
from compared import interval
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import details, first_sentence, read

from tsprune.report.text import amount, counted
from tsprune.study.right_sizing import tables, words
from tsprune.study.right_sizing.result import AXES, RIVALS, WHOLE

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
            "training_macs": 50.0 if arm == "distilled" else 20.0,
            "training_macs_large": 30.0 if arm == "distilled" else 0.0,
            "training_s": 2.0,
            "training_s_large": 0.0,
            "training_mib": 512.0,
            "mse": mse,
            "status": "ok",
            "reason": None,
        }
        for model in models
        for pred_len in horizons
        for seed in seeds
        for arm, width in (("dense longer", 8), ("dense longer", 4), ("fine-tuned", 4), ("distilled", 4))
    )


def row(model: str, low: float, relative: float, high: float, seeds: int = 2, **changes) -> dict:
    """Pruned and fine-tuned against the best dense one as small, which is the largest; clear where 0 lies outside."""
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
        "largest_width": 4.0,
        "largest_depth": 2.0,
        "largest_relative": relative,
        "largest_clear": interval(low, relative, high, seeds)["clear"],
        "largest_seeds": seeds,
        "reason": None,
        **interval(low, relative, high, seeds),
    } | changes


def taught(model: str, rival: str, low: float, relative: float, high: float, seeds: int = 2, **changes) -> dict:
    """Distilled against a rival; clear where zero lies outside, with two seeds."""
    return {
        "model": model,
        "pred_len": 96,
        "width": 4,
        "depth": 2,
        "rival": rival,
        "match_width": 4.0,
        "match_depth": 2.0,
        "reason": None,
        **interval(low, relative, high, seeds),
    } | changes


TAUGHT = pd.DataFrame([taught("M", "alone", -0.05, -0.02, 0.01)])


def verdict(of_sizes, comparison, distilled=TAUGHT) -> str:
    return words.verdict(of_sizes, comparison, distilled, NO_CHOICES, NAIVE)


def said(*rows: dict, **changes) -> str:
    return first_sentence(verdict(sizes(**changes), pd.DataFrame(rows)))


PRUNED, DENSE, SAME = ("M", -0.07, -0.041, -0.012), ("N", 0.03, 0.1, 0.12), ("K", -0.02, 0.01, 0.04)


def test_a_wide_interval_is_not_called_no_difference():
    assert said(row("K", -0.11, 0.34, 1.1)) == (
        "On ETTh1, these seeds cannot tell whether pruning a large forecaster beats training a small one for "
        "K (-11 to +110 %)."
    )
    assert said(row(*SAME)) == (
        "On ETTh1, pruning a large forecaster and training a small one end within 5 % of each other's error for K "
        "(-2.0 to +4.0 %)."
    )
    text = verdict(sizes(), pd.DataFrame([row("K", -0.11, 0.34, 1.1), row(*SAME)]))
    assert first_sentence(text).endswith("beats training a small one in 1 of 2 comparisons (-11 to +110 %).")
    assert "for **K** the two cannot be told apart with these seeds" in details(text)
    assert "for **K** the two end within 5 % of each other" in details(verdict(sizes(), pd.DataFrame([row(*SAME)])))


def test_who_wins_has_its_number_its_size_and_its_interval():
    assert said(row(*PRUNED)) == (
        "On ETTh1, pruning a large forecaster beats training a small one; pruning leaves 4.1 % less forecast error "
        "(M, 1.2 to 7.0 %)."
    )
    assert said(row(*DENSE), row(*DENSE), row("K", -0.11, 0.34, 1.1)) == (
        "On ETTh1, training a small forecaster beats pruning a large one in 2 of 3 comparisons; pruning leaves up "
        "to 10 % more forecast error (N, 3.0 to 12 %); 1 is unclear."
    )
    assert said(row(*DENSE), row(*PRUNED)) == (
        "On ETTh1, pruning a large forecaster beats training a small one in 1 of 2 comparisons and loses in 1 "
        "(largest: N, error +10 %, +3.0 to +12 %)."
    )


def test_more_error_of_the_one_is_not_called_as_much_less_of_the_other():
    text = details(verdict(sizes(), pd.DataFrame([row("M", 0.002, 0.37, 1.08)])))
    assert "d_model 8 pruned to the size of d_model 4 and fine-tuned has 37 % more error than dense" in text
    assert "beats" not in text


def test_what_pruning_did_not_come_down_to_is_not_called_that_size():
    floor = sizes()
    floor.loc[floor["arm"] == "fine-tuned", "parameters"] = 22.0  # of the dense one of that width 9
    text = details(verdict(floor, pd.DataFrame([row("M", 0.1, 0.2, 0.3, cost=22.0)])))
    assert (
        "d_model 8 pruned towards the size of d_model 4, to 2.4 times its parameters, and fine-tuned has 20 %" in text
    )
    assert "than dense d_model 4 x 2, which has 41 % of its parameters (95 % interval 10 to 30 %)" in text
    assert text.endswith("Pruning did not get down to the parameters of **M** at d_model 4 (2.4 times as many).")
    rows, _ = read(tables.sizes(floor))
    assert [line for line in rows if "4 x 2 (2.4 times)" in line]
    floor.loc[floor["arm"] == "fine-tuned", "parameters"] = 9.4
    assert "towards the size of" not in details(verdict(floor, pd.DataFrame([row("M", 0.1, 0.2, 0.3)])))


def test_models_no_better_than_a_naive_forecast_are_the_answer_or_its_first_detail():
    assert said(row(*PRUNED), mse=0.95) == (
        "On ETTh1, M does no better than repeating past values, even unpruned, so what pruning changes matters little "
        "(mean of 2 seeds)."
    )
    both = pd.concat([sizes(), sizes(models=("N",), mse=0.95)])
    text = verdict(both, pd.DataFrame([row(*PRUNED)]))
    assert first_sentence(text).startswith("On ETTh1, pruning")
    assert details(text).startswith("No size of **N** does better than the best naive forecast (")


def test_a_horizon_without_a_naive_result_is_named_and_not_taken_for_one_that_is_beaten():
    lost = NAIVE.assign(mse=NAIVE["mse"].where(NAIVE["pred_len"] != 720))
    rows = pd.DataFrame([row(*PRUNED)])
    none = {"distilled": TAUGHT, "choices": pd.DataFrame()}
    text = words.verdict(sizes(horizons=(96, 720), mse=0.95), rows, naive=lost, **none)
    assert first_sentence(text).startswith("On ETTh1, M does no better than repeating past values at horizon 96, even")
    assert "Repeating past values has no result at horizon 720: forecasters are not judged by it there." in text


@st.composite
def matches(draw, axis: str, relative: float, seeds: int) -> dict:
    """The match, and the largest dense model that costs as little: the same, or another with its own difference."""
    size = st.sampled_from([4.0, 8.0])
    found = {"match_width": draw(size), "largest_width": draw(size)}
    if axis == WHOLE or not seeds:
        lost = dict.fromkeys(("largest_width", "largest_relative"), np.nan)
        return found | lost | {"largest_clear": False, "largest_seeds": 0}
    if found["match_width"] == found["largest_width"]:
        return found
    largest = draw(st.floats(-0.9, 2))
    return found | {"largest_relative": largest, "largest_clear": seeds > 1 and largest != 0 and draw(st.booleans())}


@st.composite
def distillations(draw) -> pd.DataFrame:
    """Differences of their own for some models, sizes and rivals."""
    rows = []
    for model in draw(st.lists(st.sampled_from(["PatchTST", "M"]), min_size=1, max_size=2, unique=True)):
        for width in draw(st.sampled_from([(4,), (4, 16)])):
            for rival in RIVALS:
                low, relative, high = sorted(draw(st.tuples(*[st.floats(-0.9, 2)] * 3)))
                seeds = draw(st.sampled_from([0, 1, 2, 2, 2]))
                low, relative, high = (low, relative, high) if seeds else (np.nan,) * 3
                rows.append(taught(model, rival, low, relative, high, seeds, width=width))
    return pd.DataFrame(rows)


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
                        rows.append(row(model, low, relative, high, seeds, **of) | draw(matches(axis, relative, seeds)))
    return pd.DataFrame(rows)


def the_first_sentence_is_short_and_agrees_with_the_table(table, said):
    text = first_sentence(said)
    rows = table[(table["axis"] == "parameters") & (table["arm"] == "fine-tuned") & (table["seeds"] > 1)]
    pruned, dense = rows[rows["high"] < 0], rows[rows["low"] > 0]
    same = len(rows) - len(pruned) - len(dense)
    if rows.empty:
        assert "nothing is claimed" in text or "no answer" in text
    elif same == len(rows):
        small = rows[(rows["low"] >= -0.05) & (rows["high"] <= 0.05)]
        assert ("cannot tell" in text) == (len(small) < same) and ("within 5 %" in text) == (len(small) == same)
        told = len(rows) - len(small) or same
        assert f"in {told} of {len(rows)} comparisons" in text or len(rows) == 1
    elif len(pruned) and len(dense):
        assert f"small one in {len(pruned)} of {len(rows)} comparisons and loses in {len(dense)} " in text
    else:
        winner = "pruning a large forecaster beats" if len(pruned) else "training a small forecaster beats"
        won = len(pruned) + len(dense)
        assert winner in text and (f"in {won} of {len(rows)} comparisons" in text or len(rows) == 1)
    clear = pd.concat([pruned, dense])
    if len(clear):
        most = clear.iloc[clear["relative"].abs().to_numpy().argmax()]
        assert most["model"] in text
        assert amount(most["relative"]).replace("\u00a0", " ") in text


def what_the_details_say_of_each_model_and_of_the_unpruned_one_is_so_in_the_table(table, said):
    models = table["model"].unique()
    text = details(said)
    rows = table[(table["axis"] == "parameters") & (table["arm"] == "fine-tuned")]
    clauses = re.search(r"with no more parameters: (for .*?)\. (?=[A-Z]|$)", text + " ").group(1).split("; for ")
    for model, clause in zip(models, clauses, strict=True):
        own = rows[(rows["model"] == model) & (rows["seeds"] > 1)]
        assert (bool(re.search(r"less error( at horizon \d+)? than", clause))) == (own["high"] < 0).any()
        assert (bool(re.search(r"more error( at horizon \d+)? than", clause))) == (own["low"] > 0).any()
        assert ("the two" in clause) == (len(own) > 0 and not own["clear"].any())
        assert ("there is none to compare" in clause) == own.empty
    whole = table[(table["axis"] == WHOLE) & (table["arm"] == "fine-tuned") & (table["seeds"] > 1)]
    counted = re.search(r"Against the unpruned d_model 8, pruned and fine-tuned models are (.*?) of (\d+)", text)
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


def outcome(relative: float, clear: bool, seeds: int) -> str:
    if np.isnan(relative):
        return "lost"
    return "one seed" if seeds < 2 else "noise" if not clear else "better" if relative < 0 else "worse"


def that_the_choice_of_the_match_matters_is_said_where_it_does(table, said):
    text = details(said)
    rows = table[(table["arm"] == "fine-tuned") & table["largest_width"].notna()]
    other = rows[rows["largest_width"] != rows["match_width"]]
    changed = sum(
        outcome(r["relative"], r["clear"], r["seeds"])
        != outcome(r["largest_relative"], r["largest_clear"], r["largest_seeds"])
        for r in other.to_dict("records")
    )
    if rows.empty:
        assert "how the match is chosen" not in text and "by validation is" not in text
    elif other.empty:
        every = counted(len(rows), "comparison")
        assert f"In {len(rows)} of {every} the dense model chosen by validation is the costliest" in text
        assert "how the match is chosen makes no difference" in text
    else:
        of = f"{len(other)} of {counted(len(rows), 'comparison')}"
        assert f"In {of} the dense model chosen by validation is not the" in text
        assert (f"against the costliest, {counted(changed, 'outcome')} would change." in text) == (changed > 0)
        assert ("how the match is chosen makes no difference" in text) == (changed == 0)


@settings(deadline=None, max_examples=25)
@given(distillations())
def test_what_a_teacher_brings_is_so_in_the_table(table):
    text = details(verdict(sizes(), pd.DataFrame([row(*SAME)]), table))
    told = {
        "alone": "against the same sizes trained alone",
        "fine-tuned": "against d_model 8 pruned towards their size and fine-tuned",
        WHOLE: "against d_model 8 itself",
    }
    for rival, against in told.items():
        rows = table[(table["rival"] == rival) & (table["seeds"] > 1)]
        counts_of = r"((?:clearly|within) [a-z0-9, ]+) of (\d+) "
        found = re.search(counts_of + against + r"(?: \(largest, (.*?): ([-+][\d.]+) %)?", text)
        assert bool(found) == (len(rows) > 0)
        if not found:
            continue
        counted, of, who, size = found.groups()
        assert int(of) == len(rows)
        counts = {
            "worse": (rows["low"] > 0).sum(),
            "better": (rows["high"] < 0).sum(),
            "noise": (~rows["clear"]).sum(),
        }
        assert {word: int(n) for word, n in re.findall(r"(worse|better|noise) in (\d+)", counted)} == {
            word: n for word, n in counts.items() if n
        }
        clear = rows[rows["clear"]]
        assert (who is None) == clear.empty
        if who:
            most = clear.iloc[clear["relative"].abs().to_numpy().argmax()]
            assert who == f"**{most['model']}** d_model {most['width']}"
            assert float(size) == pytest.approx(100 * most["relative"], rel=0.06, abs=0.051)


def test_what_a_teacher_costs_is_told_beside_training_alone():
    text = details(verdict(sizes(), pd.DataFrame([row(*SAME)])))
    assert (
        "Small models also taught by the forecasts of d_model 8 are within the noise in 1 of 1 against the same sizes "
        "trained alone. Counting the training of the large model, distilling takes 2.5" in text
    )
    assert "distilling takes" not in details(verdict(sizes().query("arm != 'distilled'"), pd.DataFrame([row(*SAME)])))


def the_counts_add_up_to_the_rows_of_the_table(table, said):
    rows, _ = read(tables.counts(table))
    shown = [[int(cell) for cell in line[1:-1]] for line in rows[1:]]
    assert sum(line[-1] for line in shown) == len(table)
    assert all(sum(line[:-1]) == line[-1] for line in shown)
    assert [cell for cell in rows[0] if cell][:2] == ["pruned wins", "dense wins"]


@settings(deadline=None, max_examples=30)
@given(comparisons())
def test_what_is_said_and_counted_is_what_the_table_says(table):
    """One example for all: to say it takes longer than to check it."""
    said = verdict(sizes(table["model"].unique(), (96, 720)), table)
    for agrees in (
        the_first_sentence_is_short_and_agrees_with_the_table,
        what_the_details_say_of_each_model_and_of_the_unpruned_one_is_so_in_the_table,
        that_the_choice_of_the_match_matters_is_said_where_it_does,
        the_counts_add_up_to_the_rows_of_the_table,
    ):
        agrees(table, said)


def test_counts_say_what_is_equal_and_what_was_not_fine_tuned():
    table = pd.DataFrame([row(*PRUNED), row(*SAME), row(*DENSE, arm="pruned"), row(*SAME, axis=WHOLE)])
    rows, _ = read(tables.counts(table))
    assert [row[:-1] for row in rows[1:]] == [
        ["dense one of no more parameters", "1", "0", "1", "2"],
        ["against the large one, not pruned", "0", "0", "1", "1"],
        ["dense one of no more parameters, without fine-tuning", "0", "1", "0", "1"],
    ]


def test_the_table_of_distilled_models_has_a_column_per_rival_and_marks_noise():
    table = pd.DataFrame(
        [
            taught("M", "alone", -0.07, -0.041, -0.012),
            taught("M", "affordable", -0.05, -0.02, 0.01, match_width=8.0, match_depth=1.0),
            taught("M", WHOLE, np.nan, np.nan, np.nan, 0, reason="no seed with a result on both sides"),
        ]
    )
    rows, classes = read(tables.distilled(table))
    assert rows[-1][1:] == ["4 x 2", "−4.1 (−7.0…−1.2)", "−2.0 (−5.0…1.0) [8 x 1]", "no result"]
    assert "fallen" in classes["−2.0 (−5.0…1.0) [8 x 1]"]
    assert "fallen" not in classes["−4.1 (−7.0…−1.2)"]


def test_the_table_of_training_names_the_large_ones_part():
    rows, _ = read(tables.training(sizes()))
    assert [line[-4:] for line in rows[2:]] == [
        ["8 x 2", "20", "2.0", "512"],
        ["4 x 2", "20", "2.0", "512"],
        ["4 x 2", "20", "2.0", "512"],
        ["4 x 2", "50 (60 %)", "2.0", "512"],
    ]
    assert [line[-5] for line in rows[2:] if len(line) > 4] == ["dense", "pruned and fine-tuned", "distilled"]
