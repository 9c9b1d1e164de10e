"""Study 04 in pictures and words: only clear differences are claimed, units are named, what failed is told."""

import numpy as np
import pandas as pd
import pytest

from tsprune.errors import UserError
from tsprune.study.entsoe_scale import figures, tables, words

WINDOWS = {0.1: 100, 1.0: 1000}
NAIVE = pd.DataFrame(
    [
        {"dataset": "grid", "pred_len": 24, "model": "RepeatLast", "mse": 1.2, "mae": 0.9},
        {"dataset": "grid", "pred_len": 24, "model": "SeasonalNaive", "mse": 0.5, "mae": 0.4},
    ]
)
SIZES = {
    ("dense", 64, None, 1.0): 1000,
    ("dense", 16, None, 1.0): 100,
    ("dense longer", 16, None, 1.0): 100,
    ("pruned", 64, "structured", 0.1): 101,
    ("fine-tuned", 64, "structured", 0.1): 101,
    ("pruned", 64, "unstructured", 0.1): 109,
    ("fine-tuned", 64, "unstructured", 0.1): 109,
}


def cells(seeds=(1, 2), models=("M",)) -> pd.DataFrame:
    """MSE falls with the data by 0.1 and with the width by 0.05; seed 2 is 0.01 higher."""
    return pd.DataFrame(
        [
            {
                "dataset": "grid",
                "model": model,
                "pred_len": 24,
                "seed": seed,
                "arm": arm,
                "structure": structure,
                "width": width,
                "density_asked": density,
                "data_fraction": fraction,
                "windows_train": windows,
                "parameters_left": float(parameters),
                "mse": 0.4 - 0.1 * fraction - 0.05 * (width == 64) + 0.01 * (seed - 1),
                "mse_relative": 0.7,
                "status": "ok",
                "reason": None,
            }
            for model in models
            for fraction, windows in WINDOWS.items()
            for (arm, width, structure, density), parameters in SIZES.items()
            for seed in seeds
        ]
    )


def widths(few=16, many=64, models=("M",), seeds=2) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"model": model, "pred_len": 24, "data_fraction": n / 1000, "windows_train": n, "width": width}
            | {"val_mse": 0.3, "mse": 0.25, "told": True, "by_seed": (width,), "seeds": seeds}
            for model in models
            for n, width in ((100, few), (1000, many))
        ]
    )


def differences(models=("M",), seeds=2, **changes: tuple) -> pd.DataFrame:
    """Rows by question: relative change with few and with many windows; the interval is 0.02 wide on both sides."""
    asked = {"width": (-0.1, -0.2), "structured": (0.01, -0.05), "unstructured": (0.01, 0.0)} | changes
    rows = []
    for model in models:
        for question, values in asked.items():
            for windows, value in zip(WINDOWS.values(), values, strict=True):
                ours = "d_model 64" if question in ("width", "best") else f"d_model 64, {question} 0.1, fine-tuned"
                others = "d_model 16" if question in ("width", "best") else "d_model 16, trained as long"
                rows.append(
                    {
                        "model": model,
                        "pred_len": 24,
                        "windows_train": windows,
                        "question": question,
                        "density": 0.1 if "structured" in question else 1.0,
                        "ours": ours,
                        "others": others,
                        "share_ours": 1.0 if question in ("width", "best") else 0.101,
                        "share_others": 0.1,
                        "relative": value,
                        "low": value - 0.02,
                        "high": value + 0.02,
                        "clear": seeds > 1 and abs(value) > 0.02,
                        "seeds": seeds,
                    }
                )
    return pd.DataFrame(rows)


def text(*args, **kwargs) -> str:
    return words.verdict(*args, **kwargs).replace("\u00a0", " ").replace("\u2212", "-")


