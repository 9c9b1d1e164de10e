"""Study 03 in pictures and words: what the frames say is drawn, and only clear differences are claimed."""

import pandas as pd
import pytest
from reading import read

from tsprune.errors import UserError
from tsprune.study.right_sizing import figures, tables, words

COST = {8: 900.0, 4: 300.0}
NAIVE = pd.DataFrame({"pred_len": 96, "model": ["RepeatLast", "SeasonalNaive"], "mse": [1.3, 0.55]})


def sizes(seeds=(1, 2), pruned=2.0, depths=(1, 2), models=("M",)) -> pd.DataFrame:
    """A large model of d_model 8 and one of 4, whose MSE is 0.5 and 0.6; pruned to the size of 4: 2.0, tuned 0.55."""
    mse = {("dense longer", 8): 0.5, ("dense longer", 4): 0.6, ("pruned", 4): pruned, ("fine-tuned", 4): 0.55}
    rows = [
        {
            "dataset": "ETTh1",
            "model": model,
            "pred_len": 96,
            "seed": seed,
            "arm": arm,
            "width": width,
            "depth": depth,
            "parameters": COST[width] * depth,
            "macs_executed": 10 * COST[width] * depth,
            "latency_1_ms": COST[width] / 1e3,
            "latency_32_ms": COST[width] / 100,
            "training_macs": 60 * COST[width],
            "training_macs_large": 0.0,
            "training_s": 2.0,
            "training_s_large": 0.0,
            "training_mib": 512.0,
            "val_mse": value,
            "mse": value + (seed - 1) / 100,
            "status": "ok",
            "reason": None,
        }
        for model in models
        for (arm, width), value in mse.items()
        for depth in (depths if arm == "dense longer" else depths[-1:])
        for seed in seeds
    ]
    return pd.DataFrame(rows)


def comparison(model="M", seeds=2, bare=0.3, **differences: tuple[float, float, float]) -> pd.DataFrame:
    """A pruned model of size 4 by axis: (low, relative, high), or nothing to match."""
    rows = []
    for axis, values in differences.items():
        low, relative, high = values or (None, None, None)
        for arm, shift in (("pruned", bare), ("fine-tuned", 0.0)):
            ends = [None if v is None else v + shift for v in (low, relative, high)]
            clear = values is not None and seeds > 1 and (ends[0] > 0 or ends[2] < 0)
            rows.append(
                {
                    "model": model,
                    "pred_len": 96,
                    "arm": arm,
                    "width": 4,
                    "depth": 2,
                    "axis": axis,
                    "cost": 600.0,
                    "match_width": 4.0 if values else None,
                    "match_depth": 2.0 if values else None,
                    "match_cost": 606.0 if values else None,
                    "largest_width": 4.0 if values and axis != "unpruned" else None,
                    "largest_depth": 2.0 if values and axis != "unpruned" else None,
                    "largest_relative": relative,
                    "largest_clear": clear,
                    "largest_seeds": seeds,
                    "low": ends[0],
                    "relative": ends[1],
                    "high": ends[2],
                    "clear": clear,
                    "seeds": seeds,
                    "reason": None if values else "no dense model costs as little",
                }
            )
    frame = pd.DataFrame(rows)
    return frame.astype({name: float for name in FLOATS})


FLOATS = ("low", "relative", "high", "match_width", "match_cost", "largest_width", "largest_relative")

TAUGHT = pd.DataFrame(
    [
        {
            "model": "M",
            "pred_len": 96,
            "width": 4,
            "depth": 2,
            "rival": "alone",
            "match_width": 4.0,
            "match_depth": 2.0,
            "relative": -0.02,
            "low": -0.05,
            "high": 0.01,
            "clear": False,
            "seeds": 2,
            "reason": None,
        }
    ]
)


def verdict(of_sizes, comparison, choices, naive) -> str:
    return words.verdict(of_sizes, comparison, TAUGHT, choices, naive)


def choices(*rows: tuple, seeds=2) -> pd.DataFrame:
    """(share of data, width, density, low, relative, high) against d_model 8 dense, the choice on all data."""
    names = ["data_fraction", "width", "density_asked", "low", "relative", "high"]
    frame = pd.DataFrame(rows, columns=names)
    frame["clear"] = (seeds > 1) & ((frame["high"] < 0) | (frame["low"] > 0))
    fixed = {"model": "M", "pred_len": 96, "parameters": 900.0, "val_mse": 0.5, "mse": 0.51, "full_width": 8}
    return frame.assign(**fixed, full_density=1.0, seeds=seeds, reason=None)


SAME = choices((0.1, 8, 1.0, 0.0, 0.0, 0.0), (1.0, 8, 1.0, 0.0, 0.0, 0.0))


