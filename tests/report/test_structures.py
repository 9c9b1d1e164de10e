"""Structures side by side: a row of panels per model, a line per structure, asked beside achieved."""

import pandas as pd
import pytest

from tsprune.errors import UserError
from tsprune.report import structure_figure, structure_table


@pytest.fixture
def structures() -> pd.DataFrame:
    cells = [("unstructured", scope, d, d + 0.05, d) for scope in ("layer", "global") for d in (1.0, 0.5, 0.1)]
    cells += [("2:4", "layer", 0.5, 0.6, 0.7), ("structured", "global", 0.5, 0.498, 0.55)]
    return pd.DataFrame(
        {
            "model": model,
            "pred_len": 96,
            "seed": seed,
            "structure": structure,
            "scope": scope,
            "density_asked": asked,
            "density_all": kept,
            "macs_share": macs,
            "mse": 0.4 / asked**0.2,
            "mse_relative": 1 / asked**0.2,
            "status": "ok",
        }
        for model in ("A", "B")
        for seed in (1, 2)
        for structure, scope, asked, kept, macs in cells
    )


def test_a_panel_for_parameters_and_one_for_macs_per_model(structures):
    figure = structure_figure(structures)
    assert len(figure.axes) == 4
    assert [axes.get_title(loc="left") for axes in figure.axes[::2]] == ["A", "B"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["unstructured, by layer", "unstructured, by global", "2:4", "structured", "dense"]
    assert figure.axes[2].get_xlabel() == "Share of all parameters kept"
    assert figure.axes[3].get_xlabel() == "Share of multiply-adds"


def test_the_table_has_asked_and_achieved(structures):
    html = structure_table(structures).to_html()
    for word in ("2:4", "structured", "0.5", "50", "60", "55", "1.15"):
        assert word in html, word
    assert "unstructured" not in html


def test_nothing_to_show_is_a_clear_line(structures):
    with pytest.raises(UserError, match="none of the 32 cells finished"):
        structure_figure(structures.assign(status="failed"))
    with pytest.raises(UserError, match="only unstructured"):
        structure_table(structures[structures["structure"] == "unstructured"])
    with pytest.raises(UserError, match="macs_share"):
        structure_figure(structures.drop(columns="macs_share"))
