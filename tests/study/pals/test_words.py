"""Study 05's verdict: its first sentence, and that it says nothing that its tables deny."""

import re

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import details, first_sentence, read

from tsprune.study.pals import tables, words
from tsprune.study.pals.result import CODE, PAPER, SEARCHED, SIMILAR, at_pals, dense_from

RIVALS = ("gmp 0.1", "static 0.5")
EQUAL = (at_pals("gmp"), at_pals("rigl"))
SLOW = "gamma 1.05, lambda 1.1"

ENDS = {"cap": (0.4, 0.91, 0.7, 0.7), "short": (0.2, 0.3, 0.4, 0.42), "loss": (0.2, 0.45, 0.4, 0.46)}
"""Sparsities after the updates of a training, by what ended its shrinking."""


@st.composite
def runs(draw) -> tuple[pd.DataFrame, ...]:
    """Cells, updates, comparisons and naive forecasts of trainings that end wherever they like."""
    models = draw(st.lists(st.sampled_from(["FEDformer", "iTransformer", "LSTM"]), min_size=1, max_size=3, unique=True))
    horizons, seeds = draw(st.sampled_from([(96,), (96, 720)])), draw(st.sampled_from([(1,), (1, 2)]))
    arms = [
        ("dense", "dense"),
        (CODE, "PALS"),
        (PAPER, "PALS"),
        *((rival, "rival") for rival in RIVALS),
        ("no cap", "ablation"),
    ]
    equal, searched = draw(st.booleans()), draw(st.booleans())
    arms += [*((rival, "equal") for rival in EQUAL), (dense_from(2), "control")] if equal else []
    arms += [(SLOW, "sensitivity"), (SEARCHED, "search")] if searched else []
    rows, made = [], []
    for m in models:
        for h in horizons:
            for seed in seeds:
                for arm, group in arms:
                    density = 1.0 if group == "dense" else draw(st.floats(0.05, 0.9))
                    mse = draw(st.floats(0.5, 2.0))
                    rows.append(
                        {
                            "dataset": "Exchange",
                            "model": m,
                            "pred_len": h,
                            "seed": seed,
                            "arm": arm,
                            "group": group,
                            "density": density,
                            "mse": mse,
                            "mae": mse,
                            "mse_relative": mse,
                            "macs_share": density,
                            "training_macs_share": 4.5 if group == "search" else 0.5,
                            "time_share": 9.9 if group == "search" else 1.1,
                            "runs": 9 if group == "search" else 1,
                            "gamma": 1.05 if arm in (SLOW, SEARCHED) else 1.2,
                            "lam": 1.1,
                            "every": 5,
                            "cap": 0.9,
                            "status": "ok",
                            "reason": None,
                        }
                    )
                for arm in (CODE, SEARCHED) if searched else (CODE,):
                    for step, sparsity in enumerate(draw(st.sampled_from(list(ENDS.values()))), 1):
                        told = {"model": m, "pred_len": h, "seed": seed, "arm": arm, "decision": "shrink", "loss": 1.0}
                        made.append(told | {"step": 5 * step, "sparsity": 0.9 * sparsity, "sparsity_counted": sparsity})
    pairs = []
    for m in models:
        for h in horizons:
            for arm, against in [
                (CODE, "dense"),
                *((CODE, rival) for rival in RIVALS),
                (CODE, PAPER),
                ("no cap", CODE),
                *((CODE, rival) for rival in (EQUAL if equal else ())),
                *((rival, "dense") for rival in (EQUAL if equal else ())),
                *([EQUAL, (EQUAL[0], dense_from(2))] if equal else []),
                *([(SEARCHED, CODE), (SEARCHED, "dense"), (SLOW, CODE)] if searched else []),
            ]:
                low, relative, high = sorted(draw(st.tuples(*[st.floats(-0.9, 2)] * 3)))
                clear = len(seeds) > 1 and (low > 0 or high < 0)
                pairs.append((m, h, arm, against, relative, low, high, clear, len(seeds)))
    names = ["model", "pred_len", "arm", "against", "relative", "low", "high", "clear", "seeds"]
    naive = pd.DataFrame({"pred_len": horizons, "model": "RepeatLast", "mse": draw(st.floats(0.3, 2.5))})
    return pd.DataFrame(rows), pd.DataFrame(made), pd.DataFrame(pairs, columns=names), naive


