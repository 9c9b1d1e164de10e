"""Study 05 in pictures and words: what ended the shrinking, claims only where clear, the paper's beside ours."""

import re
import sys
from itertools import product

import pandas as pd
import pytest
from compared import interval
from reading import as_read, read

from tsprune.errors import UserError
from tsprune.report.text import headline
from tsprune.study.pals import figures, tables, words
from tsprune.study.pals.config import RIVALS
from tsprune.study.pals.figures import DECISIONS
from tsprune.study.pals.result import CODE, PAPER, SEARCHED, at_pals, dense_from

PUBLISHED = {"cells": 30, "better_mse": 12, "better_mae": 14, "parameters": 0.65, "macs": 0.63}
COUNTS = {"cells": 2, "better_mse": 1, "better_mae": 0, "parameters": 0.81, "macs": 0.79}
NAIVE = pd.DataFrame({"pred_len": [96], "model": ["RepeatLast"], "mse": [5.0], "mae": [2.0]})
# arm, group, method, density, MSE relative to dense
ARMS = [
    ("dense", "dense", "dense", 1.0, 1.0),
    (CODE, "PALS", "pals", 0.1, 1.2),
    (PAPER, "PALS", "pals", 0.12, 1.1),
    ("gmp 0.1", "rival", "gmp", 0.1, 1.05),
    ("static 0.5", "rival", "static", 0.5, 1.4),
]
CHANGED = [
    ("signal: whole validation set", "signal", "pals", 0.1, 1.2),
    ("no cap", "ablation", "pals", 0.04, 1.3),
    ("never expands", "ablation", "pals", 0.1, 1.2),
    ("gamma 1.05, lambda 1.1", "sensitivity", "pals", 0.3, 1.1),
    ("every 10 steps", "sensitivity", "pals", 0.2, 1.1),
]


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def cells(models=("A", "B"), seeds=(1, 2), changed=("A",), horizons=(96,)) -> pd.DataFrame:
    """Dense MSE 1; seed 2 is 0.02 worse relative to dense and 0.002 denser."""
    rows = []
    for model, pred_len, seed in product(models, horizons, seeds):
        for arm, group, method, density, relative in [*ARMS, *(CHANGED if model in changed else [])]:
            pals, dense = method == "pals", group == "dense"
            rows.append(
                {
                    "dataset": "Exchange",
                    "model": model,
                    "pred_len": pred_len,
                    "seed": seed,
                    "arm": arm,
                    "group": group,
                    "method": method,
                    "density": density + (0 if dense else 0.002 * (seed - 1)),
                    "mse": relative,
                    "mae": relative,
                    "mse_relative": relative + (0 if dense else 0.02 * (seed - 1)),
                    "macs_share": density,
                    "training_macs_share": 1.0 if dense else 0.5,
                    "time_share": 1.0 if dense else 1.1 + 0.1 * (seed - 1),
                    "seconds_per_epoch": 3.0,
                    "peak_memory_mib": 432.1,
                    "gamma": (1.05 if arm.startswith("gamma") else 1.2) if pals else None,
                    "lam": 1.1 if pals else None,
                    "every": None if dense else 10 if arm.startswith("every") else 5,
                    "cap": (0.99 if arm == "no cap" else 0.9) if pals else None,
                    "status": "ok",
                    "reason": None,
                }
            )
    return pd.DataFrame(rows)


def updates(decisions: dict[str, list[str]], seeds=(1, 2), arms=(CODE,)) -> pd.DataFrame:
    """Decisions by model, the same for every seed and arm."""
    return pd.DataFrame(
        {
            "model": model,
            "pred_len": 96,
            "seed": seed,
            "arm": arm,
            "step": 5 * (place + 1),
            "decision": decision,
            "sparsity": 0.1 * (place + 1),
            "sparsity_counted": 0.1 * (place + 1),
            "loss": 1 / (place + 1),
        }
        for (model, made), seed, arm in product(decisions.items(), seeds, arms)
        for place, decision in enumerate(made)
    )


SHRUNK = {"A": ["shrink"] * 3, "B": ["shrink"] * 3}


def compared(*pairs: tuple, seeds: int = 2) -> pd.DataFrame:
    """Rows from ``(model, arm, against, relative, low, high)``; clear where zero lies outside, with two seeds."""
    return pd.DataFrame(
        {
            "model": model,
            "pred_len": 96,
            "arm": arm,
            "against": against,
            **interval(low, relative, high, seeds),
        }
        for model, arm, against, relative, low, high in pairs
    )