def test_the_verdict_claims_what_is_clear_with_its_interval():
    worse = comparison(parameters=(0.012, 0.041, 0.07), unpruned=(0.1, 0.2, 0.3))
    text = verdict(sizes(), worse, SAME, NAIVE)
    assert text.startswith("On ETTh1, training a small forecaster beats pruning a large one; pruning leaves")
    assert (
        "Against the best dense model with no more parameters: for **M**, d_model 8 pruned to the size of d_model "
        "4 and fine-tuned has 4.1\u00a0% more error than dense d_model 4 x 2 (95\u00a0% interval 1.2 to "
        "7.0\u00a0%)."
    ) in text
    assert "In 1 of 1 comparison the dense model chosen by validation is the costliest that costs no more, so" in text
    assert "clearly worse in 1 of 1 (by at most 20\u00a0%: **M** at the size of d_model 4)" in text
    better = comparison(parameters=(-0.07, -0.041, -0.012))
    text = verdict(sizes(), better, SAME, NAIVE)
    assert (
        "for **M**, d_model 8 pruned to the size of d_model 4 and fine-tuned has 4.1\u00a0% less error than dense"
        in text
    )
    assert "95\u00a0% interval 1.2 to 7.0\u00a0%)" in text


def test_a_difference_within_the_noise_is_no_claim_and_one_seed_claims_nothing():
    noise = comparison(parameters=(-0.02, 0.041, 0.1), macs_executed=None)
    text = verdict(sizes(), noise, SAME, NAIVE)
    assert "for **M** the two cannot be told apart with these seeds" in text
    assert "beats" not in text.replace("cannot tell whether pruning a large forecaster beats", "")
    one = verdict(sizes(seeds=(1,)), comparison(seeds=1, parameters=(0.01, 0.04, 0.07)), SAME, NAIVE)
    assert one.startswith("On ETTh1, nothing is claimed about pruning a large forecaster or training a small one: only")
    assert "beats" not in one and "wins" not in one


def test_models_that_a_naive_forecast_beats_are_named_and_its_level_is_in_view():
    table, low = comparison(parameters=(0.01, 0.04, 0.07)), NAIVE.assign(mse=[0.4, 0.45])
    text = verdict(sizes(), table, SAME, low)
    assert "No size of **M** does better than the best naive forecast (MSE 0.400)." in text
    assert text.startswith("On ETTh1, **M** does no better than repeating past values, even unpruned, so what pruning")
    assert "naive" not in verdict(sizes(), table, SAME, NAIVE)
    assert figures.pareto(sizes(), low).axes[0].get_ylim()[0] < 0.4


def test_every_model_has_a_clause_of_its_own():
    both = pd.concat([comparison("M", parameters=(0.01, 0.04, 0.07)), comparison("N", parameters=(-0.4, 0.1, 0.5))])
    text = verdict(sizes(models=("M", "N")), both, SAME, NAIVE)
    assert "more error than dense" in text
    assert "for **N** the two cannot be told apart with these seeds" in text


def test_the_amount_of_data_changes_the_choice_only_where_the_test_errors_say_so():
    table = comparison(parameters=(0.01, 0.04, 0.07))
    assert "chooses the same width and density with every share of the data" in verdict(sizes(), table, SAME, NAIVE)
    pays = choices((0.1, 4, 0.25, -0.09, -0.05, -0.01), (1.0, 8, 1.0, 0.0, 0.0, 0.0))
    text = verdict(sizes(), table, pays, NAIVE)
    assert (
        "chooses another width or density in 1 of 1 case, with test error clearly better in 1 (most for **M** with"
        in text
    )
    assert (
        "10\u00a0% of the data: d_model 4 pruned to 0.25 is 5.0\u00a0% better than d_model 8 dense, the choice" in text
    )
    hurts = choices((0.1, 4, 0.25, 0.01, 0.05, 0.09), (1.0, 8, 1.0, 0.0, 0.0, 0.0))
    text = verdict(sizes(), table, hurts, NAIVE)
    assert "clearly worse in 1" in text and "nothing clear" not in text
    noise = choices((0.1, 4, 0.25, -0.09, -0.01, 0.05), (1.0, 8, 1.0, 0.0, 0.0, 0.0))
    assert "without a clear change in test error" in verdict(sizes(), table, noise, NAIVE)
    html = tables.choices(noise).to_html()
    for text in ("d_model 4 pruned to 0.25", "−1.0\u00a0% (−9.0\u00a0to\u00a0+5.0)", "the same"):
        assert text in html, text


def test_failed_cells_and_floors_are_told():
    table = sizes().assign(data_fraction=1.0, density_asked=0.3)
    table.loc[0, ["status", "reason", "mse"]] = ["diverged", "loss not finite at epoch 1", None]
    table.loc[table["arm"].isin(["pruned", "fine-tuned"]), "parameters"] *= 2
    text = verdict(table, comparison(parameters=(0.01, 0.04, 0.07)), SAME, NAIVE)
    assert (
        "1 of 12 cells did not finish (**M** 1 diverged) and are left out. Pruning did not get down to the "
        "parameters of **M** at d_model 4 (" in text
    )
    lost = table.assign(status="failed", mse=None)
    nothing = comparison(parameters=None)
    assert "there is no answer" in verdict(lost, nothing, SAME.iloc[:0], NAIVE)
    assert figures.comparison(nothing) is None
    assert tables.choices(SAME.iloc[:0]) is None
    with pytest.raises(UserError, match="none of the 12 cells finished"):
        figures.pareto(lost, NAIVE)


