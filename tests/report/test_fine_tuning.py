"""Study 02 in pictures and words: every arm drawn, claims only where all seeds agree."""

import pandas as pd
import pytest

from tsprune.errors import UserError
from tsprune.report import fine_tuning_figure, fine_tuning_table, fine_tuning_verdict, recovery_figure

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


def test_the_verdict_measures_against_dense_trained_as_long():
    text = fine_tuning_verdict(cells(iterative={0.1: 0.9}, rewound={0.1: 1.1}))
    assert text.startswith("On ETTh1 (horizon 96, mean of 2 seeds)")
    assert "**M** down to density 0.5 with training on, at no density tried without." in text
    assert "step by step instead of at once, at density 0.1, lowers the MSE of **M** (10" in text
    assert "under the same mask, at density 0.1, raises that of **M** (10" in text


def test_seeds_that_disagree_are_no_claim_and_one_seed_compares_nothing():
    table = cells(iterative={0.1: 0.9}, rewound={0.1: 1.1})
    table.loc[(table["seed"] == 2) & (table["arm"] == "iterative"), "mse"] = 1.5
    assert "for no model does it make a difference that all seeds share" in fine_tuning_verdict(table)
    assert "the arms are not compared" in fine_tuning_verdict(cells(seeds=(1,), iterative={0.1: 0.9}))


def test_figures_draw_every_arm_and_both_dense_lines():
    table = cells(iterative={0.5: 0.81, 0.1: 0.9}, rewound={0.5: 0.9, 0.1: 1.1})
    figure = fine_tuning_figure(table)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["pruned", "fine-tuned", "iterative", "rewound", "dense", "dense, trained as long"]
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "M"
    assert len([line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_marker() != "None"]) == 4
    history = pd.DataFrame(
        [
            {
                "model": "M",
                "pred_len": 96,
                "seed": s,
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
    figure = recovery_figure(history)
    assert [t.get_text() for t in figure.legends[0].get_texts()][:2] == ["density 0.5", "density 0.1"]
    assert figure.axes[0].get_xlabel() == "Epochs after pruning"


def test_the_table_has_a_column_per_arm_and_says_what_failed():
    html = fine_tuning_table(cells(status="diverged", rewound={0.5: 1.0, 0.1: 1.0})).to_html()
    for word in ("dense longer", "fine-tuned", "0.5", "0.825 ± 0.007", "diverged"):
        assert word in html, word
    text = fine_tuning_verdict(cells(status="diverged", rewound={0.5: 1.0, 0.1: 1.0}, iterative={0.1: 0.9}))
    assert "4 of 18 cells did not finish" in text


def test_nothing_finished_is_a_clear_line():
    table = cells().assign(status="failed")
    with pytest.raises(UserError, match="none of the 12 cells of a pruned model finished"):
        fine_tuning_figure(table)
