"""Scores side by side, and the first paper's protocols beside ours: drawn and tabulated as they are."""

from io import BytesIO

import pandas as pd
import pytest
from reading import details, first_sentence, read

from tsprune.errors import UserError
from tsprune.study.pruning_sweep import figures, tables, words
from tsprune.study.pruning_sweep.result import AUTHORS, OURS, SOLVED


@pytest.fixture
def scores() -> pd.DataFrame:
    """Two models and seeds; magnitude doubles the error at density 0.1, wanda half as much, random by 30."""
    rise = {"dense": 1.0, "magnitude": 2.0, "wanda": 1.5, "random": 30.0}
    return pd.DataFrame(
        {
            "dataset": "ETTh1",
            "model": model,
            "pred_len": 96,
            "seed": seed,
            "score": score,
            "structure": None if score == "dense" else "unstructured",
            "scope": {"dense": None, "random": "layer"}.get(score, "output"),
            "density_asked": 1.0 if score == "dense" else 0.1,
            "density": 1.0 if score == "dense" else 0.1,
            "mse": worse,
            "mse_relative": worse,
            "calibration_seconds": 0.2 if score == "wanda" else None,
            "calibration_memory_mib": 9.0 if score == "wanda" else None,
            "status": "ok",
            "reason": None,
        }
        for model in ("A", "B")
        for seed in (1, 2)
        for score, worse in rise.items()
    )


@pytest.fixture
def gains() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": "ETTh1",
            "model": model,
            "pred_len": 96,
            "score": score,
            "structure": "unstructured",
            "scope": scope,
            "density_asked": 0.1,
            "relative": relative,
            "low": relative - 0.1,
            "high": relative + 0.1,
            "clear": abs(relative) > 0.1,
            "seeds": 2,
        }
        for model in ("A", "B")
        for score, scope, relative in (("wanda", "output", -0.25 if model == "A" else 0.05), ("random", "layer", 14.0))
    )


def test_a_gain_that_may_yet_come_is_told_from_one_that_cannot_be(scores, gains):
    lost = (gains["model"] == "A") & (gains["score"] == "wanda")
    gains.loc[lost, ["relative", "low", "high", "clear", "seeds"]] = [float("nan")] * 3 + [False, 0]
    for status, told in (("not run", "not run"), ("failed", "no result")):
        ended = scores["status"].mask((scores["model"] == "A") & (scores["score"] == "wanda"), status)
        row = next(row for row in read(tables.scores(scores.assign(status=ended), gains))[0] if "A" in row)
        assert told in row


def test_one_case_is_no_cases(scores, gains):
    assert "beats magnitude in 1 of 1 case, most for **A**" in words.scores(scores, gains[gains["model"] == "A"])


@pytest.fixture
def authors() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "dataset": "ETTh1",
            "model": "FEDformer",
            "pred_len": 96,
            "seed": seed,
            "protocol": protocol,
            "density_asked": density,
            "density_all": density if protocol == OURS else 0.6 + 0.4 * density,
            "untouched": 0.6 if protocol == AUTHORS else None,
            "fourier": 0.55 if protocol == AUTHORS else None,
            "mse": 1 / density,
            "mse_relative": 1 / density,
            "status": "ok",
            "reason": None,
        }
        for seed in (1, 2)
        for protocol in (OURS, AUTHORS)
        for density in (1.0, 0.4, 0.1)
    )


