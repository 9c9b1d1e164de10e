"""Intervals by hand, and no verdict beyond its interval."""

import math

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsprune.measure import Difference
from tsprune.report.text import NBSP
from tsprune.study.claims.judge import by_case, interval, of_each, of_mean, of_share, of_some, wilson
from tsprune.study.claims.result import AGAINST, CANNOT, DOES_NOT, FOR, HOLDS, IN_PART, UNCLEAR


def values(cases: list[list[float]]) -> pd.DataFrame:
    """A row per case and seed; the models are numbered."""
    rows = [
        {"dataset": "ETTh1", "model": f"m{case}", "pred_len": 96, "recipe": "r", "size": "s", "case": "", "seed": seed}
        | {"value": value}
        for case, own in enumerate(cases)
        for seed, value in enumerate(own)
    ]
    return pd.DataFrame(rows, columns=["dataset", "model", "pred_len", "recipe", "size", "case", "seed", "value"])


def test_intervals_by_hand():
    assert interval([2.0]) == (2.0, -math.inf, math.inf)
    assert interval([1.0, 3.0]) == pytest.approx((2.0, 2 - 12.706, 2 + 12.706), rel=1e-4)
    assert interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5), abs=1e-3)
    _, low, _ = interval([0.0, 1.0] * 10)  # 19 degrees of freedom: t = 2.093
    assert low == pytest.approx(0.5 - 2.093 * (5 / 19) ** 0.5 / 20**0.5, rel=2e-3)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 10)[0] == pytest.approx(0, abs=1e-9)


def test_a_case_speaks_only_where_its_whole_interval_does_and_with_seeds_enough():
    cases = by_case(values([[1.0, 1.01, 1.0], [1.2, 1.21, 1.2], [1.0, 1.1, 1.05], [1.0, 1.0]]), (-math.inf, 1.05), 3)
    assert cases["model"].to_list() == ["m0", "m1", "m2"]
    assert cases["outcome"].to_list() == [FOR, AGAINST, UNCLEAR]


def test_a_timing_brings_its_own_range():
    timed = values([[1.5]]).assign(low=1.2, high=1.8)
    assert by_case(timed, (1.0, 2.0), 3)["outcome"].to_list() == [FOR]
    assert by_case(timed, (1.3, 2.0), 3)["outcome"].to_list() == [UNCLEAR]


def test_what_makes_no_difference_at_all_speaks_for_no_claim():
    for bounds in ((1, math.inf), (-math.inf, 1)):
        assert by_case(values([[1.0, 1.0]]), bounds, 2)["outcome"].to_list() == [UNCLEAR]


def test_errors_by_window_are_paired_where_they_were_kept():
    one = values([[1.25, 1.25]]).assign(key=["a1", "a2"], other=["b1", "b2"])
    asked = []

    def paired(keys, others):
        asked.append((keys, others))
        return Difference(relative=0.25, low=0.2, high=0.3, seeds=2, windows=10)

    found = by_case(one[::-1], (1.1, 2.0), 2, paired)
    assert asked == [(["a1", "a2"], ["b1", "b2"])]
    assert found[["mean", "low", "high", "outcome"]].to_numpy().tolist() == [[1.25, 1.2, 1.3, FOR]]
    assert by_case(one, (1.22, 2.0), 2, lambda keys, others: None)["outcome"].to_list() == [FOR]


def test_many_windows_of_few_seeds_say_no_more_of_other_seeds():
    one = values([[1.2, 1.3]]).assign(key=["a1", "a2"], other=["b1", "b2"])
    narrow = Difference(relative=0.25, low=0.2, high=0.3, seeds=2, windows=10)
    case = by_case(one, (1.1, 2.0), 2, lambda keys, others: narrow).iloc[0]
    half = 12.706 * 0.05  # Student's t of one degree of freedom, times the standard error of the two
    assert case[["mean", "low", "high"]].to_list() == pytest.approx([1.25, 1.25 - half, 1.25 + half], rel=1e-4)
    assert case["outcome"] == UNCLEAR


