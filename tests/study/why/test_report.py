"""Why a prune fails, in pictures and words: a sentence per condition, nothing claimed inside the noise."""

import math
from itertools import pairwise

import pandas as pd
import pytest

from tsprune.errors import UserError
from tsprune.study.why import figures, tables, words


def condition(model: str, kind: str, **values) -> dict:
    """A model that fails at density 0.41, 20 % above dense, most of it through the projection."""
    first = {"density": 0.4096, "loss": 0.2, "free_removed": 0.02, "norm_removed": 0.31, "predicted": 0.16}
    first |= {"top_group": "projection", "top_loss": 0.15, "top_density": 0.41}
    row = {"dataset": "ETTh1", "model": model, "pred_len": 96, "scope": "layer", "kind": kind, "reason": None}
    row |= {"dead": 0.0, "near_zero": 0.01, "without_free": 1.0001, "cells": 10, "missed": 0 if kind == "keeps" else 6}
    row |= {"keeps": 0.107 if kind == "keeps" else 0.512, "mse_dense": 0.5, "mse_repeat_last": 1.25}
    return row | {f"first_{name}": None if kind == "keeps" else value for name, value in first.items()} | values


def conditions(*kinds: str) -> pd.DataFrame:
    return pd.DataFrame([condition(f"M{i}", kind) for i, kind in enumerate(kinds)])


def predictors(**values) -> pd.DataFrame:
    shared = {"pairs": 12, "cells": 240, "all_cells": 0.6, "low": math.nan, "high": math.nan, "worse_than_best": False}
    rows = [
        {"predictor": "sparsity", "same_density": math.nan},
        {"predictor": "norm_removed", "same_density": -0.11, "low": -0.5, "high": 0.3, "worse_than_best": True},
        {"predictor": "predicted", "same_density": 0.86, "low": 0.66, "high": 0.95} | values,
    ]
    return pd.DataFrame([shared | row for row in rows])


def test_every_condition_has_its_words():
    table = tables.conditions(
        conditions("keeps", "free", "one group", "many groups", "together", "not finite", "unclear")
    )
    html = table.to_html()
    for text in (
        "does not fail within the grid",
        "fails once working weights go: before, only dead and near-zero ones did",
        "fails through the projection<",
        "fails in many groups, none of them alone: their losses add up",
        "fails through groups pruned together: one by one they cost little",
        "the forecast is not finite",
        "misses on all test windows, not on those looked at here",
    ):
        assert text in html, text
    row = table.data.loc[("M2", "layer")]
    assert row["first miss"] == "0.41: +20\u00a0%"
    assert row["most sensitive group"] == "projection, +15\u00a0% at 0.41"
    assert row["keeps 5\u00a0% down to"] == "0.51"
    assert table.data.loc[("M0", "layer"), "first miss"] == ""
    with pytest.raises(UserError, match="unknown kind of failure 'some'"):
        tables.conditions(conditions("some"))


def test_a_group_that_costs_more_than_all_together_and_a_model_without_a_result():
    table = pd.DataFrame([condition("M", "one group", first_top_loss=0.9), condition("N", "no result", reason="boom")])
    texts = tables.conditions(table).data["condition"].tolist()
    assert texts == ["fails through the projection; pruning the rest makes up for a part", "no result: boom"]
    assert "Without a result: **N** on ETTh1." in words.verdict(table, predictors())