def test_the_front_draws_each_depth_and_both_pruned_arms_where_the_frame_has_them():
    figure = figures.pareto(sizes(pruned=0.62), NAIVE)
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [
        *("dense, 1 layer", "dense, 2 layers", "pruned", "pruned and fine-tuned")
    ]
    left, right = figure.axes
    lines = [line for line in left.lines if line.get_marker() not in ("None", None)]
    assert sorted(tuple(line.get_xdata()) for line in lines) == [(300, 900), (600,), (600,), (600, 1800)]
    deep = next(line for line in lines if tuple(line.get_xdata()) == (600, 1800))
    assert list(deep.get_ydata()) == pytest.approx([0.605, 0.505])
    assert [line for line in left.lines if line.get_gid() == "naive"]
    assert (left.get_xscale(), left.get_xlabel()) == ("log", "Parameters (log scale)")
    assert right.get_xlabel() == "Multiply-adds per forecast (log scale)"


def test_a_pruned_model_far_off_sits_at_the_edge_and_the_naive_level_out_of_view_is_not_drawn():
    figure = figures.pareto(sizes(pruned=9.0), NAIVE.assign(mse=[8.0, 7.0]), costs=["latency_1_ms"])
    (axes,) = figure.axes
    assert axes.get_ylim()[1] < 1
    assert [line for line in axes.lines if line.get_marker() == "^"]
    assert "up to 9.005" in figure._supxlabel.get_text() or "up to 9.01" in figure._supxlabel.get_text()
    assert not [line for line in axes.lines if line.get_gid() == "naive"]
    with pytest.raises(UserError, match="unknown cost 'latency'"):
        figures.pareto(sizes(), NAIVE, costs=["latency"])


def test_intervals_are_drawn_filled_where_they_are_claimed():
    figure = figures.comparison(comparison(parameters=(0.01, 0.04, 0.07), macs_executed=(-0.02, 0.01, 0.05)))
    (axes,) = figure.axes
    marks = {line.get_xdata()[0]: line for line in axes.lines if line.get_marker() not in ("None", None)}
    assert sorted(marks) == pytest.approx([1, 4])
    assert marks[4.0].get_markerfacecolor() != "white"
    assert marks[1.0].get_markerfacecolor() == "white"
    assert [text.get_text() for text in axes.get_yticklabels()] == ["4"]


def test_tables_say_what_is_clear_and_what_could_not_be_matched():
    sides = {"parameters": (-0.07, -0.041, -0.012), "latency_1_ms": (-0.07, -0.01, 0.012), "macs_executed": None}
    rows, classes = read(tables.comparison(comparison(**sides)))
    assert {"4 x 2 (101 %)", "no dense model costs as little"} <= {cell for line in rows for cell in line}
    assert "fallen" in classes["−1.0 % (−7.0 to +1.2)"] and "fallen" not in classes["−4.1 % (−7.0 to −1.2)"]
    html = tables.sizes(sizes()).to_html().replace("\u00a0", " ")
    for text in ("4 x 2", "0.555 ± 0.007", "1,800", "pruned and fine-tuned"):
        assert text in html, text


def test_the_map_shows_test_errors_and_frames_the_choice():
    cells = pd.DataFrame(
        [
            {
                "model": "M",
                "pred_len": 96,
                "seed": seed,
                "data_fraction": share,
                "width": width,
                "density_asked": density,
                "mse": width / 10 + density / 100 + share / 1000,
                "status": "ok",
            }
            for seed in (1, 2)
            for share in (0.1, 1.0)
            for width in (4, 8)
            for density in (0.25, 1.0)
        ]
    )
    figure = figures.data_map(cells, choices((0.1, 4, 0.25, -0.1, -0.05, 0.0), (1.0, 8, 1.0, 0.0, 0.0, 0.0)))
    less, full = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "M · 10\u00a0% of the data",
        "100\u00a0% of the data",
    ]
    assert [text.get_text() for text in less.texts] == ["0.410", "0.403", "0.810", "0.803"]
    assert [(round(p.get_x() + 0.47), round(p.get_y() + 0.46)) for p in less.patches] == [(1, 0)]
    assert [(round(p.get_x() + 0.47), round(p.get_y() + 0.46)) for p in full.patches] == [(0, 1)]


@pytest.mark.parametrize("column", ["arm", "macs_executed", "status"])
def test_missing_columns_are_named(column):
    with pytest.raises(UserError, match=f"column '{column}' is missing"):
        figures.pareto(sizes().drop(columns=column), NAIVE)
