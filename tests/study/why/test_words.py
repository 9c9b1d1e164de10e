"""The verdict on why a prune fails: its first sentence, and that it says nothing that its tables deny."""

import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import details, first_sentence, read

from tsprune.errors import UserError
from tsprune.report.text import readable_layer
from tsprune.study.why import tables, words
from tsprune.study.why.result import KINDS, PLAIN_PREDICTORS, PREDICTORS, UNKNOWN

FAILED = [kind for kind in KINDS if kind not in ("keeps", *UNKNOWN)]
GROUPS = [
    "encoder.layers.0.attention.query.weight",
    "encoder.layers.1.attention.query.weight",
    "projection",
    "decoder.projection.weight",
]


def condition(dataset: str, model: str, kind: str, group: str, dense: float = 0.5, scope: str = "layer") -> dict:
    keeps = kind in ("keeps", *UNKNOWN)
    return {
        "dataset": dataset,
        "model": model,
        "pred_len": 96,
        "scope": scope,
        "kind": kind,
        "reason": "boom",
        "dead": 0.0,
        "near_zero": 0.01,
        "without_free": 1.0,
        "cells": 10,
        "missed": 0 if keeps else 6,
        "keeps": 0.1 if keeps else 0.5,
        "mse_dense": dense,
        "mse_repeat_last": 1.0,
        "first_top_group": group,
    }


@st.composite
def runs(draw) -> tuple[pd.DataFrame, pd.DataFrame]:
    datasets = draw(st.sampled_from([("ETTh1",), ("ETTh1", "Exchange"), ("a", "b", "c")]))
    rows = [
        condition(data, model, draw(st.sampled_from([*KINDS])), draw(st.sampled_from(GROUPS)), dense)
        for data in datasets
        for model in draw(st.lists(st.sampled_from(["M", "N", "FEDformer"]), min_size=1, max_size=3, unique=True))
        for dense in [draw(st.sampled_from([0.5, 0.9, 1.0, 1.5]))]
    ]
    predictors = []
    known = draw(st.booleans())
    for name in PREDICTORS:
        low, value, high = (
            sorted(draw(st.tuples(*[st.floats(-1, 1)] * 3))) if known and name != "sparsity" else (np.nan,) * 3
        )
        predictors.append(
            {
                "predictor": name,
                "pairs": 4 if known else 2,
                "cells": 24,
                "same_density": value,
                "low": low,
                "high": high,
                "worse_than_best": draw(st.booleans()) if known else False,
            }
        )
    return pd.DataFrame(rows), pd.DataFrame(predictors)


@settings(deadline=None, max_examples=100)
@given(runs())
def test_the_first_sentence_is_short_and_agrees_with_the_tables(run):
    conditions, predictors = run
    text = first_sentence(words.verdict(*run))
    done = conditions[~conditions["kind"].isin(UNKNOWN)]
    known = predictors.dropna(subset="same_density")
    if done.empty:
        yet = (conditions["kind"] == "not run").all()
        assert ("cannot be said yet: none has run" if yet else "none has a result") in text
    elif (done["mse_dense"] >= 1.0).all():
        assert "no better than repeating the last value" in text
    elif not done["missed"].any():
        assert f"none of {done['cells'].sum()} prunings raises forecast error" in text
    elif known.empty:
        assert "another does not: only 2 finished every pruning" in text
    else:
        best = known.iloc[known["same_density"].to_numpy().argmax()]
        assert PLAIN_PREDICTORS[best["predictor"]] in text
        assert ("predicted by" in text) == (best["low"] > 0) and ("beyond chance" in text) == (not best["low"] > 0)
        others = known[known["predictor"] != best["predictor"]]
        assert ("best predicted" in text) == (best["low"] > 0 and len(others) > 0 and others["worse_than_best"].all())
        assert f"{best['same_density']:.2f} of 1, {best['low']:.2f} to {best['high']:.2f}" in text


