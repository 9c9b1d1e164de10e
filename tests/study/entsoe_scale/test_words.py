"""Study 04's verdict: its first sentence, and that it says nothing that its tables deny."""

import re

import numpy as np
import pandas as pd
import pytest
from compared import interval
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import details, first_sentence, read

from tsprune.report.frames import NoRows
from tsprune.report.text import amount, error_text
from tsprune.study.entsoe_scale import tables, words
from tsprune.study.entsoe_scale.result import DIFFERENCES, QUESTIONS, STRUCTURES, to_beat

WINDOWS = (100, 1000)
NAIVE = pd.DataFrame({"pred_len": [24, 96], "model": "SeasonalNaive", "mse": 0.5, "mae": 0.4})
SIZES = [("dense", w, None, 1.0) for w in (16, 32, 64)] + [("dense longer", w, None, 1.0) for w in (16, 32, 64)]
SIZES += [
    (arm, 64, structure, d)
    for arm in ("pruned", "fine-tuned")
    for structure in ("structured", "unstructured")
    for d in (0.3, 0.1)
]


def cells(values: dict | None = None, models=("M",), horizons=(24,), mse: float = 0.4) -> pd.DataFrame:
    """Every size; ``values`` has the MSE by model, horizon, windows and place among the sizes, where it differs."""
    return pd.DataFrame(
        {
            "dataset": "grid",
            "model": model,
            "pred_len": pred_len,
            "seed": seed,
            "arm": arm,
            "width": width,
            "structure": structure,
            "density_asked": density,
            "data_fraction": n / 1000,
            "windows_train": n,
            "parameters_left": 9.0,
            "mse": (values or {}).get((model, pred_len, n, place), mse),
            "mse_relative": 0.7,
            "status": "ok",
            "reason": None,
        }
        for model in models
        for pred_len in horizons
        for n in WINDOWS
        for place, (arm, width, structure, density) in enumerate(SIZES)
        for seed in (1, 2)
    )


def chosen(widths: dict[tuple, tuple[int, ...]], told: dict[tuple, bool] | None = None) -> pd.DataFrame:
    """Widths that validation chooses, by model and horizon, with few and with many windows; ``told``: whether it can
    tell them apart with few."""
    return pd.DataFrame(
        {
            "model": m,
            "pred_len": h,
            "data_fraction": n / 1000,
            "windows_train": n,
            "width": width,
            "mse": 0.25,
            "told": n == 1000 or (told or {}).get((m, h), True),
            "by_seed": (width,),
            "seeds": 2,
        }
        for (m, h), found in widths.items()
        for n, width in zip(WINDOWS, found, strict=False)
    )


ASKED = [(question, d) for question in QUESTIONS for d in ((0.3, 0.1) if question in STRUCTURES else (1.0,))]


@st.composite
def runs(draw) -> tuple[pd.DataFrame, ...]:
    models = draw(st.lists(st.sampled_from(["iTransformer", "PatchTST", "M"]), min_size=1, max_size=3, unique=True))
    horizons = draw(st.sampled_from([(24,), (24, 96)]))
    width = st.sampled_from([16, 32, 64])
    widths = {(m, h): draw(st.tuples(width, width)) for m in models for h in horizons}
    told = {case: draw(st.sampled_from([True, True, False])) for case in widths}
    values = {
        (m, h, n, place): draw(st.floats(0.2, 0.6))
        for m in models
        for h in horizons
        for n in WINDOWS
        for place in range(len(SIZES))
    }
    rows = []
    for (m, h), (few, many) in widths.items():
        for n in WINDOWS:
            for question, density in ASKED:
                if question == "best" and few == many:
                    continue
                low, relative, high = sorted(draw(st.tuples(*[st.floats(-0.9, 2)] * 3)))
                seeds = draw(st.sampled_from([0, 1, 2, 2, 2]))
                low, relative, high = (low, relative, high) if seeds else (np.nan,) * 3
                ours, others = (
                    (f"d_model {many}", f"d_model {few}") if question == "best" else ("d_model 64", "d_model 16")
                )
                if question in STRUCTURES:
                    ours, others = f"d_model 64, {question} {density}, fine-tuned", "d_model 32, trained as long"
                rows.append(
                    {
                        "model": m,
                        "pred_len": h,
                        "windows_train": n,
                        "question": question,
                        "density": density,
                        "ours": ours,
                        "others": others,
                        "share_ours": 0.1,
                        "share_others": 0.1,
                        **interval(low, relative, high, seeds),
                    }
                )
    return cells(values, models, horizons), chosen(widths, told), pd.DataFrame(rows), NAIVE