def test_a_seed_that_ran_twice_counts_once_on_the_device_of_most_seeds():
    ran = values([[1.0, 2.0, 3.0, 9.0]]).assign(device=["cpu", "cuda", "cuda", "cpu"])
    ran["seed"] = [1, 2, 3, 2]
    case = by_case(ran, (0, 1), 2).iloc[0]
    assert (case["seeds"], case["mean"]) == (3, pytest.approx((1 + 9 + 3) / 3)), "cpu stands before cuda at a tie"
    ran.loc[3, "seed"] = 3
    ran.loc[3, "device"] = "cuda"
    ran.loc[2, "device"] = "cpu"
    ran.loc[2, "seed"] = 2
    assert by_case(ran, (0, 1), 2).iloc[0]["mean"] == pytest.approx((1 + 3 + 9) / 3)


def test_of_rows_that_nothing_tells_apart_the_same_one_counts_in_any_order():
    ran = values([[1.0, 2.0, 9.0]]).assign(seed=[1, 2, 2], device="cpu", key=["a", "b", "c"])
    assert by_case(ran, (0, 1), 2).iloc[0]["mean"] == by_case(ran[::-1], (0, 1), 2).iloc[0]["mean"] == 1.5


def test_of_two_recipes_the_one_counts_that_most_seeds_have():
    ran = values([[1.0, 2.0, 6.0, 8.0]]).assign(seed=[1, 2, 1, 2], recipe=["b", "b", "a", "a"])
    assert by_case(ran, (0, 1), 2)["mean"].to_list() == [7.0], "of as many the first by name"
    ran = ran.assign(seed=[1, 2, 3, 1], recipe=["b", "b", "b", "a"])
    assert by_case(ran, (0, 1), 2)["mean"].to_list() == [3.0]


def test_of_yes_and_no_the_interval_is_wilsons():
    case = by_case(values([[1, 1, 1]]).astype({"value": bool}), (0.5, math.inf), 2).iloc[0]
    assert case[["mean", "low", "high"]].to_list() == pytest.approx([1, *wilson(3, 3)])
    assert case["outcome"] == UNCLEAR  # three of three may be one of two as well


@pytest.mark.parametrize(
    ("now", "before", "outcome"),
    [(0.9, 1.0, FOR), (1.1, 1.3, AGAINST), (0.9, 0.8, AGAINST), (0.9, 0.9, UNCLEAR), (1.0, 1.2, UNCLEAR)],
)
def test_what_is_held_against_before_counts_only_where_both_say_so(now, before, outcome):
    cases = values([[now, now]]).assign(before=before)
    case = by_case(cases, (-math.inf, 1), 2).iloc[0]
    assert (case["mean"], case["outcome"]) == (pytest.approx(now), outcome)


def judged(*outcomes: str) -> str:
    return of_each(pd.DataFrame({"outcome": outcomes}), 3).verdict


def test_a_claim_holds_where_four_of_five_cases_say_so_and_does_not_where_more_than_half_deny_it():
    assert judged(FOR, FOR, FOR, FOR, AGAINST) == HOLDS
    assert judged(FOR, FOR, FOR, AGAINST) == IN_PART
    assert judged(AGAINST, AGAINST, AGAINST, AGAINST, FOR) == DOES_NOT
    assert judged(AGAINST, AGAINST, AGAINST, UNCLEAR) == DOES_NOT  # and none for it
    assert judged(AGAINST, AGAINST, AGAINST, UNCLEAR, FOR) == DOES_NOT
    assert judged(AGAINST, AGAINST, AGAINST, FOR) == DOES_NOT
    assert judged(AGAINST, AGAINST, FOR, UNCLEAR) == CANNOT
    assert judged(AGAINST, AGAINST, FOR, FOR) == IN_PART
    assert judged(AGAINST, AGAINST, UNCLEAR, UNCLEAR) == CANNOT
    assert judged(FOR, FOR) == CANNOT
    assert judged(FOR, UNCLEAR, UNCLEAR) == CANNOT


def test_that_there_are_such_cases_takes_two_of_them():
    def some(*outcomes):
        return of_some(pd.DataFrame({"outcome": outcomes}), 3).verdict

    assert some(FOR, FOR, AGAINST, AGAINST, AGAINST) == HOLDS
    assert some(FOR, AGAINST, AGAINST) == some(FOR, UNCLEAR, UNCLEAR) == IN_PART
    assert some(AGAINST, AGAINST, UNCLEAR) == DOES_NOT
    assert some(AGAINST, UNCLEAR, UNCLEAR) == some(FOR, FOR) == CANNOT