def test_a_bigger_model_is_needed_only_when_its_lead_is_clear():
    grows = text(cells(), widths(), differences(best=(-0.1, -0.2)), NAIVE)
    assert grows.startswith(
        "On grid, more data needs a bigger forecaster: trained on 1,000 windows, not 100, **M** has 20 % less forecast "
        "error at width 64 than at 16 (18 to 22 %)."
    )
    assert (
        "by validation d_model 16 is best with 100 training windows; d_model 64 is best with 1,000 training windows"
        in grows
    )
    small = text(cells(), widths(), differences(best=(-0.1, -0.01)), NAIVE)
    assert "makes less than 5 % difference to which size of **M** is best: widths 64 and 16 differ by -1.0 %" in small
    wide = differences(best=(-0.1, -0.01))
    wide.loc[wide["question"] == "best", ["low", "high"]] = -0.3, 0.4
    noise = text(cells(), widths(), wide, NAIVE)
    assert "these seeds cannot tell whether more data needs a bigger **M**: widths 64 and 16 differ" in noise
    same = text(cells(), widths(many=16), differences(), NAIVE)
    assert same.startswith("On grid, more data makes no difference to the best size of **M**: width 16 is chosen with")
    smaller = text(cells(), widths(few=64, many=16), differences(best=(-0.1, -0.2)), NAIVE)
    assert smaller.startswith("On grid, more data needs a smaller forecaster")
    wrong = text(cells(), widths(), differences(best=(0.1, 0.2)), NAIVE)
    assert "with more data validation picks the wrong size" in wrong and "20 % more forecast error" in wrong


def test_a_width_that_validation_cannot_tell_from_the_others_is_no_best_size():
    split = widths(few=64)
    split.at[0, "told"], split.at[0, "by_seed"] = False, (16, 64)
    verdict = text(cells(), split, differences(), NAIVE)
    assert verdict.startswith(
        "On grid, it cannot be said whether more data needs a bigger **M**: validation cannot tell the widths apart "
        "with 10 % of the data (its seeds choose d_model 16 and 64)."
    )
    assert "d_model 64 is best with 100 training windows on average, but single seeds choose 16 and 64, so" in verdict
    close = widths(few=64).assign(told=False)
    verdict = text(cells(), close, differences(), NAIVE)
    assert "cannot tell the widths apart with 10 % and 100 % of the data." in verdict
    assert "with 1,000 training windows, but by less than the seeds differ, so the widths cannot be told" in verdict


def test_how_near_in_parameters_the_dense_one_comes_is_said_where_it_is_not_near():
    far = differences().assign(share_ours=0.25, share_others=0.0658)
    assert "nearest in parameters (off by up to 3.8 times), trained" in text(cells(), widths(64), far, NAIVE)
    assert "off by" not in text(cells(), widths(64), differences(), NAIVE)
    assert "(off by up to 500 times)" in text(cells(), widths(64), far.assign(share_others=0.0005), NAIVE)


def test_a_size_that_fewer_seeds_came_to_is_not_set_beside_means_of_more():
    table = cells()
    lucky = (table["arm"] == "fine-tuned") & (table["structure"] == "structured")
    table.loc[lucky, "mse"] = 0.01
    table = table[~(lucky & (table["seed"] == 2))]
    verdict = text(table, widths(64), differences(), NAIVE)
    assert "0.010" not in verdict and "(means over 2 seeds, 1 size with fewer left out, lowest by test" in verdict


def test_the_widest_tried_is_named_as_such_and_its_lead_grows_only_where_the_intervals_do_not_meet():
    grows = text(cells(), widths(few=64), differences(), NAIVE)
    assert "width 64, the widest, is chosen with 100 windows as with 1,000 (widest against smallest: -20 %" in grows
    assert "; the lead of d_model 64 over d_model 16 grows with the data." in grows
    assert "lead of d_model 64 over d_model 16 shrinks with more data." in text(
        cells(), widths(few=64), differences(width=(-0.2, -0.1)), NAIVE
    )
    assert "lead" not in text(cells(), widths(few=64), differences(width=(-0.1, -0.13)), NAIVE)


def test_the_value_a_week_before_is_what_counts_where_it_is_the_better_naive_forecast():
    week = pd.DataFrame([{"dataset": "grid", "pred_len": 24, "model": "LastWeek", "mse": 0.2, "mae": 0.3}])
    naive = pd.concat([NAIVE, week], ignore_index=True)
    verdict = text(cells(), widths(64), differences(), naive)
    assert verdict.startswith(
        "On grid, **M** does no better than taking the value of the same time last week, even unpruned, so"
    )
    assert "**M** 0.250 (seasonal naive 0.500, same time last week 0.200)" in verdict
    better = text(cells(), widths(64), differences(), naive.replace({"mse": {0.2: 0.6}}))
    assert better.startswith("On grid, more data") and "same time last week 0.600" in better
    assert "With all the data no better" not in better
    between = text(cells(), widths(64), differences(), naive.replace({"mse": {0.2: 0.3}}))
    told = "With all the data no better than taking the value of the same time last week: **M** of d_model 16."
    assert between.startswith("On grid, more data") and told in between
    near = figures.scale(cells(), naive.replace({"mse": {0.2: 0.3, 0.5: 0.9}}))
    labels = [entry.get_text() for entry in near.legends[0].get_texts()]
    assert labels[-1] == "same time last week" and "seasonal naive 0.900, above" in near.axes[0].texts[0].get_text()


