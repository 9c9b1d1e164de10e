"""Study 02 in pictures and words: every arm drawn, claims only where the interval is clear of zero."""

import re

import pandas as pd
import pytest
from reading import as_read

from tsprune.errors import UserError
from tsprune.study.fine_tuning import figures, tables, words

NAIVE = pd.DataFrame({"pred_len": [96], "model": ["RepeatLast"], "mse": [1.3]})
DENSE = {"dense": 1.0, "dense longer": 0.8}


def cells(seeds=(1, 2), status="ok", **arms: dict[float, float]) -> pd.DataFrame:
    """MSE by arm and density for a model M whose dense MSE is 1; seed 2 is 0.01 higher everywhere."""
    arms = {"pruned": {0.5: 1.2, 0.1: 2.0}, "fine-tuned": {0.5: 0.82, 0.1: 1.0}} | arms
    values = [(arm, 1.0, value) for arm, value in DENSE.items()]
    values += [(arm, density, value) for arm, of in arms.items() for density, value in of.items()]
    rows = [
        {
            "dataset": "ETTh1",
            "model": "M",
            "pred_len": 96,
            "seed": seed,
            "structure": "unstructured",
            "arm": arm,
            "density_asked": density,
            "mse": value + (seed - 1) / 100,
            "mse_relative": value,
            "status": status if arm == "rewound" else "ok",
            "reason": None,
        }
        for seed in seeds
        for arm, density, value in values
    ]
    return pd.DataFrame(rows)


def compared(*pairs: tuple, structure: str = "unstructured", density: float = 0.1) -> pd.DataFrame:
    """Rows from ``(model, arm, against, relative, low, high)``, two seeds, clear where zero lies outside."""
    return pd.DataFrame(
        {
            "model": model,
            "pred_len": 96,
            "structure": structure,
            "density_asked": density,
            "arm": arm,
            "against": against,
            "relative": relative,
            "low": low,
            "high": high,
            "clear": low > 0 or high < 0,
            "seeds": 2,
        }
        for model, arm, against, relative, low, high in pairs
    )


RECOVERY = (("M", "pruned", "dense longer", 1.5, 1.2, 1.8), ("M", "fine-tuned", "dense longer", 0.052, 0.03, 0.071))


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_the_verdict_measures_against_dense_trained_as_long():
    pairs = compared(
        *RECOVERY,
        ("M", "iterative", "fine-tuned", -0.11, -0.13, -0.09),
        ("M", "rewound", "fine-tuned", 0.04, 0.01, 0.07),
    )
    text = plain(words.verdict(cells(), pairs, NAIVE))
    assert text.startswith(
        "On ETTh1, with 90 % of weights removed and training continued, **M** ends 5.2 % above the forecast error of "
        "the unpruned model trained as long (3.0 to 7.1 %)."
    )
    assert (
        "On ETTh1 (horizon 96, 2 seeds), fine-tuning changes the MSE relative to the dense model trained as long: "
        "cut to density 0.1, **M** from +150 % to +5.2 % (+3.0 to +7.1) (in brackets the 95 % interval)."
    ) in text
    assert "step by step instead of at once (density 0.1) lowers the MSE of **M** (−11 %, −13 to −9.0)." in text
    assert "under the same mask (density 0.1) raises the MSE of **M** (+4.0 %, +1.0 to +7.0)." in text


def test_what_lies_within_the_noise_is_no_claim_and_one_seed_claims_nothing():
    pairs = compared(
        ("M", "pruned", "dense longer", 1.5, 1.2, 1.8),
        ("M", "fine-tuned", "dense longer", 0.01, -0.02, 0.04),
        ("M", "iterative", "fine-tuned", -0.02, -0.06, 0.02),
    )
    text = plain(words.verdict(cells(), pairs, NAIVE))
    assert "**M** from +150 % to +1.0 % (−2.0 to +4.0, no difference above 5 %)" in text
    assert "(density 0.1) has no clear effect for **M**." in text
    assert "Starting over" not in text
    one = plain(words.verdict(cells(seeds=(1,)), pairs.assign(seeds=1, clear=False), NAIVE))
    assert one.startswith("On ETTh1, nothing is claimed about forecasters with 90 % of weights removed and trained on")
    assert one.count("%") == 1


def test_other_structures_are_spoken_of_apart():
    pairs = pd.concat([compared(*RECOVERY), compared(*RECOVERY[1:], structure="structured")])
    two_of_four = compared(("M", "fine-tuned", "dense longer", 0.2, 0.1, 0.3), structure="2:4", density=0.5)
    text = plain(words.verdict(cells(), pd.concat([pairs, two_of_four]), NAIVE))
    assert "; narrowed to 0.1 of the parameters, **M** from no result to +5.2 %" in text
    assert "; with 2:4 masks, **M** from no result to +20 % (+10 to +30) (in" in text