PAIRS = (
    ("A", CODE, "dense", 0.21, 0.15, 0.27),
    ("B", CODE, "dense", 0.02, -0.01, 0.05),
    ("A", CODE, "gmp 0.1", 0.1, 0.05, 0.15),
    ("B", CODE, "gmp 0.1", 0.01, -0.02, 0.03),
    ("A", CODE, "static 0.5", -0.3, -0.4, -0.2),
    ("A", "no cap", CODE, 0.08, 0.05, 0.12),
    ("A", "never expands", CODE, 0.001, -0.01, 0.01),
)


def said(frame=None, made=SHRUNK, pairs=PAIRS, naive=NAIVE, seeds=2) -> str:
    frame = cells() if frame is None else frame
    return plain(words.verdict(frame, updates(made), compared(*pairs, seeds=seeds), naive))


@pytest.mark.parametrize(
    ("ends", "answer"),
    [
        (
            {"A": [0.3, 0.9, 0.7], "B": [0.3, 0.6, 0.9]},
            "in none of 4 trainings; all hit the limit (90 %).",
        ),
        # Close to the limit, and rising: the limit stopped nothing.
        (
            {"A": [0.3, 0.88, 0.8968], "B": [0.3, 0.6, 0.91]},
            "in none of 4 trainings; 2 hit the limit (90 %), 2 ended still pruning.",
        ),
        (
            {"A": [0.3, 0.6, 0.7], "B": [0.4]},
            "in none of 4 trainings; all ended still pruning.",
        ),
        (
            {"A": [0.3, 0.6, 0.5], "B": [0.3, 0.6, 0.7]},
            "in 2 of 4 trainings; 2 ended still pruning.",
        ),
        ({"A": [0.3, 0.6, 0.6], "B": [0.5, 0.2]}, "in all of 4 trainings."),
    ],
)
def test_the_first_sentence_says_what_ended_the_shrinking(ends, answer):
    made = updates({model: ["shrink"] * len(own) for model, own in ends.items()})
    made["sparsity_counted"] = [ends[row["model"]][row["step"] // 5 - 1] for row in made.to_dict("records")]
    begin = "On Exchange, PALS, meant to find by itself how many weights training can remove, did so "
    said = headline(plain(words.verdict(cells(), made, compared(*PAIRS), NAIVE)))
    assert said.replace(" (2 seeds, one setting)", "") == begin + answer != said


def test_the_pace_that_partly_makes_where_it_ends_is_named():
    text = said()
    assert "gamma 1.2, lambda 1.1, an update every 5 steps and a cap on sparsity of 0.9. It sets how fast PALS" in text
    assert "pairs of gamma and lambda by validation, an update every 20 steps)" in text
    assert "pairs of gamma and lambda by validation, an update every 5 steps)" in said(cells().assign(dataset="ILI"))


def test_differences_are_claimed_only_where_they_are_clear():
    text = said()
    assert "density 0.1 for **A** (MSE +21 % (+15 to +27))" in text
    assert "for **B** (MSE within the noise)." in text
    assert "“no cap” (MSE +8.0 %, density 0.041) differs beyond the noise; the other 1 does not." in text
    assert "never expands" not in text
    signal = said(pairs=(*PAIRS, ("A", "signal: whole validation set", CODE, 0.001, -0.01, 0.01)))
    assert "differs beyond the noise; the other 2 do not." in signal, "as many as the table has"
    alike = cells()
    alike.loc[alike["arm"] == "no cap", "density"] = 0.1
    tiny = said(pairs=(*PAIRS[:-2], ("A", "no cap", CODE, -0.00004, -0.00005, -0.00003), PAIRS[-1]), frame=alike)
    assert (
        "on **A**, “no cap” changes the MSE by less than 0.1 %; the other 1 does not differ beyond the noise." in tiny
    )
    close = cells()
    close.loc[close["arm"] == "no cap", "density"] = 0.09
    assert "“no cap” (MSE +8.0 %) differs" in said(close), "0.09 and 0.1 are not called different"


def test_the_papers_counts_stand_beside_ours():
    table = tables.paper_counts(COUNTS, {}, PUBLISHED).data
    assert table["here"].tolist() == ["1 of 2", "0 of 2", "81\u00a0%", "79\u00a0%"]
    assert table["paper"].tolist() == ["12 of 30", "14 of 30", "65\u00a0%", "63\u00a0%"]
    both = tables.paper_counts(COUNTS, COUNTS | {"better_mse": 2}, PUBLISHED).data
    assert both.loc["better than dense by MSE"].tolist() == ["2 of 2", "1 of 2", "12 of 30"]
    alone = tables.paper_counts(COUNTS, {}, {}, "One horizon only.")
    assert list(alone.data) == ["here"] and alone.caption.endswith("beyond the noise. One horizon only.")
    with pytest.raises(UserError, match="column 'macs' is missing"):
        tables.paper_counts({"cells": 1, "better_mse": 1, "better_mae": 1, "parameters": 0.5}, {}, {})


def test_counts_set_it_against_dense_each_rival_and_those_of_similar_density():
    rows, _ = read(tables.counts(cells(), compared(*PAIRS)))
    assert [cell for cell in rows[0] if cell] == ["better", "worse", "within the noise", "of", "largest claimed"]
    assert rows[1:] == [
        ["against dense", "0", "1", "1", "2", "+21 % (A)"],
        ["against gmp 0.1", "0", "1", "1", "2", "+10 % (A)"],
        ["against static 0.5", "1", "0", "0", "1", "−30 % (A)"],
        ["against rivals of similar density (within a factor of 1.5)", "0", "1", "1", "2", "+10 % (A)"],
    ]


def test_only_rivals_of_similar_density_are_compared():
    text = said()
    assert "Beside rivals of similar density (within a factor of 1.5) its MSE is clearly higher than gmp 0.1" in text
    assert "clearly higher than gmp 0.1 (**A**), within the noise in the rest." in text
    assert "static" not in text
    far = cells()
    far.loc[far["arm"] == CODE, "density"] = 0.25
    assert "There is no rival of similar density" in said(far)


EQUAL = [
    (at_pals("gmp"), "equal", "gmp", 0.1, 1.05),
    (at_pals("rigl"), "equal", "rigl", 0.1, 1.3),
    (dense_from(2), "control", "dense", 1.0, 1.01),
    (SEARCHED, "search", "pals", 0.12, 1.05),
]
EQUAL_PAIRS = (
    ("A", CODE, at_pals("gmp"), 0.1, 0.05, 0.15),
    ("B", CODE, at_pals("gmp"), 0.01, -0.02, 0.03),
    ("A", CODE, at_pals("rigl"), -0.1, -0.15, -0.05),
    ("A", at_pals("gmp"), at_pals("rigl"), -0.2, -0.25, -0.15),
    ("A", at_pals("gmp"), "dense", 0.05, 0.02, 0.08),
    ("A", at_pals("gmp"), dense_from(2), 0.04, -0.01, 0.07),
    ("A", at_pals("rigl"), "dense", 0.3, 0.2, 0.4),
    ("A", SEARCHED, CODE, -0.12, -0.2, -0.05),
    ("A", SEARCHED, "dense", 0.06, 0.01, 0.11),
)


@pytest.fixture
def equal(monkeypatch) -> pd.DataFrame:
    """Cells with rivals at PALS's density, the control of the late one, and a search of nine runs."""
    monkeypatch.setattr(sys.modules[__name__], "ARMS", [*ARMS, *EQUAL])
    frame = cells().assign(runs=1)
    frame.loc[frame["arm"] == SEARCHED, ["runs", "training_macs_share", "time_share"]] = 9, 6.2, 9.5
    return frame


def test_rivals_at_its_own_density_are_what_it_is_compared_with(equal):
    text = said(equal, pairs=(*PAIRS, *EQUAL_PAIRS))
    own = (
        "Beside rivals at its own density its MSE is clearly lower than rigl (**A**), clearly higher than gmp (**A**), "
    )
    assert own + "within the noise in the rest." in text and "gmp 0.1" not in text
    assert "the one with clearly the lowest MSE is gmp for **A**; elsewhere there is none." in text
    rows, _ = read(tables.counts(equal, compared(*PAIRS, *EQUAL_PAIRS)))
    assert ["one setting, against rivals at its own density", "1", "1", "1", "3"] in [row[:5] for row in rows]


def test_a_late_method_is_set_against_dense_of_the_same_epochs_and_against_plain_dense(equal):
    text = said(equal, pairs=(*PAIRS, *EQUAL_PAIRS))
    assert "gmp clearly lower in 0, higher in 0 of 1 (against plain dense clearly lower in 0, higher in 1 of" in text
    rows, classes = read(tables.rivals(equal, compared(*PAIRS, *EQUAL_PAIRS)))
    (line,) = [row for row in rows if row[0] == "A" or at_pals("gmp") in row if at_pals("gmp") in row][:1]
    assert line[-3:] == ["+10 % (+5.0 to +15)", "+5.0 % (+2.0 to +8.0)", "+4.0 % (−1.0 to +7.0)"]
    assert "fallen" in next(kind for text, kind in classes.items() if text.startswith("+4.0"))
    assert tables.rivals(equal[equal["group"] == "dense"], compared(*PAIRS)) is None


def test_a_search_says_its_setting_and_what_all_its_runs_cost(equal):
    text = said(equal[(equal["arm"] != SEARCHED) | (equal["model"] == "A")], pairs=(*PAIRS, *EQUAL_PAIRS))
    same = "chooses gamma 1.2 and lambda 1.1 (density 0.12; MSE +6.0 % (+1.0 to +11) against dense; the one setting)."
    assert (
        f"- For **A**, a search by validation loss, as in the paper, {same} Its 9 runs together take 6.2 times" in text
    )
    assert "and 9.5 times its time.\n- For **B** gamma and lambda were not searched;" in text
    assert "where they were, the loss ended the shrinking in none of 2 trainings; all ended still pruning." in text
    other = equal.assign(gamma=equal["gamma"].where(equal["arm"] != SEARCHED, 1.05))
    assert "against dense; MSE −12 % (−20 to −5.0) against the one setting). Its 9" in said(
        other, pairs=(*PAIRS, *EQUAL_PAIRS)
    )
    assert "A search is charged for all of its runs." in tables.arms(equal).caption
    assert "were not searched here" in said(equal[equal["group"] != "search"])


def test_what_there_is_one_of_is_said_in_the_singular(equal):
    """One seed, one model, one rival, a search of which one run has finished."""
    one = equal[(equal["model"] == "A") & (equal["seed"] == 1)]
    one = one.assign(runs=one["runs"].where(one["group"] != "search", 1))
    text = said(one, pairs=[("A", CODE, at_pals("gmp"), 0.01, -0.02, 0.03)])
    assert "Its one run takes 6.2 times" in text
    assert "Beside rivals at its own density its MSE is within the noise in the one comparison." in text
    assert "among 1 pair, as its authors do: 1 training where" in tables.counts(one, compared(*PAIRS)).caption
    told = figures.sensitivity(cells(models=["A"], seeds=[1])).get_supxlabel()
    assert "Means over 1 seed;" in told.replace("\n", " ")


def test_where_the_setting_is_searched_for_every_model_the_page_begins_with_that(equal):
    """As its authors run it; what one setting comes to stands behind."""
    ends = {CODE: [0.3, 0.9, 0.7], SEARCHED: [0.3, 0.6, 0.5]}
    made = updates(SHRUNK, arms=(CODE, SEARCHED))
    made["sparsity_counted"] = [ends[row["arm"]][row["step"] // 5 - 1] for row in made.to_dict("records")]
    compares = compared(*PAIRS, *EQUAL_PAIRS)
    text = plain(words.verdict(equal, made, compares, NAIVE))
    assert headline(text).endswith("did so in all of 4 trainings (2 seeds, settings searched).")
    assert "With this setting the loss ended the shrinking in none of 4 trainings; all hit the limit (90 %)." in text
    assert text.index("a search by validation loss, as in the paper") < text.index("One setting for all models")
    table = tables.counts(equal, compares)
    rows, _ = read(table)
    assert rows[1] == ["its setting searched, against dense", "0", "1", "0", "1", "+6.0 % (A)"]
    assert rows[2][0] == "its setting searched, against one setting"
    assert rows[3] == ["one setting, against dense", "0", "1", "1", "2", "+21 % (A)"]
    assert "among 9 pairs, as its authors do: 9 trainings where dense and one setting take one." in plain(table.caption)
    assert SEARCHED in {text.get_text() for text in figures.arms(equal).legends[0].get_texts()}
    drawn = figures.trajectories(made)
    assert SEARCHED in {text.get_text() for text in drawn.legends[0].get_texts()}


def test_a_clock_by_which_dense_itself_takes_another_time_tells_no_overhead(equal):
    equal.loc[equal["group"] == "control", "time_share"] = 0.43
    assert (
        "how much longer an epoch takes (1.10 to 1.20 times as long as dense; dense itself, trained once more, 0.43)"
        in (said(equal, pairs=(*PAIRS, *EQUAL_PAIRS)))
    )


def test_what_gamma_and_lambda_change_is_said_from_the_table():
    text = said()
    assert "On **A**, raising gamma from 1.05 to 1.2 moves the final density from 0.3 to 0.1." in text
    close = cells()
    close.loc[close["arm"] == "gamma 1.05, lambda 1.1", "density"] = 0.105
    assert "gamma from 1.05 to 1.2 does not move the final density beyond the spread of the seeds." in said(close)


def test_one_seed_claims_nothing():
    text = said(cells(seeds=(1,)), seeds=1)
    assert "for **A**" in text and "(nothing claimed)" in text and "no difference is claimed" in text
    assert "clearly" not in text and "similar density" not in text and "no cap" not in text


def test_what_took_less_time_than_dense_is_the_clocks_noise_and_no_speed():
    frame = cells()
    frame.loc[(frame["arm"] == CODE) & (frame["seed"] == 1), "time_share"] = 0.79
    text = said(frame)
    assert "how much longer an epoch takes (0.79 to 1.20 times as long as dense; masks make nothing faster)" in text
    assert "An epoch took" not in text


def test_costs_naive_level_and_failures_are_told():
    frame = cells()
    frame.loc[(frame["arm"] == "no cap") & (frame["seed"] == 1), "status"] = "diverged"
    text = said(frame, naive=NAIVE.assign(mse=0.9))
    assert (
        "An epoch took 1.10 to 1.20 times as long as dense (by the clock" in text
        and "50 % of the multiply-adds of dense training" in text
    )
    assert text.startswith("On Exchange, both forecasters do no better than repeating the last value, even unpruned")
    assert "\n- PALS, meant to find by itself how many weights training can remove, did so in none of 4" in text
    assert "1 of 30 cells did not finish" in text
    frame["status"] = frame["status"].where(frame["arm"] != CODE, "failed")
    assert said(frame).startswith(
        "On Exchange, it cannot be said whether PALS finds by itself how many weights training can"
    )


def test_ticks_without_labels_stand_over_those_that_have_them():
    above, below = figures.trajectories(updates({"A": ["shrink", "expand", "stable"]})).axes
    assert list(above.get_xticks()) == list(below.get_xticks()) and above.get_xlim() == below.get_xlim()
    assert not any(label.get_visible() for label in above.get_xticklabels())


def test_each_decision_has_a_marker_of_its_own():
    made = updates({"A": ["shrink", "expand", "stable"], "B": ["shrink"] * 3}, arms=(CODE, PAPER))
    figure = figures.trajectories(made)
    above = figure.axes[0]
    marked = {line.get_label(): line for line in above.get_lines() if ": " in line.get_label()}
    for decision, marker in DECISIONS.items():
        line = marked[f"{CODE}: {decision}"]
        assert line.get_marker() == marker and len(line.get_xdata()) == 1
    assert marked[f"{CODE}: shrink"].get_color() != marked[f"{PAPER}: shrink"].get_color()
    assert len(set(DECISIONS.values())) == 3
    assert {t.get_text() for t in figure.legends[0].get_texts()} == {CODE, PAPER, *DECISIONS}
    with pytest.raises(UserError, match="shrink"):
        figures.trajectories(made.assign(decision="shrinks"))
    with pytest.raises(UserError, match="PALS as in its code"):
        figures.trajectories(made.assign(arm="no cap"))


def test_more_models_than_fit_go_to_the_next_row():
    figure = figures.trajectories(updates({name: ["shrink", "stable"] for name in "ABCDE"}))
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")] == list("ABCDE")
    assert len(figures.arms(cells(models="ABCDE", changed=())).axes) == 5


def test_density_against_error_draws_dense_and_the_seeds():
    figure = figures.arms(cells())
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["A", "B"]
    for axes in figure.axes:
        assert any(list(line.get_ydata()) == [1, 1] for line in axes.get_lines()), "dense"
        low, high = sorted(axes.get_xlim())
        assert low < 0.1 and high > 1 and len(axes.collections) == 8, "a bar each way per arm"
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [CODE, PAPER, "gmp", "static", "dense"]
    with pytest.raises(UserError, match="finished"):
        figures.arms(cells().assign(status="failed"))


def test_ablations_are_filled_only_when_clear():
    figure = figures.ablations(cells(), compared(*PAIRS))
    dots = [line for line in figure.axes[0].get_lines() if line.get_marker() == "o"]
    assert [float(dot.get_xdata()[0]) for dot in dots] == pytest.approx([8, 0.1])
    assert [dot.get_markerfacecolor() == "white" for dot in dots] == [False, True]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["no cap", "never expands"]
    assert figures.ablations(cells(changed=()), compared(*PAIRS)) is None


def test_the_sensitivity_frames_the_default():
    figure = figures.sensitivity(cells())
    density, error, interval = figure.axes
    assert [text.get_text() for text in density.texts] == ["0.30", "0.10"]
    assert [text.get_text() for text in error.texts] == ["1.11", "1.21"]
    assert density.patches[0].get_x() == pytest.approx(1 - 0.47)
    assert any(list(line.get_xdata()) == [5, 10] for line in interval.get_lines())
    assert figures.sensitivity(cells(changed=())) is None


def test_tables_say_what_they_hold():
    page = plain(tables.arms(cells()).to_html())
    assert "1.300" not in page and "static 0.5" in page and "training" in page
    table = tables.ablations(cells(), compared(*PAIRS))
    page = plain(table.to_html())
    assert "+8.0 % (+5.0 to +12)" in page and "gmp" not in page and "no result" in page
    assert len(re.findall(r'<td[^>]*class="[^"]*fallen', page)) == 1, "only what is within the noise"
    assert tables.ablations(cells(changed=()), compared(*PAIRS)) is None
    page = as_read(tables.overhead(cells()).to_html())
    assert "1.15 (1.10–1.20)" in page and "3.00 s" in page and "signal: whole validation set" in page
    assert "memory, MiB" in page and ">432<" in page


def test_published_sparsity_stands_beside_ours():
    horizons = pd.DataFrame(
        {
            "dataset": "Exchange",
            "model": ["FEDformer", "LSTM"],
            "pred_len": [96, 96],
            "sparsity_code": [0.881, 0.5],
            "sparsity_paper": [0.72, None],
            "sparsity_searched": None,
            "sparsity_published": [0.56, None],
            "tolerance": [0.02, None],
            "source": ["plots", None],
        }
    )
    frame = tables.horizons(horizons).data
    assert frame.loc["FEDformer", [CODE, PAPER, "published"]].tolist() == ["0.88", "0.72", "0.56 ± 0.02"]
    assert frame.loc["LSTM", [PAPER, "published", "source"]].tolist() == ["no result", "none", ""]
    assert SEARCHED not in frame
    searched = tables.horizons(horizons.assign(sparsity_searched=[0.6, None])).data[SEARCHED]
    assert searched.tolist() == ["0.60", ""], "LSTM was not searched"


def test_agreement_of_the_signals():
    shares = pd.DataFrame(
        [("A", 96, seed, "subset", share, 40) for seed, share in ((1, 0.9), (2, 0.8))],
        columns=["model", "pred_len", "seed", "signal", "agreement", "updates"],
    )
    assert "85 % (80 % to 90 %)" in plain(tables.agreement(shares).to_html())
    assert tables.agreement(shares.assign(agreement=1.0)).data["subset"].tolist() == ["100\u00a0%"]
    assert tables.agreement(shares.iloc[:0]) is None


@pytest.mark.parametrize("draw", [figures.arms, tables.arms, tables.overhead])
def test_a_missing_column_is_named(draw):
    with pytest.raises(UserError, match=r"'(density|status)' is missing"):
        draw(cells().drop(columns=["density", "status"]))


def test_only_the_rivals_of_a_run_are_explained(equal):
    text = words.rivals(equal)
    assert "`gmp` removes" in text and "`rigl` exchanges" in text and "`granet`" not in text and "`set`" not in text
    assert "for `gmp` only one that ends at the density" in text and "at the density that PALS" in text
    assert words.rivals(equal[equal["group"] == "PALS"]) == "This run has no rivals beside PALS (`rivals` names none)."
    assert set(words.RIVALS_DO) == set(RIVALS), "each that a run may name"