def the_first_sentence_is_short_and_agrees_with_the_tables(run, verdict):
    table, widths, differences, _ = run
    text = first_sentence(verdict)
    best = table.groupby(
        ["model", "pred_len", "windows_train", "arm", "width", "structure", "density_asked"], dropna=False
    )["mse"].mean()
    if (best.groupby(level=[0, 1]).min() >= 0.5).all():
        assert "no better than repeating the value one season before" in text
        return
    kinds, gaps = [], []
    for (model, pred_len), own in widths.groupby(["model", "pred_len"], sort=False):
        few, many = own.sort_values("windows_train")["width"]
        row = differences[(differences["model"] == model) & (differences["pred_len"] == pred_len)]
        row = row[(row["question"] == "best") & (row["windows_train"] == 1000)]
        if not own["told"].all():
            kinds.append("untold")
        elif few == many:
            kinds.append("same")
        elif row["relative"].isna().all():
            kinds.append("unknown")
        elif not row["clear"].item():
            small = row["low"].item() >= -0.05 and row["high"].item() <= 0.05
            kinds.append("one seed" if row["seeds"].item() < 2 else "alike" if small else "noise")
        else:
            kinds.append("misjudged" if row["low"].item() > 0 else "bigger" if many > few else "smaller")
            gaps.append((abs(row["relative"].item()), model, few, many))
    settled = kinds.count("same") + kinds.count("alike")
    claims = {
        "bigger": "more data needs a bigger",
        "smaller": "more data needs a smaller",
        "misjudged": "picks the wrong",
    }
    said = [kind for kind, claim in claims.items() if claim in text]
    if settled >= len(gaps) and settled:
        small = "less than 5 % difference to which" in text or "under 5 % difference" in text
        assert ("makes no difference" in text or small) and not said
        assert small == ("alike" in kinds)
        assert len(kinds) == 1 or f"in {settled} of {len(kinds)} cases" in text
    elif gaps:
        (kind,) = said
        assert kinds.count(kind) == max(kinds.count(other) for other in claims)
        assert len(kinds) == 1 or f"in {kinds.count(kind)} of {len(kinds)} cases" in text
    else:
        assert "cannot be said" in text or "nothing is claimed" in text or "cannot tell" in text
    if found := re.search(r"([\d.]+) % (less|more) forecast error at width (\d+) than at (\d+)", text):
        size, _, ours, others = found.groups()
        assert any(
            (few, many) == (int(others), int(ours)) and amount(gap).split("\u00a0")[0] == size
            for gap, _, few, many in gaps
        )


def the_best_row_and_the_pruned_sizes_below_dense_are_those_of_the_table(run, verdict):
    table = run[0]
    text = details(verdict)
    lines = [line for line in text.split("\n") if line.startswith("- **")]
    groups = table[table["windows_train"] == 1000].groupby(["model", "pred_len"], sort=False)
    for line, (_, own) in zip(lines, groups, strict=True):
        means = own.groupby(["arm", "width", "structure", "density_asked"], sort=False, dropna=False)["mse"].mean()
        tuned, dense = means["fine-tuned"], pd.concat([means["dense"], means["dense longer"]])
        assert f"the lowest test MSE in the table is {error_text(means.min())}, of d_model {means.idxmin()[1]}" in line
        below = (tuned < dense.min()).sum()
        lie = "lies" if below == 1 else "lie"
        assert f"{below} of {len(tuned)} pruned and fine-tuned sizes {lie} below" in line


def every_lower_and_higher_in_the_details_is_clear_in_the_table(run, verdict):
    differences = run[2]
    text = details(verdict)
    shown = differences[differences["windows_train"] == 1000]
    of_widths = shown[shown["question"] == "width"]
    cut = shown[shown["question"].isin(STRUCTURES) & shown["clear"]].groupby(["model", "pred_len"])["relative"]
    # Of the pruned sizes only the furthest on either side is given with its number.
    lower, higher = (cut.min() < 0).sum(), (cut.max() > 0).sum()
    clear = of_widths[of_widths["clear"]]["relative"]
    assert text.count("% lower (95") == (clear < 0).sum() + lower
    assert text.count("% higher (95") == (clear > 0).sum() + higher
    assert text.count("(within the noise:") == (~of_widths["clear"] & (of_widths["seeds"] > 1)).sum()


def every_pruned_size_is_counted_against_the_dense_one_of_its_size_and_the_furthest_named(run, verdict):
    differences = run[2]
    lines = [line for line in details(verdict).split("\n") if line.startswith("- **")]
    groups = differences[differences["windows_train"] == 1000].groupby(["model", "pred_len"], sort=False)
    for line, (_, own) in zip(lines, groups, strict=True):
        rows = own[own["question"].isin(STRUCTURES)]
        known = rows[rows["seeds"] > 1]
        better, worse = known[known["high"] < 0], known[known["low"] > 0]
        said = re.search(
            r"Its (\d+) pruned and fine-tuned sizes against .*? on 1,000 windows, by test MSE: (.*?)(?: \(|\. )", line
        )
        assert int(said.group(1)) == len(rows)
        wanted = {
            "clearly better": len(better),
            "clearly worse": len(worse),
            "within the noise": len(known) - len(better) - len(worse),
            "of one seed, no claim": (rows["seeds"] == 1).sum(),
            "without a result": (rows["seeds"] == 0).sum(),
        }
        counted = {word: int(n) for n, word in re.findall(rf"(\d+) ({'|'.join(wanted)})", said.group(2))}
        assert counted == {word: n for word, n in wanted.items() if n}
        for side in (better, worse):
            if len(side):
                most = side.iloc[side["relative"].abs().to_numpy().argmax()]
                assert f"{most['ours']}, against {most['others']}: " in line