def test_a_panel_per_model_a_line_per_score_and_magnitude_with_its_scope(scores):
    figure = figures.scores(scores)
    figure.savefig(BytesIO(), format="png", dpi=30)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["A", "B"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["magnitude, by output", "wanda", "random", "dense", "within 5\u00a0%"]
    lines = [line.get_xydata().tolist() for line in figure.axes[0].lines if len(line.get_xdata()) == 2]
    assert [[0.1, 2.0], [1.0, 1.0]] in lines and [[0.1, 1.5], [1.0, 1.0]] in lines
    assert figure.axes[0].get_ylim()[1] == 8.0 and "up to 30 times dense" in figure.get_supxlabel()
    with pytest.raises(UserError, match="none of the 16 cells finished"):
        figures.scores(scores.assign(status="failed"))


def test_the_table_has_magnitudes_error_and_the_gains_with_what_is_no_claim_in_italics(scores, gains):
    rows, classes = read(tables.scores(scores, gains))
    assert [cell for cell in rows[0] if cell] == ["magnitude, by output", "wanda", "random"]
    assert rows[-2] == ["A", "0.1", "2.00", "−25 (−35…−15)", "+1400 (1390…1410)"]
    assert "fallen" in classes["+5.0 (−5.0…15)"] and "fallen" not in classes["−25 (−35…−15)"]
    assert "wanda by output, random by layer" in tables.scores(scores, gains).caption


def test_two_of_four_has_rows_of_its_own_and_no_place_among_the_lines(scores, gains):
    half = scores[scores["score"] != "dense"].assign(structure="2:4", scope="layer", density_asked=0.5, density=0.5)
    both = pd.concat([scores, half.assign(mse_relative=1.25)])
    lines = {tuple(xy) for line in figures.scores(both).axes[0].lines for xy in line.get_xydata().tolist()}
    assert not any(density == 0.5 for density, _ in lines)
    more = pd.concat([gains, gains.assign(structure="2:4", scope="layer", density_asked=0.5)])
    rows, _ = read(tables.scores(both, more))
    assert [cell for cell in rows[0] if cell] == ["magnitude, by output", "magnitude, by layer", "wanda", "random"]
    halves = [row[row.index("2:4") : -1] for row in rows if "2:4" in row]
    assert halves == [["2:4", "", "1.25", "−25 (−35…−15)"], ["2:4", "", "1.25", "+5.0 (−5.0…15)"]]
    assert "2:4 ranks within every four neighbours." in tables.scores(both, more).caption
    counts, _ = read(tables.gains(more))
    assert [row[0] for row in counts[1:]] == ["wanda, density 0.1", "random, density 0.1", "wanda, 2:4", "random, 2:4"]


def test_the_counts_of_gains_add_up(gains):
    rows, _ = read(tables.gains(gains))
    assert rows[1:] == [
        ["wanda, density 0.1", "1", "0", "1", "2", "−25 % (A)"],
        ["random, density 0.1", "0", "2", "0", "2", "+1400 % (A)"],
    ]


def test_the_first_papers_protocol_is_drawn_by_what_it_asks_and_by_what_it_leaves(authors):
    figure = figures.authors(authors)
    figure.savefig(BytesIO(), format="png", dpi=30)
    asked, left = figure.axes
    assert "Density asked" in asked.get_xlabel() and "Share of all parameters left" in left.get_xlabel()
    shares = sorted({round(x, 6) for line in left.lines if len(line.get_xdata()) == 3 for x in line.get_xdata()})
    assert shares == [0.1, 0.4, 0.64, 0.76, 1.0]
    assert "covers" not in figure.get_supxlabel()
    same = figures.authors(authors.assign(density_all=authors["density_asked"]))
    assert "FEDformer: both come to the same, and one line covers the other." in " ".join(same.get_supxlabel().split())
    rows, _ = read(tables.authors(authors))
    assert rows[-1][-5:] == ["60.0 %", "10.0 %", "10.00", "64.0 %", "10.00"]
    with pytest.raises(UserError, match="'authors': column 'untouched' is missing"):
        tables.authors(authors.drop(columns="untouched"))


@pytest.fixture
def ends() -> pd.DataFrame:
    """Two models of two seeds taken to half and to a tenth of their channels, and ours to a tenth of the parameters."""
    points = (
        *((AUTHORS, asked, asked**2, asked, 1 / asked) for asked in (1.0, 0.5, 0.1)),
        (SOLVED, 1.0, 1.0, 1.0, 1.0),
        (SOLVED, 0.1, 0.102, 0.2, 4.0),
    )
    return pd.DataFrame(
        {
            "dataset": "ETTh1",
            "model": model,
            "pred_len": 96,
            "seed": seed,
            "protocol": protocol,
            "asked": asked,
            "density_all": left + 0.2 * (model == "B" and protocol == AUTHORS and asked < 1),
            "macs_share": macs,
            "mse": rise,
            "mse_relative": rise,
            "status": "ok",
            "reason": None,
        }
        for model in ("A", "B")
        for seed in (1, 2)
        for protocol, asked, left, macs, rise in points
    )


def test_the_way_to_the_end_is_drawn_and_tabulated_beside_what_was_told_a_share(ends):
    figure = figures.ends(ends)
    figure.savefig(BytesIO(), format="png", dpi=30)
    assert [axes.get_title(loc="left") for axes in figure.axes[::2]] == ["A", "B"]
    way = [sorted(line.get_xdata()) for line in figure.axes[0].lines if len(line.get_xdata()) == 3]
    assert way == [pytest.approx([0.01, 0.25, 1.0])]
    rows, _ = read(tables.ends(ends))
    assert [row[-4:] for row in rows[-3:]] == [
        ["0.5 of the channels", "45.0 %", "50.0 %", "2.00"],
        ["0.1 of the channels", "21.0 %", "10.0 %", "10.00"],
        ["0.1 of the parameters", "10.2 %", "20.0 %", "4.00"],
    ]
    with pytest.raises(UserError, match="none of the 12 pruned cells finished"):
        figures.ends(ends.assign(status="failed"))
    with pytest.raises(UserError, match="'ends': column 'macs_share' is missing"):
        tables.ends(ends.drop(columns="macs_share"))


def test_where_it_stops_is_said_beside_what_was_asked(ends):
    text = words.ends(ends)
    assert first_sentence(text) == (
        "On ETTh1, the first paper's structured pruning, asked to remove every channel, stops at 1 % (A) to 21 % (B) "
        "of all parameters."
    )
    assert details(text) == (
        "There its error is 10.00 times that of dense. Its steps count channels: asked to keep 50 % of them, it keeps "
        "25 % (**A**) to 45 % (**B**) of all parameters. Ours is asked for a share of the parameters, here 10 %, and "
        "ends at most 0.2 percentage points off."
    )
    assert first_sentence(words.ends(ends[ends["model"] == "A"])).endswith("stops at 1 % of A, all parameters counted.")


def test_a_model_that_reaches_no_end_is_named_and_left_out(ends):
    broken = (ends["model"] == "B") & (ends["protocol"] == AUTHORS) & (ends["asked"] == 0.1)
    ends.loc[broken, "reason"] = "torch-pruning breaks B"
    text = words.ends(ends)
    assert first_sentence(text).endswith("stops at 1 % of A, all parameters counted.")
    assert text.endswith("torch-pruning does not finish on **B**, see the table.")
    assert "torch-pruning breaks B" in tables.ends(ends).to_html()
    waiting = ends.assign(
        status=ends["status"].mask(broken, "not run"), reason=ends["reason"].mask(broken, "has not run yet")
    )
    waiting = waiting[broken | (waiting["model"] == "A") | (waiting["asked"] == 1)]
    text = words.ends(waiting)
    assert text.endswith("It has not run yet on **B**.") and "does not finish" not in text
    assert words.ends(waiting[waiting["model"] == "B"]).startswith(
        "On ETTh1, the first paper's structured pruning, asked to remove every channel, has not run yet."
    )
    assert "has not run yet" not in tables.ends(waiting).to_html()
    assert [axes.get_title(loc="left") for axes in figures.ends(waiting).axes] == ["A", ""], "dense alone is no panel"
    ends.loc[(ends["protocol"] == AUTHORS) & (ends["asked"] < 1), "reason"] = "torch-pruning breaks it"
    assert first_sentence(words.ends(ends)).endswith("asked to remove every channel, does not finish.")