def ended(cells: pd.DataFrame, updates: pd.DataFrame) -> dict[str, int]:
    """Counted by hand: trainings that came to their cap, that were shrinking still, that the loss stopped."""
    arm = SEARCHED if SEARCHED in set(cells["arm"]) else CODE
    ours = cells.loc[cells["arm"] == arm, ["model", "pred_len", "seed", "arm"]].merge(updates)
    made = ours.groupby(["model", "pred_len", "seed"])["sparsity_counted"].agg(tuple).to_list()
    return {name: made.count(sparsities) for name, sparsities in ENDS.items()}


def the_first_sentence_is_short_and_agrees_with_the_tables(run, verdict):
    cells, updates, _, naive = run
    text = first_sentence(verdict)
    dense = cells[cells["group"] == "dense"].groupby(["model", "pred_len"])["mse"].mean()
    fallen = {model for (model, _), mse in dense.items() if mse >= naive["mse"].iloc[0]}
    told = re.search(r"- (.*?) (is|are)( at one horizon or more)? no better than repeating", details(verdict))
    named = set(re.findall(r"\*\*(\w+)\*\*", told.group(1) if told else ""))
    assert named == (set() if (dense >= naive["mse"].iloc[0]).all() else fallen)
    if (dense >= naive["mse"].iloc[0]).all():
        assert "no better than repeating the last value, even unpruned" in text
        text = details(verdict)
    found = ended(cells, updates)
    total = sum(found.values())
    said = {end: "all" if count == total > 1 else f"{count}" for end, count in found.items()}
    how = said["loss"] if found["loss"] else "none"
    assert f"did so in {how} of {total} training{'s' if total > 1 else ''}" in text
    settings = "settings searched" if SEARCHED in set(cells["arm"]) else "one setting"
    assert re.search(rf"{how} of {total} trainings? \((one seed|2 seeds), {settings}\)", text)
    text = text.split(f", {settings})")[1].split("\n")[0]
    assert (f"{said['cap']} hit the limit (90 %)" in text) == (found["cap"] > 0)
    assert (f"{said['short']} ended still pruning" in text) == (found["short"] > 0)


def rivals_the_papers_variant_and_mechanisms_are_called_what_the_table_says(run, verdict):
    cells, _, pairs, _ = run
    text = details(verdict)
    density = cells.groupby(["model", "pred_len", "arm"])["density"].mean()
    equal = (cells["group"] == "equal").any()
    told = EQUAL if equal else RIVALS
    near = [
        row
        for row in pairs[(pairs["arm"] == CODE) & pairs["against"].isin(told)].to_dict("records")
        if equal
        or 1 / SIMILAR
        <= density[row["model"], row["pred_len"], CODE] / density[row["model"], row["pred_len"], row["against"]]
        <= SIMILAR
    ]
    assert ("Beside rivals at its own density" in text) == (equal and cells["seed"].nunique() > 1)
    for word, sign in (("lower", -1), ("higher", 1)):
        there = {row["against"] for row in near if row["clear"] and row["relative"] * sign > 0}
        found = re.search(rf"its MSE is .*?clearly {word} than (.*?)(, clearly|, within|\.\n)", text)
        named = {rival for rival in told if found and rival.removesuffix(" at PALS's density") in found.group(1)}
        assert named == there
    paper = pairs[pairs["against"] == PAPER]
    if len(paper) and cells["seed"].nunique() > 1:
        clear = paper[paper["clear"]]
        assert ("with MSE within the noise of its code's" in text) == clear.empty
        for word, sign in (("higher", -1), ("lower", 1)):
            named = set(clear.loc[clear["relative"] * sign > 0, "model"])
            found = re.search(rf"describes it.*?{word} for ([^.]*?)( and lower for| than with its code)", text)
            assert (set(re.findall(r"\*\*(\w+)\*\*", found.group(1))) if found else set()) == named
    if cells["seed"].nunique() == 1:
        assert "clearly" not in text and "beyond the noise" not in text