def test_the_verdict_names_the_predictor_only_outside_the_noise():
    table = conditions("one group", "one group", "together", "keeps")
    text = words.verdict(table, predictors())
    assert text.startswith(
        "On ETTh1, how much a forecaster's error grows when pruned is best predicted by pruning its parts one by one "
        "and adding up (agreement 0.86 of 1, 0.66 to 0.95)."
    )
    assert "added up with the loss at equal density: 0.86, 95\u00a0% interval 0.66 to 0.95; 12 pairs" in text
    assert "; clearly better than the norm removed (−0.11)." in text
    assert "In 2 of 3 failures (by dataset, model and scope) one group alone costs at least half of the loss." in text
    assert "The most sensitive group is most often projection (in 3 of 3 models)." in text
    assert "Dead or near-zero weights are 1\u00a0% of the prunable ones" in text
    assert "No better than" not in text
    noise = words.verdict(table, predictors(low=-0.1))
    assert noise.startswith(
        "On ETTh1, nothing tried predicts beyond chance which pruned forecaster will fail: the closest"
    )
    few = predictors().assign(same_density=math.nan, pairs=2)
    assert (
        "fails when pruned and another does not: only 2 finished every pruning."
        in words.verdict(table, few).split("\n")[0]
    )
    alike = predictors().assign(same_density=math.nan, pairs=6)
    assert "another does not: all 6 lost the same." in words.verdict(table, alike).split("\n")[0]
    assert "All 6 pairs of model and dataset lost the same" in words.verdict(table, alike)


def test_free_weights_and_models_with_little_to_lose_are_named():
    table = conditions("one group", "free")
    table.loc[1, ["dead", "mse_dense"]] = [0.4, 2.0]
    text = words.verdict(table, predictors())
    assert "Dead or near-zero weights are 1 to 41\u00a0% of the prunable ones" in text
    assert "only **M1** on ETTh1 can lose 5\u00a0% or more that way" in text
    assert "No better than repeating the last value even when dense, so with little to lose: **M1** on ETTh1." in text
    lost = conditions("no result").assign(reason="boom")
    assert words.verdict(lost, predictors()) == (
        "On ETTh1, why pruned forecasters fail cannot be said: none has a result.\n\nboom"
    )


def test_the_table_of_predictors_says_which_are_behind():
    table = tables.predictors(predictors()).data
    assert table.loc["norm removed"].tolist() == ["0.60", "−0.11", "−0.50 to 0.30", "yes"]
    assert table.loc["share of weights removed", "at equal density"] == "–"
    few = predictors().assign(pairs=1, cells=0)
    assert "0 cells of 1 pair of dataset and model" in tables.predictors(few).caption
    with pytest.raises(UserError, match="unknown predictor"):
        tables.predictors(predictors(predictor="luck"))


def test_the_costliest_groups_are_named_and_the_others_grey():
    curves = pd.DataFrame(
        {
            "dataset": dataset,
            "model": "M",
            "pred_len": 96,
            "group": f"layers.{group}.attention",
            "density_asked": density,
            "mse_relative": 1 + group * (1 - density) / 10,
        }
        for dataset in ("ETTh1", "Exchange")
        for group in range(6)
        for density in (1.0, 0.5, 0.1)
    )
    figure = figures.sensitivity(curves)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["M · ETTh1", "M · Exchange"]
    for axes in figure.axes:
        assert [text.get_text() for text in axes.texts] == ["5 attention", "4 attention", "3 attention"]
        heights = [text.get_position()[1] for text in axes.texts]
        assert min(a - b for a, b in pairwise(heights)) > 0.14
        assert sum(line.get_color() == "#b5b5b5" for line in axes.lines) == 3
    one_missing = curves[(curves["dataset"] == "ETTh1") | (curves["model"] != "M")]
    assert len(figures.sensitivity(pd.concat([one_missing, curves.assign(model="N")])).axes) == 3


def test_every_cell_that_can_be_is_drawn_and_the_others_are_counted():
    cells = pd.DataFrame(
        {
            "dataset": "ETTh1",
            "model": model,
            "pred_len": 96,
            "scope": scope,
            "predicted": 0.1,
            "mse_relative": 1.2,
        }
        for model in ("M", "N")
        for scope in ("layer", "global")
    )
    figure = figures.prediction(cells)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["layer", "global"]
    points = [line for axes in figure.axes for line in axes.lines if line.get_marker() != "None"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in points] == [(1.1, 1.2)] * 4
    cells.loc[0, "mse_relative"] = math.nan
    assert "1 cell cannot be drawn" in figures.prediction(cells).get_supxlabel()
    with pytest.raises(UserError, match="none of the 4 cells can be drawn"):
        figures.prediction(cells.assign(predicted=math.inf))