def test_the_better_naive_forecast_may_differ_by_horizon():
    both = pd.concat([NAIVE, NAIVE.assign(pred_len=96)], ignore_index=True)
    week = pd.DataFrame({"dataset": "grid", "pred_len": [24, 96], "model": "LastWeek", "mse": [0.6, 0.2], "mae": 0.3})
    table = pd.concat([cells(), cells().assign(pred_len=96)], ignore_index=True)
    found = text(
        table.assign(mse=0.55),
        pd.concat([widths(64), widths(64).assign(pred_len=96)]),
        pd.concat([differences(), differences().assign(pred_len=96)]),
        pd.concat([both, week], ignore_index=True),
    )
    assert "does no better than the better of repeating the value one season before and taking the value" in found


def test_what_pruning_does_is_said_by_structure_with_its_interval_and_the_best_row_is_named():
    verdict = text(cells(), widths(64), differences(), NAIVE)
    assert (
        "Its 2 pruned and fine-tuned sizes against the dense one nearest in parameters, trained as long on 1,000 "
        "windows, by test MSE: 1 clearly better and 1 within the noise (d_model 64, structured 0.1, fine-tuned, "
        "against d_model 16, trained as long: 5.0 % lower (95 % interval -7.0 to -3.0))."
    ) in verdict
    assert "**M** 0.250 (seasonal naive 0.500)" in verdict
    table = cells()
    better = table[(table["arm"] == "fine-tuned") & (table["structure"] == "structured")]
    table = pd.concat([table, better.assign(density_asked=0.3, mse=better["mse"] - 0.05)], ignore_index=True)
    verdict = text(table, widths(64), differences(structured=(0.1, 0.1), unstructured=(0.1, 0.1)), NAIVE)
    assert "lowest test MSE in the table is 0.205, of d_model 64, structured 0.3, fine-tuned; 1 of 3 pruned" in verdict
    assert (
        "below the best dense one, d_model 64, with 0.255 (means over 2 seeds, lowest by test error, no claim)."
        in verdict
    )
    assert "no way round" not in verdict


def test_one_seed_claims_nothing_and_what_failed_is_named():
    verdict = text(cells(seeds=(1,)), widths(64, seeds=1), differences(seeds=1), NAIVE)
    assert "one seed, no claim" in verdict and "lower" not in verdict.replace("lowest", "")
    assert "one seed" in verdict.split("\n")[0]
    table = cells()
    table.loc[table["arm"] == "fine-tuned", ["status", "reason", "mse"]] = ["diverged", "loss not finite", np.nan]
    failed = differences(structured=(np.nan, np.nan), unstructured=(np.nan, np.nan))
    verdict = text(table, widths(64), failed, NAIVE)
    assert "trained as long on 1,000 windows, by test MSE: 2 without a result." in verdict
    assert "8 of 28 cells did not finish (**M** 8 diverged)" in verdict
    nothing = table.assign(status="failed", reason="no disk")
    assert text(nothing, widths(), differences(), NAIVE) == (
        "On grid, there is no answer: no forecaster finished.\n\nReasons: no disk."
    )


@pytest.mark.parametrize(
    ("seeds", "why"),
    [(0, "no seed has a result at every width"), (1, "one seed has a result at every width")],
)
def test_of_three_seeds_none_is_said_to_be_the_only_one_that_was_run(seeds, why):
    verdict = text(cells(seeds=(1, 2, 3)), widths(seeds=seeds).assign(told=False), differences(), NAIVE)
    assert verdict.startswith(
        f"On grid, nothing is claimed about whether more data needs a bigger **M**: {why}.\n\nOn grid (horizon 24, 3 "
    )
    assert verdict.count("as far as there are results, but no seed has one at every width") == (2 if not seeds else 0)