def a_method_is_called_the_best_at_that_density_only_where_it_is_clear_of_every_other(run, verdict):
    cells, _, pairs, _ = run
    text = details(verdict)
    clear = pairs[pairs["clear"]]
    better = {
        (*row[["model", "pred_len"]], row["arm"], row["against"]) for _, row in clear[clear["high"] < 0].iterrows()
    }
    better |= {
        (*row[["model", "pred_len"]], row["against"], row["arm"]) for _, row in clear[clear["low"] > 0].iterrows()
    }
    arms, best = (CODE, *EQUAL), {}
    for model, pred_len in cells[["model", "pred_len"]].drop_duplicates().itertuples(index=False):
        for arm in arms:
            if all((model, pred_len, arm, other) in better for other in arms if other != arm):
                best.setdefault(arm.removesuffix(" at PALS's density"), set()).add(model)
    asked = (cells["group"] == "equal").any() and cells["seed"].nunique() > 1
    found = re.search(
        r"- Of all methods at that density, the one with clearly the lowest MSE is (.*?)(; else|\.\n)", text
    )
    said = re.findall(r"(PALS as in its code|gmp|rigl) for ((?:(?!gmp|rigl|PALS).)*)", found.group(1)) if found else []
    assert {arm: set(re.findall(r"\*\*(\w+)\*\*", models)) for arm, models in said} == (best if asked else {})
    assert ("No method at that density clearly has the lowest MSE." in text) == (asked and not best)


def late_methods_settings_and_the_search_are_told_as_the_tables_have_them(run, verdict):
    cells, _, pairs, _ = run
    text = details(verdict)
    several, equal = cells["seed"].nunique() > 1, (cells["group"] == "equal").any()
    found = re.search(
        r"gmp clearly lower in (\d+), higher in (\d+) of (\d+) \(against plain dense clearly lower in (\d+), h", text
    )
    assert bool(found) == (several and equal) and "rigl clearly lower" not in text
    if found:
        sides = [pairs[(pairs["arm"] == EQUAL[0]) & (pairs["against"] == name)] for name in (dense_from(2), "dense")]
        same, plain = (side["clear"] & (side["high"] < 0) for side in sides)
        worse = sides[0]["clear"] & (sides[0]["low"] > 0)
        assert [int(n) for n in found.groups()] == [same.sum(), worse.sum(), len(same), plain.sum()]
    searched = cells[cells["group"] == "search"]
    assert ("were not searched here" in text) == searched.empty
    moved = still = 0
    if len(searched):
        assert text.count(
            "Its 9 runs together take 4.5 times the multiply-adds of one dense training and 9.9 times its time."
        ) == (len(searched) / cells["seed"].nunique())
        density = cells.set_index(["model", "pred_len", "arm"])["density"]
        for case in searched[["model", "pred_len"]].drop_duplicates().itertuples(index=False, name=None):
            slow, fast = density[(*case, SLOW)], density[(*case, CODE)]
            apart = slow.max() < fast.min() or fast.max() < slow.min()
            apart &= abs(slow.mean() - fast.mean()) >= 0.02
            moved, still = moved + apart, still + (not apart)
    assert text.count("gamma from 1.05 to 1.2 moves the final density from") == (moved if several else 0)
    assert text.count("gamma from 1.05 to 1.2 does not move the final density") == (still if several else 0)


def the_counts_are_those_of_the_comparisons(run, verdict):
    cells, _, pairs, _ = run
    rows, _ = read(tables.counts(cells, pairs))
    shown = {line[0]: line[1:-1] for line in rows[1:]}
    against = pairs[(pairs["arm"] == CODE) & (pairs["against"] == "dense")]
    lower, higher = (
        int((against["clear"] & (against["high"] < 0)).sum()),
        int((against["clear"] & (against["low"] > 0)).sum()),
    )
    searched = pairs[(pairs["arm"] == SEARCHED) & (pairs["against"] == "dense")]
    assert shown["one setting, against dense" if len(searched) else "against dense"][:2] == [str(lower), str(higher)]
    assert ("its setting searched, against dense" in shown) == (len(searched) > 0)
    if len(searched):
        better = int((searched["clear"] & (searched["high"] < 0)).sum())
        assert shown["its setting searched, against dense"][0] == str(better)
    assert all(sum(map(int, line[:-1])) == int(line[-1]) for line in shown.values())