def test_that_there_are_such_cases_takes_more_of_them_than_chance_gives_among_many():
    """Of cases that make no difference one in forty is for the claim: of 40 three or fewer in 98 of 100 tries."""

    def some(own, cases):
        return of_some(pd.DataFrame({"outcome": [FOR] * own + [AGAINST] * (cases - own)}), 3).verdict

    assert [some(own, 40) for own in (0, 1, 2, 3, 4)] == [DOES_NOT, DOES_NOT, IN_PART, IN_PART, HOLDS]
    assert [some(2, cases) for cases in (10, 11)] == [HOLDS, IN_PART]


def of_three(means) -> pd.DataFrame:
    """Cases of as many datasets as a claim about all of them needs, each of its own forecaster."""
    rows = [{"mean": mean, "dataset": f"data {i % 3}", "model": f"m{i}"} for i, mean in enumerate(means)]
    return pd.DataFrame(rows, columns=["mean", "dataset", "model"])


def test_a_mean_holds_where_its_interval_lies_within():
    def mean(*found):
        return of_mean(of_three(found), 2, (0.55, 0.75))

    assert mean(0.64, 0.65, 0.66) == (HOLDS, f"65{NBSP}% on average over 3 cases, 63{NBSP}% to 67{NBSP}%")
    assert mean(0.90, 0.90, 0.89).verdict == DOES_NOT
    assert mean(0.3, 0.9, 0.6).verdict == CANNOT
    assert mean(0.65, 0.65) == (CANNOT, "2 cases on 2 of the 3 datasets that it takes")
    assert mean() == (CANNOT, "0 cases")


def test_the_horizons_of_a_forecaster_on_a_dataset_are_one_case():
    """Their windows have most rows in common: three horizons of one dataset stand for no three datasets."""
    twice = pd.concat([of_three([0.6, 0.65, 0.7]), of_three([0.7, 0.65, 0.6])])
    assert of_mean(twice, 2, (0.55, 0.75)) == of_mean(of_three([0.65] * 3), 2, (0.55, 0.75))
    better_by_mean = pd.concat([of_three([0.7, 1.2, 0.9]), of_three([1.2, 0.9, 0.9])])
    told = of_share(better_by_mean, 3, (-math.inf, 1), 0.4)
    assert told.basis.startswith("so in 2 of 3 cases")


def test_a_count_is_held_against_theirs_by_wilsons_interval():
    def share(better, of):
        return of_share(of_three([0.9] * better + [1.1] * (of - better)), 3, (-math.inf, 1), 0.4)

    assert share(12, 30) == (HOLDS, f"so in 12 of 30 cases by their means, 25{NBSP}% to 58{NBSP}%")
    assert share(0, 30).verdict == DOES_NOT
    assert share(2, 5).verdict == CANNOT
    assert share(2, 10).verdict == CANNOT  # which may be as well one of twenty as theirs


def test_what_a_verdict_of_counts_rests_on_is_told():
    told = of_each(pd.DataFrame({"outcome": [FOR, FOR, FOR, AGAINST, UNCLEAR]}), 3)
    assert told == (IN_PART, "3 of 5 cases for it, 1 against")


@given(st.lists(st.lists(st.floats(0.5, 2), min_size=2, max_size=4), min_size=1, max_size=8))
@settings(max_examples=30)
def test_no_verdict_says_more_than_the_intervals(cases):
    found = by_case(values(cases), (-math.inf, 1.05), 2)
    verdict = of_each(found, 3).verdict
    inside, outside = (found["high"] <= 1.05).sum(), (found["low"] > 1.05).sum()
    if verdict == HOLDS:
        assert inside >= 0.8 * len(cases) and len(cases) >= 3
    if verdict == DOES_NOT:
        assert outside > len(cases) / 2 and len(cases) >= 3
    if verdict == IN_PART:
        assert inside >= max(1, outside) and inside + outside >= len(cases) / 2