def test_widths_that_a_failed_seed_leaves_without_a_comparison_are_not_too_few_amounts_of_data():
    verdict = text(cells(), widths(), differences(best=(np.nan, np.nan)), NAIVE)
    assert "bigger **M**: the widths that validation chooses cannot be compared, as a cell has no result." in verdict


def test_an_error_with_all_the_data_is_not_that_with_less_of_it():
    table = cells()
    table.loc[table["windows_train"] == 1000, ["status", "reason", "mse"]] = ["failed", "no disk", np.nan]
    lost = (-0.1, np.nan)
    rows = differences(width=lost, structured=lost, unstructured=lost)
    assert "chooses with all the data" not in text(table, widths().head(1), rows, NAIVE)
    without = text(cells(), widths(), differences(), NAIVE.head(1))
    assert "chooses with all the data: **M** 0.250. " in without


def test_several_models_have_a_line_each():
    models = ("M", "N")
    verdict = text(cells(models=models), widths(64, models=models), differences(models=models), NAIVE)
    first, *rest = verdict.split("\n")
    assert "no difference to the best size in 2 of 2 cases" in first
    assert [line[:8] for line in rest if line.startswith("-")] == ["- **M**:", "- **N**:"]


def test_the_figure_has_a_line_per_size_and_the_naive_forecast():
    figure = figures.scale(cells(), NAIVE.replace({"mse": {0.5: 0.42}}))
    left, right = figure.axes
    drawn = {axes: [line for line in axes.lines if line.get_marker() != "None"] for axes in figure.axes}
    assert (len(drawn[left]), len(drawn[right])) == (2, 3)
    for axes in figure.axes:
        assert axes.get_xscale() == axes.get_yscale() == "log"
        assert [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "None"] == [0.42]
    assert list(drawn[left][0].get_xdata()) == [100, 1000]
    assert drawn[left][1].get_ydata() == pytest.approx([0.345, 0.255])
    labels = [entry.get_text() for legend in figure.legends for entry in legend.get_texts()]
    assert labels[:3] == ["d_model 16", "d_model 64", "seasonal naive"]
    assert "structured, density 0.1" in labels and "unstructured, density 0.1" in labels
    far = figures.scale(cells(), NAIVE.replace({"mse": {0.5: 0.9}}))
    assert all("seasonal naive 0.900, above" in axes.texts[0].get_text() for axes in far.axes)
    assert [entry.get_text() for entry in far.legends[0].get_texts()] == ["d_model 16", "d_model 64"]
    best = figures.scale(cells(), NAIVE.replace({"mse": {0.5: 0.2}}))
    assert all(axes.get_ylim()[0] < 0.2 for axes in best.axes), "a level that no model beats is there to be seen"
    deep = figures.scale(cells(), NAIVE.replace({"mse": {0.5: 0.02}}))
    assert all("seasonal naive 0.0200, below" in axes.texts[0].get_text() for axes in deep.axes)
    assert [entry.get_text() for entry in deep.legends[0].get_texts()] == ["d_model 16", "d_model 64"]
    with pytest.raises(UserError, match="none of the 28 cells finished"):
        figures.scale(cells().assign(status="failed"), NAIVE)


def scaling(datasets=("grid", "pool")) -> pd.DataFrame:
    """Half the loss with sixteen times the data at d_model 64, no change at 16; seed 2 is 2 % above seed 1."""
    return pd.DataFrame(
        {
            "dataset": dataset,
            "model": "M",
            "pred_len": 24,
            "width": width,
            "seed": seed,
            "data_fraction": windows / 1600,
            "windows_train": windows,
            "mse": 0.4 * (windows / 1600) ** (-0.25 * (width == 64)) * (1 + 0.02 * (seed - 1)),
            "status": "ok",
            "reason": None,
        }
        for dataset in datasets
        for width in (16, 64)
        for windows in (100, 400, 1600)
        for seed in (1, 2)
    )