def test_without_a_naive_result_the_rest_is_said_all_the_same():
    run = {"dataset": "Exchange", "model": "M", "pred_len": 96, "density": 1.0, "mae": 1.0, "mse_relative": 1.0}
    run |= {"mse": 1.0, "macs_share": 1.0, "training_macs_share": 1.0, "time_share": 1.1, "runs": 1, "gamma": 1.2}
    run |= {"lam": 1.1, "every": 5, "cap": 0.9, "status": "ok", "reason": None}
    arms = [("dense", "dense"), (CODE, "PALS")]
    cells = pd.DataFrame([run | {"seed": seed, "arm": arm, "group": group} for seed in (1, 2) for arm, group in arms])
    made = {"model": "M", "pred_len": 96, "arm": CODE, "step": 5, "decision": "shrink", "loss": 1.0}
    updates = pd.DataFrame([made | {"seed": seed, "sparsity": 0.9, "sparsity_counted": 0.91} for seed in (1, 2)])
    pair = {"model": "M", "pred_len": 96, "arm": CODE, "against": "dense", "relative": 0.1, "low": 0.05, "high": 0.2}
    naive = pd.DataFrame({"pred_len": [96], "model": "RepeatLast", "mse": [np.nan]})
    text = words.verdict(cells, updates, pd.DataFrame([pair | {"clear": True, "seeds": 2}]), naive)
    assert "did so in none of 2 trainings" in first_sentence(text)
    without = pd.DataFrame(), pd.DataFrame(), naive  # what there is where nothing can be compared
    lost = cells.assign(status="diverged", mse_relative=np.nan)
    assert first_sentence(words.verdict(lost, *without)).endswith("weights training can remove: no training finished.")
    lost.loc[lost["arm"] == CODE, "status"] = "ok"
    assert first_sentence(words.verdict(lost, *without)).endswith(": none finished together with its dense training.")
    assert "- Repeating the last value has no result at horizon 96: forecasters are not judged by it there." in text


@settings(deadline=None, max_examples=40)
@given(runs())
def test_what_is_said_and_counted_is_what_the_tables_say(run):
    """One example for all: to say it takes longer than to check it."""
    verdict = words.verdict(*run)
    for agrees in (
        the_first_sentence_is_short_and_agrees_with_the_tables,
        rivals_the_papers_variant_and_mechanisms_are_called_what_the_table_says,
        a_method_is_called_the_best_at_that_density_only_where_it_is_clear_of_every_other,
        late_methods_settings_and_the_search_are_told_as_the_tables_have_them,
        the_counts_are_those_of_the_comparisons,
    ):
        agrees(run, verdict)


def test_without_a_training_there_is_no_answer():
    cells = pd.DataFrame(
        {
            "dataset": ["Exchange"],
            "model": "A",
            "pred_len": 96,
            "seed": 1,
            "arm": CODE,
            "group": "PALS",
            "density": np.nan,
            "mse": np.nan,
            "mse_relative": np.nan,
            "macs_share": np.nan,
            "time_share": np.nan,
            "training_macs_share": np.nan,
            "gamma": 1.2,
            "lam": 1.1,
            "every": 5,
            "cap": 0.9,
            "status": "failed",
        }
    )
    pair = pd.DataFrame(
        [("A", 96, CODE, "dense", np.nan, np.nan, np.nan, False, 0)],
        columns=["model", "pred_len", "arm", "against", "relative", "low", "high", "clear", "seeds"],
    )
    text = words.verdict(cells, pd.DataFrame(), pair, pd.DataFrame())
    assert first_sentence(text).endswith("how many weights training can remove: no training finished.")
    assert details(text) == "1 of 1 cell did not finish (**A** 1 failed) and are left out."