@settings(deadline=None, max_examples=25)
@given(runs())
def test_kinds_groups_and_models_with_little_to_lose_are_counted_as_a_reader_would(run):
    conditions, _ = run
    done = conditions[~conditions["kind"].isin(UNKNOWN)]
    if done.empty:
        return
    text = details(words.verdict(*run))
    failed = done[done["kind"] != "keeps"]
    kinds = failed["kind"].value_counts()
    for kind in FAILED:
        assert (KINDS[kind] in text) == (kinds.get(kind, 0) == kinds.max() if len(kinds) else False)
    tops = {}
    for row in failed.to_dict("records"):
        tops.setdefault((row["dataset"], row["model"]), set()).add(readable_layer(row["first_top_group"]))
    names = Counter(name for found in tops.values() if len(found) == 1 for name in found)
    most = max(names.values(), default=0)
    if len(tops) == 1 == most:
        assert f"The most sensitive group is {next(iter(names))}." in text
    elif most > 1:
        told, count, total = re.search(r"most often (.*) \(in (\d+) of (\d+) models", text).groups()
        assert set(told.split(" and, as often, ")) == {name for name, times in names.items() if times == most}
        assert (int(count), int(total)) == (most, len(tops))
    lost = done[done["mse_dense"] >= 1.0]
    assert ("with little to lose" in text) == (len(lost) > 0)


def test_groups_are_counted_by_their_whole_readable_name():
    rows = [
        condition("ETTh1", f"M{i}", "one group", group) for i, group in enumerate([GROUPS[2], GROUPS[3], GROUPS[3]])
    ]
    predictors = pd.DataFrame(
        {
            "predictor": [*PREDICTORS],
            "pairs": 2,
            "cells": 0,
            "same_density": np.nan,
            "low": np.nan,
            "high": np.nan,
            "worse_than_best": False,
        }
    )
    text = words.verdict(pd.DataFrame(rows), predictors)
    assert "The most sensitive group is most often decoder projection (in 2 of 3 models)." in text
    assert "is another one in each model." in words.verdict(pd.DataFrame(rows[:2]), predictors)


def test_a_group_is_called_another_in_each_model_only_where_each_model_has_one():
    """Not where the cuts of one model disagree: its table shows two groups for it."""
    one, two = GROUPS[2], GROUPS[3]
    cut = {
        scope: condition("ETTh1", "A", "one group", group, scope=scope)
        for scope, group in (("layer", one), ("global", two))
    }
    other = [condition("ETTh1", "B", "one group", two, scope=scope) for scope in cut]
    assert words._group_words(pd.DataFrame([*cut.values()])) == (
        "Which group is the most sensitive differs between ways to cut."
    )
    assert words._group_words(pd.DataFrame([*cut.values(), *other])) == (
        "Which group is the most sensitive differs between models and ways to cut."
    )
    agreed = [condition("ETTh1", "A", "one group", one, scope=scope) for scope in cut]
    assert words._group_words(pd.DataFrame([*agreed, *other])) == (
        "The most sensitive group is another one in each model."
    )


def test_a_model_that_is_cut_in_two_ways_counts_once_and_only_where_both_agree():
    rows = [condition("ETTh1", f"M{i}", "one group", GROUPS[3], scope=s) for i in range(2) for s in ("layer", "global")]
    rows += [condition("ETTh1", "N", "one group", GROUPS[i], scope=s) for i, s in ((2, "layer"), (3, "global"))]
    assert "decoder projection (in 2 of 3 models, however they are cut)." in words._group_words(pd.DataFrame(rows))


def test_the_counts_of_kinds_add_up_to_the_models_of_each_scope():
    table = pd.DataFrame(
        [
            condition("ETTh1", "M", "one group", GROUPS[0]),
            condition("ETTh1", "M", "keeps", GROUPS[0], scope="global"),
            condition("ETTh1", "N", "one group", GROUPS[0]),
            condition("ETTh1", "N", "no result", GROUPS[0], scope="global"),
        ]
    )
    styler = tables.counts(table)
    rows, _ = read(styler)
    assert rows[1:] == [
        ["one group alone costs at least half of the loss", "2", "0"],
        ["does not fail within the grid", "0", "1"],
        ["no result", "0", "1"],
    ]
    assert styler.caption.endswith("; 12 of 30 cells miss the accuracy.")
    for read_it in (tables.counts, lambda frame: words.verdict(frame, pd.DataFrame())):
        with pytest.raises(UserError, match="unknown kind of failure 'some'"):
            read_it(table.assign(kind="some"))


def test_where_nothing_was_pruned_there_is_no_failure_to_explain():
    done = pd.DataFrame([condition("ETTh1", "M", "keeps", GROUPS[0]) | {"cells": 0}])
    numbers = {"pairs": 1, "cells": 0, "same_density": np.nan, "low": np.nan, "high": np.nan, "worse_than_best": False}
    told = words.verdict(done, pd.DataFrame([{"predictor": next(iter(PREDICTORS))} | numbers]))
    assert first_sentence(told) == "On ETTh1, nothing was pruned, so no failure needs explaining (one seed)."