def test_the_law_of_each_width_is_drawn_in_its_band_with_a_point_per_seed():
    figure = figures.scaling(scaling())
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["M: grid", "M: pool"]
    for axes in figure.axes:
        seen = [line for line in axes.lines if line.get_marker() != "None"]
        assert [len(line.get_xdata()) for line in seen] == [6, 6] and len(axes.lines) == 4
        assert len(axes.collections) == 2, "a band for each law"
    assert [entry.get_text() for entry in figure.legends[0].get_texts()] == ["d_model 16", "d_model 64"]
    assert "power law" in figure._supxlabel.get_text()
    few = figures.scaling(scaling(("grid",)).query("windows_train == 100 or width == 16"))
    assert len(few.axes[0].collections) == 1, "of one amount no law is drawn"
    with pytest.raises(UserError, match="none of the 24 trainings finished"):
        figures.scaling(scaling().assign(status="failed"))


def test_the_table_says_what_twice_the_data_does_and_marks_what_shows_no_change():
    table = scaling()
    table.loc[(table["dataset"] == "pool") & (table["width"] == 64), "status"] = "failed"
    shown = tables.scaling(table)
    frame = shown.data.reset_index()
    assert frame["windows"].tolist() == ["100 to 1,600"] * 3 + ["no result"]
    assert frame["trainings"].tolist() == ["6", "6", "6", "0"]
    assert frame["MSE"].iloc[1] == "0.808 to 0.404"
    assert frame["with twice the data"].iloc[1].startswith("−16\u00a0% (−17 to −15")
    assert frame["with twice the data"].iloc[3] == "not known"
    assert shown.to_html().count('fallen"') == 3
    lost = scaling().assign(windows_train=lambda rows: rows["windows_train"].where(rows["seed"] == 1))
    frame = tables.scaling(lost.assign(status=lost["windows_train"].map(lambda n: "ok" if n > 0 else "failed"))).data
    assert set(frame["windows"]) == {"100 to 1,600"}, "of a training that failed the number is not known"
    with pytest.raises(UserError, match="column 'width' is missing"):
        tables.scaling(scaling().drop(columns="width"))


def test_tables_hold_every_size_and_mark_what_is_noise():
    html = tables.scale(cells()).to_html().replace("\u00a0", " ")
    for word in ("d_model 16, trained as long", "structured 0.1, as cut", "100 windows", "0.345 ± 0.007", "109"):
        assert word in html, word
    html = tables.differences(differences()).to_html()
    assert html.count("fallen") >= 3
    assert "d_model 64 against d_model 16" in html and "−10\u00a0%" in html and "the 2 seeds run" in html


def test_units_are_named_or_said_to_be_unknown():
    table = countries()
    html = tables.countries(table, "MW").to_html()
    assert "mean load, MW" in html and "1,000" in html and "5.00" in html
    assert html.index("big") < html.index("small")
    assert "the data's units" in tables.countries(table, None).to_html().replace("&#x27;", "'").replace("&#39;", "'")
    axes = figures.countries(table).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["small", "big"]
    assert axes.yaxis.get_inverted(), "the first, which is the hardest, is on top"
    assert "%" in axes.get_xlabel()
    with pytest.raises(UserError, match="column 'percent' is missing"):
        tables.countries(table.drop(columns="percent"), None)


def countries() -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "pred_len": 24,
                "column": column,
                "load": load,
                "kind": kind,
                "forecaster": words,
                "mae": share * load / 100,
                "percent": share,
                "percent_low": share - 0.5,
                "percent_high": share + 0.5,
            }
            for kind, words, shares in (("naive", "seasonal naive", (6.0, 9.0)), ("dense", "M 64, dense", (5.0, 7.0)))
            for (column, load), share in zip((("big", 1000.0), ("small", 10.0)), shares, strict=True)
        ]
    )


def test_the_week_has_a_panel_per_column_and_three_lines_in_units():
    dates = pd.date_range("2024-01-01", periods=168, freq="h")
    week = pd.concat(
        pd.DataFrame({"column": c, "date": dates, "truth": 1.0, "forecast": 1.1, "naive": 0.9, "forecaster": "M 64"})
        for c in "xy"
    )
    figure = figures.week(week, "MW")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["x", "y"]
    assert all(axes.get_ylabel() == "MW" and len(axes.lines) == 3 for axes in figure.axes)
    assert [entry.get_text() for entry in figure.legends[0].get_texts()] == ["truth", "M 64", "seasonal naive"]
    assert figures.week(week, None).axes[0].get_ylabel() == "the data's units"
    with pytest.raises(UserError, match="has no rows"):
        figures.week(week.iloc[:0], "MW")