def the_counts_add_up_to_the_rows_of_the_table(run, verdict):
    rows, _ = read(tables.counts(run[2]))
    shown = [[int(cell) for cell in line[1:-1]] for line in rows[1:]]
    assert sum(line[-1] for line in shown) == len(run[2])
    assert all(sum(line[:-1]) == line[-1] for line in shown)


@settings(deadline=None, max_examples=30)
@given(runs())
def test_what_is_said_and_counted_is_what_the_tables_say(run):
    """One example for all: to say it takes longer than to check it."""
    verdict = words.verdict(*run)
    for agrees in (
        the_first_sentence_is_short_and_agrees_with_the_tables,
        the_best_row_and_the_pruned_sizes_below_dense_are_those_of_the_table,
        every_lower_and_higher_in_the_details_is_clear_in_the_table,
        every_pruned_size_is_counted_against_the_dense_one_of_its_size_and_the_furthest_named,
        the_counts_add_up_to_the_rows_of_the_table,
    ):
        agrees(run, verdict)


def test_models_no_better_than_the_naive_forecast_are_the_answer_and_too_little_data_is_no_answer():
    differences = pd.DataFrame(
        {
            "model": "M",
            "pred_len": 24,
            "windows_train": n,
            "question": question,
            "density": 0.1,
            "ours": "d_model 64",
            "others": "d_model 16",
            "share_ours": 0.1,
            "share_others": 0.1,
            "relative": -0.1,
            "low": -0.2,
            "high": 0.1,
            "clear": False,
            "seeds": 2,
        }
        for n in WINDOWS
        for question in ("width", "structured", "unstructured")
    )
    text = first_sentence(words.verdict(cells(mse=0.5), chosen({("M", 24): (16, 16)}), differences, NAIVE))
    assert text.startswith("On grid, M does no better than repeating the value one season before, even unpruned, so")
    text = first_sentence(words.verdict(cells(), chosen({("M", 24): (16,)}), differences, NAIVE))
    assert (
        text == "On grid, it cannot be said whether more data needs a bigger M: too few amounts of data have a result."
    )


def test_the_better_naive_forecast_is_the_one_that_is_known():
    naive = pd.DataFrame(
        {"pred_len": [24, 96, 24], "model": ["SeasonalNaive"] * 2 + ["LastWeek"], "mse": [np.nan, 0.5, 0.4]}
    )
    assert to_beat(naive) == {24: 0.4, 96: 0.5} and "better of" in words._than(naive)
    assert to_beat(naive.iloc[:2]) == {96: 0.5}


def test_without_a_naive_result_at_the_one_horizon_the_models_are_spoken_of_all_the_same():
    left = cells().assign(mse_relative=np.nan)
    differences = pd.DataFrame(columns=list(DIFFERENCES))
    run = left, chosen({("M", 24): (16, 16)}), differences, NAIVE.assign(mse=np.nan)
    with pytest.raises(NoRows):  # no difference, but not "no forecaster finished"
        words.verdict(*run)


def test_models_are_counted_against_both_naive_forecasts_by_column():
    errors = {"naive": [5, 5, 5], "week": [2, 3, 4], "dense": [3, 3, 3], "fine-tuned": [6, 1, 4]}
    names = {"naive": "seasonal naive", "week": "same time last week", "dense": "D", "fine-tuned": "P"}
    unused = {"load": 1.0, "mae": 1.0, "percent_low": 1.0, "percent_high": 1.0}
    rows = [
        {"pred_len": 9, "column": c, "kind": kind, "forecaster": names[kind], "percent": value} | unused
        for kind, values in errors.items()
        for c, value in zip("abc", values, strict=True)
    ]
    assert words.by_column(pd.DataFrame(rows)) == (
        "**D** is on average off by less than seasonal naive in 3 of 3 columns and same time last week in 1 of 3 "
        "columns. **P** is on average off by less than seasonal naive in 2 of 3 columns and same time last week in 1 "
        "of 3 columns."
    )
    assert words.by_column(pd.DataFrame(rows[::3])).startswith(
        "**D** is on average off by less than seasonal naive in 1 of 1 column and"
    )
    assert words.by_column(pd.DataFrame(rows[:6])).startswith("No model finished")