def test_several_horizons_are_a_range_of_what_is_clear():
    pairs = compared(*RECOVERY)
    far = compared(("M", "pruned", "dense longer", 0.9, 0.5, 1.3), ("M", "fine-tuned", "dense longer", 0.01, -0.1, 0.1))
    text = plain(words.verdict(cells(), pd.concat([pairs, far.assign(pred_len=192)]), NAIVE))
    assert "from +90 % to +150 % to +5.2 % (at 1 of 2 horizons, else within the noise)" in text


def test_the_comparisons_say_what_is_no_claim():
    pairs = compared(*RECOVERY, ("M", "iterative", "fine-tuned", -0.02, -0.06, 0.02))
    html = as_read(tables.comparisons(pairs).to_html())
    for word in ("pruned / dense longer", "+5.2 (3.0…7.1)", "−2.0 (−6.0…2.0)", "weights, 0.1"):
        assert word in html, word
    assert html.count('class="col') and "fallen" in html
    assert "no result" in tables.comparisons(pairs.assign(seeds=0)).to_html()


def test_figures_draw_every_arm_and_both_dense_lines():
    table = cells(iterative={0.5: 0.81, 0.1: 0.9}, rewound={0.5: 0.9, 0.1: 1.1})
    figure = figures.arms(table)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["pruned", "fine-tuned", "iterative", "rewound", "dense", "dense, trained as long"]
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "M"
    half = table[table["arm"] == "pruned"].iloc[:1].assign(structure="2:4", density_asked=0.5)
    narrow = table[table["arm"].isin(["pruned", "fine-tuned"])].assign(structure="structured")
    two = figures.arms(pd.concat([table, narrow, half]))
    titles = [panel.get_title(loc="left") for panel in two.axes]
    assert titles == ["M: single weights", "M: narrower layers, and 2:4"]
    beside = figures.arms(pd.concat([table, table.assign(model="Flat"), narrow]))
    assert [[text.get_text() for text in panel.texts] for panel in beside.axes] == [[], [], [], ["no such cells"]]
    many = figures.arms(pd.concat(table.assign(model=name) for name in "ABCD"))
    assert [panel.get_subplotspec().rowspan.start for panel in many.axes] == [0, 0, 0, 1], (
        "one panel each: side by side"
    )
    assert [bool(panel.get_xlabel()) for panel in many.axes] == [False, True, True, True], "named where none is below"
    assert "2:4, colours as the arms" in [text.get_text() for text in two.legends[0].get_texts()]
    assert len([line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_marker() != "None"]) == 4
    history = pd.DataFrame(
        [
            {
                "model": "M",
                "pred_len": 96,
                "seed": s,
                "structure": "unstructured",
                "arm": arm,
                "density_asked": d,
                "epoch": e,
                "mse_relative": 2 - e / 4,
            }
            for s in (1, 2)
            for arm, d in (("fine-tuned", 0.5), ("fine-tuned", 0.1), ("dense longer", 1.0))
            for e in range(3)
        ]
    )
    history["mse_relative"] = 2 - history["epoch"] / 4
    figure = figures.recovery(history)
    assert [t.get_text() for t in figure.legends[0].get_texts()][:2] == ["density 0.5", "density 0.1"]
    assert figure.axes[0].get_xlabel() == "Epochs after pruning"


def test_the_table_sets_structures_apart_and_says_what_failed():
    table = cells(status="diverged", rewound={0.5: 1.0, 0.1: 1.0})
    narrow = table[table["arm"] == "fine-tuned"].assign(structure="structured", mse=0.7)
    html = tables.arms(pd.concat([table, narrow])).to_html().replace("\u00a0", " ")
    for word in ("trained on", "as it is", "0.5", "0.825 ± 0.007", "diverged", "narrower layers", "0.700 ± 0.000"):
        assert word in html, word
    assert "4 of 16 cells did not finish" in words.verdict(table, compared(*RECOVERY), NAIVE)
    with pytest.raises(UserError, match="unknown structure"):
        tables.arms(table.assign(structure="3:4"))


def test_nothing_finished_is_a_clear_line():
    table = cells().assign(status="failed")
    with pytest.raises(UserError, match="none of the 12 cells of a pruned model finished"):
        figures.arms(table)


def test_arms_at_a_single_density_lie_inside_their_panel():
    masked, narrow = cells(), cells(pruned={0.1: 2.0}, **{"fine-tuned": {0.1: 1.0}})
    narrow = narrow[narrow["density_asked"] < 1].assign(structure="structured")
    right = figures.arms(pd.concat([masked, narrow])).axes[1]
    points = [x for line in right.lines if line.get_marker() not in ("None", "") for x in line.get_xdata()]
    first, last = right.get_xlim()
    assert len(points) >= 2 and all(min(first, last) < x < max(first, last) for x in points)


def test_the_table_explains_the_columns_that_it_has_and_no_others():
    plain_run = tables.arms(cells()).caption
    assert "Trained on: both" in plain_run and not re.search("Iterative|Rewound|score|narrower", plain_run)
    narrow = cells(rewound={0.1: 1.1}, **{"pruned, wanda": {0.1: 1.4}}).assign(structure="structured")
    told = tables.arms(narrow).caption
    assert "Rewound: the same mask" in told and "the name of a score" in told and "all parameters" in told
